"""The rules of planning, without servers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loader.batch import (
    COMMITTED,
    PLANNED,
    Batch,
    Position,
    number,
    position,
    retirable,
    table_accepted,
)
from loader.content import ACCEPT, REPLAY, File, Files, Gap, Offsets, Range
from loader.errors import ConfigurationError, DataLoss
from loader.lake.tables import check_table
from loader.sources.files.listing import changed_files
from loader.sources.kafka.losses import Acceptance, accepted, spelt
from loader.sources.kafka.offsets import (
    check_unfinished,
    first_offsets,
    limited,
    next_ranges,
    replayed,
    without,
)
from loader.sources.kafka.topic import TopicState
from loader.verify import follow_on, loaded

TABLE = "raw.t"


def state(
    end: Mapping[int, int], begin: Mapping[int, int] | None = None, topic_id: str = "id-1"
) -> TopicState:
    return TopicState("t", topic_id, {**dict.fromkeys(end, 0), **(begin or {})}, dict(end))


def batch(
    *ranges: tuple[int, int, int], batch_id: int = 1, state: str = COMMITTED, topic: str = "t"
) -> Batch:
    content = Offsets(topic, "id-1", tuple(Range(*each) for each in ranges))
    return Batch(TABLE, batch_id, "kafka.default", content, "delta-1", state=state)


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
    known = position([last])
    assert known.last("kafka.default", "t", "id-1") == last
    renamed = replace(last, source="kafka.renamed")
    assert known.last("kafka.renamed", "t", "id-1") == renamed
    assert known.last("kafka.renamed", "t", "id-2") is None
    assert known.last("kafka.renamed", "t", None) is None
    # Renamed back: batches loaded under the other name count.
    newer = replace(batch((0, 4, 9), batch_id=2), source="kafka.renamed")
    assert position([last, newer]).last("kafka.default", "t", "id-1") == replace(
        newer, source="kafka.default"
    )


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
    marks: set[int] = set()  # Delta skips a batch whose mark is there
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
            batch(state=PLANNED, batch_id=len(ledger) + 1).with_ranges(ranges),
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
            # Retention deletes only loaded records; losses have tests of their own.
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


# --- limits


@given(
    st.lists(st.lists(st.integers(0, 500), min_size=1, max_size=5), min_size=1, max_size=5),
    st.integers(1, 800),
)
def test_a_cap_is_kept_and_shared_by_lag(lags: list[list[int]], cap: int) -> None:
    batches = [
        batch(*((p, 7, 7 + lag) for p, lag in enumerate(of_topic)), topic=f"t{at}")
        for at, of_topic in enumerate(lags)
    ]
    sizes = {each.topic or "": 1.0 for each in batches}
    capped = limited(batches, sizes, max_records=cap, max_bytes=None)
    total = sum(each.span for each in batches)
    assert sum(each.span for each in capped) == min(total, cap)
    for before, after in zip(batches, capped, strict=True):
        for was, now in zip(before.ranges, after.ranges, strict=True):
            # Each gives its oldest offsets, and its share of them, rounded.
            assert now.from_offset == was.from_offset
            assert 0 <= now.span <= was.span
            if total > cap:
                assert abs(now.span - was.span * cap / total) < 1 or now.span == 1


def test_a_cap_of_bytes_counts_records_by_their_size() -> None:
    batches = [
        batch((0, 0, 1000), topic="small"),
        batch((0, 0, 1000), topic="big"),
    ]
    capped = limited(batches, {"small": 10.0, "big": 90.0}, max_records=None, max_bytes=10_000)
    assert [each.span for each in capped] == [100, 100]


def test_a_cap_never_stands_still() -> None:
    capped = limited([batch((0, 0, 9), (1, 0, 9))], {"t": 1e9}, max_records=None, max_bytes=1)
    assert sum(each.span for each in capped) == 1


# --- starts, gaps, replays


def test_a_first_offset_out_of_the_topic_is_refused() -> None:
    here = state({0: 10, 1: 10}, {0: 5})
    assert first_offsets(here, {0: 7}) == {0: 7, 1: 0}
    with pytest.raises(
        ConfigurationError, match=r"partition 0 cannot start at offset 3: .* 5 to 9"
    ):
        first_offsets(here, {0: 3})


def test_an_open_transaction_is_no_loss() -> None:
    """Offsets that were loaded with read_uncommitted lie above the end with read_committed."""
    here = replace(state({0: 5}), high={0: 20})
    assert next_ranges(batch((0, 0, 12)), here, TABLE) == (Range(0, 12, 12),)
    with pytest.raises(DataLoss):
        next_ranges(batch((0, 0, 21)), here, TABLE)


@pytest.mark.parametrize(
    "what",
    [
        Acceptance(),
        Acceptance(lost={0: (10, 12)}),  # 12 still exists
        Acceptance(lost={0: (9, 11)}),  # 9 was loaded
        Acceptance(lost={5: (0, 1)}),
        Acceptance(rewind={0: 50}),
        Acceptance(gone=frozenset({0})),
        Acceptance(deleted=True),
        Acceptance(new_id="id-1"),
        Acceptance(new_id="id-2"),
    ],
)
def test_what_is_not_lost_cannot_be_accepted(what: Acceptance) -> None:
    with pytest.raises(ConfigurationError, match="This loss of topic t cannot be accepted"):
        accepted(batch((0, 0, 10)), state({0: 50}, {0: 12}), what)


def test_an_accepted_gap_moves_the_position_and_is_written_down() -> None:
    here = state({0: 50}, {0: 12})
    row = accepted(batch((0, 0, 10)), here, Acceptance(lost={0: (10, 11)}))
    assert (row.kind, row.ranges, row.gaps) == (
        ACCEPT,
        (Range(0, 12, 12),),
        (Gap(0, 10, 12, "retention"),),
    )
    assert not row.has_data
    done = replace(row, state=COMMITTED)
    assert next_ranges(done, here, TABLE) == (Range(0, 12, 50),)


def test_an_unfinished_batch_keeps_its_ranges_and_reads_what_is_left() -> None:
    planned = batch((0, 10, 30), (1, 0, 5), state=PLANNED)
    here = state({0: 50, 1: 5}, {0: 12})
    row = accepted(planned, here, Acceptance(lost={0: (10, 11)}))
    assert row.ranges == planned.ranges
    assert row.readable == (Range(0, 12, 30), Range(1, 0, 5))
    check_unfinished(row, here)
    # Retention continues: the next loss begins where the accepted one ended.
    later = state({0: 50, 1: 5}, {0: 20})
    with pytest.raises(DataLoss, match=r"--lost 0:12-19"):
        check_unfinished(row, later)
    row = accepted(row, later, Acceptance(lost={0: (12, 19)}))
    assert row.readable[0] == Range(0, 20, 30)


def test_a_rewind_of_an_unfinished_batch_leaves_what_comes_to_the_next() -> None:
    planned = batch((0, 10, 30), state=PLANNED)
    row = accepted(planned, state({0: 20}), Acceptance(rewind={0: 20}))
    assert row.ranges == (Range(0, 10, 20),)
    assert next_ranges(replace(row, state=COMMITTED), state({0: 99}), TABLE) == (Range(0, 20, 99),)


def test_a_rewind_is_to_any_point_that_kafka_has_however_far_producers_went_on() -> None:
    for end in (20, 25, 50):
        row = accepted(batch((0, 0, 30)), state({0: end}), Acceptance(rewind={0: 20}))
        assert row.ranges == (Range(0, 20, 20),)
        assert row.gaps == (Gap(0, 20, 30, "rewound"),)
    for end, begin, offset in ((19, 0, 20), (25, 21, 20), (50, 0, 30)):
        with pytest.raises(ConfigurationError, match="This loss of topic t cannot be accepted"):
            accepted(batch((0, 0, 30)), state({0: end}, {0: begin}), Acceptance(rewind={0: offset}))
    planned = batch((0, 10, 30), state=PLANNED)
    row = accepted(planned, state({0: 25}), Acceptance(rewind={0: 20}))
    assert row.readable == (Range(0, 10, 20),)
    with pytest.raises(ConfigurationError, match="This loss of topic t cannot be accepted"):
        accepted(planned, state({0: 30}), Acceptance(rewind={0: 20}))  # it can be read


@pytest.mark.parametrize(
    ("skipped", "left"),
    [
        ([(12, 13)], [(10, 12), (13, 20)]),
        ([(10, 11)], [(11, 20)]),
        ([(19, 20)], [(10, 19)]),
        ([(10, 20)], [(20, 20)]),
        ([(15, 16), (12, 13)], [(10, 12), (13, 15), (16, 20)]),
        ([(12, 16), (14, 18)], [(10, 12), (18, 20)]),  # overlapping options
    ],
)
def test_what_is_read_goes_around_what_was_skipped(
    skipped: list[tuple[int, int]], left: list[tuple[int, int]]
) -> None:
    gaps = tuple(Gap(0, first, until, "skipped: x") for first, until in skipped)
    planned = replace(batch((0, 10, 20), (1, 5, 8), state=PLANNED), gaps=gaps)
    assert planned.stretches == (*(Range(0, *each) for each in left), Range(1, 5, 8))
    # The position, and the records that Kafka must still have, do not change.
    assert planned.readable == planned.ranges
    assert planned.has_data


@pytest.mark.parametrize("what", ["lost", "rewind", "gone"])
@pytest.mark.parametrize("count", [3, 2000])
def test_a_loss_of_thousands_of_partitions_is_a_short_sentence_with_a_command_for_all(
    what: str, count: int
) -> None:
    last = batch(*((partition, 0, 100) for partition in range(count + 1)))
    begin, end = dict.fromkeys(range(count), 150), dict.fromkeys(range(count + 1), 200)
    if what == "rewind":
        begin, end = {}, {**dict.fromkeys(range(count), 50), count: 200}
    if what == "gone":
        begin, end = {}, {count: 200}
    here = state(end, begin)
    with pytest.raises(DataLoss) as caught:
        next_ranges(last, here, TABLE)
    assert len(str(caught.value)) < 3000
    assert (f"--{what} all" in str(caught.value)) == (count > 10)
    assert ("more partitions" in str(caught.value) or "others" in str(caught.value)) or count < 10
    row = accepted(last, here, spelt(last, here, Acceptance(all_of=frozenset({what}))))
    assert len(row.gaps) == count
    assert next_ranges(replace(row, state=COMMITTED), here, TABLE)
    whole = state({0: 200})
    with pytest.raises(ConfigurationError, match="name what is lost"):
        last = batch((0, 0, 100))
        accepted(last, whole, spelt(last, whole, Acceptance(all_of=frozenset({what}))))


def test_a_batch_whose_records_are_all_skipped_has_no_data() -> None:
    planned = replace(batch((0, 10, 20), state=PLANNED), gaps=(Gap(0, 10, 20, "skipped: x"),))
    assert not planned.has_data


def test_records_of_an_unfinished_batch_are_skipped_with_a_reason() -> None:
    planned = batch((0, 10, 20), (1, 5, 8), state=PLANNED)
    what = Acceptance(skip=((0, 12, 12), (1, 5, 6)), reason="no text")
    row = accepted(planned, state({0: 50, 1: 50}), what)
    assert row.ranges == planned.ranges
    assert row.gaps == (Gap(0, 12, 13, "skipped: no text"), Gap(1, 5, 7, "skipped: no text"))
    # Records that were lost before are not read either.
    row = accepted(replace(row, gaps=(Gap(0, 10, 11, "retention"),)), state({0: 50, 1: 50}), what)
    assert row.stretches == (Range(0, 11, 12), Range(0, 13, 20), Range(1, 7, 8))


def test_records_that_are_too_large_are_gaps_and_neighbours_one_gap() -> None:
    row = without(batch((0, 0, 10), (1, 0, 5), state=PLANNED), {1: [4], 0: [7, 2, 3]}, "large")
    assert row.gaps == (
        Gap(0, 2, 4, "skipped: large"),
        Gap(0, 7, 8, "skipped: large"),
        Gap(1, 4, 5, "skipped: large"),
    )
    assert row.stretches == (Range(0, 0, 2), Range(0, 4, 7), Range(0, 8, 10), Range(1, 0, 4))


@pytest.mark.parametrize("skip", [(0, 9, 9), (0, 19, 20), (0, 13, 12), (2, 0, 0)])
def test_only_what_an_unfinished_batch_holds_can_be_skipped(skip: tuple[int, int, int]) -> None:
    what = Acceptance(skip=(skip,), reason="x")
    here = state({0: 50, 1: 50})
    with pytest.raises(ConfigurationError, match="unfinished batch"):
        accepted(batch((0, 10, 20), state=PLANNED), here, what)
    with pytest.raises(ConfigurationError, match="no unfinished batch"):
        accepted(batch((0, 10, 20)), here, what)


def test_a_planned_batch_is_written_unless_the_restored_table_has_its_mark() -> None:
    planned = batch((0, 10, 20), batch_id=3, state=PLANNED)
    row = table_accepted(planned, (2, 3), "delta-1")
    assert row.readable == planned.ranges
    assert row.gaps == (Gap(None, 2, 3, "table_changed"),)
    row = table_accepted(planned, (2, 3), "delta-1", is_marked=True)
    assert not row.has_data
    assert row.gaps[0] == Gap(None, 2, 4, "table_changed")


def test_a_dropped_and_a_remade_table_are_loss() -> None:
    last = Batch("raw.t", 4, "kafka.default", Offsets("t", "id-1"), "delta-1", state="committed")
    known = position([last])
    check_table(known, "raw.t", "delta-1")
    check_table(Position(), "raw.t", None)
    with pytest.raises(DataLoss, match=r"raw\.t was dropped \(.*4 batches"):
        check_table(known, "raw.t", None)
    with pytest.raises(DataLoss, match=r"raw\.t was dropped and made again .*delta-1.*delta-2"):
        check_table(known, "raw.t", "delta-2")


def test_lost_batches_of_a_table_are_not_missed_any_more() -> None:
    first = replace(batch((0, 0, 10)), records=10)
    row = replace(table_accepted(first, (1, 1), "delta-2"), batch_id=2, table_id="delta-2")
    here = position([first, replace(row, state=COMMITTED, records=0)])
    assert here.last_batch_with_data == 0
    assert here.table_ids == {"delta-2"}
    assert next_ranges(here.last("kafka.default", "t", "id-1"), state({0: 12}), TABLE) == (
        Range(0, 10, 12),
    )


def test_a_batch_that_goes_into_the_table_made_anew_is_missed_when_that_is_lost() -> None:
    first = replace(batch((0, 0, 10)), records=10)
    planned = batch((0, 10, 20), batch_id=2, state=PLANNED)
    row = replace(table_accepted(planned, (1, 2), "delta-2"), state=COMMITTED, records=10)
    here = position([first, row])
    assert here.last_batch_with_data == 2
    assert here.table_ids == {"delta-2"}


def test_files_of_lost_batches_are_landed_again() -> None:
    def imported(batch_id: int, *names: str) -> Batch:
        files = tuple(File(each, 1, datetime(2024, 1, 1), f"sum-{each}") for each in names)
        return Batch(TABLE, batch_id, "files.f", Files(files), "delta-1", state=COMMITTED)

    rows = [imported(1, "a", "b"), imported(2, "a"), imported(3, "c")]
    row = replace(table_accepted(rows[2], (1, 2), "delta-1"), batch_id=4, state=COMMITTED)
    known = position([*rows, row]).files
    assert {path for path, file in known.items() if file.checksum} == {"c"}
    # The row with the gap stays current while rows that it refers to are current.
    assert row not in retirable([*rows, row, imported(5, "c")])


def test_a_replay_reads_what_was_loaded_and_no_more() -> None:
    last = batch((0, 0, 10), (1, 0, 4))
    here = state({0: 50, 1: 4})
    assert replayed(last, here, {0: 3, 1: 4}, {}).ranges == (Range(0, 3, 10),)
    assert replayed(last, here, {0: 3}, {0: 5}).ranges == (Range(0, 3, 5),)
    assert replayed(last, here, {0: 3}, {}).kind == REPLAY
    with pytest.raises(ConfigurationError, match="was never loaded"):
        replayed(last, here, {7: 0}, {})


def test_a_replay_says_nothing_of_where_a_topic_stands() -> None:
    load = batch((0, 0, 10))
    replay = replace(batch((0, 2, 5), batch_id=2), kind=REPLAY)
    assert position([load, replay]).last("kafka.default", "t", "id-1") == load
    assert position([load, replay]).last_batch_id == 2


# --- what verify reads out of the ledger


def test_a_hole_between_two_batches_is_damage() -> None:
    rows = [batch((0, 0, 10)), batch((0, 12, 20), batch_id=2)]
    assert [error.facts["topic"] for error in follow_on(rows)] == ["t"]
    gap = replace(batch((0, 12, 12), batch_id=2), kind=ACCEPT)
    assert list(follow_on([rows[0], gap, batch((0, 12, 20), batch_id=3)])) == []


def test_only_the_stretch_since_the_last_gap_is_compared_with_kafka() -> None:
    rows = [
        batch((0, 0, 10)),
        replace(batch((0, 12, 12), batch_id=2), kind=ACCEPT),
        batch((0, 12, 20), batch_id=3),
    ]
    assert loaded(rows, state({0: 30})) == [Range(0, 12, 20)]
    assert loaded(rows, state({0: 30}, {0: 15})) == [Range(0, 15, 20)]
    assert loaded(rows, state({0: 30}, topic_id="id-2")) == []
