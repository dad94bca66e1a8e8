"""The true statistics of a meter data set, counted from the events as they were drawn.

`answers/<statistic>_<annual|monthly|weekly|daily>.csv`, with `period_start` (the first day of the
calendar period; weeks are ISO weeks and begin on Monday) and, for events that occurred in it:

- `by_type`: type_evt, count
- `by_equipment`: type_evt, type_equipement, id_equipement, count
- `by_commune`, `by_departement`, `by_region`: type_evt, official (INSEE) code, count
- `by_pdk`: type_evt, id_pdk, count
- `by_concentrator`: type_evt, id_concentrateur (in service at the place that day), count
- `by_manufacturer`: type_evt, type_equipement, constructeur_id, count
- `delay`: events, and median, p95 and max of date_system_evt - date_occur_evt in seconds; the
  p-th percentile is the smallest delay that at least p per cent of the events do not exceed
- `service`: type_equipement, equipments (in service at some time), equipment_days, and their
  days_without_events
- `silent` (annual and monthly): type_equipement, id_equipement, days_in_service,
  days_without_events, for equipments that have such days

An empty key is an event without a place. The order of the rows is not defined.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator import text
from simulator.dataset import Dataset, Output
from simulator.event_codes import EventType
from simulator.park import Park
from simulator.periods import PERIOD_NAMES, period_start
from simulator.placement import Placement
from simulator.text import Integers

_COUNTED = {
    "by_type": "",
    "by_equipment": "type_equipement,id_equipement,",
    "by_commune": "code_insee,",
    "by_departement": "departement_code,",
    "by_region": "region_code,",
    "by_pdk": "id_pdk,",
    "by_manufacturer": "type_equipement,constructeur_id,",
    "by_concentrator": "id_concentrateur,",
}
# Possible delays in seconds: when clocks go back an event may arrive up to an hour too early; the
# longest delay is a week and an hour.
_DELAYS = (-3700, 7 * 86_400 + 3700)
_CHANGES = "kind,type_equipement,place,id_equipement,last_day,by,first_day,to_place"


@dataclass(frozen=True)
class DayCounts:
    """The counts of a day's events: `keys` are type index * places + place; `delays` in seconds."""

    keys: Integers
    numbers: Integers
    delays: Integers
    delay_numbers: Integers

    @classmethod
    def of(
        cls, placement: Placement, types: Integers, places: Integers, delays: Integers
    ) -> DayCounts:
        """Count events by their types and places."""
        keys, numbers = np.unique(types * len(placement) + places, return_counts=True)
        lengths, times = np.unique(delays, return_counts=True)
        return cls(keys, numbers, lengths, times)


@dataclass(frozen=True)
class _Groups:
    """A division of places into groups: the group of each place, and the text of each group."""

    of_place: Integers
    texts: text.Bytes

    @classmethod
    def by(cls, labels: Sequence[str]) -> _Groups:
        names = sorted(set(labels))
        positions = {name: position for position, name in enumerate(names)}
        return cls(np.array([positions[label] for label in labels], np.int64), text.table(names))


class _Period:
    """The sums of a period that has not ended."""

    def __init__(self, start: date, types: int, placement: Placement, concentrators: int) -> None:
        self.start = start
        self.counts = np.zeros(types * len(placement), np.int64)
        self.by_concentrator = np.zeros(types * (concentrators + 1), np.int64)
        self.service = np.zeros(len(placement), np.int64)
        self.silent = np.zeros(len(placement), np.int64)
        # Counts by delay: sparse for a day, an array over all delays for longer periods.
        self.delays = self.delay_numbers = np.zeros(0, np.int64)

    def add_delays(self, counts: DayCounts, *, is_day: bool) -> None:
        """Add the delays of a day."""
        if is_day:
            self.delays, self.delay_numbers = counts.delays, counts.delay_numbers
            return
        if not len(self.delays):
            self.delays = np.arange(*_DELAYS, dtype=np.int64)
            self.delay_numbers = np.zeros(len(self.delays), np.int64)
        self.delay_numbers[counts.delays - _DELAYS[0]] += counts.delay_numbers


class MeterAnswers:
    """Adds up days in their order, and writes the answers of each period at its end."""

    def __init__(self, dataset: Dataset, placement: Placement, types: Sequence[EventType]) -> None:
        self.events = 0
        self._dataset = dataset
        self._placement = placement
        self._types = types
        self._type_text = text.table([f"{each.code}," for each in types])
        letters = ["K" if is_k else "C" for is_k in placement.is_k.tolist()]
        self._equipment = [
            f"{letter},{number},"
            for letter, number in zip(letters, placement.equipment.tolist(), strict=True)
        ]
        labels = placement.labels()
        makers = zip(letters, placement.makers(), strict=True)
        self._groups = {
            "by_type": _Groups.by([""] * len(placement)),
            "by_equipment": _Groups.by(self._equipment),
            "by_commune": _Groups.by([f"{label.commune}," for label in labels]),
            "by_departement": _Groups.by([f"{label.departement}," for label in labels]),
            "by_region": _Groups.by([f"{label.region}," for label in labels]),
            "by_pdk": _Groups.by([f"{pdk or ''}," for pdk in placement.pdk.tolist()]),
            "by_manufacturer": _Groups.by([f"{letter},{maker}," for letter, maker in makers]),
        }
        self._concentrators = int(placement.equipment[placement.is_k].max(initial=0))
        self._concentrator_text = text.table(
            [f"{number or ''}," for number in range(self._concentrators + 1)]
        )
        self._open: dict[str, _Period] = {}
        self._files: dict[str, Output] = {}

    def add(self, day: date, counts: DayCounts) -> None:
        """Add the events that occurred on `day`; days must be added in order."""
        size = len(self._placement)
        types, places = np.divmod(counts.keys, size)
        now = self._placement.on(day)
        served = types * (self._concentrators + 1) + now.concentrator_of[places]
        in_service = np.concatenate([now.meters, now.concentrators])
        had = np.zeros(size, np.bool_)
        had[places] = True
        quiet = in_service[~had[in_service]]
        self.events += int(counts.numbers.sum())
        for period in PERIOD_NAMES:
            start = period_start(period, day)
            found = self._open.get(period)
            if found is None or found.start != start:
                if found is not None:
                    self._write(period, found)
                found = _Period(start, len(self._types), self._placement, self._concentrators)
                self._open[period] = found
            found.counts[counts.keys] += counts.numbers
            np.add.at(found.by_concentrator, served, counts.numbers)
            found.service[in_service] += 1
            found.silent[quiet] += 1
            found.add_delays(counts, is_day=period == "daily")

    def finish(self) -> None:
        """Write the periods that have not ended."""
        for period, found in self._open.items():
            self._write(period, found)
        for file in self._files.values():
            file.close()

    def write_changes(self, park: Park) -> dict[str, int]:
        """Write answers/park_changes.csv, the changes of the park; returns their number by kind."""
        rows = [_CHANGES]
        for change in park.changes:
            values = (change.kind, change.equipment_type, change.place, change.equipment,
                      change.last, change.by, change.first, change.to_place)  # fmt: skip
            rows.append(",".join("" if value is None else str(value) for value in values))
        self._dataset.write("answers/park_changes.csv", "\n".join(rows) + "\n")
        return dict(sorted(Counter(change.kind for change in park.changes).items()))

    def _write(self, period: str, found: _Period) -> None:
        keys = np.flatnonzero(found.counts)
        numbers = found.counts[keys]
        types, places = np.divmod(keys, len(self._placement))
        for name, groups in self._groups.items():
            self._counted(
                name, period, found, types, groups.of_place[places], groups.texts, numbers
            )
        keys = np.flatnonzero(found.by_concentrator)
        numbers = found.by_concentrator[keys]
        types, served = np.divmod(keys, self._concentrators + 1)
        texts = self._concentrator_text
        self._counted("by_concentrator", period, found, types, served, texts, numbers)
        self._service(period, found)
        self._delay(period, found)

    def _counted(
        self,
        name: str,
        period: str,
        found: _Period,
        types: Integers,
        groups: Integers,
        texts: text.Bytes,
        numbers: Integers,
    ) -> None:
        keys, inverse = np.unique(types * len(texts) + groups, return_inverse=True)
        sums = np.zeros(len(keys), np.int64)
        np.add.at(sums, inverse, numbers)
        types, groups = np.divmod(keys, len(texts))
        file = self._file(name, period, f"period_start,type_evt,{_COUNTED[name]}count\n")
        lines = text.matrix(
            len(keys),
            [
                f"{found.start.isoformat()},".encode(),
                self._type_text[types],
                texts[groups],
                text.integers(sums),
                b"\n",
            ],
        )
        file.write(text.joined(lines))

    def _service(self, period: str, found: _Period) -> None:
        columns = "type_equipement,equipments,equipment_days,days_without_events"
        file = self._file("service", period, f"period_start,{columns}\n")
        groups = self._groups["by_equipment"]
        size = len(groups.texts)
        days, quiet = np.zeros(size, np.int64), np.zeros(size, np.int64)
        np.add.at(days, groups.of_place, found.service)
        np.add.at(quiet, groups.of_place, found.silent)
        is_k = groups.texts[:, 0] == ord("K")
        for letter, of_type in (("C", ~is_k), ("K", is_k)):
            values = ((days[of_type] > 0).sum(), days[of_type].sum(), quiet[of_type].sum())
            row = ",".join([found.start.isoformat(), letter, *(str(int(each)) for each in values)])
            file.write(f"{row}\n".encode())
        if period in ("annual", "monthly"):
            columns = "type_equipement,id_equipement,days_in_service,days_without_events"
            file = self._file("silent", period, f"period_start,{columns}\n")
            rows = np.flatnonzero(quiet)
            lines = text.matrix(
                len(rows),
                [
                    f"{found.start.isoformat()},".encode(),
                    groups.texts[rows],
                    text.integers(days[rows]),
                    b",",
                    text.integers(quiet[rows]),
                    b"\n",
                ],
            )
            file.write(text.joined(lines))

    def _delay(self, period: str, found: _Period) -> None:
        file = self._file("delay", period, "period_start,events,median,p95,max\n")
        present = np.flatnonzero(found.delay_numbers)
        if not len(present):
            return
        delays, ends = found.delays[present], np.cumsum(found.delay_numbers[present])
        total = int(ends[-1])
        row = (total, _percentile(delays, ends, 50), _percentile(delays, ends, 95), delays[-1])
        file.write(f"{found.start.isoformat()},{','.join(map(str, row))}\n".encode())

    def _file(self, name: str, period: str, header: str) -> Output:
        path = f"answers/{name}_{period}.csv"
        if path not in self._files:
            self._files[path] = self._dataset.open(path)
            self._files[path].write(header.encode())
        return self._files[path]


def _percentile(delays: Integers, ends: NDArray[Any], percent: int) -> int:
    """The smallest delay that at least `percent` per cent of the events do not exceed."""
    needed = -(-int(ends[-1]) * percent // 100)
    return int(delays[np.searchsorted(ends, needed)])
