"""`unique` and `not_null` of one column share a statement, with the same results as alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Run, Sql
from tests.end_to_end.projects import Project

pytestmark = pytest.mark.stack

PROJECT = """
name: tested
version: "1.0.0"
config-version: 2
profile: lacustre
"""
# One value of `code` occurs twice and one three times; two rows have none.
ROWS = "('a', 1), ('b', 1), ('b', 2), ('c', 1), ('c', 2), ('c', 3), (null, 1), (null, 2)"
MODELS = """
models:
  - name: codes
    config: {materialized: table, file_format: delta}
    columns:
      - name: code
        data_tests:
          - unique: {name: code_is_unique}
          - not_null: {name: code_is_there, config: {severity: warn, error_if: '> 5'}}
      - name: number
        data_tests:
          - unique: {name: number_is_unique, config: {where: number > 2}}
          - not_null: {name: number_is_there}
"""
ALL = {
    "code_is_unique": ("fail", 2),
    "code_is_there": ("warn", 2),
    "number_is_unique": ("pass", 0),
    "number_is_there": ("pass", 0),
}


class Checked(Project):
    def answers(self, *words: str) -> tuple[dict[str, tuple[str, int]], int]:
        """The status of each test with its failures, and the number of statements that were run for
        them.
        """
        log = self.folder / "log"
        (log / "dbt.log").unlink(missing_ok=True)
        self.dbt("test", "--log-path", str(log), *words)
        results = json.loads((self.folder / "target" / "run_results.json").read_text())["results"]
        found = {
            each["unique_id"].split(".")[2]: (each["status"], each["failures"]) for each in results
        }
        return found, (log / "dbt.log").read_text(encoding="utf-8").count("SQL status: OK")


@pytest.fixture(scope="module")
def tested(tmp_path_factory: pytest.TempPathFactory, profiles: Path, run: Run, sql: Sql) -> Checked:
    project = Checked(tmp_path_factory.mktemp("tested"), "tested", profiles, run, sql)
    project.write("dbt_project.yml", PROJECT)
    project.write("models/models.yml", MODELS)
    project.write("models/codes.sql", f"select * from values {ROWS} as given (code, number)")
    answer = project.dbt("run")
    assert answer.code == 0, answer.text
    return project


def test_both_are_reported_by_name_as_if_each_were_asked_alone(tested: Checked) -> None:
    together, statements = tested.answers()
    assert together == ALL
    alone, each = zip(*(tested.answers("--select", name) for name in ALL), strict=True)
    assert {name: answer for one in alone for name, answer in one.items()} == ALL
    before = min(each) - 1  # statements that dbt runs before its tests
    assert statements - before == 3


def test_failures_are_stored_where_somebody_asks_for_them(tested: Checked) -> None:
    stored, _ = tested.answers("--store-failures")
    assert stored == ALL
    rows = tested.sql("select * from tested_dbt_test__audit.code_is_unique order by 1")
    assert [tuple(row) for row in rows] == [("b", 2), ("c", 3)]
