"""The demo's lake compared with the simulator's answers."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from simulator.dataset import read_answers, read_defects
from tests.conftest import Answer, Rows, Run, Sql
from tests.end_to_end import meter_counts

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def matomo(demo: Answer, demo_folder: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((demo_folder / "matomo" / "manifest.json").read_text())
    return manifest


@pytest.fixture(scope="module")
def meters(demo: Answer, demo_folder: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((demo_folder / "meters" / "manifest.json").read_text())
    return manifest


def counts(sql: Sql) -> dict[str, Any]:
    """The number of rows in every layer that stores data."""
    tables = [
        f"{schema}.{row[1]}"
        for schema in ("raw", "staging", "snapshots", "lake", "quarantine")
        for row in sql(f"show tables in {schema}")
        if not str(row[1]).startswith("int_")
    ]
    return {table: sql(f"select count(*) from {table}")[0][0] for table in tables}


def test_the_demo_ends_with_numbers_and_the_next_commands(demo: Answer) -> None:
    for text in ("raw.matomo", "nb_visits", "ev_C", "make docs", "stack sql", "make down"):
        assert text in demo.out, f"{text} is not in the summary"


@pytest.mark.exhaustive
def test_a_second_demo_works_and_adds_nothing_twice(
    matomo: dict[str, Any], sql: Sql, run: Run, demo_folder: Path
) -> None:
    before = counts(sql)
    assert before["raw.matomo"] > 0
    again = run("stack", "demo", LACUSTRE_DEMO_DIR=demo_folder)
    assert again.code == 0, again.text[-3000:]
    assert counts(sql) == before


def test_the_models_pass_their_unit_tests(demo: Answer, run: Run, profiles: Path) -> None:
    answer = run("dbt", "test", "--select", "test_type:unit", "--target", "local",
                 "--profiles-dir", profiles)  # fmt: skip
    assert answer.code == 0, answer.text[-5000:]


# Report of the simulator's answers, view, and the view's expression for its label.
REPORTS = [
    ("VisitsSummary.get", "visits_summary", "''"),
    ("Actions.get", "actions_summary", "''"),
    ("Actions.getPageTitles", "page_titles", "label"),
    ("Actions.getDownloads", "downloads", "url"),
    ("Actions.getSiteSearchKeywords", "site_search_keywords", "label"),
    ("Actions.getSiteSearchCategories", "site_search_categories", "label"),
    ("Actions.getSiteSearchNoResultKeywords", "site_search_no_result_keywords", "label"),
    ("Events.getCategory", "events_by_category", "label"),
    ("Events.getAction", "events_by_action", "label"),
    ("Events.getName", "events_by_name", "label"),
    ("Contents.getContentNames", "contents_by_name", "label"),
    ("Contents.getContentPieces", "contents_by_piece", "label"),
    ("Goals.get", "goals_summary", "''"),
    ("Goals.get_orders", "orders_summary", "''"),
    ("Goals.get_abandoned_carts", "abandoned_carts_summary", "''"),
    ("Goals.getItemsSku", "items_by_sku", "label"),
    ("Goals.getItemsCategory", "items_by_category", "label"),
    ("Referrers.getReferrerType", "referrer_types", "code"),
    ("Referrers.getCampaigns", "campaigns", "label"),
    ("UserCountry.getCountry", "countries", "code"),
    ("UserCountry.getContinent", "continents", "code"),
    ("DevicesDetection.getBrowsers", "browsers", "code"),
    ("DevicesDetection.getBrand", "device_brands", "label"),
    ("Resolution.getResolution", "resolutions", "label"),
    ("UserLanguage.getLanguageCode", "language_codes", "code"),
    ("UserId.getUsers", "user_ids", "label"),
]


@pytest.mark.parametrize(("report", "view", "label"), REPORTS, ids=[row[0] for row in REPORTS])
def test_matomo_views_equal_the_simulators_answers(
    report: str, view: str, label: str, matomo: dict[str, Any], demo_folder: Path, sql: Sql
) -> None:
    answers = read_answers(demo_folder / "matomo", f"changes/{report}")
    names = ("nb_", "max_", "sum_", "bounce_c", "revenue", "quantity", "entry_", "exit_")
    metrics = [name for name in answers[0] if name.startswith(names)]
    last = max(site["idSite"] for site in matomo["sites"])
    found = sql(
        f"select site_id, period, cast(period_start as string), {label}, {', '.join(metrics)} "
        f"from views.matomo_{view} where site_id <= {last}"
    )
    # The answers lack rows that are always there, and products that were viewed and not bought.
    ours = {row[:4]: row[4:] for row in found}
    for row in answers:
        key = (int(row["idSite"]), row["period"], row["date"], row["label"])
        for name, mine in zip(metrics, ours.pop(key), strict=True):
            # As in Matomo, some distinct counts are empty for years.
            if row[name] != "":
                assert float(mine or 0) == pytest.approx(float(row[name]), abs=0.006), (key, name)
    assert all(not any(values[:2]) for values in ours.values()) or view.startswith("items_"), ours


@pytest.mark.parametrize("view", ["annual", "monthly", "weekly", "daily"])
def test_meter_views_equal_the_simulators_answers(
    view: str, demo: Answer, demo_folder: Path, sql: Sql
) -> None:
    # Events of a wrong clock are in later years, and not in the answers.
    expected = {
        (row["period_start"], row["type_evt"]): int(row["count"])
        for row in read_answers(demo_folder / "meters", f"by_type_{view}")
    }
    found = sql(
        "select cast(period_start as string), event_type, events "
        f"from views.meter_event_counts_by_type_{view} where year(period_start) = 2024"
    )
    assert {tuple(row[:2]): row[2] for row in found} == expected


@pytest.mark.parametrize(
    ("statistic", "column"),
    [
        ("by_commune", "code_insee"),
        ("by_departement", "departement_code"),
        ("by_region", "region_code"),
        ("by_pdk", "id_pdk"),
        ("by_concentrator", "id_concentrateur"),
    ],
)
def test_events_are_where_the_simulator_put_them(
    statistic: str, column: str, demo_places: list[dict[str, Any]], demo_folder: Path
) -> None:
    found: Counter[tuple[str, ...]] = Counter()
    for row in demo_places:
        place = "" if row[column] is None else str(row[column])
        found[row["period_start"], row["type_evt"], place] += row["events"]
    answers = read_answers(demo_folder / "meters", f"{statistic}_daily")
    expected = {
        (row["period_start"], row["type_evt"], row[column]): int(row["count"]) for row in answers
    }
    assert found == expected


PERIODS = {"annual": "year", "monthly": "month", "weekly": "week", "daily": "day"}


@pytest.mark.parametrize(("answer", "period"), PERIODS.items())
def test_delays_equal_the_simulators_answers(
    answer: str, period: str, demo_service: dict[str, Rows], demo_folder: Path
) -> None:
    expected = {
        row["period_start"]: (
            int(row["events"]),
            *(math.ceil(int(row[name]) / 60) for name in ("median", "p95")),
            int(row["max"]),
        )
        for row in read_answers(demo_folder / "meters", f"delay_{answer}")
    }
    assert {row[1]: row[2:] for row in demo_service["delays"] if row[0] == period} == expected


@pytest.mark.parametrize(("answer", "period"), PERIODS.items())
def test_equipment_in_service_and_its_silent_days_equal_the_simulators_answers(
    answer: str, period: str, demo_service: dict[str, Rows], demo_folder: Path
) -> None:
    rows = [row[1:] for row in demo_service["days"] if row[0] == period]
    found: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for start, kind, _, served, silent in rows:
        found[start, kind] = [a + b for a, b in zip(found[start, kind], (1, served, silent),
                                                    strict=True)]  # fmt: skip
    expected = {
        (row["period_start"], row["type_equipement"]): [
            int(row[name]) for name in ("equipments", "equipment_days", "days_without_events")
        ]
        for row in read_answers(demo_folder / "meters", f"service_{answer}")
    }
    assert found == expected
    if answer in ("annual", "monthly"):
        assert {row[:3]: row[3:] for row in rows if row[4]} == {
            (row["period_start"], row["type_equipement"], int(row["id_equipement"])): (
                int(row["days_in_service"]), int(row["days_without_events"])
            )
            for row in read_answers(demo_folder / "meters", f"silent_{answer}")
        }  # fmt: skip


@pytest.mark.parametrize(("answer", "period"), PERIODS.items())
def test_rates_equal_the_simulators_answers(
    answer: str, period: str, demo_service: dict[str, Rows], demo_folder: Path
) -> None:
    folder = demo_folder / "meters"
    events: Counter[tuple[str, str]] = Counter()
    for row in read_answers(folder, f"by_region_{answer}"):
        if row["region_code"]:
            events[row["period_start"], row["type_evt"]] += int(row["count"])
    served = {(row["period_start"], row["type_equipement"]): int(row["equipment_days"])
              for row in read_answers(folder, f"service_{answer}")}  # fmt: skip
    days: Counter[str] = Counter()
    for row in read_answers(folder, "service_daily"):
        start = meter_counts.PERIODS[answer](date.fromisoformat(row["period_start"]))
        days[start.isoformat()] += row["type_equipement"] == "C"
    found = {row[1:3]: row[3:] for row in demo_service["rates"] if row[0] == period}
    assert {key: row[0] for key, row in found.items()} == events
    for (start, kind), (number, rate) in found.items():
        equipment = "C" if kind.startswith("ev_C") else "K"
        assert rate == pytest.approx(1000 * number * days[start] / served[start, equipment])


def test_planted_defects_are_in_quarantine_and_nothing_else_is(
    demo: Answer, demo_folder: Path, sql: Sql
) -> None:
    reasons = {
        "not_json": "invalid_json",
        "truncated": "invalid_json",
        "api_error": "matomo_error",
        "tombstone": "tombstone",
    }
    broken = read_defects(demo_folder / "matomo", "broken")
    planted = Counter(reasons[row["reason"]] for row in broken)
    # A replay by another test reads these again, in a later batch.
    found = sql(
        "select reason, count(*) from quarantine.matomo_messages as broken left semi join "
        "(select * from raw.matomo where batch_id <= 2) as sent on broken.topic = sent.topic "
        "and broken.partition = sent.partition and broken.offset = sent.offset group by reason"
    )
    assert dict(found) == dict(planted)
    found = sql("select source_name, rejected_line from quarantine.meter_messages "
                "where batch_id = 1")  # fmt: skip
    planted_lines = {
        f"{row['file']}_row{row['row']}": row["line"]
        for row in read_defects(demo_folder / "meters", "malformed")
    }
    assert planted_lines
    assert dict(found) == planted_lines


def test_a_resent_event_is_counted_once(meters: dict[str, Any], sql: Sql) -> None:
    resent = meters["counts"]["planted"]["duplicates"]
    assert resent > 0
    good = "reason is null and batch_id = 1"
    (lines,) = sql(f"select count(*) from staging.stg_meters__events where {good}")
    (events,) = sql("select count(*) from lake.meter_events where batch_id = 1")
    assert lines[0] - events[0] == resent


def test_unchanged_visits_sent_again_make_no_version(
    demo: Answer, demo_folder: Path, sql: Sql
) -> None:
    folder = demo_folder / "matomo"
    grown = {(row["idSite"], row["idVisit"]) for row in read_defects(folder, "grown")}
    assert len(read_defects(folder, "re_exported")) > 2
    found = sql(
        "select site_id, visit_id from snapshots.snap_matomo__visits "
        "where dbt_valid_to is not null and site_id < 100"
    )
    assert sorted(map(tuple, found)) == sorted(grown)


def test_the_new_name_of_a_goal_closes_the_old_one(
    demo: Answer, demo_folder: Path, sql: Sql
) -> None:
    (renamed,) = read_defects(demo_folder / "matomo", "renamed_goal")
    found = sql(
        "select name, dbt_valid_to is null from snapshots.snap_matomo__goals "
        f"where site_id = {renamed['idSite']} and goal_id = {renamed['idGoal']} "
        "order by dbt_valid_from"
    )
    assert [tuple(row) for row in found] == [(renamed["from"], False), (renamed["to"], True)]
