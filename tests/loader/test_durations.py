"""Durations have one notation in options, settings and overlaps."""

from __future__ import annotations

import click
import pytest

from loader.arguments import Seconds
from loader.durations import seconds_of


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("1.5m", 90), ("2h", 7200), ("7d", 604_800), ("0s", 0)],
)
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "30", "-1s", "1 m", "1w", "1h30m", "10M"])
def test_another_text_is_no_duration(text: str) -> None:
    assert seconds_of(text) is None


def test_an_option_may_leave_the_unit_of_seconds_out() -> None:
    assert Seconds().convert("90", None, None) == Seconds().convert("1.5m", None, None) == 90
    with pytest.raises(click.BadParameter, match="write 30s, 5m or 2h"):
        Seconds().convert("soon", None, None)
