"""The lake is the same however Matomo's messages are split, ordered, repeated or replayed.

Each variant is the same stream of messages for another site, in another order and split over the
rounds in another way, so that three builds test all variants.
"""

from __future__ import annotations

import json
import random
from datetime import datetime, timezone
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.conftest import ROOT, Rows, Run, Sql
from tests.end_to_end.conftest import ROUNDS, Rounds, Send

pytestmark = pytest.mark.stack

Message = tuple[str, Any, int]  # type, value, Kafka timestamp (ms since 1970)

VARIANTS = range(2000, 2008)
NOON = 1_718_000_000_000
DAY = 86_400
FIRST = 1_717_900_000


def page(number: int, second: int, **more: Any) -> dict[str, Any]:
    return {
        "type": "action", "url": f"https://www.example.org/p{number}",
        "pageTitle": f"Page {number}",
        "pageId": 100 + number, "timestamp": FIRST + 7200 + second, "timeSpent": "5", **more,
    }  # fmt: skip


def goal(number: int, second: int) -> dict[str, Any]:
    return {"type": "goal", "goalId": str(number), "revenue": "2.5", "goalName": "old name",
            "timestamp": FIRST + 7200 + second}  # fmt: skip


def visit(number: int, actions: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    times = [action["timestamp"] - 7200 for action in actions]
    pages = [action for action in actions if action["type"] == "action"]
    return {
        "idVisit": number, "visitorId": f"{number % 3:016x}", "visitorType": "new",
        "firstActionTimestamp": min(times), "lastActionTimestamp": str(max(times)),
        "visitDuration": max(times) - min(times) + 1, "actions": str(len(pages)),
        "goalConversions": len(actions) - len(pages),
        "visitConverted": int(len(actions) > len(pages)), "countryCode": "fr", "country": "France",
        "deviceType": "Desktop", "actionDetails": actions, **more,
    }  # fmt: skip


def catalogue(*numbers: int, name: str = "Goal") -> dict[str, Any] | list[Any]:
    goals = {
        str(number): {"idgoal": str(number), "name": f"{name} {number}",
                      "match_attribute": "manually"}
        for number in numbers
    }  # fmt: skip
    return goals or []


def stream() -> list[Message]:
    """Visits that grow, that are exported again with or without a change, and that arrive out of
    order.
    """
    found: list[Message] = []
    for number in range(1, 6):
        at = NOON + number * 60_000
        start = number * 100
        one = [page(number, start)]
        grown = [*one, page(number + 1, start + 30)]
        converted = [*grown, goal(1 + number % 2, start + 40)]
        found += [
            ("visit", visit(number, one), at),
            ("visit", visit(number, one), at + 1000),  # no change
            ("visit", visit(number, grown), at + 2000),
            # Arrives later although it is an older state, like a slow export.
            ("visit", visit(number, one, country="Frankreich"), at + 3000),
            ("visit", visit(number, converted), at + 4000),
            # The same actions, later with another country.
            ("visit", visit(number, converted, countryCode="de", country="Germany"), at + 5000),
            ("visit", visit(number, converted, countryCode="de", country="Allemagne"), at + 6000),
        ]
    found += [
        ("goals", catalogue(1, 2), NOON),
        ("goals", catalogue(1), NOON + 10_000),  # 2 is deleted
        ("goals", catalogue(1, name="Renamed"), NOON + 20_000),
        ("goals", catalogue(1, 2, 3, name="Renamed"), NOON + 30_000),  # and returns
        ("goals", catalogue(2, 3, name="Renamed"), NOON + 40_000),  # 1 is deleted
        ("custom_dimensions", [{"idcustomdimension": "1", "name": "Theme", "index": "1",
                                "scope": "visit", "active": True}], NOON),
        ("custom_dimensions", [], NOON + 10_000),
        ("sites", [{"name": "Shop", "timezone": "Europe/Paris", "currency": "EUR"}], NOON),
        ("sites", [{"name": "Shop 2", "timezone": "Europe/Paris", "currency": "EUR"}], NOON + 5000),
    ]  # fmt: skip
    return found


def encoded(site: int, message: Message) -> tuple[bytes, bytes, list[tuple[str, bytes]]]:
    kind, value, _ = message
    site_field = "idSite" if kind == "visit" else "idsite"

    def placed(each: dict[str, Any]) -> dict[str, Any]:
        return {site_field: site, **each}

    if kind == "goals" and isinstance(value, dict):
        value = {number: placed(each) for number, each in value.items()}
    elif isinstance(value, list):
        value = [placed(each) for each in value]
    else:
        value = placed(value)
    # The type is in a header. The site is in the key too, because an empty catalogue has no other
    # place for it.
    return f"{site}:x".encode(), json.dumps(value).encode(), [("type", kind.encode())]


ZONES = {
    2100: "Pacific/Kiritimati",  # UTC+14
    2101: "Etc/GMT+12",  # UTC-12
    2102: "Europe/Paris",
    2103: "America/New_York",
}


def zoned_visits() -> list[tuple[int, dict[str, Any], str]]:
    """Visits around midnight and both clock changes: site, visit, the site's day of the visit."""
    found = []
    for site, name in ZONES.items():
        zone = ZoneInfo(name)
        moments = [
            datetime(2024, month, day, hour, minute, tzinfo=zone)
            for month, day in ((1, 15), (3, 10), (3, 31), (10, 27), (11, 3), (12, 31))
            for hour, minute in ((0, 0), (0, 30), (1, 59), (3, 1), (23, 59))
        ]
        for number, begin in enumerate(moments, 1):
            first = int(begin.timestamp())
            seconds = [first + 40 * step for step in range(4)]
            actions = [
                page(step, 0, timestamp=int(
                    datetime.fromtimestamp(second, zone).replace(tzinfo=timezone.utc).timestamp()
                ), pageId=number * 10 + step)
                for step, second in enumerate(seconds)
            ]  # fmt: skip
            body = {
                "idSite": site, "idVisit": number, "firstActionTimestamp": seconds[0],
                "lastActionTimestamp": seconds[-1], "actions": 4, "visitDuration": 121,
                "actionDetails": actions,
            }  # fmt: skip
            found.append((site, body, str(datetime.fromtimestamp(seconds[-1], zone).date())))
        # A visit without exported actions: only the site's time zone determines its day.
        last = int(datetime(2024, 7, 1, 23, 30, tzinfo=zone).timestamp())
        found.append((site, {
            "idSite": site, "idVisit": 999, "firstActionTimestamp": last,
            "lastActionTimestamp": last, "actions": 0, "actionDetails": [],
        }, "2024-07-01"))  # fmt: skip
        # A visit that ended half an hour after its last action, after midnight: its day is that of
        # the end, which is not the time of the last action.
        begin = datetime(2024, 7, 2, 23, 39, 20, tzinfo=zone)
        first = int(begin.timestamp())
        local = int(begin.replace(tzinfo=timezone.utc).timestamp())
        found.append((site, {
            "idSite": site, "idVisit": 998, "firstActionTimestamp": first,
            "lastActionTimestamp": first + 40 + 1800, "actions": 2, "actionDetails": [
                page(step, 0, timestamp=local + 40 * step, pageId=9980 + step) for step in range(2)
            ],
        }, "2024-07-03"))  # fmt: skip
    return found


ENDS = 2197


def search(number: int, second: int) -> dict[str, Any]:
    return page(number, second, type="search", siteSearchKeyword="lamp", pageTitle=None)


def event(number: int, second: int) -> dict[str, Any]:
    return page(number, second, type="event", eventCategory="a", eventAction="b", pageTitle=None)


# Visits by their actions, with the positions of Matomo's entry and exit URL, entry and exit title,
# and last action, by the rules of its tracker (see lake.matomo_actions).
ENDINGS = [
    ([page(1, 0), page(2, 9)], (0, 1, 0, 1, 1)),
    ([search(1, 0), page(2, 9)], (None, 1, 0, 1, 1)),
    ([page(1, 0), search(2, 9)], (0, None, 0, 1, 1)),
    ([event(1, 0), page(2, 9), event(3, 18)], (1, 1, None, 1, 2)),
    ([page(1, 0, url=None), page(2, 9)], (None, 1, 0, 1, 1)),
    ([page(1, 0), page(2, 9, pageTitle=None), goal(1, 10)], (0, 1, 0, 0, 1)),
]
# Fields of optional plugins, and of a future version of Matomo.
MORE = {"campaignSource": "letter", "providerName": "isp", "newThing": "x",
        "latitude": "48.856789", "longitude": "2.35"}  # fmt: skip


MISREAD = 2198
REPORTED = {"nb_visits": 5, "nb_actions": 11, "bounce_count": 0, "max_actions": "2"}


def parts() -> dict[int, list[list[Message]]]:
    """The messages of each variant in each round."""
    messages = stream()
    found = {}
    for site in VARIANTS:
        order = list(messages)
        chance = random.Random(site)
        if site != VARIANTS[0]:
            chance.shuffle(order)
        cuts = sorted(chance.randrange(len(order) + 1) for _ in range(ROUNDS - 1))
        # The first variant is in order and in one round; the last repeats some messages.
        bounds = [0, *(cuts if site != VARIANTS[0] else [len(order)] * 2), len(order)]
        found[site] = [order[begin:end] for begin, end in pairwise(bounds)]
        if site == VARIANTS[-1]:
            found[site][-1] += chance.sample(order, 10)
    return found


def send_round(number: int, send: Send, sql: Sql, run: Run) -> None:
    for site, rounds in parts().items():
        for message in rounds[number]:
            send("matomo", [encoded(site, message)], message[2])
    if number == 0:
        send("matomo", [(None, json.dumps(body).encode(), None) for _, body, _ in zoned_visits()])
        send("matomo", [encoded(ENDS, ("visit", visit(at, actions, **MORE), 0))
                        for at, (actions, _) in enumerate(ENDINGS, 1)])  # fmt: skip
        send("matomo", [encoded(MISREAD, ("visit", visit(1, [page(1, 0)]), 0))])
    if number == 1:
        # The time zones arrive after the visits; one of them does not exist.
        sites = [
            {"idsite": str(site), "name": name, "timezone": name, "currency": "EUR"}
            for site, name in {**ZONES, 2199: "Moon/Base"}.items()
        ]
        method = [("method", b"SitesManager.getAllSites")]
        send("matomo", [(None, json.dumps(sites).encode(), method)])
        # Matomo's own reports, exported during the day: one agrees with the views, one does not.
        send(
            "matomo",
            [
                (f"{VARIANTS[0]}".encode(), json.dumps({"2024-06-09": REPORTED}).encode(),
                 [("type", b"VisitsSummary.get")]),
                (f"{VARIANTS[1]}".encode(), json.dumps({**REPORTED, "nb_visits": 4}).encode(),
                 [("type", b"VisitsSummary.get"), ("date", b"2024-06-09"),
                  ("period", b"day")]),
            ],
            NOON,
        )  # fmt: skip
    if number == 2:
        # As if an older release could not read this visit.
        for statement in (
            "update staging.stg_matomo__documents set reason = 'unknown_type', "
            f"fields = null, actions = null where site_id = {MISREAD}",
            f"delete from staging.stg_matomo__visits where site_id = {MISREAD}",
        ):
            sql(statement)
        answer = run("loader", "--config", ROOT / "loader.toml.example",
                     "replay", "--topic", "matomo", "--from", "earliest")  # fmt: skip
        assert answer.code == 0, answer.text


def of_each(sql: Sql, query: str) -> dict[int, Rows]:
    """The sorted rows of a query by site, its first column."""
    found: dict[int, Rows] = {site: [] for site in VARIANTS}
    for site, *row in sql(query.replace("{sites}", f"{VARIANTS[0]} and {VARIANTS[-1]}")):
        found[site].append(tuple(row))
    return {site: sorted(rows, key=str) for site, rows in found.items()}


@pytest.mark.parametrize(
    "query",
    [
        "select site_id, visit_id, version_number, cast(valid_from as string), "
        "cast(valid_to as string), row_hash from staging.stg_matomo__visit_versions "
        "where site_id between {sites}",
        "select site_id, visit_id, row_hash, action_count, country_code "
        "from snapshots.snap_matomo__visits where dbt_valid_to is null and site_id between {sites}",
        "select site_id, goal_id, row_hash from snapshots.snap_matomo__goals "
        "where dbt_valid_to is null and site_id between {sites}",
        "select site_id, visit_id, visit_date, country_code, action_count, visit_duration_seconds, "
        "is_converted, site_utc_offset_seconds from lake.matomo_visits "
        "where site_id between {sites}",
        "select site_id, visit_id, action_type, url, title, cast(occurred_at as string), "
        "is_exit_url from lake.matomo_actions where site_id between {sites}",
        "select site_id, visit_id, goal_id, revenue, country_code, cast(occurred_at as string) "
        "from lake.matomo_conversions where site_id between {sites}",
        "select site_id, goal_id, name, is_current from lake.matomo_goals "
        "where site_id between {sites}",
        "select site_id, custom_dimension_id, name, is_current from lake.matomo_custom_dimensions "
        "where site_id between {sites}",
        "select site_id, name, time_zone, currency from lake.matomo_sites "
        "where site_id between {sites}",
        "select site_id, period, period_start, nb_visits, nb_uniq_visitors, nb_actions, "
        "bounce_count, sum_visit_length from views.matomo_visits_summary "
        "where site_id between {sites}",
        "select site_id, period, period_start, label, nb_conversions, revenue, conversion_rate "
        "from views.matomo_goals_by_goal where site_id between {sites}",
        "select site_id, period, period_start, label, nb_hits, nb_visits, entry_nb_visits, "
        "exit_nb_visits from views.matomo_page_urls where site_id between {sites}",
    ],
    ids=lambda query: query.split(" from ")[1].split()[0],
)  # fmt: skip
def test_any_split_any_order_and_any_replay_end_the_same(
    rounds: Rounds, query: str, sql: Sql
) -> None:
    found = of_each(sql, query)
    assert found[VARIANTS[0]]
    for site in VARIANTS:
        assert found[site] == found[VARIANTS[0]], site


def test_a_history_has_each_change_once_and_no_change_of_language(rounds: Rounds, sql: Sql) -> None:
    found = sql(
        "select version_number, action_count from staging.stg_matomo__visit_versions "
        f"where site_id = {VARIANTS[0]} and visit_id = 1 order by version_number"
    )
    # One page; two pages; with a conversion; in another country.
    assert [tuple(row) for row in found] == [(1, 1), (2, 2), (3, 2), (4, 2)]


@pytest.mark.parametrize("relation", ["snap_matomo__visits", "snap_matomo__goals"])
def test_intervals_never_overlap_and_at_most_one_is_open(
    rounds: Rounds, relation: str, sql: Sql
) -> None:
    key = "visit_key" if relation.endswith("visits") else "goal_key"
    by_key: dict[str, list[tuple[Any, Any]]] = {}
    for name, begin, end in sql(
        f"select {key}, dbt_valid_from, dbt_valid_to from snapshots.{relation} "
        f"where site_id between {VARIANTS[0]} and {VARIANTS[-1]} order by dbt_valid_from"
    ):
        by_key.setdefault(name, []).append((begin, end))
    for intervals in by_key.values():
        for earlier, later in pairwise(intervals):
            assert earlier[0] < earlier[1] <= later[0]
            if key == "visit_key":
                assert earlier[1] == later[0]
        if key == "visit_key":
            assert intervals[-1][1] is None


def test_a_goal_that_vanished_keeps_its_name_and_one_that_returns_is_open(
    rounds: Rounds, sql: Sql
) -> None:
    found = sql(
        "select goal_id, name, is_current from lake.matomo_goals "
        f"where site_id = {VARIANTS[0]} order by goal_id"
    )
    assert [tuple(row) for row in found][1:] == [(2, "Renamed 2", True), (3, "Renamed 3", True)]
    # With all messages in one round, no build had goal 1 in its last catalogue; it still has
    # conversions.
    found = sql(
        "select label, sum(nb_conversions) from views.matomo_goals_by_goal "
        f"where site_id = {VARIANTS[0]} and period = 'year' group by label order by label"
    )
    assert {row[0] for row in found} >= {"Renamed 2"}


@pytest.mark.parametrize("site", ZONES, ids=ZONES.values())
def test_a_visit_is_in_the_day_of_its_site_over_midnight_and_changes_of_the_clocks(
    site: int, rounds: Rounds, sql: Sql
) -> None:
    expected = {body["idVisit"]: day for where, body, day in zoned_visits() if where == site}
    found = sql(
        "select visit_id, cast(visit_date as string) from lake.matomo_visits "
        f"where site_id = {site}"
    )
    assert {row[0]: row[1] for row in found} == expected
    instants = {
        (body["idVisit"], step): body["firstActionTimestamp"] + 40 * step
        for where, body, _ in zoned_visits() if where == site
        for step in range(len(body["actionDetails"]))
    }  # fmt: skip
    found = sql(
        "select visit_id, action_position, unix_seconds(occurred_at) from lake.matomo_actions "
        f"where site_id = {site}"
    )
    assert {(row[0], row[1]): row[2] for row in found} == instants


def test_entries_and_exits_are_those_that_matomos_tracker_notes(rounds: Rounds, sql: Sql) -> None:
    marks = ("is_entry_url", "is_exit_url", "is_entry_title", "is_exit_title", "is_last")
    columns = ", ".join(f"max(if({mark}, action_position, null))" for mark in marks)
    found = sql(
        f"select visit_id, {columns} from lake.matomo_actions where site_id = {ENDS} "
        "group by visit_id order by visit_id"
    )
    assert [tuple(row[1:]) for row in found] == [expected for _, expected in ENDINGS]


def test_fields_of_plugins_are_extras_and_unknown_ones_are_kept_and_told(
    rounds: Rounds, sql: Sql
) -> None:
    found = sql(
        "select distinct extras['campaignSource'], extras['providerName'], rest['newThing'], "
        f"latitude, longitude from lake.matomo_visits where site_id = {ENDS}"
    )
    assert [tuple(row) for row in found] == [("letter", "isp", "x", 48.856789, 2.35)]
    told = sql(
        "select found_in, field, visits from quarantine.matomo_unknown_fields "
        f"where site_id = {ENDS}"
    )
    assert [tuple(row) for row in told] == [("visit", "newThing", len(ENDINGS))]


def test_a_time_zone_that_is_none_stops_no_build(rounds: Rounds, sql: Sql) -> None:
    found = sql("select name, time_zone from lake.matomo_sites where site_id = 2199")
    assert [tuple(row) for row in found] == [("Moon/Base", None)]


def test_differences_from_matomos_own_reports_are_shown_by_site_day_and_metric(
    rounds: Rounds, sql: Sql
) -> None:
    found = sql(
        "select site_id, cast(period_start as string), metric, matomo, lacustre "
        f"from views.matomo_report_differences where site_id between {VARIANTS[0]} "
        f"and {VARIANTS[-1]} and metric in ('nb_visits', 'bounce_count', 'max_actions') order by 1"
    )
    assert [tuple(row) for row in found] == [(VARIANTS[1], "2024-06-09", "nb_visits", 4.0, 5.0)]


def test_a_replay_reads_the_quarantine_again(rounds: Rounds, sql: Sql) -> None:
    assert sql(f"select count(*) from staging.stg_matomo__visits where site_id = {MISREAD}") == [
        (1,)
    ]
    assert sql(f"select * from quarantine.matomo_messages where site_id = {MISREAD}") == []
