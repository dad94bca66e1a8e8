"""Data in several batches give the same result as in one: days, versions, late arrivals."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from tests.conftest import ROOT, Run, Sql
from tests.end_to_end.conftest import DATA_ONLY, Build, Rounds, Send

pytestmark = pytest.mark.stack


SITE = 950
NOON = 1715000000000  # a Kafka timestamp, in milliseconds


def lines(*rows: int) -> list[tuple[None, bytes, None]]:
    """Messages of a day of events, one every ten seconds."""
    return [
        (
            None,
            json.dumps(
                {
                    f"event_20250505.csv_row{row}": f"{row},2025-05-05 {row // 360:02}:"
                    f"{row // 6 % 60:02}:{row % 6}0,2025-05-05 12:00:00,ev_C,C,{row % 7},"
                }
            ).encode(),
            None,
        )
        for row in rows
    ]


def visit(actions: int) -> list[tuple[bytes, bytes, None]]:
    """The message of a visit that has grown to ``actions`` pages, one per minute."""
    first = 1714990000
    value = {
        "idSite": SITE,
        "idVisit": 1,
        "firstActionTimestamp": first,
        "lastActionTimestamp": first + 60 * (actions - 1),
        "actions": str(actions),
        "actionDetails": [
            {"type": "action", "url": f"https://example.org/{page}", "timestamp": first + 60 * page}
            for page in range(actions)
        ],
    }
    return [(f"{SITE}:1".encode(), json.dumps(value).encode(), None)]


def goals(name: str) -> list[tuple[bytes, bytes, None]]:
    """The message of a catalogue with one goal."""
    value = {"1": {"idsite": SITE, "idgoal": "1", "name": name, "match_attribute": "manually"}}
    return [(str(SITE).encode(), json.dumps(value).encode(), None)]


def send_round(number: int, send: Send, *_: object) -> None:
    if number == 0:
        send("meter-events", lines(*range(100)))
        send("matomo", visit(1), NOON)
        send("matomo", goals("Newsletter"), NOON)
    if number == 1:
        # Half of the lines again and as many new ones; the visit with the same Kafka timestamp; the
        # same goal, later.
        send("meter-events", lines(*range(50, 200)))
        send("matomo", visit(2), NOON)
        send("matomo", goals("Newsletter"), NOON + 20_000)
    if number == 2:
        # One late line; the visit with an earlier Kafka timestamp; another goal between the two
        # others.
        send("meter-events", lines(300))
        send("matomo", visit(4) + visit(3), NOON - 5_000)
        send("matomo", goals("Brochure"), NOON + 10_000)


def test_a_day_that_comes_in_several_batches_is_counted_once(rounds: Rounds, sql: Sql) -> None:
    for relation in ("lake.meter_event_counts", "lake.meter_events"):
        measure = "sum(events)" if relation.endswith("counts") else "count(*)"
        found = sql(f"select {measure} from {relation} where occurred_on = '2025-05-05'")
        assert found[0][0] == 201, relation
    found = sql(
        "select events from views.meter_event_counts_by_type_daily "
        "where period_start = '2025-05-05'"
    )
    assert [tuple(row) for row in found] == [(201,)]


def test_versions_have_intervals_without_gap_whatever_their_kafka_times(
    rounds: Rounds, sql: Sql
) -> None:
    found = sql(
        "select action_count, dbt_valid_from, dbt_valid_to from snapshots.snap_matomo__visits "
        f"where site_id = {SITE} order by dbt_valid_from"
    )
    assert [row[0] for row in found] == [1, 2, 4]
    for earlier, later in pairwise(found):
        assert earlier[1] < earlier[2] == later[1]
    assert found[-1][2] is None


def test_the_lake_has_the_newest_version_and_its_actions(rounds: Rounds, sql: Sql) -> None:
    found = sql(f"select action_count from lake.matomo_visits where site_id = {SITE}")
    assert [tuple(row) for row in found] == [(4,)]
    found = sql(f"select count(*) from lake.matomo_actions where site_id = {SITE}")
    assert [tuple(row) for row in found] == [(4,)]


def test_a_late_version_never_replaces_a_newer_one_that_changed_nothing(
    rounds: Rounds, sql: Sql
) -> None:
    found = sql(
        "select name, dbt_valid_to is null from snapshots.snap_matomo__goals "
        f"where site_id = {SITE}"
    )
    assert [tuple(row) for row in found] == [("Newsletter", True)]


def test_replays_double_nothing_and_bring_back_what_raw_lost(
    rounds: Rounds, run: Run, build: Build, sql: Sql
) -> None:
    counts = """select
        (select count(*) from staging.stg_meters__events),
        (select count(*) from staging.stg_matomo__documents where reason is null),
        (select count(distinct topic, partition, offset) from staging.stg_meters__events),
        (select sum(events) from lake.meter_event_counts where occurred_on = '2025-05-05'),
        (select count(*) from quarantine.matomo_messages)"""
    before = [tuple(row) for row in sql(counts)]
    # Remove one record from staging, as if raw had never had it. It is one of this module's own
    # records, because tests of the demo select by batch, and this one returns in a later batch.
    lost = sql(
        "select partition, offset from staging.stg_meters__events where occurred_on = '2025-05-05' "
        "order by partition, offset limit 1"
    )[0]
    where = f"partition = {lost[0]} and offset = {lost[1]}"
    sql(f"delete from staging.stg_meters__events where {where}")
    loader = ("loader", "--config", ROOT / "loader.toml.example")
    for topic in ("meter-events", "matomo"):
        for _ in range(2):
            answer = run(*loader, "replay", "--topic", topic, "--from", "earliest")
            assert answer.code == 0, answer.text
    assert sql("select count(*) from raw.meter_events")[0][0] > before[0][2] * 2
    build(*DATA_ONLY)
    assert [tuple(row) for row in sql(counts)] == before
