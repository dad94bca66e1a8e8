"""The meter data set keeps its format, its answers and its bytes."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections import Counter
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.errors import SimulatorError
from simulator.meters import HEADER, MeterSettings, write_meters

ROOT = Path(__file__).parents[2]
PARK = {
    "communes.csv": "id_commune,id_departement,id_region,Code INSEE,libelle_commune",
    "compteurs.csv": "id_compteur,constructeur_id",
    "concentrateurs.csv": "id_consentrateur,constructeur_id",
    "departements.csv": "id_departement,id_region,libelle_departement",
    "installation_c.csv": "id_pdc,id_compteur,date_deb,date_fin",
    "installation_k.csv": "id_pdk,id_concentrateurs,date_deb,date_fin",
    "pdc.csv": "id_pdc,id_pdk,code_insee_commune",
    "pdk.csv": "id_pdk,code_insee_commune",
    "region.csv": "id_region,libelle_region",
}


def tree(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def first_day(period: str, day: date) -> date:
    year, week, _ = day.isocalendar()
    return {
        "day": day,
        "week": date.fromisocalendar(year, week, 1),
        "month": date(day.year, day.month, 1),
        "year": date(day.year, 1, 1),
    }[period]


def readable_events(root: Path) -> list[tuple[date, str, str, int]]:
    """The events a careful reader finds in the files."""
    events = []
    for path in sorted(root.glob("events/event_*.csv")):
        for line in path.read_text(encoding="utf-8").splitlines()[1:]:
            fields = line.split(",")
            try:
                occurred = datetime.strptime(fields[1], "%Y-%m-%d %H:%M:%S")
            except ValueError:
                continue
            if len(fields) == 7:
                events.append((occurred.date(), fields[3], fields[4], int(fields[5])))
    return events


def place_of(root: Path, day: date, kind: str, equipment: int) -> tuple[Any, ...]:
    """(id_pdk, commune, département, région) from the park files, Nones when not installed."""
    typed = kind == "C"
    name = "installation_c.csv" if typed else "installation_k.csv"
    for row in table(root / "park" / name):
        if int(row["id_compteur" if typed else "id_concentrateurs"]) != equipment:
            continue
        stamp = f"{day:%Y%m%d}"
        if not row["date_deb"] <= stamp <= (row["date_fin"] or "99999999"):
            continue
        if typed:
            (place,) = (p for p in table(root / "park/pdc.csv") if p["id_pdc"] == row["id_pdc"])
        else:
            (place,) = (p for p in table(root / "park/pdk.csv") if p["id_pdk"] == row["id_pdk"])
        code = place["code_insee_commune"]
        (commune,) = (c for c in table(root / "park/communes.csv") if c["Code INSEE"] == code)
        return int(place["id_pdk"]), code, commune["id_departement"], int(commune["id_region"])
    return None, None, None, None


def assert_answers_are_true(root: Path) -> None:
    answers = json.loads((root / "manifest.json").read_bytes())["answers"]
    events = readable_events(root)
    assert answers["events"] == len(events)
    by_type: Counter[tuple[Any, ...]] = Counter()
    by_equipment: Counter[tuple[Any, ...]] = Counter()
    by_place: Counter[tuple[Any, ...]] = Counter()
    for (day, *rest), count in Counter(events).items():
        where = place_of(root, day, str(rest[1]), int(str(rest[2])))
        for period in ("day", "week", "month", "year"):
            key = (period, first_day(period, day).isoformat())
            by_type[(*key, rest[0])] += count
            by_equipment[(*key, *rest)] += count
            by_place[(*key, rest[0], *where)] += count
    for name, counts in (
        ("by_type", by_type),
        ("by_equipment", by_equipment),
        ("by_place", by_place),
    ):
        assert {tuple(row.values())[:-1]: row["count"] for row in answers[name]} == counts


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("meters")
    write_meters(root, MeterSettings(seed=7, start=date(2024, 1, 1), days=3))
    return root


def test_event_days_have_the_format_of_the_field(made: Path) -> None:
    files = sorted((made / "events").glob("event_*.csv"))
    assert [file.name for file in files] == [
        f"event_{date(2024, 1, 1) + timedelta(days=i):%Y%m%d}.csv" for i in range(3)
    ]
    bad = {
        (row["file"], row["row"])
        for row in json.loads((made / "manifest.json").read_bytes())["defects"]["malformed"]
    }
    for file in files:
        content = file.read_bytes()
        assert content.endswith(b",\n") and b"\r" not in content and b'"' not in content
        header, *lines = content.decode().splitlines()
        assert header == HEADER
        assert len(lines) == 8640
        for slot, line in enumerate(lines):
            if (file.name, slot + 1) in bad:
                continue
            occurred = datetime.strptime(file.name, "event_%Y%m%d.csv") + timedelta(
                seconds=10 * slot
            )
            arrival = "12:00:00" if occurred.hour < 12 else "23:59:59"
            event, occurrence, system, kind, equipment, number, info = line.split(",")
            assert event == f"{occurred:%Y%m%d%H%M%S}"
            assert occurrence == f"{occurred:%Y-%m-%d %H:%M:%S}"
            assert system == f"{occurred:%Y-%m-%d} {arrival}"
            assert (kind, equipment) in {("ev_C", "C"), ("ev_K", "K"), ("ev_N", "K")}
            assert int(number) >= 1
            assert info == ""


def test_park_has_the_files_and_columns_of_the_field(made: Path) -> None:
    assert {path.name for path in (made / "park").iterdir()} == set(PARK)
    for name, header in PARK.items():
        content = (made / "park" / name).read_bytes()
        assert content.decode().splitlines()[0] == header
        assert content.endswith(b"\n") and b"\r" not in content


def test_park_holds_what_makes_joins_hard(made: Path) -> None:
    communes = table(made / "park/communes.csv")
    used = {row["code_insee_commune"] for row in table(made / "park/pdc.csv")}
    montreuils = [row for row in communes if row["libelle_commune"] == "MONTREUIL"]
    assert len({row["id_departement"] for row in montreuils}) == 2
    assert {row["Code INSEE"] for row in montreuils} <= used
    assert len({row["id_region"] for row in communes if row["Code INSEE"] in used}) > 2

    meters = {row["id_compteur"] for row in table(made / "park/compteurs.csv")}
    concentrators = {row["id_consentrateur"] for row in table(made / "park/concentrateurs.csv")}
    assert concentrators < meters

    rows = table(made / "park/installation_c.csv")
    (pdc,) = (pdc for pdc, n in Counter(row["id_pdc"] for row in rows).items() if n == 2)
    before, after = (row for row in rows if row["id_pdc"] == pdc)
    assert (before["date_fin"], after["date_deb"]) == ("20240101", "20240102")
    gone = [row for row in rows if row["date_fin"] and row["id_pdc"] != pdc]
    assert [row["date_fin"] for row in gone] == ["20240102"]


def test_answers_equal_a_recount_of_the_files(made: Path) -> None:
    assert_answers_are_true(made)


def test_planted_rows_are_where_the_manifest_says(made: Path) -> None:
    manifest = json.loads((made / "manifest.json").read_bytes())
    defects = manifest["defects"]
    assert {name: len(rows) for name, rows in defects.items()} == {
        "malformed": 3,
        "duplicates": 5,
        "unplaced": 5,
    }
    for row in (row for rows in defects.values() for row in rows):
        lines = (made / "events" / row["file"]).read_text(encoding="utf-8").splitlines()
        assert lines[row["row"]] == row["line"]
    resent = (made / "events/resend.txt").read_text(encoding="utf-8").split()
    assert resent == [f"{row['file']}_row{row['row']}" for row in defects["duplicates"]]
    unplaced = [
        row
        for row in manifest["answers"]["by_place"]
        if row["period"] == "year" and row["id_pdk"] is None
    ]
    assert [row["count"] for row in unplaced] == [5]


def test_the_same_command_writes_the_same_bytes(tmp_path: Path) -> None:
    def make(name: str, **environment: str) -> dict[str, bytes]:
        command = "meters --from 2024-12-30 --days 2 --seed 3 --events-per-day 100 --out"
        subprocess.run(
            [sys.executable, "-m", "simulator", *command.split(), str(tmp_path / name)],
            cwd=ROOT,
            env={**os.environ, **environment},
            check=True,
            capture_output=True,
        )
        return tree(tmp_path / name)

    one = make("one", PYTHONHASHSEED="1", TZ="Asia/Tokyo", LC_ALL="C")
    two = make("two", PYTHONHASHSEED="2", TZ="America/Lima", LC_ALL="C.UTF-8")
    assert one == two
    again = make("one", PYTHONHASHSEED="3")
    assert again == two


def test_another_seed_gives_other_events(tmp_path: Path) -> None:
    for seed in (1, 2):
        write_meters(tmp_path / str(seed), MeterSettings(seed, date(2024, 1, 1), 1))
    name = "events/event_20240101.csv"
    assert (tmp_path / "1" / name).read_bytes() != (tmp_path / "2" / name).read_bytes()


def test_a_shorter_data_set_leaves_nothing_of_the_longer_one(tmp_path: Path) -> None:
    write_meters(tmp_path, MeterSettings(7, date(2024, 1, 1), 3, events_per_day=50))
    write_meters(tmp_path, MeterSettings(7, date(2024, 1, 1), 1, events_per_day=50))
    assert len(list(tmp_path.glob("events/event_*.csv"))) == 1


def test_a_folder_with_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(SimulatorError, match="not empty"):
        write_meters(tmp_path, MeterSettings(7, date(2024, 1, 1), 1))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_too_many_defects_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SimulatorError, match="no room"):
        write_meters(tmp_path, MeterSettings(7, date(2024, 1, 1), 1, events_per_day=4))


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    start=st.dates(date(2000, 1, 1), date(2040, 1, 1)),
    days=st.integers(1, 9),
    meters=st.integers(4, 90),
    events=st.integers(40, 200),
)
def test_answers_are_true_for_any_seed_and_size(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    start: date,
    days: int,
    meters: int,
    events: int,
) -> None:
    root = tmp_path_factory.mktemp("any")
    write_meters(root, MeterSettings(seed, start, days, meters=meters, events_per_day=events))
    assert_answers_are_true(root)
