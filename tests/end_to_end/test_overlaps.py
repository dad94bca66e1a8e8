"""Concurrent builds: several at once, while a loader and a replay run, and one that was killed.

A small project with the macros of this one and every kind of model.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from kafka.admin import KafkaAdminClient

from stack import Stack
from tests.conftest import ROOT, Answer, Run, Sql
from tests.end_to_end.conftest import Send

pytestmark = pytest.mark.stack

ROUNDS = int(os.environ.get("OVERLAP_ROUNDS", "2"))
PROJECT = """
name: small
version: "1.0.0"
config-version: 2
profile: lacustre
on-run-start: "{{ take_build() }}"
on-run-end: "{{ leave_build() }}"
seeds: {+file_format: delta}
snapshots: {+file_format: delta}
models: {+file_format: delta}
"""
SOURCES = """
version: 2
sources: [{name: raw, schema: overlap_raw, tables: [{name: records}]}]
snapshots:
  - name: versions
    relation: ref('changes')
    config:
      {unique_key: key, strategy: check, check_cols: [text], meta: {near: day}}
"""
NEW = "select * from {{ ref('documents') }} where {{ new_batches() }}"
MODELS = {
    "documents": "{{ config(materialized='incremental', incremental_strategy='append') }}"
    " select batch_id, topic, partition, offset, cast(key as string) as key,"
    " cast(value as string) as text, date '2024-01-01' as day"
    " from {{ new_records(source('raw', 'records')) }}",
    "changes": "{{ config(materialized='table') }}"
    " select * from {{ ref('documents') }} qualify row_number() over"
    " (partition by key order by batch_id desc, offset desc) = 1",
    "children": "{{ config(materialized='incremental', incremental_strategy='replace_keys',"
    " unique_key='offset', replace_key='key') }} select * from {{ ref('documents') }} where key in"
    " (select key from {{ ref('documents') }} where {{ new_batches() }})",
    "near": "{{ config(materialized='incremental', incremental_strategy='merge_near',"
    " unique_key=['key'], near='day') }} " + NEW +
    " qualify row_number() over (partition by key order by offset desc) = 1",
    "days": "{{ config(materialized='incremental', incremental_strategy='replace_where',"
    " replace_key='day') }} select day, count(*) as documents, max(batch_id) as batch_id"
    " from {{ ref('documents') }} group by day",
    "seen": "select key, count(*) as versions from {{ ref('documents') }} group by key",
}  # fmt: skip
CONTENTS = {
    "documents": "count(*), count(distinct offset)",
    "changes": "count(*), count(distinct key)",
    "children": "count(*), count(distinct offset)",
    "near": "count(*), count(distinct key)",
    "days": "count(*), sum(documents)",
    "seen": "count(*), sum(versions)",
    "versions": "count(*), count(distinct key)",
    "labels": "count(*), count(distinct code)",
}
SENTENCE = "Another build is under way: "
TOPIC = "overlap"
KEYS = 10  # each batch has a record per key


class Lake:
    """The small project, its raw table, and the expected content of its lake."""

    def __init__(
        self, folder: Path, profiles: Path, stack: Stack, sql: Sql, send: Send, run: Run
    ) -> None:
        self.folder, self.profiles, self.stack, self.sql = folder, profiles, stack, sql
        self._send, self._run = send, run
        self.sent = 0
        with closing(
            KafkaAdminClient(bootstrap_servers=stack.endpoints.kafka_bootstrap_servers)
        ) as admin:
            admin.create_topics({TOPIC: {"num_partitions": 1}}, wait_for_metadata=True)
        (folder / "loader.toml").write_text(
            'ledger = "overlap_raw.loader_batches"\n[[kafka.default.topics]]\n'
            f'topic = "{TOPIC}"\ntable = "overlap_raw.records"\n',
            encoding="utf-8",
        )
        (folder / "macros").symlink_to(ROOT / "macros")
        for name, text in (
            ("dbt_project.yml", PROJECT),
            ("models/sources.yml", SOURCES),
            ("seeds/labels.csv", "code,label\n1,one\n2,two\n"),
            *((f"models/{model}.sql", text) for model, text in MODELS.items()),
        ):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")

    def land(self) -> None:
        """One more batch, of keys that already have versions."""
        text = f"v{self.sent}".encode()
        self._send(TOPIC, [(f"k{key}".encode(), text, None) for key in range(KEYS)])
        self.sent += KEYS
        self._load("run")

    def replay(self) -> None:
        """All records again, so that raw has each record at least twice."""
        self._load("replay", "--topic", TOPIC, "--from", "earliest")

    def _load(self, *words: str) -> None:
        answer = self._run("loader", "--config", self.folder / "loader.toml", *words)
        assert answer.code == 0, answer.text

    def start(self, number: int = 0) -> subprocess.Popen[str]:
        environ = {
            **os.environ, **self.stack.env(), "PYTHONPATH": str(ROOT), "DBT_TEST_SCHEMA": "overlap",
            "LACUSTRE_RAW_SCHEMA": "overlap_raw", "DBT_SPARK_CODEGEN": "false",
            "DBT_TARGET_PATH": str(self.folder / f"target{number}"),
            "DBT_LOG_PATH": str(self.folder / f"logs{number}"),
        }  # fmt: skip
        return subprocess.Popen(
            [str(Path(sys.executable).parent / "dbt"), "--no-use-colors", "build",
             "--project-dir", str(self.folder), "--profiles-dir", str(self.profiles),
             "--target", "test"],
            cwd=ROOT, env=environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def end(self, build: subprocess.Popen[str]) -> Answer:
        out, _ = build.communicate(timeout=600)
        return Answer(build.returncode, out, "")

    def build(self, number: int = 0) -> Answer:
        return self.end(self.start(number))

    def holds(self) -> dict[str, tuple[Any, ...]]:
        return {
            relation: tuple(self.sql(f"select {what} from overlap.{relation}")[0])
            for relation, what in CONTENTS.items()
        }

    def should_hold(self) -> dict[str, tuple[int, int]]:
        every, keys = (self.sent, self.sent), (KEYS, KEYS)
        return {
            "documents": every, "changes": keys, "children": every, "near": keys,
            "days": (1, self.sent), "seen": (KEYS, self.sent), "labels": (2, 2),
        }  # fmt: skip

    def check(self) -> None:
        """Assert that the lake equals the result of a single build of all records."""
        held = self.holds()
        assert {name: held[name] for name in self.should_hold()} == self.should_hold()


@pytest.fixture(scope="module")
def lake(
    tmp_path_factory: pytest.TempPathFactory,
    profiles: Path,
    stack: Stack,
    sql: Sql,
    send: Send,
    run: Run,
) -> Lake:
    return Lake(tmp_path_factory.mktemp("overlaps"), profiles, stack, sql, send, run)


def test_builds_at_once_leave_the_lake_of_a_single_build(lake: Lake) -> None:
    """``OVERLAP_ROUNDS`` times two or three builds, while a loader and a replay run."""
    for turn in range(ROUNDS):
        lake.land()
        with ThreadPoolExecutor() as pool:
            # The first round creates all relations.
            builds = [lake.start(number) for number in range(2 + turn % 2)]
            ends = [pool.submit(lake.end, build) for build in builds]
            if turn % 2 == 0:
                lake.replay()
            lake.land()
            if turn % 2 == 1:
                lake.replay()
            answers = [end.result() for end in ends]
        assert 0 in {answer.code for answer in answers}, [answer.text for answer in answers]
        for answer in answers:
            assert answer.code == 0 or SENTENCE in answer.text, answer.text
        held = lake.holds()
        assert held["documents"][0] == held["documents"][1], held
        assert held["documents"][0] == held["days"][1] == held["seen"][1], held
    last = lake.build()
    assert last.code == 0, last.text
    lake.check()
    assert lake.sql("select count(*) from overlap_raw.records")[0][0] > lake.sent
    assert lake.sql("select count(*) from overlap_staging.builds")[0][0] == 0


def test_an_append_brings_no_batch_twice(lake: Lake) -> None:
    """The write of a delayed build, after another build wrote the same batch."""
    written = sorted((lake.folder / "target0").glob("run/**/documents.sql"))
    statement = written[-1].read_text(encoding="utf-8")
    assert "insert into" in statement
    before = lake.holds()["documents"]
    lake.sql("create or replace temporary view documents__dbt_tmp as select * from "
             "overlap.documents")  # fmt: skip
    lake.sql(statement)
    lake.sql("drop view documents__dbt_tmp")
    assert lake.holds()["documents"] == before


def test_a_build_goes_on_at_once_after_one_that_was_killed(lake: Lake) -> None:
    lake.land()
    killed = lake.start()
    until = time.monotonic() + 120
    while not lake.sql("select 1 from overlap_staging.builds") and time.monotonic() < until:
        assert killed.poll() is None
    second = lake.build(1)
    assert SENTENCE in second.text, second.text
    assert second.code != 0
    killed.send_signal(signal.SIGKILL)
    lake.end(killed)
    after = lake.build(1)
    assert after.code == 0, after.text
    lake.check()
