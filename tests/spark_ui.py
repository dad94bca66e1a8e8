"""Spark's web interface, for tests that search it for secrets."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any


class SparkUi:
    """The web pages and the REST API at an address such as http://127.0.0.1:4040."""

    def __init__(self, address: str) -> None:
        self.address = address
        (application,) = json.loads(self.page("/api/v1/applications"))
        self.api = f"/api/v1/applications/{application['id']}"

    def page(self, path: str) -> str:
        with urllib.request.urlopen(f"{self.address}{path}", timeout=60) as answer:
            return str(answer.read().decode())

    def executions(self) -> list[dict[str, Any]]:
        """The SQL executions that Spark still stores, with their plans.

        Spark drops old executions in parts, the graph before the rest. A list that contains one
        without its graph is answered with 404, so they are queried one by one.
        """
        found: list[dict[str, Any]] = []
        query = f"{self.api}/sql?details=true&planDescription=true&length=1"
        for offset in range(1000):
            try:
                one = json.loads(self.page(f"{query}&offset={offset}"))
            except urllib.error.HTTPError as error:
                assert error.code == 404
                continue
            if not one:
                break
            found += one
        return found
