"""Views, seeds and snapshots that would not change are not written: a small project with the macros
of this one.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.conftest import Rows, Run, Sql
from tests.end_to_end.projects import Project

pytestmark = pytest.mark.stack

PROJECT = """
name: small
version: "1.0.0"
config-version: 2
profile: lacustre
seeds: {+file_format: delta, small: {labels: {+column_types: {code: int, label: string}}}}
snapshots: {+file_format: delta}
models: {+materialized: view, +persist_docs: {relation: true, columns: true}}
on-run-start: "{{ take_build() }}"
on-run-end: "{{ leave_build() }}"
"""
MODELS = """
version: 2
sources: [{name: given, schema: unchanged_given, tables: [{name: amounts}, {name: news}]}]
models:
  - name: amounts
    description: Amounts as they are.
    columns: [{name: amount, description: In euros.}]
  - name: doubled
    config: {contract: {enforced: true}}
    columns: [{name: amount, data_type: double}]
  - name: kept
    config: {materialized: incremental, file_format: delta}
  - name: shown
snapshots:
  - name: versions
    relation: ref('labels')
    config: {unique_key: code, strategy: check, check_cols: [label], hard_deletes: invalidate}
  - name: news_versions
    relation: source('given', 'news')
    config: {unique_key: id, strategy: check, check_cols: [text], meta: {near: day}}
"""
TABLES = ("labels", "versions", "news_versions")
VIEWS = ("amounts", "doubled", "shown")


class Small(Project):
    """The small project; ``build()`` returns the relations that were created or written."""

    def __init__(self, folder: Path, profiles: Path, run: Run, sql: Sql) -> None:
        super().__init__(folder, "unchanged", profiles, run, sql)
        self.write("dbt_project.yml", PROJECT)
        self.write("models/models.yml", MODELS)
        self.write("models/amounts.sql", "select amount from {{ source('given', 'amounts') }}")
        self.write("models/doubled.sql", "select cast(amount * 2 as double) as amount "
                                         "from {{ ref('amounts') }}")  # fmt: skip
        new = "{{ 'false' if is_incremental() else 'true' }}"
        self.write(
            "models/kept.sql",
            f"select amount from {{{{ source('given', 'amounts') }}}} where {new}",
        )
        self.write("models/shown.sql", "select amount from {{ ref('kept') }}")
        self.write("seeds/labels.csv", "code,label\n1,one\n2,two\n")

    def state(self, relation: str) -> Rows | bool:
        if relation in TABLES:
            return self.sql(f"describe history unchanged.{relation}")
        return ("marked", "yes") in map(tuple, self.sql(f"show tblproperties unchanged.{relation}"))

    def build(self, *words: str) -> set[str]:
        for view in VIEWS:
            self.sql(f"alter view unchanged.{view} set tblproperties ('marked' = 'yes')")
        before = {relation: self.state(relation) for relation in VIEWS + TABLES}
        answer = self.dbt("build", *words)
        assert answer.code == 0, answer.text
        return {relation for relation, state in before.items() if self.state(relation) != state}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, profiles: Path, run: Run, sql: Sql) -> Small:
    sql("create schema unchanged_given")
    sql("create table unchanged_given.amounts using delta as select 1.5bd as amount")
    sql(
        "create table unchanged_given.news using delta as "
        "select 1 as id, date '2024-01-01' as day, 'a' as text"
    )
    project = Small(tmp_path_factory.mktemp("small"), profiles, run, sql)
    answer = project.dbt("build")
    assert answer.code == 0, answer.text
    return project


def test_what_would_be_the_same_is_left_alone(small: Small) -> None:
    assert small.build() == set()


def analysed(small: Small, *words: str) -> set[str]:
    """The views whose types a build queries."""
    log = small.folder / "log"
    answer = small.dbt("build", "--log-path", str(log), *words)
    assert answer.code == 0, answer.text
    text = (log / "dbt.log").read_text(encoding="utf-8")
    shutil.rmtree(log)
    return set(re.findall(r"On model\.small\.(\w+): /\*.*?\*/\s*describe query", text))


def test_views_are_analysed_only_where_something_upstream_may_have_other_columns(
    small: Small,
) -> None:
    assert analysed(small) == {"amounts"}  # dbt does not know the loader's tables
    assert analysed(small, "--select", "doubled", "shown") == {"doubled", "shown"}
    small.sql("drop table unchanged.kept")
    assert analysed(small) == {"amounts", "shown"}


def test_a_full_refresh_makes_views_and_seeds_anew(small: Small) -> None:
    assert small.build("--full-refresh") == {"amounts", "doubled", "labels", "shown"}


def test_what_a_seed_or_a_comment_says_anew_is_written(small: Small) -> None:
    small.write("seeds/labels.csv", "code,label\n1,one\n2,deux\n")
    small.write("models/models.yml", MODELS.replace("In euros.", "In dollars."))
    assert small.build() == {"amounts", "labels", "versions"}
    comments = {row[0]: row[2] for row in small.sql("describe unchanged.amounts")}
    assert comments == {"amount": "In dollars."}
    labels = small.sql("select label, dbt_valid_to is null from unchanged.versions "
                       "where code = 2 order by dbt_valid_from")  # fmt: skip
    assert [tuple(row) for row in labels] == [("two", False), ("deux", True)]


def test_a_seed_changed_by_hand_and_a_type_changed_upstream_are_seen(small: Small) -> None:
    small.sql("delete from unchanged.labels where code = 2")
    # The same type with another precision.
    small.sql("create or replace table unchanged_given.amounts using delta "
              "as select 1.2345bd as amount")  # fmt: skip
    assert {"amounts", "labels"} <= small.build()
    assert small.sql("select amount from unchanged.doubled")[0][0] == 2.469
    assert small.sql("select count(*) from unchanged.labels")[0][0] == 2


def test_a_view_follows_a_table_that_somebody_dropped(small: Small) -> None:
    small.sql("drop table unchanged.kept")
    assert small.dbt("build").code == 0
    assert small.sql("select typeof(amount) from unchanged.shown")[0][0] == "decimal(5,4)"


def test_a_snapshot_takes_a_new_column_when_nothing_else_is_new(small: Small) -> None:
    small.sql("create or replace table unchanged_given.news using delta as select 1 as id, "
              "date '2024-01-01' as day, 'a' as text, 'b' as more where false")  # fmt: skip
    assert small.build() == {"news_versions"}
    held = small.sql("select id, more from unchanged.news_versions where dbt_valid_to is null")
    assert [tuple(row) for row in held] == [(1, None)]


def test_a_view_that_breaks_its_contract_is_refused(small: Small) -> None:
    small.write("models/models.yml", MODELS.replace("data_type: double", "data_type: string"))
    answer = small.dbt("build")
    assert answer.code == 1
    assert "This model has an enforced contract that failed" in answer.text
    assert small.sql("select amount from unchanged.doubled")[0][0] == 2.469
