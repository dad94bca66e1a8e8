"""The command `withdraw` cancels a batch that can never be written, and no row of
it lands later.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from loader.errors import LoaderError
from tests.conftest import PLANTED, Source
from tests.loader.conftest import Lake, Open, commands_of, every, text_of

pytestmark = pytest.mark.stack


def _refuse(lake: Lake, name: str, condition: str) -> None:
    """A constraint on the raw table: it refuses every row without ``condition``, whatever the
    loader does.
    """
    lake.sql(f"alter table {lake.table(name)} add constraint refused check ({condition})")


def _allow(lake: Lake, name: str) -> None:
    lake.sql(f"alter table {lake.table(name)} drop constraint refused")


def _leave(lake: Lake) -> None:
    """As if the process that planned the unfinished batch had ended."""
    lake.sql(f"update {lake.ledger} set owner = 'elsewhere/1/1/x' where state = 'planned'")


def _gaps(lake: Lake, name: str) -> list[tuple[Any, ...]]:
    rows = lake.sql(
        f"select batch_id, state, records, gap.reason from {lake.ledger} "
        f"lateral view explode(gaps) as gap where table_name = '{lake.table(name)}' order by 1"
    )
    return [tuple(row) for row in rows]


def test_the_error_of_a_batch_that_cannot_be_written_names_the_command_that_takes_it_back(
    lake: Lake,
) -> None:
    lake.make("a", "good")
    lake.configure("a", "good")
    lake.produce("a", 3)
    assert lake.load().code == 0
    _refuse(lake, "a", "`offset` < 7")
    lake.produce("a", 7)
    lake.produce("good", 5)
    answer = lake.load()
    assert answer.code == 5, answer.text
    assert f"Batch 2 of {lake.table('a')} could not be written" in text_of(answer)
    assert lake.offsets("good") == every(5)
    (command,) = commands_of(answer)
    assert command[:5] == ["withdraw", "--table", lake.table("a"), "--batch", "2"]
    # Not while the loader that planned it runs, and no other batch.
    assert lake.load(*command).code == 4
    _leave(lake)
    assert lake.load(*command[:4], "1", *command[5:]).code == 2
    answer = lake.load(*command)
    assert (answer.code, "was withdrawn" in text_of(answer)) == (0, True), answer.text
    assert _gaps(lake, "a") == [(2, "committed", 0, "withdrawn: cannot be written")]
    assert lake.load(*command).code == 2  # it no longer exists
    _allow(lake, "a")
    assert lake.load().code == 0
    assert lake.offsets("a") == every(10)
    assert lake.ranges("a") == [
        (1, "load", 0, 0, 3),
        (2, "load", 0, 3, 3),
        (3, "load", 0, 3, 10),
    ]
    answer = lake.load("verify", "--full")
    assert answer.code == 0, answer.text


def test_a_withdrawn_batch_whose_late_writer_still_runs_lands_nothing(
    lake: Lake, loader: Open, tmp_path: Path
) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "x.csv").write_text("a\n1\n2\n", encoding="utf-8")
    lake.make("a")
    lake.configure("a", tail=f'[files.x]\npath = "{folder}/*.csv"\ntable = "{lake.table("x")}"\n')
    lake.produce("a", 10)
    late = loader()
    late.ledger.owner = "elsewhere/1/1/x"
    survey = late.survey()
    ours, _ = late.ledger.propose(survey.batches)
    assert {batch.table_name for batch in ours} == {lake.table("a"), lake.table("x")}
    for name in "ax":
        withdraw = ("withdraw", "--table", lake.table(name), "--batch", 1, "--reason", "too late")
        assert lake.load(*withdraw).code == 0
    errors: list[LoaderError] = []
    assert late.land(survey, ours, print, print, errors) == []
    assert len(errors) == 2, errors
    for name in "ax":
        assert lake.sql(f"select count(*) from {lake.table(name)}") == [(0,)]
        assert _gaps(lake, name) == [(1, "committed", 0, "withdrawn: too late")]
    assert lake.load().code == 0
    assert lake.offsets("a") == every(10)
    assert lake.sql(f"select a, batch_id from {lake.table('x')} order by 1") == [("1", 2), ("2", 2)]


@pytest.mark.exhaustive
def test_a_section_that_is_taken_out_stops_no_run_and_its_batch_can_be_withdrawn(
    lake: Lake, postgres: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARC_PASSWORD", PLANTED)
    postgres.ask("drop table if exists taken_out")
    postgres.ask("create table taken_out (id int primary key)")
    postgres.ask("insert into taken_out values (1)")
    file = tmp_path / "x.csv"
    file.write_text("a\n1\n", encoding="utf-8")
    lake.make("a")
    body = f'include = ["taken_out"]\ntable = "{lake.schema}.{{table}}"\n'
    tail = f'[files.x]\npath = "{file}"\ntable = "{lake.table("x")}"\n'
    tail += postgres.section(body)
    lake.configure("a", tail=tail)
    assert lake.load().code == 0
    for name in ("x", "taken_out"):
        _refuse(lake, name, "batch_id < 2")
    postgres.ask("insert into taken_out values (2)")
    file.write_text("a\n1\n2\n", encoding="utf-8")
    answer = lake.load()
    assert answer.code == 5, answer.text
    assert len(commands_of(answer)) == 2, answer.text
    _leave(lake)
    lake.configure("a")
    lake.produce("a", 5)
    answer = lake.load()
    assert answer.code == 0, answer.text
    commands = commands_of(answer)
    assert sorted(each[2] for each in commands) == [lake.table("taken_out"), lake.table("x")]
    assert lake.offsets("a") == every(5)
    for command in commands:
        assert lake.load(*command).code == 0
    answer = lake.load()
    assert (answer.code, commands_of(answer)) == (0, [])
    # When the sections are back, their present content is read.
    for name in ("x", "taken_out"):
        _allow(lake, name)
    lake.configure("a", tail=tail)
    answer = lake.load()
    assert answer.code == 0, answer.text
    rows = lake.sql(f"select batch_id, a from {lake.table('x')} order by 1, 2")
    assert [tuple(row) for row in rows] == [(1, "1"), (3, "1"), (3, "2")]
    rows = lake.sql(f"select batch_id, id from {lake.table('taken_out')} order by 1, 2")
    assert [tuple(row) for row in rows] == [(1, 1), (3, 1), (3, 2)]
