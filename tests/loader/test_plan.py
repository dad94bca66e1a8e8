"""The rules of planning, without servers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loader.errors import DataLoss
from loader.kafka import TopicState
from loader.plan import (
    COMMITTED,
    PLANNED,
    Batch,
    File,
    Position,
    Range,
    changed_files,
    check_unfinished,
    next_ranges,
    number,
)

TABLE = "raw.t"


def state(
    end: Mapping[int, int], begin: Mapping[int, int] | None = None, topic_id: str = "id-1"
) -> TopicState:
    return TopicState("t", topic_id, {**dict.fromkeys(end, 0), **(begin or {})}, dict(end))


def batch(*ranges: tuple[int, int, int], batch_id: int = 1, state: str = COMMITTED) -> Batch:
    return Batch(
        table_name=TABLE,
        batch_id=batch_id,
        source="kafka.default",
        topic="t",
        topic_id="id-1",
        table_id="delta-1",
        ranges=tuple(Range(*each) for each in ranges),
        state=state,
    )


def test_a_topic_seen_first_starts_at_what_kafka_still_holds() -> None:
    assert next_ranges(None, state({0: 10, 1: 5}, {0: 7}), TABLE) == (
        Range(0, 7, 10),
        Range(1, 0, 5),
    )


def test_the_next_range_goes_from_the_last_end_to_the_end_now() -> None:
    assert next_ranges(batch((0, 0, 4)), state({0: 9}, {0: 4}), TABLE) == (Range(0, 4, 9),)


def test_a_partition_without_news_keeps_its_place() -> None:
    ranges = next_ranges(batch((0, 0, 4), (1, 2, 6)), state({0: 4, 1: 7}), TABLE)
    assert ranges == (Range(0, 4, 4), Range(1, 6, 7))
    assert [each.span for each in ranges] == [0, 1]


def test_a_new_partition_starts_at_its_beginning() -> None:
    assert next_ranges(batch((0, 0, 4)), state({0: 4, 1: 3}), TABLE)[1] == Range(1, 0, 3)


def test_a_topic_that_never_was_has_no_ranges() -> None:
    assert next_ranges(None, None, TABLE) == ()


def test_retention_past_the_offset_names_what_is_lost() -> None:
    with pytest.raises(DataLoss) as caught:
        next_ranges(batch((0, 0, 4), (3, 0, 100)), state({0: 9, 3: 400}, {3: 142}), TABLE)
    assert caught.value.facts == {
        "topic": "t",
        "partition": 3,
        "wanted": 100,
        "earliest": 142,
        "lost": 42,
    }
    for part in ("Topic t partition 3", "42 records", "Offset 100", TABLE, "142"):
        assert part in str(caught.value)


def test_retention_up_to_the_offset_loses_nothing() -> None:
    assert next_ranges(batch((0, 0, 4)), state({0: 4}, {0: 4}), TABLE) == (Range(0, 4, 4),)


def test_an_offset_beyond_the_end_is_loss() -> None:
    with pytest.raises(DataLoss, match=r"partition 0 ends at offset 3, but raw\.t .* up to 4"):
        next_ranges(batch((0, 0, 4)), state({0: 3}), TABLE)


@pytest.mark.parametrize("end", [0, 4, 1000])
def test_a_recreated_topic_is_loss_however_long_it_is(end: int) -> None:
    with pytest.raises(DataLoss, match=r"Topic t was deleted and made again .*id-1.*id-2"):
        next_ranges(batch((0, 0, 4)), state({0: end}, topic_id="id-2"), TABLE)


def test_a_deleted_topic_is_loss() -> None:
    with pytest.raises(DataLoss, match="Topic t does not exist any more"):
        next_ranges(batch((0, 0, 4)), None, TABLE)


def test_a_lost_partition_is_loss() -> None:
    with pytest.raises(DataLoss, match=r"lost partition 1: raw\.t was loaded from it up to offset"):
        next_ranges(batch((0, 0, 4), (1, 0, 7)), state({0: 4}), TABLE)


def test_an_unfinished_batch_can_be_read_while_its_range_is_there() -> None:
    check_unfinished(batch((0, 2, 5), (1, 3, 3), state=PLANNED), state({0: 5, 1: 9}, {0: 2, 1: 8}))


@pytest.mark.parametrize(
    "now",
    [
        None,
        state({0: 9}, topic_id="id-2"),
        state({0: 9}, {0: 3}),
        state({0: 4}),
        state({1: 9}),
    ],
    ids=["deleted", "recreated", "retention", "shorter", "no such partition"],
)
def test_an_unfinished_batch_whose_range_is_gone_is_loss(now: TopicState | None) -> None:
    with pytest.raises(DataLoss):
        check_unfinished(batch((0, 2, 5), state=PLANNED), now)


def test_a_topic_is_known_under_a_renamed_section() -> None:
    last = batch((0, 0, 4))
    position = Position(1, newest={("kafka.default", "t"): last})
    assert position.last("kafka.default", "t", "id-1") is last
    assert position.last("kafka.renamed", "t", "id-1") is last
    assert position.last("kafka.renamed", "t", "id-2") is None
    assert position.last("kafka.renamed", "t", None) is None


def test_a_planned_row_counts_as_not_loaded() -> None:
    assert batch((0, 2, 5)).committed_offset(0) == 5
    assert batch((0, 2, 5), state=PLANNED).committed_offset(0) == 2
    assert batch((0, 2, 5)).committed_offset(1) is None


def test_all_topics_of_a_table_get_its_next_number() -> None:
    rows = number(Position(last_batch_id=7), "delta-1", [batch((0, 0, 1)), batch((1, 0, 1))])
    assert [(row.batch_id, row.table_id) for row in rows] == [(8, "delta-1")] * 2


def test_only_content_makes_a_file_new() -> None:
    first = File("/a.csv", 3, datetime(2024, 1, 1), "aa")
    touched = replace(first, modified_at=datetime(2024, 1, 2))
    edited = replace(first, checksum="bb")
    unknown = replace(first, checksum="")
    assert changed_files({}, [first]) == (first,)
    assert changed_files({"/a.csv": first}, [first, touched]) == ()
    assert changed_files({"/a.csv": first}, [edited]) == (edited,)
    assert changed_files({"/a.csv": unknown}, [first]) == (first,)


STEPS = ("append", "partition", "run", "kill planned", "kill written", "retain")


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 3), st.integers(1, 5))))
def test_no_order_of_events_loses_or_doubles_an_offset(
    events: list[tuple[str, int, int]],
) -> None:
    ends: dict[int, int] = {0: 0}
    begins: dict[int, int] = {0: 0}
    table: list[tuple[int, int, int]] = []  # batch id, partition, offset
    marks: set[int] = set()  # Delta skips a batch that is there
    ledger: list[Batch] = []

    def write(planned: Batch) -> None:
        if planned.batch_id not in marks:
            marks.add(planned.batch_id)
            table.extend(
                (planned.batch_id, each.partition, offset)
                for each in planned.ranges
                for offset in range(each.from_offset, each.until_offset)
            )

    def run(stop: str = "") -> None:
        now = state(ends, begins)
        if ledger and ledger[-1].state == PLANNED:
            check_unfinished(ledger[-1], now)
            write(ledger[-1])
            ledger[-1] = replace(ledger[-1], state=COMMITTED)
        ranges = next_ranges(ledger[-1] if ledger else None, now, TABLE)
        if not any(each.span for each in ranges):
            return
        ledger.append(
            replace(batch(state=PLANNED), batch_id=len(ledger) + 1, ranges=ranges),
        )
        if stop == "kill planned":
            return
        write(ledger[-1])
        if stop == "kill written":
            return
        ledger[-1] = replace(ledger[-1], state=COMMITTED)

    for event, partition, count in events:
        partition %= len(ends)
        if event == "append":
            ends[partition] += count
        elif event == "partition":
            ends[len(ends)] = begins[len(begins)] = 0
        elif event == "retain":
            # Retention of what is in the lake; loss has tests of its own.
            loaded = [
                each.from_offset if ledger[-1].state == PLANNED else each.until_offset
                for each in (ledger[-1].ranges if ledger else ())
                if each.partition == partition
            ]
            begins[partition] = max([begins[partition], *loaded])
        else:
            run(event)
    run()
    landed = sorted((partition, offset) for _, partition, offset in table)
    assert landed == [(each, offset) for each in sorted(ends) for offset in range(ends[each])]
    assert all(each.state == COMMITTED for each in ledger)
