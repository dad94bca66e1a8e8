"""Smart-meter events and park files in the format of the field's CSV feed, with true answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.dataset import Dataset
from simulator.errors import SimulatorError
from simulator.park import Park
from simulator.periods import PERIODS, period_start
from simulator.streams import Stream

HEADER = "id_evt,date_occur_evt,date_system_evt,type_evt,type_equipement,id_equipement,info_div"
RESEND = "events/resend.txt"

# Type, the equipment that sends it, and how many of 41 events are of this type.
EVENT_TYPES = (("ev_C", "C", 30), ("ev_K", "K", 8), ("ev_N", "K", 3))
MALFORMATIONS = ("too_few_fields", "bad_date", "too_many_fields")


@dataclass(frozen=True)
class MeterSettings:
    """What to make: `days` event days from `start`, in naive local time.

    `events_per_day` events (1 to 86,400) come at even distances. Of all rows `malformed` cannot
    be read, `duplicates` are sent twice when played, and `unplaced` come from a meter after it was
    taken away; no row is two of these.
    """

    seed: int
    start: date
    days: int
    meters: int = 25
    events_per_day: int = 8640
    malformed: int = 3
    duplicates: int = 5
    unplaced: int = 5


class Emitted(NamedTuple):
    """What a true count is counted by."""

    day: date
    type_evt: str
    type_equipement: str
    id_equipement: int


@dataclass(frozen=True)
class _Defects:
    """The planted rows by their place: day index * events_per_day + slot in the day."""

    unplaced: frozenset[int]
    malformed: Mapping[int, str]
    duplicates: frozenset[int]


def write_meters(root: Path, settings: MeterSettings) -> dict[str, Any]:
    """Write events/event_YYYYMMDD.csv, events/resend.txt, park/*.csv and manifest.json.

    resend.txt names the rows that `play` sends a second time, one `<file>_row<N>` a line; N is
    the row's number in its file, the header being row 0. Returns what went into the manifest:

    - `seed`, `parameters`, `event_days` (file, rows, readable rows of each day);
    - `park`: which meter was replaced and which removed, and when (last days are included);
    - `defects`: `malformed`, `duplicates` and `unplaced` rows with file, row and line;
    - `answers`: `events` (how many readable ones in all), `by_type` and `by_equipment` (rows with
      `period` day, week, month or year, `date` its first day, the key and `count`), and `by_place`
      (the same by event type and true place; a null place is an unplaced event).

    Every event counts once, malformed rows not at all. Raises SimulatorError when there are too
    few rows for the defects, or when `root` holds something else.
    """
    defects = _plant(settings)
    park = Park(settings.seed, settings.meters, settings.start, settings.days)
    dataset = Dataset(root)
    for name, content in park.files().items():
        dataset.write(f"park/{name}", content)

    times = _day_times(settings.events_per_day)
    tails = _line_tails(park)
    counts: Counter[Emitted] = Counter()
    event_days = []
    planted: dict[str, list[dict[str, Any]]] = {"malformed": [], "duplicates": [], "unplaced": []}
    for index in range(settings.days):
        day = settings.start + timedelta(days=index)
        first = index * settings.events_per_day
        codes = _draw_day(settings, park, day, first, defects)
        rows = _lines(day, times, [tails[code] for code in codes.tolist()])
        name = f"event_{day:%Y%m%d}.csv"
        readable = np.ones(len(rows), dtype=bool)

        here = range(first, first + settings.events_per_day)
        for kind, places in (
            ("malformed", sorted(defects.malformed)),
            ("duplicates", sorted(defects.duplicates)),
            ("unplaced", sorted(defects.unplaced)),
        ):
            for slot in (place - first for place in places if place in here):
                found: dict[str, Any] = {"file": name, "row": slot + 1}
                if kind == "malformed":
                    found["reason"] = defects.malformed[first + slot]
                    rows[slot] = _break(rows[slot], day, found["reason"])
                    readable[slot] = False
                planted[kind].append({**found, "line": rows[slot]})

        dataset.write(f"events/{name}", "\n".join([HEADER, *rows]) + "\n")
        event_days.append({"file": name, "rows": len(rows), "readable": int(readable.sum())})
        values, numbers = np.unique(codes[readable], return_counts=True)
        for code, number in zip(values.tolist(), numbers.tolist(), strict=True):
            counts[Emitted(day, *_decode(code, park))] += number

    resend = [f"{row['file']}_row{row['row']}\n" for row in planted["duplicates"]]
    dataset.write(RESEND, "".join(resend))
    description: dict[str, Any] = {
        "domain": "meters",
        "seed": settings.seed,
        "parameters": {**asdict(settings), "start": settings.start.isoformat()},
        "event_days": event_days,
        "park": {
            "concentrators": park.concentrators,
            "replaced": {
                "id_compteur": park.replaced,
                "by": park.meters,
                "last_day": (park.replaced_on - timedelta(days=1)).isoformat(),
            },
            "removed": {
                "id_compteur": park.removed,
                "last_day": (park.removed_on - timedelta(days=1)).isoformat(),
            },
        },
        "defects": planted,
        "answers": _answers(counts, park),
    }
    dataset.finish(description)
    return description


def _plant(settings: MeterSettings) -> _Defects:
    """Choose the rows of each defect; unplaced ones on days when a meter has been removed."""
    stream = Stream(settings.seed, "meters.defects")
    total = settings.days * settings.events_per_day
    removed_from = (2 * settings.days // 3) * settings.events_per_day
    try:
        unplaced = stream.distinct(settings.unplaced, removed_from, total)
        malformed = stream.distinct(settings.malformed, 0, total, set(unplaced))
        taken = {*unplaced, *malformed}
        duplicates = stream.distinct(settings.duplicates, 0, total, taken)
    except ValueError as error:
        raise SimulatorError(
            f"{total} rows have no room for {settings.unplaced} unplaced, {settings.malformed} "
            f"malformed and {settings.duplicates} duplicate ones ({error}); "
            "ask for fewer defects or more rows."
        ) from None
    reasons = {place: MALFORMATIONS[i % len(MALFORMATIONS)] for i, place in enumerate(malformed)}
    return _Defects(frozenset(unplaced), reasons, frozenset(duplicates))


# An event is drawn as one integer, type index * (meters + 1) + equipment id: cheap to count, and
# the index of its line tail.


def _code(kind: int, equipment: int, park: Park) -> int:
    return kind * (park.meters + 1) + equipment


def _decode(code: int, park: Park) -> tuple[str, str, int]:
    kind, equipment = divmod(code, park.meters + 1)
    return EVENT_TYPES[kind][0], EVENT_TYPES[kind][1], equipment


def _draw_day(
    settings: MeterSettings, park: Park, day: date, first: int, defects: _Defects
) -> NDArray[np.int64]:
    """The codes of a day's events in order: type by its weight, then equipment, all alike."""
    stream = Stream(settings.seed, "meters.events", day.toordinal())
    weights = np.cumsum([weight for _, _, weight in EVENT_TYPES])
    drawn = stream.uniforms(settings.events_per_day) * weights[-1]
    kinds = np.searchsorted(weights, drawn, side="right")
    meters = np.array(park.meters_in_service(day))
    share = stream.uniforms(settings.events_per_day)
    of_meters = meters[(share * len(meters)).astype(np.int64)]
    of_concentrators = (share * park.concentrators).astype(np.int64) + 1
    codes: NDArray[np.int64] = kinds * (park.meters + 1) + np.where(
        kinds == 0, of_meters, of_concentrators
    )
    for place in defects.unplaced:
        if first <= place < first + settings.events_per_day:
            codes[place - first] = _code(0, park.removed, park)
    return codes


def _day_times(events: int) -> list[tuple[str, str, str]]:
    """Per slot of a day: HHmmss, HH:mm:ss, and when it reached the information system."""
    times = []
    for slot in range(events):
        second = slot * 86400 // events
        clock = f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
        # Two deliveries a day: what happened before noon comes at noon, the rest at night.
        arrival = "12:00:00" if second < 43200 else "23:59:59"
        times.append((clock.replace(":", ""), clock, arrival))
    return times


def _line_tails(park: Park) -> list[str]:
    return [
        "{},{},{},".format(*_decode(code, park))
        for code in range(len(EVENT_TYPES) * (park.meters + 1))
    ]


def _lines(day: date, times: list[tuple[str, str, str]], tails: list[str]) -> list[str]:
    compact, iso = f"{day:%Y%m%d}", day.isoformat()
    return [
        f"{compact}{digits},{iso} {clock},{iso} {arrival},{tail}"
        for (digits, clock, arrival), tail in zip(times, tails, strict=True)
    ]


def _break(line: str, day: date, reason: str) -> str:
    fields = line.split(",")
    if reason == "too_few_fields":
        return ",".join(fields[:4])
    if reason == "too_many_fields":
        return ",".join([*fields, "?", "?"])
    fields[1] = fields[1].replace(day.isoformat(), f"{day.year}-13-32")
    return ",".join(fields)


def _answers(counts: Counter[Emitted], park: Park) -> dict[str, Any]:
    by_type: Counter[tuple[Any, ...]] = Counter()
    by_equipment: Counter[tuple[Any, ...]] = Counter()
    by_place: Counter[tuple[Any, ...]] = Counter()
    for event, count in counts.items():
        place = park.place_of(event.type_equipement, event.id_equipement, event.day)
        where = (
            (place.id_pdk, place.code_insee, place.id_departement, place.id_region)
            if place
            else (None, None, None, None)
        )
        for period in PERIODS:
            key = (period, period_start(period, event.day).isoformat())
            by_type[(*key, event.type_evt)] += count
            by_equipment[(*key, *event[1:])] += count
            by_place[(*key, event.type_evt, *where)] += count
    place_names = ("id_pdk", "code_insee", "id_departement", "id_region")
    return {
        "events": counts.total(),
        "by_type": _rows(by_type, "type_evt"),
        "by_equipment": _rows(by_equipment, *Emitted._fields[1:]),
        "by_place": _rows(by_place, "type_evt", *place_names),
    }


def _rows(counts: Counter[tuple[Any, ...]], *names: str) -> list[dict[str, Any]]:
    def order(key: tuple[Any, ...]) -> tuple[Any, ...]:
        # None, the place of unplaced events, goes last.
        return (PERIODS.index(key[0]), *((part is None, part or 0) for part in key[1:]))

    return [
        {**dict(zip(("period", "date", *names), key, strict=True)), "count": counts[key]}
        for key in sorted(counts, key=order)
    ]
