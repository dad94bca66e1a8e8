"""The numbers Matomo itself would report, computed from visits by Matomo's definitions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from simulator.periods import PERIODS, period_start


@dataclass(frozen=True)
class ActionFacts:
    """An action: its type as exported, what it was about (page URL, link, search keyword), and
    the day it happened in the site's time zone."""

    type: str
    about: str
    day: date


@dataclass(frozen=True)
class VisitFacts:
    """What the reports need to know of a visit; `day` is the site's day of the last action and
    `length` is in seconds."""

    id_site: int
    id_visit: int
    visitor_id: str
    user_id: str | None
    day: date
    length: int
    actions: int
    converted: bool
    rows: tuple[ActionFacts, ...] = field(default=())


def visits_summary(visits: Iterable[VisitFacts]) -> list[dict[str, Any]]:
    """VisitsSummary.get by site and day, ISO week, month and year of the last action.

    `date` is the period's first day. Matomo leaves nb_uniq_visitors and nb_users of a year out by
    default; here they are computed like those of any other period.
    """
    groups: dict[tuple[int, int, date], list[VisitFacts]] = defaultdict(list)
    for visit in visits:
        for number, period in enumerate(PERIODS):
            groups[visit.id_site, number, period_start(period, visit.day)].append(visit)
    return [
        {
            "idSite": site,
            "period": PERIODS[number],
            "date": start.isoformat(),
            "nb_visits": len(group),
            "nb_uniq_visitors": len({visit.visitor_id for visit in group}),
            "nb_users": len({visit.user_id for visit in group if visit.user_id is not None}),
            "nb_actions": sum(visit.actions for visit in group),
            "nb_visits_converted": sum(visit.converted for visit in group),
            "bounce_count": sum(visit.actions in (0, 1) for visit in group),
            "sum_visit_length": sum(visit.length for visit in group),
            "max_actions": max(visit.actions for visit in group),
        }
        for (site, number, start), group in sorted(groups.items())
    ]


def actions_summary(visits: Iterable[VisitFacts]) -> list[dict[str, Any]]:
    """Actions.get by site and day, ISO week, month and year of the action itself.

    A nb_uniq_... number is the sum, over what was viewed or followed, of the distinct visits that
    did so; nb_keywords is the number of distinct keywords.
    """
    groups: dict[tuple[int, int, date], list[tuple[str, str, int]]] = defaultdict(list)
    for visit in visits:
        for row in visit.rows:
            for number, period in enumerate(PERIODS):
                start = period_start(period, row.day)
                groups[visit.id_site, number, start].append((row.type, row.about, visit.id_visit))
    answers = []
    for (site, number, start), group in sorted(groups.items()):
        answer: dict[str, Any] = {
            "idSite": site,
            "period": PERIODS[number],
            "date": start.isoformat(),
        }
        for kind, name in (
            ("action", "pageviews"),
            ("download", "downloads"),
            ("outlink", "outlinks"),
        ):
            answer[f"nb_{name}"] = sum(row[0] == kind for row in group)
            answer[f"nb_uniq_{name}"] = len({row for row in group if row[0] == kind})
        searches = [row for row in group if row[0] == "search"]
        answer["nb_searches"] = len(searches)
        answer["nb_keywords"] = len({about for _, about, _ in searches})
        answers.append(answer)
    return answers
