"""The figures that Matomo itself would report, computed from visits by Matomo's definitions.

A data set has them in `answers/<moment>/<report>.csv`; the moment is `messages` (after
messages.jsonl was read) or `changes` (after changes.jsonl too). Columns: idSite, period (day, week,
month, year), date (its first day), label if the report has rows, and the metrics:

- reports about visits, by the site's day of the last action: METRICS of visits. Labels are Matomo's
  codes, not translated names; the VisitorInterest reports have the exact seconds, actions, visits
  and days instead of Matomo's ranges. nb_uniq_visitors and nb_users are distinct in the period; for
  a year they are empty, as in Matomo, except in VisitsSummary and VisitFrequency.
- reports about actions and conversions, by the site's day of the action itself. nb_visits are
  distinct visits (for events and contents, distinct visits of each different one, as in Matomo);
  entry_ and exit_ numbers belong to the day of the visit. Money is in the site's currency with two
  decimals. Goals and orders count as conversions, abandoned carts do not.

Custom dimensions are labelled `<id>: <value>`; visits and pages without a value are not counted.
Keywords without results are those that found nothing on a whole day of the period. Reports without
rows have no file.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from simulator.periods import PERIODS, period_start
from simulator.visits import ACTIONS, CART, CONTENT, ORDER, Row, Visit, dimension_values

VISIT_METRICS = (
    "nb_visits",
    "nb_uniq_visitors",
    "nb_users",
    "nb_actions",
    "nb_visits_converted",
    "bounce_count",
    "sum_visit_length",
    "max_actions",
)
# Metrics of the other reports; those in cents are written as amounts.
_PAGES = ("nb_hits", "nb_visits", "entry_nb_visits", "entry_nb_actions", "entry_sum_visit_length",
          "entry_bounce_count", "exit_nb_visits")  # fmt: skip
_HITS = ("nb_hits", "nb_visits")
_EVENTS = ("nb_events", "nb_visits", "nb_events_with_value", "sum_event_value", "min_event_value",
           "max_event_value")  # fmt: skip
_CONTENTS = ("nb_impressions", "nb_interactions", "nb_visits")
_GOALS = ("nb_conversions", "nb_visits_converted", "revenue")
_ORDERS = (*_GOALS, "revenue_subtotal", "revenue_tax", "revenue_shipping", "revenue_discount",
           "items")  # fmt: skip
_ITEMS = ("revenue", "quantity", "orders")
OTHER_METRICS: dict[str, tuple[str, ...]] = {
    "Actions.get": ("nb_pageviews", "nb_uniq_pageviews", "nb_downloads", "nb_uniq_downloads",
                    "nb_outlinks", "nb_uniq_outlinks", "nb_searches", "nb_keywords"),
    "Actions.getPageUrls": _PAGES,
    "Actions.getPageTitles": _PAGES,
    "Actions.getDownloads": _HITS,
    "Actions.getOutlinks": _HITS,
    "Actions.getSiteSearchKeywords": _HITS,
    "Actions.getSiteSearchCategories": _HITS,
    "Actions.getSiteSearchNoResultKeywords": _HITS,
    "Events.getCategory": _EVENTS,
    "Events.getAction": _EVENTS,
    "Events.getName": _EVENTS,
    "Contents.getContentNames": _CONTENTS,
    "Contents.getContentPieces": _CONTENTS,
    "CustomDimensions.getCustomDimension_action": _HITS,
    "Goals.get": _GOALS,
    "Goals.get_by_goal": _GOALS,
    "Goals.get_orders": _ORDERS,
    "Goals.get_abandoned_carts": ("nb_conversions", "nb_visits_converted", "revenue", "items"),
    "Goals.getItemsSku": _ITEMS,
    "Goals.getItemsName": _ITEMS,
    "Goals.getItemsCategory": _ITEMS,
    "Goals.getItemsSku_abandoned_carts": _ITEMS,
}  # fmt: skip
_AMOUNTS = {"revenue", "revenue_subtotal", "revenue_tax", "revenue_shipping", "revenue_discount",
            "sum_event_value", "min_event_value", "max_event_value"}  # fmt: skip
# Reports that count a visit once for each different event or content.
_DIFFERENT = ("Events.", "Contents.")
# Reports that have unique visitors for years too.
_YEARLY = ("VisitsSummary.get", "VisitFrequency.get")


class _VisitSums:
    """The metrics of a set of visits."""

    __slots__ = ("actions", "bounces", "converted", "length", "most", "users", "visitors", "visits")

    def __init__(self) -> None:
        self.visits = self.actions = self.converted = self.bounces = self.length = self.most = 0
        self.visitors: set[int] = set()
        self.users: set[str] = set()

    def add(self, visit: Visit, actions: int, length: int, converted: bool) -> None:
        self.visits += 1
        self.actions += actions
        self.converted += converted
        self.bounces += actions < 2
        self.length += length
        self.most = max(self.most, actions)
        self.visitors.add(visit.visitor)
        if visit.user_id is not None:
            self.users.add(visit.user_id)

    def merge(self, other: _VisitSums, distinct: bool) -> None:
        self.visits += other.visits
        self.actions += other.actions
        self.converted += other.converted
        self.bounces += other.bounces
        self.length += other.length
        self.most = max(self.most, other.most)
        if distinct:
            self.visitors |= other.visitors
            self.users |= other.users


@dataclass
class _Sums:
    """Metrics by report and label, of visits and of actions and conversions. Also the searched
    keywords, with the highest number of results of a day, and those that found nothing on a day.
    """

    visits: dict[tuple[str, str], _VisitSums] = field(default_factory=dict)
    others: dict[tuple[str, str], list[int | None]] = field(default_factory=dict)
    keywords: dict[str, int] = field(default_factory=dict)
    in_vain: set[str] = field(default_factory=set)

    def merge(self, other: _Sums, yearly: bool) -> None:
        for key, sums in other.visits.items():
            mine = self.visits.setdefault(key, _VisitSums())
            mine.merge(sums, not yearly or key[0] in _YEARLY)
        for key, values in other.others.items():
            _add(self.others, key, values)
        for keyword, results in other.keywords.items():
            self.keywords[keyword] = max(results, self.keywords.get(keyword, results))


def _add(
    into: dict[tuple[str, str], list[int | None]], key: tuple[str, str], values: list[int | None]
) -> None:
    mine = into.get(key)
    if mine is None:
        into[key] = list(values)
        return
    names = OTHER_METRICS[key[0]]
    for position, (old, new) in enumerate(zip(mine, values, strict=True)):
        if new is None:
            continue
        if old is None:
            mine[position] = new
        elif names[position] == "min_event_value":
            mine[position] = min(old, new)
        elif names[position] == "max_event_value":
            mine[position] = max(old, new)
        else:
            mine[position] = old + new


@dataclass
class _Layer:
    """Visits that count at the same moments. `whole` has those of a single day, whose sums are
    added up to periods. Of a visit over midnight, `parts` have each day's share. Longer periods
    count such a visit once, because a visit of two days is one visit of their week.
    """

    whole: dict[date, _Sums] = field(default_factory=dict)
    parts: dict[date, _Sums] = field(default_factory=dict)


class Reports:
    """All reports of one site at both moments, written when their periods end.

    Visits must be added in the order of their start; a visit may end on the next day. `take`
    returns the finished part: rows as CSV text without a header, by moment and report.
    """

    def __init__(self, site: int) -> None:
        self._site = site
        # Visits that do not change, and the two states of those that grow.
        self._same, self._before, self._after = _Layer(), _Layer(), _Layer()
        self._periods: dict[tuple[str, str, date], _Sums] = {}
        self._done: dict[tuple[str, str], io.StringIO] = {}

    def add(self, visit: Visit, grown: Visit | None) -> None:
        """Count a visit and its state in the later export (None: unchanged)."""
        if grown is None:
            self._count(self._same, visit, ("messages", "changes"))
        else:
            self._count(self._before, visit, ("messages",))
            self._count(self._after, grown, ("changes",))

    def close(self, until: date) -> None:
        """Finish the periods that end before `until`; no visit may begin on an earlier day."""
        layers = (self._same, self._before, self._after)
        days = {day for layer in layers for day in (*layer.whole, *layer.parts) if day < until}
        for day in sorted(days):
            found = [(layer.whole.pop(day, None), layer.parts.pop(day, None)) for layer in layers]
            for moment, changed in (("messages", found[1]), ("changes", found[2])):
                daily = _Sums()
                for whole, parts in (found[0], changed):
                    for sums in (whole, parts):
                        if sums is not None:
                            daily.merge(sums, False)
                    for period in PERIODS[1:]:
                        if whole is not None:
                            start = period_start(period, day)
                            self._period(moment, period, start).merge(whole, period == "year")
                daily.in_vain = {word for word, results in daily.keywords.items() if results == 0}
                for period in PERIODS[1:] if daily.in_vain else ():
                    self._period(moment, period, period_start(period, day)).in_vain |= daily.in_vain
                self._write(moment, "day", day, daily)
        for moment, period, start in sorted(self._periods):
            if _next(period, start) <= until:
                self._write(moment, period, start, self._periods.pop((moment, period, start)))

    def take(self) -> dict[tuple[str, str], str]:
        """The finished rows by moment and report; each row is returned once."""
        done, self._done = self._done, {}
        return {key: text.getvalue() for key, text in done.items()}

    def _period(self, moment: str, period: str, start: date) -> _Sums:
        return self._periods.setdefault((moment, period, start), _Sums())

    def _count(self, layer: _Layer, visit: Visit, moments: tuple[str, ...]) -> None:
        local = visit.site.local
        days = [local(row.at).date() for row in visit.rows]
        if days[0] == days[-1]:
            _count(layer.whole.setdefault(days[0], _Sums()), visit, visit.rows, True)
            return
        by_day: dict[date, list[Row]] = {}
        for day, row in zip(days, visit.rows, strict=True):
            by_day.setdefault(day, []).append(row)
        for day, rows in by_day.items():
            _count(layer.parts.setdefault(day, _Sums()), visit, rows, day == days[-1])
        for period in PERIODS[1:]:
            by_start: dict[date, list[Row]] = {}
            for day, rows in by_day.items():
                by_start.setdefault(period_start(period, day), []).extend(rows)
            for start, rows in by_start.items():
                for moment in moments:
                    sums = self._period(moment, period, start)
                    _count(sums, visit, rows, start == period_start(period, days[-1]))

    def _write(self, moment: str, period: str, start: date, sums: _Sums) -> None:
        summary = sums.others.get(("Actions.get", ""))
        if summary is not None:
            summary[-1] = len(sums.keywords)
        for keyword in sums.in_vain:
            searches = sums.others["Actions.getSiteSearchKeywords", keyword]
            sums.others["Actions.getSiteSearchNoResultKeywords", keyword] = searches
        begin = (self._site, period, start.isoformat())
        for (report, label), found in sorted(sums.visits.items()):
            exact = period != "year" or report in _YEARLY
            self._row(moment, report).writerow(
                (
                    *begin, label, found.visits, len(found.visitors) if exact else "",
                    len(found.users) if exact else "", found.actions, found.converted,
                    found.bounces, found.length, found.most,
                )
            )  # fmt: skip
        for (report, label), values in sorted(sums.others.items()):
            names = OTHER_METRICS[report]
            written = (
                "" if value is None else _amount(value) if name in _AMOUNTS else value
                for name, value in zip(names, values, strict=True)
            )
            self._row(moment, report).writerow((*begin, label, *written))

    def _row(self, moment: str, report: str) -> Any:
        text = self._done.setdefault((moment, report), io.StringIO())
        return csv.writer(text, lineterminator="\n")


def header(report: str) -> str:
    """The header line of a report's file."""
    metrics = OTHER_METRICS.get(report, VISIT_METRICS)
    return ",".join(("idSite", "period", "date", "label", *metrics)) + "\n"


def _amount(hundredths: int) -> str:
    sign, rest = ("-", -hundredths) if hundredths < 0 else ("", hundredths)
    return f"{sign}{rest // 100}.{rest % 100:02d}"


def _next(period: str, start: date) -> date:
    """The first day after a period."""
    return period_start(
        period, start + timedelta(days={"week": 7, "month": 31, "year": 366}[period])
    )


def _count(sums: _Sums, visit: Visit, rows: Iterable[Row], is_day_of_visit: bool) -> None:
    """Add a visit, or its share in `rows`."""
    if is_day_of_visit:
        actions, length, converted = visit.actions, visit.length, visit.converted
        for key in _visit_labels(visit, actions, length):
            found = sums.visits.get(key)
            if found is None:
                found = sums.visits[key] = _VisitSums()
            found.add(visit, actions, length, converted)
    mine: dict[tuple[str, str], list[int | None]] = {}
    for key, values in _row_numbers(visit, rows):
        _add(mine, key, values)
    _mark_visits(mine, rows)
    _summarise(mine, rows, sums.keywords)
    if is_day_of_visit:
        _entry_and_exit(mine, visit)
    for key, values in mine.items():
        _add(sums.others, key, values)


def _visit_labels(visit: Visit, actions: int, length: int) -> Iterator[tuple[str, str]]:
    """The reports about visits that count the visit, and its label in each."""
    device, country, referrer, site = visit.device, visit.country, visit.referrer, visit.site
    last = site.local(visit.last)
    yield "VisitsSummary.get", ""
    yield "VisitFrequency.get", "new" if visit.number == 1 else "returning"
    kind = str(referrer["type"])
    yield "Referrers.getReferrerType", kind
    report = {
        "search": "Referrers.getSearchEngines",
        "website": "Referrers.getWebsites",
        "campaign": "Referrers.getCampaigns",
        "social": "Referrers.getSocials",
    }.get(kind)
    if report is not None:
        yield report, str(referrer["name"])
    if kind == "search":
        yield "Referrers.getKeywords", str(referrer["keyword"])
    yield "UserCountry.getCountry", str(country["code"])
    yield "UserCountry.getContinent", str(country["continent"])
    yield "UserCountry.getRegion", f"{country['region_code'] or 'xx'}|{country['code']}"
    yield "UserCountry.getCity", f"{country['city'] or 'xx'}|{country['code']}"
    yield "DevicesDetection.getType", device["type"]
    yield "DevicesDetection.getBrand", device["brand"]
    yield "DevicesDetection.getModel", device["model"]
    yield "DevicesDetection.getBrowsers", device["browser_code"]
    yield "DevicesDetection.getBrowserEngines", device["engine"]
    yield "DevicesDetection.getOsFamilies", device["os_family"]
    yield "Resolution.getResolution", device["resolution"]
    yield "UserLanguage.getLanguageCode", str(country["language"])
    yield "VisitTime.getVisitInformationPerLocalTime", str(site.local(visit.first).hour)
    yield "VisitTime.getVisitInformationPerServerTime", str(site.local(visit.first).hour)
    yield "VisitTime.getByDayOfWeek", str(last.isoweekday())
    yield "VisitorInterest.getNumberOfVisitsPerVisitDuration", str(length)
    yield "VisitorInterest.getNumberOfVisitsPerPage", str(actions)
    yield "VisitorInterest.getNumberOfVisitsByVisitCount", str(visit.number)
    if visit.number > 1:
        yield "VisitorInterest.getNumberOfVisitsByDaysSinceLast", str(visit.since_last // 86400)
    if visit.user_id is not None:
        yield "UserId.getUsers", visit.user_id
    for number, value in dimension_values(visit, None).items():
        if value is not None:
            yield "CustomDimensions.getCustomDimension_visit", f"{number}: {value}"


def _row_numbers(
    visit: Visit, rows: Iterable[Row]
) -> Iterator[tuple[tuple[str, str], list[int | None]]]:
    """The values that each row adds to the reports about actions and conversions; the metric that
    counts visits is set later.
    """
    for row in rows:
        more = row.more
        if row.type == "action":
            for key in _page_labels(row):
                yield key, [1, 0, 0, 0, 0, 0, 0]
            for number, value in dimension_values(visit, row).items():
                if value is not None:
                    yield (
                        ("CustomDimensions.getCustomDimension_action", f"{number}: {value}"),
                        [1, 0],
                    )
        elif row.type == "download":
            yield ("Actions.getDownloads", row.about), [1, 0]
        elif row.type == "outlink":
            yield ("Actions.getOutlinks", row.about), [1, 0]
        elif row.type == "search":
            yield ("Actions.getSiteSearchKeywords", row.about), [1, 0]
            if more["category"] is not None:
                yield ("Actions.getSiteSearchCategories", more["category"]), [1, 0]
        elif row.type == "event":
            value = None if more["value"] is None else round(more["value"] * 100)
            numbers = [1, 0, int(value is not None), value or 0, value, value]
            for key in _event_labels(row):
                yield key, numbers
        elif row.type == CONTENT:
            interaction = int(bool(more["interaction"]))
            numbers = [1 - interaction, interaction, 0]
            for key in _content_labels(row):
                yield key, numbers
        elif row.type == "goal":
            revenue = round(float(more["revenue"]) * 100)
            yield ("Goals.get", ""), [1, 0, revenue]
            yield ("Goals.get_by_goal", row.about), [1, 0, revenue]
        elif row.type == ORDER:
            total, items = more["revenue"], sum(item.quantity for item in row.items)
            yield ("Goals.get", ""), [1, 0, total]
            parts = [more[name] for name in ("sub_total", "tax", "shipping", "discount")]
            yield ("Goals.get_orders", ""), [1, 0, total, *parts, items]
            yield from _item_numbers(row, "")
        elif row.type == CART:
            items = sum(item.quantity for item in row.items)
            yield ("Goals.get_abandoned_carts", ""), [1, 0, more["revenue"], items]
            yield from _item_numbers(row, "_abandoned_carts")


def _event_labels(row: Row) -> list[tuple[str, str]]:
    more = row.more
    return [
        ("Events.getCategory", more["category"]),
        ("Events.getAction", more["action"]),
        ("Events.getName", more["name"] or "Event Name not defined"),
    ]


def _content_labels(row: Row) -> list[tuple[str, str]]:
    return [
        ("Contents.getContentNames", row.more["name"]),
        ("Contents.getContentPieces", row.more["piece"]),
    ]


def _item_numbers(row: Row, of: str) -> Iterator[tuple[tuple[str, str], list[int | None]]]:
    orders: dict[tuple[str, str], list[int | None]] = {}
    for item in row.items:
        labels = [("Goals.getItemsSku", item.sku)]
        if not of:
            labels.append(("Goals.getItemsName", item.name))
            labels += [("Goals.getItemsCategory", category) for category in item.categories]
        for report, label in labels:
            _add(orders, (report + of, label), [item.price * item.quantity, item.quantity, 0])
    for key, values in orders.items():
        # An order of several lines counts once.
        values[2] = 1
        yield key, values


def _mark_visits(mine: dict[tuple[str, str], list[int | None]], rows: Iterable[Row]) -> None:
    """Count each label of a visit as one visit; for events and contents, count each different one
    that was shown.
    """
    different = {}
    for row in rows:
        if row.type == "event":
            labels = _event_labels(row)
        elif row.type == CONTENT and not row.more["interaction"]:
            labels = _content_labels(row)
        else:
            continue
        different[(*labels, row.more.get("target"))] = labels
    visits = Counter(key for keys in different.values() for key in keys)
    for key, values in mine.items():
        names = OTHER_METRICS[key[0]]
        for name in ("nb_visits", "nb_visits_converted"):
            if name in names:
                values[names.index(name)] = visits[key] if key[0].startswith(_DIFFERENT) else 1


def _summarise(
    mine: dict[tuple[str, str], list[int | None]], rows: Iterable[Row], keywords: dict[str, int]
) -> None:
    """Actions.get: numbers of actions, and of different pages, downloads and outlinks."""
    numbers: list[int | None] = []
    for kind in ("action", "download", "outlink"):
        abouts = [row.about for row in rows if row.type == kind]
        numbers += [len(abouts), len(set(abouts))]
    searched = [row for row in rows if row.type == "search"]
    for row in searched:
        # An unknown number of results is neither zero nor positive; -1 stands for it.
        results = -1 if row.more["count"] is None else row.more["count"]
        keywords[row.about] = max(results, keywords.get(row.about, results))
    if any(row.type in ACTIONS for row in rows):
        mine["Actions.get", ""] = [*numbers, len(searched), 0]


def _entry_and_exit(mine: dict[tuple[str, str], list[int | None]], visit: Visit) -> None:
    """Entry and exit pages; a visit that begins or ends with a site search has none there."""
    viewed = [row for row in visit.rows if row.type in ("action", "search")]
    first, last = viewed[0], viewed[-1]
    bounce = int(visit.actions < 2)
    if first.type == "action":
        for report, label in _page_labels(first):
            _add(mine, (report, label), [0, 0, 1, visit.actions, visit.length, bounce, 0])
    if last.type == "action":
        for report, label in _page_labels(last):
            _add(mine, (report, label), [0, 0, 0, 0, 0, 0, 1])


def _page_labels(row: Row) -> list[tuple[str, str]]:
    return [("Actions.getPageUrls", row.about), ("Actions.getPageTitles", row.more["title"])]
