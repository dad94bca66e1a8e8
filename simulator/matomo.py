"""Matomo's exports as Kafka messages, a later export in which visits have grown, true answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from simulator.dataset import Dataset
from simulator.errors import SimulatorError
from simulator.export import dimensions_json, goals_json, visit_json
from simulator.messages import compact, message, raw_message
from simulator.reports import actions_summary, visits_summary
from simulator.streams import Stream
from simulator.visits import History, Visit, days_from, make_sites

MESSAGES = "messages.jsonl"
CHANGES = "changes.jsonl"

BREAKAGES = ("not_json", "api_error", "tombstone", "truncated")
RENAMED_GOAL = (1, 2)
RENAMED_TO = "Newsletter sign-up"
# Keys of messages that are no visits: ids that no visit has.
_NO_VISIT = 900_000_000
# Visits that are exported again in changes.jsonl although nothing happened to them.
_RE_EXPORTED = 2


@dataclass(frozen=True)
class MatomoSettings:
    """What to make: `days` days from `start` (each site's own calendar) on `sites` sites.

    Site i lies in the i-th time zone (IANA name), in turns. `broken` messages hold no visit,
    `duplicates` visits are exported twice unchanged, `grown_percent` of the visits have grown in
    the later export.
    """

    seed: int
    start: date
    days: int
    sites: int = 2
    visits_per_day: int = 20
    timezones: tuple[str, ...] = ("UTC",)
    broken: int = 4
    duplicates: int = 2
    grown_percent: int = 20


@dataclass(frozen=True)
class _Entry:
    """A message and, if there is something to say about it, what the manifest says."""

    message: dict[str, Any]
    defect: str | None = None
    about: dict[str, Any] | None = None


def write_matomo(root: Path, settings: MatomoSettings) -> dict[str, Any]:
    """Write messages.jsonl, changes.jsonl (see `messages` for a line's form) and manifest.json.

    Keys are `idSite:idVisit` for visits and `idSite` for goals and custom dimensions. Returns what
    went into the manifest:

    - `seed`, `parameters`, `counts` (lines of each file, visits), `sites` (time zone, goals,
      custom dimensions);
    - `defects`: lists of rows with `file` and `line` (from 1): `broken` (with `reason`),
      `duplicates`, `grown` (actions before and after), `re_exported` (unchanged visits in
      changes.jsonl, `other_typing` where strings became numbers or the reverse), `renamed_goals`;
    - `answers`: `messages` (after messages.jsonl alone) and `changes` (after both), each with
      `VisitsSummary.get` and `Actions.get`: rows by idSite, `period` (day, week, month, year) and
      `date`, its first day, in the site's time zone.

    Raises SimulatorError when `root` holds something else or there are too few visits.
    """
    sites = make_sites(settings.sites, settings.timezones)
    history = History(settings.seed)
    visits = [
        visit
        for day in days_from(settings.start, settings.days)
        for visit in history.day(sites, day, settings.visits_per_day)
    ]
    names = {(site.id, goal.id): goal.name for site in sites for goal in site.goals}
    renamed = {**names, RENAMED_GOAL: RENAMED_TO}
    dataset = Dataset(root)

    entries: list[_Entry] = []
    for site in sites:
        if site.goals_shape == "array":
            # Exported before its goals were set up.
            entries.append(_Entry(message(str(site.id), "goals", [])))
        entries.append(_Entry(message(str(site.id), "goals", goals_json(site, names))))
        entries.append(_Entry(message(str(site.id), "custom_dimensions", dimensions_json(site))))
    exported = [_Entry(_visit_message(visit, names)) for visit in _in_export_order(visits)]
    exported = _with_duplicates(settings, exported)
    entries += _with_broken(settings, exported)

    grown = _grow(settings, history, visits)
    first_site = sites[0]
    changes = [_Entry(message(str(first_site.id), "goals", goals_json(first_site, renamed)))]
    calm = [visit for visit in visits if visit.id not in grown and not visit.count("goal")]
    again = {visit.id: index for index, visit in enumerate(calm[:_RE_EXPORTED])}
    before = {visit.id: visit for visit in visits}
    for visit in _in_export_order([*grown.values(), *calm[:_RE_EXPORTED]]):
        about: dict[str, Any] = {"idSite": visit.site.id, "idVisit": visit.id}
        if visit.id in grown:
            about["actions_before"] = before[visit.id].facts().actions
            about["actions_after"] = visit.facts().actions
            changes.append(_Entry(_visit_message(visit, renamed), "grown", about))
            continue
        about["other_typing"] = again[visit.id] == 1
        if about["other_typing"]:
            visit = replace(visit, php=15 - visit.php)
        changes.append(_Entry(_visit_message(visit, renamed), "re_exported", about))

    for name, lines in ((MESSAGES, entries), (CHANGES, changes)):
        dataset.write(name, "".join(compact(entry.message) + "\n" for entry in lines))
    facts = [visit.facts() for visit in visits]
    facts_after = [grown.get(visit.id, visit).facts() for visit in visits]
    description: dict[str, Any] = {
        "domain": "matomo",
        "seed": settings.seed,
        "parameters": {**asdict(settings), "start": settings.start.isoformat()},
        "counts": {"messages": len(entries), "changes": len(changes), "visits": len(visits)},
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
        "defects": {
            **_listed(entries, MESSAGES, "broken", "duplicates"),
            **_listed(changes, CHANGES, "grown", "re_exported"),
            "renamed_goals": [
                {
                    "file": CHANGES,
                    "line": 1,
                    "idSite": RENAMED_GOAL[0],
                    "idGoal": RENAMED_GOAL[1],
                    "from": names[RENAMED_GOAL],
                    "to": RENAMED_TO,
                }
            ],
        },
        "answers": {
            moment: {
                "VisitsSummary.get": visits_summary(state),
                "Actions.get": actions_summary(state),
            }
            for moment, state in (("messages", facts), ("changes", facts_after))
        },
    }
    dataset.finish(description)
    return description


def _in_export_order(visits: Iterable[Visit]) -> list[Visit]:
    return sorted(visits, key=lambda visit: (visit.last, visit.id))


def _visit_message(visit: Visit, goal_names: dict[tuple[int, int], str]) -> dict[str, Any]:
    return message(visit.key, "visit", visit_json(visit, goal_names))


def _with_duplicates(settings: MatomoSettings, visits: list[_Entry]) -> list[_Entry]:
    """Some visits a second time, unchanged, somewhere after the first."""
    stream = Stream(settings.seed, "matomo.duplicates")
    try:
        chosen = stream.distinct(settings.duplicates, 0, len(visits))
    except ValueError as error:
        raise SimulatorError(
            f"there are not {settings.duplicates} visits to export twice ({error}); "
            "ask for fewer duplicates or more visits."
        ) from None
    result = list(visits)
    for index in reversed(chosen):  # from the end, so that earlier places stay what they were
        again = visits[index].message
        about = {name: again["value"][name] for name in ("idSite", "idVisit")}
        place = stream.between(index + 1, len(result))
        result.insert(place, _Entry(again, "duplicates", {k: int(v) for k, v in about.items()}))
    return result


def _with_broken(settings: MatomoSettings, visits: list[_Entry]) -> list[_Entry]:
    """Messages that no visit can be read from, spread among the visits."""
    stream = Stream(settings.seed, "matomo.broken")
    result = list(visits)
    for number in range(settings.broken):
        reason = BREAKAGES[number % len(BREAKAGES)]
        key = f"1:{_NO_VISIT + number}"
        if reason == "not_json":
            broken = raw_message(key, "visit", "<html><h1>504 Gateway Time-out</h1></html>")
        elif reason == "api_error":
            text = "Error: the token given is not valid for this site."
            broken = message(key, "visit", {"result": "error", "message": text})
        elif reason == "tombstone":
            broken = message(key, "visit", None)
        else:
            # The whole of this visit is in the file too, so the answers do not miss it.
            whole = stream.pick(visits).message
            text = compact(whole["value"])
            broken = raw_message(whole["key"], "visit", text[: len(text) * 2 // 3])
        about = {"key": broken["key"], "reason": reason}
        result.insert(stream.between(0, len(result)), _Entry(broken, "broken", about))
    return result


def _grow(settings: MatomoSettings, history: History, visits: list[Visit]) -> dict[int, Visit]:
    """Some of the visits, by id, as they are in the later export."""
    stream = Stream(settings.seed, "matomo.growth")
    count = -(-len(visits) * settings.grown_percent // 100)
    chosen = stream.distinct(count, 0, len(visits))
    return {visits[index].id: history.grown(visits[index], stream) for index in chosen}


def _listed(entries: list[_Entry], file: str, *defects: str) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {defect: [] for defect in defects}
    for line, entry in enumerate(entries, 1):
        if entry.defect is not None:
            found[entry.defect].append({"file": file, "line": line, **(entry.about or {})})
    return found
