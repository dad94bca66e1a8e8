"""MariaDB and MySQL."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from math import ceil
from typing import TYPE_CHECKING, ClassVar

from loader.errors import ConfigurationError
from loader.settings import Jdbc
from loader.sources.jdbc.columns import (
    Column,
    Crossing,
    Crossings,
    Relation,
    Type,
    Typed,
    crossing_of,
    overridden,
    whole_total,
)
from loader.sources.jdbc.dialect import (
    CONNECT_SECONDS,
    Fault,
    Values,
    check_tls,
    own_statements,
    patience,
    whole,
)

# Imported where it is used, because imports are most of the time of a run with nothing new.
if TYPE_CHECKING:
    import pymysql

# The server's error numbers by category.
_FAULTS = {
    1969: Fault.TIMED_OUT,
    3024: Fault.TIMED_OUT,
    1142: Fault.FORBIDDEN,
    1143: Fault.FORBIDDEN,
    **dict.fromkeys((1049, 1064, 1054, 1146), Fault.WRONG),
}
# ``explain`` fails on a view whose tables the user may not read.
_NO_PLAN = 1345


class MySQL:
    """The dialect of MariaDB and MySQL; see ``Dialect``."""

    title: ClassVar[str] = "MariaDB/MySQL"
    driver: ClassVar[str] = "org.mariadb.jdbc.Driver"
    default_schema: ClassVar[str] = ""
    shares_snapshot: ClassVar[bool] = False
    catalogue: ClassVar[str] = """
        select c.table_schema, c.table_name, t.table_type like '%TABLE%', c.column_name,
            c.column_type, c.is_nullable = 'YES',
            coalesce((
                select k.ordinal_position - 1 from information_schema.key_column_usage k
                where k.constraint_name = 'PRIMARY' and k.table_schema = c.table_schema
                    and k.table_name = c.table_name and k.column_name = c.column_name
            ), -1), c.table_schema = database()
        from information_schema.columns c
            join information_schema.tables t
                on t.table_schema = c.table_schema and t.table_name = c.table_name
        where c.table_schema not in ('mysql', 'information_schema', 'performance_schema', 'sys')
        order by c.table_schema, c.table_name, c.ordinal_position
    """

    def __init__(self) -> None:
        self.version = "MariaDB"
        self._open: pymysql.Connection | None = None

    def connect(self, config: Jdbc) -> None:
        """See ``Dialect``."""
        _, host, database, parameters = config.address
        name, _, port = host.rpartition(":") if ":" in host else (host, "", "3306")
        # The JDBC driver does not decode parameters, so they are not decoded here either.
        secure = self.tls(dict(each.partition("=")[::2] for each in parameters.split("&")))
        import pymysql

        password = config.password.get_secret_value() if config.password else ""
        self._open = pymysql.connect(
            host=name,
            port=int(port),
            user=config.login or "",
            password=password,
            database=database,
            charset="utf8mb4",
            connect_timeout=CONNECT_SECONDS,
            read_timeout=CONNECT_SECONDS,
            write_timeout=CONNECT_SECONDS,
            program_name="lacustre-loader",
            conv={},
            autocommit=True,
            **secure,
        )
        # The connect timeout also limits the first answers; later statements may take longer.
        self._open._read_timeout = ceil(patience(config))
        self.version = self._open.get_server_info()
        for statement in _session(config, self.version):
            self.run(statement)
        self.run("set session transaction isolation level repeatable read")
        self.run("start transaction with consistent snapshot, read only")

    def close(self) -> None:
        """See ``Dialect``."""
        if self._open is not None:
            self._open.close()

    def deadline(self, seconds: float) -> AbstractContextManager[None]:
        """No-op: the client's read timeout, set in ``connect``, ends every statement."""
        return nullcontext()

    def snapshot(self) -> str | None:
        """None: no other connection can read the snapshot."""
        return None

    def run(self, statement: str) -> list[Values]:
        """See ``Dialect``."""
        if self._open is None:
            raise OSError("there is no connection")
        with self._open.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    def described(self, query: str) -> list[tuple[str, str]]:
        """See ``Dialect``."""
        raise ConfigurationError(
            "A query cannot be imported from MariaDB or MySQL, because the database reports exact "
            "types only for tables and views; make a view of the query and name that."
        )

    def estimate(self, select: str) -> int:
        """See ``Dialect``."""
        import pymysql

        try:
            rows = self.run(f"explain {select}")
        except pymysql.MySQLError as error:
            if error.args[0] != _NO_PLAN:
                raise
            return whole(self.run(select.replace("select 1", "select count(*)", 1))[0][0])
        return max((whole(row[-2]) for row in rows), default=0)

    def errors(self) -> tuple[type[Exception], ...]:
        """See ``Dialect``."""
        import pymysql

        return (pymysql.Error,)

    def fault(self, error: Exception) -> Fault:
        """See ``Dialect``."""
        import pymysql

        number = error.args[0] if isinstance(error, pymysql.Error) and error.args else 0
        return _FAULTS.get(number, Fault.OTHER)

    def properties(self, config: Jdbc, snapshot: str | None) -> dict[str, str]:
        """See ``Dialect``."""
        _, host, database, parameters = config.address
        # Not jdbc:mariadb: with it, Spark quotes names in double quotes, which MariaDB takes for
        # string literals, so every value would be the column's name.
        url = f"jdbc:mysql://{host}/{database}?permitMysqlScheme"
        return {
            "url": url + (f"&{parameters}" if parameters else ""),
            "allowMultiQueries": "true",
            "tinyInt1isBit": "false",
            "connectTimeout": str(1000 * CONNECT_SECONDS),
            "socketTimeout": str(ceil(1000 * patience(config))),
            "sessionInitStatement": "; ".join(_session(config, self.version)),
        }

    def tls(self, given: Mapping[str, str]) -> dict[str, bool | ssl.SSLContext]:
        """See ``Dialect``."""
        both = ("sslMode", "serverSslCert")
        given = {  # the JDBC driver ignores the case of names
            next((each for each in both if each.lower() == name.lower()), name): value
            for name, value in given.items()
        }
        check_tls(given, both)
        mode, authority = given.get("sslMode", "disable").lower(), given.get("serverSslCert")
        if mode == "disable" and not authority:
            return {"ssl_disabled": True}
        if mode not in ("verify-ca", "verify-full") and (mode != "trust" or authority):
            message = (
                f"sslMode={mode}{' with serverSslCert' if authority else ''} is not what both "
                "clients do alike; write disable, trust, verify-ca or verify-full, and "
                "serverSslCert only with the last two."
            )
            raise ConfigurationError(message)
        try:
            # Without a certificate: the system's certificate authorities, as Java uses its own.
            context = ssl.create_default_context(cafile=authority)
        except OSError as error:
            message = f"serverSslCert {authority!r} is no PEM file that can be read: {error}."
            raise ConfigurationError(message) from error
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # self-signed ones fail it
        context.check_hostname = mode == "verify-full"
        if mode == "trust":
            context.verify_mode = ssl.CERT_NONE
        return {"ssl": context}

    def column(self, typed: Typed, override: str | None) -> Column:
        """See ``Dialect``."""
        source, kind, _, _ = typed
        c = self.quoted(source)
        base, _, arguments = kind.partition("(")
        base = base.split()[0]
        numbers = [int(each) for each in re.findall(r"\d+", arguments.partition(")")[0])]
        crossing = crossing_of(Type(c, kind, base, numbers), base, _CROSSINGS)
        text = f"cast({crossing.expression if base in ('float', 'bit') else c} as char)"
        if crossing.read_as == "binary":  # bytes may be no text; the cast would give question marks
            text = f"case when cast({text} as binary) = {c} then {text} end"
        return overridden(crossing.column(typed), override, text, f"sum({c})")

    def quoted(self, name: str) -> str:
        """See ``Dialect``."""
        return "`" + name.replace("`", "``") + "`"

    def literal(self, value: str, column: Column) -> str:
        """See ``Dialect``."""
        if column.family == "number":
            return value
        from pymysql.converters import escape_string

        return f"'{escape_string(value)}'"

    def text(self, expression: str) -> str:
        """See ``Dialect``."""
        return f"cast({expression} as char)"

    def sample(self, relation: Relation, condition: str, share: float) -> str:
        """See ``Dialect``."""
        return f"{relation.sql} where rand(0) < {share:.8f} and {condition}"

    def fingerprint(self, columns: Sequence[Column]) -> str:
        """See ``Dialect``."""
        parts = ", ".join(
            f"ifnull({'hex' if each.read_as == 'binary' else ''}({name}), '\\0')"
            for each in columns
            if (name := each.expression)  # a plain float would be written with only six digits
        )
        # ``concat_ws`` returns null for a row that is too long. Such a row gets a random number, so
        # that it always counts as changed.
        row = f"conv(left(md5(concat_ws('\\1', {parts})), 15), 16, 10)"
        return f"sum(cast(coalesce({row}, floor(rand() * 1e15)) as unsigned))"


def _session(config: Jdbc, version: str) -> list[str]:
    """The statements that every session runs first."""
    seconds = config.statement_timeout_seconds
    timeout = (
        f"max_statement_time = {seconds:g}"
        if "MariaDB" in version
        else f"max_execution_time = {round(seconds * 1000)}"
    )
    return [
        *own_statements(config),
        "set session transaction read only",
        f"set session time_zone = '+00:00', session {timeout}",
    ]


def _length(expression: str) -> tuple[tuple[str, str], ...]:
    """The bytes of a text, as SQL of the database and of Spark."""
    return ((f"sum(length(convert({expression} using utf8mb4)))", "sum(octet_length({c}))"),)


# The type in raw of each integer type, signed and unsigned.
_WHOLE = {
    "tinyint": ("tinyint", "smallint"),
    "smallint": ("smallint", "int"),
    "mediumint": ("int", "int"),
    "int": ("int", "bigint"),
    "bigint": ("bigint", "decimal(20, 0)"),
}


def _integer(kind: Type) -> Crossing:
    unsigned = "unsigned" in kind.kind
    landed_as = _WHOLE[kind.base][unsigned]
    # Read as a wider type, because the drivers return tinyint(1) as a boolean.
    read_as = landed_as if kind.base == "bigint" and unsigned else "bigint"
    totals = (whole_total(kind.column, is_long=not read_as.startswith("decimal")),)
    expression = f"cast({kind.column} as {'unsigned' if unsigned else 'signed'})"
    convert = f"cast({{c}} as {landed_as})"
    return Crossing(expression, read_as, "number", landed_as, convert, totals)


def _year(kind: Type) -> Crossing:
    expression = f"cast({kind.column} as unsigned)"
    totals = (whole_total(expression),)
    return Crossing(expression, "bigint", "number", "smallint", "cast({c} as smallint)", totals)


def _bit(kind: Type) -> Crossing:
    expression, is_long = f"cast({kind.column} as unsigned)", kind.numbers[0] < 64
    totals = (whole_total(expression, is_long=is_long),)
    return Crossing(expression, "bigint" if is_long else "decimal(20, 0)", totals=totals)


def _decimal(kind: Type) -> Crossing:
    c, (precision, scale) = kind.column, kind.numbers
    if precision > 38:
        expression = f"cast({c} as char)"
        return Crossing(expression, family="number", totals=_length(expression))
    totals = ((f"sum({c})", f"try_sum(cast({{c}} as decimal(38, {scale})))"),)
    return Crossing(c, f"decimal({precision}, {scale})", "number", totals=totals)


def _floating(kind: Type) -> Crossing:
    # Cast to double: the server writes a float with only six digits.
    expression, wide = f"cast({kind.column} as double)", "cast({c} as double)"
    totals = tuple((f"{which}({expression})", f"{which}({wide})") for which in ("min", "max"))
    convert = f"cast({{c}} as {kind.base})"
    return Crossing(expression, "double", "other", kind.base, convert, totals)


def _date(kind: Type) -> Crossing:
    c = kind.column
    refused = _zero(c)
    expression = f"case when not {refused} then datediff({c}, '1970-01-01') end"
    totals = (whole_total(expression, "unix_date({c})"),)
    convert = "date_from_unix_date({c})"
    return Crossing(expression, "int", "date", "date", convert, totals, refused)


def _datetime(kind: Type) -> Crossing:
    c = kind.column
    refused, since = _zero(c), f"timestampdiff(microsecond, '1970-01-01', {c})"
    expression = f"case when not {refused} then {since} end"
    totals = (whole_total(expression, "unix_micros(cast({c} as timestamp))"),)
    convert = "cast(timestamp_micros({c}) as timestamp_ntz)"
    return Crossing(expression, "bigint", "time", "timestamp_ntz", convert, totals, refused)


def _zero(c: str) -> str:
    """A condition for a zero date, or a date with month or day zero."""
    return f"({c} = 0 or month({c}) = 0 or dayofmonth({c}) = 0)"


def _timestamp(kind: Type) -> Crossing:
    c = kind.column
    refused = f"({c} = 0)"
    micros = f"cast(unix_timestamp({c}) * 1000000 as signed)"
    expression = f"case when not {refused} then {micros} end"
    totals = (whole_total(expression, "unix_micros({c})"),)
    convert = "timestamp_micros({c})"
    return Crossing(expression, "bigint", "time", "timestamp", convert, totals, refused)


def _bytes(kind: Type) -> Crossing:
    totals = ((f"sum(length({kind.column}))", "sum(octet_length({c}))"),)
    return Crossing(kind.column, "binary", totals=totals)


def _characters(kind: Type) -> Crossing:
    c = kind.column
    # Spark would pad char values with spaces.
    expression = f"cast({c} as char)" if kind.base == "char" else c
    return Crossing(expression, family="text", totals=_length(expression))


def _as_text(kind: Type) -> Crossing:
    """time, enum, set, json, uuid, inet and all others: their text is exact."""
    expression = f"cast({kind.column} as char)"
    return Crossing(expression, totals=_length(expression))


_CROSSINGS: Crossings = (
    (r"tinyint|smallint|mediumint|int|bigint", _integer),
    (r"year", _year),
    (r"bit", _bit),
    (r"decimal|numeric", _decimal),
    (r"float|double", _floating),
    (r"date", _date),
    (r"datetime", _datetime),
    (r"timestamp", _timestamp),
    (r"binary|varbinary|.*blob", _bytes),
    (r"char|varchar|.*text", _characters),
    (r"(?s).*", _as_text),
)
