"""A full refresh keeps history that raw no longer has; a small project with these macros."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Answer, Run, Sql
from tests.end_to_end.projects import Project

pytestmark = pytest.mark.stack

PROJECT = """
name: shortened
version: "1.0.0"
config-version: 2
profile: lacustre
vars: {accept_loss: []}
models: {+materialized: incremental, +incremental_strategy: append, +file_format: delta}
"""
SOURCES = """
version: 2
sources: [{name: given, schema: shortened_given, tables: [{name: records}]}]
"""
MODEL = (
    "select batch_id, topic, partition, offset from {{ new_records(source('given', 'records')) }}"
)


class Shortened(Project):
    """Two staging models over one raw table of three batches and two topics."""

    def __init__(self, folder: Path, profiles: Path, run: Run, sql: Sql) -> None:
        super().__init__(folder, "shortened", profiles, run, sql)
        self.write("dbt_project.yml", PROJECT)
        self.write("models/sources.yml", SOURCES)
        for name in ("stg_records", "stg_same"):
            self.write(f"models/{name}.sql", MODEL)

    def build(self, *words: str) -> Answer:
        return self.dbt("build", *words)

    def count(self, model: str = "stg_records") -> int:
        return int(self.sql(f"select count(*) from shortened.{model}")[0][0])


@pytest.fixture(scope="module")
def project(
    tmp_path_factory: pytest.TempPathFactory, profiles: Path, run: Run, sql: Sql
) -> Shortened:
    sql("create schema shortened_given")
    sql(
        "create table shortened_given.records using delta as "
        "select batch_id, topic, 0 as partition,"
        " batch_id * 10 + at as offset from (select explode(array(1, 2, 3)) as batch_id)"
        " lateral view explode(array('orders', 'visits')) as topic"
        " lateral view explode(array(0, 1)) as at"
    )
    made = Shortened(tmp_path_factory.mktemp("shortened"), profiles, run, sql)
    answer = made.build()
    assert answer.code == 0, answer.text
    return made


def test_a_full_refresh_of_whole_raw_goes_through(project: Shortened) -> None:
    answer = project.build("--full-refresh")
    assert answer.code == 0, answer.text
    assert project.count() == 12


def test_a_full_refresh_after_raw_was_shortened_is_refused_with_what_would_be_lost(
    project: Shortened,
) -> None:
    project.sql("delete from shortened_given.records where batch_id < 3 and topic = 'orders'")
    project.sql("delete from shortened_given.records where topic = 'visits' and offset = 20")
    answer = project.build("--full-refresh")
    assert answer.code == 1
    told = " ".join(answer.out.split())
    assert "4 of topic orders (batches 1 to 2); 1 of topic visits (batches 2 to 2)" in told
    assert "'{accept_loss: [stg_records]}'" in told
    assert "'{accept_loss: [stg_same]}'" in told
    assert project.count() == project.count("stg_same") == 12


def test_a_loss_is_accepted_for_the_model_that_is_named(project: Shortened) -> None:
    answer = project.build("--full-refresh", "--vars", "{accept_loss: [stg_records]}")
    assert answer.code == 1  # the other model is still refused
    assert project.count() == 7
    assert project.count("stg_same") == 12
