"""Smart-meter events and park files in the format of the field's CSV feed, with true answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator import event_codes, text
from simulator.dataset import Dataset, write_file
from simulator.errors import SimulatorError
from simulator.meter_answers import DayCounts, MeterAnswers
from simulator.park import PHANTOMS, Park
from simulator.placement import NOWHERE, Placement
from simulator.streams import Stream, pareto
from simulator.text import Bytes, Integers
from simulator.workers import in_order

HEADER = "id_evt,date_occur_evt,date_system_evt,type_evt,type_equipement,id_equipement,info_div"
DEFECTS = "answers/defects.jsonl"

MALFORMATIONS = ("too_few_fields", "bad_date", "too_many_fields")
# A late event arrives one to eight days after it occurred, any other within half a day. A wrong
# clock is more than a year ahead.
LATE_SECONDS, LATE_DAYS = 86_400, 7
PROTOTYPE_METERS, PROTOTYPE_ROWS = 25, 8640
PROTOTYPE_START, PROTOTYPE_END = date(2017, 1, 1), date(2021, 1, 1)

# Days per task. A task draws the events of the week before again to find their late ones, so small
# tasks cost more; large ones leave processes idle at the end.
_CHUNK_DAYS = 48
_COPY = "reported by concentrator"
_INFOS = ("", _COPY)

# Per cent of a mean hour: fewer events at night, more in the evening.
_HOURS = (55, 45, 40, 38, 40, 55, 85, 110, 115, 105, 100, 105, 115, 105, 95, 95, 105, 130, 165, 185,
          175, 145, 105, 75)  # fmt: skip
# Per cent of a mean day, at the beginning of each month; of all events, and of storms.
_MONTHS = (130, 125, 112, 98, 88, 80, 78, 76, 86, 98, 112, 126)
_STORM_MONTHS = (190, 180, 120, 70, 60, 80, 100, 90, 70, 100, 130, 190)
# Probability of a storm over a département on a day of a mean month.
_STORM_CHANCE = 0.008


@dataclass(frozen=True)
class Shares:
    """The share (0 to 1) of rows with each planted defect; no row has two.

    `late` rows arrive 1 to 7 days after they occurred, `duplicates` are sent twice by `play`,
    `malformed` ones cannot be read, those of a `wrong_clock` occur more than a year ahead,
    `unknown_equipment` and `unknown_type` are in no park file and no log, `unplaced` ones come from
    a meter that has no place on that day.
    """

    late: float = 0.02
    duplicates: float = 0.003
    malformed: float = 0.0005
    wrong_clock: float = 0.0001
    unknown_equipment: float = 0.0001
    unknown_type: float = 0.0001
    unplaced: float = 0.0002

    @classmethod
    def none(cls) -> Shares:
        """Shares without any planted defect."""
        return cls(**{field.name: 0.0 for field in fields(cls)})


DEFECTS_IN_ORDER = tuple(field.name for field in fields(Shares))
# The kind of a row: 0 for one without a defect, else 1 + the position of its defect.
_KIND = {name: number for number, name in enumerate(DEFECTS_IN_ORDER, 1)}
# Defects that defects.jsonl lists row by row; the others are only counted.
_LISTED = ("duplicates", "malformed", "wrong_clock", "unknown_equipment", "unknown_type")


@dataclass(frozen=True)
class MeterSettings:
    """The parameters: events from `start` to `end`, both inclusive, in local time without a zone.

    `meters` is the number of delivery points; a meter in service has `events_per_meter_day` events
    on a mean day. `like_prototype` makes the prototype's data: 25 meters, an event every ten
    seconds, three types, no season, no defects except those of its park; it ignores the two
    numbers.
    """

    seed: int
    start: date
    end: date
    meters: int = PROTOTYPE_METERS
    events_per_meter_day: float = 1.0
    shares: Shares = Shares()
    like_prototype: bool = False

    @property
    def days(self) -> int:
        """The number of event days."""
        return (self.end - self.start).days + 1


def like_prototype(
    seed: int, start: date = PROTOTYPE_START, end: date = PROTOTYPE_END
) -> MeterSettings:
    """The prototype's data set: 12,631,680 events in 1,462 days, unless other days are given."""
    return MeterSettings(seed, start, end, shares=Shares.none(), like_prototype=True)


def write_meters(
    root: Path,
    settings: MeterSettings,
    *,
    processes: int = 1,
    tell: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Write events/event_YYYYMMDD.csv, park/*.csv, answers/*.csv and manifest.json.

    An event is in the file of the day on which it *arrived*, in order of arrival. If `play` sends
    rows of a file twice, event_YYYYMMDD.resend beside it has their numbers (the header is row 0).
    Returns the content of the manifest: `seed`, `parameters`, `counts` (rows, readable events, and
    each planted defect; `not_arrived` had not arrived at the end of the data set), `park` (its
    changes), `event_days` (file, rows, readable), `rules` (how the answers are counted).

    `meter_answers` describes the answers; answers/defects.jsonl lists planted rows with file, row
    and line, answers/quality.csv counts them by day.

    `tell` is called with the number of rows that were written since the last call. Any number of
    processes gives the same bytes. Memory grows with the park and the busiest day, not with the
    number of days.

    Raises SimulatorError if `root` contains other files or the settings are contradictory.
    """
    _check(settings)
    dataset = Dataset(root)
    world = _World(settings)
    for name, content in world.park.files():
        dataset.write(f"park/{name}.csv", content)
    (root / "events").mkdir(exist_ok=True)
    answers = MeterAnswers(dataset, world.placement, world.types)
    chunks = [
        (settings, root, first, min(first + _CHUNK_DAYS, settings.days))
        for first in range(0, settings.days, _CHUNK_DAYS)
    ]
    counts: dict[str, int] = {"rows": 0, "readable": 0, "not_arrived": 0, "last_gasp_copies": 0}
    planted = dict.fromkeys(DEFECTS_IN_ORDER, 0)
    event_days = []
    with dataset.open(DEFECTS) as defects, dataset.open("answers/quality.csv") as quality:
        quality.write(b"occurred_on,arrived_on,reason,count\n")
        for days in in_order(_make_days, chunks, processes):
            for made in days:
                for name, digest in made.files.items():
                    dataset.register(name, digest)
                event_days.append({"file": made.name, "rows": made.rows, "readable": made.readable})
                counts["rows"] += made.rows
                counts["readable"] += made.readable
                counts["not_arrived"] += made.not_arrived
                counts["last_gasp_copies"] += made.copies
                defects.write(made.defects)
                for occurred, arrived, kind, count in made.quality:
                    quality.write(f"{occurred},{arrived},{kind},{count}\n".encode())
                    planted[kind] += count
                answers.add(made.day, made.counts)
                if tell is not None:
                    tell(made.rows)
    answers.finish()
    park = world.park
    description: dict[str, Any] = {
        "domain": "meters",
        "profile": "prototype" if settings.like_prototype else "realistic",
        "seed": settings.seed,
        "parameters": {
            **asdict(settings),
            "start": settings.start.isoformat(),
            "end": settings.end.isoformat(),
        },
        "counts": {**counts, "events": answers.events, "planted": planted},
        "rules": {
            "an event": "a readable row that arrived, once however often it was sent; rows of a "
            "wrong clock are in no statistic, last gasps reported by a concentrator are events of "
            "their own",
            "a place": "where the equipment was on the day of the event; empty: nowhere",
            "late_after_seconds": LATE_SECONDS,
            "ahead_after_seconds": 3600,
        },
        "park": {
            "pdc": len(park.pdc_pdk),
            "pdk": len(park.pdk_communes),
            "meters": park.meters,
            "concentrators": park.concentrators,
            "changes": answers.write_changes(park),
        },
        "event_days": event_days,
    }
    dataset.finish(description)
    return description


def meter_park(manifest: dict[str, Any]) -> Park:
    """The park of a data set, computed again from its manifest."""
    given = dict(manifest["parameters"])
    for name in ("start", "end"):
        given[name] = date.fromisoformat(given[name])
    given["shares"] = Shares(**given["shares"])
    return _park(MeterSettings(**given))


def _check(settings: MeterSettings) -> None:
    if settings.end < settings.start:
        raise SimulatorError(
            f"the last day, {settings.end}, is before the first, {settings.start}; "
            "name a later one."
        )
    if settings.meters < 4 and not settings.like_prototype:
        raise SimulatorError(f"{settings.meters} meters make no park; ask for 4 or more.")
    shares = asdict(settings.shares)
    if sum(shares.values()) > 1 or min(shares.values()) < 0:
        raise SimulatorError(
            f"the shares of planted defects are {shares}; each must be 0 or more, all together at "
            "most 1 (100 per cent)."
        )


def _park(settings: MeterSettings) -> Park:
    if settings.like_prototype:
        return Park.like_prototype(settings.seed)
    return Park.realistic(settings.seed, settings.meters, settings.start, settings.end)


class _World:
    """The constants of all days, and tables to look up texts."""

    def __init__(self, settings: MeterSettings) -> None:
        self.settings = settings
        self.park = _park(settings)
        self.placement = Placement(self.park, 0 if settings.like_prototype else PHANTOMS)
        self.types = (
            event_codes.PROTOTYPE
            if settings.like_prototype
            else (*event_codes.REALISTIC, *event_codes.UNKNOWN)
        )
        self.index = {each.code: number for number, each in enumerate(self.types)}
        sent_by_k = np.array([each.equipment == "K" for each in self.types])
        self.sent_by_k = sent_by_k
        families = {} if settings.like_prototype else event_codes.FAMILY_SHARES
        totals = {
            family: sum(each.weight for each in self.types if each.code[3] == family)
            for family in families
        }
        self.type_bounds = np.cumsum(
            [
                each.weight * families[each.code[3]] / totals[each.code[3]]
                if families
                else float(each.weight)
                for each in self.types
            ]
        )
        # Some equipment sends many more events than other.
        self.meter_weights = pareto(
            Stream(settings.seed, "meters.talkative").uniforms(self.park.meters + 1)
        )
        self.concentrator_weights = pareto(
            Stream(settings.seed, "meters.talkative concentrators").uniforms(
                self.park.concentrators + 1
            )
        )
        self.type_text = text.table([f"{each.code}," for each in self.types])
        place = self.placement
        self.equipment_text = text.table(
            [
                f"{'K' if is_k else 'C'},{number},"
                for is_k, number in zip(place.is_k.tolist(), place.equipment.tolist(), strict=True)
            ]
        )
        self.info_text = text.table([f"{info}\n" for info in _INFOS])
        seconds = range(86_400)
        clocks = [f"{s // 3600:02d}:{s // 60 % 60:02d}:{s % 60:02d}" for s in seconds]
        self.clock_text = text.table(clocks)
        self.digits_text = text.table([clock.replace(":", "") for clock in clocks])


class _Events(NamedTuple):
    """The events of a day, as arrays with a number per event.

    `at` is seconds since the day began, `kind` a planted defect, `place` an index of Placement,
    `delay` seconds until arrival, `info` an index of _INFOS, `ahead` the days that a wrong clock is
    ahead.
    """

    at: Integers
    kind: Integers
    type: Integers
    place: Integers
    delay: Integers
    info: Integers
    ahead: Integers


class _Carried(NamedTuple):
    """Rows for the file of their arrival day."""

    arrived: Integers
    lines: Bytes
    kinds: Integers


class _Day(NamedTuple):
    """The results of a day: its file, and the counts of the events that occurred on it."""

    day: date
    name: str
    files: dict[str, str]
    rows: int
    readable: int
    not_arrived: int
    copies: int
    defects: bytes
    quality: list[tuple[str, str, str, int]]
    counts: DayCounts


_worlds: dict[MeterSettings, _World] = {}


def _world(settings: MeterSettings) -> _World:
    """The constants of these settings, computed once per process."""
    if settings not in _worlds:
        _worlds.clear()
        _worlds[settings] = _World(settings)
    return _worlds[settings]


def _make_days(task: tuple[MeterSettings, Path, int, int]) -> list[_Day]:
    """Write the event files of some days (by their index from the start)."""
    settings, root, first, last = task
    world = _world(settings)
    carried: dict[int, list[_Carried]] = {}
    days = []
    warm_up = first if settings.like_prototype else max(0, first - LATE_DAYS - 1)
    for index in range(warm_up, last):
        made = _draw(world, index)
        rows = _route(world, index, made, carried)
        arrivals = carried.pop(index, [])
        if index >= first:
            days.append(_write_day(world, root, index, made, rows, arrivals))
    return days


def _draw(world: _World, index: int) -> _Events:
    settings = world.settings
    day = settings.start + timedelta(days=index)
    if settings.like_prototype:
        return _planted(world, day, _draw_prototype(world, day))
    stream = Stream(settings.seed, "meters.events", day.toordinal())
    background = _draw_background(world, day, stream)
    storms = _draw_storms(world, day, Stream(settings.seed, "meters.storms", day.toordinal()))
    drawn = _Events(*(np.concatenate(arrays) for arrays in zip(background, *storms, strict=True)))
    order = np.argsort(drawn.at, kind="stable")
    return _planted(world, day, _Events(*(array[order] for array in drawn)))


def _draw_prototype(world: _World, day: date) -> _Events:
    """An event every ten seconds; the equipment is chosen without regard to the park."""
    stream = Stream(world.settings.seed, "meters.events", day.toordinal())
    count = PROTOTYPE_ROWS
    at = np.arange(count, dtype=np.int64) * (86_400 // count)
    weights = world.type_bounds
    types = np.searchsorted(weights, stream.uniforms(count) * weights[-1], side="right")
    share, again = stream.uniforms(count), stream.uniforms(count)
    meters = (share * 20).astype(np.int64) + 1
    # From one second after midnight of that day, the new meters send instead of the old.
    switched = np.full(count, day > date(2020, 1, 1))
    if day == date(2020, 1, 1):
        switched = at > 0
    meters = np.where(switched & (meters > 15), (again * 5).astype(np.int64) + 21, meters)
    is_k = world.sent_by_k[types]
    equipment = np.where(is_k, (share * 5).astype(np.int64) + 1, meters)
    now = world.placement.on(day)
    place = np.where(is_k, now.of_concentrator[np.where(is_k, equipment, 0)],
                     now.of_meter[np.where(is_k, 0, equipment)])  # fmt: skip
    # Two deliveries per day: events before noon arrive at noon, the others at midnight.
    delay = np.where(at < 43_200, 43_200, 86_399) - at
    zeros = np.zeros(count, np.int64)
    return _Events(at, zeros, types.astype(np.int64), place, delay, zeros, zeros)


def _draw_background(world: _World, day: date, stream: Stream) -> _Events:
    """Events without storms: more in winter and in the evening, and much more
    from some equipment.
    """
    now = world.placement.on(day)
    expected = len(now.meters) * world.settings.events_per_meter_day * _season(_MONTHS, day)
    expected *= 0.9 + 0.2 * stream.uniform()
    if day.weekday() >= 5:
        expected *= 0.92
    count = int(expected + stream.uniform())
    bounds = world.type_bounds
    types = np.searchsorted(bounds, stream.uniforms(count) * bounds[-1], side="right")
    is_k = world.sent_by_k[types]
    chosen = stream.uniforms(count)
    place = np.where(
        is_k,
        _chosen(chosen, now.concentrators, world.concentrator_weights, world.placement),
        _chosen(chosen, now.meters, world.meter_weights, world.placement),
    )
    hours = np.array(_wall_hours(day))
    hour_bounds = np.cumsum(np.array(_HOURS, np.float64)[hours])
    hour = np.searchsorted(hour_bounds, stream.uniforms(count) * hour_bounds[-1], side="right")
    at = hour * 3600 + (stream.uniforms(count) * 3600).astype(np.int64)
    share = stream.uniforms(count)
    # Most arrive within minutes, the others with the next reading of the log, within half a day.
    delay = 2 + (share * share * share * share * share * share * 43_190).astype(np.int64)
    zeros = np.zeros(count, np.int64)
    return _Events(at, zeros, types.astype(np.int64), place, delay, zeros, zeros)


def _chosen(
    uniforms: NDArray[np.float64],
    places: Integers,
    weights: NDArray[np.float64],
    placement: Placement,
) -> Integers:
    """One of the places for each random number, weighted by its equipment."""
    if not len(places):
        return np.full(len(uniforms), NOWHERE)
    bounds = np.cumsum(weights[placement.equipment[places]])
    found: Integers = places[np.searchsorted(bounds, uniforms * bounds[-1], side="right")]
    return found


def _draw_storms(world: _World, day: date, stream: Stream) -> Iterator[_Events]:
    """Storms over some cells of a département: all equipment of a cell loses power at the same
    time.

    The concentrator reports its loss of power and, half a minute later, a last gasp of every meter.
    The meters' own logs report the same, but only after power is back.
    """
    place, index = world.placement, world.index
    now = place.on(day)
    chance = _STORM_CHANCE * _season(_STORM_MONTHS, day)
    for departement in place.cell_departements:
        begin, length, strength = stream.uniform(), stream.uniform(), stream.uniform()
        if not stream.chance(chance):
            continue
        start = 6 * 3600 + int(begin * 10 * 3600)
        for pdk in place.cells_of(departement):
            hit, jitter, repair = stream.uniform(), stream.uniform(), stream.uniform()
            concentrator = now.at_pdk.get(pdk)
            if hit > 0.3 + 0.6 * strength or concentrator is None:
                continue
            lost = start + int(jitter * 1200)
            back = lost + 600 + int((length * 0.7 + repair * 0.3) * 5 * 3600)
            meters = now.meters_of(pdk)
            count = len(meters)
            late = stream.uniforms(5 * count).reshape(5, count)
            fell = lost + (late[0] * 3).astype(np.int64)
            rose = back + (late[1] * 60).astype(np.int64)
            read = (late[2] * 7200).astype(np.int64) + 30
            reports = (late[3] * 30).astype(np.int64) + 35
            joined = back + 120 + (late[4] * 1800).astype(np.int64)
            zeros = np.zeros(count, np.int64)
            at_k = np.full(count, concentrator, np.int64)

            def kind(code: str, length: int = count) -> Integers:
                return np.full(length, index[code], np.int64)

            yield _Events(fell, zeros, kind("ev_C51"), meters, reports, zeros + 1, zeros)
            yield _Events(fell, zeros, kind("ev_C51"), meters, back - fell + read, zeros, zeros)
            yield _Events(rose, zeros, kind("ev_C52"), meters, read, zeros, zeros)
            yield _Events(fell + 600, zeros, kind("ev_NC3"), at_k, zeros + 5, zeros, zeros)
            yield _Events(joined, zeros, kind("ev_NC2"), at_k, zeros + 5, zeros, zeros)
            three = np.zeros(3, np.int64)
            codes = np.array([index[code] for code in ("ev_K83", "ev_K85", "ev_K84")])
            yield _Events(
                np.array([lost, lost + 30, back]), three, codes,
                three + concentrator, three + 4, three, three,
            )  # fmt: skip


def _planted(world: _World, day: date, events: _Events) -> _Events:
    """The events with the day's share of defects; each row has at most one."""
    settings = world.settings
    shares = [getattr(settings.shares, name) for name in DEFECTS_IN_ORDER]
    if not any(shares):
        return events
    stream = Stream(settings.seed, "meters.defects", day.toordinal())
    count = len(events.at)
    kinds = np.searchsorted(np.cumsum(shares), stream.uniforms(count), side="right") + 1
    kinds[kinds > len(shares)] = 0
    how = stream.uniforms(count)
    place = world.placement
    delay, types, places = events.delay.copy(), events.type.copy(), events.place.copy()
    ahead = events.ahead.copy()

    late = kinds == _KIND["late"]
    delay[late] = LATE_SECONDS + 1 + (how[late] * ((LATE_DAYS - 1) * 86_400 - 2)).astype(np.int64)
    if any(len(_wall_hours(day + timedelta(days=ahead))) > 24 for ahead in (0, 1)):
        # By local clock times, which readers use, the night of the change is an hour shorter.
        delay[late] = np.maximum(delay[late], LATE_SECONDS + 3600 + 1)
    wrong = kinds == _KIND["wrong_clock"]
    ahead[wrong] = 400 + (how[wrong] * 7000).astype(np.int64)
    # Types that the prototype's small world does not have are left unchanged.
    unknown = kinds == _KIND["unknown_type"]
    of_meter, of_concentrator = (world.index.get(each.code, -1) for each in event_codes.UNKNOWN)
    if of_meter >= 0:
        types[unknown] = np.where(world.sent_by_k[types[unknown]], of_concentrator, of_meter)
    else:
        kinds[unknown] = 0
    of_meters = ~world.sent_by_k[types]
    for name, candidates in (
        ("unknown_equipment", place.phantoms),
        ("unplaced", place.on(day).idle_meters),
    ):
        rows = kinds == _KIND[name]
        impossible = rows & ~of_meters if len(candidates) else rows
        kinds[impossible] = 0
        rows &= kinds > 0
        if len(candidates):
            places[rows] = candidates[(how[rows] * len(candidates)).astype(np.int64)]
    return events._replace(
        kind=kinds.astype(np.int64), type=types, place=places, delay=delay, ahead=ahead
    )


class _Routed(NamedTuple):
    """The arrival of a day's events: day index and wall clock, and the seconds of both time
    columns.
    """

    day: Integers
    occurred_wall: Integers
    arrived_wall: Integers


def _route(
    world: _World, index: int, events: _Events, carried: dict[int, list[_Carried]]
) -> _Routed:
    """Write the lines of the events, and assign each to its arrival day."""
    settings = world.settings
    day = settings.start + timedelta(days=index)
    hours = [
        range(24) if settings.like_prototype else _wall_hours(day + timedelta(days=later))
        for later in range(LATE_DAYS + 2)
    ]
    ends = np.cumsum([len(each) * 3600 for each in hours])
    arrival = events.at + events.delay
    later = np.searchsorted(ends, arrival, side="right")
    arrived = arrival - np.concatenate(([0], ends))[later]
    table = np.array([list(each) + [0] * (25 - len(each)) for each in hours])
    occurred_wall = table[0][events.at // 3600] * 3600 + events.at % 3600
    arrived_wall = table[later, arrived // 3600] * 3600 + arrived % 3600
    routed = _Routed(index + later, occurred_wall, arrived_wall)

    lines = _lines(world, day, events, later, routed)
    for days in np.unique(later).tolist():
        target = index + days
        if target < settings.days:
            rows = later == days
            whole = bool(rows.all())
            carried.setdefault(target, []).append(
                _Carried(arrived, lines, events.kind)
                if whole
                else _Carried(arrived[rows], lines[rows], events.kind[rows])
            )
    return routed


def _lines(world: _World, day: date, events: _Events, later: Integers, routed: _Routed) -> Bytes:
    count = len(events.at)
    clock, digits = world.clock_text, world.digits_text
    if events.ahead.any():
        shifts, which = np.unique(events.ahead, return_inverse=True)
        occurred = [day + timedelta(days=shift) for shift in shifts.tolist()]
        date_digits: Bytes | bytes = text.table([f"{each:%Y%m%d}" for each in occurred])[which]
        date_iso: Bytes | bytes = text.table([f"{each.isoformat()} " for each in occurred])[which]
    else:
        date_digits, date_iso = f"{day:%Y%m%d}".encode(), f"{day.isoformat()} ".encode()
    arrived_days = [(day + timedelta(days=n)).isoformat() for n in range(LATE_DAYS + 2)]
    sequence: list[Bytes | bytes] = []
    if not world.settings.like_prototype:
        # More than one event per second: a sequence number makes the id unique.
        sequence = [text.digits(np.arange(1, count + 1), 7)]
    lines = text.matrix(
        count,
        [
            date_digits, digits[routed.occurred_wall], *sequence, b",",
            date_iso, clock[routed.occurred_wall], b",",
            text.table([f"{each} " for each in arrived_days])[later], clock[routed.arrived_wall],
            b",", world.type_text[events.type], world.equipment_text[events.place],
            world.info_text[events.info],
        ],
        spare=4,
    )  # fmt: skip
    for row in np.flatnonzero(events.kind == _KIND["malformed"]).tolist():
        line = text.joined(lines[row]).decode().rstrip("\n")
        broken = _break(line, day, MALFORMATIONS[row % len(MALFORMATIONS)]).encode() + b"\n"
        lines[row] = 0
        lines[row, : len(broken)] = np.frombuffer(broken, np.uint8)
    return lines


def _break(line: str, day: date, reason: str) -> str:
    parts = line.split(",")
    if reason == "too_few_fields":
        return ",".join(parts[:4])
    if reason == "too_many_fields":
        return ",".join([*parts, "?", "?"])
    parts[1] = parts[1].replace(day.isoformat(), f"{day.year}-13-32")
    return ",".join(parts)


def _write_day(
    world: _World,
    root: Path,
    index: int,
    events: _Events,
    routed: _Routed,
    arrivals: list[_Carried],
) -> _Day:
    settings = world.settings
    day = settings.start + timedelta(days=index)
    stem = f"event_{day:%Y%m%d}"
    if len(arrivals) == 1:
        arrived, lines, kinds = arrivals[0]
    else:
        width = max((part.lines.shape[1] for part in arrivals), default=1)
        arrived = np.concatenate([part.arrived for part in arrivals] or [np.zeros(0, np.int64)])
        kinds = np.concatenate([part.kinds for part in arrivals] or [np.zeros(0, np.int64)])
        parts = [np.pad(p.lines, ((0, 0), (0, width - p.lines.shape[1]))) for p in arrivals]
        lines = np.concatenate(parts or [np.zeros((0, width), np.uint8)])
    order = np.argsort(arrived, kind="stable")
    if not np.array_equal(order, np.arange(len(order))):
        lines, kinds = lines[order], kinds[order]
    content = HEADER.encode() + b"\n" + text.joined(lines)
    files = {f"events/{stem}.csv": write_file(root / "events" / f"{stem}.csv", content)}

    resend, listed = [], []
    for row in np.flatnonzero(kinds).tolist():
        kind = DEFECTS_IN_ORDER[kinds[row] - 1]
        if kind not in _LISTED:
            continue
        line = text.joined(lines[row]).decode().rstrip("\n")
        listed.append({"kind": kind, "file": f"{stem}.csv", "row": row + 1, "line": line})
        if kind == "duplicates":
            resend.append(row + 1)
    if resend:
        name = f"events/{stem}.resend"
        files[name] = write_file(root / name, "".join(f"{row}\n" for row in resend).encode())

    came = routed.day < settings.days
    countable = came & (events.kind != _KIND["malformed"]) & (events.kind != _KIND["wrong_clock"])
    wall_delay = (routed.day - index) * 86_400 + routed.arrived_wall - routed.occurred_wall
    return _Day(
        day=day,
        name=f"{stem}.csv",
        files=files,
        rows=len(kinds),
        readable=int((kinds != _KIND["malformed"]).sum()),
        not_arrived=int((~came).sum()),
        copies=int((events.info[came] == 1).sum()),
        defects="".join(json.dumps(each) + "\n" for each in listed).encode(),
        quality=_quality(settings, day, index, events, routed, came),
        counts=DayCounts.of(
            world.placement, events.type[countable], events.place[countable], wall_delay[countable]
        ),
    )


def _quality(
    settings: MeterSettings,
    day: date,
    index: int,
    events: _Events,
    routed: _Routed,
    came: NDArray[np.bool_],
) -> list[tuple[str, str, str, int]]:
    """Number of rows of each defect, by the written day of occurrence, the day of arrival and the
    reason.
    """
    rows = np.flatnonzero(came & (events.kind > 0))
    keys = np.stack([events.kind[rows], routed.day[rows] - index, events.ahead[rows]])
    values, numbers = np.unique(keys, axis=1, return_counts=True)
    found = []
    for (kind, later, ahead), number in zip(values.T.tolist(), numbers.tolist(), strict=True):
        name = DEFECTS_IN_ORDER[kind - 1]
        occurred = (day + timedelta(days=ahead)).isoformat()
        arrived = (settings.start + timedelta(days=index + later)).isoformat()
        found.append(("" if name == "malformed" else occurred, arrived, name, number))
    return found


def _season(months: tuple[int, ...], day: date) -> float:
    """The factor of a day, interpolated linearly between the beginnings of the months."""
    here, there = months[day.month - 1], months[day.month % 12]
    return (here + (there - here) * (day.day - 1) / 31) / 100


def _wall_hours(day: date) -> list[int]:
    """The hours of `day` on clocks in central Europe, in order: 23, 24 or 25 of them."""
    hours = list(range(24))
    if day.weekday() == 6 and day.day > 24:
        if day.month == 3:
            hours.remove(2)
        elif day.month == 10:
            hours.insert(3, 2)
    return hours
