"""The report is one page with a plot of everything, for both domains."""

from __future__ import annotations

import base64
import re
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner

from simulator.cli import main
from simulator.matomo import MatomoSettings, write_matomo
from simulator.meters import MeterSettings, like_prototype, write_meters


def plots(root: Path) -> list[str]:
    """The captions of a page, whose images must be complete."""
    result = CliRunner().invoke(main, ["report", str(root)])
    assert result.exit_code == 0, result.output
    page = (root / "report.html").read_text(encoding="utf-8")
    assert "src=" not in page.replace('src="data:image/png;base64,', "")
    for image in re.findall(r"base64,([^\"]+)", page):
        assert base64.b64decode(image).startswith(b"\x89PNG")
    return re.findall(r"<figcaption>([^<]+)", page)


@pytest.mark.parametrize("prototype", [True, False])
def test_meters_show_seasons_hours_storms_and_favourites(tmp_path: Path, prototype: bool) -> None:
    day = date(2024, 1, 1)
    wanted = like_prototype(7, day, day) if prototype else MeterSettings(7, day, day, meters=50)
    write_meters(tmp_path, wanted)
    found = " ".join(plots(tmp_path))
    for word in ("Events a day", "hour", "ten minutes", "arrival", "busiest first", "defects"):
        assert word in found


def test_matomo_shows_visits_pages_and_orders(tmp_path: Path) -> None:
    write_matomo(tmp_path, MatomoSettings(7, date(2024, 3, 1), 2, visits_per_day=6))
    found = " ".join(plots(tmp_path))
    for word in ("Visits a day", "hour", "Actions in a visit", "Minutes", "Pages", "Items"):
        assert word in found


def test_a_data_set_with_a_report_can_be_made_again(tmp_path: Path) -> None:
    wanted = MatomoSettings(7, date(2024, 3, 1), 1, visits_per_day=6)
    write_matomo(tmp_path, wanted)
    plots(tmp_path)
    write_matomo(tmp_path, wanted)
    assert (tmp_path / "manifest.json").exists()
