"""Smart meters: a park and events with every anomaly, built at once, day by day and out of order.

Each way has a lake of its own, in schemas with a prefix, on the stack that all tests share.
"""

from __future__ import annotations

import csv
import json
import math
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from kafka.admin import KafkaAdminClient

from tests.conftest import PLANTED, Answer, Rows, Run, Source, Sql
from tests.end_to_end import meter_counts
from tests.end_to_end.conftest import Message, Send

pytestmark = pytest.mark.stack

COLUMNS = ("id_evt", "date_occur_evt", "date_system_evt", "type_evt", "type_equipement",
           "id_equipement", "info_div")  # fmt: skip

# Two communes and two départements have the same names; 97 stands for every overseas département.
COMMUNES = """id_commune,id_departement,id_region,Code INSEE,libelle_commune
66,93,3,93066,SAINT-DENIS
11,97,23,97411,SAINT-DENIS
22,97,23,97222,SAINT-PIERRE
1,2A,9,2A001,AFA
1,42,4,42001,ABOEN
2,42,4,42002,ABOEN-LE-VIEUX
"""
DEPARTEMENTS = """id_departement,id_region,libelle_departement
93,3,SEINE-SAINT-DENIS
97,23,GUADELOUPE
97,24,MARTINIQUE
97,26,REUNION
2A,9,CORSE-DU-SUD
42,4,LOIRE
"""
REGIONS = """id_region,libelle_region
3,ILE-DE-FRANCE
4,RHONE-ALPES
9,CORSE
23,GUADELOUPE
"""
# 11: its concentrator is replaced. 12: moved, removed, back. 13: replaced by 14 after a gap. 15: a
# stay elsewhere during its installation. 16: never installed. 17: in a commune that is merged.
PARK = {
    "communes": COMMUNES.replace("2,42,4,42002,ABOEN-LE-VIEUX\n", ""),
    "departements": DEPARTEMENTS,
    "region": REGIONS,
    "compteurs": "id_compteur,constructeur_id\n11,1\n12,1\n13,2\n14,2\n15,3\n16,3\n17,1\nx,1\n"
    # The same number with another digit count, and the same day in another notation.
    "013,2\n",
    "concentrateurs": "id_consentrateur,constructeur_id\n11,4\n12,5\n",
    "pdc": "id_pdc,id_pdk,code_insee_commune\n"
    "101,5,93066\n102,5,97411\n103,6,2A001\n104,5,97222\n105,6,42001\n106,5,93066\n107,6,42001\n",
    "pdk": "id_pdk,code_insee_commune\n5,93066\n6,42001\n",
    "installation_c": "id_pdc,id_compteur,date_deb,date_fin\n"
    "101,11,20200101,\n"
    "102,12,20200101,20201229\n103,12,20201230,20201231\n102,12,20210103,\n"
    "104,13,20200101,20201229\n104,14,20210101,\n"
    "105,15,20200101,\n106,15,20201230,20210101\n"
    "107,17,20200101,\n"
    "107,17,2020-13-01,\n107,017,2020-01-01,\n",
    "installation_k": "id_pdk,id_concentrateurs,date_deb,date_fin\n"
    "5,11,20200101,20201231\n5,12,20210101,\n",
}
# The park as it was known before: 14 is not installed, no commune is merged, 12 has not moved.
FIRST_PARK = {
    **PARK,
    "communes": COMMUNES,
    "compteurs": "id_compteur,constructeur_id\n11,1\n12,1\n13,2\n15,3\n16,3\n17,1\nx,1\n",
    "pdc": PARK["pdc"].replace("107,6,42001", "107,6,42002"),
    "installation_c": PARK["installation_c"]
    .replace("102,12,20200101,20201229\n103,12,20201230,20201231\n102,12,20210103,\n",
             "102,12,20200101,\n")
    .replace("104,14,20210101,\n", ""),
}  # fmt: skip
DAYS = [date(2020, 12, 28) + timedelta(days=at) for at in range(8)]
EQUIPMENT = [*(("C", number) for number in range(11, 18)), ("K", 11), ("K", 12)]


def event(number: int, at: str, kind: str, equipment: int, **other: str) -> dict[str, str]:
    """An event as a row of the prototype's file; it arrives at the end of its half day."""
    occurred = datetime.fromisoformat(at)
    half = "12:00:00" if occurred.hour < 12 else "23:59:59"
    return {
        "id_evt": f"{occurred:%Y%m%d%H%M%S}{number}",
        "date_occur_evt": at,
        "date_system_evt": f"{occurred:%Y-%m-%d} {half}",
        "type_evt": f"ev_{kind}",
        "type_equipement": kind,
        "id_equipement": str(equipment),
        "info_div": "",
        **other,
    }


def usual_events() -> Iterator[dict[str, str]]:
    """Each equipment at the edges of each day around New Year, with or without a place."""
    number = 0
    for day in DAYS:
        for kind, equipment in EQUIPMENT:
            for time in ("00:00:00", "23:59:59"):
                number += 1
                # A day on which meter 15 sends nothing.
                if (equipment, day) != (15, DAYS[1]):
                    yield event(number, f"{day} {time}", kind, equipment)


ODD = {
    "unknown_type": event(1, "2020-12-28 10:00:00", "C", 11, type_evt="ev_C999"),
    "unknown_equipment": event(2, "2020-12-28 10:00:01", "C", 99),
    "late": event(3, "2020-12-28 10:00:02", "C", 11, date_system_evt="2020-12-31 10:00:03"),
    # On the day on which its meter sends nothing.
    "future": event(4, "2020-12-29 10:00:03", "C", 15, date_system_evt="2020-12-28 12:00:00"),
    "meaning": event(5, "2020-12-29 10:00:04", "C", 11, type_evt="ev_C21", info_div="lid"),
    "reset": event(6, "2018-06-01 00:00:00", "C", 11, date_system_evt="2020-12-28 12:00:00"),
}
# The same hour twice, and an hour that no clock showed.
NIGHTS = [
    event(number, f"{night} 02:30:00", "C", 11)
    for number, night in enumerate(["2021-10-31", "2021-10-31", "2021-03-28"])
]
MALFORMED = [
    ("2020-12-30 01:02:03", "one,2020-12-30 01:02:03,2020-12-30 12:00:00,ev_C,C,eleven,"),
    (None, "two,yesterday,2020-12-30 12:00:00,ev_C,C,11,"),
]
EVENTS = [*usual_events(), *ODD.values(), *NIGHTS]


def line(row: dict[str, str]) -> str:
    return ",".join(row[name] for name in COLUMNS)


def messages(rows: Sequence[dict[str, str]]) -> list[Message]:
    """Every second event in the prototype's shape, the others as an object each, with a key."""
    found: list[Message] = [
        (None, json.dumps({"event.csv_row0": ",".join(COLUMNS)}).encode(), None)
    ]
    for at, row in enumerate(rows):
        if at % 2:
            value = json.dumps({f"event.csv_row{at}": line(row)})
            found.append((None, value.encode(), None))
        else:
            value = json.dumps({**row, "id_equipement": int(row["id_equipement"])})
            key = f"{row['type_equipement']}:{row['id_equipement']}"
            found.append((key.encode(), value.encode(), None))
    return found


BROKEN: list[Message] = [
    *((None, json.dumps({"event.csv_row1": text}).encode(), None) for _, text in MALFORMED),
    (None, json.dumps({"id_evt": "1", "date_occur_evt": "2020-12-30 01:02:03"}).encode(), None),
]
# In three parts, and one event of each part again in the last.
PARTS = [EVENTS[:60], EVENTS[60:90], EVENTS[90:]]
AGAIN = [PARTS[0][3], PARTS[1][4], PARTS[0][3]]


@dataclass
class Lake:
    """A lake for a test: a topic, and raw tables and layers with a prefix."""

    name: str
    run: Run
    sql: Sql
    send: Send
    folder: Path
    profiles: Path

    def __post_init__(self) -> None:
        (self.folder / "park").mkdir(parents=True)
        text = f"""
            ledger = "{self.name}_raw.loader_batches"
            [kafka.default]
            bootstrap_servers = "${{KAFKA_BOOTSTRAP_SERVERS}}"
            [[kafka.default.topics]]
            topic = "{self.name}"
            table = "{self.name}_raw.meter_events"
            [files.park]
            path = "{self.folder}/park/*.csv"
            table = "{self.name}_raw.park_{{name}}"
            """
        (self.folder / "loader.toml").write_text(text, encoding="utf-8")

    def round(
        self, sent: Iterable[Message], park: dict[str, str] | None = None, *more: str
    ) -> None:
        """Send, load and build."""
        self.send(self.name, sent)
        for name, text in (park or {}).items():
            (self.folder / "park" / f"{name}.csv").write_text(text, encoding="utf-8")
        loaded = self.run("loader", "--config", self.folder / "loader.toml")
        assert loaded.code == 0, loaded.text
        self.build(*more)

    def build(self, *more: str, select: str = "tag:meters") -> None:
        more = more or ("--exclude-resource-type", "unit_test")
        built = self.dbt("build", "--select", select, *more)
        assert built.code == 0, built.text[-5000:]

    def dbt(self, *words: str, raw: str = "") -> Answer:
        """Run dbt on this lake; ``raw`` replaces the schema of its raw tables."""
        return self.run(
            "dbt", *words, "--target", "test", "--profiles-dir", self.profiles,
            DBT_TEST_SCHEMA=self.name, LACUSTRE_RAW_SCHEMA=raw or f"{self.name}_raw",
        )  # fmt: skip

    def ask(self, statement: str) -> Rows:
        """The rows of a query in which `lake.` and `views.` are replaced by this lake's schemas."""
        for layer in ("staging", "quarantine", "snapshots", "lake", "views"):
            statement = statement.replace(f" {layer}.", f" {self.name}_{layer}.")
        return [tuple(row) for row in self.sql(statement)]

    def versions(self, mark: bool = False) -> dict[str, Any]:
        """The newest Delta version of each table that dbt writes. For a view, a property that it
        loses when it is created again; ``mark`` sets it on all views.
        """
        found = {}
        for layer in ("staging", "snapshots", "lake"):
            schema = f"{self.name}_{layer}"
            views = {row[1] for row in self.sql(f"show views in {schema}")}
            for row in self.sql(f"show tables in {schema}"):
                name = f"{schema}.{row[1]}"
                if row[1] == "builds":
                    continue  # every build writes a row there
                if row[1] not in views:
                    found[name] = self.sql(f"describe history {name} limit 1")[0][0]
                    continue
                if mark:
                    self.sql(f"alter view {name} set tblproperties ('marked' = 'yes')")
                properties = self.sql(f"show tblproperties {name}")
                found[name] = dict(map(tuple, properties)).get("marked")
        return found


WITHOUT_VIEWS = (
    "--exclude", "tag:views", "tag:quarantine", "--exclude-resource-type", "test", "unit_test",
)  # fmt: skip


@pytest.fixture(scope="module")
def lakes(
    run: Run,
    sql: Sql,
    send: Send,
    kafka_bootstrap_servers: str,
    tmp_path_factory: pytest.TempPathFactory,
    profiles: Path,
) -> Callable[[str], Lake]:
    folder = tmp_path_factory.mktemp("meters")

    def made(name: str) -> Lake:
        with closing(KafkaAdminClient(bootstrap_servers=kafka_bootstrap_servers)) as admin:
            admin.create_topics({name: {"num_partitions": 2}}, wait_for_metadata=True)
        return Lake(name, run, sql, send, folder / name, profiles)

    return made


@pytest.fixture(scope="module")
def at_once(lakes: Callable[[str], Lake]) -> Lake:
    """The lake that was built from all data in one build."""
    lake = lakes("at_once")
    lake.round([*messages(EVENTS), *BROKEN, *messages(AGAIN)], PARK)
    return lake


PLACES = (
    "select equipment_type, equipment_id, cast(occurred_on as string), park_key is not null, "
    "placed_at from lake.meter_event_counts"
)


@dataclass
class Steps:
    """Results between the builds of the lake that was built day by day."""

    lake: Lake
    before: dict[str, Any]
    after: dict[str, Any]
    first_places: Rows
    places: Rows
    first_known: Rows


@pytest.fixture(scope="module")
def by_day(lakes: Callable[[str], Lake]) -> Steps:
    """Four builds, the third with a correction of the park, and one without new data."""
    lake = lakes("by_day")
    lake.round(messages(PARTS[0]), FIRST_PARK, *WITHOUT_VIEWS)
    lake.round(messages(PARTS[1]), None, *WITHOUT_VIEWS)
    first = lake.ask(PLACES)
    known = lake.ask("select commune_code from lake.meter_park where equipment_id = 17")
    lake.round(messages(PARTS[2]), PARK, *WITHOUT_VIEWS)
    now = lake.ask(PLACES)
    # Only duplicates and unreadable lines.
    lake.round([*messages(AGAIN), *BROKEN], None, *WITHOUT_VIEWS)
    before = lake.versions(mark=True)
    lake.build(*WITHOUT_VIEWS)
    return Steps(lake, before, lake.versions(), first, now, known)


@pytest.fixture(scope="module")
def park_alone(
    lakes: Callable[[str], Lake],
) -> tuple[Lake, Rows, Rows]:
    """Days in random order, half of the events late and after the correction of the park, which is
    loaded alone. Returns the lake, and the places before and after the correction.
    """
    lake = lakes("out_of_order")
    rows = random.Random(5).sample([*EVENTS, *AGAIN], len(EVENTS) + len(AGAIN))
    lake.round([*messages(rows[::2]), *BROKEN], FIRST_PARK, *WITHOUT_VIEWS)
    before = lake.ask(PLACES)
    lake.round([], PARK, *WITHOUT_VIEWS)
    after = lake.ask(PLACES)
    for part in (rows[1::4], rows[3::4]):
        lake.round(messages(part), None, *WITHOUT_VIEWS)
    return lake, before, after


@pytest.fixture(scope="module")
def out_of_order(
    park_alone: tuple[Lake, Rows, Rows],
) -> Lake:
    return park_alone[0]


@pytest.fixture(scope="module")
def park() -> dict[str, meter_counts.Rows]:
    """The park's usable rows."""
    tables = {name: list(csv.DictReader(text.splitlines())) for name, text in PARK.items()}
    tables["installation_c"] = [
        row for row in tables["installation_c"] if row["date_deb"].isdecimal()
    ]
    return tables


def test_each_statistic_equals_a_count_of_the_events(
    at_once: Lake, park: dict[str, meter_counts.Rows]
) -> None:
    for (by, period), expected in meter_counts.count(EVENTS, park).items():
        found = at_once.ask(meter_counts.query(by, period))
        if by == "region":
            # The file has all overseas départements in one région; see below.
            continue
        assert {row[:-1]: row[-1] for row in found} == dict(expected), (by, period)
        assert len(found) == len(expected)
    found = at_once.ask(
        "select region_code, region_label, sum(events) "
        "from views.meter_event_counts_by_region_annual group by all order by 1 nulls first"
    )
    find = meter_counts.place_of(park)
    regions = {"93": ("11", "ILE-DE-FRANCE"), "2A": ("94", "CORSE"), "42": ("82", "RHONE-ALPES"),
               "974": ("04", "REUNION"), "972": ("02", "MARTINIQUE")}  # fmt: skip
    expected_regions: Counter[tuple[str | None, str | None]] = Counter()
    for row in EVENTS:
        day = date.fromisoformat(row["date_occur_evt"][:10])
        place = find(row["type_equipement"], int(row["id_equipement"]), day)
        expected_regions[regions.get(place.get("departement_code", ""), (None, None))] += 1
    assert {(row[0], row[1]): row[2] for row in found} == dict(expected_regions)


def test_weeks_around_new_year_are_iso_weeks_and_days_have_their_names(at_once: Lake) -> None:
    found = at_once.ask(
        "select distinct period_start, iso_year, iso_week "
        "from views.meter_event_counts_by_type_weekly"
    )
    assert {row[1:] for row in found} == {(2018, 22), (2020, 53), (2021, 1), (2021, 12), (2021, 43)}
    assert all(date.fromisoformat(row[0]).isocalendar() == (*row[1:], 1) for row in found)
    found = at_once.ask(
        "select distinct period_start, iso_year, iso_week, day_of_week, year, month, day_of_month "
        "from views.meter_event_counts_by_pdk_daily"
    )
    assert len(found) == 11
    for text, *rest in found:
        day = date.fromisoformat(text)
        assert tuple(rest) == (*day.isocalendar(), day.year, day.month, day.day)


@pytest.mark.exhaustive
@pytest.mark.parametrize("way", ["by_day", "out_of_order"])
def test_every_way_to_build_gives_identical_tables(
    at_once: Lake, way: str, request: pytest.FixtureRequest
) -> None:
    made = request.getfixturevalue(way)
    lake = made.lake if isinstance(made, Steps) else made
    for table, bookkeeping in (
        ("meter_events", "batch_id, received_at"),
        ("meter_event_counts", "batch_id, placed_at"),
        ("meter_event_delays", "batch_id"),
        ("meter_park", "park_key"),
        ("meter_equipment", "manufacturer_id"),
    ):
        query = f"select * except ({bookkeeping}) from lake.{table}"
        expected = Counter(at_once.ask(query))
        assert expected
        assert Counter(lake.ask(query)) == expected, table
    for each in (at_once, lake):
        found = each.ask("select count(*), max(copy_number) from lake.meter_event_duplicates")
        assert found == [(3, 3)], each.name


@pytest.mark.exhaustive
def test_a_build_without_anything_new_writes_nothing(by_day: Steps) -> None:
    tables = [version for version in by_day.before.values() if version != "yes"]
    assert len(tables) == 10 + 3  # with the seeds
    assert len(by_day.before) > len(tables)
    assert by_day.after == by_day.before


@pytest.mark.exhaustive
def test_a_change_of_the_park_places_again_the_events_that_it_touches_and_no_others(
    by_day: Steps,
) -> None:
    def unplaced(rows: Rows) -> set[tuple[str, int, str]]:
        return {row[:3] for row in rows if not row[3]}

    was, now = {row[:3]: row[4] for row in by_day.first_places}, by_day.places
    # Meter 14 was not yet known, 12 had not left, 13 had already left.
    first, last = unplaced(by_day.first_places), unplaced(now)
    assert ("C", 14, "2021-01-01") in first
    assert ("C", 14, "2021-01-01") not in last
    assert ("C", 12, "2021-01-01") not in first
    assert ("C", 12, "2021-01-01") in last
    assert ("C", 13, "2020-12-31") in first & last
    # A day with new events is counted again; on other days only meters that moved were written.
    counted = {row["date_occur_evt"][:10] for row in PARTS[2]}
    untouched = [row for row in now if row[:3] in was and row[2] not in counted]
    assert len(untouched) > 2 * 7
    written = {row[:2] for row in untouched if row[4] != was[row[:3]]}
    assert written == {("C", 12), ("C", 14)}


@pytest.mark.exhaustive
def test_a_change_of_the_park_alone_places_events_again(
    park_alone: tuple[Lake, Rows, Rows],
    park: dict[str, meter_counts.Rows],
) -> None:
    _, before, after = park_alone
    find = meter_counts.place_of(park)

    def misplaced(rows: Rows) -> set[tuple[str, int]]:
        return {row[:2] for row in rows
                if row[3] != bool(find(row[0], row[1], date.fromisoformat(row[2])))}  # fmt: skip

    assert misplaced(before) == {("C", 12), ("C", 14)}
    assert misplaced(after) == set()
    written = set(after) - set(before)
    assert {row[:2] for row in written} == {("C", 12), ("C", 14)}


@pytest.mark.exhaustive
def test_the_park_is_known_as_it_is_and_as_it_was(by_day: Steps) -> None:
    assert by_day.first_known == [("42002",)]
    found = by_day.lake.ask(
        "select commune_code, known_to is null from lake.meter_park_history "
        "where equipment_id = 17 order by known_from"
    )
    assert found == [("42002", False), ("42001", True)]
    by_day.lake.build("--exclude-resource-type", "test", select="meter_park_as_known")
    for clock, commune in (("min(known_from)", "42002"), ("max(known_from)", "42001")):
        found = by_day.lake.ask(
            "select commune_code from views.meter_park_as_known as park, (select "
            f"{clock} as at from lake.meter_park_history where equipment_id = 17) as clock "
            "where equipment_id = 17 and known_from <= at and (known_to is null or known_to > at)"
        )
        assert found == [(commune,)], clock
    closed = by_day.lake.ask(
        "select count(*) from snapshots.snap_park__installations where dbt_valid_to is not null"
    )
    assert closed == [(1,)]
    gone = by_day.lake.ask(
        "select commune_code from snapshots.snap_park__communes where dbt_valid_to is not null"
    )
    assert gone == [("42002",)]


def test_the_park_today_has_each_equipment_in_service_once(at_once: Lake) -> None:
    found = at_once.ask(
        "select equipment_type, equipment_id, pdc_id, concentrator_id "
        "from views.meter_park_today order by all"
    )
    assert found == [
        ("C", 11, 101, 12), ("C", 12, 102, 12), ("C", 14, 104, 12), ("C", 15, 105, None),
        ("C", 17, 107, None), ("K", 12, None, 12),
    ]  # fmt: skip


def test_oddities_of_the_park_are_reported(at_once: Lake) -> None:
    found = at_once.ask(
        "select reason, equipment_id, place_id, other_place_id, cast(overlaps_from as string), "
        "cast(overlaps_to as string) from quarantine.park_overlaps"
    )
    assert found == [("two_places", 15, 105, 106, "2020-12-30", "2021-01-02")]
    found = at_once.ask("select file_name, reason from quarantine.park_lines order by all")
    assert found == [
        ("compteurs", "repeated"), ("compteurs", "wrong_id_compteur"),
        ("installation_c", "repeated"), ("installation_c", "wrong_date_deb"),
    ]  # fmt: skip


def test_each_oddity_of_the_events_is_counted_by_its_day_and_reason(
    at_once: Lake, park: dict[str, meter_counts.Rows]
) -> None:
    today = at_once.ask("select cast(max(cast(received_at as date)) as string) "
                        "from quarantine.meter_messages")[0][0]  # fmt: skip
    expected: Counter[tuple[str, str]] = Counter(
        {
            ("2020-12-28", "unknown_type"): 1,
            ("2020-12-28", "unknown_equipment"): 1,
            ("2020-12-28", "late"): 1,
            ("2018-06-01", "late"): 1,
            ("2020-12-29", "future"): 1,
            ("2020-12-30", "malformed"): 1,
            (today, "malformed"): 2,
        }
    )
    find = meter_counts.place_of(park)
    for row in EVENTS:
        day = row["date_occur_evt"][:10]
        equipment = row["type_equipement"], int(row["id_equipement"])
        expected[day, "unplaced"] += not find(*equipment, date.fromisoformat(day))
    for row in AGAIN:
        expected[row["date_occur_evt"][:10], "duplicate"] += 1
    found = at_once.ask("select cast(day as string), reason, events from views.meter_data_quality")
    assert {row[:2]: row[2] for row in found} == dict(+expected)


def test_an_event_type_has_its_meaning(at_once: Lake) -> None:
    found = at_once.ask(
        "select type_evt, event_category, event_severity, event_label "
        "from views.meter_event_counts_by_type_annual "
        "where event_type in ('ev_C', 'ev_C21', 'ev_C999') and year = 2020 order by 1"
    )
    assert found == [
        ("ev_C", "meter", "information", "event of a meter"),
        ("ev_C21", "cover", "warning", "terminal cover opened"),
        ("ev_C999", None, None, None),
    ]


def test_delays_are_those_of_the_events(at_once: Lake) -> None:
    delays = defaultdict(list)
    for row in EVENTS:
        occurred = datetime.fromisoformat(row["date_occur_evt"])
        delay = datetime.fromisoformat(row["date_system_evt"]) - occurred
        if row is not ODD["future"]:
            delays[occurred.year].append(int(delay.total_seconds()))
    expected = {}
    for year, found in delays.items():
        ordered = sorted(found)
        at = [ordered[-(-len(ordered) * percent // 100) - 1] for percent in (50, 95)]
        expected[year] = (len(ordered), *(math.ceil(each / 60) for each in at), ordered[-1])
    rows = at_once.ask(
        "select year(period_start), events, median_delay_minutes, p95_delay_minutes, "
        "max_delay_seconds from views.meter_arrival_delays where period = 'year'"
    )
    assert {row[0]: row[1:] for row in rows} == expected


def test_silent_days_and_rates_are_those_of_the_equipment_in_service(
    at_once: Lake, park: dict[str, meter_counts.Rows]
) -> None:
    find = meter_counts.place_of(park)
    last = max(date.fromisoformat(row["date_occur_evt"][:10]) for row in EVENTS)
    days = [DAYS[0] + timedelta(days=at) for at in range((last - DAYS[0]).days + 1)]
    served: Counter[tuple[int, str, int]] = Counter()
    heard: Counter[tuple[int, str, int]] = Counter()
    honest = [row for row in EVENTS if row is not ODD["future"]]
    active = {(row["type_equipement"], int(row["id_equipement"]), row["date_occur_evt"][:10])
              for row in honest}  # fmt: skip
    for day in days:
        for kind, number in EQUIPMENT:
            if find(kind, number, day):
                served[day.year, kind, number] += 1
                heard[day.year, kind, number] += (kind, number, day.isoformat()) in active
    rows = at_once.ask(
        "select year(period_start), equipment_type, equipment_id, days_in_service, "
        "days_without_events from views.meter_days_without_events where period = 'year'"
    )
    assert {row[:3]: row[3:] for row in rows} == {
        key: (number, number - heard[key]) for key, number in served.items()
    }
    makers = {int(row["id_compteur"]): row["constructeur_id"] for row in park["compteurs"]
              if row["id_compteur"].isdecimal()}  # fmt: skip
    placed: Counter[str] = Counter()
    equipment_days: Counter[str] = Counter()
    for row in honest:
        number, occurred = int(row["id_equipement"]), row["date_occur_evt"][:10]
        if (
            row["type_evt"] == "ev_C"
            and occurred < "2021"
            and find("C", number, date.fromisoformat(occurred))
        ):
            placed.update(("all", makers[number]))
    for (year, kind, number), in_service in served.items():
        if (year, kind) == (2020, "C"):
            for part in ("all", makers[number]):
                equipment_days[part] += in_service
    rows = at_once.ask(
        "select code, events, equipment_days, events_per_1000 from views.meter_event_rates "
        "where period = 'year' and year(period_start) = 2020 and event_type = 'ev_C' "
        "and dimension in ('all', 'manufacturer')"
    )
    assert sorted(row[0] for row in rows) == ["1", "2", "3", "all"]
    for part, events, found_days, rate in rows:
        assert (events, found_days) == (placed[part], equipment_days[part]), part
        assert rate == pytest.approx(1000 * events / (found_days / 4)), part


def test_changes_compare_with_the_period_before(at_once: Lake) -> None:
    by_day = Counter(row["date_occur_evt"][:10] for row in EVENTS if row["type_evt"] == "ev_K")
    rows = at_once.ask(
        "select cast(period_start as string), events, previous_events, year_before_events "
        "from views.meter_event_changes where period = 'day' and dimension = 'all' "
        "and event_type = 'ev_K' order by 1"
    )
    ordered = sorted(by_day)
    expected = [
        (day, by_day[day], by_day[before] if before else None, None)
        for before, day in zip([None, *ordered], ordered, strict=False)
    ]
    stopped = date.fromisoformat(ordered[-1]) + timedelta(days=1)
    assert rows == [*expected, (stopped.isoformat(), 0, by_day[ordered[-1]], None)]


def test_each_placed_event_is_counted_at_its_commune(at_once: Lake) -> None:
    query = (
        "select cast({day} as string), event_type, commune_code, {number} "
        "from views.{view} group by all"
    )
    placed, counted = (
        Counter(at_once.ask(query.format(day=day, number=number, view=view)))
        for day, number, view in (
            ("occurred_on", "count(*)", "meter_placed_events"),
            ("period_start", "sum(events)", "meter_event_counts_by_commune_daily"),
        )
    )
    assert placed == counted
    assert any(row[2] is None for row in placed)
    ((unplaced, reported),) = at_once.ask(
        "select count_if(not is_placed), (select sum(events) from views.meter_data_quality "
        "where reason = 'unplaced') from views.meter_placed_events"
    )
    assert unplaced == reported == sum(row[3] for row in placed if row[2] is None)


def test_events_belong_to_makers_and_to_the_concentrator_in_service(at_once: Lake) -> None:
    found = at_once.ask(
        "select concentrator_id, min(period_start), max(period_start) "
        "from views.meter_event_counts_by_concentrator "
        "where period = 'day' and concentrator_id is not null group by 1 order by 1"
    )
    assert found == [
        (11, "2020-12-28", "2020-12-31"),
        (12, "2021-01-01", "2021-10-31"),
    ]
    found = at_once.ask(
        "select equipment_type, manufacturer_id, sum(events) "
        "from views.meter_event_counts_by_manufacturer where period = 'year' group by all"
    )
    makers = {(row_type, int(row[column])): int(row["constructeur_id"])
              for row_type, table, column in (("C", "compteurs", "id_compteur"),
                                              ("K", "concentrateurs", "id_consentrateur"))
              for row in csv.DictReader(PARK[table].splitlines())
              if row[column].isdecimal()}  # fmt: skip
    expected: Counter[tuple[str, int | None]] = Counter()
    for row in EVENTS:
        equipment = row["type_equipement"], int(row["id_equipement"])
        expected[equipment[0], makers.get(equipment)] += 1
    assert {row[:2]: row[2] for row in found} == dict(expected)


def test_a_park_from_its_database_takes_the_place_of_the_files_and_is_the_same(
    out_of_order: Lake, park: dict[str, meter_counts.Rows], postgres: Source
) -> None:
    lake = out_of_order

    def kind(column: str) -> str:
        if column.startswith("date"):
            return "date"
        is_text = "libelle" in column or "insee" in column.lower() or column == "id_departement"
        return "varchar(60)" if is_text else "integer"

    for name, rows in park.items():
        columns = ", ".join(f'"{column}" {kind(column)}' for column in rows[0])
        # Other tests have a park in this database, too.
        postgres.ask(f"drop table if exists {name}")
        postgres.ask(f"create table {name} ({columns})")
        marks = ", ".join(["%s"] * len(rows[0]))
        for row in rows:
            # No database accepts x as a number, or one meter twice.
            if not {"x", "013"} & set(row.values()):
                values = [value or None for value in row.values()]
                postgres.ask(f"insert into {name} values ({marks})", *values)
    # A difference that shows that the database is read.
    postgres.ask("update compteurs set constructeur_id = 9 where id_compteur = 11")
    body = f'include = {json.dumps([*park])}\ntable = "{lake.name}_raw.parc_{{table}}"'
    section = postgres.section(body, name="parc")
    config = lake.folder / "database.toml"
    config.write_text(f'ledger = "{lake.name}_raw.loader_batches"\n{section}', encoding="utf-8")
    query = (
        "select equipment_type, equipment_id, manufacturer_id, * except (known_to) "
        "from lake.meter_park_history where known_to is null"
    )
    before = set(lake.ask(query))
    loaded = lake.run("loader", "--config", config, PARC_PASSWORD=PLANTED)
    assert loaded.code == 0, loaded.text
    lake.build(*WITHOUT_VIEWS, select="+meter_park_history")
    after = set(lake.ask(query))
    assert {row[:3] for row in before - after} == {("C", 11, 1)}
    assert {row[:3] for row in after - before} == {("C", 11, 9)}


@pytest.mark.exhaustive
def test_more_copies_than_a_statement_can_name_are_found(out_of_order: Lake) -> None:
    """A producer that sends a whole file again: 10,050 events in one message."""
    lake = out_of_order
    first = datetime(2022, 5, 1)
    rows = [event(at, f"{first + timedelta(seconds=at)}", "C", 11) for at in range(10_050)]
    file = json.dumps({f"event.csv_row{at}": line(row) for at, row in enumerate(rows)})
    lake.send(lake.name, [(None, file.encode(), None)] * 2)
    loaded = lake.run("loader", "--config", lake.folder / "loader.toml")
    assert loaded.code == 0, loaded.text
    lake.build(*WITHOUT_VIEWS, select="stg_meters__events meter_event_copies")
    found = lake.ask(
        "select copy_number, count(*), count(distinct event_id) from lake.meter_event_arrivals "
        "where occurred_on = '2022-05-01' group by copy_number order by copy_number"
    )
    assert found == [(1, len(rows), len(rows)), (2, len(rows), len(rows))]
