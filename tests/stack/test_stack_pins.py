from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Replaces the resolver: prints the requested version, and lacks a package for some versions.
UV = """#!{python}
import os, sys
version = sys.argv[sys.argv.index("--python-version") + 1]
with open("asked", "a") as asked:
    asked.write(version + "\\n")
if version in open("refused").read().split():
    sys.exit(f"  x No solution found:\\n  there is no version of pycparser==3.12 for {{version}}")
"""


Check = Callable[[str], tuple[int, str, list[str]]]


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Check a project whose pins cannot be resolved for some versions: code, message, checked
    versions.
    """
    for name in ("pyproject.toml", "requirements.txt", "constraints.txt"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    uv = tmp_path / "uv"
    uv.write_text(UV.format(python=sys.executable), encoding="utf-8")
    uv.chmod(0o755)

    def run(refused: str) -> tuple[int, str, list[str]]:
        (tmp_path / "refused").write_text(refused, encoding="utf-8")
        (tmp_path / "asked").write_text("", encoding="utf-8")
        command = [sys.executable, str(ROOT / ".ci" / "pins.py")]
        command += ["--uv", str(uv), "--project", str(tmp_path)]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        asked = (tmp_path / "asked").read_text(encoding="utf-8").split()
        return answer.returncode, answer.stderr, asked

    return run


def test_pins_that_a_promised_python_cannot_install_are_a_sentence_each(check: Check) -> None:
    code, said, asked = check("3.10 3.14")
    assert code == 1 and asked == ["3.10", "3.11", "3.12", "3.13", "3.14"]
    first, second = said.splitlines()
    assert first.startswith("Error: Python 3.10 cannot install the pinned packages")
    assert "no version of pycparser==3.12" in first and "Python 3.14 cannot" in second
    # A failed check runs again; a successful one only after a file changes.
    assert check("")[0] == 0
    assert check("") == (0, "", [])


def test_a_changed_pin_is_resolved_again(check: Check, tmp_path: Path) -> None:
    assert check("")[0] == 0
    with (tmp_path / "constraints.txt").open("a", encoding="utf-8") as constraints:
        constraints.write("pycparser==3.12\n")
    code, said, asked = check("3.10")
    assert code == 1 and len(asked) == 5 and said.count("Error:") == 1


# A package with its version, optionally a marker, and the hashes of its files.
LOCKED = re.compile(r"(?m)^([^\s=\[]+)\S*==.*\n(?:    --hash=sha256:[0-9a-f]{64}(?: \\\n)?)+")


def test_every_package_is_pinned_and_locked_with_the_hashes_of_its_files() -> None:
    pins = "".join(
        (ROOT / file).read_text(encoding="utf-8")
        for file in ("requirements.txt", "constraints.txt")
    )
    pinned = {re.sub("[-_.]+", "-", name.lower()) for name in re.findall(r"(?m)^([\w.-]+)", pins)}
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert set(LOCKED.findall(lock)) == pinned
    assert len(LOCKED.findall(lock)) == lock.count("==")
    assert "http" not in lock
