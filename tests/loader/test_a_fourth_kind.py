"""A fourth kind of source needs one file, like this one: a list of records in memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import ClassVar

import pytest
from pyspark.sql import SparkSession

from loader import sources
from loader.batch import Batch
from loader.configuration import load
from loader.content import Offsets, Range
from loader.errors import LoaderError
from loader.lake import tables
from loader.lake.ledger import Ledger
from loader.repeat import repeat
from loader.sources.base import Kind, Survey
from stack import Stack
from tests.conftest import ROOT
from tests.loader.conftest import Lake, text_of

COLUMNS = "batch_id bigint, offset bigint, value string"


class Memory(Kind):
    """``records`` with fixed positions in the list; the list may grow."""

    name = "memory"
    sections = ("shelf",)
    schemas: ClassVar[set[str]] = set()
    table = ""
    records: Sequence[str] = ()

    def find(self, survey: Survey, section: str | None) -> None:
        survey.feed(self.table, self)

    def propose(self, survey: Survey) -> Iterator[Batch]:
        position = survey.positions[self.table]
        last = position.last("memory.shelf", "shelf", "shelf")
        begin = (last.committed_offset(0) or 0) if last else 0
        if not position.unfinished and begin < len(self.records):
            content = Offsets("shelf", "shelf", (Range(0, begin, len(self.records)),))
            yield Batch(self.table, 0, "memory.shelf", content)

    def make_table(self, spark: SparkSession, table: str) -> None:
        tables.make_table(spark, table, COLUMNS, comment="What was in memory")

    def write(self, batches: Sequence[Batch], errors: list[LoaderError]) -> list[Batch]:
        (batch,) = batches
        if not self.held(batch):
            rows = [
                (batch.batch_id, offset, self.records[offset])
                for each in batch.ranges
                for offset in range(each.from_offset, each.until_offset)
            ]
            tables.append(self.spark.createDataFrame(rows, COLUMNS), batch, {})
        count = self.spark.table(self.table).where(f"batch_id = {batch.batch_id}").count()
        return [replace(batch, records=count, bytes=0)]


def told(_: object) -> None:
    """A callback that does nothing."""


@pytest.mark.stack
def test_a_fourth_kind_lands_every_record_once_though_it_was_killed_before_its_closing(
    lake: Lake, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.configure()
    table = lake.table("shelf")
    first = [f"record {number}" for number in range(100)]
    died = subprocess.run(
        [sys.executable, "-m", "tests.loader.test_a_fourth_kind", lake.config, table, *first],
        cwd=ROOT,
        env={**os.environ, **stack.env()},
        timeout=300,
        check=False,
    )
    assert died.returncode == -signal.SIGKILL
    assert lake.states() == [("shelf", 1, "planned")]
    assert lake.sql(f"select count(*) from {table}") == [(100,)]
    # A loader without the kind leaves its batch alone and reports it.
    answer = lake.load()
    assert answer.code == 2, answer.text
    assert "comes from [memory.shelf], a kind of source that this loader" in text_of(answer)

    everything = [*first, "one more", "and another"]
    monkeypatch.setattr(Memory, "table", table)
    monkeypatch.setattr(Memory, "records", everything)
    monkeypatch.setattr(sources, "KINDS", [*sources.KINDS, Memory])
    answer = lake.load()
    assert answer.code == 0, answer.text
    assert f"finishing batch 1 of {table}" in answer.out
    assert f"{table} batch 2: shelf 0:100-101, 2 records" in text_of(answer)
    rows = lake.sql(f"select offset, value from {table} order by 1")
    assert [tuple(row) for row in rows] == list(enumerate(everything))
    assert lake.states() == [("shelf", 1, "committed"), ("shelf", 2, "committed")]
    assert "0 records in 0 batches" in text_of(lake.load())


if __name__ == "__main__":
    _, config, Memory.table, *Memory.records = sys.argv
    sources.KINDS.append(Memory)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Ledger, "close", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        repeat(load(config), told, told, told)
