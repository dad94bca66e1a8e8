"""What a run would do: pure decisions on what the ledger says and what the sources hold.

Nothing here talks to a server, so every rule can be tested by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from math import floor
from typing import NoReturn

from loader.errors import ConfigurationError, DataLoss
from loader.kafka import TopicState

PLANNED = "planned"
COMMITTED = "committed"

LOAD = "load"
REPLAY = "replay"
ADOPT = "adopt"
ACCEPT = "accept"

TABLE_CHANGED = "table_changed"
WITHDRAWN = "withdrawn"
# Partitions that a sentence names.
_SHOWN = 10
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


@dataclass(frozen=True)
class Import:
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
    topic: str | None
    topic_id: str | None
    table_id: str
    ranges: tuple[Range, ...] = ()
    files: tuple[File, ...] = ()
    imported: Import | None = None
    kind: str = LOAD
    gaps: tuple[Gap, ...] = ()
    state: str = PLANNED
    owner: str = ""
    planned_at: datetime | None = None
    committed_at: datetime | None = None
    records: int | None = None
    bytes: int | None = None

    @property
    def section(self) -> str:
        """The name of the section that ``source`` is: the cluster of a topic."""
        return self.source.partition(".")[2]

    @property
    def is_of_files(self) -> bool:
        """Whether ``source`` is a section of files."""
        return self.source.startswith("files.")

    @property
    def key(self) -> tuple[str, str]:
        """Cluster and topic."""
        return self.section, self.topic or ""

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
        if self.is_withdrawn:
            return False
        if self.imported is not None:
            return not any(gap.is_of_table for gap in self.gaps)
        return self.kind in (LOAD, REPLAY) and bool(
            self.files or any(each.span for each in self.stretches)
        )

    @property
    def readable(self) -> tuple[Range, ...]:
        """The ranges without the offsets that were accepted as lost; see ``stretches`` for those
        that were skipped.
        """
        left = []
        for each in self.ranges:
            begin, end = each.from_offset, each.until_offset
            for gap in self.gaps:
                if gap.partition == each.partition and not gap.is_skipped:
                    if gap.from_offset <= begin:
                        begin = min(max(begin, gap.until_offset), end)
                    else:
                        end = max(min(end, gap.from_offset), begin)
            left.append(Range(each.partition, begin, end))
        return tuple(left)

    @property
    def stretches(self) -> tuple[Range, ...]:
        """What is read of ``readable``: one range of each partition, or several around records
        that were skipped. Every partition has at least one, which may be empty.
        """
        left = []
        for each in self.readable:
            begin, parts = each.from_offset, []
            for gap in sorted(self.gaps, key=lambda gap: gap.from_offset):
                if gap.partition == each.partition and gap.is_skipped:
                    stop = min(gap.from_offset, each.until_offset)
                    if begin < stop:
                        parts.append(Range(each.partition, begin, stop))
                    begin = min(max(begin, gap.until_offset), each.until_offset)
            if begin < each.until_offset or not parts:
                parts.append(Range(each.partition, begin, each.until_offset))
            left += parts
        return tuple(left)

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
            if b.kind != REPLAY and (b.topic or not b.is_withdrawn)
        },
        files={
            file.path: file if is_there(batch) else replace(file, checksum="")
            for batch in finished
            for file in batch.files
        },
    )


def next_ranges(
    last: Batch | None,
    state: TopicState | None,
    table: str,
    start: Mapping[int, int] | None = None,
) -> tuple[Range, ...]:
    """The ranges from where ``last`` ended to where the topic ends now.

    A topic without a ``last`` one is seen for the first time. It begins at ``start`` (see
    ``first_offsets``), or at its earliest retained offset; a partition that was added since, at its
    beginning. Raises ``DataLoss`` when the records after the last batch are not there any more, or
    when the topic is not the one that the last batch read. ``state`` is None when there is no such
    topic.
    """
    if last is None:
        if state is None:
            return ()
        return tuple(
            Range(partition, (start or state.begin)[partition], state.end[partition])
            for partition in sorted(state.begin)
        )
    where = _where(last)
    if state is None:
        message = (
            f"{where} does not exist any more (its id was {last.topic_id}); {table} keeps what was "
            "loaded. Take the topic out of loader.toml, or if it will be made again: "
            f"{_command(last, '--deleted')}"
        )
        raise DataLoss(message, topic=last.topic, was=last.topic_id, now=None)
    if last.topic_id != state.topic_id:
        message = (
            f"{where} was deleted and made again (its id was {last.topic_id} and is "
            f"{state.topic_id}): its offsets are others than those that {table} holds. Nothing of "
            "it was loaded; to load the new topic from its beginning into the same table: "
            f"{_command(last, f'--new-id {state.topic_id}')}"
        )
        raise DataLoss(message, topic=state.topic, was=last.topic_id, now=state.topic_id)
    known = {each.partition: each.until_offset for each in last.ranges}
    gone = sorted(set(known) - set(state.begin))
    if gone:
        others = f" and {len(gone) - 1:,} others" if len(gone) > 1 else ""
        message = (
            f"{where} has lost partition {gone[0]}{others}: {table} was loaded from it up to "
            f"offset {known[gone[0]]}. Nothing of the topic was loaded; to go on without it: "
            f"{_command(last, *_options('--gone', [str(each) for each in gone]))}"
        )
        raise DataLoss(message, topic=state.topic, partition=gone[0], wanted=known[gone[0]])
    # A partition that was added since has its first offsets after the last batch, too.
    ranges = tuple(
        Range(partition, known.get(partition, 0), state.end[partition])
        for partition in sorted(state.begin)
    )
    _check_begin(last, state, table, {each.partition: each.from_offset for each in ranges})
    beyond = {
        each.partition: each.from_offset
        for each in ranges
        if each.from_offset > state.high_watermark(each.partition)
    }
    if beyond:
        raise _beyond_the_end(last, state, table, beyond)
    # An open transaction may end before what was loaded without regard to transactions.
    return tuple(
        replace(each, until_offset=max(each.from_offset, each.until_offset)) for each in ranges
    )


def first_offsets(state: TopicState, given: Mapping[int, int]) -> dict[int, int]:
    """Where a topic begins when a person gave offsets: those, and elsewhere the earliest.

    Raises ``ConfigurationError`` for a partition that does not exist or an offset out of it.
    """
    for partition, offset in sorted(given.items()):
        if partition not in state.begin:
            message = (
                f"Topic {state.topic} has no partition {partition} to start at; it has "
                f"{min(state.begin)} to {max(state.begin)}."
            )
            raise ConfigurationError(message, topic=state.topic, partition=partition)
        begin, end = state.begin[partition], state.end[partition]
        if not begin <= offset <= end:
            message = (
                f"Topic {state.topic} partition {partition} cannot start at offset {offset}: Kafka "
                f"holds {begin} to {end - 1}. Give an offset from {begin} to {end}."
            )
            raise ConfigurationError(message, topic=state.topic, partition=partition, offset=offset)
    return {**state.begin, **given}


def check_unfinished(batch: Batch, state: TopicState | None) -> None:
    """Raise ``DataLoss`` when what ``batch`` planned to read is not in the topic any more."""
    read = [each for each in batch.readable if each.span]
    if not read:
        return
    start = tuple(replace(each, until_offset=each.from_offset) for each in read)
    known = replace(batch, ranges=start, gaps=())
    if (
        state is None
        or state.topic_id != batch.topic_id
        or any(each.partition not in state.begin for each in read)
    ):
        next_ranges(known, state, batch.table_name)  # says so
        return
    _check_begin(
        batch, state, batch.table_name, {each.partition: each.from_offset for each in read}
    )
    beyond = {
        each.partition: each.until_offset
        for each in read
        if each.until_offset > state.high_watermark(each.partition)
    }
    if beyond:
        raise _beyond_the_end(batch, state, batch.table_name, beyond)


def _check_begin(last: Batch, state: TopicState, table: str, wanted: Mapping[int, int]) -> None:
    lost = {
        partition: (offset, state.begin[partition])
        for partition, offset in sorted(wanted.items())
        if offset < state.begin[partition]
    }
    if not lost:
        return
    sentences = _of_partitions(
        f"{_where(last)} partition {partition}: {begin - offset} records are lost. Offset {offset} "
        f"is next for {table}, but the earliest that Kafka still holds is {begin}."
        for partition, (offset, begin) in lost.items()
    )
    accept = _options("--lost", [f"{e}:{first}-{begin - 1}" for e, (first, begin) in lost.items()])
    partition, (offset, begin) = next(iter(lost.items()))
    message = (
        f"{sentences} Retention went faster than the loads. Nothing of the topic was loaded; to "
        "go on without them: "
        f"{_command(last, *accept)}"
    )
    raise DataLoss(
        message,
        topic=state.topic,
        partition=partition,
        wanted=offset,
        earliest=begin,
        lost=sum(begin - offset for offset, begin in lost.values()),
    )


def _beyond_the_end(
    last: Batch, state: TopicState, table: str, wanted: Mapping[int, int]
) -> DataLoss:
    sentences = _of_partitions(
        f"{_where(last)} partition {partition} ends at offset {state.end[partition]}, but {table} "
        f"was already loaded or planned up to {offset}: {offset - state.end[partition]} records "
        "are lost."
        for partition, offset in sorted(wanted.items())
    )
    accept = _options("--rewind", [f"{each}:{state.end[each]}" for each in sorted(wanted)])
    partition, offset = min(wanted.items())
    message = (
        f"{sentences} Kafka has lost what it had, or is another cluster. Nothing of the topic was "
        "loaded; to go on from its end: "
        f"{_command(last, *accept)}"
    )
    return DataLoss(
        message,
        topic=state.topic,
        partition=partition,
        wanted=offset,
        end=state.end[partition],
        lost=sum(each - state.end[key] for key, each in wanted.items()),
    )


def _of_partitions(sentences: Iterable[str]) -> str:
    """``sentences``, one of each partition, the first of them where there are many."""
    every = list(sentences)
    more = f" And {len(every) - _SHOWN:,} more partitions." if len(every) > _SHOWN else ""
    return " ".join(every[:_SHOWN]) + more


def _options(name: str, values: Sequence[str]) -> list[str]:
    """The option ``name`` for each of ``values``, or for all that there are where they are many."""
    return [f"{name} {each}" for each in values] if len(values) <= _SHOWN else [f"{name} all"]


def _where(last: Batch) -> str:
    section = "" if last.source == "kafka.default" else f" of [{last.source}]"
    return f"Topic {last.topic}{section}"


def command(verb: str, last: Batch, *what: str) -> str:
    """The command line that does ``verb`` to the topic of ``last``, to be typed as it is."""
    cluster = [] if last.section == "default" else [f"--cluster {last.section}"]
    options = [f"--topic {last.topic}", *cluster]
    return f"`python -m loader {verb} {' '.join([*options, *what])}`"


def _command(last: Batch, *what: str) -> str:
    return command("accept", last, *what)


@dataclass(frozen=True)
class Acceptance:
    """What a person says they do without, as the error of the loss told them to.

    ``lost`` maps partitions to the first and last offset, ``rewind`` to the offset to go on from;
    ``all_of`` has the options (``lost``, ``rewind``, ``gone``) that mean every partition, which
    ``spelt`` finds. ``skip`` are records that are there and cannot be landed (partition, first and
    last offset), and ``reason`` says why they are set aside.
    """

    lost: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    rewind: Mapping[int, int] = field(default_factory=dict)
    gone: frozenset[int] = frozenset()
    new_id: str | None = None
    deleted: bool = False
    skip: tuple[tuple[int, int, int], ...] = ()
    reason: str = ""
    all_of: frozenset[str] = frozenset()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is accepted."""
        given = (self.lost, self.rewind, self.gone, self.new_id, self.skip, self.all_of)
        return not (self.deleted or any(given))


def spelt(last: Batch, state: TopicState | None, what: Acceptance) -> Acceptance:
    """``what`` with every partition that its ``all_of`` means: those that an error of ``last``'s
    topic would name now.
    """
    if not what.all_of or state is None:
        return what
    next_of = {
        each.partition: (read.from_offset, each.until_offset)
        if last.state == PLANNED
        else (each.until_offset, each.until_offset)
        for each, read in zip(last.ranges, last.readable, strict=True)
    }
    lost, rewind, gone = dict(what.lost), dict(what.rewind), set(what.gone)
    for partition, (begin, until) in next_of.items():
        if partition not in state.begin:
            gone |= {partition} if "gone" in what.all_of else set()
        elif begin < state.begin[partition] and "lost" in what.all_of:
            lost.setdefault(partition, (begin, state.begin[partition] - 1))
        elif until > state.high_watermark(partition) and "rewind" in what.all_of:
            rewind.setdefault(partition, state.end[partition])
    return replace(what, lost=lost, rewind=rewind, gone=frozenset(gone), all_of=frozenset())


def accepted(last: Batch, state: TopicState | None, what: Acceptance) -> Batch:
    """The ledger row by which the topic of ``last`` goes on without ``what``.

    For an unfinished ``last`` it is that row, with the gaps that its write leaves out. Raises
    ``ConfigurationError`` where ``what`` is not lost: nothing that is there is skipped. Whether a
    topic holds from a ``rewind`` on what was loaded, only its records say: see ``rewind``.
    """
    if what.is_empty:
        _refuse(last, "name what is lost, as the error of the run does")
    if last.state == COMMITTED:
        wanted = {each.partition: each.until_offset for each in last.ranges}
    else:
        wanted = {each.partition: each.from_offset for each in last.readable}
    gaps = []
    if what.deleted or what.new_id:
        if what.deleted and state is not None:
            _refuse(last, f"it exists (its id is {state.topic_id})")
        if what.new_id and (state is None or state.topic_id != what.new_id):
            _refuse(last, f"its id is {state.topic_id if state else 'none, it does not exist'}")
        if state is not None and state.topic_id == last.topic_id:
            _refuse(last, "it is the topic that was loaded")
        reason = "topic_deleted" if what.deleted else "topic_recreated"
        if last.state == PLANNED:
            tail = [
                Gap(each.partition, each.from_offset, each.until_offset, reason)
                for each in last.readable
            ]
            return replace(last, gaps=(*last.gaps, *tail))
        begins = state.begin if state else {}
        return replace(
            _following(last, ACCEPT),
            gaps=(Gap(None, 0, 0, reason),),
            topic_id=state.topic_id if state else None,
            ranges=tuple(Range(each, at, at) for each, at in sorted(begins.items())),
        )
    if state is None or state.topic_id != last.topic_id:
        _refuse(last, "it was deleted or made again, which is to be accepted first")
    for partition, (first, final) in what.lost.items():
        begin = state.begin.get(partition)
        if begin is None or first != wanted.get(partition, 0) or not first <= final < begin:
            _refuse(
                last,
                f"partition {partition} has offset {wanted.get(partition, 0)} next, and Kafka "
                f"holds {'nothing of it' if begin is None else f'what comes from {begin} on'}",
            )
        gaps.append(Gap(partition, first, final + 1, "retention"))
        wanted[partition] = final + 1
    for partition, offset in what.rewind.items():
        end = state.end.get(partition, -1)
        until = _until(last, partition)
        # Producers go on: the end may have moved since the error named it, even past what was
        # loaded. Of what was never written, only the end says that it is lost.
        is_within = state.begin.get(partition, 0) <= offset <= end and offset < until
        if not is_within or (last.state == PLANNED and until <= end):
            _refuse(last, f"partition {partition} ends at {end} and was loaded up to {until}")
        gaps.append(Gap(partition, offset, until, "rewound"))
        wanted[partition] = offset
    for partition, first, final in what.skip:
        planned = next((each for each in last.ranges if each.partition == partition), None)
        if last.state != PLANNED or planned is None:
            _refuse(last, f"no unfinished batch has partition {partition}")
        if not planned.from_offset <= first <= final < planned.until_offset:
            _refuse(
                last,
                f"the unfinished batch {last.batch_id} has offsets {planned.from_offset} to "
                f"{planned.until_offset - 1} of partition {partition}",
            )
        gaps.append(Gap(partition, first, final + 1, f"{SKIPPED}{what.reason}"))
    for partition in what.gone:
        if partition in state.begin or partition not in wanted:
            _refuse(last, f"partition {partition} is there, or was never loaded")
        end = _until(last, partition)
        gaps.append(Gap(partition, wanted.pop(partition), end, "partition_removed"))
    if last.state == PLANNED:
        # What a partition does not have any more is taken out of the plan, and what comes at those
        # offsets later is another batch's.
        kept = tuple(
            replace(each, until_offset=max(each.from_offset, what.rewind[each.partition]))
            if each.partition in what.rewind
            else each
            for each in last.ranges
        )
        return replace(last, ranges=kept, gaps=(*last.gaps, *gaps))
    ranges = tuple(Range(each, at, at) for each, at in sorted(wanted.items()))
    return replace(_following(last, ACCEPT), ranges=ranges, gaps=tuple(gaps))


def refuse_rewind(last: Batch, partition: int, offset: int, at: int | None) -> NoReturn:
    """Raise the error for a rewind to an offset where the topic holds what was loaded from it, or
    to one after ``at``, where its other records begin.
    """
    if at is None:
        _refuse(last, f"partition {partition} holds what was loaded from offset {offset} on")
    command = _command(last, f"--rewind {partition}:{at}")
    _refuse(last, f"partition {partition} has other records from offset {at} on already: {command}")


def _until(batch: Batch, partition: int) -> int:
    return next((e.until_offset for e in batch.ranges if e.partition == partition), 0)


def _refuse(last: Batch, why: str) -> NoReturn:
    message = f"Topic {last.topic} has no such loss to accept: {why}. Nothing was changed."
    raise ConfigurationError(message, topic=last.topic)


def _following(last: Batch, kind: str) -> Batch:
    """A row of ``last``'s source and table, still empty; ``number`` gives it its number."""
    return Batch(
        table_name=last.table_name,
        batch_id=0,
        source=last.source,
        topic=last.topic,
        topic_id=last.topic_id,
        table_id=last.table_id,
        kind=kind,
    )


def withdraw_command(batch: Batch) -> str:
    """The command by which an unfinished ``batch`` that can never be written is taken back."""
    return (
        f"`python -m loader withdraw --table {batch.table_name} --batch {batch.batch_id} "
        "--reason 'cannot be written'`"
    )


def withdrawn(batch: Batch, reason: str) -> Batch:
    """The ledger row of ``batch`` when it is taken back: it keeps its number and has no rows. Its
    topic goes on at the offsets where the batch began, its files are not known.
    """
    return replace(
        batch,
        ranges=tuple(replace(r, until_offset=r.from_offset, records=0) for r in batch.ranges),
        files=tuple(replace(each, checksum="") for each in batch.files),
        gaps=(*batch.gaps, Gap(None, 0, 0, f"{WITHDRAWN}: {reason}")),
        records=0,
        bytes=0,
    )


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
    at = [(each.partition, each.until_offset) for each in last.ranges]
    ranges = tuple(Range(partition, offset, offset) for partition, offset in at)
    return replace(_following(last, ACCEPT), ranges=ranges, gaps=(gap,))


def limited(
    batches: Sequence[Batch],
    sizes: Mapping[str, float],
    *,
    max_records: float | None,
    max_bytes: float | None,
) -> list[Batch]:
    """``batches`` with at most ``max_records`` offsets and about ``max_bytes`` bytes in all.

    Every partition gives its oldest offsets, as many as its share of the lag. ``sizes`` are bytes
    of a record by topic.
    """
    lags = {
        (at, each.partition): each.span
        for at, batch in enumerate(batches)
        for each in batch.ranges
        if each.span
    }
    total = sum(lags.values())
    size = sum(span * sizes[batches[at].topic or ""] for (at, _), span in lags.items())
    share = min(
        1.0,
        max_records / total if max_records is not None and total else 1.0,
        max_bytes / size if max_bytes is not None and size else 1.0,
    )
    if share >= 1.0:
        return list(batches)
    exact = {key: span * share for key, span in lags.items()}
    given = {key: floor(value) for key, value in exact.items()}
    # What rounding left over, to those that it cost most; always at least one offset.
    left = max(round(total * share) - sum(given.values()), 0 if any(given.values()) else 1)
    for key in sorted(exact, key=lambda key: given[key] - exact[key])[:left]:
        given[key] += 1
    return [
        replace(
            batch,
            ranges=tuple(
                replace(each, until_offset=each.from_offset + given.get((at, each.partition), 0))
                for each in batch.ranges
            ),
        )
        for at, batch in enumerate(batches)
    ]


def without(batch: Batch, large: Mapping[int, Sequence[int]], why: str) -> Batch:
    """``batch`` without the records at the offsets ``large``, by partition, which are set aside."""
    gaps: list[Gap] = []
    for partition, offsets in sorted(large.items()):
        for offset in sorted(offsets):
            last = gaps[-1] if gaps else None
            if last and (last.partition, last.until_offset) == (partition, offset):
                gaps[-1] = replace(last, until_offset=offset + 1)
            else:
                gaps.append(Gap(partition, offset, offset + 1, f"{SKIPPED}{why}"))
    return replace(batch, gaps=(*batch.gaps, *gaps))


def until(batch: Batch, ends: Mapping[int, int]) -> Batch:
    """``batch`` without what lies beyond ``ends``, by partition; nothing of one without an end."""
    return replace(
        batch,
        ranges=tuple(
            replace(
                each,
                until_offset=max(
                    each.from_offset, min(each.until_offset, ends.get(each.partition, 0))
                ),
            )
            for each in batch.ranges
        ),
    )


def replayed(
    last: Batch, state: TopicState, first: Mapping[int, int], end: Mapping[int, int]
) -> Batch:
    """The batch that lands offsets ``first`` to ``end`` (exclusive), by partition, once more.

    Raises ``DataLoss`` when Kafka does not hold them any more, and ``ConfigurationError`` when they
    were never loaded.
    """
    ranges = []
    for partition, offset in sorted(first.items()):
        done = last.committed_offset(partition)
        if done is None:
            message = f"Partition {partition} of topic {last.topic} was never loaded."
            raise ConfigurationError(message, topic=last.topic, partition=partition)
        stop = min(done, end.get(partition, done))
        if offset > done:
            message = (
                f"Partition {partition} of topic {last.topic} was loaded up to offset {done - 1}; "
                f"there is nothing to replay from {offset}."
            )
            raise ConfigurationError(message, topic=last.topic, partition=partition, loaded=done)
        begin = state.begin.get(partition, 0)
        if offset < begin:
            message = (
                f"Topic {last.topic} partition {partition} cannot be replayed from offset "
                f"{offset}: the earliest that Kafka still holds is {begin}, {begin - offset} are "
                f"lost. Replay from {begin}: "
                + command("replay", last, f"--from {partition}:{begin}")
            )
            raise DataLoss(
                message, topic=last.topic, partition=partition, wanted=offset, earliest=begin
            )
        if offset < stop:
            ranges.append(Range(partition, offset, stop))
    batch = _following(last, REPLAY)
    return replace(batch, topic_id=state.topic_id, ranges=tuple(ranges))


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
