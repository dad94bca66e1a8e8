"""The losses of a topic that a person accepts, and the ledger row for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NoReturn

from loader.batch import COMMITTED, PLANNED, Batch, following
from loader.content import ACCEPT, SKIPPED, Gap, Offsets, Range
from loader.errors import Command, ConfigurationError
from loader.remedies import accept_of_topic
from loader.sources.kafka.topic import TopicState


@dataclass(frozen=True)
class Acceptance:
    """The options of ``accept``, as the error of the loss names them.

    ``lost`` maps partitions to the first and last lost offset, ``rewind`` to the offset at which to
    continue. ``gone`` are partitions that no longer exist. ``new_id`` is the id of a topic that was
    created again, ``deleted`` means that the topic does not exist. ``all_of`` has the options
    (``lost``, ``rewind``, ``gone``) that were given for all partitions; ``spelt`` resolves them.
    ``skip`` are existing records that cannot be landed (partition, first and last offset), with the
    ``reason``.
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
        """Whether no option is given."""
        given = (self.lost, self.rewind, self.gone, self.new_id, self.skip, self.all_of)
        return not (self.deleted or any(given))


def spelt(last: Batch, state: TopicState | None, what: Acceptance) -> Acceptance:
    """``what`` with the options in ``all_of`` resolved to the partitions that an error would name
    now.
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
    """The ledger row with which the topic of ``last`` continues without ``what``.

    If ``last`` is unfinished, this is its own row with the gaps that its write leaves out. Raises
    ``ConfigurationError`` if ``what`` is not lost: existing records are never skipped this way.
    Whether the records after a ``rewind`` are those that were loaded is checked elsewhere
    (``verify.rewound_at``).
    """
    if what.is_empty:
        _refuse(last, "name what is lost, as the error of the run does")
    if what.deleted or what.new_id:
        return _of_another_topic(last, state, what)
    if state is None or state.topic_id != last.topic_id:
        _refuse(last, "it was deleted or created again; accept that first")
    if last.state == COMMITTED:
        wanted = {each.partition: each.until_offset for each in last.ranges}
    else:
        wanted = {each.partition: each.from_offset for each in last.readable}
    gaps = [
        *_lost(last, state, what, wanted),
        *_rewound(last, state, what, wanted),
        *_skipped(last, what),
        *_removed(last, state, what, wanted),
    ]
    if last.state == PLANNED:
        # Cut the lost tail out of the plan: records that later get these offsets belong to another
        # batch.
        kept = tuple(
            replace(each, until_offset=max(each.from_offset, what.rewind[each.partition]))
            if each.partition in what.rewind
            else each
            for each in last.ranges
        )
        return replace(last.with_ranges(kept), gaps=(*last.gaps, *gaps))
    ranges = tuple(Range(each, at, at) for each, at in sorted(wanted.items()))
    content = Offsets(state.topic, last.topic_id, ranges)
    return replace(following(last, ACCEPT, content), gaps=tuple(gaps))


def _of_another_topic(last: Batch, state: TopicState | None, what: Acceptance) -> Batch:
    """The row for a topic that was deleted, or created again under its name."""
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
    content = Offsets(
        last.topic or "",
        state.topic_id if state else None,
        tuple(Range(each, at, at) for each, at in sorted(begins.items())),
    )
    return replace(following(last, ACCEPT, content), gaps=(Gap(None, 0, 0, reason),))


def _lost(
    last: Batch, state: TopicState, what: Acceptance, wanted: dict[int, int]
) -> Iterator[Gap]:
    """Gaps for records that retention deleted; moves the next offsets (``wanted``) past them."""
    for partition, (first, final) in what.lost.items():
        begin = state.begin.get(partition)
        if begin is None or first != wanted.get(partition, 0) or not first <= final < begin:
            _refuse(
                last,
                f"partition {partition} has offset {wanted.get(partition, 0)} next, and Kafka "
                f"holds {'nothing of it' if begin is None else f'what comes from {begin} on'}",
            )
        yield Gap(partition, first, final + 1, "retention")
        wanted[partition] = final + 1


def _rewound(
    last: Batch, state: TopicState, what: Acceptance, wanted: dict[int, int]
) -> Iterator[Gap]:
    """Gaps for partitions that lost their ends; moves the next offsets (``wanted``) back to the new
    ends.
    """
    for partition, offset in what.rewind.items():
        end = state.end.get(partition, -1)
        until = _until(last, partition)
        # Producers may have moved the end since the error named it, even past the loaded offsets.
        # For a batch that was never written, only an end below its range proves the loss.
        is_within = state.begin.get(partition, 0) <= offset <= end and offset < until
        if not is_within or (last.state == PLANNED and until <= end):
            _refuse(last, f"partition {partition} ends at {end} and was loaded up to {until}")
        yield Gap(partition, offset, until, "rewound")
        wanted[partition] = offset


def _skipped(last: Batch, what: Acceptance) -> Iterator[Gap]:
    """Gaps for records that a person skips, with the reason."""
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
        yield Gap(partition, first, final + 1, f"{SKIPPED}{what.reason}")


def _removed(
    last: Batch, state: TopicState, what: Acceptance, wanted: dict[int, int]
) -> Iterator[Gap]:
    """Gaps for partitions that no longer exist; removes them from the next offsets (``wanted``)."""
    for partition in what.gone:
        if partition in state.begin or partition not in wanted:
            _refuse(last, f"partition {partition} is there, or was never loaded")
        yield Gap(partition, wanted.pop(partition), _until(last, partition), "partition_removed")


def refuse_rewind(last: Batch, partition: int, offset: int, at: int | None) -> NoReturn:
    """Raise the error for a rewind to ``offset`` if the topic still has the loaded records there
    (``at`` is None), or if the different records begin earlier, at ``at``.
    """
    if at is None:
        _refuse(last, f"partition {partition} still has the loaded records from offset {offset} on")
    remedy = accept_of_topic(last, f"--rewind {partition}:{at}")
    why = f"partition {partition} has other records from offset {at} on already: {remedy}"
    _refuse(last, why, remedy)


def _until(batch: Batch, partition: int) -> int:
    return next((e.until_offset for e in batch.ranges if e.partition == partition), 0)


def _refuse(last: Batch, why: str, remedy: Command | None = None) -> NoReturn:
    message = f"This loss of topic {last.topic} cannot be accepted: {why}. Nothing was changed."
    raise ConfigurationError(message, remedy=remedy, topic=last.topic)
