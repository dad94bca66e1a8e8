"""The place of each equipment on each day, as numbers for arrays."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from simulator.geography import REGIONS, Commune, region_of
from simulator.park import Park
from simulator.text import Integers

# The last place is that of the last concentrator while it is nowhere.
NOWHERE = -1
_FOREVER = date.max.toordinal()


@dataclass(frozen=True)
class PlaceLabels:
    """The groups in which a place's events are counted; empty texts if the equipment is nowhere."""

    commune: str
    departement: str
    region: str


class Placement:
    """All places of a park. A *place* is an equipment during one installation, or while it is
    nowhere.

    Per place: `equipment`, `is_k`, `first` and `last` (ordinals, inclusive), `pdk` (0: nowhere).
    `phantoms` is the number of places of meters that no file of the park lists.
    """

    def __init__(self, park: Park, phantoms: int) -> None:
        items_c, items_k = park.installations_c, park.installations_k
        meters, concentrators = park.meters + phantoms, park.concentrators
        self._park = park
        self._meters = meters
        self._installed = len(items_c) + len(items_k)
        installed = [*items_c, *items_k]
        self.equipment: Integers = np.array(
            [
                *(item.equipment for item in installed),
                *range(1, meters + 1),
                *range(1, concentrators + 1),
            ],
            np.int64,
        )
        self.is_k: NDArray[np.bool_] = np.repeat(
            [False, True, False, True], [len(items_c), len(items_k), meters, concentrators]
        )
        self.pdk: Integers = np.array(
            [
                *(park.pdc_pdk[item.place - 1] for item in items_c),
                *(item.place for item in items_k),
                *[0] * (meters + concentrators),
            ],
            np.int64,
        )
        self.pdc: Integers = np.array(
            [*(item.place for item in items_c), *[0] * (len(self.equipment) - len(items_c))],
            np.int64,
        )
        self.first: Integers = np.array([item.first.toordinal() for item in installed], np.int64)
        self.last: Integers = np.array(
            [item.last.toordinal() if item.last else _FOREVER for item in installed], np.int64
        )
        self._nowhere_c = self._installed
        self._nowhere_k = self._installed + meters
        self.phantoms: Integers = np.arange(
            self._nowhere_c + park.meters, self._nowhere_c + meters, dtype=np.int64
        )
        self._now: Now | None = None

    def __len__(self) -> int:
        return len(self.equipment)

    @cached_property
    def cell_departements(self) -> list[str]:
        """The départements that have concentrators, in order."""
        return sorted(self._cells)

    def cells_of(self, departement: str) -> list[int]:
        """The PDKs of a département."""
        return self._cells[departement]

    @cached_property
    def _cells(self) -> dict[str, list[int]]:
        cells: dict[str, list[int]] = {}
        for pdk, commune in enumerate(self._park.pdk_communes, 1):
            cells.setdefault(commune.departement, []).append(pdk)
        return cells

    def commune(self, place: int) -> Commune | None:
        """The commune of a place: a meter's by its PDC, a concentrator's by its PDK."""
        if not self.pdk[place]:
            return None
        if self.is_k[place]:
            return self._park.pdk_communes[int(self.pdk[place]) - 1]
        return self._park.pdc_communes[int(self.pdc[place]) - 1]

    def labels(self) -> list[PlaceLabels]:
        """INSEE codes of the commune, département and région of each place."""
        found = []
        for place in range(len(self)):
            commune = self.commune(place)
            if commune is None:
                found.append(PlaceLabels("", "", ""))
            else:
                region = REGIONS[region_of(commune.departement)][1]
                found.append(PlaceLabels(commune.code, commune.departement, region))
        return found

    def makers(self) -> list[str]:
        """The manufacturer of each place's equipment; empty for meters that no file lists."""
        of_meters = dict(enumerate(self._park.meter_makers, 1))
        of_concentrators = dict(enumerate(self._park.concentrator_makers, 1))
        return [
            str((of_concentrators if is_k else of_meters).get(number, ""))
            for is_k, number in zip(self.is_k.tolist(), self.equipment.tolist(), strict=True)
        ]

    def on(self, day: date) -> Now:
        """The park on a day."""
        if self._now is None or self._now.day != day:
            self._now = Now(self, day)
        return self._now

    def active(self, day: date) -> Integers:
        """The places in use on a day, meters first."""
        ordinal = day.toordinal()
        return np.flatnonzero((self.first <= ordinal) & (ordinal <= self.last))

    @property
    def known_meters(self) -> int:
        """The number of meters in the park's files."""
        return self._park.meters

    def nowhere(self) -> tuple[Integers, Integers]:
        """By id (0 is unused): the places of meters and of concentrators while they are nowhere."""
        of_meter = np.arange(self._nowhere_c - 1, self._nowhere_k, dtype=np.int64)
        of_concentrator = np.arange(self._nowhere_k - 1, len(self), dtype=np.int64)
        return of_meter, of_concentrator


class Now:
    """The park on one day: `meters` and `concentrators` are the places in use, `of_meter` and
    `of_concentrator` the place of each equipment by id, `at_pdk` the place of each PDK's
    concentrator."""

    def __init__(self, placement: Placement, day: date) -> None:
        self.day = day
        self._placement = placement
        places = placement.active(day)
        is_k = placement.is_k[places]
        self.meters, self.concentrators = places[~is_k], places[is_k]
        self.of_meter, self.of_concentrator = placement.nowhere()
        self.of_meter[placement.equipment[self.meters]] = self.meters
        self.of_concentrator[placement.equipment[self.concentrators]] = self.concentrators
        pdks = placement.pdk[self.concentrators].tolist()
        self.at_pdk: dict[int, int] = dict(zip(pdks, self.concentrators.tolist(), strict=True))

    def meters_of(self, pdk: int) -> Integers:
        """The places in use in the cell of a PDK."""
        found: Integers = self.meters[self._placement.pdk[self.meters] == pdk]
        return found

    @cached_property
    def idle_meters(self) -> Integers:
        """The places of known meters that are nowhere today."""
        known = self.of_meter[1 : self._placement.known_meters + 1]
        nowhere, _ = self._placement.nowhere()
        found: Integers = known[known == nowhere[1 : len(known) + 1]]
        return found

    @cached_property
    def concentrator_of(self) -> Integers:
        """By place: the id of the concentrator that serves it today; 0 where there is none."""
        placement = self._placement
        by_pdk = np.zeros(int(placement.pdk.max(initial=0)) + 1, np.int64)
        by_pdk[placement.pdk[self.concentrators]] = placement.equipment[self.concentrators]
        found: Integers = by_pdk[placement.pdk]
        return found
