"""Sites, visitors and visits: the events on the web sites, before any export."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from math import sqrt
from typing import Any
from zoneinfo import ZoneInfo

from simulator.streams import Stream
from simulator.vocabulary import (
    CONTENTS,
    COUNTRIES,
    DEVICES,
    DOWNLOADS,
    EVENTS,
    ITEMS,
    KEYWORDS,
    OUTLINKS,
    PAGES,
    REFERRERS,
)

# Row types that are actions; contents, goals, orders and carts are rows of a visit but no actions.
ACTIONS = ("action", "search", "download", "outlink", "event")
CONTENT = "13"
ORDER, CART = "ecommerceOrder", "ecommerceAbandonedCart"

# Least number of seconds between two visits of a visitor; longer than a visit can grow.
PAUSE = 2 * 3600
# Number of visitors that a site remembers. Older ones never return, so memory is bounded.
_REMEMBERED = 20_000

# Per cent of a mean hour and a mean day of the week.
_HOURS = (25, 15, 10, 8, 10, 20, 45, 80, 115, 140, 150, 145, 130, 140, 145, 140, 130, 125, 130, 150,
          165, 155, 110, 60)  # fmt: skip
_WEEKDAYS = (112, 114, 112, 108, 100, 72, 82)


@dataclass(frozen=True)
class Goal:
    """A goal. With `path` None it is triggered manually, otherwise by a page whose URL contains
    `path`. A goal with `vanishes` is deleted before the later export.
    """

    id: int
    name: str
    path: str | None
    revenue: str
    vanishes: bool = False


@dataclass(frozen=True)
class Dimension:
    """A custom dimension; ids are unique only within a site.

    The switch is the moment in the middle of the data set at which one dimension of the site gives
    its slot (scope and index) to another. `active` is "always", "never", "before" or "after" it.
    """

    id: int
    name: str
    index: int
    scope: str
    active: str

    def is_active(self, after_switch: bool) -> bool:
        """Whether it has values before or after the switch."""
        return self.active == "always" or self.active == ("after" if after_switch else "before")


@dataclass(frozen=True)
class Site:
    """A web site. `locale` is the language of its exports, `goals_shape` the JSON form of its
    goals. With `splits` a visit ends at the site's midnight and another begins, which is Matomo's
    default.
    """

    id: int
    timezone: str
    currency: tuple[str, str]
    locale: str
    goals_shape: str
    goals: tuple[Goal, ...]
    dimensions: tuple[Dimension, ...]
    ecommerce: bool
    splits: bool
    shows_visitors: bool

    @property
    def name(self) -> str:
        """The site's name."""
        return f"Shop {self.id}"

    @property
    def domain(self) -> str:
        """Scheme and host of its URLs."""
        return f"https://shop{self.id}.example"

    @property
    def zone(self) -> tzinfo:
        """Its time zone."""
        return _zone(self.timezone)

    def local(self, at: int) -> datetime:
        """The site's wall clock at `at` (seconds since 1970)."""
        return datetime.fromtimestamp(at, self.zone)

    def midnight(self, day: date) -> int:
        """The time at which `day` begins on the site (seconds since 1970)."""
        return int(datetime(day.year, day.month, day.day, tzinfo=self.zone).timestamp())


@lru_cache
def _zone(name: str) -> tzinfo:
    # UTC must work without time zone files.
    return timezone.utc if name == "UTC" else ZoneInfo(name)


@dataclass(frozen=True)
class Item:
    """A line of an order or cart; `price` in cents."""

    sku: str
    name: str
    categories: tuple[str, ...]
    price: int
    quantity: int


@dataclass(frozen=True)
class Row:
    """A row of a visit's action list. `at` is in seconds since 1970, `about` is the URL, keyword,
    goal or order id. `page_id` is unique in the instance, None for conversions; `about_id` is the
    id of `about`.
    """

    type: str
    at: int
    about: str
    page_id: int | None = None
    about_id: int | None = None
    position: int = 0
    more: Mapping[str, Any] = field(default_factory=dict)
    items: tuple[Item, ...] = ()


@dataclass
class Visitor:
    """A person with one browser on one site; amounts in cents, `last_order` is
    None without orders.
    """

    number: int
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
    last_order: int | None = None
    orders: tuple[int, int, int] = (0, 0, 0)
    carts: tuple[int, int, int] = (0, 0, 0)


@dataclass(frozen=True)
class Visit:
    """A visit up to some moment. `php` is the version of PHP on the server that exports it (7 or
    8); `orders` and `carts` are the visitor's totals so far: count, cents, items.
    """

    site: Site
    id: int
    visitor: int
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
    since_order: int | None
    php: int
    after_switch: bool
    orders: tuple[int, int, int]
    carts: tuple[int, int, int]
    rows: tuple[Row, ...]

    @property
    def key(self) -> str:
        """The key of its Kafka messages."""
        return f"{self.site.id}:{self.id}"

    @property
    def first(self) -> int:
        """Time of the first row (seconds since 1970)."""
        return self.rows[0].at

    @property
    def last(self) -> int:
        """Time of the last row (seconds since 1970)."""
        return self.rows[-1].at

    @property
    def day(self) -> date:
        """The site's day of the last row; all reports count the visit on this day."""
        return self.site.local(self.last).date()

    @property
    def length(self) -> int:
        """visitDuration: 0 for a single hit, else the seconds from the first to the last row plus
        one.
        """
        hits = [row for row in self.rows if row.type != CONTENT]
        return 0 if len(hits) == 1 else 1 + self.last - self.first

    @property
    def actions(self) -> int:
        """The number of rows that are actions."""
        return self.count(*ACTIONS)

    @property
    def converted(self) -> bool:
        """Whether the visit has a goal or an order; a cart alone does not count."""
        return self.count("goal", ORDER) > 0

    @property
    def kind(self) -> str:
        """visitorType."""
        if self.number == 1:
            return "new"
        return "returning" if self.since_order is None else "returningCustomer"

    def count(self, *types: str) -> int:
        """The number of rows of the given types."""
        return sum(row.type in types for row in self.rows)

    def until(self, rows: int) -> Visit:
        """The visit when it had `rows` rows."""
        return replace(self, rows=self.rows[:rows])


class History:
    """The visits of one site, day by day. Ids are unique in one Matomo instance.

    `sites` is the number of sites of the instance, `switch` the second at which dimensions change.
    `long` and `at_midnight` are the numbers (from 0) of visits that have more than `cap` actions,
    and of visits with a single page at the very beginning of the day.
    """

    def __init__(
        self,
        seed: int,
        site: Site,
        sites: int,
        *,
        switch: int,
        cap: int,
        long: frozenset[int] = frozenset(),
        at_midnight: frozenset[int] = frozenset(),
    ) -> None:
        self._seed, self._site, self._sites = seed, site, sites
        self._switch, self._cap = switch, cap
        self._long, self._at_midnight = long, at_midnight
        self._starts = 0
        self._visits = 0
        self._pages = 0
        self._abouts: dict[str, int] = {}
        self._visitors: list[Visitor] = []
        self._known = 0

    def day(self, day: date, visits: int) -> Iterator[tuple[int, Visit]]:
        """The visits that start on `day` of the site's calendar, in order of their start, each with
        its number. A visit that is split at midnight gives two visits with the same number.
        """
        stream = Stream(self._seed, f"matomo.site {self._site.id}", day.toordinal())
        begin, end = self._site.midnight(day), self._site.midnight(day + timedelta(days=1))
        hours = dict(enumerate(_HOURS))
        starts = sorted(
            min(begin + stream.weighted(hours) * 3600 + stream.below(3600), end - 1)
            for _ in range(visits)
        )
        numbers = range(self._starts, self._starts + visits)
        # Visits at midnight are the first of the day.
        by_start = sorted(numbers, key=lambda number: number not in self._at_midnight)
        at_midnight = sum(number in self._at_midnight for number in numbers)
        starts[:at_midnight] = [begin] * at_midnight
        for number, start in zip(by_start, starts, strict=True):
            for visit in self._visit(stream, number, start, end):
                yield number, visit
        self._starts += visits

    def grown(self, visit: Visit, stream: Stream) -> Visit | None:
        """The visit some minutes later with 1 to 5 more actions; None if midnight would end it
        before.
        """
        rows = self._more_rows(stream, visit.rows, stream.between(1, 5))
        if self._site.splits:
            end = self._site.midnight(visit.day + timedelta(days=1))
            rows = tuple(row for row in rows if row.at < end)
        grown = replace(visit, rows=rows)
        return grown if grown.actions > visit.actions else None

    def _visit(self, stream: Stream, number: int, start: int, end: int) -> Iterator[Visit]:
        site = self._site
        visitor = self._visitor(stream, start)
        # A third leave after one action, few stay long.
        root = sqrt(1.0 - stream.uniform())
        actions = min(int(1.5 / (root * sqrt(root))), 40)
        if number in self._long:
            actions = self._cap + stream.between(1, 60)
        if number in self._at_midnight:
            actions = 1
        rows = self._with_goals((), self._page(stream, start, 1))
        rows = self._more_rows(stream, rows, actions - 1)
        if site.ecommerce and actions > 2:
            rows = self._with_shopping(stream, rows)
        referrer = stream.favourite(REFERRERS)
        # Two web servers use one database; one of them still has the older PHP.
        php = stream.pick((7, 8))
        tail = tuple(row for row in rows if site.splits and row.at >= end)
        yield self._made(visitor, rows[: len(rows) - len(tail)], referrer, php)
        # Matomo's second visit begins with a page, so drop the rows before the first page.
        while tail and tail[0].type != "action":
            tail = tail[1:]
        if tail:
            yield self._made(visitor, tail, REFERRERS[0], php)

    def _made(
        self,
        visitor: Visitor,
        rows: tuple[Row, ...],
        referrer: Mapping[str, str | None],
        php: int,
    ) -> Visit:
        start = rows[0].at
        visitor.visits += 1
        self._visits += 1
        ordered = visitor.last_order
        for row in rows:
            if row.type in (ORDER, CART):
                add = (1, row.more["revenue"], sum(item.quantity for item in row.items))
                if row.type == ORDER:
                    visitor.last_order = row.at
                    visitor.orders = _plus(visitor.orders, add)
                else:
                    visitor.carts = _plus(visitor.carts, add)
        visit = Visit(
            site=self._site,
            id=self._unique(self._visits),
            visitor=visitor.number,
            visitor_id=visitor.visitor_id,
            fingerprint=visitor.fingerprint,
            user_id=visitor.user_id,
            ip=visitor.ip,
            device=visitor.device,
            country=visitor.country,
            referrer=referrer,
            number=visitor.visits,
            since_first=start - visitor.first_seen,
            since_last=start - visitor.last_seen,
            since_order=None if ordered is None else start - ordered,
            php=php,
            after_switch=start >= self._switch,
            orders=visitor.orders,
            carts=visitor.carts,
            rows=rows,
        )
        visitor.last_seen, visitor.last_end = start, visit.last
        return visit

    def _visitor(self, stream: Stream, start: int) -> Visitor:
        known, site = self._visitors, self._site
        if known and stream.chance(0.45):
            # Some visitors return often, most visit once.
            visitor = stream.favourite(known)
            if visitor.last_end + PAUSE <= start:
                return visitor
        self._known += 1
        number = self._known
        made = Visitor(
            number=number,
            visitor_id=stream.hexadecimal(16),
            fingerprint=stream.hexadecimal(16),
            user_id=f"user{number}@shop{site.id}.example" if stream.chance(0.3) else None,
            # 198.18.0.0/15 is reserved for benchmarks (RFC 2544), so it belongs to nobody.
            ip=f"198.{stream.between(18, 19)}.{stream.below(256)}.{stream.below(256)}",
            device=stream.favourite(DEVICES),
            country=stream.favourite(COUNTRIES),
            first_seen=start,
            last_seen=start,
            last_end=start,
        )
        if len(known) < _REMEMBERED:
            known.append(made)
        else:
            known[stream.below(_REMEMBERED)] = made
        return made

    def _more_rows(self, stream: Stream, rows: tuple[Row, ...], actions: int) -> tuple[Row, ...]:
        site = self._site
        made = list(rows)
        position = max(row.position for row in made)
        at = made[-1].at
        by_hand = [goal for goal in site.goals if goal.path is None and not goal.vanishes]
        # Robots make the longest visits, with short pauses.
        pause = 240 if actions < 100 else 20
        for _ in range(actions):
            at += stream.between(5, pause)
            kind = stream.weighted(
                {"action": 62, "event": 15, "search": 8, "download": 8, "outlink": 7}
            )
            if kind in ("action", "search"):
                position += 1
            if kind == "action":
                made += self._with_goals(made, self._page(stream, at, position))[len(made) :]
                if stream.chance(0.1):
                    made += self._content(stream, at, position)
            else:
                made.append(self._other(kind, stream, at, position))
            if by_hand and stream.chance(0.03):
                made += self._with_goal(made, by_hand[0], at, None)[len(made) :]
        return tuple(made)

    def _page(self, stream: Stream, at: int, position: int) -> Row:
        path, title = stream.favourite(PAGES)
        more = {"title": title, "load_ms": stream.between(150, 4000)}
        return self._row("action", at, self._site.domain + path, position, more)

    def _other(self, kind: str, stream: Stream, at: int, position: int) -> Row:
        domain = self._site.domain
        if kind == "search":
            more: dict[str, Any] = {
                "category": stream.pick((None, "products", "help")),
                "count": stream.pick((None, 0, 3, 12)),
            }
            return self._row(kind, at, stream.favourite(KEYWORDS), position, more)
        if kind == "event":
            category, action, name, value = stream.favourite(EVENTS)
            more = {"category": category, "action": action, "name": name, "value": value}
            return self._row(kind, at, domain + stream.favourite(PAGES)[0], position, more)
        if kind == "download":
            return self._row(kind, at, domain + stream.favourite(DOWNLOADS), position)
        return self._row(kind, at, stream.favourite(OUTLINKS), position)

    def _content(self, stream: Stream, at: int, position: int) -> list[Row]:
        """A content impression, with a click in a third of the cases."""
        name, piece, target = stream.pick(CONTENTS)
        interaction = stream.pick((None, "", "click"))
        return [
            self._row(
                CONTENT,
                at,
                name,
                position,
                {"name": name, "piece": piece, "target": target, "interaction": each},
            )
            for each in ((None, interaction) if interaction else (interaction,))
        ]

    def _with_shopping(self, stream: Stream, rows: tuple[Row, ...]) -> tuple[Row, ...]:
        """The rows with an order (in a tenth of such visits), an abandoned cart (another tenth), or
        both.
        """
        kinds = {0: (), 1: (ORDER,), 2: (CART,), 3: (ORDER, CART)}[
            stream.weighted({0: 80, 1: 9, 2: 10, 3: 1})
        ]
        for kind in kinds:
            at = rows[-1].at + stream.between(20, 200)
            chosen = dict.fromkeys(stream.favourite(ITEMS) for _ in range(stream.between(1, 3)))
            items = tuple(Item(*each, stream.weighted({1: 70, 2: 20, 5: 10})) for each in chosen)
            total = sum(item.price * item.quantity for item in items)
            more: dict[str, Any] = {"revenue": total}
            about = ""
            if kind == ORDER:
                discount = total // 10 if stream.chance(0.2) else 0
                shipping = 0 if total > 5000 else 490
                tax = (total - discount) // 6
                more = {
                    "revenue": total - discount + shipping + tax,
                    "sub_total": total,
                    "tax": tax,
                    "shipping": shipping,
                    "discount": discount,
                }
                about = f"{self._site.id}-{self._unique(self._pages + 1)}-{at}"
            rows = (*rows, Row(kind, at, about, more=more, items=items))
        return rows

    def _row(
        self, kind: str, at: int, about: str, position: int, more: dict[str, Any] | None = None
    ) -> Row:
        self._pages += 1
        about_id = self._abouts.setdefault(about, len(self._abouts) + 1)
        page_id = self._unique(self._pages)
        return Row(kind, at, about, page_id, self._unique(about_id), position, more or {})

    def _unique(self, number: int) -> int:
        """A number that no other site of the instance uses."""
        return (number - 1) * self._sites + self._site.id

    def _with_goals(self, rows: tuple[Row, ...] | list[Row], page: Row) -> tuple[Row, ...]:
        rows = (*rows, page)
        for goal in self._site.goals:
            if goal.path is not None and goal.path in page.about:
                rows = self._with_goal(rows, goal, page.at, page.page_id)
        return rows

    def _with_goal(
        self, rows: tuple[Row, ...] | list[Row], goal: Goal, at: int, page_id: int | None
    ) -> tuple[Row, ...]:
        # A goal converts once per visit (allow_multiple is off).
        if any(row.type == "goal" and row.about == str(goal.id) for row in rows):
            return tuple(rows)
        pages = [row.about for row in rows if row.type == "action"]
        more = {"goal_page_id": page_id, "url": pages[-1], "revenue": goal.revenue}
        return (*rows, Row("goal", at, str(goal.id), more=more))


def visits_on(seed: int, site: Site, day: date, mean: int) -> int:
    """The number of visits that begin on a day: more on weekdays than at weekends, at least one."""
    noise = Stream(seed, f"matomo.volume {site.id}", day.toordinal()).uniform()
    return max(1, round(mean * _WEEKDAYS[day.weekday()] / 100 * (0.85 + 0.3 * noise)))


def make_sites(count: int, timezones: tuple[str, ...]) -> list[Site]:
    """Sites 1 to `count`. The first exports goals as an object, the second as an array, every third
    has no goals and dimensions. Goal and dimension ids have another meaning on each site.
    """
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
                        Goal(3, "Phone call", None, "12.5"),
                        Goal(4, "Fair of last year", None, "0", vanishes=True),
                    ),
                    (Goal(1, "Abonnement", "/newsletter/done", "1"),),
                    (),
                )[kind],
                dimensions=(
                    (
                        Dimension(1, "Customer type", 1, "visit", "always"),
                        Dimension(2, "Page author", 1, "action", "always"),
                        Dimension(3, "Old test group", 2, "visit", "never"),
                        Dimension(4, "Banner", 2, "action", "before"),
                        Dimension(5, "Template", 2, "action", "after"),
                    ),
                    (Dimension(1, "Langue de la page", 1, "action", "always"),),
                    (),
                )[kind],
                ecommerce=kind == 0,
                splits=kind != 2,
                shows_visitors=kind != 2,
            )
        )
    return sites


def dimension_values(visit: Visit, row: Row | None) -> dict[int, str | None]:
    """The values of the active custom dimensions by id, for the visit or one of its rows."""
    values: dict[int, str | None] = {}
    for dimension in visit.site.dimensions:
        if not dimension.is_active(visit.after_switch):
            continue
        if row is None:
            if dimension.scope == "visit":
                values[dimension.id] = "customer" if visit.user_id else None
        elif dimension.scope == "action":
            conversion = row.page_id is None
            known: tuple[str | None, ...] = ("Ada", "Émile", None)
            if dimension.index > 1:
                known = ("top", "side") if dimension.active == "before" else ("plain", "wide")
            values[dimension.id] = None if conversion else known[row.position % len(known)]
    return values


def _plus(a: tuple[int, int, int], b: tuple[int, int, int]) -> tuple[int, int, int]:
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]
