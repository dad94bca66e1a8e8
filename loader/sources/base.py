"""What a round knows of sources: their kinds, and what one look at them found.

A kind is a class with ``find``, ``propose``, ``make_table`` and ``write``, made known by
``sources.KINDS``. The other methods of ``Kind`` are for what only some kinds need.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, NamedTuple

from pyspark.sql import SparkSession

from loader.batch import Batch, Position, TopicKey, positions
from loader.errors import ConfigurationError, LoaderError
from loader.lake import tables
from loader.lake.ledger import Ledger
from loader.remedies import withdraw
from loader.settings import Settings

Noted = Callable[[str], None]
# Offsets that are not loaded yet, by topic and partition.
Lag = Mapping[TopicKey, Mapping[int, int]]


@dataclass
class Survey:
    """What the ledger and the sources hold, and what follows from it.

    ``rows`` are the current ones of the ledger, ``fed`` the raw tables with the kind that feeds
    each, ``positions`` where these tables stand. ``unfinished`` are batches that an earlier run
    planned; ``batches`` those to plan now; ``touched`` are closed ones whose files have another
    modification time and the same content. ``notes`` say what was left out without being wrong,
    ``errors`` what was left out because it is; ``is_limited`` whether the limits left anything out.
    """

    rows: list[Batch] = field(default_factory=list)
    fed: dict[str, Kind] = field(default_factory=dict)
    positions: dict[str, Position] = field(default_factory=dict)
    unfinished: list[Batch] = field(default_factory=list)
    touched: list[Batch] = field(default_factory=list)
    batches: list[Batch] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    errors: list[LoaderError] = field(default_factory=list)
    is_limited: bool = False

    def feed(self, table: str, kind: Kind) -> Position:
        """Say that ``kind`` feeds ``table``; where that table stands."""
        self.fed[table] = kind
        if table not in self.positions:
            self.positions |= positions(self.rows, [table])
        return self.positions[table]


class Explanation(NamedTuple):
    """How a batch would be read: ``lines`` for a person, and the same as ``facts`` for a log."""

    lines: Sequence[str]
    facts: Mapping[str, object]


class Kind(ABC):
    """A kind of source, whose sections in the configuration are ``[<name>.<section>]``.

    A kind remembers what its last ``find`` found; a loader makes one survey at a time. ``spark`` is
    the session for reads and writes of data, ``ledger.spark`` that for small statements.
    """

    name: ClassVar[str]
    # Whether its sources are looked at when all others are loaded, so that nothing waits for them.
    is_late: ClassVar[bool] = False

    def __init__(self, settings: Settings, spark: SparkSession, ledger: Ledger) -> None:
        self.settings = settings
        self.spark = spark
        self.ledger = ledger

    @property
    @abstractmethod
    def sections(self) -> Collection[str]:
        """The names of its sections in the configuration."""

    @property
    @abstractmethod
    def schemas(self) -> set[str]:
        """The schemas of the raw tables that its sections name."""

    @abstractmethod
    def find(self, survey: Survey, section: str | None) -> None:
        """Look at what the sources have (of ``section`` alone, where one is given), and name each
        raw table by ``survey.feed``. A source that fails becomes an error of ``survey`` and stops
        no other.
        """

    @abstractmethod
    def propose(self, survey: Survey) -> Iterable[Batch]:
        """What is new, as batches without a number, for tables that have no unfinished batch."""

    @abstractmethod
    def make_table(self, spark: SparkSession, table: str) -> None:
        """Make the raw table ``table``; no-op where it exists."""

    @abstractmethod
    def write(self, batches: Sequence[Batch], errors: list[LoaderError]) -> list[Batch]:
        """Write the rows of one batch id of one table by ``lake.tables.append``, and return them
        with what the table holds of them counted. A batch that is there already is only counted.

        Raises a ``LoaderError`` if the batch must stay planned; a part that is left out becomes one
        of ``errors``.
        """

    def check_configured(self, survey: Survey, batch: Batch) -> None:
        """Raise ``ConfigurationError`` if loader.toml lacks what the unfinished ``batch`` reads."""
        if batch.section in self.sections:
            return
        remedy = withdraw(batch)
        message = (
            f"Batch {batch.batch_id} of {batch.table_name} is unfinished and comes from "
            f"[{batch.source}], which loader.toml does not have any more; put the section back "
            f"until the batch is finished. Or take it back: {remedy}"
        )
        table = batch.table_name
        raise ConfigurationError(message, remedy=remedy, table=table, source=batch.source)

    def check(self, survey: Survey, batch: Batch) -> bool:
        """Whether the unfinished ``batch`` can be written now; False if another error says why not.
        Raises a ``LoaderError`` where a person must know.
        """
        return True

    def limit(
        self,
        survey: Survey,
        batches: list[Batch],
        seconds: float | None,
    ) -> list[Batch]:
        """``batches``, proposed and possible, within the limits of a round that has ``seconds``."""
        return batches

    def is_first(self, batch: Batch) -> bool:
        """Whether ``batch`` is planned even if it is empty."""
        return False

    def bound(
        self,
        batches: list[Batch],
        survey: Survey,
        noted: Noted,
        errors: list[LoaderError],
    ) -> list[Batch]:
        """``batches`` with everything that their ledger rows fix; those with nothing new are left
        out.
        """
        return batches

    def estimate(
        self,
        batches: list[Batch],
        survey: Survey,
        noted: Noted,
        errors: list[LoaderError],
    ) -> list[Batch]:
        """As ``bound``, for people who only want to know: without counting anything."""
        return batches

    def explain(self, batch: Batch) -> Explanation | None:
        """How ``batch``, an estimated one, would be read."""
        return None

    def resume(self, batch: Batch) -> Batch:
        """The unfinished ``batch`` as it is to be written now; the ledger gets what is changed."""
        return batch

    def weigh(self, batches: Sequence[Batch]) -> None:
        """Look into what ``batches`` hold, while the ledger plans them."""

    def settle(self, batches: list[Batch], errors: list[LoaderError]) -> list[Batch]:
        """Those of the planned ``batches`` that are written, after what ``weigh`` found."""
        return batches

    def is_heavy(self, batches: Sequence[Batch]) -> bool:
        """Whether the write of ``batches`` goes after others, since it goes alone."""
        return False

    def follow(self, closed: Sequence[Batch]) -> list[str]:
        """Tell other systems of batches that are ``closed``; what could not be, as remarks."""
        return []

    def lag_left(self, batch: Batch) -> int:
        """Offsets of its topic that are still to load once ``batch`` is closed."""
        return 0

    def lag(self, closed: Sequence[Batch]) -> Lag:
        """What is still to load after the batches that were ``closed`` since the last ``find``."""
        return {}

    def as_found(self, row: Batch) -> Batch:
        """``row`` under the name that its source has today."""
        return row

    def count(self, batches: Sequence[Batch]) -> list[Batch]:
        """``batches``, one of one table, with what the table holds of them; no source is read."""
        first = batches[0]
        held = self.spark.table(first.table_name).where(f"batch_id = {first.batch_id}").count()
        size = sum(file.size for file in first.files)
        return [replace(first, records=held, bytes=size)]

    def fix_ends(self) -> None:
        """Leave what comes from now on to a later series of rounds; no-op after the first call."""

    def release_ends(self) -> None:
        """Let the next ``fix_ends`` take the ends as they are then."""

    def release(self) -> None:
        """Leave what must not be held longer than a round."""

    def close(self) -> None:
        """Leave every server."""
        self.release()

    def held(self, batch: Batch) -> bool:
        """Whether the rows of an unfinished ``batch`` are in its table."""
        return tables.holds(self.ledger.spark, batch)
