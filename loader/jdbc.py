"""The databases' side of imports: which tables there are, their types, how a read is divided.

The Python drivers only ask (catalogue, bounds, counts); Spark's JDBC source reads the rows. Both
see one snapshot where the database can share one. What a driver would change silently (numbers
without precision, times, infinity, unsigned numbers, zero dates) leaves the database as text or as
a whole number, and is made what it is in Spark.
"""

from __future__ import annotations

import difflib
import os
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from math import ceil
from typing import Any
from urllib.parse import parse_qsl

from loader.errors import ConfigurationError, LoaderError, SourceUnavailable, some
from loader.plan import Split
from loader.settings import Jdbc, JdbcTable

_CONNECT_SECONDS = 10
# A table with fewer rows is read in one task: a connection costs as much as reading thousands.
_ROWS_OF_A_TASK = 200_000
_MOST_TASKS = 32
# So many keys say well enough where the quantiles of a table are.
_SAMPLE = 20_000
# What Spark's date and timestamp hold; anything else would be changed on the way.
_FIRST, _LAST = "0001-01-01", "9999-12-31"
_SPLITTABLE = ("number", "date", "time", "text")
_DEFAULT_OVERLAP = {"append": "10000", "last_modified": "10m"}


def _errors(*more: type[Exception]) -> tuple[type[Exception], ...]:
    """What the drivers raise. They are imported where a database is asked: a run without one, and
    with nothing new, is little but imports.
    """
    import psycopg
    import pymysql  # type: ignore[import-untyped]

    return psycopg.Error, pymysql.Error, *more


def _check_tls(given: Mapping[str, str], known: Sequence[str]) -> None:
    """Raise ``ConfigurationError`` for a parameter of TLS that only one client would follow."""
    for name in given:
        if re.search(r"(?i)ssl|tls|keystore|truststore|servercert", name) and name not in known:
            message = (
                f"The parameter {name} of the url tells only one of the two clients how to use "
                f"TLS; both understand {', '.join(known)}."
            )
            raise ConfigurationError(message, parameter=name)


@dataclass(frozen=True)
class Column:
    """One column: its ``name`` in raw and at the ``source``, its type there (``kind``), and how it
    comes over: selected as ``expression``, read by Spark as ``read_as``, landed as ``landed_as`` by
    the Spark expression ``convert``.

    ``totals`` are pairs of aggregates, in the database's SQL and in Spark's, that must agree.
    ``refused`` is a condition on values that ``landed_as`` cannot hold. ``family`` is ``number``,
    ``date``, ``time``, ``text`` or ``other``; ``is_nullable`` whether it may be null.
    """

    name: str
    source: str
    kind: str
    expression: str
    read_as: str
    landed_as: str
    convert: str
    totals: tuple[tuple[str, str], ...]
    refused: str | None
    family: str
    is_nullable: bool


@dataclass(frozen=True)
class Relation:
    """A table, view or query of a database: ``name`` as ``schema.table``, ``sql`` what stands after
    ``from``, and the columns of its primary ``key``.
    """

    name: str
    sql: str
    is_table: bool
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    def column(self, name: str, wanted_by: str) -> Column:
        """The column called ``name`` in the source or in raw; ``ConfigurationError`` without it."""
        for each in self.columns:
            if name in (each.source, each.name):
                return each
        message = (
            f"{self.name} has no column {name!r}, which {wanted_by} names; it has "
            f"{some([each.source for each in self.columns])}."
        )
        raise ConfigurationError(message, relation=self.name, column=name)


def _source_name(name: str) -> str:
    return re.sub(r"\W+", "_", name.strip().lower()).strip("_")


def _whole(name: str, spark: str = "{c}", *, is_long: bool = True) -> tuple[str, str]:
    """The sum of whole numbers in the database, and in Spark."""
    if not is_long:
        return f"sum({name})", f"try_sum(cast({spark} as decimal(38, 0)))"
    # Two sums of half the bits cannot overflow, and are quicker than one of decimals.
    high, low = f"sum(shiftright(cast({spark} as bigint), 32))", f"sum({spark} & 4294967295)"
    return f"sum({name})", (
        f"cast({high} as decimal(38, 0)) * cast(4294967296 as decimal(10, 0)) + {low}"
    )


def _patience(config: Jdbc) -> float:
    """Seconds that we wait for an answer: the server ends a statement before, unless it is gone."""
    return config.statement_timeout_seconds + _CONNECT_SECONDS


class _PostgreSQL:
    title = "PostgreSQL"
    driver = "org.postgresql.Driver"
    shares_snapshot = True
    version = 0

    def connect(self, config: Jdbc) -> Any:
        _, host, database, parameters = config.address
        hosts = [
            each.rpartition(":") if ":" in each else (each, "", "") for each in host.split(",")
        ]
        secure = self.tls(dict(parse_qsl(parameters, keep_blank_values=True)))
        import psycopg

        password = config.password.get_secret_value() if config.password else None
        connection = psycopg.connect(
            host=",".join(each[0].strip("[]") for each in hosts),
            port=",".join(each[2] or "5432" for each in hosts),
            dbname=database,
            user=config.login,
            password=password,
            connect_timeout=_CONNECT_SECONDS,
            application_name="lacustre-loader",
            autocommit=True,
            **secure,
        )
        self.version = connection.info.server_version
        with self.deadline(connection, _CONNECT_SECONDS):
            for statement in self.session(config):
                connection.execute(statement.encode())
            connection.execute("begin isolation level repeatable read read only")
        return connection

    @contextmanager
    def deadline(self, connection: Any, seconds: float) -> Iterator[None]:
        """Cut the connection off after ``seconds``: the client itself would wait for ever."""

        def cut_off() -> None:
            with suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as same:
                same.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(seconds, cut_off)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def tls(self, given: Mapping[str, str]) -> dict[str, Any]:
        """What the Python client is told, so that it uses TLS as the Java client does."""
        # The two know these by the same names, and have the same defaults.
        both = ("sslmode", "sslcert", "sslkey", "sslrootcert")
        _check_tls(given, (*both, "ssl"))
        secure = {name: given[name] for name in both if name in given}
        if given.get("ssl", "no").lower() in ("", "true"):
            secure.setdefault("sslmode", "verify-full")  # as the Java client understands it
        return secure

    def session(self, config: Jdbc) -> list[str]:
        """What every session begins with."""
        own = [config.session_init.strip().rstrip(";")] if config.session_init.strip() else []
        return [
            *own,
            "set time zone 'UTC'",
            "set datestyle = 'ISO'",
            "set default_transaction_read_only = on",
            f"set statement_timeout = {round(config.statement_timeout_seconds * 1000)}",
        ]

    def properties(self, config: Jdbc, snapshot: str | None) -> dict[str, str]:
        """Options of Spark's reader, without user and password."""
        _, host, database, parameters = config.address
        init = self.session(config)
        if snapshot:
            init += [
                "begin isolation level repeatable read read only",
                f"set transaction snapshot '{snapshot}'",
            ]
        return {
            "url": f"jdbc:postgresql://{host}/{database}"
            + (f"?{parameters}" if parameters else ""),
            "ApplicationName": "lacustre-loader",
            "loginTimeout": str(_CONNECT_SECONDS),
            "socketTimeout": str(ceil(_patience(config))),
            "sessionInitStatement": "; ".join(init),
        }

    def run(self, connection: Any, statement: str) -> list[tuple[Any, ...]]:
        with connection.transaction():  # a savepoint: what fails leaves the snapshot alive
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def snapshot(self, connection: Any) -> str | None:
        return str(connection.execute("select pg_export_snapshot()").fetchone()[0])

    def quoted(self, name: str) -> str:
        return '"' + name.replace('"', '""') + '"'

    def literal(self, value: str, column: Column) -> str:
        return "'" + value.replace("'", "''") + "'"

    catalogue = """
        select n.nspname, c.relname, c.relkind in ('r', 'p', 'f', 'm'), a.attname,
            format_type(a.atttypid, a.atttypmod), not a.attnotnull,
            case when array_position(i.indkey::int2[], a.attnum) < i.indnkeyatts
                then array_position(i.indkey::int2[], a.attnum) else -1 end,
            n.nspname = current_schema()
        from pg_class c
            join pg_namespace n on n.oid = c.relnamespace
            join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
            left join pg_index i on i.indrelid = c.oid and i.indisprimary
        where c.relkind in ('r', 'p', 'v', 'm', 'f')
            and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
            and not c.relispartition
        order by 1, 2, a.attnum
    """

    def described(self, connection: Any, query: str) -> list[tuple[str, str]]:
        """Names and types of the columns of ``query``."""
        with connection.transaction():  # a savepoint, as in run
            cursor = connection.execute(f"select * from ({query}) q limit 0".encode())
            names = [
                (each.name, each.type_code, cursor.pgresult.fmod(at))
                for at, each in enumerate(cursor.description)
            ]
            types = ", ".join(f"format_type({oid}, {modifier})" for _, oid, modifier in names)
            kinds = connection.execute(f"select {types}".encode()).fetchone()
        return [(name[0], kind) for name, kind in zip(names, kinds, strict=True)]

    def text(self, expression: str) -> str:
        return f"({expression})::text"

    def column(self, row: tuple[Any, ...], override: str | None) -> Column:
        source, kind, is_nullable, name = row
        c = self.quoted(source)
        base, _, arguments = kind.partition("(")
        numbers = [int(each) for each in re.findall(r"-?\d+", arguments.partition(")")[0])]
        expression, read_as, convert, family = c, "string", "{c}", "other"
        landed_as, refused = "", None
        total = ("sum(octet_length({e}))", "sum(octet_length({c}))")
        totals: tuple[tuple[str, str], ...] = ()
        exact = {"smallint": "smallint", "integer": "int", "bigint": "bigint"}
        if kind in exact:
            read_as, totals, family = exact[kind], (_whole(c),), "number"
        elif kind == "oid":
            expression, read_as, totals = f"{c}::bigint", "bigint", (_whole(f"{c}::bigint"),)
        elif kind == "boolean":
            read_as, totals = "boolean", ((f"sum({c}::int)", "sum(cast({c} as int))"),)
        elif kind in ("real", "double precision"):
            read_as = "float" if kind == "real" else "double"
            totals = tuple(
                (f"{which}({c}::float8)", f"cast({which}({{c}}) as double)")
                for which in ("min", "max")
            )
        elif base == "numeric":
            family = "number"
            precision, scale = numbers if len(numbers) == 2 else (0, 0)
            precision, scale = max(precision - min(scale, 0), scale), max(scale, 0)
            if 0 < precision <= 38:
                read_as = f"decimal({precision}, {scale})"
                totals = ((f"sum({c})", f"try_sum(cast({{c}} as decimal(38, {scale})))"),)
                refused = f"{c} = 'NaN'"
                if self.version >= 140000:  # older ones know no infinite numeric, nor its text
                    refused += f" or abs({c}) = 'Infinity'"
            else:
                expression = f"{c}::text"
        elif kind == "date":
            refused = f"{c} < '{_FIRST}' or {c} > '{_LAST}'"
            expression = f"case when not ({refused}) then {c} - date '1970-01-01' end"
            read_as, landed_as, convert, family = "int", "date", "date_from_unix_date({c})", "date"
            totals = (_whole(expression, "unix_date({c})"),)
        elif re.match(r"timestamp(\(\d\))? with", kind):
            zoned = kind.endswith("with time zone")
            refused = f"{c} < '{_FIRST}' or {c} > '{_LAST} 23:59:59.999999'"
            expression = (
                f"case when not ({refused}) then (extract(epoch from {c}) * 1000000)::bigint end"
            )
            landed_as = "timestamp" if zoned else "timestamp_ntz"
            read_as, family = "bigint", "time"
            convert = "timestamp_micros({c})"
            if not zoned:
                convert = f"cast({convert} as timestamp_ntz)"
            totals = (_whole(expression, "unix_micros(cast({c} as timestamp))"),)
        elif kind == "bytea":
            read_as = "binary"
            totals = ((f"sum(octet_length({c}))", "sum(octet_length({c}))"),)
        elif base in ("text", "character varying", "character", "name", '"char"'):
            family = "text"
        else:
            # uuid, json, arrays, time, bit, enumerations and all others: their text is exact.
            expression = f"array_to_json({c})::text" if kind.endswith("[]") else f"{c}::text"
            family = "text" if kind == "uuid" else "other"
        if read_as == "string":
            totals = (tuple(each.format(e=expression, c="{c}") for each in total),)  # type: ignore[assignment]
        made = Column(
            name, source, kind, expression, read_as, landed_as or read_as, convert, totals, refused,
            family, is_nullable,
        )  # fmt: skip
        return _overridden(made, override, f"{c}::text", f"sum({c})")

    def estimate(self, connection: Any, select: str) -> int:
        rows = self.run(connection, f"explain (format json) {select}")
        return int(rows[0][0][0]["Plan"]["Plan Rows"])

    def sample(self, relation: Relation, condition: str, share: float) -> str:
        if relation.is_table:
            pages = f" tablesample system ({min(100.0, 100 * share):.6f}) repeatable (0)"
            return f"{relation.sql}{pages} where {condition}"
        return f"{relation.sql} where random() < {share:.8f} and {condition}"

    def fingerprint(self, columns: Sequence[Column]) -> str:
        names = ", ".join(self.quoted(each.source) for each in columns)
        return f"sum(hashtextextended(row({names})::text, 0)::numeric)"

    def tuple(self, parts: Sequence[str]) -> str:
        return f"({', '.join(parts)})" if len(parts) > 1 else parts[0]


class _MySQL:
    title = "MariaDB/MySQL"
    driver = "org.mariadb.jdbc.Driver"
    shares_snapshot = False

    def connect(self, config: Jdbc) -> Any:
        _, host, database, parameters = config.address
        name, _, port = host.rpartition(":") if ":" in host else (host, "", "3306")
        # As the Java client reads them, which decodes nothing.
        secure = self.tls(dict(each.partition("=")[::2] for each in parameters.split("&")))
        import pymysql

        password = config.password.get_secret_value() if config.password else ""
        connection = pymysql.connect(
            host=name,
            port=int(port),
            user=config.login or "",
            password=password,
            database=database,
            charset="utf8mb4",
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_CONNECT_SECONDS,
            write_timeout=_CONNECT_SECONDS,
            program_name="lacustre-loader",
            conv={},
            autocommit=True,
            **secure,
        )
        # It has only this time for a greeting and for answers; a statement may take longer.
        connection._read_timeout = ceil(_patience(config))
        version = connection.get_server_info()
        for statement in self.session(config, version):
            self.run(connection, statement)
        self.run(connection, "set session transaction isolation level repeatable read")
        self.run(connection, "start transaction with consistent snapshot, read only")
        return connection

    def tls(self, given: Mapping[str, str]) -> dict[str, Any]:
        """What the Python client is told, so that it uses TLS as the Java client does."""
        both = ("sslMode", "serverSslCert")
        given = {  # whose case the Java client does not mind
            next((each for each in both if each.lower() == name.lower()), name): value
            for name, value in given.items()
        }
        _check_tls(given, both)
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
            # Without a certificate the authorities of the system, as Java has its own.
            context = ssl.create_default_context(cafile=authority)
        except OSError as error:
            message = f"serverSslCert {authority!r} is no PEM file that can be read: {error}."
            raise ConfigurationError(message) from error
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # which servers' own certificates fail
        context.check_hostname = mode == "verify-full"
        if mode == "trust":
            context.verify_mode = ssl.CERT_NONE
        return {"ssl": context}

    def session(self, config: Jdbc, version: str = "MariaDB") -> list[str]:
        own = [config.session_init.strip().rstrip(";")] if config.session_init.strip() else []
        seconds = config.statement_timeout_seconds
        timeout = (
            f"max_statement_time = {seconds:g}"
            if "MariaDB" in version
            else f"max_execution_time = {round(seconds * 1000)}"
        )
        return [
            *own,
            "set session transaction read only",
            f"set session time_zone = '+00:00', session {timeout}",
        ]

    def properties(self, config: Jdbc, snapshot: str | None) -> dict[str, str]:
        _, host, database, parameters = config.address
        # With jdbc:mariadb: Spark quotes names as MariaDB does not, and each value is a name.
        url = f"jdbc:mysql://{host}/{database}?permitMysqlScheme"
        return {
            "url": url + (f"&{parameters}" if parameters else ""),
            "allowMultiQueries": "true",
            "tinyInt1isBit": "false",
            "connectTimeout": str(1000 * _CONNECT_SECONDS),
            "socketTimeout": str(ceil(1000 * _patience(config))),
            "sessionInitStatement": "; ".join(self.session(config, self.version)),
        }

    version = "MariaDB"

    def deadline(self, connection: Any, seconds: float) -> AbstractContextManager[None]:
        """Nothing: the client has its own, since ``connect``."""
        return nullcontext()

    def run(self, connection: Any, statement: str) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    def snapshot(self, connection: Any) -> str | None:
        self.version = connection.get_server_info()
        return None

    def quoted(self, name: str) -> str:
        return "`" + name.replace("`", "``") + "`"

    def literal(self, value: str, column: Column) -> str:
        if column.family == "number":
            return value
        from pymysql.converters import escape_string  # type: ignore[import-untyped]

        return f"'{escape_string(value)}'"

    catalogue = """
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

    def described(self, connection: Any, query: str) -> list[tuple[str, str]]:
        raise ConfigurationError(
            "A query cannot be imported from MariaDB or MySQL, since only a table or view says the "
            "exact types of its columns; make a view of the query and name that."
        )

    def text(self, expression: str) -> str:
        return f"cast({expression} as char)"

    def column(self, row: tuple[Any, ...], override: str | None) -> Column:
        source, kind, is_nullable, name = row
        c = self.quoted(source)
        base, _, arguments = kind.partition("(")
        base = base.split()[0]
        numbers = [int(each) for each in re.findall(r"\d+", arguments.partition(")")[0])]
        unsigned = "unsigned" in kind
        expression, read_as, convert, family = c, "string", "{c}", "other"
        landed_as, refused = "", None
        totals: tuple[tuple[str, str], ...] = ()
        whole = {
            "tinyint": ("tinyint", "smallint"),
            "smallint": ("smallint", "int"),
            "mediumint": ("int", "int"),
            "int": ("int", "bigint"),
            "bigint": ("bigint", "decimal(20, 0)"),
        }
        if base in whole:
            # Read as a wider number, since the drivers take tinyint(1) for a boolean.
            landed_as = whole[base][unsigned]
            read_as = landed_as if base == "bigint" and unsigned else "bigint"
            expression = f"cast({c} as {'unsigned' if unsigned else 'signed'})"
            is_long = not read_as.startswith("decimal")
            totals, family = (_whole(c, is_long=is_long),), "number"
            convert = f"cast({{c}} as {landed_as})"
        elif base == "year":
            expression, read_as, landed_as = f"cast({c} as unsigned)", "bigint", "smallint"
            convert, totals, family = "cast({c} as smallint)", (_whole(expression),), "number"
        elif base == "bit":
            expression = f"cast({c} as unsigned)"
            read_as = "bigint" if numbers[0] < 64 else "decimal(20, 0)"
            totals = (_whole(expression, is_long=numbers[0] < 64),)
        elif base in ("decimal", "numeric"):
            family = "number"
            if numbers[0] <= 38:
                read_as = f"decimal({numbers[0]}, {numbers[1]})"
                totals = ((f"sum({c})", f"try_sum(cast({{c}} as decimal(38, {numbers[1]})))"),)
            else:
                expression = f"cast({c} as char)"
        elif base in ("float", "double"):
            # As it is stored: what the server writes of a float has six digits.
            expression, read_as = f"cast({c} as double)", "double"
            landed_as = base
            convert = f"cast({{c}} as {base})"
            wide = "cast({c} as double)"
            totals = (
                (f"min({expression})", f"min({wide})"),
                (f"max({expression})", f"max({wide})"),
            )
        elif base == "date":
            refused = f"({c} = 0 or month({c}) = 0 or dayofmonth({c}) = 0)"
            expression = f"case when not {refused} then datediff({c}, '1970-01-01') end"
            read_as, landed_as, convert, family = "int", "date", "date_from_unix_date({c})", "date"
            totals = (_whole(expression, "unix_date({c})"),)
        elif base == "datetime":
            refused = f"({c} = 0 or month({c}) = 0 or dayofmonth({c}) = 0)"
            since = f"timestampdiff(microsecond, '1970-01-01', {c})"
            expression = f"case when not {refused} then {since} end"
            read_as, landed_as, family = "bigint", "timestamp_ntz", "time"
            convert = "cast(timestamp_micros({c}) as timestamp_ntz)"
            totals = (_whole(expression, "unix_micros(cast({c} as timestamp))"),)
        elif base == "timestamp":
            refused = f"({c} = 0)"
            expression = (
                f"case when not {refused} then cast(unix_timestamp({c}) * 1000000 as signed) end"
            )
            read_as, landed_as, family = "bigint", "timestamp", "time"
            convert = "timestamp_micros({c})"
            totals = (_whole(expression, "unix_micros({c})"),)
        elif base in ("binary", "varbinary") or base.endswith("blob"):
            read_as = "binary"
            totals = ((f"sum(length({c}))", "sum(octet_length({c}))"),)
        elif base in ("char", "varchar") or base.endswith("text"):
            family = "text"
            if base == "char":  # which Spark would fill up with spaces
                expression = f"cast({c} as char)"
        else:
            # time, enum, set, json, uuid, inet and all others: their text is exact.
            expression = f"cast({c} as char)"
        if read_as == "string":
            length = f"sum(length(convert({expression} using utf8mb4)))"
            totals = ((length, "sum(octet_length({c}))"),)
        made = Column(
            name, source, kind, expression, read_as, landed_as or read_as, convert, totals, refused,
            family, is_nullable,
        )  # fmt: skip
        text = f"cast({expression if base in ('float', 'bit') else c} as char)"
        if read_as == "binary":  # which may be no text, and would get question marks
            text = f"case when cast({text} as binary) = {c} then {text} end"
        return _overridden(made, override, text, f"sum({c})")

    def estimate(self, connection: Any, select: str) -> int:
        import pymysql

        try:
            rows = self.run(connection, f"explain {select}")
        except pymysql.MySQLError as error:
            if error.args[0] != 1345:  # of a view whose tables the user may not read
                raise
            return int(self.run(connection, select.replace("select 1", "select count(*)", 1))[0][0])
        return max((int(row[-2] or 0) for row in rows), default=0)

    def sample(self, relation: Relation, condition: str, share: float) -> str:
        return f"{relation.sql} where rand(0) < {share:.8f} and {condition}"

    def fingerprint(self, columns: Sequence[Column]) -> str:
        parts = ", ".join(
            f"ifnull({'hex' if each.read_as == 'binary' else ''}({name}), '\\0')"
            for each in columns
            if (name := each.expression)  # a float as such is written with six digits only
        )
        # A row that is too long to be written has no checksum, and so always counts as changed.
        row = f"conv(left(md5(concat_ws('\\1', {parts})), 15), 16, 10)"
        return f"sum(cast(coalesce({row}, floor(rand() * 1e15)) as unsigned))"

    def tuple(self, parts: Sequence[str]) -> str:
        return f"({', '.join(parts)})" if len(parts) > 1 else parts[0]


_LANDED = re.compile(
    r"^(string|boolean|tinyint|smallint|int|bigint|float|double|date|timestamp|timestamp_ntz|binary"
    r"|decimal\(\d+, ?\d+\))$"
)


def _overridden(column: Column, landed_as: str | None, text: str, total: str) -> Column:
    """``column`` as the Spark type ``landed_as`` that a person chose for it; a value that it does
    not hold whole (rounded, without its time of day, cut off) fails the import.
    """
    if landed_as is None:
        return column
    wanted = landed_as.strip().lower()
    if not _LANDED.match(wanted):
        message = (
            f"Column {column.source} cannot land as {landed_as!r}; write string, boolean, tinyint, "
            "smallint, int, bigint, decimal(p, s), float, double, date, timestamp, timestamp_ntz "
            "or binary."
        )
        raise ConfigurationError(message, column=column.source)
    if wanted == "string":
        length = "octet_length" if "::" in text else "length"
        return replace(
            column, expression=text, read_as="string", landed_as="string", convert="{c}",
            totals=((f"sum({length}({text}))", "sum(octet_length({c}))"),), refused=None,
            family="text" if column.family == "text" else "other",
        )  # fmt: skip
    original, cast = column.convert, f"try_cast({column.convert} as {wanted})"
    back = f"try_cast({{}} as {column.landed_as})"
    totals = tuple((theirs, ours.format(c=back.format("{c}"))) for theirs, ours in column.totals)
    same = f"{back.format(cast)} <=> {original}"
    if column.landed_as == "string":
        # 1.5 and 1.50 are one number; of all else the text is the same.
        bare = r"regexp_replace({}, '^(-?[0-9]+)(?:[.]0*|([.][0-9]*?)0+)$', '$1$2')"
        same = f"{bare.format(back.format(cast))} <=> {bare.format(original)}"
        if re.match(r"decimal|float|double|.*int", wanted):
            totals = ()
    if column.family == "number" and re.match(r"decimal|.*int", wanted):
        scale = wanted.rpartition(",")[2].strip(" )") if wanted.startswith("decimal") else "0"
        totals = ((total, f"try_sum(cast({{c}} as decimal(38, {scale})))"),)
    # What does not come back as it was is null, so that it is missed when values are counted.
    return replace(
        column, landed_as=wanted, convert=f"case when {same} then {cast} end", totals=totals
    )


_DIALECTS: Mapping[str, Callable[[], Any]] = {"postgresql": _PostgreSQL, "mysql": _MySQL}


class Database:
    """A connection to ``[jdbc.<section>]`` and the snapshot that it reads; ``close`` ends both.

    Raises ``ConfigurationError`` where the database refuses us, ``SourceUnavailable`` where it does
    not answer. No error ever holds the password.
    """

    def __init__(self, section: str, config: Jdbc) -> None:
        kind, host, database, _ = config.address
        self.section = section
        self.config = config
        self.where = f"[jdbc.{section}] ({host}/{database})"
        self._dialect = _DIALECTS[kind]()
        self._lock = threading.Lock()
        try:
            self._connection = self._dialect.connect(config)
            with self._dialect.deadline(self._connection, _CONNECT_SECONDS):
                self.snapshot: str | None = self._dialect.snapshot(self._connection)
        except ConfigurationError as error:
            message = f"{self.where}: {error}"
            raise ConfigurationError(message, section=section, **error.facts) from None
        except _errors(OSError, ValueError) as error:
            raise self._failed(error) from None
        self.title: str = self._dialect.title
        self.shares_snapshot: bool = self._dialect.shares_snapshot
        self._default = ""

    def close(self) -> None:
        """End the session, and with it the snapshot."""
        with suppress(Exception):
            self._connection.close()

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        """The rows of a ``select``."""
        with self._asking() as connection:
            try:
                rows: list[tuple[Any, ...]] = self._dialect.run(connection, statement)
            except Exception as error:  # text in another encoding, for example, is no driver's
                raise self._failed(error) from None
        return rows

    @contextmanager
    def _asking(self) -> Iterator[Any]:
        """The connection, alone, and for no longer than a statement may take."""
        with self._lock, self._dialect.deadline(self._connection, _patience(self.config)):
            yield self._connection

    def hide(self, text: str) -> str:
        """``text`` without the password."""
        secret = self.config.password.get_secret_value() if self.config.password else ""
        return text.replace(secret, "***") if secret else text

    def relations(self) -> tuple[list[Relation], list[LoaderError]]:
        """The tables, views and queries that the configuration names, with their columns; and an
        error for each table, column or type that is named and not there.
        """
        errors: list[LoaderError] = []
        found: dict[str, list[tuple[Any, ...]]] = {}
        for row in self.ask(self._dialect.catalogue):
            if _true(row[7]):
                self._default = row[0]
            found.setdefault(f"{row[0]}.{row[1]}", []).append(row)
        default = self._default or ("public" if self.title == "PostgreSQL" else "")
        named = {self._full(each.name, default): each for each in self.config.tables}
        for name, entry in named.items():
            if name not in found and entry.query is None:
                errors.append(self._unknown(entry.name, default, list(found)))
        for pattern in self.config.include:
            full = self._full(pattern, default)
            if not re.search(r"[*?\[]", pattern) and full not in found:
                errors.append(self._unknown(pattern, default, list(found)))
        excluded = [self._full(each, default) for each in self.config.exclude]
        included = [self._full(each, default) for each in self.config.include]
        chosen = [
            name
            for name in found
            if (name in named or _matches(name, included)) and not _matches(name, excluded)
        ]
        queries = {name for name, entry in named.items() if entry.query is not None}
        relations = []
        for name in sorted({*chosen, *queries}):
            try:
                if name in queries:
                    relations.append(self._query(name, named[name]))
                else:
                    relations.append(self._relation(name, found[name], named.get(name)))
            except Exception as error:
                errors.append(self._failed(error))
        return relations, errors

    def is_excluded(self, name: str) -> bool:
        """Whether the configuration leaves the relation ``name`` out."""
        return _matches(name, [self._full(each, self._default) for each in self.config.exclude])

    def entry(self, relation: Relation) -> JdbcTable:
        """What the configuration says of ``relation``."""
        for each in self.config.tables:
            if self._full(each.name, self._default) == relation.name:
                return each
        return JdbcTable(name=relation.name)

    def raw_table(self, relation: Relation) -> str:
        """The raw table that ``relation`` lands in."""
        schema, _, name = relation.name.partition(".")
        table = self.entry(relation).table or self.config.table
        table = table.replace("{schema}", _source_name(schema))
        return table.replace("{table}", _source_name(name))

    def text_of(self, aggregate: str, column: Column, relation: Relation) -> str | None:
        """The text of an aggregate (``max``) of a column, as ``condition`` takes it."""
        expression = self._dialect.text(f"{aggregate}({self._dialect.quoted(column.source)})")
        value = self.ask(f"select {expression} from {relation.sql}")[0][0]
        return None if value is None else _decoded(value)

    def compared(self, column: Column, operator: str, value: str) -> str:
        """A condition: ``column`` against a value that ``text_of`` gave."""
        return (
            f"{self._dialect.quoted(column.source)} {operator} "
            f"{self._dialect.literal(value, column)}"
        )

    def is_null(self, column: Column) -> str:
        """A condition: ``column`` is null."""
        return f"{self._dialect.quoted(column.source)} is null"

    def estimate(self, relation: Relation, condition: str) -> int:
        """About how many rows ``relation`` has with ``condition``, as the planner thinks."""
        select = f"select 1 from {relation.sql} where {condition}"
        with self._asking() as connection:
            try:
                return int(self._dialect.estimate(connection, select))
            except Exception as error:
                raise self._failed(error) from None

    def count(self, relation: Relation, condition: str, column: Column) -> tuple[int, Any]:
        """Rows with ``condition``, and the sum of what ``column`` is read as, where it has one."""
        total = column.totals[0][0] if column.family in ("number", "date", "time") else "null"
        row = self.ask(f"select count(*), {total} from {relation.sql} where {condition}")[0]
        return int(row[0]), canonical(row[1])

    def split(self, relation: Relation, condition: str, rows: int) -> list[str]:
        """Conditions that divide the rows with ``condition`` into parts of about the same size, at
        quantiles of the key; rows without a key are in the first part.

        Raises ``ConfigurationError`` when a person wants parts and there is nothing to divide by.
        """
        bounds, columns = self._bounds(relation, condition, rows)
        parts = []
        nullable = any(each.is_nullable for each in columns)
        for index in range(len(bounds) + 1):
            # A comparison with null is null: such rows are below every bound, and in one part.
            above = f"not {self._less(columns, bounds[index - 1])}" if index else ""
            if index and not nullable:
                above = self._less(columns, bounds[index - 1], ">=")
            below = self._less(columns, bounds[index]) if index < len(bounds) else ""
            parts.append(" and ".join(part for part in (condition, above, below) if part))
        return parts

    def measure(
        self, relation: Relation, conditions: Sequence[str], *, with_fingerprint: bool = False
    ) -> tuple[list[Split], str]:
        """What the database itself counts in each part, by one scan, and a fingerprint of all where
        that is wanted; it costs as much as the rest.

        Raises ``ConfigurationError`` for values that the type of their column cannot hold.
        """
        aggregates = ["count(*)"]
        for each in relation.columns:
            aggregates.append(f"count({self._dialect.quoted(each.source)})")
            aggregates += [total for total, _ in each.totals]
        refused = [each for each in relation.columns if each.refused]
        aggregates += [f"sum(case when {each.refused} then 1 else 0 end)" for each in refused]
        aggregates.append(
            self._dialect.fingerprint(relation.columns) if with_fingerprint else "null"
        )
        which = "0"
        if len(conditions) > 1:
            cases = (f"when {each} then {index}" for index, each in enumerate(conditions))
            which = f"case {' '.join(cases)} end"
        everything = " or ".join(f"({each})" for each in conditions)
        grouped = self.ask(
            f"select {which} as part, {', '.join(aggregates)} from {relation.sql} "
            f"where {everything} group by 1"
            if len(conditions) > 1
            else f"select 0, {', '.join(aggregates)} from {relation.sql} where {everything}"
        )
        found = {int(row[0]): list(row[1:]) for row in grouped}
        splits, fingerprint = [], 0
        for index, condition in enumerate(conditions):
            row = found.get(index)
            if row is None:
                splits.append(Split(condition, 0, {}))
                continue
            values = iter(row)
            count = int(next(values))
            totals: dict[str, tuple[str, ...]] = {}
            for each in relation.columns:
                got = [next(values) for _ in range(1 + len(each.totals))]
                totals[each.name] = tuple(canonical(value) for value in got)
            for each in refused:
                bad = int(next(values) or 0)
                if bad:
                    message = (
                        f"Column {each.source} ({each.kind}) of {relation.name} in {self.where} "
                        f"has {bad:,} values that {each.landed_as} cannot hold (infinite, not a "
                        "number, zero or out of the years 1 to 9999). Nothing was imported; land "
                        f'it as text with columns = {{ {each.source} = "string" }} in the table\'s '
                        "entry, or correct the values."
                    )
                    raise ConfigurationError(message, relation=relation.name, column=each.source)
            fingerprint += int(next(values) or 0)
            splits.append(Split(condition, count, totals))
        return splits, str(fingerprint) if with_fingerprint else ""

    def select(self, relation: Relation, columns: Sequence[Column], condition: str = "") -> str:
        """The statement that reads ``columns``, each called as in raw."""
        names = ", ".join(
            f"{each.expression} as {self._dialect.quoted(each.name)}" for each in columns
        )
        return f"select {names} from {relation.sql}" + (f" where {condition}" if condition else "")

    def options(self) -> dict[str, str]:
        """Options of Spark's JDBC reader: address, login, the snapshot and the limits."""
        options = {
            **self._dialect.properties(self.config, self.snapshot),
            "driver": self._dialect.driver,
            "fetchsize": str(self.config.fetch_size),
        }
        if self.config.login:
            options["user"] = self.config.login
        if self.config.password:
            options["password"] = self.config.password.get_secret_value()
        return options

    def _full(self, name: str, default: str) -> str:
        return name if "." in name else f"{default}.{name}"

    def _relation(
        self, name: str, rows: Sequence[tuple[Any, ...]], entry: JdbcTable | None
    ) -> Relation:
        schema, table = rows[0][0], rows[0][1]
        catalogue = [(row[3], row[4], _true(row[5])) for row in rows]
        key = [row for row in rows if int(row[6]) >= 0]
        return Relation(
            name=name,
            sql=f"{self._dialect.quoted(schema)}.{self._dialect.quoted(table)}",
            is_table=_true(rows[0][2]),
            key=tuple(row[3] for row in sorted(key, key=lambda row: int(row[6]))),
            columns=self._columns(name, catalogue, entry),
        )

    def _query(self, name: str, entry: JdbcTable) -> Relation:
        query = str(entry.query).strip().rstrip(";")
        with self._asking() as connection:
            try:
                described = self._dialect.described(connection, query)
            except Exception as error:
                problem = self._failed(error)
                message = f"Query {name}: {problem}"
                raise type(problem)(message, **{**problem.facts, "relation": name}) from None
        catalogue = [(column, kind, True) for column, kind in described]
        return Relation(
            name, f"({query}) as query", False, (), self._columns(name, catalogue, entry)
        )

    def _columns(
        self, relation: str, catalogue: Sequence[tuple[str, str, bool]], entry: JdbcTable | None
    ) -> tuple[Column, ...]:
        names = [_source_name(each[0]) for each in catalogue]
        wrong = {name for name in names if names.count(name) > 1 or not name}
        wrong |= {"batch_id", "loaded_at", "is_deleted"} & set(names)
        if wrong:
            message = (
                f"{relation} of {self.where} has a column that becomes {min(wrong)!r} in raw, "
                "which is empty, repeated, or a name that the loader uses itself; import a view "
                "or a query that names it otherwise."
            )
            raise ConfigurationError(message, relation=relation)
        overrides = dict(entry.columns) if entry else {}
        columns = []
        for (source, kind, is_nullable), name in zip(catalogue, names, strict=True):
            override = overrides.pop(source, None) or overrides.pop(name, None)
            columns.append(self._dialect.column((source, kind, is_nullable, name), override))
        if overrides:
            message = (
                f"{relation} of {self.where} has no column {min(overrides)!r}, which `columns` "
                f"gives a type; it has {', '.join(each[0] for each in catalogue)}."
            )
            raise ConfigurationError(message, relation=relation, column=min(overrides))
        return tuple(columns)

    def _unknown(self, name: str, default: str, known: Sequence[str]) -> ConfigurationError:
        close = difflib.get_close_matches(self._full(name, default), known, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        message = (
            f"{self.where} has no table or view {name} that its user may see{hint}. Correct the "
            "name, or grant the user the right to read it."
        )
        return ConfigurationError(message, section=self.section, relation=name)

    def split_columns(self, relation: Relation) -> tuple[Column, ...]:
        """What ``relation`` is divided by; empty where there is nothing."""
        entry = self.entry(relation)
        names = entry.split_by or relation.key
        columns = tuple(relation.column(name, "split_by") for name in names)
        unfit = [each for each in columns if each.family not in _SPLITTABLE]
        if unfit and entry.split_by:
            message = (
                f"{relation.name} of {self.where} cannot be divided by {unfit[0].source} "
                f"({unfit[0].kind}): name numbers, dates, timestamps or strings in split_by."
            )
            raise ConfigurationError(message, relation=relation.name, column=unfit[0].source)
        return () if unfit else columns

    def _bounds(
        self, relation: Relation, condition: str, rows: int
    ) -> tuple[list[tuple[str, ...]], tuple[Column, ...]]:
        entry, columns = self.entry(relation), self.split_columns(relation)
        if not columns:
            if (entry.splits or 1) > 1:
                message = (
                    f"{relation.name} of {self.where} has no primary key and no split_by, so it "
                    f"cannot be read in {entry.splits} parts; name columns in split_by, or take "
                    "splits away."
                )
                raise ConfigurationError(message, relation=relation.name)
            return [], ()
        wanted = entry.splits or (
            1
            if rows < _ROWS_OF_A_TASK
            else min(_MOST_TASKS, max(self.config.connections, rows // (5 * _ROWS_OF_A_TASK)))
        )
        if wanted == 1:
            return [], columns
        names = [self._dialect.quoted(each.source) for each in columns]
        known = " and ".join(f"{name} is not null" for name in names)
        share = min(1.0, _SAMPLE / max(rows, 1))
        # Named, or PostgreSQL orders by the text that has the name of the column.
        texts = ", ".join(
            f"{self._dialect.text(name)} as bound_{at}" for at, name in enumerate(names)
        )
        sampled = self._dialect.sample(relation, f"{condition} and {known}", share)
        keys = self.ask(f"select {texts} from {sampled} order by {', '.join(names)}")
        if len(keys) < wanted and share < 1.0:
            sampled = self._dialect.sample(relation, f"{condition} and {known}", 1.0)
            keys = self.ask(f"select {texts} from {sampled} order by {', '.join(names)}")
        bounds: list[tuple[str, ...]] = []
        for index in range(1, wanted):
            bound = (
                tuple(_decoded(value) for value in keys[len(keys) * index // wanted])
                if keys
                else ()
            )
            first = tuple(_decoded(value) for value in keys[0]) if keys else ()
            if bound and bound != first and (not bounds or bounds[-1] != bound):
                bounds.append(bound)
        return bounds, columns

    def _less(self, columns: Sequence[Column], bound: Sequence[str], operator: str = "<") -> str:
        names = [self._dialect.quoted(each.source) for each in columns]
        values = [self._dialect.literal(v, each) for v, each in zip(bound, columns, strict=True)]
        comparison = f"{self._dialect.tuple(names)} {operator} {self._dialect.tuple(values)}"
        if operator == "<" and any(each.is_nullable for each in columns):
            return f"coalesce({comparison}, true)"
        return comparison

    def _failed(self, error: Exception) -> LoaderError:
        if isinstance(error, LoaderError):
            return error
        import psycopg
        import pymysql

        lines = str(error.args[-1] if error.args else error).strip().splitlines()
        told = self.hide(lines[0].strip() if lines else type(error).__name__).rstrip(".")
        refused = re.search(
            r"authentication failed|no password|Access denied|role .* not exist", told
        )
        if refused or isinstance(error, psycopg.errors.InvalidPassword):
            message = (
                f"{self.where} refuses user {self.config.login!r}: {told}. Check user and password "
                "(an environment variable, a file, or a credential provider)."
            )
            return ConfigurationError(message, section=self.section)
        state = getattr(error, "sqlstate", None) or ""
        number = error.args[0] if isinstance(error, pymysql.Error) and error.args else 0
        if state == "57014" or number in (1969, 3024):
            message = (
                f"{self.where}: a statement took longer than statement_timeout_seconds = "
                f"{self.config.statement_timeout_seconds:g} ({told}); raise it, or import less."
            )
            return SourceUnavailable(message, section=self.section)
        if state == "42501" or number in (1142, 1143):
            message = (
                f"{self.where}: {told}; grant user {self.config.login!r} the right to read it, or "
                "exclude it."
            )
            return ConfigurationError(message, section=self.section)
        if state[:2] in ("22", "38", "P0"):
            message = (
                f"{self.where}: {told}. The database cannot compute its rows; correct the view, "
                "the query or the values."
            )
            return ConfigurationError(message, section=self.section)
        if state[:2] in ("42", "3D") or number in (1049, 1064, 1054, 1146):
            message = f"{self.where}: {told}. Correct the section in loader.toml."
            return ConfigurationError(message, section=self.section)
        message = (
            f"{self.where} does not answer or gave up: {told}. Start or reach the database, and "
            "run again."
        )
        return SourceUnavailable(message, section=self.section)


def overlap_of(entry: JdbcTable) -> str:
    """How far below the last import the next one begins."""
    return entry.overlap if entry.overlap is not None else _DEFAULT_OVERLAP[entry.mode]


def canonical(value: Any) -> str:
    """A number as text that is the same for every client and database; empty for null."""
    if value is None:
        return ""
    try:
        number = Decimal(repr(value) if isinstance(value, float) else _decoded(value))
    except InvalidOperation:
        return str(value)
    if not number.is_finite():
        return str(number).lower()
    return format(number.normalize(), "f") if number else "0"


def _decoded(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _true(value: Any) -> bool:
    return value in (True, 1, "1", b"1")


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
