"""The meter data set: its format, its answers and its bytes."""

from __future__ import annotations

import csv
import json
import os
import pty
import re
import subprocess
import sys
from collections import Counter, defaultdict
from contextlib import suppress
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.cli import main
from simulator.dataset import read_answers
from simulator.errors import SimulatorError
from simulator.geography import DEPARTEMENTS, REGIONS
from simulator.meters import (
    HEADER,
    MeterSettings,
    Shares,
    like_prototype,
    meter_park,
    write_meters,
)

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
PERIODS = {"daily": "day", "weekly": "week", "monthly": "month", "annual": "year"}
# High shares, so that a small data set has every defect.
MANY = Shares(
    late=0.08, duplicates=0.02, malformed=0.02, wrong_clock=0.02,
    unknown_equipment=0.02, unknown_type=0.02, unplaced=0.02,
)  # fmt: skip


def tree(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def manifest(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root / "manifest.json").read_bytes())
    return found


def first_day(period: str, day: date) -> str:
    year, week, _ = day.isocalendar()
    return {
        "daily": day,
        "weekly": date.fromisocalendar(year, week, 1),
        "monthly": date(day.year, day.month, 1),
        "annual": date(day.year, 1, 1),
    }[period].isoformat()


def readable_rows(root: Path) -> list[tuple[datetime, datetime, str, str, int]]:
    """The rows that a careful reader finds in the files, without those of a wrong clock."""
    events = []
    for path in sorted(root.glob("events/event_*.csv")):
        for line in path.read_text(encoding="utf-8").splitlines()[1:]:
            fields = line.split(",")
            try:
                occurred = datetime.strptime(fields[1], "%Y-%m-%d %H:%M:%S")
                arrived = datetime.strptime(fields[2], "%Y-%m-%d %H:%M:%S")
            except ValueError:
                continue
            if len(fields) == 7 and occurred - arrived < timedelta(days=1):
                events.append((occurred, arrived, fields[3], fields[4], int(fields[5])))
    return events


class Places:
    """The places of equipment in the park's files."""

    def __init__(self, root: Path) -> None:
        self._c: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
        self._k: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
        for row in table(root / "park/installation_c.csv"):
            self._c[row["id_compteur"]].append((row["date_deb"], row["date_fin"], row["id_pdc"]))
        for row in table(root / "park/installation_k.csv"):
            at = (row["date_deb"], row["date_fin"], row["id_pdk"])
            self._k[row["id_concentrateurs"]].append(at)
        self._pdc = {row["id_pdc"]: row for row in table(root / "park/pdc.csv")}
        self._pdk = {row["id_pdk"]: row for row in table(root / "park/pdk.csv")}
        self._communes = {row["Code INSEE"]: row for row in table(root / "park/communes.csv")}
        labels = {
            row["id_region"]: row["libelle_region"] for row in table(root / "park/region.csv")
        }
        self._region_codes = dict(REGIONS)
        self._labels = labels

    def of(self, day: date, kind: str, number: int) -> tuple[str, str, str, str]:
        """PDK, commune, département and région codes; empty if it has no place."""
        stamp = f"{day:%Y%m%d}"
        items = (self._c if kind == "C" else self._k).get(str(number), [])
        for first, last, place in items:
            if first <= stamp and (not last or stamp <= last):
                pdk = self._pdc[place]["id_pdk"] if kind == "C" else place
                source = self._pdc if kind == "C" else self._pdk
                code = source[place]["code_insee_commune"]
                if code.startswith("97"):  # the files have all of these in one région
                    departement = code[:3]
                    region = next(r for d, _, r in DEPARTEMENTS if d == departement)
                    return pdk, code, departement, REGIONS[region][1]
                commune = self._communes[code]
                region_code = self._region_codes[self._labels[commune["id_region"]]]
                return pdk, code, commune["id_departement"], region_code
        return "", "", "", ""

    def concentrator(self, day: date, pdk: str) -> str:
        stamp = f"{day:%Y%m%d}"
        for number, items in self._k.items():
            for first, last, place in items:
                if place == pdk and first <= stamp and (not last or stamp <= last):
                    return number
        return ""


def assert_answers_are_true(root: Path) -> None:
    rows = readable_rows(root)
    assert manifest(root)["counts"]["events"] == len(rows)
    places = Places(root)
    makers = {
        **{
            ("C", r["id_compteur"]): r["constructeur_id"]
            for r in table(root / "park/compteurs.csv")
        },
        **{
            ("K", r["id_consentrateur"]): r["constructeur_id"]
            for r in table(root / "park/concentrateurs.csv")
        },
    }
    for period in PERIODS:
        counts: dict[str, Counter[tuple[str, ...]]] = defaultdict(Counter)
        delays: dict[str, list[int]] = defaultdict(list)
        for occurred, arrived, code, kind, number in rows:
            day = occurred.date()
            start = first_day(period, day)
            pdk, commune, departement, region = places.of(day, kind, number)
            served = places.concentrator(day, pdk) if pdk else ""
            for name, key in (
                ("by_type", ()),
                ("by_equipment", (kind, str(number))),
                ("by_commune", (commune,)),
                ("by_departement", (departement,)),
                ("by_region", (region,)),
                ("by_pdk", (pdk,)),
                ("by_manufacturer", (kind, makers.get((kind, str(number)), ""))),
                ("by_concentrator", (served,)),
            ):
                counts[name][(start, code, *key)] += 1
            delays[start].append(int((arrived - occurred).total_seconds()))
        for name, expected in counts.items():
            found = read_answers(root, f"{name}_{period}")
            told = {tuple(row.values())[:-1]: int(row["count"]) for row in found}
            assert len(told) == len(found)
            assert told == expected, (name, period)
        for row in read_answers(root, f"delay_{period}"):
            some = sorted(delays.pop(row["period_start"]))
            assert [int(row[name]) for name in ("events", "median", "p95", "max")] == [
                len(some),
                some[-(-len(some) // 2) - 1],
                some[-(-len(some) * 95 // 100) - 1],
                some[-1],
            ]
        assert not delays


def assert_service_is_true(root: Path) -> None:
    """Compare equipment in service and days without events with the files."""
    made = manifest(root)["parameters"]
    first, last = date.fromisoformat(made["start"]), date.fromisoformat(made["end"])
    busy = {(occurred.date(), kind, number) for occurred, _, _, kind, number in readable_rows(root)}
    service: Counter[tuple[str, str, str]] = Counter()
    silent: Counter[tuple[str, str, str]] = Counter()
    for kind, file, column in (
        ("C", "installation_c", "id_compteur"),
        ("K", "installation_k", "id_concentrateurs"),
    ):
        for row in table(root / f"park/{file}.csv"):
            day = max(first, datetime.strptime(row["date_deb"], "%Y%m%d").date())
            end = datetime.strptime(row["date_fin"] or "99991231", "%Y%m%d").date()
            while day <= min(last, end):
                key = (first_day("monthly", day), kind, row[column])
                service[key] += 1
                silent[key] += (day, kind, int(row[column])) not in busy
                day += timedelta(days=1)
    for row in read_answers(root, "service_monthly"):
        of = {k: v for k, v in service.items() if k[:2] == tuple(row.values())[:2]}
        assert int(row["equipments"]) == len(of)
        assert int(row["equipment_days"]) == sum(of.values())
        assert int(row["days_without_events"]) == sum(silent[key] for key in of)
    assert {
        (row["period_start"], row["type_equipement"], row["id_equipement"]): (
            int(row["days_in_service"]),
            int(row["days_without_events"]),
        )
        for row in read_answers(root, "silent_monthly")
    } == {key: (service[key], days) for key, days in silent.items() if days}


def assert_planted_rows_are_where_they_are_said_to_be(root: Path) -> None:
    counts = manifest(root)["counts"]
    listed: Counter[str] = Counter()
    files = {
        path.name: path.read_text(encoding="utf-8").splitlines()
        for path in root.glob("events/event_*.csv")
    }
    resent: dict[str, list[str]] = defaultdict(list)
    for line in (root / "answers/defects.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        listed[row["kind"]] += 1
        assert files[row["file"]][row["row"]] == row["line"]
        if row["kind"] == "duplicates":
            resent[row["file"]].append(str(row["row"]))
    for name, rows in resent.items():
        beside = (root / "events" / name).with_suffix(".resend")
        assert beside.read_text(encoding="utf-8").split() == rows
    assert len(list(root.glob("events/*.resend"))) == len(resent)
    by_day: Counter[str] = Counter()
    for row in read_answers(root, "quality"):
        by_day[row["reason"]] += int(row["count"])
    for kind, planted in counts["planted"].items():
        assert by_day[kind] == planted
        if kind not in ("late", "unplaced"):
            assert listed[kind] == planted
    assert counts["rows"] == sum(len(lines) - 1 for lines in files.values())
    assert counts["rows"] - counts["planted"]["malformed"] == counts["readable"]
    assert counts["readable"] - counts["planted"]["wrong_clock"] == counts["events"]
    late = [row for row in readable_rows(root) if row[1] - row[0] > timedelta(days=1)]
    assert len(late) == counts["planted"]["late"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five winter weeks of 300 meters, with many defects."""
    root = tmp_path_factory.mktemp("meters")
    wanted = MeterSettings(
        7, date(2020, 12, 14), date(2021, 1, 17), meters=300, events_per_meter_day=0.5, shares=MANY
    )
    write_meters(root, wanted)
    return root


@pytest.fixture(scope="module")
def prototype(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The days around the replacement of the prototype's meters."""
    root = tmp_path_factory.mktemp("prototype")
    write_meters(root, like_prototype(7, date(2019, 12, 31), date(2020, 1, 2)))
    return root


def test_answers_equal_a_recount_of_the_files(made: Path, prototype: Path) -> None:
    assert_answers_are_true(made)
    assert_answers_are_true(prototype)


def test_service_and_silence_equal_a_recount_of_the_files(made: Path) -> None:
    assert_service_is_true(made)


def test_every_defect_is_planted_and_listed(made: Path) -> None:
    assert min(manifest(made)["counts"]["planted"].values()) > 0
    assert_planted_rows_are_where_they_are_said_to_be(made)
    known = {row["id_compteur"] for row in table(made / "park/compteurs.csv")}
    for line in (made / "answers/defects.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        fields = row["line"].split(",")
        if row["kind"] == "unknown_equipment":
            assert fields[4] == "C" and fields[5] not in known
        if row["kind"] == "unknown_type":
            assert fields[3] in ("ev_C999", "ev_KFF")
        if row["kind"] == "wrong_clock":
            assert int(fields[1][:4]) > int(fields[2][:4])


def test_the_prototype_profile_has_the_prototypes_rows_and_files(prototype: Path) -> None:
    files = sorted((prototype / "events").iterdir())
    assert [file.name for file in files] == [
        "event_20191231.csv", "event_20200101.csv", "event_20200102.csv",
    ]  # fmt: skip
    for file in files:
        content = file.read_bytes()
        assert content.endswith(b",\n") and b"\r" not in content and b'"' not in content
        header, *lines = content.decode().splitlines()
        assert header == HEADER
        assert len(lines) == 8640
        begin = datetime.strptime(file.name, "event_%Y%m%d.csv")
        for slot, line in enumerate(lines):
            occurred = begin + timedelta(seconds=10 * slot)
            arrival = "12:00:00" if occurred.hour < 12 else "23:59:59"
            event, occurrence, system, kind, equipment, number, info = line.split(",")
            assert event == f"{occurred:%Y%m%d%H%M%S}"
            assert occurrence == f"{occurred:%Y-%m-%d %H:%M:%S}"
            assert system == f"{occurred:%Y-%m-%d} {arrival}"
            assert (kind, equipment) in {("ev_C", "C"), ("ev_K", "K"), ("ev_N", "K")}
            switched = occurred > datetime(2020, 1, 1)
            meters = {*range(1, 16), *(range(21, 26) if switched else range(16, 21))}
            assert int(number) in (meters if equipment == "C" else range(1, 6))
            assert info == ""
    rows = {path.stem: len(table(path)) for path in (prototype / "park").iterdir()}
    assert rows == {
        "communes": 36742, "departements": 101, "region": 27, "compteurs": 25, "concentrateurs": 5,
        "pdc": 20, "pdk": 5, "installation_c": 25, "installation_k": 5,
    }  # fmt: skip
    # The park has the new meters a year later, so their events have no place.
    unplaced = [r for r in read_answers(prototype, "by_pdk_daily") if not r["id_pdk"]]
    assert {row["period_start"] for row in unplaced} == {"2020-01-01", "2020-01-02"}


@pytest.mark.samples
def test_the_prototype_profile_has_the_layout_of_the_real_files(prototype: Path) -> None:
    samples = ROOT.parent / "shared" / "samples" / "meters" / "park"
    for real in samples.glob("*.csv"):
        ours = (prototype / "park" / real.name).read_text(encoding="utf-8").splitlines()
        theirs = real.read_text(encoding="utf-8").splitlines()
        assert (ours[0], len(ours)) == (theirs[0], len(theirs)), real.name
        if real.stem in ("installation_c", "installation_k"):
            assert ours == theirs


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
    assert any(code.startswith("97") for code in used)
    assert any(code.startswith("0") for code in used)
    assert any(code.startswith("2A") for code in used)
    assert {r["id_region"] for r in communes if r["id_departement"] == "97"} == {"23"}
    meters = {row["id_compteur"] for row in table(made / "park/compteurs.csv")}
    concentrators = {row["id_consentrateur"] for row in table(made / "park/concentrateurs.csv")}
    assert concentrators < meters


def test_every_kind_of_change_happens_to_the_park(made: Path) -> None:
    changes = read_answers(made, "park_changes")
    assert {row["kind"] for row in changes} == {
        "replaced", "replaced_after_gap", "moved", "removed", "connected", "swapped",
    }  # fmt: skip
    installed = table(made / "park/installation_c.csv")
    for row in changes:
        if row["kind"] == "moved":
            places = [r["id_pdc"] for r in installed if r["id_compteur"] == row["id_equipement"]]
            assert places == [row["place"], row["to_place"]]
        if row["kind"] == "replaced_after_gap":
            gap = date.fromisoformat(row["first_day"]) - date.fromisoformat(row["last_day"])
            assert gap > timedelta(days=1)
    # On every day, each equipment has at most one place, and each place at most one equipment.
    for column in ("id_pdc", "id_compteur"):
        spans = defaultdict(list)
        for r in installed:
            spans[r[column]].append((r["date_deb"], r["date_fin"] or "99991231"))
        for some in spans.values():
            some.sort()
            assert all(a[1] < b[0] for a, b in pairwise(some))


def test_the_park_of_a_day_knows_nothing_that_came_later(made: Path) -> None:
    park = meter_park(manifest(made))
    moved = next(change for change in park.changes if change.kind == "moved")
    assert moved.last is not None
    before = dict(park.files(moved.last - timedelta(days=1)))
    after = dict(park.files())
    assert after["installation_c"] == (made / "park/installation_c.csv").read_text()
    rows = [r.split(",") for r in before["installation_c"].splitlines()[1:]]
    (mine,) = [r for r in rows if r[1] == str(moved.equipment)]
    assert mine[3] == ""
    assert str(moved.by) not in {r[1] for r in rows}


def test_events_have_their_season_their_evenings_and_their_favourites(tmp_path: Path) -> None:
    wanted = MeterSettings(3, date(2023, 1, 1), date(2023, 12, 31), meters=200)
    write_meters(tmp_path, wanted)
    months = Counter[str]()
    for row in read_answers(tmp_path, "by_type_monthly"):
        months[row["period_start"]] += int(row["count"])
    assert months["2023-01-01"] > 1.3 * months["2023-07-01"]
    hours = Counter(occurred.hour for occurred, *_ in readable_rows(tmp_path))
    assert hours[19] > 2 * hours[4]
    per_meter: Counter[str] = Counter()
    for row in read_answers(tmp_path, "by_equipment_annual"):
        if row["type_equipement"] == "C":
            per_meter[row["id_equipement"]] += int(row["count"])
    busiest = sum(count for _, count in per_meter.most_common(len(per_meter) // 5))
    assert busiest > 0.4 * per_meter.total()


def test_a_storm_silences_a_whole_cell_and_is_told_twice(made: Path) -> None:
    lines = [
        line.split(",")
        for path in sorted(made.glob("events/event_*.csv"))
        for line in path.read_text(encoding="utf-8").splitlines()[1:]
    ]
    copies = [f for f in lines if f[-1] == "reported by concentrator"]
    assert len(copies) == manifest(made)["counts"]["last_gasp_copies"] > 10
    own = {(f[1], f[5]) for f in lines if f[3:5] == ["ev_C51", "C"] and f[6] == ""}
    told_twice = [f for f in copies if len(f) == 7 and (f[1], f[5]) in own]
    # Some of the meters' own reports are planted defects or have not arrived.
    assert len(told_twice) > 0.7 * len(copies)


@pytest.mark.parametrize(
    ("night", "hours"),
    [(date(2018, 3, 25), 23), (date(2018, 10, 28), 25), (date(2018, 10, 27), 24)],
)
def test_nights_when_clocks_change_have_23_or_25_hours(
    tmp_path: Path, night: date, hours: int
) -> None:
    wanted = MeterSettings(
        7, night, night, meters=3000, events_per_meter_day=2, shares=Shares.none()
    )
    write_meters(tmp_path, wanted)
    occurred = [
        (line.split(",")[0][14:], line.split(",")[1])
        for line in (tmp_path / f"events/event_{night:%Y%m%d}.csv").read_text().splitlines()[1:]
    ]
    # The id ends in a sequence number in the order of true time.
    times = [time for _, time in sorted(occurred)]
    backwards = [(a, b) for a, b in pairwise(times) if b < a]
    assert len(backwards) == (1 if hours == 25 else 0)
    in_fold = sum(time[11:13] == "02" for time in times)
    assert (in_fold == 0) is (hours == 23)


@pytest.mark.parametrize("day", [date(2020, 10, 24), date(2020, 10, 25)])
def test_late_is_late_by_the_clocks_on_the_wall_when_they_go_back(
    tmp_path: Path, day: date
) -> None:
    write_meters(
        tmp_path,
        MeterSettings(
            7, day, day + timedelta(days=8), meters=200, events_per_meter_day=20,
            shares=Shares(late=0.9, duplicates=0, malformed=0, wrong_clock=0,
                          unknown_equipment=0, unknown_type=0, unplaced=0),
        ),
    )  # fmt: skip
    late = sum(arrived - occurred > timedelta(days=1)
               for occurred, arrived, *_ in readable_rows(tmp_path))  # fmt: skip
    planted = json.loads((tmp_path / "manifest.json").read_bytes())["counts"]["planted"]
    assert late == planted["late"] > 0


def run(*words: object) -> str:
    result = CliRunner().invoke(main, ["meters", *map(str, words)])
    assert result.exit_code == 0, result.output
    return result.output


def test_the_same_command_writes_the_same_bytes_with_any_number_of_processes(
    tmp_path: Path,
) -> None:
    def make(name: str, *more: str, **environment: str) -> dict[str, bytes]:
        command = "meters --from 2024-12-30 --days 60 --seed 3 --meters 40 --late 5 --out"
        subprocess.run(
            [sys.executable, "-m", "simulator", *command.split(), str(tmp_path / name), *more],
            cwd=ROOT,
            env={**os.environ, **environment},
            check=True,
            capture_output=True,
        )
        return tree(tmp_path / name)

    one = make("one", PYTHONHASHSEED="1", TZ="Asia/Tokyo", LC_ALL="C")
    two = make("two", "--processes", "2", PYTHONHASHSEED="2", TZ="America/Lima", LC_ALL="C.UTF-8")
    assert one == two
    again = make("one", PYTHONHASHSEED="3")
    assert again == two


def test_another_seed_gives_other_events(tmp_path: Path) -> None:
    for seed in (1, 2):
        write_meters(tmp_path / str(seed), like_prototype(seed, date(2024, 1, 1), date(2024, 1, 1)))
    name = "events/event_20240101.csv"
    assert (tmp_path / "1" / name).read_bytes() != (tmp_path / "2" / name).read_bytes()


def test_a_shorter_data_set_leaves_nothing_of_the_longer_one(tmp_path: Path) -> None:
    run("--out", tmp_path, "--from", "2024-01-01", "--to", "2024-01-03", "--meters", 10)
    run("--out", tmp_path, "--from", "2024-01-01", "--days", 1, "--meters", 10)
    assert len(list(tmp_path.glob("events/event_*.csv"))) == 1


def test_a_folder_with_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(SimulatorError, match="not empty"):
        write_meters(tmp_path, like_prototype(7, date(2024, 1, 1), date(2024, 1, 1)))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_what_an_interrupted_run_left_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = date(2024, 1, 1)
    write_meters(tmp_path, MeterSettings(1, day, day, meters=10))
    whole = tree(tmp_path)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("simulator.meters.Dataset.finish", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write_meters(tmp_path, MeterSettings(2, day, day + timedelta(days=2), meters=10))
    # Without a manifest, nobody mistakes half a data set for a whole one.
    assert not (tmp_path / "manifest.json").exists()
    write_meters(tmp_path, MeterSettings(1, day, day, meters=10))
    assert tree(tmp_path) == whole


def test_a_manifest_from_elsewhere_removes_nothing_outside_its_folder(tmp_path: Path) -> None:
    mine, folder = tmp_path / "mine.txt", tmp_path / "set"
    mine.write_text("keep")
    folder.mkdir()
    manifest = {"format": 1, "domain": "meters", "files": {"../mine.txt": "", "x.csv": ""}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    write_meters(folder, MeterSettings(1, date(2024, 1, 1), date(2024, 1, 1), meters=10))
    assert mine.read_text() == "keep"


def test_a_manifest_of_another_tool_is_no_data_set_to_replace(tmp_path: Path) -> None:
    (tmp_path / "data.db").write_text("mine")
    for manifest in (
        {"files": ["data.db"]},
        {"format": 1, "domain": "sales", "files": ["data.db"]},
    ):
        (tmp_path / "manifest.json").write_text(json.dumps(manifest))
        before = tree(tmp_path)
        with pytest.raises(SimulatorError, match="no data set"):
            write_meters(tmp_path, MeterSettings(1, date(2024, 1, 1), date(2024, 1, 1), meters=10))
        assert tree(tmp_path) == before


def test_what_lies_beside_a_data_set_outlives_an_interrupted_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = MeterSettings(1, date(2024, 1, 1), date(2024, 1, 1), meters=10)
    write_meters(tmp_path, day)
    mine = [tmp_path / name for name in ("mine.jsonl", "events/.played.json", "park/mine.sql")]
    for path in mine:
        path.write_text("keep")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("simulator.meters.Dataset.finish", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write_meters(tmp_path, day)
    write_meters(tmp_path, day)
    assert [path.read_text() for path in mine] == ["keep"] * len(mine)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--from", "9999-12-30"], "not between"),
        (["--from", "0001-01-01", "--days", "1"], "not between"),
        (["--from", "2024-01-01", "--to", "9999-12-31"], "not between"),
        (["--from", "2024-01-01", "--days", "999999999"], "end after"),
        (["--like-prototype", "--meters", "10"], "leave --meters"),
        (["--from", "2024-01-02", "--to", "2024-01-01"], "before the first day"),
        (["--from", "2024-01-02", "--to", "2024-01-03", "--days", "2"], "not both"),
        ([], "--like-prototype"),
        (["--from", "2024-01-01", "--late", "60", "--malformed", "60"], "at most 1"),
    ],
)
def test_impossible_wishes_are_refused_in_a_sentence(
    tmp_path: Path, words: list[str], told: str
) -> None:
    result = CliRunner().invoke(main, ["meters", "--out", str(tmp_path / "new"), *words])
    assert result.exit_code in (1, 2)
    assert told in result.output.replace("\n", " ")


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    start=st.dates(date(2000, 1, 1), date(2040, 1, 1)),
    days=st.integers(1, 12),
    meters=st.integers(4, 90),
    rate=st.floats(0.1, 5),
    scale=st.floats(0, 1),
)
def test_answers_are_true_for_any_seed_and_size(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    start: date,
    days: int,
    meters: int,
    rate: float,
    scale: float,
) -> None:
    root = tmp_path_factory.mktemp("any")
    shares = Shares(*(share * scale for share in vars(MANY).values()))
    wanted = MeterSettings(seed, start, start + timedelta(days=days - 1), meters, rate, shares)
    write_meters(root, wanted)
    assert_answers_are_true(root)
    assert_service_is_true(root)
    assert_planted_rows_are_where_they_are_said_to_be(root)


def test_a_terminal_sees_how_fast_it_goes_and_how_long_it_takes(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    words = ["meters", "--out", str(tmp_path / "fake"), "--from", "2024-01-01", "--meters", "50"]
    made = subprocess.Popen(
        [sys.executable, "-m", "simulator", *words], stdout=subprocess.DEVNULL, stderr=theirs
    )
    os.close(theirs)
    seen = b""
    with suppress(OSError):  # when the terminal was closed
        while part := os.read(ours, 4096):
            seen += part
    os.close(ours)
    assert made.wait() == 0
    assert re.search(rb"events .*[\d,]+/s .*\d:\d\d:\d\d", seen)
