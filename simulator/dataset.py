"""A data set on disk: a folder of text files and the manifest that describes them."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

from simulator.errors import SimulatorError

MANIFEST = "manifest.json"
# Marks a folder in which a data set is being written.
_UNFINISHED = ".unfinished"
# Files of any data set; without a manifest, an interrupted run is recognised by them.
_OURS = (
    "events/event_*.csv",
    "events/event_*.resend",
    "park/*.csv",
    "answers/**/*.csv",
    "answers/defects.jsonl",
    "messages.jsonl",
    "changes.jsonl",
    "reports.jsonl",
    f"{MANIFEST}*",
)
# Longest line of the manifest (characters) for a flat object or list.
_LINE = 200
FORMAT = 1
_DOMAINS = ("meters", "matomo")


def write_file(path: Path, content: bytes) -> str:
    """Write a file; returns its SHA-256 in hex, for `Dataset.register`."""
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def read_manifest(root: Path, domain: str | None = None) -> dict[str, Any]:
    """The manifest of a data set; raises SimulatorError if there is none, or one
    of another domain.
    """
    try:
        manifest: dict[str, Any] = json.loads((root / MANIFEST).read_bytes())
    except (OSError, ValueError):
        raise SimulatorError(
            f"{root} holds no complete data set of the simulator: {MANIFEST} is missing or broken; "
            "make one first."
        ) from None
    if domain not in (None, manifest.get("domain")):
        raise SimulatorError(
            f"{root} is a data set of {manifest.get('domain')}, not of {domain}; name another."
        )
    return manifest


def read_answers(root: Path, name: str) -> list[dict[str, str]]:
    """The rows of answers/`name`.csv (`name` is "by_type_daily", for example);
    all values are text.
    """
    with (root / "answers" / f"{name}.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def read_defects(root: Path, kind: str | None = None) -> list[dict[str, Any]]:
    """The rows of answers/defects.jsonl, of one kind or of all."""
    lines = (root / "answers" / "defects.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [row for row in rows if kind in (None, row["kind"])]


class Output:
    """A file of a data set that is written piece by piece; a context manager."""

    def __init__(self, dataset: Dataset, name: str) -> None:
        path = dataset.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("wb")
        self._digest = hashlib.sha256()
        self._dataset, self._name = dataset, name

    def write(self, content: bytes) -> None:
        """Append `content`."""
        self._file.write(content)
        self._digest.update(content)

    def close(self) -> None:
        """End the file, and register its SHA-256."""
        self._file.close()
        self._dataset.register(self._name, self._digest.hexdigest())

    def __enter__(self) -> Output:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class Dataset:
    """Writes the files of one data set (UTF-8, LF), then its manifest.

    Replaces a data set of the simulator in the folder and keeps other files beside it. Raises
    SimulatorError for a folder that has other files and no data set. The manifest is written last:
    if it exists and the checksums in `files` agree, the data set is complete.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._files: dict[str, str] = {}
        self._clear()

    def write(self, name: str, text: str) -> None:
        """Write the file `name` (relative, with forward slashes)."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        self.register(name, write_file(path, text.encode()))

    def open(self, name: str) -> Output:
        """A file to write piece by piece; it must be closed before `finish`."""
        return Output(self, name)

    def register(self, name: str, digest: str) -> None:
        """Register a file that `write_file` wrote, with its SHA-256."""
        self._files[name] = digest

    def finish(self, description: dict[str, Any]) -> None:
        """Write manifest.json: `format`, the description, and `files` (name to sha256)."""
        manifest = {"format": FORMAT, **description, "files": dict(sorted(self._files.items()))}
        # Write to a temporary name and rename, so that a reader never sees half a manifest.
        beside = self.root / (MANIFEST + ".part")
        beside.write_bytes((_pretty(manifest) + "\n").encode())
        os.replace(beside, self.root / MANIFEST)
        (self.root / _UNFINISHED).unlink()

    def _clear(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        marker = self.root / _UNFINISHED
        if marker.exists():
            # An interrupted run left this folder, which was empty or a data set when that run
            # began.
            shutil.rmtree(self.root / ".parts", ignore_errors=True)
            for pattern in _OURS:
                for path in self.root.glob(pattern):
                    path.unlink()
        elif any(self.root.iterdir()):
            names = self._names_of_a_data_set()
            if names is None:
                raise SimulatorError(
                    f"{self.root} is not empty and holds no data set of the simulator; "
                    "name an empty or a new folder."
                )
            marker.touch()
            (self.root / MANIFEST).unlink()
            inside = self.root.resolve()
            for name in names:
                if inside in (self.root / name).resolve().parents:
                    (self.root / name).unlink(missing_ok=True)
        marker.touch()

    def _names_of_a_data_set(self) -> list[str] | None:
        """The files of the data set in the folder; None if there is none. A manifest.json alone is
        not enough, because other tools write one too.
        """
        try:
            manifest = json.loads((self.root / MANIFEST).read_bytes())
            ours = isinstance(manifest["format"], int) and manifest["domain"] in _DOMAINS
            return list(manifest["files"]) if ours else None
        except (OSError, ValueError, KeyError, TypeError):
            return None


def _pretty(value: Any, indent: str = "") -> str:
    """JSON with short flat objects and lists on one line, because people read the manifest too."""
    members = value.values() if isinstance(value, dict) else value
    line = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, (dict, list)) or not (
        any(isinstance(member, (dict, list)) for member in members) or len(line) > _LINE
    ):
        return line
    deeper = indent + " "
    if isinstance(value, dict):
        parts = [f"{json.dumps(key)}: {_pretty(part, deeper)}" for key, part in value.items()]
        return "{\n" + ",\n".join(deeper + part for part in parts) + f"\n{indent}}}"
    return "[\n" + ",\n".join(deeper + _pretty(part, deeper) for part in value) + f"\n{indent}]"
