"""Rows of the park's files with one odd column, and the rows that they need in other files.

Each odd row has a number of its own in all columns for numbers, so that it can be found by any of
them that is not odd.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from tests.odd.tables import odd_texts

FIRST = 500_000
# Every column gets these values and every fourth of the others; which ones differs by column.
ALWAYS = {
    "null",
    "empty",
    "2^63-1",
    "40 digits",
    "NUL",
    "newlines",
    "8 KB",
    "last date",
    "zero date",
}
STRIDE = 4
# Départements of which the usual park has no rows.
CODES = [f"{code:02}" for code in range(1, 96) if code not in (20, 42, 93)]

_HEADERS: Mapping[str, str] = {
    "communes": "id_commune,id_departement,id_region,Code INSEE,libelle_commune",
    "departements": "id_departement,id_region,libelle_departement",
    "region": "id_region,libelle_region",
    "compteurs": "id_compteur,constructeur_id",
    "concentrateurs": "id_consentrateur,constructeur_id",
    "pdc": "id_pdc,id_pdk,code_insee_commune",
    "pdk": "id_pdk,code_insee_commune",
    "installation_c": "id_pdc,id_compteur,date_deb,date_fin",
    "installation_k": "id_pdk,id_concentrateurs,date_deb,date_fin",
}
# The tables in which an odd row needs rows, so that it is joined and not left out.
_NEEDED: Mapping[str, tuple[str, ...]] = {
    "compteurs": ("pdc", "installation_c"),
    "concentrateurs": ("pdk", "installation_k"),
    "pdc": ("compteurs", "installation_c"),
    "pdk": ("concentrateurs", "installation_k"),
    "installation_c": ("compteurs", "pdc"),
    "installation_k": ("concentrateurs", "pdk"),
}


class OddLine(NamedTuple):
    """A row of the park's file ``table`` whose ``field`` has the odd value named ``value``."""

    table: str
    field: str
    value: str
    number: int

    @property
    def name(self) -> str:
        return f"{self.table}.{self.field}={self.value}"


def _row(table: str, number: int) -> dict[str, str]:
    at = str(number)
    code = CODES[number % len(CODES)]
    return {
        "communes": {"id_commune": at, "id_departement": code, "id_region": "4",
                     "Code INSEE": f"{code}{number % 1000:03}", "libelle_commune": f"ODD {at}"},
        "departements": {"id_departement": code, "id_region": "4", "libelle_departement": at},
        "region": {"id_region": at, "libelle_region": f"ODD {at}"},
        "compteurs": {"id_compteur": at, "constructeur_id": at},
        "concentrateurs": {"id_consentrateur": at, "constructeur_id": at},
        "pdc": {"id_pdc": at, "id_pdk": at, "code_insee_commune": "42001"},
        "pdk": {"id_pdk": at, "code_insee_commune": "42001"},
        "installation_c": {"id_pdc": at, "id_compteur": at, "date_deb": "20200101",
                           "date_fin": "20200110"},
        "installation_k": {"id_pdk": at, "id_concentrateurs": at, "date_deb": "20200101",
                           "date_fin": "20200110"},
    }[table]  # fmt: skip


def _chosen() -> Iterator[tuple[OddLine, str]]:
    number = FIRST
    count = 0
    for table, header in _HEADERS.items():
        for field in header.split(","):
            count += 1
            for at, (value, text) in enumerate(odd_texts().items()):
                if value in ALWAYS or (at + count) % STRIDE == 0:
                    number += 1
                    yield OddLine(table, field, value, number), text


def _line(cells: Mapping[str, str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells.values())
    return text.getvalue()


def with_odd_lines(park: Mapping[str, str]) -> tuple[dict[str, str], list[OddLine]]:
    """The files of ``park`` with all odd rows appended, and the list of these rows."""
    odd = list(_chosen())
    files = {}
    for table, text in park.items():
        assert text.startswith(_HEADERS[table] + "\n"), table
        lines = [
            _line(_row(table, line.number) | ({line.field: held} if line.table == table else {}))
            for line, held in odd
            if line.table == table or table in _NEEDED.get(line.table, ())
        ]
        files[table] = text + "".join(lines)
    return files, [line for line, _ in odd]
