"""Statistics of meter events computed independently: from the CSV files, in plain Python."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from pathlib import Path

Rows = list[dict[str, str]]

# The dimension columns of each statistic's views (beside period and type), and their names here.
DIMENSIONS = {
    "type": (),
    "equipment": ("equipment_type", "equipment_id"),
    "commune": ("commune_code", "commune_label"),
    "departement": ("departement_code",),
    "region": ("region_label",),
    "pdk": ("pdk_id",),
}
PERIODS: dict[str, Callable[[date], date]] = {
    "annual": lambda day: day.replace(month=1, day=1),
    "monthly": lambda day: day.replace(day=1),
    "weekly": lambda day: day - timedelta(days=day.isoweekday() - 1),
    "daily": lambda day: day,
}


def read_park(folder: Path) -> dict[str, Rows]:
    """The park's files by name."""
    return {
        path.stem: list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
        for path in folder.glob("*.csv")
    }


def place_of(park: dict[str, Rows]) -> Callable[[str, int, date], dict[str, str]]:
    """A function that returns the place of an equipment on a day; empty if it has none.

    If installations overlap, the one that began last counts; among those, the one that ends last.
    """
    communes = {row["Code INSEE"]: row for row in park["communes"]}
    regions = {row["id_region"]: row["libelle_region"] for row in park["region"]}
    pdc = {row["id_pdc"]: row for row in park["pdc"]}
    pdk = {row["id_pdk"]: row for row in park["pdk"]}

    def located(commune: str, pdk_id: str) -> dict[str, str]:
        row = communes[commune]
        return {
            "commune_code": commune,
            "commune_label": row["libelle_commune"],
            "departement_code": commune[:3] if commune.startswith("97") else commune[:2],
            "region_label": regions[row["id_region"]],
            "pdk_id": pdk_id,
        }

    intervals: dict[tuple[str, int], list[tuple[str, str, dict[str, str]]]] = {}
    for row in park["installation_c"]:
        at = pdc[row["id_pdc"]]
        place = located(at["code_insee_commune"], at["id_pdk"])
        intervals.setdefault(("C", int(row["id_compteur"])), []).append(
            (row["date_deb"], row["date_fin"] or "99991231", place)
        )
    for row in park["installation_k"]:
        place = located(pdk[row["id_pdk"]]["code_insee_commune"], row["id_pdk"])
        intervals.setdefault(("K", int(row["id_concentrateurs"])), []).append(
            (row["date_deb"], row["date_fin"] or "99991231", place)
        )

    def find(kind: str, number: int, day: date) -> dict[str, str]:
        text = f"{day:%Y%m%d}"
        covering = [
            each for each in intervals.get((kind, number), []) if each[0] <= text <= each[1]
        ]
        return max(covering, key=lambda each: each[:2], default=("", "", {}))[2]

    return find


def count(
    events: Iterable[dict[str, str]], park: dict[str, Rows]
) -> dict[tuple[str, str], Counter[tuple[str | None, ...]]]:
    """All 24 statistics: maps (by, period) to events per period start, event type and dimension."""
    find = place_of(park)
    days: Counter[tuple[date, str, str, int]] = Counter()
    for row in events:
        day = date.fromisoformat(row["date_occur_evt"][:10])
        days[day, row["type_evt"], row["type_equipement"], int(row["id_equipement"])] += 1
    counts: dict[tuple[str, str], Counter[tuple[str | None, ...]]] = {
        (by, period): Counter() for by in DIMENSIONS for period in PERIODS
    }
    for (day, event_type, kind, number), found in days.items():
        row = {"equipment_type": kind, "equipment_id": str(number), **find(kind, number, day)}
        for (by, period), counter in counts.items():
            key = (PERIODS[period](day).isoformat(), event_type,
                   *(row.get(column) for column in DIMENSIONS[by]))  # fmt: skip
            counter[key] += found
    return counts


def query(by: str, period: str, where: str = "true") -> str:
    """A query of a statistic's view for the same rows; the number is the last column."""
    columns = "".join(f"cast({column} as string), " for column in DIMENSIONS[by])
    return (
        f"select cast(period_start as string), event_type, {columns}events "
        f"from views.meter_event_counts_by_{by}_{period} where {where}"
    )
