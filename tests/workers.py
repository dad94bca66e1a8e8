"""How several workers share the tests, and a line a minute of how far they are."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

SECONDS = 60.0  # between two lines
# Modules that share one lake, which takes long to make: they run on one worker.
LAKE = (
    "test_alarms", "test_changes", "test_demo", "test_docs", "test_held_catalogues",
    "test_matomo_history", "test_matomo_reports", "test_quarantine", "test_samples", "test_sweep",
)  # fmt: skip
# The longest groups come first, so that the workers end together.
FIRST = ("lake", "test_meters", "test_servers", "test_overlaps", "test_park_versions",
         "test_matomo_privacy", "test_large_records")  # fmt: skip
# Modules whose tests share only what every worker has; each test goes to the next free worker.
APART = (
    "test_alone", "test_any_size", "test_deadlines", "test_errors", "test_imports", "test_landing",
    "test_odd_records", "test_positions", "test_protocol", "test_withdrawn",
)  # fmt: skip


def group_of(nodeid: str) -> str:
    """The name of the tests that run on one worker, one after the other, with this one."""
    module = nodeid.partition("::")[0].rpartition("/")[2].removesuffix(".py")
    if module in APART:
        return nodeid
    return "lake" if module in LAKE else module


def rank(item: pytest.Item) -> int:
    """Where the item's group stands in the order in which groups are given to workers."""
    group = group_of(item.nodeid)
    if group in FIRST:
        return FIRST.index(group)
    return len(FIRST) + ("stack" not in item.keywords)


class Groups(LoadScopeScheduling):
    """Gives whole groups to workers; xdist_group of pytest-xdist 3.8 does nothing in pytest 9.2."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


class Workers:
    """A plugin of the process that the workers report to."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._started = time.monotonic()
        self._ended = threading.Event()
        self._running: dict[str, str] = {}  # by worker
        self._total = self._done = self._failed = 0
        threading.Thread(target=self._write, daemon=True).start()

    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Groups:
        return Groups(config, log)

    def pytest_xdist_node_collection_finished(self, node: Any, ids: list[str]) -> None:
        self._total = len(ids)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._failed += report.failed
        if report.when == "teardown":
            self._done += 1
        worker = getattr(report, "node", None)
        if worker is not None:
            self._running[worker.gateway.id] = report.nodeid

    def pytest_sessionfinish(self) -> None:
        self._ended.set()

    def _write(self) -> None:
        while not self._ended.wait(SECONDS):
            terminal = self._config.pluginmanager.get_plugin("terminalreporter")
            if terminal is None or not self._total:
                continue
            minutes = (time.monotonic() - self._started) / 60
            last = ", ".join(name.rpartition("/")[2] for _, name in sorted(self._running.items()))
            terminal.write_line(
                f"\n{minutes:.0f} min: {self._done} of {self._total} tests, {self._failed} failed"
                + (f"; last {last}" if last else "")
            )
