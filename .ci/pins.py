"""Whether the pinned packages can be installed together on each Python that is promised.

    python .ci/pins.py [--uv PATH]

The versions are those of pyproject.toml's classifiers. If they can, `requirements.lock` is written:
every package for every promised Python with the SHA-256 of its files, which is what `make install`
installs. Needs the package registry once for each change of the pins: what held is remembered by
its hash in `.ci/pins.sha256`, which is committed with the lock.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import subprocess
import sys
from pathlib import Path

LOCK = "requirements.lock"
FILES = ("requirements.txt", "constraints.txt", LOCK)


def fingerprint(project: Path, versions: list[str]) -> str:
    """SHA-256 over the promised versions, the pins and the lock."""
    files = [project / name for name in FILES]
    content = [path.read_bytes() if path.is_file() else b"" for path in files]
    return hashlib.sha256(b"\0".join([" ".join(versions).encode(), *content])).hexdigest()


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
    known = project / ".ci" / "pins.sha256"
    held = fingerprint(project, versions)
    if known.is_file() and known.read_text(encoding="utf-8").strip() == held:
        return 0
    locked = [
        "--universal",
        "--generate-hashes",
        "--no-strip-extras",
        "--no-header",
        "--no-annotate",
    ]
    locked += ["--upgrade", "--output-file", LOCK]
    failed = False
    for version, more in [*((each, []) for each in versions), (versions[0], locked)]:
        if failed and more:
            break
        command = [arguments.uv, "pip", "compile", "--quiet", "--no-config"]
        command += ["--python-version", version, "requirements.txt"]
        command += ["--constraint", "constraints.txt", *more]
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
    known.write_text(fingerprint(project, versions) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
