from __future__ import annotations

from pathlib import Path
from typing import Protocol

import pytest


class JavaAt(Protocol):
    """The fixture `java_at`."""

    def __call__(self, name: str, version: str, code: int = 0) -> Path: ...


@pytest.fixture
def java_at(tmp_path: Path) -> JavaAt:
    """Creates a JAVA_HOME whose `java -version` prints the version that the test chooses."""

    def make(name: str, version: str, code: int = 0) -> Path:
        home = tmp_path / name
        (home / "bin").mkdir(parents=True)
        java = home / "bin" / "java"
        java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\nexit {code}\n")
        java.chmod(0o755)
        return home

    return make
