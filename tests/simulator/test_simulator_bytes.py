"""A seed gives the same bytes with every numpy release and on every machine.

If a change of the simulator is meant to change its output, change the checksums here with it.
"""

from __future__ import annotations

import hashlib
import json
from datetime import date
from pathlib import Path

from simulator.matomo import MatomoSettings, write_matomo
from simulator.meters import MeterSettings, like_prototype, write_meters


def digest(root: Path) -> str:
    """One checksum over the checksums of all files of a data set."""
    files = json.loads((root / "manifest.json").read_bytes())["files"]
    for name, told in files.items():
        assert hashlib.sha256((root / name).read_bytes()).hexdigest() == told
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()[:16]


def test_realistic_meters_are_what_they_were(tmp_path: Path) -> None:
    write_meters(tmp_path, MeterSettings(7, date(2024, 3, 25), date(2024, 4, 3), meters=200))
    assert digest(tmp_path) == "bb913a99c1d296fe"


def test_prototype_meters_are_what_they_were(tmp_path: Path) -> None:
    write_meters(tmp_path, like_prototype(7, date(2020, 1, 1), date(2020, 1, 1)))
    assert digest(tmp_path) == "6b82d3a9e4206767"


def test_matomo_is_what_it_was(tmp_path: Path) -> None:
    write_matomo(tmp_path, MatomoSettings(7, date(2024, 3, 1), 5, sites=3))
    assert digest(tmp_path) == "4ac6f6b9636f6d51"
