"""A connection to a database, and the snapshot that it reads."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase

from loader.errors import ConfigurationError, LoaderError, SourceUnavailable
from loader.settings import Jdbc, JdbcTable
from loader.sources.jdbc.columns import Column, Relation, canonical, decoded, raw_name
from loader.sources.jdbc.dialect import CONNECT_SECONDS, Dialect, Fault, Values, patience, whole
from loader.sources.jdbc.mysql import MySQL
from loader.sources.jdbc.postgresql import PostgreSQL

DIALECTS: Mapping[str, Callable[[], Dialect]] = {"postgresql": PostgreSQL, "mysql": MySQL}
_SENTENCES: Mapping[Fault, tuple[type[LoaderError], str]] = {
    Fault.REFUSED: (
        ConfigurationError,
        (
            "{where} refuses user {user}: {told}. Check user and password (an environment "
            "variable, a file, or a credential provider)."
        ),
    ),
    Fault.TIMED_OUT: (
        SourceUnavailable,
        (
            "{where}: a statement took longer than statement_timeout_seconds = {seconds} ({told}); "
            "raise it, or import less."
        ),
    ),
    Fault.FORBIDDEN: (
        ConfigurationError,
        "{where}: {told}; grant user {user} the right to read it, or exclude it.",
    ),
    Fault.INCOMPUTABLE: (
        ConfigurationError,
        (
            "{where}: {told}. The database cannot compute its rows; correct the view, the query "
            "or the values."
        ),
    ),
    Fault.WRONG: (
        ConfigurationError,
        "{where}: {told}. Correct the section in loader.toml.",
    ),
    Fault.OTHER: (
        SourceUnavailable,
        "{where} does not answer or gave up: {told}. Start or reach the database, and run again.",
    ),
}
# Texts of both servers when they refuse a login.
_REFUSED = re.compile(r"authentication failed|no password|Access denied|role .* not exist")


class Database:
    """A connection to ``[jdbc.<section>]`` and the snapshot that it reads; ``close`` ends both.

    Raises ``ConfigurationError`` if the database refuses the login, ``SourceUnavailable`` if it
    does not answer. No error contains the password.
    """

    def __init__(self, section: str, config: Jdbc) -> None:
        kind, host, database, _ = config.address
        self.section = section
        self.config = config
        self.where = f"[jdbc.{section}] ({host}/{database})"
        self.dialect = DIALECTS[kind]()
        # The schema of names without one, from the catalogue.
        self.default_schema = ""
        self._lock = threading.Lock()
        try:
            self.dialect.connect(config)
            with self.dialect.deadline(CONNECT_SECONDS):
                self.snapshot = self.dialect.snapshot()
        except ConfigurationError as error:
            message = f"{self.where}: {error}"
            raise error.reworded(message, section=section) from None
        except Exception as error:
            known: tuple[type[Exception], ...] = (*self.dialect.errors(), OSError, ValueError)
            if not isinstance(error, known):
                raise
            raise self.failed(error) from None

    def close(self) -> None:
        """End the session, which also ends the snapshot."""
        with suppress(Exception):
            self.dialect.close()

    def ask(self, statement: str) -> list[Values]:
        """The rows of a ``select``."""
        with self.asking() as dialect:
            try:
                return dialect.run(statement)
            except Exception as error:  # decoding errors too, for example
                raise self.failed(error) from None

    @contextmanager
    def asking(self) -> Iterator[Dialect]:
        """The connection for one thread at a time, with the deadline of a statement."""
        with self._lock, self.dialect.deadline(patience(self.config)):
            yield self.dialect

    def hide(self, text: str) -> str:
        """``text`` with ``***`` for the password."""
        secret = self.config.password.get_secret_value() if self.config.password else ""
        return text.replace(secret, "***") if secret else text

    def full_name(self, name: str, default: str) -> str:
        """``name`` with a schema: its own or ``default``."""
        return name if "." in name else f"{default}.{name}"

    def is_excluded(self, name: str) -> bool:
        """Whether the configuration excludes the relation ``name``."""
        excluded = [self.full_name(each, self.default_schema) for each in self.config.exclude]
        return matches(name, excluded)

    def entry(self, relation: Relation) -> JdbcTable:
        """The configuration's entry of ``relation``, or a default one."""
        for each in self.config.tables:
            if self.full_name(each.name, self.default_schema) == relation.name:
                return each
        return JdbcTable(name=relation.name)

    def raw_table(self, relation: Relation) -> str:
        """The raw table (``schema.name``) of ``relation``."""
        schema, _, name = relation.name.partition(".")
        table = self.entry(relation).table or self.config.table
        table = table.replace("{schema}", raw_name(schema))
        return table.replace("{table}", raw_name(name))

    def text_of(self, aggregate: str, column: Column, relation: Relation) -> str | None:
        """An aggregate (``max``) of a column as text, in the form that ``compared`` takes; None for
        null.
        """
        expression = self.dialect.text(f"{aggregate}({self.dialect.quoted(column.source)})")
        value = self.ask(f"select {expression} from {relation.sql}")[0][0]
        return None if value is None else decoded(value)

    def compared(self, column: Column, operator: str, value: str) -> str:
        """A condition that compares ``column`` with a text that ``text_of`` returned."""
        literal = self.dialect.literal(value, column)
        return f"{self.dialect.quoted(column.source)} {operator} {literal}"

    def is_null(self, column: Column) -> str:
        """A condition that ``column`` is null."""
        return f"{self.dialect.quoted(column.source)} is null"

    def estimate(self, relation: Relation, condition: str) -> int:
        """The planner's estimate of the rows of ``relation`` with ``condition``."""
        select = f"select 1 from {relation.sql} where {condition}"
        with self.asking() as dialect:
            try:
                return dialect.estimate(select)
            except Exception as error:
                raise self.failed(error) from None

    def count(self, relation: Relation, condition: str, column: Column) -> tuple[int, str]:
        """Number of rows with ``condition``, and the first total of ``column`` as text (empty for
        text).
        """
        total = column.totals[0][0] if column.family in ("number", "date", "time") else "null"
        row = self.ask(f"select count(*), {total} from {relation.sql} where {condition}")[0]
        return whole(row[0]), canonical(row[1])

    def select(self, relation: Relation, columns: Sequence[Column], condition: str = "") -> str:
        """The statement that selects ``columns`` under their names in raw."""
        names = ", ".join(
            f"{each.expression} as {self.dialect.quoted(each.name)}" for each in columns
        )
        return f"select {names} from {relation.sql}" + (f" where {condition}" if condition else "")

    def options(self) -> dict[str, str]:
        """Options of Spark's JDBC reader: url, login, snapshot and limits."""
        options = {
            **self.dialect.properties(self.config, self.snapshot),
            "driver": self.dialect.driver,
            "fetchsize": str(self.config.fetch_size),
        }
        if self.config.login:
            options["user"] = self.config.login
        if self.config.password:
            options["password"] = self.config.password.get_secret_value()
        return options

    def failed(self, error: Exception) -> LoaderError:
        """The loader's error for an error of a driver."""
        if isinstance(error, LoaderError):
            return error
        lines = str(error.args[-1] if error.args else error).strip().splitlines()
        told = self.hide(lines[0].strip() if lines else type(error).__name__).rstrip(".")
        fault = Fault.REFUSED if _REFUSED.search(told) else self.dialect.fault(error)
        kind, text = _SENTENCES[fault]
        user, seconds = self.config.login, self.config.statement_timeout_seconds
        text = text.format(where=self.where, told=told, user=repr(user), seconds=f"{seconds:g}")
        return kind(text, section=self.section)


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether ``name`` matches one of ``patterns``."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)
