"""Distribution of the tests to workers, and a progress line per minute."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

SECONDS = 60.0  # between two lines
# Modules that send messages to the shared lake in rounds (`rounds` of the end-to-end tests).
SENDERS = (
    "test_alarms", "test_changes", "test_held_catalogues", "test_matomo_history",
    "test_quarantine", "test_samples", "test_sweep",
)  # fmt: skip
# Modules that use this lake, which takes long to build: they run on one worker.
LAKE = (*SENDERS, "test_demo", "test_docs", "test_matomo_reports")
# The longest groups come first, so that the workers end at about the same time.
FIRST = ("lake", "test_meters", "test_servers", "test_overlaps", "test_park_versions",
         "test_matomo_privacy", "test_large_records")  # fmt: skip
# Modules whose tests share nothing but each worker's own stack; each test goes to the next free
# worker.
APART = (
    "test_alone", "test_any_size", "test_deadlines", "test_errors", "test_imports", "test_landing",
    "test_odd_records", "test_positions", "test_protocol", "test_withdrawn",
)  # fmt: skip


def group_of(nodeid: str) -> str:
    """The group of a test: its tests run on one worker, one after the other."""
    module = nodeid.partition("::")[0].rpartition("/")[2].removesuffix(".py")
    if module in APART:
        return nodeid
    return "lake" if module in LAKE else module


def rank(item: pytest.Item) -> int:
    """The position of the item's group in the order in which workers get groups."""
    group = group_of(item.nodeid)
    if group in FIRST:
        return FIRST.index(group)
    return len(FIRST) + ("stack" not in item.keywords)


class Groups(LoadScopeScheduling):
    """Assigns whole groups to workers; xdist_group of pytest-xdist 3.8 has no
    effect in pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


class Workers:
    """A plugin of the process to which the workers report."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        config.option.loadscopereorder = False  # groups keep the order of `rank`
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
