"""What a batch may hold of its source: offsets of a topic, files, or rows of a database.

A kind of source takes the one that fits it; the ledger has columns for these three.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import ClassVar

from loader.errors import some

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
