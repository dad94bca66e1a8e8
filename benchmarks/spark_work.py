"""The work of Spark, from the metrics of its stages."""

from __future__ import annotations

import json
import threading
import urllib.request
from typing import Any


class SparkWork:
    """Counts the rows that Spark's stages read and write within the context.

    It polls the web interface at ``port``, because that forgets old stages. Afterwards ``read`` and
    ``written`` have the sums.
    """

    def __init__(self, port: int) -> None:
        applications = f"http://127.0.0.1:{port}/api/v1/applications"
        self._stages = f"{applications}/{self._ask(applications)[0]['id']}/stages"
        self._done = threading.Event()
        self._rows: dict[tuple[int, int], tuple[int, int]] = {}
        self.read = self.written = 0

    def __enter__(self) -> SparkWork:
        self._before = set(self._look())
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self._rows.update(self._look())
        new = [rows for stage, rows in self._rows.items() if stage not in self._before]
        self.read, self.written = sum(rows[0] for rows in new), sum(rows[1] for rows in new)

    def _watch(self) -> None:
        while not self._done.wait(0.5):
            self._rows.update(self._look())

    def _look(self) -> dict[tuple[int, int], tuple[int, int]]:
        return {
            (each["stageId"], each["attemptId"]): (each["inputRecords"], each["outputRecords"])
            for each in self._ask(self._stages)
        }

    @staticmethod
    def _ask(url: str) -> Any:
        with urllib.request.urlopen(url) as answer:
            return json.load(answer)
