"""Matomo's exports as Kafka messages, a later export in which visits have grown, and the true
answers.
"""

from __future__ import annotations

import heapq
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any, NamedTuple

from simulator.dataset import Dataset, Output, read_answers
from simulator.errors import SimulatorError
from simulator.export import dimensions_json, goals_json, site_json, visit_json
from simulator.messages import compact, message, raw_message
from simulator.reports import Reports, header
from simulator.streams import Stream
from simulator.visits import ACTIONS, History, Site, Visit, make_sites, visits_on
from simulator.workers import in_order

MESSAGES = "messages.jsonl"
CHANGES = "changes.jsonl"
REPORTS = "reports.jsonl"
DEFECTS = "answers/defects.jsonl"

BREAKAGES = ("not_json", "api_error", "tombstone", "truncated")
RENAMED_GOAL, RENAMED_TO = (1, 2), "Newsletter sign-up"
RENAMED_DIMENSION, DIMENSION_RENAMED_TO = (1, 2), "Author"
# First id in keys of messages that contain no visit; no visit has such an id.
_NO_VISIT = 900_000_000_000
# Visits that are exported again in changes.jsonl although nothing happened to them, per site.
RE_EXPORTS = ("same", "other_typing", "other_language", "other_lifetime")
_SCRATCH = ".parts"
# Seconds from the last action of a visit to its export.
_EXPORT_AFTER = 60


@dataclass(frozen=True)
class MatomoSettings:
    """The parameters: `days` days from `start` (in each site's own calendar) on `sites` sites.

    Site i has the i-th of the time zones (IANA names, used in turn) and `visits_per_day` visits on
    a mean day. `broken` messages contain no visit, `duplicates` visits are exported twice
    unchanged, `midnight` visits are in the exports of two days, `truncated` ones have more than
    `max_actions` actions, of which Matomo exports no more. `active_percent` of the visits are
    exported once before they end, `grown_percent` have grown in the later export, `array_percent`
    of the messages contain several visits. `catalogues` adds messages of type `sites`,
    `report_messages` the file reports.jsonl: Matomo's own daily figures after everything was
    exported.
    """

    seed: int
    start: date
    days: int
    sites: int = 2
    visits_per_day: int = 20
    timezones: tuple[str, ...] = ("UTC",)
    broken: int = 4
    duplicates: int = 2
    midnight: int = 1
    truncated: int = 0
    max_actions: int = 500
    active_percent: int = 5
    grown_percent: int = 20
    array_percent: int = 5
    catalogues: bool = False
    report_messages: bool = False


def write_matomo(
    root: Path,
    settings: MatomoSettings,
    *,
    processes: int = 1,
    tell: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Write messages.jsonl, changes.jsonl (`messages` describes a line's form) and manifest.json.

    Keys are `idSite:idVisit` for visits and `idSite` for everything else. Returns the content of
    the manifest: `seed`, `parameters`, `counts` (lines of each file, visits, each planted defect),
    `sites` (time zone, goals, custom dimensions). answers/defects.jsonl has the planted rows:
    `kind`, `file`, `line` (from 1) and

    - `broken`: `key` and `reason`; `duplicates`, `midnight` (the second of two equal messages);
    - `active`: a visit that had `actions_so_far`; `truncated`: `shown` of `actions` were exported;
    - `grown` (in changes.jsonl): actions before and after; `re_exported`: the visit did not change,
      and `how` its export differs is one of RE_EXPORTS;
    - `renamed_goal`, `vanished_goal`, `renamed_dimension`, `reused_slot` in catalogues.

    `reports` describes the answers. They are what Matomo itself reports, with the actions that the
    exports of truncated visits lack. Sites are made in parallel; any number of processes gives the
    same bytes. Memory grows with the visitors of a month, not with the number of visits.

    `tell` is called with the number of visits made since the last call.

    Raises SimulatorError if `root` contains other files or there are too few visits.
    """
    sites = make_sites(settings.sites, settings.timezones)
    plan = _Plan(settings, sites)
    dataset = Dataset(root)
    scratch = root / _SCRATCH
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    counts: Counter[str] = Counter()
    reports: dict[tuple[str, str], Output] = {}
    try:
        tasks = [(settings, plan, site, scratch) for site in sites]
        for made in in_order(_make_site, tasks, processes):
            counts["visits"] += made
            if tell is not None:
                tell(made)
        with dataset.open(DEFECTS) as defects:
            for name in (MESSAGES, CHANGES):
                with dataset.open(name) as output:
                    lines = _merged(output, defects, name, scratch, sites, counts)
                counts[name.removesuffix(".jsonl")] = lines
        for site in sites:
            for path in sorted(scratch.glob(f"{site.id}.*.csv")):
                _, moment, report = path.name.removesuffix(".csv").split(".", 2)
                if (moment, report) not in reports:
                    file = dataset.open(f"answers/{moment}/{report}.csv")
                    file.write(header(report).encode())
                    reports[moment, report] = file
                with path.open("rb") as part:
                    while chunk := part.read(1 << 20):
                        reports[moment, report].write(chunk)
        for file in reports.values():
            file.close()
        if settings.report_messages:
            with dataset.open(REPORTS) as output:
                for entry in _report_messages(root, sites, settings):
                    output.write((compact({"at": plan.later + 3600, **entry}) + "\n").encode())
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    description: dict[str, Any] = {
        "domain": "matomo",
        "seed": settings.seed,
        "parameters": {**asdict(settings), "start": settings.start.isoformat()},
        "counts": dict(sorted(counts.items())),
        "sites": [
            {
                "idSite": site.id,
                "name": site.name,
                "timezone": site.timezone,
                "currency": site.currency[0],
                "goals": [{"idGoal": goal.id, "name": goal.name} for goal in site.goals],
                "dimensions": [asdict(dimension) for dimension in site.dimensions],
            }
            for site in sites
        ],
        "dimensions_switch_at": plan.switch,
    }
    dataset.finish(description)
    return description


class _Plan:
    """The decisions before any visit is made: the number of visits, and which are special.

    Visits of a site are numbered from 0; a visit that is split at midnight has one number.
    """

    def __init__(self, settings: MatomoSettings, sites: list[Site]) -> None:
        self._offsets = [0]
        for site in sites:
            total = sum(self._per_day(settings, site))
            self._offsets.append(self._offsets[-1] + total)
        total = self._offsets[-1]
        middle = settings.start + timedelta(days=settings.days // 2)
        noon = 43_200 if settings.days % 2 else 0
        begin = datetime(middle.year, middle.month, middle.day, tzinfo=timezone.utc)
        self.switch = int(begin.timestamp()) + noon
        end = settings.start + timedelta(days=settings.days + 2)
        # A time after the last export of the data set in any time zone.
        self.later = int(datetime(end.year, end.month, end.day, tzinfo=timezone.utc).timestamp())
        self._special = {}
        taken: set[int] = set()
        for kind in ("midnight", "truncated", "duplicates", "broken"):
            count = getattr(settings, kind)
            stream = Stream(settings.seed, f"matomo.{kind}")
            try:
                # A broken message is sent in addition to a visit, so any visit may be chosen.
                chosen = stream.distinct(
                    min(count, total) if kind == "broken" else count, 0, total, taken
                )
            except ValueError as error:
                if kind != "broken":
                    raise SimulatorError(
                        f"there are not enough visits for {count} {kind} ones ({error}); "
                        "ask for fewer or for more visits."
                    ) from None
                chosen = stream.distinct(min(count, total), 0, total)
            if kind != "broken":
                taken.update(chosen)
            self._special[kind] = chosen

    @staticmethod
    def _per_day(settings: MatomoSettings, site: Site) -> list[int]:
        return [
            visits_on(settings.seed, site, settings.start + timedelta(days=day),
                      settings.visits_per_day)
            for day in range(settings.days)
        ]  # fmt: skip

    def special(self, kind: str, site: Site) -> dict[int, int]:
        """The special visits of `kind` of a site: visit number to position among
        all of the kind.
        """
        low, high = self._offsets[site.id - 1], self._offsets[site.id]
        return {
            value - low: position
            for position, value in enumerate(self._special[kind])
            if low <= value < high
        }


class _Line(NamedTuple):
    """A message that waits to be written, ordered by its export time."""

    at: int
    sequence: int
    message: dict[str, Any]
    about: list[dict[str, Any]]


class _Part:
    """The messages of one site for one file; sorts them by time, because some
    come slightly late.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8", newline="\n")
        self._waiting: list[_Line] = []
        self._count = 0

    def put(self, at: int, entry: dict[str, Any], *about: dict[str, Any]) -> None:
        """Add a message that is exported at `at`; `about` describes its planted defects."""
        self._count += 1
        heapq.heappush(self._waiting, _Line(at, self._count, entry, list(about)))

    def release(self, until: int) -> None:
        """Write the messages exported before `until`; no earlier ones will follow."""
        while self._waiting and self._waiting[0].at < until:
            at, _, entry, about = heapq.heappop(self._waiting)
            text = compact({"at": at, **entry})
            self._file.write(f"{at}\t{compact(about)}\t{text}\n")

    def close(self) -> None:
        """Write the remaining messages."""
        self.release(1 << 60)
        self._file.close()


def _make_site(task: tuple[MatomoSettings, _Plan, Site, Path]) -> int:
    """Write the parts of one site; returns its number of visits."""
    settings, plan, site, scratch = task
    return _SiteExport(settings, plan, site, scratch).run()


class _SiteExport:
    """Makes the visits of a site and exports them, in both exports."""

    def __init__(self, settings: MatomoSettings, plan: _Plan, site: Site, scratch: Path) -> None:
        self._settings, self._plan, self._site, self._scratch = settings, plan, site, scratch
        self._messages = _Part(scratch / f"{site.id}.{MESSAGES}")
        self._changes = _Part(scratch / f"{site.id}.{CHANGES}")
        self._names = {goal.id: goal.name for goal in site.goals}
        self._later_names = {goal.id: goal.name for goal in site.goals if not goal.vanishes}
        if site.id == RENAMED_GOAL[0]:
            self._later_names[RENAMED_GOAL[1]] = RENAMED_TO
        self._dice = Stream(settings.seed, f"matomo.export {site.id}")
        self._growth = Stream(settings.seed, f"matomo.growth {site.id}")
        self._broken = plan.special("broken", site)
        self._duplicates = plan.special("duplicates", site)
        self._midnight = plan.special("midnight", site)
        self._re_exports = list(RE_EXPORTS if site.ecommerce else RE_EXPORTS[:-1])
        self._page: list[dict[str, Any]] = []
        self._page_about: list[dict[str, Any]] = []
        self._page_size = 0
        # Start of the newest visit; messages before it have been written.
        self._begun = 0

    def run(self) -> int:
        settings, plan, site = self._settings, self._plan, self._site
        history = History(
            settings.seed,
            site,
            settings.sites,
            switch=plan.switch,
            cap=settings.max_actions,
            long=frozenset(plan.special("truncated", site)),
            at_midnight=frozenset(self._midnight),
        )
        reports = Reports(site.id)
        self._catalogues()
        made = 0
        for index in range(settings.days):
            day = settings.start + timedelta(days=index)
            count = visits_on(settings.seed, site, day, settings.visits_per_day)
            for number, visit in history.day(day, count):
                made += 1
                grown = None
                if self._growth.chance(settings.grown_percent / 100):
                    grown = history.grown(visit, self._growth)
                reports.add(visit, grown)
                self._export(number, visit)
                self._export_later(visit, grown)
                # Visits come in the order of their start, and none is exported before it.
                self._begun = visit.first
                self._messages.release(visit.first)
                self._changes.release(plan.later + 2)
            reports.close(day + timedelta(days=1))
            self._save(reports)
        self._flush_page()
        reports.close(date.max)
        self._save(reports)
        self._messages.close()
        self._changes.close()
        return made

    def _save(self, reports: Reports) -> None:
        for (moment, report), text in reports.take().items():
            path = self._scratch / f"{self._site.id}.{moment}.{report}.csv"
            with path.open("a", encoding="utf-8", newline="\n") as file:
                file.write(text)

    def _catalogues(self) -> None:
        settings, plan, site = self._settings, self._plan, self._site
        key, first = str(site.id), site.midnight(settings.start) - 3600
        if settings.catalogues:
            self._messages.put(first, message(key, "sites", [site_json(site)]))
        if site.goals_shape == "array":
            # An export before the goals of the site were created.
            self._messages.put(first, message(key, "goals", []))
        self._messages.put(first, message(key, "goals", goals_json(site, self._names)))
        dimensions = dimensions_json(site, after_switch=False)
        self._messages.put(first, message(key, "custom_dimensions", dimensions))
        if any(dimension.active == "after" for dimension in site.dimensions):
            self._messages.put(
                plan.switch,
                message(key, "custom_dimensions", dimensions_json(site, after_switch=True)),
                *(
                    {"kind": "reused_slot", "idSite": site.id, "from": old.id, "to": new.id}
                    for old in site.dimensions
                    for new in site.dimensions
                    if (old.active, new.active) == ("before", "after")
                ),
            )
        if site.id != 1:
            return
        self._changes.put(
            plan.later,
            message(key, "goals", goals_json(site, self._later_names)),
            {
                "kind": "renamed_goal",
                "idSite": site.id,
                "idGoal": RENAMED_GOAL[1],
                "from": self._names[RENAMED_GOAL[1]],
                "to": RENAMED_TO,
            },
            *(
                {"kind": "vanished_goal", "idSite": site.id, "idGoal": goal.id, "name": goal.name}
                for goal in site.goals
                if goal.vanishes
            ),
        )
        old = next(each.name for each in site.dimensions if each.id == RENAMED_DIMENSION[1])
        names = {RENAMED_DIMENSION[1]: DIMENSION_RENAMED_TO}
        self._changes.put(
            plan.later,
            message(
                key, "custom_dimensions", dimensions_json(site, after_switch=True, names=names)
            ),
            {
                "kind": "renamed_dimension",
                "idSite": site.id,
                "idDimension": RENAMED_DIMENSION[1],
                "from": old,
                "to": DIMENSION_RENAMED_TO,
            },
        )

    def _json(self, visit: Visit) -> dict[str, Any]:
        return visit_json(visit, self._names, cap=self._settings.max_actions)

    def _export(self, number: int, visit: Visit) -> None:
        """Write the visit's messages and the defects that are planted beside it."""
        settings, dice = self._settings, self._dice
        ids = {"idSite": visit.site.id, "idVisit": visit.id}
        at = visit.last + _EXPORT_AFTER
        if dice.chance(settings.active_percent / 100):
            self._export_active(visit, ids)
        value = self._json(visit)
        entry = message(visit.key, "visit", value)
        about: list[dict[str, Any]] = []
        if "truncatedActionsCount" in value:
            shown = sum(row["type"] in ACTIONS for row in value["actionDetails"])
            about.append({"kind": "truncated", **ids, "actions": visit.actions, "shown": shown})
        # A split visit comes as two visits with one number; plant the defect at the first.
        if number in self._broken:
            self._export_broken(self._broken.pop(number), visit, at)
        if number in self._midnight:
            self._midnight.pop(number)
            self._messages.put(at, entry, *about)
            self._messages.put(at + 86_400, entry, {"kind": "midnight", **ids})
        elif number in self._duplicates:
            self._duplicates.pop(number)
            self._messages.put(at, entry, *about)
            self._messages.put(at + dice.between(1, 7200), entry, {"kind": "duplicates", **ids})
        elif not self._page and dice.chance(settings.array_percent / 100):
            self._page_size = dice.between(2, 5)
            self._page, self._page_about = [value], about
        elif self._page:
            self._page.append(value)
            self._page_about += about
            if len(self._page) == self._page_size:
                self._flush_page()
        else:
            self._messages.put(at, entry, *about)

    def _flush_page(self) -> None:
        """Write the waiting visits as one message with an array."""
        if self._page:
            latest = max(value["lastActionTimestamp"] for value in self._page) + _EXPORT_AFTER
            entry = message(str(self._site.id), "visit", self._page)
            self._messages.put(max(latest, self._begun), entry, *self._page_about)
        self._page, self._page_about = [], []

    def _export_active(self, visit: Visit, ids: dict[str, int]) -> None:
        """Export a visit that has not ended, if there is time between two of its rows."""
        rows = visit.rows
        cuts = [cut for cut in range(1, len(rows)) if rows[cut - 1].at < rows[cut].at]
        if not cuts:
            return
        so_far = visit.until(self._dice.pick(cuts))
        self._messages.put(
            so_far.last + 1,
            message(visit.key, "visit", self._json(so_far)),
            {"kind": "active", **ids, "actions_so_far": so_far.actions},
        )

    def _export_broken(self, position: int, visit: Visit, at: int) -> None:
        """Write a message from which no visit can be read."""
        reason = BREAKAGES[position % len(BREAKAGES)]
        key = f"{visit.site.id}:{_NO_VISIT + position}"
        if reason == "not_json":
            broken = raw_message(key, "visit", "<html><h1>504 Gateway Time-out</h1></html>")
        elif reason == "api_error":
            text = "Error: the token given is not valid for this site."
            broken = message(key, "visit", {"result": "error", "message": text})
        elif reason == "tombstone":
            broken = message(key, "visit", None)
        else:
            # The complete visit is in the file too, so the answers count it.
            text = compact(self._json(visit))
            broken = raw_message(visit.key, "visit", text[: len(text) * 2 // 3])
        about = {"kind": "broken", "key": broken["key"], "reason": reason}
        self._messages.put(at + 1, broken, about)

    def _export_later(self, visit: Visit, grown: Visit | None) -> None:
        """Write the visit to the later export, if it is part of it."""
        ids = {"idSite": visit.site.id, "idVisit": visit.id}
        cap = self._settings.max_actions
        if grown is not None:
            self._changes.put(
                self._plan.later + 1,
                message(visit.key, "visit", visit_json(grown, self._later_names, cap=cap)),
                {
                    "kind": "grown",
                    **ids,
                    "actions_before": visit.actions,
                    "actions_after": grown.actions,
                },
            )
            return
        settled = visit.after_switch or not visit.site.ecommerce
        if not self._re_exports or not settled or visit.count("goal"):
            return
        how, locale = self._re_exports.pop(0), None
        if how == "other_typing":
            visit = replace(visit, php=15 - visit.php)
        elif how == "other_language":
            locale = "fr" if visit.site.locale == "en" else "en"
        elif how == "other_lifetime":
            count, cents, items = visit.orders
            visit = replace(visit, orders=(count + 1, cents + 9900, items + 2))
        value = visit_json(visit, self._later_names, cap=cap, locale=locale)
        about = {"kind": "re_exported", **ids, "how": how}
        self._changes.put(self._plan.later + 1, message(visit.key, "visit", value), about)


def _report_messages(
    root: Path, sites: list[Site], settings: MatomoSettings
) -> Iterator[dict[str, Any]]:
    """One message per site and report, as Matomo answers period=day and date=first,last: figures by
    day, `[]` for a day without any.
    """
    days = [(settings.start + timedelta(days=n)).isoformat() for n in range(settings.days + 1)]
    for method in ("VisitsSummary.get", "Actions.get", "Goals.get"):
        path = root / "answers" / "changes" / f"{method}.csv"
        rows = read_answers(root, f"changes/{method}") if path.exists() else []
        daily = {(row["idSite"], row["date"]): row for row in rows if row["period"] == "day"}
        visits = {
            (row["idSite"], row["date"]): int(row["nb_visits"])
            for row in read_answers(root, "changes/VisitsSummary.get")
            if row["period"] == "day"
        }
        for site in sites:
            value: dict[str, Any] = {}
            for day in days:
                found = daily.get((str(site.id), day))
                value[day] = (
                    _figures(method, found, visits.get((str(site.id), day), 0)) if found else []
                )
            entry = message(str(site.id), "report", value)
            entry["headers"] |= {"method": method, "period": "day"}
            yield entry


def _figures(method: str, row: dict[str, str], visits: int) -> dict[str, Any]:
    """The figures of a day as Matomo's API returns them, rounded like there."""
    figures: dict[str, Any] = {
        name: value if name == "revenue" else int(value) for name, value in list(row.items())[4:]
    }
    if method == "VisitsSummary.get":
        figures["bounce_rate"] = f"{_rounded(figures['bounce_count'] * 100, visits, 0)}%"
        figures["nb_actions_per_visit"] = float(_rounded(figures["nb_actions"], visits, 1))
        figures["avg_time_on_site"] = int(_rounded(figures["sum_visit_length"], visits, 0))
    if method == "Goals.get":
        rate = _rounded(figures["nb_visits_converted"] * 100, visits, 2).normalize()
        figures["conversion_rate"] = f"{rate:f}%"
    return figures


def _rounded(numerator: int, denominator: int, digits: int) -> Decimal:
    """A quotient, rounded half up as PHP does; 0 if the denominator is 0."""
    quotient = Decimal(numerator) / denominator if denominator else Decimal(0)
    return quotient.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)


def _merged(
    output: Output,
    defects: Output,
    name: str,
    scratch: Path,
    sites: list[Site],
    counts: Counter[str],
) -> int:
    """Merge the parts of a file from all sites, by time; returns the number of lines."""
    parts = [_part_lines(scratch / f"{site.id}.{name}") for site in sites]
    number = 0
    for _, about, text in heapq.merge(*parts, key=lambda line: line[0]):
        number += 1
        output.write(text.encode())
        if about != "[]":
            for each in json.loads(about):
                counts[each["kind"]] += 1
                kind = each.pop("kind")
                row = {"kind": kind, "file": name, "line": number, **each}
                defects.write((json.dumps(row, ensure_ascii=False) + "\n").encode())
    return number


def _part_lines(path: Path) -> Iterator[tuple[int, str, str]]:
    with path.open(encoding="utf-8", newline="\n") as lines:
        for line in lines:
            at, about, text = line.split("\t", 2)
            yield int(at), about, text
