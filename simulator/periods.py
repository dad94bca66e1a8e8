"""The reporting periods of both domains."""

from __future__ import annotations

from datetime import date, timedelta

PERIODS = ("day", "week", "month", "year")
# The period of each suffix in the names of the meter views.
PERIOD_NAMES = {"daily": "day", "weekly": "week", "monthly": "month", "annual": "year"}


def period_start(period: str, day: date) -> date:
    """The first day of the day, ISO week (Monday), month or year that contains `day`.

    `period` is one of PERIODS or its name in a view, such as "monthly".
    """
    period = PERIOD_NAMES.get(period, period)
    if period == "day":
        return day
    if period == "week":
        return day - timedelta(days=day.weekday())
    if period == "month":
        return day.replace(day=1)
    if period == "year":
        return day.replace(month=1, day=1)
    raise ValueError(f"unknown period {period!r}, expected one of {', '.join(PERIODS)}")
