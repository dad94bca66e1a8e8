"""The output of a run: lines of batches, times, progress on a terminal, and metrics."""

from __future__ import annotations

import io
import time
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from loader import output
from loader.batch import Batch
from loader.content import Files, Offsets, Range
from loader.metrics import Metrics
from loader.round import Outcome


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
