"""A statement that conflicts with another writer of its Delta table is retried, but not forever."""

from __future__ import annotations

import pytest

from loader.errors import Fenced
from loader.lake.tables import until_no_conflict


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
