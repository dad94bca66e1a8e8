"""The Matomo data set keeps its shapes, its answers and its bytes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.errors import SimulatorError
from simulator.matomo import MatomoSettings, write_matomo

ROOT = Path(__file__).parents[2]
ACTIONS = {"action", "search", "download", "outlink", "event"}


def lines(root: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (root / name).read_text(encoding="utf-8").splitlines()]


def manifest(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root / "manifest.json").read_bytes())
    return found


def visits(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The readable visits among the messages."""
    return [
        entry["value"]
        for entry in messages
        if entry["headers"]["type"] == "visit" and "actionDetails" in (entry.get("value") or {})
    ]


def first_day(period: str, day: date) -> str:
    year, week, _ = day.isocalendar()
    return {
        "day": day,
        "week": date.fromisocalendar(year, week, 1),
        "month": date(day.year, day.month, 1),
        "year": date(day.year, 1, 1),
    }[period].isoformat()


def recount(exported: list[dict[str, Any]]) -> dict[str, dict[Any, Any]]:
    """Both reports from the JSON alone: the newest version of each visit counts."""
    newest = {(int(visit["idSite"]), int(visit["idVisit"])): visit for visit in exported}
    summary: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    actions: dict[Any, list[tuple[str, Any, int]]] = defaultdict(list)
    for (site, number), visit in newest.items():
        rows = visit["actionDetails"]
        # The last row and lastActionTimestamp are the same instant, in wall clock and in UTC.
        offset = rows[-1]["timestamp"] - visit["lastActionTimestamp"]
        last = datetime.fromtimestamp(visit["lastActionTimestamp"] + offset, timezone.utc).date()
        for period in ("day", "week", "month", "year"):
            summary[site, period, first_day(period, last)].append(visit)
            for row in rows:
                day = datetime.fromtimestamp(row["timestamp"], timezone.utc).date()
                about = row["siteSearchKeyword"] if row["type"] == "search" else row["url"]
                actions[site, period, first_day(period, day)].append((row["type"], about, number))

    def distinct(group: list[tuple[str, Any, int]], kind: str) -> int:
        return len({row for row in group if row[0] == kind})

    def rows_of(group: list[tuple[str, Any, int]], kind: str) -> int:
        return sum(row[0] == kind for row in group)

    return {
        "VisitsSummary.get": {
            key: (
                len(group),
                len({visit["visitorId"] for visit in group}),
                len({visit["userId"] for visit in group} - {None}),
                sum(int(visit["actions"]) for visit in group),
                sum(int(visit["visitConverted"]) for visit in group),
                sum(int(visit["actions"]) <= 1 for visit in group),
                sum(int(visit["visitDuration"]) for visit in group),
                max(int(visit["actions"]) for visit in group),
            )
            for key, group in summary.items()
        },
        "Actions.get": {
            key: (
                *(
                    number
                    for kind in ("action", "download", "outlink")
                    for number in (rows_of(group, kind), distinct(group, kind))
                ),
                rows_of(group, "search"),
                len({about for kind, about, _ in group if kind == "search"}),
            )
            for key, group in actions.items()
        },
    }


def assert_answers_are_true(root: Path) -> None:
    answers = manifest(root)["answers"]
    first = visits(lines(root, "messages.jsonl"))
    later = first + visits(lines(root, "changes.jsonl"))
    for moment, exported in (("messages", first), ("changes", later)):
        counted = recount(exported)
        for report, rows in answers[moment].items():
            told = {tuple(row.values())[:3]: tuple(row.values())[3:] for row in rows}
            assert told == counted[report], (moment, report)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("matomo")
    write_matomo(root, MatomoSettings(seed=7, start=date(2024, 3, 1), days=3))
    return root


def test_answers_equal_a_recount_of_the_messages(made: Path) -> None:
    assert_answers_are_true(made)


def test_a_visit_agrees_with_its_own_actions(made: Path) -> None:
    exported = visits(lines(made, "messages.jsonl")) + visits(lines(made, "changes.jsonl"))
    page_ids: dict[str, int] = {}
    for visit in exported:
        rows = visit["actionDetails"]
        kinds = [row["type"] for row in rows]
        times = [row["timestamp"] for row in rows]
        assert times == sorted(times)
        assert int(visit["actions"]) == sum(kind in ACTIONS for kind in kinds)
        assert int(visit["searches"]) == kinds.count("search")
        assert int(visit["events"]) == kinds.count("event")
        assert visit["goalConversions"] == kinds.count("goal")
        assert int(visit["visitConverted"]) == ("goal" in kinds)
        span = visit["lastActionTimestamp"] - visit["firstActionTimestamp"]
        assert int(visit["visitDuration"]) in ({0, 1} if span == 0 else {span + 1})
        for row in rows:
            if row["type"] != "goal":
                owner = page_ids.setdefault(str(row["pageId"]), int(visit["idVisit"]))
                assert owner == int(visit["idVisit"])


def test_every_kind_of_row_and_both_typings_are_there_on_each_site(made: Path) -> None:
    exported = visits(lines(made, "messages.jsonl"))
    for site in (1, 2):
        here = [visit for visit in exported if int(visit["idSite"]) == site]
        assert {type(visit["idVisit"]) for visit in here} == {int, str}
        for visit in here:
            # One PHP writes all columns of an answer; what PHP computes is a number on both.
            columns = ("idSite", "visitCount", "actions", "visitDuration", "visitConverted")
            assert len({type(visit[name]) for name in columns}) == 1
            assert isinstance(visit["lastActionTimestamp"], int)
            assert isinstance(visit["goalConversions"], int)
        kinds = {str(row["type"]) for visit in here for row in visit["actionDetails"]}
        assert kinds == {*ACTIONS, "goal", "13"}
    assert {visit["visitorType"] for visit in exported} == {"new", "returning"}
    assert {"Desktop", "Bureau"} <= {visit["deviceType"] for visit in exported}


def test_goals_and_dimensions_come_in_all_their_shapes(tmp_path: Path) -> None:
    write_matomo(tmp_path, MatomoSettings(seed=1, start=date(2024, 3, 1), days=1, sites=3))
    messages = lines(tmp_path, "messages.jsonl")
    goals = [
        (entry["key"], entry["value"]) for entry in messages if entry["headers"]["type"] == "goals"
    ]
    assert [(key, type(value), bool(value)) for key, value in goals] == [
        ("1", dict, True),
        ("2", list, False),
        ("2", list, True),
        ("3", list, False),
    ]
    assert all(goal["idgoal"] == number for number, goal in goals[0][1].items())
    dimensions = [
        entry["value"] for entry in messages if entry["headers"]["type"] == "custom_dimensions"
    ]
    assert [[row["active"] for row in rows] for rows in dimensions] == [
        [True, True, False],
        [True],
        [],
    ]
    for visit in visits(messages):
        assert ("dimension1" in visit) == (int(visit["idSite"]) == 1)
        assert "dimension3" not in visit


def test_planted_messages_are_where_the_manifest_says(made: Path) -> None:
    defects = manifest(made)["defects"]
    messages = lines(made, "messages.jsonl")
    broken = {row["reason"]: messages[row["line"] - 1] for row in defects["broken"]}
    assert set(broken) == {"not_json", "api_error", "tombstone", "truncated"}
    for reason in ("not_json", "truncated"):
        with pytest.raises(ValueError):
            json.loads(broken[reason]["raw"])
    assert broken["api_error"]["value"]["result"] == "error"
    assert broken["tombstone"]["value"] is None

    keys = [entry["key"] for entry in messages]
    for row in defects["duplicates"]:
        again = messages[row["line"] - 1]
        assert again["key"] == f"{row['idSite']}:{row['idVisit']}"
        assert messages.index(again) < row["line"] - 1
    exported = visits(messages)
    assert len(exported) == manifest(made)["counts"]["visits"] + len(defects["duplicates"])
    assert keys.count(broken["tombstone"]["key"]) == 1


def test_changes_are_grown_visits_calm_ones_and_a_renamed_goal(made: Path) -> None:
    defects = manifest(made)["defects"]
    before = {str(visit["idVisit"]): visit for visit in visits(lines(made, "messages.jsonl"))}
    changes = lines(made, "changes.jsonl")
    assert len(defects["grown"]) == 24
    for row in defects["grown"]:
        visit = changes[row["line"] - 1]["value"]
        old = before[str(row["idVisit"])]
        assert (int(old["actions"]), int(visit["actions"])) == (
            row["actions_before"],
            row["actions_after"],
        )
        assert int(visit["actions"]) > int(old["actions"])
        assert int(visit["visitDuration"]) > int(old["visitDuration"])
        assert visit["lastActionTimestamp"] > old["lastActionTimestamp"]
        assert visit["firstActionTimestamp"] == old["firstActionTimestamp"]
    for row in defects["re_exported"]:
        visit = changes[row["line"] - 1]["value"]
        assert (visit == before[str(row["idVisit"])]) is not row["other_typing"]
    (renamed,) = defects["renamed_goals"]
    goal = changes[renamed["line"] - 1]["value"][str(renamed["idGoal"])]
    assert goal["name"] == renamed["to"] != renamed["from"]


def test_action_times_are_the_wall_clock_of_the_site(tmp_path: Path) -> None:
    zones = ("Pacific/Kiritimati", "America/New_York")
    write_matomo(tmp_path, MatomoSettings(seed=1, start=date(2024, 3, 9), days=3, timezones=zones))
    offsets: dict[int, set[timedelta]] = defaultdict(set)
    for visit in visits(lines(tmp_path, "messages.jsonl")):
        seconds = visit["actionDetails"][0]["timestamp"] - visit["firstActionTimestamp"]
        offsets[int(visit["idSite"])].add(timedelta(seconds=seconds))
    # New York moved its clocks on 10 March 2024.
    assert offsets == {1: {timedelta(hours=14)}, 2: {timedelta(hours=-5), timedelta(hours=-4)}}
    assert_answers_are_true(tmp_path)


def test_the_same_command_writes_the_same_bytes(tmp_path: Path) -> None:
    def make(name: str, **environment: str) -> list[bytes]:
        command = "matomo --from 2024-03-01 --days 2 --seed 3 --visits-per-day 5 --out"
        subprocess.run(
            [sys.executable, "-m", "simulator", *command.split(), str(tmp_path / name)],
            cwd=ROOT,
            env={**os.environ, **environment},
            check=True,
            capture_output=True,
        )
        files = ("messages.jsonl", "changes.jsonl", "manifest.json")
        return [(tmp_path / name / file).read_bytes() for file in files]

    one = make("one", PYTHONHASHSEED="1", TZ="Asia/Tokyo", LC_ALL="C")
    two = make("two", PYTHONHASHSEED="2", TZ="America/Lima", LC_ALL="C.UTF-8")
    assert one == two


def test_too_many_duplicates_are_refused(tmp_path: Path) -> None:
    wanted = MatomoSettings(7, date(2024, 3, 1), 1, sites=1, visits_per_day=1, duplicates=2)
    with pytest.raises(SimulatorError, match="fewer duplicates"):
        write_matomo(tmp_path, wanted)


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    start=st.dates(date(2000, 1, 1), date(2040, 1, 1)),
    days=st.integers(1, 9),
    sites=st.integers(1, 5),
    visits_per_day=st.integers(2, 12),
    broken=st.integers(0, 9),
    grown=st.integers(0, 100),
)
def test_answers_are_true_for_any_seed_and_size(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    start: date,
    days: int,
    sites: int,
    visits_per_day: int,
    broken: int,
    grown: int,
) -> None:
    root = tmp_path_factory.mktemp("any")
    wanted = MatomoSettings(
        seed,
        start,
        days,
        sites=sites,
        visits_per_day=visits_per_day,
        broken=broken,
        grown_percent=grown,
    )
    write_matomo(root, wanted)
    assert_answers_are_true(root)
