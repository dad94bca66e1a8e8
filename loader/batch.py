"""A batch, where a table stands by its batches, and which of them still say so.

Nothing here talks to a server, so every rule can be tested by itself.
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
    """One row of the ledger: what one batch of one raw table holds of one source.

    ``table_name`` and ``batch_id`` name the batch; a batch of a table that several topics share
    has a row for each topic. ``source`` is the section of the configuration (``kafka.default``).
    ``kind`` is ``load``; ``replay``, whose records are in the table already or should be; ``adopt``
    or ``accept``, which hold no data and move the position.
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
        """The kind of its source: ``kafka`` of ``kafka.default``."""
        return self.source.partition(".")[0]

    @property
    def section(self) -> str:
        """The name of the section that ``source`` is: the cluster of a topic."""
        return self.source.partition(".")[2]

    @property
    def key(self) -> TopicKey:
        """Cluster and topic."""
        return self.section, self.topic or ""

    @property
    def id(self) -> tuple[str, int, str | None]:
        """What no two rows of the ledger share, but for sections that feed one table."""
        return self.table_name, self.batch_id, self.topic

    @property
    def topic(self) -> str | None:
        """The topic of a batch of offsets; None of others."""
        return self.content.topic

    @property
    def topic_id(self) -> str | None:
        """The id of the topic when the batch was planned."""
        return self.content.topic_id

    @property
    def ranges(self) -> tuple[Range, ...]:
        """The offsets of a batch of offsets; none of others."""
        return self.content.ranges

    @property
    def files(self) -> tuple[File, ...]:
        """The files of a batch of files; none of others."""
        return self.content.files

    @property
    def imported(self) -> Import:
        """The content of a batch of an import."""
        if not isinstance(self.content, Import):
            message = f"Batch {self.batch_id} of {self.table_name} holds no import."
            raise Bug(message, table=self.table_name)
        return self.content

    def with_ranges(self, ranges: Iterable[Range]) -> Batch:
        """A batch of offsets with other ``ranges``."""
        offsets = self.content
        if not isinstance(offsets, Offsets):
            message = f"Batch {self.batch_id} of {self.table_name} holds no offsets."
            raise Bug(message, table=self.table_name)
        return replace(self, content=replace(offsets, ranges=tuple(ranges)))

    @property
    def span(self) -> int:
        """Offsets that the batch covers; records may be fewer (compaction, transactions)."""
        return sum(each.span for each in self.ranges)

    @property
    def is_withdrawn(self) -> bool:
        """Whether a person took the batch back: nothing of it is in the table."""
        return any(gap.reason.startswith(WITHDRAWN) for gap in self.gaps)

    @property
    def has_data(self) -> bool:
        """Whether there is anything to write."""
        return not self.is_withdrawn and self.content.has_data(self.kind, self.gaps)

    @property
    def readable(self) -> tuple[Range, ...]:
        """The ranges without the offsets that were accepted as lost."""
        return readable(self.ranges, self.gaps)

    @property
    def stretches(self) -> tuple[Range, ...]:
        """What is read of ``readable``: see the function ``stretches``."""
        return stretches(self.ranges, self.gaps)

    def committed_offset(self, partition: int) -> int | None:
        """The next offset to load of ``partition``; None when the batch does not know it."""
        for each in self.ranges:
            if each.partition == partition:
                return each.until_offset if self.state == COMMITTED else each.from_offset
        return None


@dataclass(frozen=True)
class Position:
    """Where a table stands, by the ledger's current rows of it.

    ``unfinished`` is what was planned and not closed, ``newest`` the newest row of each source and
    topic, ``files`` the known files by path. Of batches that were not accepted as lost,
    ``last_batch_with_data`` is the newest that has any record, and ``table_ids`` are the Delta ids
    of the table that they were written to.
    """

    last_batch_id: int = 0
    last_batch_with_data: int = 0
    table_ids: frozenset[str] = frozenset()
    unfinished: tuple[Batch, ...] = ()
    newest: Mapping[tuple[str, str | None], Batch] = field(default_factory=dict)
    files: Mapping[str, File] = field(default_factory=dict)

    def last(self, source: str, topic: str, topic_id: str | None) -> Batch | None:
        """The newest row of a topic. A topic keeps its id, so it is known under any source: a
        renamed section of the configuration must not load it again.
        """
        same = [each for each in self.newest.values() if topic_id and each.topic_id == topic_id]
        latest = max(same, key=lambda batch: batch.batch_id, default=None)
        last = latest or self.newest.get((source, topic))
        return replace(last, source=source) if last else None


def position(batches: Iterable[Batch]) -> Position:
    """Where a table stands by the current rows ``batches`` of the ledger."""
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
        # A replay says nothing of where its topic stands, nor does an import that was withdrawn.
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
    """``batches``, all of one table, as that table's next batch."""
    batch_id = position.last_batch_id + 1
    return [replace(batch, batch_id=batch_id, table_id=table_id) for batch in batches]


def following(last: Batch, kind: str, content: Content) -> Batch:
    """A row of ``last``'s source and table; ``number`` gives it its number."""
    return Batch(last.table_name, 0, last.source, content, last.table_id, kind)


def withdrawn(batch: Batch, reason: str) -> Batch:
    """The ledger row of ``batch`` when it is taken back: it keeps its number and has no rows. Its
    topic goes on at the offsets where the batch began, its files are not known.
    """
    gaps = (*batch.gaps, Gap(None, 0, 0, f"{WITHDRAWN}: {reason}"))
    return replace(batch, content=batch.content.withdrawn(), gaps=gaps, records=0, bytes=0)


def table_accepted(
    last: Batch, lost: tuple[int, int], table_id: str, *, is_marked: bool = False
) -> Batch:
    """The ledger row by which ``last``'s source goes on although batches of its table are lost.

    A topic goes on where it is, and files of those batches are landed again. An unfinished batch is
    written by the next run, unless the table, restored to a version before, ``is_marked`` as having
    it: Delta would skip the write, so the batch is closed without its rows.
    """
    gap = Gap(None, lost[0], lost[1] + 1, TABLE_CHANGED)
    if last.state == PLANNED:
        if not is_marked:  # it will be there itself
            gap = replace(gap, until_offset=last.batch_id)
        left_out = [
            Gap(each.partition, each.from_offset, each.until_offset, TABLE_CHANGED)
            for each in last.readable
            if each.span and is_marked
        ]
        return replace(last, table_id=table_id, gaps=(*last.gaps, gap, *left_out))
    return replace(following(last, ACCEPT, last.content.accepted()), gaps=(gap,))


def positions(rows: Sequence[Batch], tables: Sequence[str]) -> dict[str, Position]:
    """Where each of ``tables`` stands by the current ``rows``; empty without any row."""
    of_table: dict[str, list[Batch]] = {table: [] for table in tables}
    for row in rows:
        if row.table_name in of_table:
            of_table[row.table_name].append(row)
    return {table: position(batches) for table, batches in of_table.items()}


def retirable(rows: Sequence[Batch]) -> list[Batch]:
    """The ``rows`` that say nothing which a newer one of the same topic or files does not say."""
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
            return False  # says of other rows that their data is lost
        if row.files:
            return all(paths[row.table_name, each.path] > row.batch_id for each in row.files)
        key = (row.table_name, row.source, row.topic)
        return row.kind == REPLAY or newest.get(key, 0) > row.batch_id

    return [row for row in rows if superseded(row)]


def by_batch(batches: Sequence[Batch]) -> list[list[Batch]]:
    """The rows of each (table, batch id) together."""

    def key(batch: Batch) -> tuple[str, int]:
        return batch.table_name, batch.batch_id

    return [list(group) for _, group in groupby(sorted(batches, key=key), key)]
