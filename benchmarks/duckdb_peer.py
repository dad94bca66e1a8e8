"""Computes the 24 statistics with DuckDB: reads the CSV files once, then runs 24 group-bys.

``benchmarks.meters`` runs it in a virtual environment of its own: ``duckdb_peer.py FOLDER`` with a
meter data set. It prints the seconds of the read and of the group-bys.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import duckdb

PERIODS = {"annual": "year", "monthly": "month", "weekly": "week", "daily": "day"}
DIMENSIONS = {
    "type": "",
    "equipment": ", type_equipement, id_equipement",
    "commune": ", commune",
    "departement": ", departement",
    "region": ", region",
    "pdk": ", id_pdk",
}


def main(folder: Path) -> None:
    """Read the files, count 24 times, and print how long both took."""
    db = duckdb.connect()
    db.execute("set threads to 2")
    start = time.perf_counter()
    db.execute(
        f"create table events as from read_csv('{folder}/events/event_*.csv', header = true)"
    )
    for name in ("installation_c", "installation_k", "pdc", "pdk", "communes"):
        db.execute(
            f"create table {name} as from read_csv('{folder}/park/{name}.csv', all_varchar = true)"
        )
    read = time.perf_counter() - start
    db.execute("""
        create table park as
        select 'C' as type_equipement, id_compteur::int as id_equipement, id_pdk,
            "Code INSEE" as commune, id_departement as departement, id_region as region,
            strptime(date_deb, '%Y%m%d')::date as first,
            coalesce(strptime(date_fin, '%Y%m%d')::date, date '9999-12-31') as last
        from installation_c join pdc using (id_pdc)
            join communes on "Code INSEE" = code_insee_commune
        union all
        select 'K', id_concentrateurs::int, id_pdk, "Code INSEE", id_departement, id_region,
            strptime(date_deb, '%Y%m%d')::date,
            coalesce(strptime(date_fin, '%Y%m%d')::date, date '9999-12-31')
        from installation_k join pdk using (id_pdk)
            join communes on "Code INSEE" = code_insee_commune
        """)
    start = time.perf_counter()
    for by, columns in DIMENSIONS.items():
        place = (
            ""
            if by in ("type", "equipment")
            else (
                "left join park on events.type_equipement = park.type_equipement "
                "and events.id_equipement = park.id_equipement "
                "and events.date_occur_evt::date between first and last"
            )
        )
        columns = columns.replace(" type_equip", " events.type_equip").replace(
            " id_equip", " events.id_equip"
        )
        for period in PERIODS.values():
            db.execute(
                f"select date_trunc('{period}', date_occur_evt), type_evt{columns}, count(*) "
                f"from events {place} group by all"
            ).fetchall()
    print(json.dumps({"read": read, "group_bys": time.perf_counter() - start}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
