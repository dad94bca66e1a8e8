"""The park: meters (C) and concentrators (K), and the places of each with their dates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np

from simulator.geography import (
    DEPARTEMENTS,
    FIRST_DEPARTEMENTS,
    OVERSEAS,
    OVERSEAS_REGION,
    REGIONS,
    Commune,
    communes,
    communes_of,
    region_of,
)
from simulator.streams import Stream, pareto

MANUFACTURERS = 5
# The ratio of 34 million meters to about 740,000 concentrators.
METERS_PER_CONCENTRATOR = 47
# Number of equipment ids that events may contain although no park file has them.
PHANTOMS = 50

# Changes per year and delivery point; even the smallest park has each kind once.
_YEARLY = {"replaced": 0.02, "replaced_after_gap": 0.004, "moved": 0.005, "removed": 0.003,
           "connected": 0.01}  # fmt: skip
_SWAPPED_YEARLY = 0.01


@dataclass(frozen=True)
class Installation:
    """An equipment in a place from `first` to `last`, both inclusive; None means that it is still
    there.
    """

    place: int
    equipment: int
    first: date
    last: date | None


@dataclass(frozen=True)
class Change:
    """A change of the park: `kind`, the equipment that was in `place`, its last day there, the
    equipment that replaced it, and the first day of the new state.
    """

    kind: str
    equipment_type: str
    place: int
    equipment: int
    last: date | None
    by: int | None = None
    first: date | None = None
    to_place: int | None = None


class Park:
    """A park with its history; see `realistic` and `like_prototype`.

    Meters and concentrators are both numbered from 1; only the equipment type distinguishes them.
    `pdc_pdk[i]` is the PDK of PDC i + 1, `pdc_communes[i]` its commune.
    """

    def __init__(
        self,
        *,
        meter_makers: list[int],
        concentrator_makers: list[int],
        pdc_pdk: list[int],
        pdc_communes: list[Commune],
        pdk_communes: list[Commune],
        installations_c: list[Installation],
        installations_k: list[Installation],
        changes: list[Change],
    ) -> None:
        self.meter_makers = meter_makers
        self.concentrator_makers = concentrator_makers
        self.pdc_pdk = pdc_pdk
        self.pdc_communes = pdc_communes
        self.pdk_communes = pdk_communes
        self.installations_c = installations_c
        self.installations_k = installations_k
        self.changes = changes

    @property
    def meters(self) -> int:
        """The number of meters, in service or not."""
        return len(self.meter_makers)

    @property
    def concentrators(self) -> int:
        """The number of concentrators, in service or not."""
        return len(self.concentrator_makers)

    @classmethod
    def realistic(cls, seed: int, meters: int, start: date, end: date) -> Park:
        """A park of `meters` delivery points, with changes from `start` to `end`.

        Meters are replaced (some after a gap), moved to another place, removed and newly connected;
        concentrators are replaced. With at least four places and two days, each kind of change of a
        meter occurs at least once.
        """
        return _Builder(seed, meters, start, end).park()

    @classmethod
    def like_prototype(cls, seed: int) -> Park:
        """The prototype's park: 25 meters, 5 concentrators, 4 PDC per PDK.

        Meters 21-25 take the places of 16-20 on 2021-01-01, a year after they began to send.
        """
        stream = Stream(seed, "meters.park")
        # The first concentrator is in another département than its meters, as in the prototype.
        of_pdks, of_pdcs = ("75", "42", "13", "69", "35"), ("93", "42", "13", "69", "35")
        since, swap = date(2017, 1, 1), date(2021, 1, 1)
        return cls(
            meter_makers=[stream.between(1, MANUFACTURERS) for _ in range(25)],
            concentrator_makers=[stream.between(1, MANUFACTURERS) for _ in range(5)],
            pdc_pdk=[pdc % 5 + 1 for pdc in range(20)],
            pdk_communes=[stream.pick(communes_of(code)[:8]) for code in of_pdks],
            pdc_communes=[stream.pick(communes_of(of_pdcs[pdc % 5])[:8]) for pdc in range(20)],
            installations_c=[
                *(Installation(i, i, since, None) for i in range(1, 16)),
                *(Installation(i, i, since, date(2020, 12, 31)) for i in range(16, 21)),
                *(Installation(i - 5, i, swap, None) for i in range(21, 26)),
            ],
            installations_k=[Installation(k, k, since, None) for k in range(1, 6)],
            changes=[
                Change("replaced", "C", i, i, date(2020, 12, 31), i + 5, swap)
                for i in range(16, 21)
            ],
        )

    def files(self, as_of: date | None = None) -> Iterator[tuple[str, str]]:
        """The nine park files, as name and content: comma, header, LF, the columns of the field.

        With `as_of` as they were on that day: later rows are missing, and periods that ended later
        are open.
        """
        for name, (header, rows) in self.tables(as_of).items():
            lines = [",".join(header), *(",".join(map(_text, row)) for row in rows)]
            yield name, "\n".join(lines) + "\n"

    def tables(
        self, as_of: date | None = None
    ) -> dict[str, tuple[tuple[str, ...], list[tuple[object, ...]]]]:
        """The park's tables: name to columns and rows; dates are yyyyMMdd text, None means open."""
        known_c = _known(self.installations_c, as_of)
        known_k = _known(self.installations_k, as_of)
        came_c = {item.equipment for item in known_c}
        came_k = {item.equipment for item in known_k}
        return {
            "communes": (
                ("id_commune", "id_departement", "id_region", "Code INSEE", "libelle_commune"),
                [
                    (
                        int(commune.code[2:]),
                        commune.code[:2],
                        OVERSEAS_REGION
                        if commune.code.startswith(OVERSEAS)
                        else region_of(commune.departement),
                        commune.code,
                        commune.label,
                    )
                    for commune in communes()
                ],
            ),
            "departements": (
                ("id_departement", "id_region", "libelle_departement"),
                [(code[:2], region, label) for code, label, region in DEPARTEMENTS],
            ),
            "region": (
                ("id_region", "libelle_region"),
                [(number, label) for number, (label, _) in enumerate(REGIONS)],
            ),
            "compteurs": (
                ("id_compteur", "constructeur_id"),
                [row for row in enumerate(self.meter_makers, 1) if row[0] in came_c],
            ),
            # The misspelt column name is the field's.
            "concentrateurs": (
                ("id_consentrateur", "constructeur_id"),
                [row for row in enumerate(self.concentrator_makers, 1) if row[0] in came_k],
            ),
            "pdc": (
                ("id_pdc", "id_pdk", "code_insee_commune"),
                [
                    (number, pdk, commune.code)
                    for number, (pdk, commune) in enumerate(
                        zip(self.pdc_pdk, self.pdc_communes, strict=True), 1
                    )
                ],
            ),
            "pdk": (
                ("id_pdk", "code_insee_commune"),
                [(number, commune.code) for number, commune in enumerate(self.pdk_communes, 1)],
            ),
            "installation_c": (
                ("id_pdc", "id_compteur", "date_deb", "date_fin"),
                [_installation(item, as_of) for item in known_c],
            ),
            "installation_k": (
                ("id_pdk", "id_concentrateurs", "date_deb", "date_fin"),
                [_installation(item, as_of) for item in known_k],
            ),
        }


class _Builder:
    """Builds the history of a realistic park."""

    def __init__(self, seed: int, meters: int, start: date, end: date) -> None:
        self._stream = Stream(seed, "meters.park")
        self._start, self._end = start.toordinal(), end.toordinal()
        self._pdcs = meters
        self._cells = max(min(5, meters), round(meters / METERS_PER_CONCENTRATOR))
        self._meters = meters
        self._installed: list[Installation] = []
        self._changes: list[Change] = []
        self._new_pdcs: list[int] = []

    def park(self) -> Park:
        stream = self._stream
        cell_departements = [
            FIRST_DEPARTEMENTS[cell]
            if cell < len(FIRST_DEPARTEMENTS)
            else stream.pick(DEPARTEMENTS)[0]
            for cell in range(self._cells)
        ]
        pdk_communes = [stream.pick(communes_of(code)[:12]) for code in cell_departements]
        # Sizes of cells vary from a handful of meters in the country to some hundreds in towns.
        sizes = np.cumsum(np.minimum(pareto(stream.uniforms(self._cells)), 8.0))
        drawn = np.searchsorted(sizes, stream.uniforms(self._pdcs) * sizes[-1], side="right")
        drawn[: self._cells] = np.arange(self._cells)
        cells = drawn.tolist()
        self._history_of_meters()
        cells += self._new_pdcs
        at_home = stream.uniforms(len(cells)).tolist()
        where = stream.uniforms(len(cells)).tolist()
        pdc_communes = []
        for pdc, cell in enumerate(cells):
            near = communes_of(cell_departements[cell])
            if pdc < self._cells:
                # The first PDC of a cell gets the first commune in the list, because the homonyms
                # come first.
                pdc_communes.append(near[0])
            elif at_home[pdc] < 0.6:
                pdc_communes.append(pdk_communes[cell])
            else:
                pdc_communes.append(near[int(where[pdc] * min(len(near), 40))])
        installed_k = self._history_of_concentrators()
        concentrators = max(item.equipment for item in installed_k)
        makers = (stream.uniforms(self._meters) * MANUFACTURERS).astype(np.int64) + 1
        return Park(
            meter_makers=makers.tolist(),
            concentrator_makers=[stream.between(1, MANUFACTURERS) for _ in range(concentrators)],
            pdc_pdk=[cell + 1 for cell in cells],
            pdc_communes=pdc_communes,
            pdk_communes=pdk_communes,
            installations_c=sorted(self._installed, key=lambda item: (item.first, item.place)),
            installations_k=installed_k,
            changes=self._changes,
        )

    def _history_of_meters(self) -> None:
        stream = self._stream
        years = (self._end - self._start + 1) / 365.25
        total = sum(_YEARLY.values()) * years
        scale = years * min(1.0, 0.6 / total)
        bounds = np.cumsum([share * scale for share in _YEARLY.values()])
        kinds = np.searchsorted(bounds, stream.uniforms(self._pdcs), side="right")
        # Each kind at least once if there are enough places.
        forced = min(len(_YEARLY), self._pdcs // 2)
        for kind, pdc in enumerate(stream.distinct(forced, 0, self._pdcs)):
            kinds[pdc] = kind
        since = self._start - 30 - (stream.uniforms(self._pdcs) * 1500).astype(np.int64)
        names = (*_YEARLY, None)
        for pdc, (kind, first) in enumerate(zip(kinds.tolist(), since.tolist(), strict=True), 1):
            name = names[kind]
            if name is None:
                self._installed.append(Installation(pdc, pdc, date.fromordinal(first), None))
            else:
                self._change(name, pdc, date.fromordinal(first))

    def _change(self, kind: str, pdc: int, since: date) -> None:
        """Apply the change `kind` to the delivery point `pdc`, whose first meter has the same
        number.
        """
        stream = self._stream
        # Not on the first day, unless it is the only one.
        day = stream.between(min(self._start + 1, self._end), self._end)
        on, before = date.fromordinal(day), date.fromordinal(day - 1)
        if kind == "connected":
            self._installed.append(Installation(pdc, pdc, on, None))
            self._changes.append(Change(kind, "C", pdc, pdc, None, None, on))
            return
        self._installed.append(Installation(pdc, pdc, since, before))
        if kind == "removed":
            self._changes.append(Change(kind, "C", pdc, pdc, before))
            return
        self._meters += 1
        if kind == "replaced_after_gap":
            on = date.fromordinal(day + stream.between(1, 20))
        self._installed.append(Installation(pdc, self._meters, on, None))
        target = None
        if kind == "moved":
            self._new_pdcs.append(stream.below(self._cells))
            target = self._pdcs + len(self._new_pdcs)
            arrival = date.fromordinal(day + stream.below(4))
            self._installed.append(Installation(target, pdc, arrival, None))
        self._changes.append(Change(kind, "C", pdc, pdc, before, self._meters, on, target))

    def _history_of_concentrators(self) -> list[Installation]:
        stream = self._stream
        years = (self._end - self._start + 1) / 365.25
        swapped = stream.uniforms(self._cells) < min(0.3, _SWAPPED_YEARLY * years)
        if self._cells > 1:
            swapped[-1] = True
        items, number = [], self._cells
        for pdk, is_swapped in enumerate(swapped.tolist(), 1):
            since = date.fromordinal(self._start - 30 - stream.below(1500))
            if not is_swapped:
                items.append(Installation(pdk, pdk, since, None))
                continue
            number += 1
            day = stream.between(min(self._start + 1, self._end), self._end)
            on, before = date.fromordinal(day), date.fromordinal(day - 1)
            items += [Installation(pdk, pdk, since, before), Installation(pdk, number, on, None)]
            self._changes.append(Change("swapped", "K", pdk, pdk, before, number, on))
        return items


def _known(items: Iterable[Installation], as_of: date | None) -> list[Installation]:
    return [item for item in items if as_of is None or item.first <= as_of]


def _installation(item: Installation, as_of: date | None) -> tuple[object, ...]:
    is_open = item.last is None or (as_of is not None and item.last > as_of)
    last = None if is_open else f"{item.last:%Y%m%d}"
    return item.place, item.equipment, f"{item.first:%Y%m%d}", last


def _text(value: object) -> str:
    return "" if value is None else str(value)
