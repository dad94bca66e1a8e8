"""Views, seeds and snapshots that would be what they are already: a small project of its own, with
the macros of this one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, Answer

pytestmark = pytest.mark.stack

PROJECT = """
name: small
version: "1.0.0"
config-version: 2
profile: lacustre
seeds: {+file_format: delta}
snapshots: {+file_format: delta}
models: {+materialized: view, +persist_docs: {relation: true, columns: true}}
"""
MODELS = """
version: 2
sources: [{name: given, schema: unchanged_given, tables: [{name: amounts}]}]
models:
  - name: amounts
    description: Amounts as they are.
    columns: [{name: amount, description: In euros.}]
  - name: doubled
    config: {contract: {enforced: true}}
    columns: [{name: amount, data_type: bigint}]
snapshots:
  - name: versions
    relation: ref('labels')
    config: {unique_key: code, strategy: check, check_cols: [label], hard_deletes: invalidate}
"""
RELATIONS = ("amounts", "doubled", "labels", "versions")


class Small:
    """The small project; ``build()`` tells which relations were made or written."""

    def __init__(self, folder: Path, profiles: Path, run: Any, sql: Any) -> None:
        self.folder, self.profiles, self.run, self.sql = folder, profiles, run, sql
        (folder / "macros").symlink_to(ROOT / "macros")
        self.write("dbt_project.yml", PROJECT)
        self.write("models/models.yml", MODELS)
        self.write("models/amounts.sql", "select amount from {{ source('given', 'amounts') }}")
        self.write("models/doubled.sql", "select cast(amount * 2 as bigint) as amount "
                                         "from {{ ref('amounts') }}")  # fmt: skip
        self.write("seeds/labels.csv", "code,label\n1,one\n2,two\n")

    def write(self, name: str, text: str) -> None:
        (self.folder / name).parent.mkdir(exist_ok=True)
        (self.folder / name).write_text(text, encoding="utf-8")

    def dbt(self, *words: str) -> Answer:
        answer: Answer = self.run(
            "dbt", *words, "--project-dir", self.folder, "--target", "test",
            "--profiles-dir", self.profiles, DBT_TEST_SCHEMA="unchanged",
            DBT_TARGET_PATH=self.folder / "target",
        )  # fmt: skip
        return answer

    def state(self, relation: str) -> Any:
        if relation in ("labels", "versions"):
            return self.sql(f"describe history unchanged.{relation}")
        return ("marked", "yes") in map(tuple, self.sql(f"show tblproperties unchanged.{relation}"))

    def build(self, *words: str) -> set[str]:
        for view in ("amounts", "doubled"):
            self.sql(f"alter view unchanged.{view} set tblproperties ('marked' = 'yes')")
        before = {relation: self.state(relation) for relation in RELATIONS}
        answer = self.dbt("build", *words)
        assert answer.code == 0, answer.text
        return {relation for relation in RELATIONS if self.state(relation) != before[relation]}


@pytest.fixture(scope="module")
def small(
    tmp_path_factory: pytest.TempPathFactory, profiles: Path, run: Callable[..., Answer], sql: Any
) -> Small:
    sql("create schema unchanged_given")
    sql("create table unchanged_given.amounts using delta as select 1 as amount")
    project = Small(tmp_path_factory.mktemp("small"), profiles, run, sql)
    answer = project.dbt("build")
    assert answer.code == 0, answer.text
    return project


def test_what_would_be_the_same_is_left_alone(small: Small) -> None:
    assert small.build() == set()


def test_a_full_refresh_makes_views_and_seeds_anew(small: Small) -> None:
    assert small.build("--full-refresh") == {"amounts", "doubled", "labels"}


def test_what_a_seed_or_a_comment_says_anew_is_written(small: Small) -> None:
    small.write("seeds/labels.csv", "code,label\n1,one\n2,deux\n")
    small.write("models/models.yml", MODELS.replace("In euros.", "In dollars."))
    assert small.build() == {"amounts", "labels", "versions"}
    comments = {row[0]: row[2] for row in small.sql("describe unchanged.amounts")}
    assert comments == {"amount": "In dollars."}
    labels = small.sql("select label, dbt_valid_to is null from unchanged.versions "
                       "where code = 2 order by dbt_valid_from")  # fmt: skip
    assert [tuple(row) for row in labels] == [("two", False), ("deux", True)]


def test_a_view_follows_a_type_that_changes_upstream(small: Small) -> None:
    small.sql("create or replace table unchanged_given.amounts using delta "
              "as select 3000000000 as amount")  # fmt: skip
    assert "amounts" in small.build()
    assert small.sql("select amount from unchanged.doubled")[0][0] == 6_000_000_000


def test_a_view_that_breaks_its_contract_is_refused(small: Small) -> None:
    small.write("models/doubled.sql", "select cast(amount as string) as amount "
                                      "from {{ ref('amounts') }}")  # fmt: skip
    answer = small.dbt("build")
    assert answer.code == 1
    assert "This model has an enforced contract that failed" in answer.text
    assert small.sql("select amount from unchanged.doubled")[0][0] == 6_000_000_000
