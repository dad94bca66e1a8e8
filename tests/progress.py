"""A line a minute while the tests run on several workers: how many are done, what runs now."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

SECONDS = 60.0


class Progress:
    """A plugin of the process that the workers report to."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._started = time.monotonic()
        self._ended = threading.Event()
        self._running: dict[str, str] = {}  # by worker
        self._total = self._done = self._failed = 0
        threading.Thread(target=self._write, daemon=True).start()

    def pytest_xdist_node_collection_finished(self, node: Any, ids: list[str]) -> None:
        self._total = len(ids)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._failed += report.failed
        if report.when == "teardown":
            self._done += 1
        worker = getattr(report, "node", None)
        if worker is not None:
            self._running[worker.gateway.id] = report.nodeid.partition("@")[0]

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
