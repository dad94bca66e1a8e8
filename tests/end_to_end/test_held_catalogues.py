"""A catalogue that lost too much is held until a person decides; a site keeps its fields."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Answer, Rows, Run, Sql
from tests.end_to_end.conftest import Message, Send

pytestmark = [pytest.mark.stack, pytest.mark.usefixtures("rounds")]

SMALLER, EMPTY, NAMELESS, GOOD_AGAIN, SITE, ALONE = range(2501, 2507)


def message(kind: str, site: int, value: Any) -> Message:
    return str(site).encode(), json.dumps(value).encode(), [("type", kind.encode())]


def goals(site: int, *ids: int, **more: Any) -> Message:
    entries = [
        {"idsite": site, "idgoal": each, "name": f"G{each}", "match_attribute": "url", **more}
        for each in ids
    ]
    return message("goals", site, entries)


def dimensions(site: int, *ids: int) -> Message:
    entries = [
        {"idsite": site, "idcustomdimension": each, "name": f"D{each}", "scope": "visit",
         "active": True, "index": each}
        for each in ids
    ]  # fmt: skip
    return message("custom_dimensions", site, entries)


def send_round(number: int, send: Send, *_: object) -> None:
    rounds: list[list[Message]] = [
        [
            *(goals(site, 1, 2, 3, 4) for site in (SMALLER, NAMELESS, GOOD_AGAIN, ALONE)),
            dimensions(EMPTY, 1, 2, 3),
            message("sites", SITE, [{"idsite": SITE, "name": "Shop", "timezone": "Asia/Tokyo",
                                     "currency": "JPY", "ecommerce": "1"}]),
        ],
        [
            goals(SMALLER, 1),
            # A catalogue that lost one entry only, which is a deletion.
            dimensions(SMALLER, 1, 2),
            dimensions(SMALLER, 1),
            dimensions(EMPTY),
            goals(NAMELESS, 1, 2, 3, 4, name=None),
            goals(GOOD_AGAIN, 1),
            goals(GOOD_AGAIN, 1, 2, 3, 5),
            message("sites", SITE, [{"idsite": SITE}]),
            message("goals", ALONE, {"idsite": ALONE, "idgoal": 2}),
        ],
        [
            message("sites", SITE, [{"idsite": SITE, "name": "Shop", "ecommerce": "0"}]),
        ],
    ]  # fmt: skip
    send("matomo", rounds[number])


def current(sql: Sql, table: str, number: str, site: int) -> Rows:
    return [
        tuple(row)
        for row in sql(
            f"select {number}, name from lake.{table} "
            f"where site_id = {site} and is_current order by 1"
        )
    ]


def named(prefix: str, *ids: int) -> list[tuple[int, str]]:
    return [(each, f"{prefix}{each}") for each in ids]


def test_a_catalogue_that_lost_too_much_is_held_and_the_one_before_stays(sql: Sql) -> None:
    for site in (SMALLER, NAMELESS, ALONE):
        assert current(sql, "matomo_goals", "goal_id", site) == named("G", 1, 2, 3, 4)
    assert current(sql, "matomo_goals", "goal_id", GOOD_AGAIN) == named("G", 1, 2, 3, 5)
    table, number = "matomo_custom_dimensions", "custom_dimension_id"
    assert current(sql, table, number, EMPTY) == named("D", 1, 2, 3)
    assert current(sql, table, number, SMALLER) == named("D", 1)
    found = sql(
        "select catalogue, site_id, reason, entries_before, entries_now, is_rejected "
        f"from quarantine.matomo_held_catalogues where site_id between {SMALLER} and {ALONE} "
        "order by 2, 1"
    )
    assert [tuple(row) for row in found] == [
        ("goals", SMALLER, "lost_keys", 4, 1, False),
        ("custom_dimensions", EMPTY, "lost_keys", 3, 0, False),
        ("goals", NAMELESS, "lost_name", 4, 4, False),
    ]


def test_a_site_keeps_what_a_message_does_not_hold(sql: Sql) -> None:
    found = sql(
        "select name, time_zone, currency, has_ecommerce from lake.matomo_sites "
        f"where site_id = {SITE}"
    )
    assert [tuple(row) for row in found] == [("Shop", "Asia/Tokyo", "JPY", False)]


@pytest.mark.exhaustive
def test_a_person_accepts_or_rejects_a_held_catalogue(run: Run, sql: Sql, profiles: Path) -> None:
    def dbt(*words: str) -> Answer:
        return run("dbt", *words, "--target", "local", "--profiles-dir", profiles)

    held = {
        row[0]: row[1]
        for row in sql(
            "select site_id, accept_command from quarantine.matomo_held_catalogues "
            f"where site_id between {SMALLER} and {ALONE}"
        )
    }
    arguments = held[SMALLER].removeprefix("dbt run-operation accept --args ").strip("'")
    assert dbt("run-operation", "accept", "--args", arguments.replace("…", "so")).code == 0
    said = dbt(
        "run-operation", "reject", "--args", f"{{version: goals/{NAMELESS}/%, reason: wrong}}"
    )
    assert said.code == 0, said.text
    assert f"Rejected goals/{NAMELESS}/matomo/" in said.text
    built = dbt(
        "build", "--select", "int_matomo__listed_goals", "snap_matomo__goals", "matomo_goals",
        "assert_no_matomo_catalogue_is_held",
    )  # fmt: skip
    assert built.code == 0, built.text[-3000:]
    assert "WARN 1 assert_no_matomo_catalogue_is_held" in built.text
    assert current(sql, "matomo_goals", "goal_id", SMALLER) == named("G", 1)
    assert current(sql, "matomo_goals", "goal_id", NAMELESS) == named("G", 1, 2, 3, 4)
