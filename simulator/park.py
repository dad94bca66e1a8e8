"""The park: meters (C) and concentrators (K), where they are, and since when."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from simulator.places import COMMUNES, DEPARTEMENTS, REGIONS, communes_of, region_of
from simulator.streams import Stream

MANUFACTURERS = 5
PDC_PER_PDK = 5


@dataclass(frozen=True)
class Installation:
    """An equipment in its place from `first` to `last`, both included; None: it is still there."""

    place: int
    equipment: int
    first: date
    last: date | None

    def covers(self, day: date) -> bool:
        """Whether the equipment is in this place on `day`."""
        return self.first <= day and (self.last is None or day <= self.last)


@dataclass(frozen=True)
class Place:
    """Where an event happened: the PDK whose cell it is in, the commune and what that lies in."""

    id_pdk: int
    code_insee: str

    @property
    def id_departement(self) -> str:
        """The département's code, text: `06` and `2A` occur."""
        return self.code_insee[:2]

    @property
    def id_region(self) -> int:
        """The région's id, as in region.csv."""
        return region_of(self.id_departement)


class Park:
    """A park of `meters` meters over the `days` days from `start`.

    The last meter replaces the meter `replaced` on its PDC on the day `replaced_on`; the meter
    `removed` is taken away, so that from `removed_on` on it is nowhere. Everything else stays.
    Concentrator ids run from 1 like meter ids: only the equipment type tells them apart.
    """

    def __init__(self, seed: int, meters: int, start: date, days: int) -> None:
        stream = Stream(seed, "meters.park")
        pdcs = meters - 1
        pdks = max(1, pdcs // PDC_PER_PDK + (pdcs % PDC_PER_PDK > 0))
        self.meters = meters
        self.concentrators = pdks
        self.meter_makers = [stream.between(1, MANUFACTURERS) for _ in range(meters)]
        self.concentrator_makers = [stream.between(1, MANUFACTURERS) for _ in range(pdks)]

        self.pdk_communes: list[str] = []
        self.pdc_communes: list[str] = []
        for k in range(pdks):
            self.pdk_communes.append(stream.pick(communes_of(_departement_of_pdk(k))))
        for c in range(pdcs):
            codes = communes_of(_departement_of_pdk(self._pdk_of_pdc(c + 1) - 1))
            # The first PDC of a cell takes the first commune listed: those are the homonyms.
            self.pdc_communes.append(codes[0] if c < pdks else stream.pick(codes))

        self.replaced, self.removed = (value + 1 for value in stream.distinct(2, 0, pdcs))
        self.replaced_on = start + timedelta(days=days // 2)
        self.removed_on = start + timedelta(days=2 * days // 3)
        since = date(start.year - 1, 1, 1)
        ends = {
            self.replaced: self.replaced_on - timedelta(days=1),
            self.removed: self.removed_on - timedelta(days=1),
        }
        self.installations_c = [
            Installation(meter, meter, since, ends.get(meter)) for meter in range(1, meters)
        ] + [Installation(self.replaced, meters, self.replaced_on, None)]
        self.installations_k = [Installation(k, k, since, None) for k in range(1, pdks + 1)]

    def meters_in_service(self, day: date) -> list[int]:
        """The ids of the meters that are somewhere on `day`."""
        return [item.equipment for item in self.installations_c if item.covers(day)]

    def place_of(self, equipment_type: str, equipment: int, day: date) -> Place | None:
        """Where a meter (`C`) or concentrator (`K`) is on `day`; None when it is nowhere."""
        items = self.installations_c if equipment_type == "C" else self.installations_k
        for item in items:
            if item.equipment == equipment and item.covers(day):
                if equipment_type == "C":
                    return Place(self._pdk_of_pdc(item.place), self.pdc_communes[item.place - 1])
                return Place(item.place, self.pdk_communes[item.place - 1])
        return None

    def files(self) -> dict[str, str]:
        """The nine park files, name to content: comma, header, LF, the columns of the field."""
        place = "id_commune,id_departement,id_region,Code INSEE,libelle_commune"
        return {
            "communes.csv": _csv(
                place,
                (
                    (int(code[2:]), code[:2], region_of(code[:2]), code, label)
                    for code, label in COMMUNES
                ),
            ),
            "departements.csv": _csv(
                "id_departement,id_region,libelle_departement",
                ((code, region, label) for code, label, region in DEPARTEMENTS),
            ),
            "region.csv": _csv("id_region,libelle_region", enumerate(REGIONS)),
            "compteurs.csv": _csv("id_compteur,constructeur_id", enumerate(self.meter_makers, 1)),
            # The typo is the field's own.
            "concentrateurs.csv": _csv(
                "id_consentrateur,constructeur_id", enumerate(self.concentrator_makers, 1)
            ),
            "pdc.csv": _csv(
                "id_pdc,id_pdk,code_insee_commune",
                (
                    (pdc, self._pdk_of_pdc(pdc), code)
                    for pdc, code in enumerate(self.pdc_communes, 1)
                ),
            ),
            "pdk.csv": _csv("id_pdk,code_insee_commune", enumerate(self.pdk_communes, 1)),
            "installation_c.csv": _csv(
                "id_pdc,id_compteur,date_deb,date_fin", map(_installation, self.installations_c)
            ),
            "installation_k.csv": _csv(
                "id_pdk,id_concentrateurs,date_deb,date_fin",
                map(_installation, self.installations_k),
            ),
        }

    def _pdk_of_pdc(self, pdc: int) -> int:
        return (pdc - 1) % self.concentrators + 1


def _departement_of_pdk(index: int) -> str:
    return DEPARTEMENTS[index % len(DEPARTEMENTS)][0]


def _installation(item: Installation) -> tuple[object, ...]:
    last = item.last.strftime("%Y%m%d") if item.last else ""
    return item.place, item.equipment, item.first.strftime("%Y%m%d"), last


def _csv(header: str, rows: Iterable[Iterable[object]]) -> str:
    lines = [header, *(",".join(str(value) for value in row) for row in rows)]
    return "\n".join(lines) + "\n"
