"""The protocol of a kind of source, and the result of a survey.

A kind is a class with ``find``, ``propose``, ``make_table`` and ``write``, listed in
``sources.KINDS``. The other methods of ``Kind`` serve single kinds.
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
# Number of offsets that are not loaded yet, by topic and partition.
Lag = Mapping[TopicKey, Mapping[int, int]]


@dataclass
class Survey:
    """The state of the ledger and the sources, and the batches that follow from it.

    ``rows`` are the current rows of the ledger. ``fed`` maps each raw table to the kind that feeds
    it, ``positions`` to its position. ``unfinished`` are batches that an earlier run planned,
    ``batches`` those to plan now. ``touched`` are closed batches with a file that has another
    modification time and the same content. ``notes`` are remarks on what was left out without an
    error, ``errors`` the errors. ``is_limited`` is true if the limits left something out.
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
        """Record that ``kind`` feeds ``table``; returns the table's position."""
        self.fed[table] = kind
        if table not in self.positions:
            self.positions |= positions(self.rows, [table])
        return self.positions[table]


class Explanation(NamedTuple):
    """How a batch would be read: ``lines`` for people, ``facts`` for a log."""

    lines: Sequence[str]
    facts: Mapping[str, object]


class Kind(ABC):
    """A kind of source, whose sections in the configuration are ``[<name>.<section>]``.

    A kind keeps the result of its last ``find``; a loader makes one survey at a time. ``spark`` is
    the session that reads and writes data, ``ledger.spark`` the session for small statements.
    """

    name: ClassVar[str]
    # Whether its sources are read after all others are loaded, so that nothing waits for them.
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
        """Read the state of the sources (only of ``section`` if given), and register each raw table
        with ``survey.feed``. An error of one source is added to ``survey`` and stops no other
        source.
        """

    @abstractmethod
    def propose(self, survey: Survey) -> Iterable[Batch]:
        """What is new, as batches without a number. Tables with an unfinished batch get none."""

    @abstractmethod
    def make_table(self, spark: SparkSession, table: str) -> None:
        """Create the raw table ``table`` if it does not exist."""

    @abstractmethod
    def write(self, batches: Sequence[Batch], errors: list[LoaderError]) -> list[Batch]:
        """Write the rows of one batch id of one table with ``lake.tables.append``.

        Returns the batches with the counts of their rows in the table. A batch that the table
        already has is only counted. Raises a ``LoaderError`` if the batch must stay planned; adds
        to ``errors`` an error for each part that was left out.
        """

    def check_configured(self, survey: Survey, batch: Batch) -> None:
        """Raise ``ConfigurationError`` if loader.toml lacks the source of the
        unfinished ``batch``.
        """
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
        """Whether the unfinished ``batch`` can be written now; False if another error already says
        why not. Raises a ``LoaderError`` if a person must act.
        """
        return True

    def limit(
        self,
        survey: Survey,
        batches: list[Batch],
        seconds: float | None,
    ) -> list[Batch]:
        """The proposed ``batches``, reduced to the limits of a round that has ``seconds`` left."""
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
        """``batches`` completed with everything that their ledger rows fix, without those that have
        nothing new.
        """
        return batches

    def estimate(
        self,
        batches: list[Batch],
        survey: Survey,
        noted: Noted,
        errors: list[LoaderError],
    ) -> list[Batch]:
        """As ``bound``, with estimates instead of counts: for the command ``plan``."""
        return batches

    def explain(self, batch: Batch) -> Explanation | None:
        """How the estimated ``batch`` would be read; None if there is nothing to explain."""
        return None

    def resume(self, batch: Batch) -> Batch:
        """The unfinished ``batch`` as it will be written now. The ledger stores the changes."""
        return batch

    def weigh(self, batches: Sequence[Batch]) -> None:
        """Measure the records of ``batches`` while the ledger plans them."""

    def settle(self, batches: list[Batch], errors: list[LoaderError]) -> list[Batch]:
        """The planned ``batches`` to write, after the results of ``weigh``."""
        return batches

    def is_heavy(self, batches: Sequence[Batch]) -> bool:
        """Whether the write of ``batches`` must not overlap with other heavy writes; such writes go
        last.
        """
        return False

    def follow(self, closed: Sequence[Batch]) -> list[str]:
        """Report ``closed`` batches to other systems; returns remarks about failures."""
        return []

    def lag_left(self, batch: Batch) -> int:
        """Number of offsets of the topic that are not loaded when ``batch`` is closed."""
        return 0

    def lag(self, closed: Sequence[Batch]) -> Lag:
        """The lag after the batches that were ``closed`` since the last ``find``."""
        return {}

    def as_found(self, row: Batch) -> Batch:
        """``row`` with the present section of its source."""
        return row

    def count(self, batches: Sequence[Batch]) -> list[Batch]:
        """``batches``, all of one table, with the counts of their rows in the table; reads no
        source.
        """
        first = batches[0]
        held = self.spark.table(first.table_name).where(f"batch_id = {first.batch_id}").count()
        size = sum(file.size for file in first.files)
        return [replace(first, records=held, bytes=size)]

    def fix_ends(self) -> None:
        """Keep the present end offsets for the following rounds; no-op after the first call."""

    def release_ends(self) -> None:
        """Let the next ``fix_ends`` take the end offsets of that time."""

    def release(self) -> None:
        """Release what must not be held longer than a round, such as snapshots."""

    def close(self) -> None:
        """Disconnect from every server."""
        self.release()

    def held(self, batch: Batch) -> bool:
        """Whether the table has the rows of an unfinished ``batch``."""
        return tables.holds(self.ledger.spark, batch)
