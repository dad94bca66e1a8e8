"""A batch, the position of a table, and which ledger rows are current.

No function here connects to a server, so each rule can be tested without one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby

from loader.content import (
    ACCEPT,
    LOAD,
    REPLAY,
    TABLE_CHANGED,
    WITHDRAWN,
    Content,
    File,
    Gap,
    Import,
    Offsets,
    Range,
    readable,
    stretches,
)
from loader.errors import Bug

# States of a ledger row.
PLANNED = "planned"
COMMITTED = "committed"

# Cluster and topic.
TopicKey = tuple[str, str]


@dataclass(frozen=True)
class Batch:
    """One row of the ledger: the part of one batch that comes from one source.

    ``table_name`` and ``batch_id`` identify the batch. If several topics share a table, a batch has
    a row for each topic. ``source`` is the section of the configuration (``kafka.default``).
    ``kind`` is ``load``; ``replay``, a range of offsets that is landed again; or ``adopt`` or
    ``accept``, which have no rows and only move the position. ``gaps`` are the offsets or batches
    that raw does without. ``state`` is ``planned`` or ``committed``, ``owner`` the loader that
    planned the batch. ``records`` and ``bytes`` are counted after the write. The ledger sets
    ``owner``, ``planned_at`` and ``committed_at``.
    """

    table_name: str
    batch_id: int
    source: str
    content: Content
    table_id: str = ""
    kind: str = LOAD
    gaps: tuple[Gap, ...] = ()
    state: str = PLANNED
    owner: str = ""
    planned_at: datetime | None = None
    committed_at: datetime | None = None
    records: int | None = None
    bytes: int | None = None

    @property
    def kind_of_source(self) -> str:
        """The kind of its source: ``kafka`` for ``kafka.default``."""
        return self.source.partition(".")[0]

    @property
    def section(self) -> str:
        """The name of the section without its kind: ``default`` for ``kafka.default``, the cluster
        of a topic.
        """
        return self.source.partition(".")[2]

    @property
    def key(self) -> TopicKey:
        """Cluster and topic; the topic is empty unless the batch has offsets."""
        return self.section, self.topic or ""

    @property
    def id(self) -> tuple[str, int, str | None]:
        """The key of a ledger row, except if several sections feed one table."""
        return self.table_name, self.batch_id, self.topic

    @property
    def topic(self) -> str | None:
        """The topic of a batch of offsets, else None."""
        return self.content.topic

    @property
    def topic_id(self) -> str | None:
        """The id that the topic had when the batch was planned; None without a topic."""
        return self.content.topic_id

    @property
    def ranges(self) -> tuple[Range, ...]:
        """The ranges of a batch of offsets, else empty."""
        return self.content.ranges

    @property
    def files(self) -> tuple[File, ...]:
        """The files of a batch of files, else empty."""
        return self.content.files

    @property
    def imported(self) -> Import:
        """The content of an import; raises ``Bug`` for any other batch."""
        if not isinstance(self.content, Import):
            message = f"Batch {self.batch_id} of {self.table_name} holds no import."
            raise Bug(message, table=self.table_name)
        return self.content

    def with_ranges(self, ranges: Iterable[Range]) -> Batch:
        """The same batch with ``ranges``; raises ``Bug`` unless it is a batch of offsets."""
        offsets = self.content
        if not isinstance(offsets, Offsets):
            message = f"Batch {self.batch_id} of {self.table_name} holds no offsets."
            raise Bug(message, table=self.table_name)
        return replace(self, content=replace(offsets, ranges=tuple(ranges)))

    @property
    def span(self) -> int:
        """Number of offsets in the batch. The records may be fewer (compaction, transactions)."""
        return sum(each.span for each in self.ranges)

    @property
    def is_withdrawn(self) -> bool:
        """Whether a person withdrew the batch; then the table has no row of it."""
        return any(gap.reason.startswith(WITHDRAWN) for gap in self.gaps)

    @property
    def has_data(self) -> bool:
        """Whether there are rows to write."""
        return not self.is_withdrawn and self.content.has_data(self.kind, self.gaps)

    @property
    def readable(self) -> tuple[Range, ...]:
        """The ranges without the gaps that were accepted as lost; skipped offsets are still
        included.
        """
        return readable(self.ranges, self.gaps)

    @property
    def stretches(self) -> tuple[Range, ...]:
        """The ranges to read: without lost and without skipped offsets. See the function
        ``stretches``.
        """
        return stretches(self.ranges, self.gaps)

    def committed_offset(self, partition: int) -> int | None:
        """The next offset to load of ``partition``; None if the batch does not list it."""
        for each in self.ranges:
            if each.partition == partition:
                return each.until_offset if self.state == COMMITTED else each.from_offset
        return None


@dataclass(frozen=True)
class Position:
    """The position of a table, computed from the ledger's current rows.

    ``unfinished`` are the planned batches that are not closed, ``newest`` the newest row by source
    and topic, ``files`` the files in the table by path. Batches that were accepted as lost do not
    count for two fields: ``last_batch_with_data``, the newest batch that has records, and
    ``table_ids``, the Delta ids of the table at the time of the writes.
    """

    last_batch_id: int = 0
    last_batch_with_data: int = 0
    table_ids: frozenset[str] = frozenset()
    unfinished: tuple[Batch, ...] = ()
    newest: Mapping[tuple[str, str | None], Batch] = field(default_factory=dict)
    files: Mapping[str, File] = field(default_factory=dict)

    def last(self, source: str, topic: str, topic_id: str | None) -> Batch | None:
        """The newest row of a topic, under the name ``source``; None if the topic has no row.

        The row is found by the topic's id, under whatever source it was loaded. Otherwise a renamed
        section of the configuration would load the topic again.
        """
        same = [each for each in self.newest.values() if topic_id and each.topic_id == topic_id]
        latest = max(same, key=lambda batch: batch.batch_id, default=None)
        last = latest or self.newest.get((source, topic))
        return replace(last, source=source) if last else None


def position(batches: Iterable[Batch]) -> Position:
    """The position of a table, from ``batches``, its current ledger rows."""
    ordered = sorted(batches, key=lambda batch: batch.batch_id)
    finished = [batch for batch in ordered if batch.state == COMMITTED]
    lost = tuple(gap for batch in ordered for gap in batch.gaps if gap.is_of_table)

    def is_there(batch: Batch) -> bool:
        return not any(gap.from_offset <= batch.batch_id < gap.until_offset for gap in lost)

    return Position(
        last_batch_id=max((batch.batch_id for batch in ordered), default=0),
        last_batch_with_data=max(
            (b.batch_id for b in finished if b.records and is_there(b)), default=0
        ),
        table_ids=frozenset(batch.table_id for batch in ordered if is_there(batch)),
        unfinished=tuple(batch for batch in ordered if batch.state == PLANNED),
        # A replay does not move its topic's position; a withdrawn import is not an import.
        newest={
            (b.source, b.topic): b
            for b in ordered
            if b.kind != REPLAY and (b.content.is_position or not b.is_withdrawn)
        },
        files={
            file.path: file if is_there(batch) else replace(file, checksum="")
            for batch in finished
            for file in batch.files
        },
    )


def number(position: Position, table_id: str, batches: Sequence[Batch]) -> list[Batch]:
    """``batches``, all of one table, with the number of that table's next batch."""
    batch_id = position.last_batch_id + 1
    return [replace(batch, batch_id=batch_id, table_id=table_id) for batch in batches]


def following(last: Batch, kind: str, content: Content) -> Batch:
    """A new row for ``last``'s source and table. Its batch id is 0 until ``number`` sets it."""
    return Batch(last.table_name, 0, last.source, content, last.table_id, kind)


def withdrawn(batch: Batch, reason: str) -> Batch:
    """The ledger row that withdraws ``batch`` for ``reason``.

    It keeps its number and has no rows. The topic continues at the offsets where the batch began;
    the checksums of its files are emptied, so that the files are loaded again.
    """
    gaps = (*batch.gaps, Gap(None, 0, 0, f"{WITHDRAWN}: {reason}"))
    return replace(batch, content=batch.content.withdrawn(), gaps=gaps, records=0, bytes=0)


def table_accepted(
    last: Batch, lost: tuple[int, int], table_id: str, *, is_marked: bool = False
) -> Batch:
    """The ledger row that lets ``last``'s source continue although its table lost the batches
    ``lost`` (first, last).

    A topic continues at its position; the files of those batches are landed again. If ``last`` is
    unfinished, the next run writes it. The exception is a table that was restored to an older
    version and still has the mark of ``last`` (``is_marked``): Delta would skip the write, so the
    batch is closed without its rows.
    """
    gap = Gap(None, lost[0], lost[1] + 1, TABLE_CHANGED)
    if last.state == PLANNED:
        if not is_marked:  # the next run writes the batch itself
            gap = replace(gap, until_offset=last.batch_id)
        left_out = [
            Gap(each.partition, each.from_offset, each.until_offset, TABLE_CHANGED)
            for each in last.readable
            if each.span and is_marked
        ]
        return replace(last, table_id=table_id, gaps=(*last.gaps, gap, *left_out))
    return replace(following(last, ACCEPT, last.content.accepted()), gaps=(gap,))


def positions(rows: Sequence[Batch], tables: Sequence[str]) -> dict[str, Position]:
    """The position of each of ``tables`` from the current ledger ``rows``; an empty position for a
    table without rows.
    """
    of_table: dict[str, list[Batch]] = {table: [] for table in tables}
    for row in rows:
        if row.table_name in of_table:
            of_table[row.table_name].append(row)
    return {table: position(batches) for table, batches in of_table.items()}


def retirable(rows: Sequence[Batch]) -> list[Batch]:
    """The ``rows`` to move out of ``current``: newer rows of the same topic or files supersede
    them.

    The newest row of a table is never among them (invariant 1 of DESIGN.md).
    """
    newest: dict[tuple[str, str, str | None], int] = {}
    last: dict[str, int] = {}
    paths: dict[tuple[str, str], int] = {}
    for row in rows:
        if row.state != COMMITTED:
            continue
        last[row.table_name] = max(last.get(row.table_name, 0), row.batch_id)
        if row.kind != REPLAY and (row.content.is_position or not row.is_withdrawn):
            key = (row.table_name, row.source, row.topic)
            newest[key] = max(newest.get(key, 0), row.batch_id)
        for file in row.files:
            paths[row.table_name, file.path] = max(
                paths.get((row.table_name, file.path), 0), row.batch_id
            )

    def superseded(row: Batch) -> bool:
        if row.state != COMMITTED or row.batch_id == last[row.table_name]:
            return False
        if any(gap.partition is None for gap in row.gaps):
            return False  # this row records that the data of other rows is lost
        if row.files:
            return all(paths[row.table_name, each.path] > row.batch_id for each in row.files)
        key = (row.table_name, row.source, row.topic)
        return row.kind == REPLAY or newest.get(key, 0) > row.batch_id

    return [row for row in rows if superseded(row)]


def by_batch(batches: Sequence[Batch]) -> list[list[Batch]]:
    """``batches`` grouped by table and batch id."""

    def key(batch: Batch) -> tuple[str, int]:
        return batch.table_name, batch.batch_id

    return [list(group) for _, group in groupby(sorted(batches, key=key), key)]
