"""The park in a database equals the park in the files, on any day of its history."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from click.testing import CliRunner

from simulator.cli import main
from simulator.meters import MeterSettings, Shares, meter_park, write_meters

Rows = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("meters")
    shares = Shares(malformed=0.02, duplicates=0)
    write_meters(
        root, MeterSettings(7, date(2024, 1, 1), date(2024, 1, 20), meters=60, shares=shares)
    )
    return root


@pytest.fixture(params=["postgres", "mariadb"])
def database(request: pytest.FixtureRequest) -> tuple[str, Rows]:
    """A url, and a function that queries the database."""
    url: str = request.getfixturevalue(request.param)

    def ask(statement: str) -> list[tuple[Any, ...]]:
        if request.param == "postgres":
            with psycopg.connect(url) as connection:
                return connection.execute(statement.encode()).fetchall()
        import pymysql

        parts = urlsplit(url)
        with (
            pymysql.connect(
                host="127.0.0.1", port=parts.port or 0, user="root", database="parc"
            ) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute("set sql_mode = concat(@@sql_mode, ',ANSI_QUOTES')")
            cursor.execute(statement)
            return list(cursor.fetchall())

    return url, ask


def run(*words: object) -> str:
    result = CliRunner().invoke(main, ["park", *map(str, words)])
    assert result.exit_code == 0, result.output
    return result.output


def written(value: object) -> str:
    """A value as the files have it."""
    if value is None:
        return ""
    return f"{value:%Y%m%d}" if isinstance(value, date) else str(value)


def table(text: str) -> list[list[str]]:
    return list(csv.reader(text.splitlines()))


@pytest.mark.stack
def test_the_tables_are_the_files_on_any_day(made: Path, database: tuple[str, Rows]) -> None:
    url, ask = database
    park = meter_park(json.loads((made / "manifest.json").read_bytes()))
    for day in (date(2024, 1, 1), date(2024, 1, 10), None):
        run(made, url, *(["--as-of", day] if day else []))
        for name, content in park.files(day):
            header, *expected = table(content)
            columns = ", ".join(f'"{column}"' for column in header)
            found = [list(map(written, row)) for row in ask(f"select {columns} from {name}")]
            assert sorted(found) == sorted(expected), (name, day)
    on_disk = (made / "park" / "installation_c.csv").read_text(encoding="utf-8")
    assert table(on_disk) == table(dict(park.files())["installation_c"])


@pytest.mark.stack
def test_events_can_be_asked_in_the_database(made: Path, database: tuple[str, Rows]) -> None:
    url, ask = database
    counts = json.loads((made / "manifest.json").read_bytes())["counts"]
    told = run(made, url, "--events")
    assert f"events {counts['readable']:,}" in told
    (row,) = ask("select count(*), min(date_occur_evt), count(distinct id_evt) from events")
    assert row[0] == row[2] == counts["readable"]
    assert date(2024, 1, 1) <= row[1].date() < date(2024, 1, 1) + timedelta(days=1)
    again = run(made, url, "--events")
    assert again == told
    assert ask("select count(*) from events") == [(counts["readable"],)]


def test_a_folder_gets_the_files_of_a_day(made: Path, tmp_path: Path) -> None:
    run(made, tmp_path / "park", "--as-of", "2024-01-05")
    park = meter_park(json.loads((made / "manifest.json").read_bytes()))
    for name, content in park.files(date(2024, 1, 5)):
        assert (tmp_path / "park" / f"{name}.csv").read_text(encoding="utf-8") == content


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("postgresql://me:planted@127.0.0.1:1/park", "refused or did not answer"),
        ("mysql://me:planted@127.0.0.1:1/park", "refused or did not answer"),
        ("postgresql://me:planted@127.0.0.1:port/park", "cannot be read"),
        ("mysql://me:plan/planted@127.0.0.1/park", "cannot be read"),
        ("oracle://me:planted@127.0.0.1:1/park", "postgresql://, mysql:// or mariadb://"),
    ],
)
def test_a_database_that_does_not_answer_is_one_sentence_without_the_password(
    made: Path, target: str, told: str
) -> None:
    result = CliRunner().invoke(main, ["park", str(made), target])
    assert result.exit_code == 1
    assert told in re.sub(r"\s+", " ", result.output)
    assert "planted" not in result.output


def test_a_folder_without_a_data_set_is_refused(tmp_path: Path) -> None:
    for words in (["park", str(tmp_path), "postgresql://"], ["report", str(tmp_path)]):
        result = CliRunner().invoke(main, words)
        assert result.exit_code == 1
        assert "make one first" in result.output
