"""PostgreSQL."""

from __future__ import annotations

import json
import os
import re
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from math import ceil
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import parse_qsl

from loader.settings import Jdbc
from loader.sources.jdbc.columns import (
    FIRST_DAY,
    LAST_DAY,
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
    import psycopg

# The first server version with an infinite numeric (14).
_KNOWS_INFINITY = 140000
# SQLSTATEs, and their two-character classes, by category.
_FAULTS = {
    "57014": Fault.TIMED_OUT,
    "42501": Fault.FORBIDDEN,
    "22": Fault.INCOMPUTABLE,
    "38": Fault.INCOMPUTABLE,
    "P0": Fault.INCOMPUTABLE,
    "42": Fault.WRONG,
    "3D": Fault.WRONG,
}


class PostgreSQL:
    """The dialect of PostgreSQL; see ``Dialect``."""

    title: ClassVar[str] = "PostgreSQL"
    driver: ClassVar[str] = "org.postgresql.Driver"
    default_schema: ClassVar[str] = "public"
    shares_snapshot: ClassVar[bool] = True
    catalogue: ClassVar[str] = """
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

    def __init__(self) -> None:
        self.version = 0
        self._open: psycopg.Connection | None = None

    @property
    def _connection(self) -> psycopg.Connection:
        if self._open is None:
            raise OSError("there is no connection")
        return self._open

    def connect(self, config: Jdbc) -> None:
        """See ``Dialect``."""
        import psycopg
        from psycopg.conninfo import make_conninfo

        _, host, database, parameters = config.address
        hosts = [
            each.rpartition(":") if ":" in each else (each, "", "") for each in host.split(",")
        ]
        secure = self.tls(dict(parse_qsl(parameters, keep_blank_values=True)))
        info = make_conninfo(
            "",
            host=",".join(each[0].strip("[]") for each in hosts),
            port=",".join(each[2] or "5432" for each in hosts),
            dbname=database,
            user=config.login,
            password=config.password.get_secret_value() if config.password else None,
            connect_timeout=CONNECT_SECONDS,
            application_name="lacustre-loader",
            **secure,
        )
        self._open = psycopg.connect(info, autocommit=True)
        self.version = self._open.info.server_version
        with self.deadline(CONNECT_SECONDS):
            for statement in _session(config):
                self._open.execute(statement.encode())
            self._open.execute("begin isolation level repeatable read read only")

    def close(self) -> None:
        """See ``Dialect``."""
        if self._open is not None:
            self._open.close()

    @contextmanager
    def deadline(self, seconds: float) -> Iterator[None]:
        """Shut the socket down after ``seconds``, because the client has no timeout of its own."""
        connection = self._connection

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

    def snapshot(self) -> str | None:
        """See ``Dialect``."""
        # Not with ``run``: PostgreSQL does not export a snapshot from a savepoint.
        row = self._connection.execute("select pg_export_snapshot()").fetchone()
        return str(row[0]) if row else None

    def run(self, statement: str) -> list[Values]:
        """See ``Dialect``."""
        with self._connection.transaction():  # a savepoint keeps the snapshot alive
            cursor = self._connection.execute(statement.encode())
            return list(cursor.fetchall()) if cursor.description else []

    def described(self, query: str) -> list[tuple[str, str]]:
        """See ``Dialect``."""
        with self._connection.transaction():  # a savepoint, as in run
            cursor = self._connection.execute(f"select * from ({query}) q limit 0".encode())
            result, described = cursor.pgresult, cursor.description or []
            names = [
                (each.name, each.type_code, result.fmod(at) if result else -1)
                for at, each in enumerate(described)
            ]
            types = ", ".join(f"format_type({oid}, {modifier})" for _, oid, modifier in names)
            kinds = self._connection.execute(f"select {types}".encode()).fetchone() or ()
        return [(name[0], str(kind)) for name, kind in zip(names, kinds, strict=True)]

    def estimate(self, select: str) -> int:
        """See ``Dialect``."""
        (answer,) = self.run(f"explain (format json) {select}")[0]
        plan = json.loads(answer) if isinstance(answer, str) else answer
        return whole(plan[0]["Plan"]["Plan Rows"])  # type: ignore[index]

    def errors(self) -> tuple[type[Exception], ...]:
        """See ``Dialect``."""
        import psycopg

        return (psycopg.Error,)

    def fault(self, error: Exception) -> Fault:
        """See ``Dialect``."""
        import psycopg

        if isinstance(error, psycopg.errors.InvalidPassword):
            return Fault.REFUSED
        state = (error.sqlstate or "") if isinstance(error, psycopg.Error) else ""
        return _FAULTS.get(state) or _FAULTS.get(state[:2], Fault.OTHER)

    def properties(self, config: Jdbc, snapshot: str | None) -> dict[str, str]:
        """See ``Dialect``."""
        _, host, database, parameters = config.address
        init = _session(config)
        if snapshot:
            init += [
                "begin isolation level repeatable read read only",
                f"set transaction snapshot '{snapshot}'",
            ]
        return {
            "url": f"jdbc:postgresql://{host}/{database}"
            + (f"?{parameters}" if parameters else ""),
            "ApplicationName": "lacustre-loader",
            "loginTimeout": str(CONNECT_SECONDS),
            "socketTimeout": str(ceil(patience(config))),
            "sessionInitStatement": "; ".join(init),
        }

    def tls(self, given: Mapping[str, str]) -> dict[str, str]:
        """See ``Dialect``."""
        # Both drivers have these parameters, with the same names and defaults.
        both = ("sslmode", "sslcert", "sslkey", "sslrootcert")
        check_tls(given, (*both, "ssl"))
        secure = {name: given[name] for name in both if name in given}
        if given.get("ssl", "no").lower() in ("", "true"):
            secure.setdefault("sslmode", "verify-full")  # as for the JDBC driver
        return secure

    def column(self, typed: Typed, override: str | None) -> Column:
        """See ``Dialect``."""
        source, kind, _, _ = typed
        c = self.quoted(source)
        base, _, arguments = kind.partition("(")
        numbers = [int(each) for each in re.findall(r"-?\d+", arguments.partition(")")[0])]
        crossing = crossing_of(Type(c, kind, base, numbers, self.version), kind, _CROSSINGS)
        return overridden(crossing.column(typed), override, f"{c}::text", f"sum({c})")

    def quoted(self, name: str) -> str:
        """See ``Dialect``."""
        return '"' + name.replace('"', '""') + '"'

    def literal(self, value: str, column: Column) -> str:
        """See ``Dialect``."""
        return "'" + value.replace("'", "''") + "'"

    def text(self, expression: str) -> str:
        """See ``Dialect``."""
        return f"({expression})::text"

    def sample(self, relation: Relation, condition: str, share: float) -> str:
        """See ``Dialect``."""
        if relation.is_table:
            pages = f" tablesample system ({min(100.0, 100 * share):.6f}) repeatable (0)"
            return f"{relation.sql}{pages} where {condition}"
        return f"{relation.sql} where random() < {share:.8f} and {condition}"

    def fingerprint(self, columns: Sequence[Column]) -> str:
        """See ``Dialect``."""
        names = ", ".join(self.quoted(each.source) for each in columns)
        return f"sum(hashtextextended(row({names})::text, 0)::numeric)"


def _session(config: Jdbc) -> list[str]:
    """The statements that every session runs first."""
    return [
        *own_statements(config),
        "set time zone 'UTC'",
        "set datestyle = 'ISO'",
        "set default_transaction_read_only = on",
        f"set statement_timeout = {round(config.statement_timeout_seconds * 1000)}",
    ]


def _length(expression: str) -> tuple[tuple[str, str], ...]:
    """The bytes of a text, as SQL of the database and of Spark."""
    return ((f"sum(octet_length({expression}))", "sum(octet_length({c}))"),)


def _integer(kind: Type) -> Crossing:
    read_as = {"smallint": "smallint", "integer": "int", "bigint": "bigint"}[kind.kind]
    return Crossing(kind.column, read_as, "number", totals=(whole_total(kind.column),))


def _oid(kind: Type) -> Crossing:
    expression = f"{kind.column}::bigint"
    return Crossing(expression, "bigint", totals=(whole_total(expression),))


def _boolean(kind: Type) -> Crossing:
    totals = ((f"sum({kind.column}::int)", "sum(cast({c} as int))"),)
    return Crossing(kind.column, "boolean", totals=totals)


def _floating(kind: Type) -> Crossing:
    read_as = "float" if kind.kind == "real" else "double"
    totals = tuple(
        (f"{which}({kind.column}::float8)", f"cast({which}({{c}}) as double)")
        for which in ("min", "max")
    )
    return Crossing(kind.column, read_as, totals=totals)


def _numeric(kind: Type) -> Crossing:
    c = kind.column
    precision, scale = kind.numbers if len(kind.numbers) == 2 else (0, 0)
    precision, scale = max(precision - min(scale, 0), scale), max(scale, 0)
    if not 0 < precision <= 38:
        return Crossing(f"{c}::text", family="number", totals=_length(f"{c}::text"))
    refused = f"{c} = 'NaN'"
    if kind.version >= _KNOWS_INFINITY:  # older versions reject the literal too
        refused += f" or abs({c}) = 'Infinity'"
    totals = ((f"sum({c})", f"try_sum(cast({{c}} as decimal(38, {scale})))"),)
    return Crossing(c, f"decimal({precision}, {scale})", "number", totals=totals, refused=refused)


def _date(kind: Type) -> Crossing:
    c = kind.column
    refused = f"{c} < '{FIRST_DAY}' or {c} > '{LAST_DAY}'"
    expression = f"case when not ({refused}) then {c} - date '1970-01-01' end"
    totals = (whole_total(expression, "unix_date({c})"),)
    return Crossing(expression, "int", "date", "date", "date_from_unix_date({c})", totals, refused)


def _timestamp(kind: Type) -> Crossing:
    c = kind.column
    zoned = kind.kind.endswith("with time zone")
    refused = f"{c} < '{FIRST_DAY}' or {c} > '{LAST_DAY} 23:59:59.999999'"
    expression = f"case when not ({refused}) then (extract(epoch from {c}) * 1000000)::bigint end"
    landed_as = "timestamp" if zoned else "timestamp_ntz"
    convert = "timestamp_micros({c})"
    if not zoned:
        convert = f"cast({convert} as timestamp_ntz)"
    totals = (whole_total(expression, "unix_micros(cast({c} as timestamp))"),)
    return Crossing(expression, "bigint", "time", landed_as, convert, totals, refused)


def _bytes(kind: Type) -> Crossing:
    return Crossing(kind.column, "binary", totals=_length(kind.column))


def _characters(kind: Type) -> Crossing:
    return Crossing(kind.column, family="text", totals=_length(kind.column))


def _as_text(kind: Type) -> Crossing:
    """uuid, json, arrays, time, bit, enumerations and all others: their text is exact."""
    c = kind.column
    expression = f"array_to_json({c})::text" if kind.kind.endswith("[]") else f"{c}::text"
    family = "text" if kind.kind == "uuid" else "other"
    return Crossing(expression, family=family, totals=_length(expression))


_CROSSINGS: Crossings = (
    (r"smallint|integer|bigint", _integer),
    (r"oid", _oid),
    (r"boolean", _boolean),
    (r"real|double precision", _floating),
    (r"numeric(\(.*)?", _numeric),
    (r"date", _date),
    (r"timestamp(\(\d\))? with.*", _timestamp),
    (r"bytea", _bytes),
    (r'(text|character varying|character|name|"char")(\(.*)?', _characters),
    (r"(?s).*", _as_text),
)
