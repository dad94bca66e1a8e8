"""What every kind of database can be asked, and what their clients have in common."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from enum import Enum
from typing import ClassVar, NamedTuple, Protocol

from loader.errors import ConfigurationError
from loader.settings import Jdbc
from loader.sources.jdbc.columns import Column, Relation, Typed, decoded

# Seconds for a connection, and for the first answers on it.
CONNECT_SECONDS = 10
Values = Sequence[object]


class Fault(Enum):
    """What an error of a database is about."""

    REFUSED = "it does not know the user"
    TIMED_OUT = "the statement took too long"
    FORBIDDEN = "the user may not read that"
    INCOMPUTABLE = "it cannot compute the rows"
    WRONG = "there is no such table or column, or the SQL is wrong"
    OTHER = "it does not answer, or gave up"


class CatalogueRow(NamedTuple):
    """A column as the catalogue has it; ``place_in_key`` is -1 outside of the primary key."""

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
        """The row of a driver, whose values may be text."""
        schema, table, is_table, column, kind, is_nullable, place, is_default = values
        names = [decoded(each) for each in (schema, table, column, kind)]
        return cls(
            names[0], names[1], is_true(is_table), names[2], names[3], is_true(is_nullable),
            whole(place), is_true(is_default),
        )  # fmt: skip


class Dialect(Protocol):
    """One kind of database, and a connection to it once it is connected.

    The flags say what it can do: ``shares_snapshot`` whether Spark's connections can read the
    snapshot of ours. ``catalogue`` is a query of ``CatalogueRow``s, ``driver`` the Java client's
    class, ``default_schema`` the schema of names without one where the catalogue says none.
    """

    title: ClassVar[str]
    driver: ClassVar[str]
    catalogue: ClassVar[str]
    default_schema: ClassVar[str]
    shares_snapshot: ClassVar[bool]

    def connect(self, config: Jdbc) -> None:
        """Connect, and begin a transaction that reads one snapshot and writes nothing."""

    def close(self) -> None:
        """End the connection; no-op without one."""

    def deadline(self, seconds: float) -> AbstractContextManager[None]:
        """What is asked within gives up after ``seconds``."""

    def snapshot(self) -> str | None:
        """The name of the snapshot, where others can read it."""

    def run(self, statement: str) -> list[Values]:
        """The rows of a ``select``. What fails leaves the snapshot alive."""

    def described(self, query: str) -> list[tuple[str, str]]:
        """Names and types of the columns of ``query``; ``ConfigurationError`` where the database
        does not tell their exact types.
        """

    def estimate(self, select: str) -> int:
        """About how many rows ``select`` has, as the planner thinks."""

    def errors(self) -> tuple[type[Exception], ...]:
        """What its driver raises."""

    def fault(self, error: Exception) -> Fault:
        """What an error of the driver is about."""

    def properties(self, config: Jdbc, snapshot: str | None) -> dict[str, str]:
        """Options of Spark's reader, without user and password."""

    def tls(self, given: Mapping[str, str]) -> Mapping[str, object]:
        """What the Python client is told, so that it uses TLS as the Java client does."""

    def column(self, typed: Typed, override: str | None) -> Column:
        """How a column comes over, also as the type ``override`` that a person chose for it."""

    def quoted(self, name: str) -> str:
        """A name as SQL has it."""

    def literal(self, value: str, column: Column) -> str:
        """A value of ``column`` as SQL has it."""

    def text(self, expression: str) -> str:
        """``expression`` as text."""

    def sample(self, relation: Relation, condition: str, share: float) -> str:
        """What follows ``from``, for about that ``share`` of the rows with ``condition``."""

    def fingerprint(self, columns: Sequence[Column]) -> str:
        """An aggregate that changes with any value of ``columns``."""


def is_true(value: object) -> bool:
    """Whether a driver's ``value`` is true."""
    return value in (True, 1, "1", b"1")


def whole(value: object) -> int:
    """A whole number of a driver; 0 for null."""
    return 0 if value is None else int(decoded(value))


def row_of(parts: Sequence[str]) -> str:
    """``parts`` as SQL compares them with others."""
    return f"({', '.join(parts)})" if len(parts) > 1 else parts[0]


def check_tls(given: Mapping[str, str], known: Sequence[str]) -> None:
    """Raise ``ConfigurationError`` for a parameter of TLS that only one client would follow."""
    for name in given:
        if re.search(r"(?i)ssl|tls|keystore|truststore|servercert", name) and name not in known:
            message = (
                f"The parameter {name} of the url tells only one of the two clients how to use "
                f"TLS; both understand {', '.join(known)}."
            )
            raise ConfigurationError(message, parameter=name)


def patience(config: Jdbc) -> float:
    """Seconds that we wait for an answer: the server ends a statement before, unless it is gone."""
    return config.statement_timeout_seconds + CONNECT_SECONDS


def own_statements(config: Jdbc) -> list[str]:
    """The ``session_init`` of the configuration."""
    return [config.session_init.strip().rstrip(";")] if config.session_init.strip() else []
