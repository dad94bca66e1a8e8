"""What a run would do: pure decisions on what the ledger says and what the sources hold.

Nothing here talks to a server, so every rule can be tested by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from loader.errors import DataLoss
from loader.kafka import TopicState

PLANNED = "planned"
COMMITTED = "committed"


@dataclass(frozen=True)
class Range:
    """Offsets of one partition: ``from_offset`` is the first one, ``until_offset`` one past the
    last. A partition without new records keeps its place in the batch with an empty range, so
    that the newest ledger row of a topic is its whole position.
    """

    partition: int
    from_offset: int
    until_offset: int

    @property
    def span(self) -> int:
        """Number of offsets."""
        return self.until_offset - self.from_offset


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
class Batch:
    """One row of the ledger: what one batch of one raw table holds of one source.

    ``table_name`` and ``batch_id`` name the batch; a batch of a table that several topics share
    has a row for each topic. ``source`` is the section of the configuration (``kafka.default``).
    """

    table_name: str
    batch_id: int
    source: str
    topic: str | None
    topic_id: str | None
    table_id: str
    ranges: tuple[Range, ...] = ()
    files: tuple[File, ...] = ()
    state: str = PLANNED
    owner: str = ""
    planned_at: datetime | None = None
    committed_at: datetime | None = None
    records: int | None = None
    bytes: int | None = None

    @property
    def span(self) -> int:
        """Offsets that the batch covers; records may be fewer (compaction, transactions)."""
        return sum(each.span for each in self.ranges)

    def committed_offset(self, partition: int) -> int | None:
        """The next offset to load of ``partition``; None when the batch does not know it."""
        for each in self.ranges:
            if each.partition == partition:
                return each.until_offset if self.state == COMMITTED else each.from_offset
        return None


@dataclass(frozen=True)
class Position:
    """Where a table stands: its newest batch, whatever it may have left unfinished, and the
    newest row of each source and topic.
    """

    last_batch_id: int = 0
    unfinished: tuple[Batch, ...] = ()
    newest: Mapping[tuple[str, str | None], Batch] = field(default_factory=dict)
    files: Mapping[str, File] = field(default_factory=dict)

    def last(self, source: str, topic: str, topic_id: str | None) -> Batch | None:
        """The newest row of a topic. A topic keeps its id, so it is known under any source: a
        renamed section of the configuration must not load it again.
        """
        same = [each for each in self.newest.values() if topic_id and each.topic_id == topic_id]
        latest = max(same, key=lambda batch: batch.batch_id, default=None)
        return self.newest.get((source, topic), latest)


def next_ranges(last: Batch | None, state: TopicState | None, table: str) -> tuple[Range, ...]:
    """The ranges from where ``last`` ended to where the topic ends now.

    A topic seen for the first time starts at its earliest retained offset, and so does a
    partition that was added since. Raises ``DataLoss`` when the records after the last batch are
    not there any more, or when the topic is not the one that the last batch read. ``state`` is
    None when there is no such topic.
    """
    if last is None:
        if state is None:
            return ()
        return tuple(
            Range(partition, begin, state.end[partition])
            for partition, begin in sorted(state.begin.items())
        )
    if state is None:
        message = (
            f"Topic {last.topic} does not exist any more (its id was {last.topic_id}); {table} "
            "keeps what was loaded. Take the topic out of loader.toml if that is meant."
        )
        raise DataLoss(message, topic=last.topic, was=last.topic_id, now=None)
    if last.topic_id != state.topic_id:
        message = (
            f"Topic {state.topic} was deleted and made again (its id was {last.topic_id} and is "
            f"{state.topic_id}): its offsets are others than those that {table} holds. "
            "Nothing of it was loaded; land the new topic in another table of loader.toml."
        )
        raise DataLoss(message, topic=state.topic, was=last.topic_id, now=state.topic_id)
    ranges = []
    known = {each.partition: each.until_offset for each in last.ranges}
    gone = sorted(set(known) - set(state.begin))
    if gone:
        message = (
            f"Topic {state.topic} has lost partition {gone[0]}: {table} was loaded from it up to "
            f"offset {known[gone[0]]}. Nothing of the topic was loaded."
        )
        raise DataLoss(message, topic=state.topic, partition=gone[0], wanted=known[gone[0]])
    for partition, begin in sorted(state.begin.items()):
        end = state.end[partition]
        wanted = known.get(partition, begin)
        if wanted < begin:
            message = (
                f"Topic {state.topic} partition {partition}: {begin - wanted} records are lost. "
                f"Offset {wanted} is next for {table}, but the earliest that Kafka still holds "
                f"is {begin} (retention went faster than the loads). Nothing of the topic was "
                "loaded."
            )
            raise DataLoss(
                message,
                topic=state.topic,
                partition=partition,
                wanted=wanted,
                earliest=begin,
                lost=begin - wanted,
            )
        if wanted > end:
            raise _beyond_the_end(state, partition, wanted, table)
        ranges.append(Range(partition, wanted, end))
    return tuple(ranges)


def check_unfinished(batch: Batch, state: TopicState | None) -> None:
    """Raise ``DataLoss`` when what ``batch`` planned to read is not in the topic any more."""
    read = [each for each in batch.ranges if each.span]
    start = tuple(replace(each, until_offset=each.from_offset) for each in read)
    next_ranges(replace(batch, ranges=start), state, batch.table_name)
    for each in read:
        if state and each.until_offset > state.end[each.partition]:
            raise _beyond_the_end(state, each.partition, each.until_offset, batch.table_name)


def _beyond_the_end(state: TopicState, partition: int, wanted: int, table: str) -> DataLoss:
    end = state.end[partition]
    message = (
        f"Topic {state.topic} partition {partition} ends at offset {end}, but {table} was already "
        f"loaded or planned up to {wanted}: Kafka has lost {wanted - end} records or is another "
        "cluster. Nothing of the topic was loaded."
    )
    return DataLoss(message, topic=state.topic, partition=partition, wanted=wanted, end=end)


def changed_files(known: Mapping[str, File], found: Sequence[File]) -> tuple[File, ...]:
    """The files of ``found`` whose content the table does not hold yet, by checksum."""
    return tuple(
        file
        for file in found
        if file.path not in known or known[file.path].checksum != file.checksum
    )


def number(position: Position, table_id: str, batches: Sequence[Batch]) -> list[Batch]:
    """``batches``, all of one table, as that table's next batch."""
    batch_id = position.last_batch_id + 1
    return [replace(batch, batch_id=batch_id, table_id=table_id) for batch in batches]
