"""The vocabulary of the loader: what a batch is, what it may hold, and where a table stands.

Nothing here talks to a server, so every rule can be tested by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby
from typing import ClassVar

from loader.errors import Bug, some

# States of a ledger row.
PLANNED = "planned"
COMMITTED = "committed"
# Kinds of batches.
LOAD = "load"
REPLAY = "replay"
ADOPT = "adopt"
ACCEPT = "accept"
# How reasons of gaps begin; those of topics are in ``sources.kafka.losses``.
TABLE_CHANGED = "table_changed"
WITHDRAWN = "withdrawn"
# What a person set aside begins so; their words follow.
SKIPPED = "skipped: "

# Cluster and topic.
TopicKey = tuple[str, str]


@dataclass(frozen=True)
class Range:
    """Offsets of one partition: ``from_offset`` is the first one, ``until_offset`` one past the
    last. A partition without new records keeps its place in the batch with an empty range, so
    that the newest ledger row of a topic is its whole position. ``records`` are the rows that the
    table was found to hold of it; there may be fewer than offsets (compaction, transactions).
    """

    partition: int
    from_offset: int
    until_offset: int
    records: int | None = None

    @property
    def span(self) -> int:
        """Number of offsets."""
        return self.until_offset - self.from_offset


@dataclass(frozen=True)
class Gap:
    """What a person accepted as lost: offsets of a partition, or with ``partition`` None a whole
    topic or the batches ``from_offset`` to ``until_offset`` of the table.

    ``reason`` is ``skipped: …`` (a person set the records aside, and why), ``withdrawn: …`` (a
    person took the batch back, and why), ``retention``, ``rewound`` (the partition ended before
    what was loaded), ``partition_removed``, ``topic_recreated``, ``topic_deleted`` or
    ``table_changed``. After ``rewound`` and the two of topics, offsets name other records than
    before.
    """

    partition: int | None
    from_offset: int
    until_offset: int
    reason: str

    @property
    def is_of_table(self) -> bool:
        """Whether batches of the table are lost, and not offsets of a topic."""
        return self.reason == TABLE_CHANGED and self.partition is None

    @property
    def is_skipped(self) -> bool:
        """Whether Kafka has the records, and a person set them aside."""
        return self.reason.startswith(SKIPPED)


@dataclass(frozen=True)
class File:
    """One reference file as it was when the batch was planned.

    ``checksum`` is SHA-256 in hex; empty when what the table holds of the file is not known.
    """

    path: str
    size: int
    modified_at: datetime
    checksum: str


@dataclass(frozen=True)
class Split:
    """One part of a read: its ``condition`` in the database's SQL, and what the database counted of
    it: ``rows``, and by column the values that are not null and their ``totals``, as text.
    """

    condition: str
    rows: int | None = None
    totals: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class Content:
    """What a batch holds of its source, as the ledger writes it down: ``Offsets``, ``Files`` or an
    ``Import``. A kind of source takes the one that fits it.

    The attributes here are those that the ledger and a round ask of any content.
    """

    topic: str | None = None
    topic_id: str | None = None
    ranges: tuple[Range, ...] = ()
    files: tuple[File, ...] = ()
    # Whether the newest row is where its source stands, even if a person took that batch back.
    is_position: ClassVar[bool] = False

    @property
    def is_import(self) -> bool:
        """Whether it holds rows of something that is read as a whole or by its newest."""
        return not self.is_position

    @property
    def name(self) -> str:
        """What a line about the batch calls its source; empty where the section says enough."""
        return self.topic or ""

    def has_data(self, kind: str, gaps: Sequence[Gap]) -> bool:
        """Whether a batch of ``kind``, without its ``gaps``, has anything to write."""
        raise NotImplementedError

    def withdrawn(self) -> Content:
        """What is left of it when a person takes the batch back."""
        return self

    def accepted(self) -> Content:
        """The content of the row by which its source goes on without what is lost."""
        return Files()

    def text(self, kind: str) -> str:
        """What a batch of ``kind`` holds, for a person."""
        raise NotImplementedError

    def facts(self) -> dict[str, object]:
        """The same for a log."""
        return {}


@dataclass(frozen=True)
class Offsets(Content):
    """Ranges of a topic, every partition of which is listed. ``topic_id`` tells a topic from one
    that was deleted and made again under its name.
    """

    topic: str
    topic_id: str | None
    ranges: tuple[Range, ...] = ()
    is_position: ClassVar[bool] = True

    def has_data(self, kind: str, gaps: Sequence[Gap]) -> bool:
        """As ``Content`` says: a decision of a person has none."""
        return kind in (LOAD, REPLAY) and any(each.span for each in stretches(self.ranges, gaps))

    def withdrawn(self) -> Offsets:
        """The offsets at which the batch began."""
        ranges = tuple(replace(r, until_offset=r.from_offset, records=0) for r in self.ranges)
        return replace(self, ranges=ranges)

    def accepted(self) -> Offsets:
        """The offsets at which the batch ended."""
        at = [(each.partition, each.until_offset) for each in self.ranges]
        return replace(self, ranges=tuple(Range(each, offset, offset) for each, offset in at))

    def text(self, kind: str) -> str:
        """``matomo 0:10-25``; last offsets are inclusive."""
        moved = [
            f"{each.partition}:{each.from_offset}-{each.until_offset - 1}"
            for each in self.ranges
            if each.span
        ]
        replay = "" if kind == LOAD else f"{kind} of "
        return f"{replay}{self.topic} {some(moved, ' ') or 'nothing new'}"

    def facts(self) -> dict[str, object]:
        """Topic and ranges."""
        ranges = [
            {"partition": e.partition, "from": e.from_offset, "until": e.until_offset}
            for e in self.ranges
        ]
        return {"topic": self.topic, "ranges": ranges}


@dataclass(frozen=True)
class Files(Content):
    """Reference files; none in a row that only says what was lost."""

    files: tuple[File, ...] = ()

    @property
    def is_import(self) -> bool:
        """As ``Content`` says."""
        return bool(self.files)

    def has_data(self, kind: str, gaps: Sequence[Gap]) -> bool:
        """As ``Content`` says."""
        return kind in (LOAD, REPLAY) and bool(self.files)

    def withdrawn(self) -> Files:
        """The files, whose content the table does not hold."""
        return replace(self, files=tuple(replace(each, checksum="") for each in self.files))

    def text(self, kind: str) -> str:
        """The names of the files."""
        return some([file.path.rsplit("/", 1)[-1] for file in self.files])

    def facts(self) -> dict[str, object]:
        """Paths of the files."""
        return {"files": [file.path for file in self.files]} if self.files else {}


@dataclass(frozen=True)
class Import(Content):
    """What a batch takes from a table, view or query of a database.

    ``columns`` are (name in raw, type there, type in raw). ``mode`` is ``full``, or ``append`` or
    ``last_modified`` with the ``column`` that decides what is new: the batch has rows from
    ``low`` (None: from the beginning) up to and with ``high``, as the database writes them.
    ``fingerprint`` changes with any value of a full import.
    """

    relation: str
    mode: str
    columns: tuple[tuple[str, str, str], ...]
    column: str | None = None
    low: str | None = None
    high: str | None = None
    fingerprint: str = ""
    splits: tuple[Split, ...] = ()

    @property
    def name(self) -> str:
        """The relation."""
        return self.relation

    @property
    def rows(self) -> int:
        """What the database counted in all parts."""
        return sum(each.rows or 0 for each in self.splits)

    @property
    def is_empty(self) -> bool:
        """Whether it is a whole version of an empty table."""
        return self.mode == "full" and not self.rows

    def has_data(self, kind: str, gaps: Sequence[Gap]) -> bool:
        """As ``Content`` says; also an empty import is a version of its table."""
        return not any(gap.is_of_table for gap in gaps)

    def text(self, kind: str) -> str:
        """``public.meters append, id from 7 to 9``."""
        text = f"{self.relation} {self.mode.replace('_', ' ')}"
        if self.column is not None and self.high is not None:
            begin = f"from {self.low} " if self.low is not None else ""
            text += f", {self.column} {begin}to {self.high}"
        return text

    def facts(self) -> dict[str, object]:
        """Relation, mode and bounds."""
        facts = {"relation": self.relation, "mode": self.mode}
        return {**facts, "low": self.low, "high": self.high}


def readable(ranges: Sequence[Range], gaps: Sequence[Gap]) -> tuple[Range, ...]:
    """``ranges`` without the offsets that were accepted as lost; see ``stretches`` for those that
    were skipped.
    """
    left = []
    for each in ranges:
        begin, end = each.from_offset, each.until_offset
        for gap in gaps:
            if gap.partition == each.partition and not gap.is_skipped:
                if gap.from_offset <= begin:
                    begin = min(max(begin, gap.until_offset), end)
                else:
                    end = max(min(end, gap.from_offset), begin)
        left.append(Range(each.partition, begin, end))
    return tuple(left)


def stretches(ranges: Sequence[Range], gaps: Sequence[Gap]) -> tuple[Range, ...]:
    """What is read of ``ranges``: one range of each partition, or several around records that were
    skipped. Every partition has at least one, which may be empty.
    """
    left = []
    for each in readable(ranges, gaps):
        begin, parts = each.from_offset, []
        for gap in sorted(gaps, key=lambda gap: gap.from_offset):
            if gap.partition == each.partition and gap.is_skipped:
                stop = min(gap.from_offset, each.until_offset)
                if begin < stop:
                    parts.append(Range(each.partition, begin, stop))
                begin = min(max(begin, gap.until_offset), each.until_offset)
        if begin < each.until_offset or not parts:
            parts.append(Range(each.partition, begin, each.until_offset))
        left += parts
    return tuple(left)


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
