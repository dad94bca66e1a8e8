"""An alarm about data does not fail the build: it is logged, warns, and can be acknowledged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Answer, Rows, Run, Sql
from tests.end_to_end.conftest import Message, Send

pytestmark = [pytest.mark.stack, pytest.mark.usefixtures("rounds")]
SENT_BY = ("test_samples",)  # which cause no alarm

NO_ACTIONS, CUT, DELETED, PERIODS, ONE_GOAL = 2401, 2402, 2403, 2404, 2405
# 2024-05-07 as seconds since 1970; the reports were exported after the end of that year.
FIRST = 1715076000
REPORTED_MS = 1767225600000


def visit(site: int, number: int, *goals: int | None, **changes: Any) -> dict[str, Any]:
    page = {"type": "action", "url": "https://example.org/p", "pageId": 1, "timestamp": FIRST}
    conversions = [
        {"type": "goal", "goalId": goal, "revenue": 2 + at, "timestamp": FIRST + 5 + at}
        for at, goal in enumerate(goals)
    ]
    return {
        "idSite": site, "idVisit": number, "visitorId": f"{number:016x}",
        "firstActionTimestamp": FIRST, "lastActionTimestamp": FIRST + 20, "visitDuration": 21,
        "actions": 1, "visitConverted": int(bool(goals)), "goalConversions": len(goals),
        "visitorType": "new", "actionDetails": [page, *conversions], **changes,
    }  # fmt: skip


def message(site: int, value: Any, **headers: str) -> Message:
    return (
        str(site).encode(),
        json.dumps(value).encode(),
        [(name, text.encode()) for name, text in headers.items()],
    )


def goals(site: int, *ids: int) -> Message:
    catalogue = {str(each): {"idsite": site, "idgoal": each, "name": f"G{each}"} for each in ids}
    return message(site, catalogue, type="goals")


def visits_summary(date: str, **headers: str) -> Message:
    value = {"nb_visits": 3, "nb_actions": 3, "bounce_count": 3, "max_actions": 1}
    return message(PERIODS, value, type="VisitsSummary.get", date=date, **headers)


def goals_get(conversions: int, revenue: float, **headers: str) -> Message:
    value = {"nb_conversions": conversions, "nb_visits_converted": 1, "revenue": revenue}
    return message(ONE_GOAL, value, type="Goals.get", date="2024-05-07", period="day", **headers)


def send_round(number: int, send: Send, *_: object) -> None:
    if number > 0:
        return
    visits = [
        # Exported with doNotFetchActions=1; cut at Matomo's limit; with the number of missing
        # actions.
        *(visit(NO_ACTIONS, each, actionDetails=None, actions=4) for each in (1, 2)),
        visit(NO_ACTIONS, 3, actionDetails=[], actions=2),
        visit(CUT, 1, actions=501),
        visit(CUT, 2, truncatedActionsCount=12),
        visit(CUT, 3),
        # A deleted goal, and a goal that the catalogue does not have.
        visit(DELETED, 1, None, 2),
        visit(DELETED, 2, 9),
        *(visit(PERIODS, each) for each in (1, 2, 3)),
        visit(ONE_GOAL, 1, 1, 2),
    ]
    send("matomo", [goals(DELETED, 2), goals(ONE_GOAL, 1, 2)])
    send("matomo", [message(each["idSite"], each, type="visit") for each in visits])
    reports = [
        # Whole periods, in each notation that Matomo accepts.
        visits_summary("2024-05-15", period="month"),
        visits_summary("2024-05-07", period="week"),
        visits_summary("2024-01-01,2024-12-31", period="range"),
        visits_summary("2024-05-07,2024-05-07", period="range"),
        # Reports that no view has: a range, a segment, unknown periods and dates. Their numbers
        # differ.
        visits_summary("2024-04-20,2024-05-06", period="range"),
        visits_summary("2024-05-07", period="day", segment="countryCode==xx"),
        visits_summary("2024-05-07", period="fortnight"),
        visits_summary("2024-13-45", period="day"),
        visits_summary("2024-05-07,yesterday", period="range"),
        # All goals; one goal; another with a wrong number; ids that are no number.
        goals_get(2, 5),
        goals_get(1, 2, idGoal="1"),
        goals_get(7, 3, idGoal="2"),
        goals_get(0, 0, idGoal="ecommerceOrder"),
        goals_get(0, 0, idGoal="goal:x"),
    ]
    send("matomo", reports, timestamp_ms=REPORTED_MS)


def alarms(sql: Sql, *sites: int, only: str = "is_open") -> list[tuple[str, str, str]]:
    found = sql(
        "select alarm, subject, detail from alarms.matomo_alarms where "
        f"{only} and cast(regexp_extract(subject, 'site ([0-9]+)') as int) "
        f"between {min(sites)} and {max(sites)} order by all"
    )
    return [(row[0], row[1], row[2]) for row in found]


def test_the_demo_and_the_samples_give_no_alarm(demo_alarms: Rows, sql: Sql) -> None:
    assert demo_alarms == []
    assert alarms(sql, 100, 599, only="true") == []


def test_visits_without_all_their_actions_are_counted_and_told_by_day(sql: Sql) -> None:
    assert alarms(sql, NO_ACTIONS, CUT) == [
        ("visits_without_all_actions", "site 2401, 2024-05-07",
         "3 visits exported without their actions: visits 1, 2, 3"),
        ("visits_without_all_actions", "site 2402, 2024-05-07",
         "2 visits with fewer actions than they had: visits 1, 2"),
    ]  # fmt: skip
    found = sql(
        "select site_id, nb_visits, nb_actions from views.matomo_visits_summary "
        f"where site_id in ({NO_ACTIONS}, {CUT}) and period = 'day' order by 1"
    )
    assert [tuple(row) for row in found] == [(NO_ACTIONS, 3, 10), (CUT, 3, 503)]


def test_conversions_of_goals_that_are_gone_count_and_have_a_label(sql: Sql) -> None:
    found = sql(
        "select nb_conversions, revenue from views.matomo_goals_summary "
        f"where site_id = {DELETED} and period = 'day'"
    )
    assert [(row[0], float(row[1])) for row in found] == [(3, 7.0)]
    found = sql(
        "select label, code, nb_conversions from views.matomo_goals_by_goal "
        f"where site_id = {DELETED} and period = 'day' order by 1"
    )
    assert [tuple(row) for row in found] == [
        ("G2", "2", 1),
        ("Goal 9", "9", 1),
        ("Goal not defined", None, 1),
    ]
    assert [each[:2] for each in alarms(sql, DELETED)] == [
        ("unknown_goals", "site 2403, goal 9"),
        ("unknown_goals", "site 2403, goal none"),
    ]


def test_a_report_is_compared_with_its_own_period_or_said_not_to_be_comparable(sql: Sql) -> None:
    found = sql(
        "select period, cast(period_start as string), not_comparable from lake.matomo_reports "
        f"where site_id = {PERIODS} order by all"
    )
    assert [tuple(row) for row in found] == [
        (None, "2024-05-07", "unknown_period"),
        (None, "2024-05-07", "wrong_date"),
        ("day", None, "wrong_date"),
        ("day", "2024-05-07", None),
        ("day", "2024-05-07", "segment"),
        ("month", "2024-05-01", None),
        ("range", "2024-04-20", "range"),
        ("week", "2024-05-06", None),
        ("year", "2024-01-01", None),
    ]
    assert alarms(sql, PERIODS) == []


def test_a_report_of_one_goal_is_compared_with_that_goal(sql: Sql) -> None:
    found = sql(
        "select goal, not_comparable from lake.matomo_reports "
        f"where site_id = {ONE_GOAL} order by all"
    )
    assert [tuple(row) for row in found] == [
        (None, None),
        ("0", "ecommerce_goal"),
        ("1", None),
        ("2", None),
        ("goal:x", "unknown_goal"),
    ]
    assert alarms(sql, ONE_GOAL) == [
        ("differing_reports", "site 2405, day 2024-05-07, matomo_goals_by_goal, goal 2",
         "nb_conversions: 7.0 by Matomo, 1.0 here"),
    ]  # fmt: skip


@pytest.mark.exhaustive
def test_what_was_acknowledged_warns_no_more_until_it_changes_and_the_rest_can_fail_a_command(
    run: Run, sql: Sql, profiles: Path
) -> None:
    def dbt(*words: str) -> Answer:
        return run("dbt", *words, "--target", "local", "--profiles-dir", profiles)

    meant = "{alarm: unknown_goals, subject: 'site 2403, %', reason: \"It's deleted\"}"
    said = dbt("run-operation", "acknowledge", "--args", meant)
    assert said.code == 0, said.text[-2000:]
    assert alarms(sql, DELETED) == []
    kept = sql(
        "select distinct acknowledged_because, is_present from alarms.matomo_alarms "
        "where is_acknowledged"
    )
    assert [tuple(row) for row in kept] == [("It's deleted", True)]
    changed = ("lake.matomo_conversions", "lake.matomo_visits")
    versions = {table: sql(f"describe history {table} limit 1")[0][0] for table in changed}
    # Another conversion is a new finding; a visit that has its actions again causes no alarm.
    none = f"site_id = {CUT} and visit_id in (1, 2)"
    sql(f"update lake.matomo_conversions set goal_id = 9 where site_id = {DELETED} and goal_id = 2")
    sql(f"update lake.matomo_visits set action_count = 1, truncated_action_count = 0 where {none}")
    failing = dbt("build", "--select", "tag:alarm", "--vars", "{alarms: error}")
    assert failing.code == 1, failing.text[-2000:]
    assert "Failure in test assert_matomo_goals_are_known" in failing.text
    assert [each[1] for each in alarms(sql, DELETED)] == ["site 2403, goal 9"]
    assert alarms(sql, CUT) == []
    assert len(alarms(sql, CUT, only="not is_present")) == 1
    meant = "{alarm: unknown_goals, subject: nothing, reason: none}"
    nothing = dbt("run-operation", "acknowledge", "--args", meant)
    assert nothing.code != 0
    assert "No open alarm unknown_goals has a subject like nothing" in nothing.text
    for table, version in versions.items():
        sql(f"restore table {table} to version as of {version}")
