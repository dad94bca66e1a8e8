from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def java_at(tmp_path: Path) -> Iterator[object]:
    """Makes a JAVA_HOME whose `java -version` reports what the test says."""

    def make(name: str, version: str, code: int = 0) -> Path:
        home = tmp_path / name
        (home / "bin").mkdir(parents=True)
        java = home / "bin" / "java"
        java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\nexit {code}\n")
        java.chmod(0o755)
        return home

    yield make
