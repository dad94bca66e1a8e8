"""What Spark shows of itself, for tests that look for what must not be seen there."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any


class SparkUi:
    """The web pages and the REST API of the server at an address, such as http://127.0.0.1:4040."""

    def __init__(self, address: str) -> None:
        self.address = address
        (application,) = json.loads(self.page("/api/v1/applications"))
        self.api = f"/api/v1/applications/{application['id']}"

    def page(self, path: str) -> str:
        with urllib.request.urlopen(f"{self.address}{path}", timeout=60) as answer:
            return str(answer.read().decode())

    def executions(self) -> list[dict[str, Any]]:
        """The executions of SQL that Spark remembers, with their plans.

        Spark forgets old executions in parts, the graph before the rest, and answers 404 for a list
        that holds one without its graph; so they are asked for one by one.
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
