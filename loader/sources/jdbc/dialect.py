"""The protocol of a kind of database, and what the implementations share."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from enum import Enum
from typing import ClassVar, NamedTuple, Protocol

from loader.errors import ConfigurationError
from loader.settings import Jdbc
from loader.sources.jdbc.columns import Column, Relation, Typed, decoded

# Seconds to connect, and for the first answers of a connection.
CONNECT_SECONDS = 10
Values = Sequence[object]


class Fault(Enum):
    """The category of a database's error."""

    REFUSED = "it does not know the user"
    TIMED_OUT = "the statement took too long"
    FORBIDDEN = "the user may not read that"
    INCOMPUTABLE = "it cannot compute the rows"
    WRONG = "there is no such table or column, or the SQL is wrong"
    OTHER = "it does not answer, or gave up"


class CatalogueRow(NamedTuple):
    """A column in the catalogue; ``place_in_key`` is -1 outside of the primary key."""

    schema: str
    table: str
    is_table: bool
    column: str
    kind: str
    is_nullable: bool
    place_in_key: int
    is_of_default_schema: bool

    @classmethod
    def of(cls, values: Values) -> CatalogueRow:
        """The row from a driver's values, which may be text."""
        schema, table, is_table, column, kind, is_nullable, place, is_default = values
        names = [decoded(each) for each in (schema, table, column, kind)]
        return cls(
            names[0], names[1], is_true(is_table), names[2], names[3], is_true(is_nullable),
            whole(place), is_true(is_default),
        )  # fmt: skip


class Dialect(Protocol):
    """A kind of database, and a connection to it after ``connect``.

    ``shares_snapshot`` is true if Spark's connections can read the snapshot of this connection.
    ``catalogue`` is a query with the columns of ``CatalogueRow``, ``driver`` the class of the JDBC
    driver, ``default_schema`` the schema of names without one if the catalogue has no default.
    """

    title: ClassVar[str]
    driver: ClassVar[str]
    catalogue: ClassVar[str]
    default_schema: ClassVar[str]
    shares_snapshot: ClassVar[bool]

    def connect(self, config: Jdbc) -> None:
        """Connect, and begin a read-only transaction on one snapshot."""

    def close(self) -> None:
        """End the connection; no-op without one."""

    def deadline(self, seconds: float) -> AbstractContextManager[None]:
        """A context in which every statement ends after ``seconds``."""

    def snapshot(self) -> str | None:
        """The name of the snapshot; None if other connections cannot read it."""

    def run(self, statement: str) -> list[Values]:
        """The rows of a ``select``. A failing statement does not end the snapshot."""

    def described(self, query: str) -> list[tuple[str, str]]:
        """Names and types of the columns of ``query``. Raises ``ConfigurationError`` if the
        database does not report exact types.
        """

    def estimate(self, select: str) -> int:
        """The planner's estimate of the rows of ``select``."""

    def errors(self) -> tuple[type[Exception], ...]:
        """The base classes of its driver's errors."""

    def fault(self, error: Exception) -> Fault:
        """The category of an error of the driver."""

    def properties(self, config: Jdbc, snapshot: str | None) -> dict[str, str]:
        """Options of Spark's JDBC reader, without user and password."""

    def tls(self, given: Mapping[str, str]) -> Mapping[str, object]:
        """Arguments of the Python driver for the TLS parameters ``given`` in the url, so that it
        uses TLS like the JDBC driver.
        """

    def column(self, typed: Typed, override: str | None) -> Column:
        """The column with its conversion; ``override`` is a type in raw that a person chose."""

    def quoted(self, name: str) -> str:
        """A name as a quoted identifier."""

    def literal(self, value: str, column: Column) -> str:
        """A value of ``column`` as an SQL literal."""

    def text(self, expression: str) -> str:
        """``expression`` cast to text."""

    def sample(self, relation: Relation, condition: str, share: float) -> str:
        """The text after ``from`` for about ``share`` (0 to 1) of the rows with ``condition``."""

    def fingerprint(self, columns: Sequence[Column]) -> str:
        """An aggregate over ``columns`` that changes with any value."""


def is_true(value: object) -> bool:
    """Whether a driver's ``value`` means true."""
    return value in (True, 1, "1", b"1")


def whole(value: object) -> int:
    """A driver's whole number; 0 for null."""
    return 0 if value is None else int(decoded(value))


def row_of(parts: Sequence[str]) -> str:
    """``parts`` as one SQL value: a row value if there are several."""
    return f"({', '.join(parts)})" if len(parts) > 1 else parts[0]


def check_tls(given: Mapping[str, str], known: Sequence[str]) -> None:
    """Raise ``ConfigurationError`` for a TLS parameter that only one of the two drivers applies."""
    for name in given:
        if re.search(r"(?i)ssl|tls|keystore|truststore|servercert", name) and name not in known:
            message = (
                f"The parameter {name} of the url applies to only one of the two clients; both "
                f"support {', '.join(known)}."
            )
            raise ConfigurationError(message, parameter=name)


def patience(config: Jdbc) -> float:
    """Seconds to wait for an answer. The server ends a statement earlier, unless the server is
    gone.
    """
    return config.statement_timeout_seconds + CONNECT_SECONDS


def own_statements(config: Jdbc) -> list[str]:
    """The ``session_init`` of the configuration as a list of statements."""
    return [config.session_init.strip().rstrip(";")] if config.session_init.strip() else []
