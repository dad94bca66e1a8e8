"""One statistic in the prototype's way: read all event files, group, count and show.

``python -m benchmarks.prototype_job FOLDER BY PERIOD`` is an application on a local master, like
each of the prototype's 24 jobs; FOLDER is a meter data set. ``statistic`` does the same in an
existing session.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as f

PERIODS = ("annual", "monthly", "weekly", "daily")
COLUMNS = {
    "type": [],
    "equipment": ["id_equipement"],
    "commune": ["libelle_commune"],
    "departement": ["departement"],
    "region": ["region"],
    "pdk": ["id_pdk"],
}


def statistic(spark: SparkSession, folder: Path, by: str, period: str) -> list[Row]:
    """The first hundred rows; ``by`` and ``period`` are those in the names of the views."""

    def read(path: str) -> Any:
        return spark.read.option("header", True).csv(str(folder / path))

    events = (
        read("events")
        .withColumn("year", f.year("date_occur_evt"))
        .withColumn("month", f.month("date_occur_evt"))
        .withColumn("week", f.weekofyear("date_occur_evt"))
        .withColumn("day", f.dayofweek("date_occur_evt"))
    )
    if by not in ("type", "equipment"):
        places = (
            read("park/installation_c.csv")
            .join(read("park/pdc.csv"), "id_pdc", "left")
            .join(
                read("park/communes.csv"),
                f.col("code_insee_commune") == f.col("`Code INSEE`"),
                "left",
            )
            .withColumnRenamed("id_departement", "departement")
            .withColumnRenamed("id_region", "region")
        )
        events = events.join(places, f.col("id_equipement") == f.col("id_compteur"), "left")
    keys = ["year", "month", "week", "day"][: PERIODS.index(period) + 1]
    rows: list[Row] = events.groupBy(*keys, "type_evt", *COLUMNS[by]).count().limit(100).collect()
    return rows


if __name__ == "__main__":
    session = SparkSession.builder.master("local[*]").config("spark.ui.enabled", False)
    session = session.config("spark.driver.host", "127.0.0.1")
    session = session.config("spark.driver.bindAddress", "127.0.0.1")
    statistic(session.getOrCreate(), Path(sys.argv[1]), *sys.argv[2:])
