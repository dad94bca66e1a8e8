"""Sites, visitors and visits: what happens on the web sites, before anything exports it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from simulator.reports import ActionFacts, VisitFacts
from simulator.streams import Stream
from simulator.vocabulary import (
    CONTENTS,
    COUNTRIES,
    DEVICES,
    DOWNLOADS,
    EVENTS,
    KEYWORDS,
    OUTLINKS,
    PAGES,
    REFERRERS,
)

# An action is one of these; contents and goals are rows of a visit that are not actions.
ACTIONS = ("action", "search", "download", "outlink", "event")
CONTENT = "13"

# Visits start in the first 21 hours of the site's day and last under two hours even when grown:
# like Matomo's own, none crosses the site's midnight.
START_WITHIN = 21 * 3600
# A visitor comes back later than any growth of the visit before.
PAUSE = 2 * 3600


@dataclass(frozen=True)
class Goal:
    """A goal; `path` None: triggered by hand, otherwise by a page whose URL contains it."""

    id: int
    name: str
    path: str | None
    revenue: str


@dataclass(frozen=True)
class Dimension:
    """A custom dimension; ids are unique within a site only."""

    id: int
    name: str
    index: int
    scope: str
    active: bool


@dataclass(frozen=True)
class Site:
    """A web site. `locale` is the language of its exports, `goals_shape` that of its goals."""

    id: int
    timezone: str
    currency: tuple[str, str]
    locale: str
    goals_shape: str
    goals: tuple[Goal, ...]
    dimensions: tuple[Dimension, ...]

    @property
    def name(self) -> str:
        """The site's name."""
        return f"Shop {self.id}"

    @property
    def domain(self) -> str:
        """Scheme and host of its pages."""
        return f"https://shop{self.id}.example"

    @property
    def zone(self) -> tzinfo:
        """Its time zone."""
        # UTC must not depend on time zone files.
        return timezone.utc if self.timezone == "UTC" else ZoneInfo(self.timezone)

    def local(self, at: int) -> datetime:
        """Wall clock of the site at a UTC epoch second."""
        return datetime.fromtimestamp(at, self.zone)

    def midnight(self, day: date) -> int:
        """UTC epoch second at which `day` begins on the site."""
        return int(datetime(day.year, day.month, day.day, tzinfo=self.zone).timestamp())


@dataclass(frozen=True)
class Row:
    """A line of a visit's action list. `at` is UTC epoch seconds, `about` the URL, keyword or goal
    id; `page_id` is unique in the instance and None for goals, `about_id` unique per `about`."""

    type: str
    at: int
    about: str
    page_id: int | None = None
    about_id: int | None = None
    position: int = 0
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Visitor:
    """A person with one browser on one site."""

    visitor_id: str
    fingerprint: str
    user_id: str | None
    ip: str
    device: Mapping[str, str]
    country: Mapping[str, str | None]
    first_seen: int
    last_seen: int
    last_end: int
    visits: int = 0


@dataclass(frozen=True)
class Visit:
    """A visit as far as it has come. `php` is the PHP of the server that exports it (7 or 8)."""

    site: Site
    id: int
    visitor_id: str
    fingerprint: str
    user_id: str | None
    ip: str
    device: Mapping[str, str]
    country: Mapping[str, str | None]
    referrer: Mapping[str, str | None]
    number: int
    since_first: int
    since_last: int
    php: int
    rows: tuple[Row, ...]

    @property
    def key(self) -> str:
        """The key of its Kafka messages."""
        return f"{self.site.id}:{self.id}"

    @property
    def first(self) -> int:
        """UTC epoch second of the first row."""
        return self.rows[0].at

    @property
    def last(self) -> int:
        """UTC epoch second of the last row."""
        return self.rows[-1].at

    @property
    def length(self) -> int:
        """visitDuration: 0 for a single hit, else one second more than from first to last."""
        hits = [row for row in self.rows if row.type != CONTENT]
        return 0 if len(hits) == 1 else 1 + self.last - self.first

    def count(self, *types: str) -> int:
        """How many rows are of one of these types."""
        return sum(row.type in types for row in self.rows)

    def facts(self) -> VisitFacts:
        """What the reports count."""
        return VisitFacts(
            id_site=self.site.id,
            id_visit=self.id,
            visitor_id=self.visitor_id,
            user_id=self.user_id,
            day=self.site.local(self.last).date(),
            length=self.length,
            actions=self.count(*ACTIONS),
            converted=self.count("goal") > 0,
            rows=tuple(
                ActionFacts(row.type, row.about, self.site.local(row.at).date())
                for row in self.rows
            ),
        )


class History:
    """Makes visits one after the other, and makes them grow. Ids are those of one instance."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._visits = 0
        self._pages = 0
        self._abouts: dict[str, int] = {}
        self._visitors: dict[int, list[Visitor]] = {}

    def day(self, sites: list[Site], day: date, visits_per_site: int) -> list[Visit]:
        """The visits that start on `day` (of each site's own calendar), by start."""
        streams = {
            site.id: Stream(self._seed, f"matomo.site {site.id}", day.toordinal()) for site in sites
        }
        starts = sorted(
            (
                (site.midnight(day) + streams[site.id].below(START_WITHIN), site)
                for site in sites
                for _ in range(visits_per_site)
            ),
            key=lambda start: (start[0], start[1].id),
        )
        return [self._visit(streams[site.id], site, start) for start, site in starts]

    def grown(self, visit: Visit, stream: Stream) -> Visit:
        """The visit some minutes later: 1 to 5 more actions."""
        return replace(
            visit, rows=self._more_rows(stream, visit.site, visit.rows, stream.between(1, 5))
        )

    def _visit(self, stream: Stream, site: Site, start: int) -> Visit:
        visitor = self._visitor(stream, site, start)
        visitor.visits += 1
        self._visits += 1
        actions = stream.weighted({1: 30, 2: 20, 3: 15, 4: 10, 6: 10, 8: 8, 12: 7})
        first_page = self._page(stream, site, start, 1)
        rows = self._with_goals(site, (), first_page)
        visit = Visit(
            site=site,
            id=self._visits,
            visitor_id=visitor.visitor_id,
            fingerprint=visitor.fingerprint,
            user_id=visitor.user_id,
            ip=visitor.ip,
            device=visitor.device,
            country=visitor.country,
            referrer=stream.pick(REFERRERS),
            number=visitor.visits,
            since_first=start - visitor.first_seen,
            since_last=start - visitor.last_seen,
            # Two web servers before one database, one of them not yet on the newer PHP.
            php=stream.pick((7, 8)),
            rows=self._more_rows(stream, site, rows, actions - 1),
        )
        visitor.last_seen, visitor.last_end = start, visit.last
        return visit

    def _visitor(self, stream: Stream, site: Site, start: int) -> Visitor:
        known = self._visitors.setdefault(site.id, [])
        if known and stream.chance(0.45):
            visitor = stream.pick(known)
            if visitor.last_end + PAUSE <= start:
                return visitor
        number = len(known) + 1
        known.append(
            Visitor(
                visitor_id=stream.hexadecimal(16),
                fingerprint=stream.hexadecimal(16),
                user_id=f"user{number}@shop{site.id}.example" if stream.chance(0.3) else None,
                # 198.18.0.0/15 belongs to nobody.
                ip=f"198.{stream.between(18, 19)}.{stream.below(256)}.{stream.below(256)}",
                device=stream.pick(DEVICES),
                country=stream.pick(COUNTRIES),
                first_seen=start,
                last_seen=start,
                last_end=start,
            )
        )
        return known[-1]

    def _more_rows(
        self, stream: Stream, site: Site, rows: tuple[Row, ...], actions: int
    ) -> tuple[Row, ...]:
        for _ in range(actions):
            at = rows[-1].at + stream.between(5, 240)
            position = max(row.position for row in rows)
            kind = stream.weighted(
                {"action": 62, "event": 15, "search": 8, "download": 8, "outlink": 7}
            )
            if kind == "action":
                rows = self._with_goals(site, rows, self._page(stream, site, at, position + 1))
                if stream.chance(0.1):
                    rows = (*rows, self._content(stream, at, position + 1))
            else:
                rows = (*rows, self._other(kind, stream, site, at, position))
            by_hand = [goal for goal in site.goals if goal.path is None]
            if by_hand and stream.chance(0.03):
                rows = self._with_goal(rows, by_hand[0], at, None)
        return rows

    def _page(self, stream: Stream, site: Site, at: int, position: int) -> Row:
        path, title = stream.pick(PAGES)
        more = {"title": title, "load_ms": stream.between(150, 4000)}
        return self._row("action", at, site.domain + path, position, more)

    def _other(self, kind: str, stream: Stream, site: Site, at: int, position: int) -> Row:
        if kind == "search":
            more: dict[str, Any] = {
                "category": stream.pick((None, "products", "help")),
                "count": stream.pick((None, 0, 3, 12)),
            }
            return self._row(kind, at, stream.pick(KEYWORDS), position + 1, more)
        if kind == "event":
            category, action, name, value = stream.pick(EVENTS)
            more = {"category": category, "action": action, "name": name, "value": value}
            return self._row(kind, at, site.domain + stream.pick(PAGES)[0], position, more)
        if kind == "download":
            return self._row(kind, at, site.domain + stream.pick(DOWNLOADS), position)
        return self._row(kind, at, stream.pick(OUTLINKS), position)

    def _content(self, stream: Stream, at: int, position: int) -> Row:
        name, piece, target = stream.pick(CONTENTS)
        more = {
            "name": name,
            "piece": piece,
            "target": target,
            "interaction": stream.pick((None, "", "click")),
        }
        return self._row(CONTENT, at, name, position, more)

    def _row(
        self, kind: str, at: int, about: str, position: int, more: dict[str, Any] | None = None
    ) -> Row:
        self._pages += 1
        about_id = self._abouts.setdefault(about, len(self._abouts) + 1)
        return Row(kind, at, about, self._pages, about_id, position, more or {})

    def _with_goals(self, site: Site, rows: tuple[Row, ...], page: Row) -> tuple[Row, ...]:
        rows = (*rows, page)
        for goal in site.goals:
            if goal.path is not None and goal.path in page.about:
                rows = self._with_goal(rows, goal, page.at, page.page_id)
        return rows

    def _with_goal(
        self, rows: tuple[Row, ...], goal: Goal, at: int, page_id: int | None
    ) -> tuple[Row, ...]:
        # A goal converts once in a visit (allow_multiple is off).
        if any(row.type == "goal" and row.about == str(goal.id) for row in rows):
            return rows
        pages = [row.about for row in rows if row.type == "action"]
        more = {"goal_page_id": page_id, "url": pages[-1], "revenue": goal.revenue}
        return (*rows, Row("goal", at, str(goal.id), more=more))


def make_sites(count: int, timezones: tuple[str, ...]) -> list[Site]:
    """Sites 1 to `count`; the first with goals as an object, the second as an array, every third
    without goals and dimensions. Goal and dimension ids mean something else on each site."""
    sites = []
    for id_site in range(1, count + 1):
        kind = (id_site - 1) % 3
        sites.append(
            Site(
                id=id_site,
                timezone=timezones[(id_site - 1) % len(timezones)],
                currency=(("EUR", "€"), ("USD", "$"), ("GBP", "£"))[kind],
                locale=("en", "fr", "en")[kind],
                goals_shape=("object", "array", "none")[kind],
                goals=(
                    (
                        Goal(1, "Contact", "/contact/thanks", "5"),
                        Goal(2, "Newsletter", "/newsletter/done", "0"),
                        Goal(3, "Phone call", None, "12.50"),
                    ),
                    (Goal(1, "Abonnement", "/newsletter/done", "1"),),
                    (),
                )[kind],
                dimensions=(
                    (
                        Dimension(1, "Customer type", 1, "visit", True),
                        Dimension(2, "Page author", 1, "action", True),
                        Dimension(3, "Old test group", 2, "visit", False),
                    ),
                    (Dimension(1, "Langue de la page", 1, "action", True),),
                    (),
                )[kind],
            )
        )
    return sites


def days_from(start: date, days: int) -> list[date]:
    """`days` days from `start`."""
    return [start + timedelta(days=index) for index in range(days)]
