"""Small parts of the loader that need no server."""

from __future__ import annotations

import csv
import io
import os
import pickle
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from rich.console import Console

from loader import errors, output
from loader.batch import Batch, Position, position
from loader.content import Files, Gap, Offsets, Range
from loader.errors import ConfigurationError, DataLoss, Fenced, LoaderError, SourceUnavailable, some
from loader.lake.session import connect
from loader.lake.spark_errors import reason
from loader.lake.tables import check_table, until_no_conflict
from loader.metrics import Metrics
from loader.process import is_alive, new_owner
from loader.round import Outcome
from loader.settings import Settings
from loader.sources.files.listing import as_literal
from loader.sources.files.rows import column_names
from loader.sources.kafka.landing import wholly_counted

KINDS: list[type[LoaderError]] = [
    ConfigurationError,
    DataLoss,
    Fenced,
    SourceUnavailable,
    errors.Bug,
]


@pytest.mark.parametrize("kind", KINDS)
def test_errors_survive_pickling(kind: type[LoaderError]) -> None:
    error = pickle.loads(pickle.dumps(kind("One sentence.", topic="t", partition=3)))
    assert type(error) is kind
    assert str(error) == "One sentence."
    assert error.facts == {"topic": "t", "partition": 3}


def test_exit_codes_tell_the_kinds_apart() -> None:
    codes = [kind.exit_code for kind in KINDS]
    assert sorted(set(codes)) == sorted(codes) == [2, 3, 4, 5, 6]


def test_this_process_is_alive() -> None:
    assert is_alive(new_owner())
    assert new_owner() != new_owner()


def test_a_process_that_ended_is_not_alive() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    host, _, _, rest = new_owner().split("/")
    start = int(psutil.Process(child.pid).create_time() * 1000)
    owner = f"{host}/{child.pid}/{start}/{rest}"
    assert is_alive(owner)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    # Killed, but not collected by its parent, as in a container without an init process.
    assert psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE
    assert not is_alive(owner)
    child.communicate()
    assert not is_alive(owner)


def test_a_recycled_pid_is_not_its_owner() -> None:
    host, pid, start, rest = new_owner().split("/")
    assert not is_alive(f"{host}/{pid}/{int(start) - 60_000}/{rest}")
    # The clock of a running machine is set now and then, by less than a second.
    assert is_alive(f"{host}/{pid}/{int(start) - 900}/{rest}")


@pytest.mark.parametrize("owner", ["", "someone", "elsewhere/1/1/x", "//x/y"])
def test_an_owner_that_cannot_be_looked_up_is_not_alive(owner: str) -> None:
    assert not is_alive(owner)


def test_a_conflict_is_asked_again_until_it_is_none() -> None:
    answers: list[str | Exception] = [
        RuntimeError("(x) [DELTA_CONCURRENT_APPEND.WITHOUT_HINT] y"),
        "done",
    ]

    def run() -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert until_no_conflict(run, "raw.t") == "done"


def test_an_error_that_is_no_conflict_is_raised_at_once() -> None:
    calls = []

    def run() -> None:
        calls.append(1)
        raise RuntimeError("table ConcurrentThings not found")

    with pytest.raises(RuntimeError):
        until_no_conflict(run, "raw.t")
    assert calls == [1]


def test_endless_conflicts_end_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def run() -> None:
        raise RuntimeError("[DELTA_CONCURRENT_TRANSACTION] once more")

    monkeypatch.setattr("loader.lake.tables.time.sleep", lambda seconds: None)
    with pytest.raises(Fenced, match=r"raw\.t had a conflicting writer .*once more"):
        until_no_conflict(run, "raw.t")


def test_a_dropped_and_a_remade_table_are_loss() -> None:
    last = Batch("raw.t", 4, "kafka.default", Offsets("t", "id-1"), "delta-1", state="committed")
    known = position([last])
    check_table(known, "raw.t", "delta-1")
    check_table(Position(), "raw.t", None)
    with pytest.raises(DataLoss, match=r"raw\.t was dropped \(.*4 batches"):
        check_table(known, "raw.t", None)
    with pytest.raises(DataLoss, match=r"raw\.t was dropped and made again .*delta-1.*delta-2"):
        check_table(known, "raw.t", "delta-2")


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ("Code INSEE;Straße;n°", ["code_insee", "straße", "n"]),
        ('\ufeff"A";"b;c"', ["a", "b_c"]),
        ('"say ""hi""";x', ["say_hi", "x"]),
    ],
)
def test_a_header_names_the_columns(header: str, names: list[str]) -> None:
    cells = next(csv.reader([header.lstrip("\ufeff")], delimiter=";"))
    assert column_names(cells, "f.csv") == names


@pytest.mark.parametrize(
    ("header", "named"),
    [("a;A", "'a'"), ("a;;b", "''"), ("a;Batch ID", "'batch_id'"), ("", "''"), ("!;a", "''")],
)
def test_a_header_that_cannot_name_columns_is_refused(header: str, named: str) -> None:
    with pytest.raises(ConfigurationError, match=f"header of f.csv .*{named}"):
        column_names(header.split(";"), "f.csv")


def test_globs_in_a_file_name_are_taken_literally() -> None:
    assert as_literal("/a[1]{b}*?.csv") == r"/a\[1\]\{b\}\*\?.csv"


def test_the_reason_of_an_error_is_one_line() -> None:
    assert reason(ValueError("\nfirst.\nsecond")) == "first"
    assert reason(ValueError("")) == "ValueError"
    # What Python itself says is little without the name of the error.
    assert reason(KeyError("topic_id")) == "KeyError: 'topic_id'"
    rpc = '<_MultiThreadedRendezvous of RPC that terminated with:\n\tdetails = "Socket closed"\n>'
    assert reason(Exception(rpc)) == "Socket closed"


def test_a_sentence_names_some_and_says_how_many_more() -> None:
    assert some(["a", "b"]) == "a, b"
    assert some(list(range(2000)), " ") == "0 1 2 3 4 5 6 7 8 9 and 1,990 more"


def test_a_spark_address_of_another_scheme_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="must look like sc://host:port"):
        connect(Settings(spark_remote="http://127.0.0.1:1"))


def test_a_closed_port_is_reported_at_once() -> None:
    with pytest.raises(SourceUnavailable, match=r"Spark Connect at 127\.0\.0\.1:1 does not answer"):
        connect(Settings(spark_remote="sc://127.0.0.1:1"))


def test_a_batch_is_told_in_a_line() -> None:
    batch = Batch(
        "raw.t",
        3,
        "kafka.default",
        Offsets("t", "id", (Range(0, 10, 26), Range(1, 5, 5))),
        "delta",
        records=15,
        bytes=61_234,
    )
    assert output.batch_line(batch) == (
        "raw.t batch 3: t 0:10-25, 15 records, 61.2 kB, 1 offsets without a record"
    )


def test_times_are_told_in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        last = Batch(
            "raw.t", 3, "files.f", Files(), "delta", committed_at=datetime(2024, 1, 1, 20, 0)
        )
        assert output.last_batch(last) == {"batch_id": 3, "loaded_at": "2024-01-02 01:00"}
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("observed", "records"),
    [
        ({"records_0": 15, "bytes_0": 40, "records_1": 7, "bytes_1": None}, [15, 7]),
        ({"records_0": 14, "bytes_0": 40, "records_1": 7, "bytes_1": 9}, []),  # a hole: which?
        ({"records_0": 15, "bytes_0": 40}, []),
        ({}, []),  # Delta skipped the write
        (None, []),  # the session cannot tell
    ],
)
def test_only_a_row_for_every_offset_spares_the_count_in_the_table(
    observed: dict[str, Any] | None, records: list[int]
) -> None:
    ranges = (Range(0, 5, 15), Range(1, 0, 10), Range(2, 3, 3))
    lost = (Gap(1, 0, 5, "retention"),)
    one = Batch("raw.t", 2, "kafka.c", Offsets("one", "id", ranges), "d", gaps=lost)
    two = Batch("raw.t", 2, "kafka.c", Offsets("two", "id", (Range(0, 0, 7),)), "d")
    counted = wholly_counted([one, two], observed)
    assert [batch.records for batch in counted] == records
    if counted:
        assert [each.records for each in counted[0].ranges] == [10, 5, 0]
        assert [batch.bytes for batch in counted] == [40, 0]


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_terminal_shows_how_far_a_long_read_is(
    is_terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=is_terminal, width=100)
    monkeypatch.setattr(output, "ERRORS", console)
    handlers: list[Any] = []
    spark: Any = SimpleNamespace(
        registerProgressHandler=handlers.append, removeProgressHandler=handlers.remove
    )
    with output.Teller().working(spark):
        for handler in handlers:
            stage = SimpleNamespace(num_tasks=8, num_completed_tasks=3)
            handler(stages=[stage], operation_id="one", done=False)
    assert handlers == []
    assert ("3/8 tasks" in shown.getvalue()) == is_terminal


def test_metrics_say_nothing_of_the_lag_of_a_topic_that_is_gone(tmp_path: Path) -> None:
    metrics = Metrics(tmp_path / "metrics.txt")
    metrics.ended(Outcome([], [], {("default", "a"): {0: 3, 1: 4}, ("default", "b"): {0: 5}}))
    metrics.ended(Outcome([], [], {("default", "a"): {0: 2}}))
    lags = [
        line
        for line in (tmp_path / "metrics.txt").read_text().splitlines()
        if line.startswith("lacustre_loader_lag_records{")
    ]
    assert lags == ['lacustre_loader_lag_records{cluster="default",partition="0",topic="a"} 2.0']
