"""Every column of every file of the park set to odd values, in one load and one build."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from kafka.admin import KafkaAdminClient

from tests.conftest import Answer
from tests.end_to_end.test_meters import EVENTS, PARK, WITHOUT_VIEWS, Lake, messages
from tests.odd.park import FIRST, OddLine, with_odd_lines

pytestmark = [pytest.mark.stack, pytest.mark.exhaustive]

PLACED = (
    "select c.equipment_type, c.equipment_id, cast(c.occurred_on as string), c.event_type, "
    "c.events, p.pdc_id, p.pdk_id, p.commune_code, p.commune_label, p.departement_code, "
    "p.departement_label, p.region_code from lake.meter_event_counts as c "
    "left join lake.meter_park as p on c.park_key = p.park_key order by all"
)
LAYERS = ("staging", "quarantine", "snapshots", "lake", "views")
# These models have the usable rows of raw; quarantine has the others.
STAGED = {
    "stg_park__equipment": ("compteurs", "concentrateurs"),
    "stg_park__places": ("pdc", "pdk"),
    "stg_park__installations": ("installation_c", "installation_k"),
    "stg_park__communes": ("communes",),
}


class OddPark:
    """The lake, its odd rows, and the places of its events before they were loaded."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        lake.round(messages(EVENTS), PARK, *WITHOUT_VIEWS)
        self.before = lake.ask(PLACED)
        files, self.odd = with_odd_lines(PARK)
        lake.round([], files)


@pytest.fixture(scope="module")
def odd_park(
    run: Callable[..., Answer],
    sql: Any,
    send: Callable[..., Any],
    kafka_bootstrap_servers: str,
    profiles: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> OddPark:
    with closing(KafkaAdminClient(bootstrap_servers=kafka_bootstrap_servers)) as admin:
        admin.create_topics({"odd_park": {"num_partitions": 1}}, wait_for_metadata=True)
    folder = tmp_path_factory.mktemp("odd_park") / "lake"
    return OddPark(Lake("odd_park", run, sql, send, folder, profiles))


def test_untouched_rows_place_the_events_as_they_do_alone(odd_park: OddPark) -> None:
    assert len(odd_park.odd) > 500
    assert len([row for row in odd_park.before if row[5] is not None]) > 30
    assert odd_park.lake.ask(PLACED) == odd_park.before


def test_every_relation_of_the_park_can_be_read_whole(odd_park: OddPark) -> None:
    lake = odd_park.lake
    failed, read = [], 0
    for layer in LAYERS:
        for row in lake.sql(f"show tables in {lake.name}_{layer}"):
            try:
                lake.sql(f"select * from {lake.name}_{layer}.`{row[1]}`")
                read += 1
            except Exception as error:
                failed.append(f"{layer}.{row[1]}: {str(error)[:300]}")
    for row in lake.sql(f"show tables in {lake.name}_raw"):
        lake.sql(f"select * from {lake.name}_raw.`{row[1]}`")
    assert not failed, "\n".join(failed)
    assert read > 30


def test_each_odd_row_is_in_the_lake_or_in_quarantine_with_its_reason(odd_park: OddPark) -> None:
    lake = odd_park.lake
    landed = {
        name: lake.sql(f"select count(*) from {lake.name}_raw.park_{name} where batch_id = 2")[0][0]
        for names in STAGED.values() for name in names
    }  # fmt: skip
    held = lake.ask("select file_name, rejected_line, reason from quarantine.park_lines")
    assert [row for row in held if not row[2]] == []
    for staged, names in STAGED.items():
        usable = lake.ask(f"select count(*) from staging.{staged}")[0][0]
        aside = len([row for row in held if row[0] in names])
        assert usable + aside == sum(landed[name] for name in names), staged
    assert {"wrong_id_compteur", "wrong_date_deb", "wrong_date_fin", "wrong_code_insee"} <= {
        row[2] for row in held
    }
    numbers = {
        name: {int(each) for row in held if row[0] == name for each in re.findall(r"\d{6}", row[1])}
        for names in STAGED.values() for name in names
    }  # fmt: skip
    lost = [line.name for line in odd_park.odd if not found(lake, line, numbers)]
    assert not lost, lost[:20]


_FOUND: dict[str, set[int]] = {}


def found(lake: Lake, line: OddLine, aside: dict[str, set[int]]) -> bool:
    """Whether the row's number is in the lake's table, or in a line of its file in quarantine."""
    if line.table in ("departements", "region"):
        return True  # these have no table of their own
    if line.table not in _FOUND:
        columns = {
            "stg_park__equipment": ("equipment_id", "manufacturer_id"),
            "stg_park__places": ("place_id", "pdk_id"),
            "stg_park__installations": ("equipment_id", "place_id"),
            "stg_park__communes": ("substr(commune_label, 5)",),
        }
        table = next(staged for staged, names in STAGED.items() if line.table in names)
        asked = ", ".join(f"try_cast({each} as bigint)" for each in columns[table])
        rows = lake.ask(f"select {asked} from staging.{table}")
        _FOUND[line.table] = {each for row in rows for each in row if (each or 0) > FIRST}
    # A PDK has its number in one column only, and so has a commune with an odd label.
    alone = {("pdk", "id_pdk"), ("communes", "libelle_commune")}
    return (
        (line.table, line.field) in alone
        or line.number in _FOUND[line.table]
        or line.number in aside[line.table]
        or "newlines" in line.value
    )
