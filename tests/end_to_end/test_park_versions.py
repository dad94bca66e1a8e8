"""Absence is not deletion: an import of the park that lost too much is held until
a person decides.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Answer, Rows, Run, Sql
from tests.end_to_end.conftest import Send
from tests.end_to_end.test_meters import PARK, Lake

pytestmark = pytest.mark.stack

SELECTED = (
    "+meter_park", "+park_held_versions", "+park_lines", "assert_no_version_of_the_park_is_held",
)  # fmt: skip
HELD = "select park_table, reason, is_rejected from quarantine.park_held_versions order by 1"
EVERY_PLACE = (
    "select equipment_type, equipment_id, valid_from, valid_to, commune_label, departement_label "
    "from lake.meter_park order by all"
)


@pytest.fixture(scope="module")
def lake(
    run: Run,
    sql: Sql,
    send: Send,
    profiles: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Lake:
    lake = Lake("held", run, sql, send, tmp_path_factory.mktemp("held") / "lake", profiles)
    (lake.folder / "loader.toml").write_text(
        'ledger = "held_raw.loader_batches"\n[files.park]\n'
        f'path = "{lake.folder}/park/*.csv"\ntable = "held_raw.park_{{name}}"\n',
        encoding="utf-8",
    )
    return lake


def load(lake: Lake, **files: str) -> None:
    for name, text in files.items():
        (lake.folder / "park" / f"{name}.csv").write_text(text, encoding="utf-8")
    loaded = lake.run("loader", "--config", lake.folder / "loader.toml")
    assert loaded.code == 0, loaded.text


def build(lake: Lake, raw: str = "") -> Answer:
    words = ("build", "--select", *SELECTED, "--exclude-resource-type", "unit_test")
    return lake.dbt(*words, raw=raw)


def decide(lake: Lake, decision: str, version: str, reason: str) -> Answer:
    return lake.dbt(
        "run-operation", decision, "--args", f"{{version: {version}, reason: {reason}}}"
    )


def half(text: str) -> str:
    lines = text.splitlines(keepends=True)
    return "".join(lines[: 1 + len(lines) // 2])


@pytest.fixture(scope="module")
def damaged(lake: Lake) -> tuple[Rows, Answer]:
    """The park before, and the build after four of its files were damaged."""
    load(lake, **PARK)
    first = build(lake)
    assert first.code == 0, first.text[-3000:]
    before = lake.ask(EVERY_PLACE)
    load(
        lake,
        # Only the header; half of the rows; another delimiter; a column with another name.
        pdc=PARK["pdc"].splitlines()[0] + "\n",
        installation_c=half(PARK["installation_c"]),
        compteurs=PARK["compteurs"].replace(",", ";"),
        communes=PARK["communes"].replace("libelle_commune", "nom"),
    )
    return before, build(lake)


def test_a_damaged_file_is_held_and_said_and_the_park_stays(
    damaged: tuple[Rows, Answer], lake: Lake
) -> None:
    before, built = damaged
    assert built.code == 0, built.text[-3000:]
    assert len(before) > 10
    # The park was known at its import, not at its build.
    assert lake.ask("select distinct known_from from lake.meter_park_history") == lake.ask(
        "select max(committed_at) from held_raw.loader_batches where batch_id = 1"
    )
    assert lake.ask(EVERY_PLACE) == before
    assert lake.ask(HELD) == [
        ("communes", "lost_libelle_commune", False),
        ("compteurs", "no_rows_left", False),
        ("installation_c", "lost_keys", False),
        ("pdc", "no_rows_left", False),
    ]
    assert "park_pdc/2 is held (no_rows_left" in built.text
    assert "dbt run-operation accept --args '{version: park_pdc/2, reason:" in built.text
    assert "WARN 4 assert_no_version_of_the_park_is_held" in built.text


@pytest.mark.exhaustive
def test_a_held_version_waits_for_a_person_or_for_a_good_one(
    damaged: tuple[Rows, Answer], lake: Lake
) -> None:
    before, _ = damaged
    assert decide(lake, "accept", "park_installation_c/2", "half was dismantled").code == 0
    assert decide(lake, "reject", "park_comp%", "wrong delimiter").code == 0
    unknown = decide(lake, "accept", "park_pdc/99", "why not")
    assert unknown.code != 0
    assert "No held version matches park_pdc/99" in unknown.text
    without = decide(lake, "accept", "park_pdc/2", "''")
    assert "A reason is missing: add" in without.text
    load(lake, pdc=PARK["pdc"] + "108,6,42001\n")
    built = build(lake)
    assert built.code == 0, built.text[-3000:]
    assert lake.ask(HELD) == [
        ("communes", "lost_libelle_commune", False),
        ("compteurs", "no_rows_left", True),
    ]
    assert "WARN 1 assert_no_version_of_the_park_is_held" in built.text
    assert "park_compteurs/2 is held" not in built.text
    assert 0 < len(lake.ask(EVERY_PLACE)) < len(before)
    # A build with nothing new writes nothing.
    written = lake.versions()
    assert build(lake).code == 0
    assert lake.versions() == written


@pytest.mark.exhaustive
def test_reference_data_of_today_and_of_spreadsheets_is_one_place_each(
    damaged: tuple[Rows, Answer], lake: Lake
) -> None:
    """INSEE's own overseas codes, COM before COMD, codes without leading zero or in lower case."""
    load(
        lake,
        communes="TYPECOM,id_departement,id_region,Code INSEE,libelle_commune\n"
        "COMD,01,4,01033,BELLEGARDE\nCOM,01,4,01033,VALSERHONE\nCOM,1,4,1004,AMBERIEU\n"
        "COM,2a,9,2a001,AFA\nCOM,971,23,97105,BASSE-TERRE\nCOM,976,23,97611,MAMOUDZOU\n"
        "COM,93,3,93066,SAINT-DENIS\nCOM,974,23,97411,SAINT-DENIS\nCOM,972,23,97222,SAINT-PIERRE\n"
        "COM,42,4,42001,ABOEN\nCOM,42,4,ABOEN,42002\nCOM,42,4,420011,ABOEN\n",
        departements="id_departement,id_region,libelle_departement\n"
        "1,4,AIN\n93,3,SEINE-SAINT-DENIS\n2a,9,CORSE-DU-SUD\n42,4,LOIRE\n"
        "971,23,Guadeloupe\n972,23,Martinique\n973,23,Guyane\n974,23,La Réunion\n976,23,Mayotte\n"
        "Loire,4,42\n",
    )
    built = build(lake)
    assert built.code == 0, built.text[-3000:]
    assert lake.ask(
        "select commune_code, commune_label, departement_code, departement_label "
        "from staging.stg_park__communes order by 1"
    ) == [
        ("01004", "AMBERIEU", "01", "AIN"),
        ("01033", "VALSERHONE", "01", "AIN"),
        ("2A001", "AFA", "2A", "CORSE-DU-SUD"),
        ("42001", "ABOEN", "42", "LOIRE"),
        ("93066", "SAINT-DENIS", "93", "SEINE-SAINT-DENIS"),
        ("97105", "BASSE-TERRE", "971", "GUADELOUPE"),
        ("97222", "SAINT-PIERRE", "972", "MARTINIQUE"),
        ("97411", "SAINT-DENIS", "974", "REUNION"),
        ("97611", "MAMOUDZOU", "976", "MAYOTTE"),
    ]
    assert lake.ask(
        "select file_name, reason from quarantine.park_lines "
        "where file_name in ('communes', 'departements') order by all"
    ) == [
        ("communes", "repeated"),
        ("communes", "wrong_code_insee"),
        ("communes", "wrong_code_insee"),
        ("departements", "wrong_id_departement"),
    ]


@pytest.mark.exhaustive
def test_a_misspelt_schema_or_a_table_that_is_gone_stops_the_park_with_a_sentence(
    damaged: tuple[Rows, Answer], lake: Lake
) -> None:
    before = lake.ask(EVERY_PLACE)
    built = build(lake, raw="held_rwa")
    assert built.code != 0
    assert "was imported before" in built.text, built.text[-3000:]
    assert "LACUSTRE_RAW_SCHEMA (held_rwa) is misspelt" in built.text
    lake.sql("drop table held_raw.park_pdk")
    built = build(lake)
    assert "was imported before" in built.text, built.text[-3000:]
    assert built.code != 0
    assert lake.ask(EVERY_PLACE) == before
    assert decide(lake, "accept", "park_pdk/gone-after-1", "we have none any more").code == 0
    built = build(lake)
    assert built.code == 0, built.text[-3000:]
    assert lake.ask(EVERY_PLACE) != before
