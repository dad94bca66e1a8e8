"""The foundations of the protocol: Delta's marks, concurrent writers, compaction,
and the ledger.
"""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import Row

from loader.batch import COMMITTED, PLANNED, Batch, positions
from loader.content import LOAD, REPLAY, Offsets, Range
from loader.errors import Fenced
from loader.lake import tables
from loader.lake.ledger import Ledger
from loader.lake.schema import rows_of
from loader.round import Loader, Outcome
from tests.loader.conftest import Lake, Open, every

pytestmark = pytest.mark.stack


def detail(loader: Loader, table: str) -> Row:
    return loader.spark.sql(f"describe detail {table}").collect()[0]


def quiet(loader: Loader) -> Outcome:
    outcome = loader.round(lambda landed: None, lambda note: None)
    assert outcome.errors == []
    return outcome


def test_the_mark_survives_checkpoints_log_cleanup_vacuum_and_optimize(
    lake: Lake, loader: Open
) -> None:
    lake.make("a")
    lake.configure("a")
    one = loader()
    for _ in range(3):
        lake.produce("a", 10)
        first = quiet(one).batches[0]
    table = lake.table("a")
    lake.sql(
        f"alter table {table} set tblproperties ('delta.checkpointInterval' = '1', "
        "'delta.logRetentionDuration' = 'interval 1 day', "
        "'delta.deletedFileRetentionDuration' = 'interval 0 hours')"
    )
    tables.compact(one.spark, table, "128MB")
    folder = Path(detail(one, table)["location"].removeprefix("file:").replace("%20", " "))
    # Delta deletes log files by their day; date these two days back and more.
    old = time.time() - 3 * 86400
    for file in (folder / "_delta_log").iterdir():
        os.utime(file, (old, old))
    before = {file.name for file in (folder / "_delta_log").glob("*.json")}
    lake.produce("a", 10)
    quiet(one)  # its commit writes a checkpoint, and Delta then deletes old log files
    left = {file.name for file in (folder / "_delta_log").glob("*.json")}
    assert not before & left or len(before & left) < len(before), "nothing was cleaned up"
    lake.sql("set spark.databricks.delta.retentionDurationCheck.enabled = false")
    lake.sql(f"vacuum {table} retain 0 hours")
    # The write of any batch with a mark is skipped, as after a takeover without knowledge of the
    # table.
    for batch_id in (1, 2, 3, 4):
        twin = replace(first.with_ranges([Range(0, 0, 40)]), batch_id=batch_id, planned_at=None)
        # If it were written, there would be forty more rows; skipped, it counts the existing ten.
        assert one.write([twin], [])[0].records == 10
    assert lake.offsets("a") == every(40)


def test_in_flight_twins_of_one_batch_land_it_once(lake: Lake, loader: Open) -> None:
    lake.make("a", partitions=2)
    lake.configure("a")
    one = loader()
    lake.produce("a", 20_000, 0)
    lake.produce("a", 10, 1)
    ours, _ = one.ledger.propose(one.survey().batches)
    gate = threading.Barrier(3)

    def write() -> int:
        gate.wait()
        return sum(batch.records or 0 for batch in one.write(ours, []))

    with ThreadPoolExecutor(3) as pool:
        counts = [each.result() for each in [pool.submit(write) for _ in range(3)]]
    assert counts == [20_010] * 3
    assert lake.offsets("a") == every(20_000) + every(10, 1)


def test_compaction_disturbs_no_load_and_leaves_old_batches_to_be_skipped(
    lake: Lake, loader: Open
) -> None:
    lake.make("a")
    lake.configure("a")
    one = loader()
    errors: list[Exception] = []
    over = threading.Event()

    def compact() -> None:
        try:
            while not over.is_set():
                for table in (lake.table("a"), lake.ledger):
                    tables.compact(one.spark, table, "128MB")
        except Exception as error:
            errors.append(error)

    lake.produce("a", 50)
    quiet(one)
    thread = threading.Thread(target=compact)
    thread.start()
    try:
        for _ in range(5):
            lake.produce("a", 50)
            quiet(one)
    finally:
        over.set()
        thread.join()
    assert errors == []
    assert lake.offsets("a") == every(300)
    tables.compact(one.spark, lake.table("a"), "128MB")
    assert detail(one, lake.table("a"))["numFiles"] == 1
    lake.produce("a", 50)
    quiet(one)
    # A reader of new batches opens one of the two files.
    new = one.spark.table(lake.table("a")).where("batch_id > 6")
    assert new.count() == 50
    assert (len(new.inputFiles()), detail(one, lake.table("a"))["numFiles"]) == (1, 2)


@pytest.mark.exhaustive
def test_rows_of_the_ledger_are_retired_and_nothing_is_forgotten(lake: Lake, loader: Open) -> None:
    """After hundreds of batches, a run reads as few rows as at the start."""
    lake.configure()
    one = loader()
    ledger = one.ledger
    quiet(one)
    last: list[Batch] = []
    for number in range(1, 62):
        ranges = (Range(0, number, number + 1),)
        rows = [
            Batch("t.a", number, "kafka.c", Offsets(topic, f"id-{topic}", ranges), "d")
            for topic in ("x", "y")
        ]
        last = rows if number % 20 else rows[:1]
        # One statement plans and closes many batches: the test is about the read afterwards.
        if number == 1:
            batches = []
        batches.extend(last)
    frame = rows_of(ledger.spark, [replace(row, records=1) for row in batches])
    frame.createOrReplaceTempView("many_batches")
    columns = ", ".join(column for column in frame.columns if column != "state")
    ledger.spark.sql(
        f"insert into {ledger.name} ({columns}, state, owner, planned_at, current) "
        f"select {columns}, '{COMMITTED}', 'o', now(), true from many_batches"
    )
    rows = ledger.current()
    assert len(rows) == len(batches)
    before = positions(rows, ["t.a"])
    ledger.close([], rows)
    after = ledger.current()
    assert len(after) <= 2
    assert positions(after, ["t.a"]) == before
    # The batch id of a row outside of `current` cannot be used again either.
    ours, fenced = ledger.propose([replace(batches[5], state=PLANNED)])
    assert ours == []
    assert [type(error) for error in fenced] == [Fenced]
    assert len(ledger.history(["t.a"])) == len(batches)


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["plan", "replay", "write", "close", "late", "retire"]),
        st.integers(0, 2),  # number of the loader
        st.sampled_from(["t.a", "t.b"]),
    ),
    min_size=4,
    max_size=14,
)


def test_any_history_of_loaders_is_one_history(lake: Lake, loader: Open) -> None:
    """Loaders plan, die, take over and return in any order; a Python model computes the expected
    rows.

    Nothing is written to raw, so that many histories fit in a test: the rows are the ledger's own.
    """
    lake.configure()
    base = loader()
    quiet(base)
    number = 0

    @settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
    @given(_STEPS)
    def check(steps: list[tuple[str, int, str]]) -> None:
        nonlocal number
        number += 1
        names = {table: f"{table}{number}" for table in ("t.a", "t.b")}
        loaders = [Ledger(base.spark, base.ledger.name) for _ in range(3)]
        views: list[dict[str, list[Batch]]] = [{} for _ in range(3)]
        planned: dict[str, list[Batch]] = {table: [] for table in names.values()}
        closed: dict[str, list[int]] = {table: [] for table in names.values()}
        for step, who, short in steps:
            table, ledger = names[short], loaders[who]
            if step == "late":
                # Reads before the others act, and acts later on these rows.
                rows = [row for row in ledger.current() if row.table_name == table]
                views[who][table] = rows
                continue
            if step == "retire":
                ledger.close([], [r for r in ledger.current() if r.table_name == table])
                continue
            known = views[who].pop(table) if table in views[who] else None
            rows = known or []
            if known is None:
                rows = [row for row in ledger.current() if row.table_name == table]
            here = positions(rows, [table])[table]
            if step in ("plan", "replay"):
                if here.unfinished:
                    continue
                batch_id = here.last_batch_id + 1
                kind = LOAD if step == "plan" else REPLAY
                last = here.newest.get(("kafka.c", "x"))
                at = last.ranges[0].until_offset if last else 0
                span = Range(0, at, at + 3) if kind == LOAD else Range(0, 0, at)
                if kind == REPLAY and not at:
                    continue
                content = Offsets("x", "id", (span,))
                batch = Batch(table, batch_id, "kafka.c", content, "d", kind=kind)
                ours, fenced = ledger.propose([batch])
                free = all(each.batch_id < batch_id for each in planned[table])
                assert bool(ours) == free, "planned exactly when the number was free"
                assert bool(fenced) != free
                planned[table] += ours
            elif step == "close":
                for batch in here.unfinished:
                    done, fenced = ledger.close([replace(batch, records=3, bytes=3)])
                    first = batch.batch_id not in closed[table]
                    assert bool(done) == first, "closed exactly once"
                    assert bool(fenced) != first
                    closed[table] += [each.batch_id for each in done]
        for table in names.values():
            history = base.ledger.history([table])
            assert [row.batch_id for row in history] == list(range(1, len(history) + 1))
            assert [row.batch_id for row in history] == [row.batch_id for row in planned[table]]
            at = 0
            for row in history:
                assert (row.state == COMMITTED) == (row.batch_id in closed[table])
                if row.kind == LOAD:
                    assert row.ranges[0].from_offset == at, "no hole and no overlap"
                    at = row.ranges[0].until_offset
            assert sum(row.state == PLANNED for row in history) <= 1

    check()
