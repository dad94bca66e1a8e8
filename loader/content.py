"""The three contents of a batch: offsets of a topic, files, or rows of a database.

Each kind of source uses one of them; the ledger has columns for these three.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import ClassVar

from loader.errors import some

# Values of ``Batch.kind``.
LOAD = "load"
REPLAY = "replay"
ADOPT = "adopt"
ACCEPT = "accept"
# Prefixes of ``Gap.reason``; ``sources.kafka.losses`` has those of topics.
TABLE_CHANGED = "table_changed"
WITHDRAWN = "withdrawn"
# Prefix of the reason of skipped records; the person's own reason follows.
SKIPPED = "skipped: "


@dataclass(frozen=True)
class Range:
    """Offsets of one partition, from ``from_offset`` up to but not including ``until_offset``.

    A partition without new records has an empty range, so that the newest ledger row of a topic
    holds its whole position. ``records`` are the rows counted in the table; they may be fewer than
    the offsets (compaction, transactions).
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
    """What raw does without: offsets of a partition (``until_offset`` is exclusive). If
    ``partition`` is None, a whole topic, or the batches of the table from ``from_offset`` up to but
    not including ``until_offset``.

    ``reason`` is one of:

    - ``skipped: …``: a person, or ``max_record_bytes``, excluded the records; the text says why
    - ``withdrawn: …``: a person withdrew the batch; the text says why
    - ``retention``: Kafka deleted the records before they were loaded
    - ``rewound``: the partition ended before the loaded offsets
    - ``partition_removed``, ``topic_recreated``, ``topic_deleted``
    - ``table_changed``: the raw table lost the batches

    After ``rewound``, ``topic_recreated`` and ``topic_deleted`` the same offsets identify other
    records.
    """

    partition: int | None
    from_offset: int
    until_offset: int
    reason: str

    @property
    def is_of_table(self) -> bool:
        """Whether the gap is of batches of the table, not of offsets."""
        return self.reason == TABLE_CHANGED and self.partition is None

    @property
    def is_skipped(self) -> bool:
        """Whether Kafka has the records and the batch leaves them out."""
        return self.reason.startswith(SKIPPED)


@dataclass(frozen=True)
class File:
    """One reference file, as it was when the batch was planned.

    ``size`` is in bytes. ``checksum`` is the SHA-256 in hex, ``lines:…`` for large files, or
    ``unreadable:…`` (see ``sources.files.listing``). It is empty if the file changed while it was
    read; then the next run loads the file again.
    """

    path: str
    size: int
    modified_at: datetime
    checksum: str


@dataclass(frozen=True)
class Split:
    """One part of an import: the ``condition`` in the database's SQL, and the database's counts.

    ``rows`` is the number of rows. ``totals`` maps each column to its number of non-null values and
    its totals, as text.
    """

    condition: str
    rows: int | None = None
    totals: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class Content:
    """The content of a batch, as the ledger stores it: ``Offsets``, ``Files`` or ``Import``.

    The attributes of this class are those that the ledger and a round read from every content.
    """

    topic: str | None = None
    topic_id: str | None = None
    ranges: tuple[Range, ...] = ()
    files: tuple[File, ...] = ()
    # Whether the newest row is the position of its source even if that batch was withdrawn.
    is_position: ClassVar[bool] = False

    @property
    def is_import(self) -> bool:
        """Whether the content belongs to a source that is read as a whole or above a watermark."""
        return not self.is_position

    @property
    def name(self) -> str:
        """The source's name in a line about the batch; empty if the section is enough."""
        return self.topic or ""

    def has_data(self, kind: str, gaps: Sequence[Gap]) -> bool:
        """Whether a batch of ``kind`` with ``gaps`` has rows to write."""
        raise NotImplementedError

    def withdrawn(self) -> Content:
        """The content that remains in the ledger when the batch is withdrawn."""
        return self

    def accepted(self) -> Content:
        """The content of the ``accept`` row with which the source continues after a loss."""
        return Files()

    def text(self, kind: str) -> str:
        """The content of a batch of ``kind`` as text for people."""
        raise NotImplementedError

    def facts(self) -> dict[str, object]:
        """The same for a log, by name."""
        return {}


@dataclass(frozen=True)
class Offsets(Content):
    """Ranges of a topic; every partition is listed.

    ``topic_id`` differs if the topic was deleted and created again under the same name.
    """

    topic: str
    topic_id: str | None
    ranges: tuple[Range, ...] = ()
    is_position: ClassVar[bool] = True

    def has_data(self, kind: str, gaps: Sequence[Gap]) -> bool:
        """See ``Content``; ``accept`` and ``adopt`` have no rows."""
        return kind in (LOAD, REPLAY) and any(each.span for each in stretches(self.ranges, gaps))

    def withdrawn(self) -> Offsets:
        """The offsets at which the batch began, as empty ranges."""
        ranges = tuple(replace(r, until_offset=r.from_offset, records=0) for r in self.ranges)
        return replace(self, ranges=ranges)

    def accepted(self) -> Offsets:
        """The offsets at which the batch ended, as empty ranges."""
        at = [(each.partition, each.until_offset) for each in self.ranges]
        return replace(self, ranges=tuple(Range(each, offset, offset) for each, offset in at))

    def text(self, kind: str) -> str:
        """``matomo 0:10-25``: topic, partition, first and last offset (inclusive)."""
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
    """Reference files; empty in a row that only records a loss."""

    files: tuple[File, ...] = ()

    @property
    def is_import(self) -> bool:
        """See ``Content``."""
        return bool(self.files)

    def has_data(self, kind: str, gaps: Sequence[Gap]) -> bool:
        """See ``Content``."""
        return kind in (LOAD, REPLAY) and bool(self.files)

    def withdrawn(self) -> Files:
        """The files with empty checksums, so that the next run loads them again."""
        return replace(self, files=tuple(replace(each, checksum="") for each in self.files))

    def text(self, kind: str) -> str:
        """The names of the files, without folders."""
        return some([file.path.rsplit("/", 1)[-1] for file in self.files])

    def facts(self) -> dict[str, object]:
        """The paths of the files."""
        return {"files": [file.path for file in self.files]} if self.files else {}


@dataclass(frozen=True)
class Import(Content):
    """A table, view or query of a database, as one batch imports it.

    ``columns`` are (name in raw, type in the database, type in raw). ``mode`` is ``full``,
    ``append`` or ``last_modified``. The last two have a watermark ``column``: the batch has the
    rows from ``low`` (None: no lower bound) to ``high``, both inclusive, as text of the database.
    ``fingerprint`` changes with any value of a full import. ``splits`` are the parts with the
    database's counts.
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
        """The database's count of rows in all parts."""
        return sum(each.rows or 0 for each in self.splits)

    @property
    def is_empty(self) -> bool:
        """Whether it is a full import of an empty table."""
        return self.mode == "full" and not self.rows

    def has_data(self, kind: str, gaps: Sequence[Gap]) -> bool:
        """See ``Content``; an empty import is a version of its table, too."""
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
    """``ranges`` without the offsets that were accepted as lost.

    Skipped offsets are still included; see ``stretches``.
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
    """The ranges to read: ``ranges`` without lost and without skipped offsets.

    A partition with skipped records has several ranges, any other exactly one, which may be empty.
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
