"""The documentation site describes the real relations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stack import Stack
from tests.conftest import Answer, Run

pytestmark = pytest.mark.stack


def test_every_column_in_the_lake_is_documented(demo: Answer, stack: Stack) -> None:
    folder = Path(stack.directory) / "dbt-target"
    catalog: dict[str, Any] = json.loads((folder / "catalog.json").read_text())
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    described = {**manifest["nodes"], **manifest["sources"]}
    found = {**catalog["nodes"], **catalog["sources"]}
    assert {"model.lacustre.matomo_visits", "source.lacustre.raw.matomo"} <= set(found)
    missing = [
        f"{name}.{column}"
        for name, node in found.items()
        for column in node["columns"]
        if not described[name]["columns"].get(column, {}).get("description")
    ]
    assert missing == []


def test_freshness_of_the_topics_can_be_asked(demo: Answer, run: Run, stack: Stack) -> None:
    answer = run("dbt", "source", "freshness", "--target", "local",
                 "--profiles-dir", Path(stack.directory) / "demo-profile")  # fmt: skip
    assert answer.code == 0, answer.text
    assert "PASS freshness of raw.matomo" in answer.text
