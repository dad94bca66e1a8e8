"""Whether the pinned packages can be installed together on each Python that is promised.

    python .ci/pins.py [--uv PATH]

The versions are those of pyproject.toml's classifiers. Needs the package registry once for each
change of the pins: what held is remembered by its hash in `.ci/pins.sha256`, which is committed.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import subprocess
import sys
from pathlib import Path

FILES = ("requirements.txt", "constraints.txt")


def promised(pyproject: str) -> list[str]:
    """The versions of Python that the project's classifiers name."""
    return re.findall(r'"Programming Language :: Python :: (\d+\.\d+)"', pyproject)


def main() -> int:
    """Resolve for each version; 1 and a sentence for each where that is not possible."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uv", default=str(Path(sys.executable).with_name("uv")))
    parser.add_argument("--project", type=Path, default=Path(__file__).resolve().parent.parent)
    arguments = parser.parse_args()
    project: Path = arguments.project
    versions = promised((project / "pyproject.toml").read_text(encoding="utf-8"))
    if not versions:
        print("Error: pyproject.toml promises no version of Python.", file=sys.stderr)
        return 1
    content = [" ".join(versions).encode(), *((project / name).read_bytes() for name in FILES)]
    held = hashlib.sha256(b"\0".join(content)).hexdigest()
    known = project / ".ci" / "pins.sha256"
    if known.is_file() and known.read_text(encoding="utf-8").strip() == held:
        return 0
    failed = False
    for version in versions:
        command = [arguments.uv, "pip", "compile", "--quiet", "--no-config"]
        command += ["--python-version", version, "requirements.txt"]
        command += ["--constraint", "constraints.txt"]
        try:
            answer = subprocess.run(
                command, cwd=project, capture_output=True, text=True, check=False
            )
        except FileNotFoundError:
            print(f"Error: {arguments.uv} is not there; run `make install`.", file=sys.stderr)
            return 1
        said = " ".join(answer.stderr.split()) or f"uv ended with {answer.returncode}"
        if answer.returncode:
            failed = True
            print(
                f"Error: Python {version} cannot install the pinned packages; mend "
                f"requirements.txt and constraints.txt: {said}",
                file=sys.stderr,
            )
    if failed:
        return 1
    known.parent.mkdir(exist_ok=True)
    known.write_text(held + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
