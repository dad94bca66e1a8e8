"""Writes the park, and optionally the events, into a relational database, like those of the real
systems.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

import psycopg
import pymysql

from simulator.errors import SimulatorError
from simulator.meters import HEADER
from simulator.park import Park

# Columns that are not integers.
_TEXTS = {
    "id_departement": "varchar(3)",
    "Code INSEE": "varchar(5)",
    "code_insee_commune": "varchar(5)",
    "libelle_commune": "varchar(60)",
    "libelle_departement": "varchar(60)",
    "libelle_region": "varchar(60)",
}
_DATES = ("date_deb", "date_fin")
_KEYS = {
    "communes": "Code INSEE",
    "region": "id_region",
    "compteurs": "id_compteur",
    "concentrateurs": "id_consentrateur",
    "pdc": "id_pdc",
    "pdk": "id_pdk",
}
EVENTS = "events"
_EVENT_TYPES = ("varchar(32)", "timestamp", "timestamp", "varchar(16)", "char(1)", "integer",
                "varchar(60)")  # fmt: skip
_ROWS_AT_ONCE = 2000
_CONNECT_SECONDS = 10


class _Database(Protocol):
    """The differences between the two kinds of database."""

    def quoted(self, name: str) -> str:
        """A quoted identifier."""

    def run(self, statement: str) -> None:
        """Run a statement."""

    def insert(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
        """Insert rows; returns their number."""


def fill(
    url: str,
    park: Park,
    *,
    as_of: date | None = None,
    events: Sequence[Path] = (),
    tell: Callable[[int], None] | None = None,
) -> dict[str, int]:
    """Write the park's tables, with the names and columns of its files; returns their numbers of
    rows.

    `url` is postgresql://user:password@host:port/database, or mysql:// or mariadb:// likewise;
    passwords may come from ~/.pgpass and PGPASSWORD. Missing tables are created, with dates as
    dates. Then all rows are replaced in one transaction, so that readers see either the old or the
    new state. With `as_of` the park is as it was on that day; a second call with a later day
    changes it as a real park changes. The readable rows of `events` (event_*.csv) go into the table
    `events`, with times without a zone; `tell` is called with their number for each file.

    Raises SimulatorError if the database does not answer or refuses a statement.
    """
    tables = park.tables(as_of)
    columns_of_events = HEADER.split(",")
    counts = {}
    with _connected(url) as database:
        # MariaDB commits the transaction at each `create table`, so create all tables first.
        for name, (columns, _) in tables.items():
            database.run(_create(database, name, columns))
        if events:
            parts = ", ".join(
                f"{database.quoted(column)} {kind}"
                for column, kind in zip(columns_of_events, _EVENT_TYPES, strict=True)
            )
            database.run(f"create table if not exists {database.quoted(EVENTS)} ({parts})")
        for name, (columns, rows) in tables.items():
            database.run(f"delete from {database.quoted(name)}")
            counts[name] = database.insert(name, columns, map(_row(columns), rows))
        if events:
            database.run(f"delete from {database.quoted(EVENTS)}")
            counts[EVENTS] = 0
            for path in events:
                added = database.insert(EVENTS, columns_of_events, _readable(path))
                counts[EVENTS] += added
                if tell is not None:
                    tell(added)
    return counts


def _create(database: _Database, name: str, columns: Sequence[str]) -> str:
    parts = []
    for column in columns:
        kind = "date" if column in _DATES else _TEXTS.get(column, "integer")
        optional = "" if column == "date_fin" else " not null"
        parts.append(f"{database.quoted(column)} {kind}{optional}")
    if name in _KEYS:
        parts.append(f"primary key ({database.quoted(_KEYS[name])})")
    return f"create table if not exists {database.quoted(name)} ({', '.join(parts)})"


def _row(columns: Sequence[str]) -> Callable[[Sequence[Any]], Sequence[Any]]:
    dates = {position for position, column in enumerate(columns) if column in _DATES}

    def typed(row: Sequence[Any]) -> Sequence[Any]:
        return [
            datetime.strptime(value, "%Y%m%d").date() if value and position in dates else value
            for position, value in enumerate(row)
        ]

    return typed if dates else lambda row: row


def _readable(path: Path) -> Iterator[Sequence[Any]]:
    """The rows of an event day that a table can store."""
    width = len(HEADER.split(","))
    with path.open(encoding="utf-8", newline="") as lines:
        for row in csv.reader(lines):
            try:
                if len(row) == width and datetime.fromisoformat(row[1]):
                    yield [*row[:5], int(row[5]), row[6] or None]
            except ValueError:
                continue


@contextmanager
def _connected(url: str) -> Iterator[_Database]:
    """A connection with one transaction, which is committed at the end."""
    try:
        parts = urlsplit(url)
        where = f"{parts.hostname}:{parts.port or ''}{parts.path}"
    except ValueError:
        # The error may quote a part of a password that contains a slash, so do not show it.
        raise SimulatorError(
            "the address of the database cannot be read; write it as postgresql://user:password@"
            "host:port/database, special characters of the password as %2F and the like."
        ) from None
    try:
        if parts.scheme in ("postgresql", "postgres"):
            with psycopg.connect(url, connect_timeout=_CONNECT_SECONDS) as connection:
                yield _Postgres(connection)
        elif parts.scheme in ("mysql", "mariadb"):
            with pymysql.connect(
                host=parts.hostname or "localhost",
                port=parts.port or 3306,
                user=unquote(parts.username or ""),
                password=unquote(parts.password or ""),
                database=parts.path.lstrip("/"),
                charset="utf8mb4",
                connect_timeout=_CONNECT_SECONDS,
            ) as mariadb:
                yield _MariaDB(mariadb)
                mariadb.commit()
        else:
            raise SimulatorError(
                f"{parts.scheme or 'nothing'} is no database that the simulator fills; begin the "
                "address with postgresql://, mysql:// or mariadb://."
            )
    except (psycopg.Error, pymysql.Error, ValueError) as error:
        told = " ".join(" ".join(map(str, error.args)).split()) or type(error).__name__
        raise SimulatorError(
            f"the database {where} refused or did not answer ({told}); "
            "check the address, the user and the password."
        ) from None


class _Postgres:
    """PostgreSQL; rows are written with COPY."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def quoted(self, name: str) -> str:
        return f'"{name}"'

    def run(self, statement: str) -> None:
        self._connection.execute(statement.encode())

    def insert(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
        names = ", ".join(map(self.quoted, columns))
        count = 0
        with self._connection.cursor() as cursor:
            statement = f"copy {self.quoted(table)} ({names}) from stdin"
            with cursor.copy(statement.encode()) as copy:
                for row in rows:
                    copy.write_row(row)
                    count += 1
        return count


class _MariaDB:
    """MariaDB and MySQL; rows are written with multi-row inserts."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def quoted(self, name: str) -> str:
        return f"`{name}`"

    def run(self, statement: str) -> None:
        # MariaDB's timestamp has a zone; datetime has none.
        with self._connection.cursor() as cursor:
            cursor.execute(statement.replace(" timestamp", " datetime"))

    def insert(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
        names = ", ".join(map(self.quoted, columns))
        marks = ", ".join(["%s"] * len(columns))
        statement = f"insert into {self.quoted(table)} ({names}) values ({marks})"
        count, waiting = 0, []
        with self._connection.cursor() as cursor:
            for row in rows:
                waiting.append(row)
                if len(waiting) == _ROWS_AT_ONCE:
                    count += cursor.executemany(statement, waiting) or 0
                    waiting = []
            if waiting:
                count += cursor.executemany(statement, waiting) or 0
        return count
