"""Real inputs through the whole path: Matomo's own numbers, and exact counts of event days."""

from __future__ import annotations

import csv
import json
from collections import Counter

import pytest

from tests.conftest import SAMPLES, Sql
from tests.end_to_end import meter_counts
from tests.end_to_end.conftest import EVENT_DAYS, SITES, Send, event_lines, sample_messages

pytestmark = [pytest.mark.stack, pytest.mark.samples, pytest.mark.usefixtures("rounds")]


ONE = "one_visitor_two_visits_day"
CHANGED = 500  # this sample again, with a visit that grows


def send_round(number: int, send: Send, *_: object) -> None:
    """The real inputs, then a real visit that changed, and its older version again."""
    if not SAMPLES.exists():
        return
    if number == 0:
        for name in SITES:
            send("matomo", sample_messages(name))
        send("matomo", sample_messages(ONE, CHANGED))
        for day in EVENT_DAYS:
            send(
                "meter-events",
                (
                    (None, json.dumps({f"event_{day}.csv_row{row}": line}).encode(), None)
                    for row, line in enumerate(event_lines(day))
                ),
            )
        return
    ((key, visit, headers),) = [
        (key, json.loads(value), headers)
        for key, value, headers in sample_messages(ONE, CHANGED)
        if key == f"{CHANGED + 1}:2".encode()
    ]
    if number == 1:
        page = dict(visit["actionDetails"][0], timestamp=visit["lastActionTimestamp"] + 60,
                    pageId=99)  # fmt: skip
        grown = {
            **visit,
            "actionDetails": [*visit["actionDetails"], page],
            "actions": 2,
            "visitDuration": 61,
            "lastActionTimestamp": visit["lastActionTimestamp"] + 60,
        }
        send("matomo", [(key, json.dumps(grown).encode(), headers)])
    # The older version arrives after the newer one, in the same batch and again in the next.
    send("matomo", [(key, json.dumps(visit).encode(), headers)])


@pytest.mark.parametrize("day", EVENT_DAYS)
def test_each_event_day_has_its_exact_counts(day: str, sql: Sql) -> None:
    rows = list(csv.DictReader(event_lines(day)))
    date = f"{day[:4]}-{day[4:6]}-{day[6:]}"
    found = sql(
        "select event_type, events from views.meter_event_counts_by_type_daily "
        f"where period_start = '{date}'"
    )
    assert dict(found) == dict(Counter(row["type_evt"] for row in rows))
    found = sql(
        "select equipment_type, cast(equipment_id as string), sum(events) "
        f"from lake.meter_event_counts where occurred_on = '{date}' group by all"
    )
    equipment = Counter((row["type_equipement"], row["id_equipement"]) for row in rows)
    assert {tuple(row[:2]): row[2] for row in found} == dict(equipment)


@pytest.fixture(scope="module")
def counted() -> dict[tuple[str, str], Counter[tuple[str | None, ...]]]:
    """The statistics of the real event days, counted from the files."""
    events = (row for day in EVENT_DAYS for row in csv.DictReader(event_lines(day)))
    return meter_counts.count(events, meter_counts.read_park(SAMPLES / "meters" / "park"))


@pytest.mark.parametrize("period", meter_counts.PERIODS)
@pytest.mark.parametrize("by", meter_counts.DIMENSIONS)
def test_each_statistic_equals_a_count_of_the_files(
    by: str,
    period: str,
    counted: dict[tuple[str, str], Counter[tuple[str | None, ...]]],
    sql: Sql,
) -> None:
    found = sql(meter_counts.query(by, period, "period_start < '2022-01-01'"))
    assert {tuple(row[:-1]): row[-1] for row in found} == dict(counted[by, period])
    assert len(found) == len(counted[by, period])


def test_replaced_meters_have_events_without_a_place_until_the_park_says_so(sql: Sql) -> None:
    """Meters 21-25 send from 2020-01-01 on; the park has them from 2021-01-01 on."""
    found = sql(
        "select cast(occurred_on as string), park_key is null, count(distinct equipment_id) "
        "from lake.meter_event_counts where equipment_id > 20 and equipment_type = 'C' "
        "and occurred_on < '2022-01-01' group by all order by all"
    )
    assert [tuple(row) for row in found] == [
        ("2020-01-01", True, 5),
        ("2020-01-02", True, 5),
        ("2020-12-31", True, 5),
        ("2021-01-01", False, 5),
    ]


def test_each_label_has_one_code_and_homonyms_stay_apart(sql: Sql) -> None:
    for level in ("departement", "region"):
        found = sql(
            f"select {level}_label from staging.stg_park__communes group by 1 "
            f"having count(distinct {level}_code) != 1"
        )
        assert found == []
    ((labels, codes),) = sql(
        "select count(distinct commune_label), count(distinct commune_code) "
        "from staging.stg_park__communes"
    )
    assert labels < codes


def test_the_weeks_around_new_year_are_iso_weeks(sql: Sql) -> None:
    found = sql(
        "select cast(period_start as string), iso_year, iso_week, sum(events) "
        "from views.meter_event_counts_by_type_weekly "
        "where period_start < '2023-01-01' group by all order by 1"
    )
    assert [tuple(row) for row in found] == [
        ("2016-12-26", 2016, 52, 8640),
        ("2017-01-02", 2017, 1, 8640),
        ("2018-03-19", 2018, 12, 8640),
        ("2018-10-22", 2018, 43, 8640),
        ("2019-12-30", 2020, 1, 3 * 8640),
        ("2020-12-28", 2020, 53, 2 * 8640),
    ]


def test_every_equipment_is_at_its_own_place(sql: Sql) -> None:
    """The expected places, from the files: a concentrator at its PDK, a meter at its PDC."""

    def rows(name: str) -> list[dict[str, str]]:
        path = SAMPLES / "meters" / "park" / f"{name}.csv"
        return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))

    pdc = {row["id_pdc"]: row["code_insee_commune"] for row in rows("pdc")}
    pdk = {row["id_pdk"]: row["code_insee_commune"] for row in rows("pdk")}
    labels = {row["Code INSEE"]: row["libelle_commune"] for row in rows("communes")}
    expected = {
        *(("C", int(row["id_compteur"]), pdc[row["id_pdc"]]) for row in rows("installation_c")),
        *(
            ("K", int(row["id_concentrateurs"]), pdk[row["id_pdk"]])
            for row in rows("installation_k")
        ),
    }
    found = sql(
        "select equipment_type, equipment_id, commune_code, commune_label from lake.meter_park"
    )
    assert {tuple(row[:3]) for row in found} == expected
    assert len(found) == len(expected)
    assert all(labels[row[2]] == row[3] for row in found)


def test_a_replaced_meter_ends_on_the_day_before_its_successor(sql: Sql) -> None:
    found = sql(
        "select equipment_id, cast(valid_from as string), cast(valid_to as string) "
        "from lake.meter_park where pdc_id = 16 order by valid_from"
    )
    assert [tuple(row) for row in found] == [
        (16, "2017-01-01", "2021-01-01"),
        (21, "2021-01-01", None),
    ]


def test_overseas_departements_do_not_multiply_their_communes(sql: Sql) -> None:
    ((total, distinct, unnamed, departements, regions),) = sql(
        "select count(*), count(distinct commune_code), "
        "count_if(departement_label is null or region_code is null), "
        "count(distinct departement_code), count(distinct region_code) "
        "from staging.stg_park__communes"
    )
    assert (total, distinct, unnamed) == (36742, 36742, 0)
    assert (departements, regions) == (101, 27)


def test_a_changed_visit_closes_its_old_version_and_the_lake_shows_only_the_new_one(
    sql: Sql,
) -> None:
    site = CHANGED + 1
    versions = sql(
        "select action_count, dbt_valid_to is null from snapshots.snap_matomo__visits "
        f"where site_id = {site} and visit_id = 2 order by dbt_valid_from"
    )
    assert [tuple(row) for row in versions] == [(1, False), (2, True)]
    lake = sql(
        "select action_count, visit_duration_seconds from lake.matomo_visits "
        f"where site_id = {site} and visit_id = 2"
    )
    assert [tuple(row) for row in lake] == [(2, 61)]
    actions = sql(
        "select action_type from lake.matomo_actions "
        f"where site_id = {site} and visit_id = 2 order by action_position"
    )
    assert [row[0] for row in actions] == ["page", "goal", "page"]
    ((unchanged,), (changed,)) = (
        sql(f"select sum(nb_actions) from views.matomo_visits_summary "
            f"where site_id = {each} and period = 'day'")[0]
        for each in (SITES[ONE] + 1, site)
    )  # fmt: skip
    assert changed == unchanged + 1
