"""The offsets of a batch, and the losses of a topic: pure functions of ledger rows and topic
states.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import floor

from loader.batch import Batch, following
from loader.content import REPLAY, SKIPPED, Gap, Offsets, Range
from loader.errors import ConfigurationError, DataLoss
from loader.remedies import accept_of_topic, of_topic
from loader.sources.kafka.topic import TopicState

# Largest number of partitions in a sentence.
_SHOWN = 10


def next_ranges(
    last: Batch | None,
    state: TopicState | None,
    table: str,
    start: Mapping[int, int] | None = None,
) -> tuple[Range, ...]:
    """The ranges from the end of ``last`` to the present end of the topic.

    Without ``last`` the topic is new and begins at ``start`` (see ``first_offsets``), or at its
    first retained offset. A partition that was added later begins at offset 0. ``state`` is None if
    the topic does not exist. Raises ``DataLoss`` if the records after ``last`` no longer exist, or
    if the topic has another id.
    """
    if last is None:
        if state is None:
            return ()
        return tuple(
            Range(partition, (start or state.begin)[partition], state.end[partition])
            for partition in sorted(state.begin)
        )
    state = _same_topic(last, state, table)
    known = {each.partition: each.until_offset for each in last.ranges}
    # A partition that is not in ``last`` was added later: all its records are new.
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
    # With read_committed the end may be below offsets that were loaded with read_uncommitted.
    return tuple(
        replace(each, until_offset=max(each.from_offset, each.until_offset)) for each in ranges
    )


def _same_topic(last: Batch, state: TopicState | None, table: str) -> TopicState:
    """``state`` if it is of the topic that ``last`` read and has all its partitions; else raises
    ``DataLoss``.
    """
    where = _where(last)
    if state is None:
        remedy = accept_of_topic(last, "--deleted")
        message = (
            f"{where} does not exist any more (its id was {last.topic_id}); {table} keeps what was "
            f"loaded. Take the topic out of loader.toml, or if it will be made again: {remedy}"
        )
        raise DataLoss(message, remedy=remedy, topic=last.topic, was=last.topic_id, now=None)
    was, now = last.topic_id, state.topic_id
    if was != now:
        remedy = accept_of_topic(last, f"--new-id {now}")
        message = (
            f"{where} was deleted and made again (its id was {was} and is {now}): its offsets are "
            f"others than those that {table} holds. Nothing of it was loaded; to load the new "
            f"topic from its beginning into the same table: {remedy}"
        )
        raise DataLoss(message, remedy=remedy, topic=state.topic, was=was, now=now)
    known = {each.partition: each.until_offset for each in last.ranges}
    gone = sorted(set(known) - set(state.begin))
    if gone:
        others = f" and {len(gone) - 1:,} others" if len(gone) > 1 else ""
        remedy = accept_of_topic(last, *_options("--gone", [str(each) for each in gone]))
        first, wanted = gone[0], known[gone[0]]
        message = (
            f"{where} has lost partition {first}{others}: {table} was loaded from it up to offset "
            f"{wanted}. Nothing of the topic was loaded; to go on without it: {remedy}"
        )
        raise DataLoss(message, remedy=remedy, topic=state.topic, partition=first, wanted=wanted)
    return state


def first_offsets(state: TopicState, given: Mapping[int, int]) -> dict[int, int]:
    """The first offsets of a new topic: those ``given``, and the first retained ones of other
    partitions.

    Raises ``ConfigurationError`` for a partition that does not exist, or an offset outside of it.
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
    """Raise ``DataLoss`` if the topic no longer has the records that the unfinished ``batch`` will
    read.
    """
    read = [each for each in batch.readable if each.span]
    if not read:
        return
    start = tuple(replace(each, until_offset=each.from_offset) for each in read)
    known = replace(batch.with_ranges(start), gaps=())
    if (
        state is None
        or state.topic_id != batch.topic_id
        or any(each.partition not in state.begin for each in read)
    ):
        next_ranges(known, state, batch.table_name)  # raises the error
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
    options = _options("--lost", [f"{e}:{first}-{begin - 1}" for e, (first, begin) in lost.items()])
    remedy = accept_of_topic(last, *options)
    partition, (offset, begin) = next(iter(lost.items()))
    message = (
        f"{sentences} Retention went faster than the loads. Nothing of the topic was loaded; to "
        f"go on without them: {remedy}"
    )
    raise DataLoss(
        message,
        remedy=remedy,
        earliest=begin,
        topic=state.topic,
        partition=partition,
        wanted=offset,
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
    options = _options("--rewind", [f"{each}:{state.end[each]}" for each in sorted(wanted)])
    remedy = accept_of_topic(last, *options)
    partition, offset = min(wanted.items())
    message = (
        f"{sentences} Kafka has lost what it had, or is another cluster. Nothing of the topic was "
        f"loaded; to go on from its end: {remedy}"
    )
    return DataLoss(
        message,
        remedy=remedy,
        topic=state.topic,
        partition=partition,
        wanted=offset,
        end=state.end[partition],
        lost=sum(each - state.end[key] for key, each in wanted.items()),
    )


def _of_partitions(sentences: Iterable[str]) -> str:
    """``sentences``, one per partition: at most ``_SHOWN`` of them, and the
    number of the others.
    """
    every = list(sentences)
    more = f" And {len(every) - _SHOWN:,} more partitions." if len(every) > _SHOWN else ""
    return " ".join(every[:_SHOWN]) + more


def _options(name: str, values: Sequence[str]) -> list[str]:
    """The option ``name`` with each of ``values``, or with ``all`` if they are more than
    ``_SHOWN``.
    """
    return [f"{name} {each}" for each in values] if len(values) <= _SHOWN else [f"{name} all"]


def _where(last: Batch) -> str:
    section = "" if last.source == "kafka.default" else f" of [{last.source}]"
    return f"Topic {last.topic}{section}"


def limited(
    batches: Sequence[Batch],
    sizes: Mapping[str, float],
    *,
    max_records: float | None,
    max_bytes: float | None,
) -> list[Batch]:
    """``batches`` with at most ``max_records`` offsets and about ``max_bytes`` bytes in total.

    Every partition gives its oldest offsets, in proportion to its lag. ``sizes`` are bytes per
    record by topic.
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
    # Give the remainder to the partitions that rounding cut most; never plan zero offsets.
    left = max(round(total * share) - sum(given.values()), 0 if any(given.values()) else 1)
    for key in sorted(exact, key=lambda key: given[key] - exact[key])[:left]:
        given[key] += 1
    return [
        batch.with_ranges(
            replace(each, until_offset=each.from_offset + given.get((at, each.partition), 0))
            for each in batch.ranges
        )
        for at, batch in enumerate(batches)
    ]


def without(batch: Batch, large: Mapping[int, Sequence[int]], why: str) -> Batch:
    """``batch`` with gaps for the records at the offsets ``large``, by partition; ``why`` is the
    reason.
    """
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
    """``batch`` cut at the offsets ``ends`` (exclusive), by partition; a partition without an end
    becomes empty.
    """
    return batch.with_ranges(
        replace(
            each,
            until_offset=max(each.from_offset, min(each.until_offset, ends.get(each.partition, 0))),
        )
        for each in batch.ranges
    )


def replayed(
    last: Batch, state: TopicState, first: Mapping[int, int], end: Mapping[int, int]
) -> Batch:
    """The replay of offsets ``first`` to ``end`` (exclusive), by partition.

    It ends at the committed offsets. Raises ``DataLoss`` if Kafka no longer has the records,
    ``ConfigurationError`` if they were never loaded.
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
            remedy = of_topic("replay", last, f"--from {partition}:{begin}")
            message = (
                f"Topic {last.topic} partition {partition} cannot be replayed from offset "
                f"{offset}: the earliest that Kafka still holds is {begin}, {begin - offset} are "
                f"lost. Replay from {begin}: {remedy}"
            )
            raise DataLoss(
                message,
                remedy=remedy,
                earliest=begin,
                topic=last.topic,
                partition=partition,
                wanted=offset,
            )
        if offset < stop:
            ranges.append(Range(partition, offset, stop))
    return following(last, REPLAY, Offsets(state.topic, state.topic_id, tuple(ranges)))
