"""`make bench-meters`: 12.6 million meter events from raw to all views, compared with other ways.

Everything runs in one run on one local stack. The events have the prototype's shape: 1,462 days
from the simulator. Spark writes them into the raw table directly, in the loader's form, because
landing is not measured; the loader lands the park. A build is `dbt build` of everything tagged
meters, without tests; its time is that of the whole command.

- ``full``: from raw to all views; then ``one_more_day``, ``late_day`` (from the first third of the
  history) and ``unchanged``. Rows read are those of Spark's tasks, from its own metrics.
- ``vs_prototype``: plain Spark SQL that reads all CSV files once per statistic, divided by our full
  build: 24 applications on a local master, as the prototype runs them. One statistic per dimension
  is run and stands for its four periods; BENCH_JOBS=24 runs them all.
- ``vs_plain_spark``: the same 24, one after the other on our running and warm server
- ``vs_duckdb``: DuckDB reading the CSV files and 24 group-bys, divided by our full build
- ``day_rows_read``: rows read for one more day, divided by those of the full build (less is better)
- ``day_rows_vs_short_history``: the same divided by those on a lake of a twentieth of the history
  (1 means that they do not depend on it)

BENCH_DAYS sets another number of days, BENCH_ONLY names parts: build, short, prototype, duckdb,
layout.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as f

from benchmarks.prototype_job import COLUMNS, PERIODS, statistic
from benchmarks.spark_work import SparkWork
from loader.lake.tables import create_schema
from loader.sources.kafka.landing import create_topic_table
from simulator.meters import PROTOTYPE_START
from stack import Stack

ROOT = Path(__file__).resolve().parent.parent
DAYS = int(os.environ.get("BENCH_DAYS", "1462"))
JOBS = int(os.environ.get("BENCH_JOBS", "6"))
PARTS = os.environ.get("BENCH_ONLY", "build,short,prototype,duckdb,layout").split(",")


class Lake:
    """A lake in schemas with its own prefix."""

    def __init__(self, stack: Stack, spark: SparkSession, name: str, folder: Path) -> None:
        self.stack, self.spark, self.name, self.folder = stack, spark, name, folder
        self.raw = f"{name}_raw.meter_events"
        self.batch = 0
        create_schema(spark, self.raw)
        create_topic_table(spark, self.raw)
        config = folder / f"{name}.toml"
        config.write_text(
            f'ledger = "{name}_raw.loader_batches"\n[files.park]\n'
            f'path = "{folder}/park/*.csv"\ntable = "{name}_raw.park_{{name}}"\n'
        )
        subprocess.run(
            [sys.executable, "-m", "loader", "--config", str(config)],
            cwd=ROOT, env=self.environ(), check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip

    def environ(self) -> dict[str, str]:
        return {
            **os.environ,
            **self.stack.env(),
            "DBT_TEST_SCHEMA": self.name,
            "LACUSTRE_RAW_SCHEMA": f"{self.name}_raw",
            "DBT_TARGET_PATH": str(self.folder / f"target-{self.name}"),
            "DBT_LOG_PATH": str(self.folder / "logs"),
        }

    def land(self, files: list[str]) -> None:
        """Write a batch of event files in the loader's form."""
        self.batch += 1
        lines = self.spark.read.text(files).select(
            f.col("_metadata.file_name").alias("file"),
            f.monotonically_increasing_id().alias("offset"),
            "value",
        )
        message = f.concat(
            f.lit('{"'), f.col("file"), f.lit("_row"), f.col("offset"), f.lit('":"'),
            f.col("value"), f.lit('"}'),
        )  # fmt: skip
        lines.select(
            f.lit(self.batch).cast("bigint").alias("batch_id"),
            f.lit("meter-events").alias("topic"),
            f.lit(self.batch).cast("int").alias("partition"),
            "offset",
            f.current_timestamp().alias("timestamp"),
            f.lit(0).alias("timestamp_type"),
            f.lit(None).cast("binary").alias("key"),
            message.cast("binary").alias("value"),
            f.lit(None).cast("array<struct<key: string, value: binary>>").alias("headers"),
            f.current_timestamp().alias("loaded_at"),
        ).write.format("delta").mode("append").option("compression", "zstd").saveAsTable(self.raw)

    def dbt(self, *words: str) -> None:
        done = subprocess.run(
            [str(Path(sys.executable).parent / "dbt"), *words, "--target", "test",
             "--profiles-dir", str(self.folder), "--quiet"],
            cwd=ROOT, env=self.environ(), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-3000:]

    def build(self, name: str) -> tuple[float, int]:
        """Run a build; returns its seconds and the rows that it read."""
        with SparkWork(int(str(self.spark.conf.get("spark.ui.port")))) as work:
            start = time.perf_counter()
            self.dbt("build", "--select", "tag:meters", "--exclude-resource-type",
                     "test", "unit_test")  # fmt: skip
            seconds = time.perf_counter() - start
        print(f"{name:32} {seconds:8.1f} s {work.read:14,} rows read", flush=True)
        return seconds, work.read

    def versions(self) -> dict[str, int]:
        """The Delta version of each table that dbt writes."""
        found = {}
        for layer in ("staging", "snapshots", "lake"):
            schema = f"{self.name}_{layer}"
            views = {row[1] for row in self.spark.sql(f"show views in {schema}").collect()}
            for row in self.spark.sql(f"show tables in {schema}").collect():
                name = f"{schema}.{row[1]}"
                if row[1] not in views and row[1] != "builds":  # every build writes it
                    history = self.spark.sql(f"describe history {name} limit 1").collect()
                    found[name] = history[0]["version"]
        return found


def builds(lake: Lake, files: list[str]) -> tuple[dict[str, float], dict[str, int]]:
    """The full build and the following ones: seconds and rows read by name."""
    late = len(files) // 3
    lake.dbt("parse")
    lake.land([*files[:late], *files[late + 1 : -1]])
    seconds, rows = {}, {}
    seconds["full"], rows["full"] = lake.build("full build")
    lake.land(files[-1:])
    seconds["one_more_day"], rows["one_more_day"] = lake.build("one more day")
    lake.land([files[late]])
    seconds["late_day"], rows["late_day"] = lake.build("one late day")
    before = lake.versions()
    seconds["unchanged"], rows["unchanged"] = lake.build("unchanged")
    written = {name for name, version in lake.versions().items() if version != before[name]}
    assert not written, f"the unchanged build wrote {sorted(written)}"
    count = lake.spark.sql(
        f"select sum(events) from {lake.name}_views.meter_event_counts_by_region_annual"
    ).collect()[0][0]
    assert count == 8640 * len(files), count
    return seconds, rows


def prototype(spark: SparkSession, folder: Path) -> tuple[float, float]:
    """Seconds of 24 statistics that each read all CSV files: as the prototype runs them, each an
    application, and in the existing session.
    """
    jobs = [(by, PERIODS[at % 4]) for at, by in enumerate(COLUMNS)]
    if JOBS == 24:
        jobs = [(by, period) for by in COLUMNS for period in PERIODS]
    # Without the variables that a Spark Connect session leaves for its children.
    environ = {key: value for key, value in os.environ.items() if not key.startswith("SPARK_")}

    def alone(by: str, period: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.prototype_job", str(folder), by, period],
            cwd=ROOT, env=environ, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]

    def seconds(name: str, job: Callable[[str, str], object]) -> float:
        start = time.perf_counter()
        for by, period in jobs:
            job(by, period)
        found = (time.perf_counter() - start) * 24 / len(jobs)
        print(f"{'prototype, ' + name:32} {found:8.1f} s (from {len(jobs)})", flush=True)
        return found

    return seconds("24 applications", alone), seconds(
        "in one session", lambda by, period: statistic(spark, folder, by, period)
    )


def duckdb(folder: Path) -> dict[str, float] | None:
    """Seconds of DuckDB; None if it cannot be installed."""
    environment = ROOT / ".cache" / "bench-meters"
    python = environment / "bin" / "python"
    try:
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
        subprocess.run(
            [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
             "-r", str(ROOT / "benchmarks" / "requirements-meters.txt")],
            check=True,
        )  # fmt: skip
    except subprocess.CalledProcessError:
        print("DuckDB cannot be installed here: left out")
        return None
    done = subprocess.run(
        [str(python), str(ROOT / "benchmarks" / "duckdb_peer.py"), str(folder)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    seconds: dict[str, float] = json.loads(done.stdout)
    print(f"{'DuckDB, read and 24 group-bys':32} {sum(seconds.values()):8.1f} s", flush=True)
    return seconds


LAYOUTS = {
    "month partitions": "partitioned by (occurred_month)",
    "day partitions": "partitioned by (occurred_on)",
    "clustered by day": "cluster by (occurred_on)",
    "neither": "",
}


def layout(spark: SparkSession, run: str) -> dict[str, dict[str, Any]]:
    """Layouts of the lake's events, at the prototype's volume per day and at a hundred times that.

    Each table gets the history in one batch and ten single days after it. Reported are the seconds
    of the batch and of a day's append, the number of files, and seconds and rows read to find the
    duplicates of a day.
    """
    facts: dict[str, dict[str, Any]] = {}
    spark.sql(f"create schema if not exists {run}_layout")
    for volume, days, rows in (("1x", 1462, 8640), ("100x", 61, 864_000)):
        for name, clause in LAYOUTS.items():
            table = f"{run}_layout.events_{len(facts)}"
            spark.sql(
                f"create table {table} (batch_id bigint, offset bigint, occurred_at timestamp_ntz, "
                "occurred_on date, event_type string, equipment_type string, equipment_id bigint, "
                f"occurred_month date) using delta {clause}"
            )

            def add(
                first: int, last: int, batch: int, table: str = table, rows: int = rows
            ) -> float:
                start = time.perf_counter()
                spark.sql(f"""
                    insert into {table}
                    select {batch}, id, cast(at as timestamp_ntz), cast(at as date),
                        element_at(array('ev_C', 'ev_K', 'ev_N'), int(id % 3) + 1),
                        'C', abs(hash(id)) % {rows // 346}, trunc(at, 'month')
                    from (
                        select id, timestamp_seconds(1483228800 + id * 86400 div {rows}) as at
                        from range({first * rows}, {last * rows})
                    )""")
                return time.perf_counter() - start

            loaded = add(0, days, 1)
            appended = [add(days + at, days + at + 1, 2 + at) for at in range(10)]
            detail = spark.sql(f"describe detail {table}").collect()[0]
            day = f"date_add(date '2017-01-01', {days + 4})"
            month = f" and occurred_month = trunc({day}, 'month')"
            with SparkWork(int(str(spark.conf.get("spark.ui.port")))) as work:
                start = time.perf_counter()
                spark.sql(
                    f"select count(distinct xxhash64(occurred_at, equipment_id)) from {table} "
                    f"where occurred_on = {day}{month}"
                ).collect()
                seconds = time.perf_counter() - start
            facts[f"{name}, {volume}"] = {
                "load": round(loaded, 1), "append_a_day": round(min(appended), 2),
                "files": detail["numFiles"], "megabytes": detail["sizeInBytes"] >> 20,
                "find_a_day": round(seconds, 2), "rows_read": work.read,
            }  # fmt: skip
            print(f"{name + ', ' + volume:32} {facts[f'{name}, {volume}']}", flush=True)
            spark.sql(f"drop table {table}")
    return facts


def main() -> None:
    stack = Stack()
    stack.up()
    os.environ.update(stack.env())
    spark = SparkSession.builder.remote(stack.endpoints.spark_remote).getOrCreate()
    ratios: dict[str, float] = {}
    result: dict[str, Any] = {"name": "meters", "ratios": ratios}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "data"
        profile = (ROOT / "profiles.yml.example").read_text(encoding="utf-8")
        end = PROTOTYPE_START + timedelta(days=DAYS - 1)
        subprocess.run(
            [sys.executable, "-m", "simulator", "meters", "--like-prototype", "--out", str(folder),
             "--to", end.isoformat()],
            cwd=ROOT, check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        (folder / "profiles.yml").write_text(profile, encoding="utf-8")
        files = sorted(str(path) for path in (folder / "events").glob("event_*.csv"))
        run = f"bench_{int(time.time())}"
        seconds: dict[str, float] = {}
        rows: dict[str, int] = {}
        short: dict[str, int] = {}
        # Build the short history first, so that the server is warm, as it is for the other ways.
        if "short" in PARTS:
            _, short = builds(
                Lake(stack, spark, f"{run}_short", folder), files[-len(files) // 20 :]
            )
        if "build" in PARTS:
            seconds, rows = builds(Lake(stack, spark, run, folder), files)
            ratios["day_rows_read"] = round(rows["one_more_day"] / rows["full"], 4)
            result |= {"seconds": {key: round(each, 1) for key, each in seconds.items()},
                       "rows_read": rows}  # fmt: skip
        if short and rows:
            ratios["day_rows_vs_short_history"] = round(
                rows["one_more_day"] / short["one_more_day"], 2
            )
        if "layout" in PARTS:
            result["layout"] = layout(spark, run)
        if "prototype" in PARTS:
            alone, together = prototype(spark, folder)
            result["prototype_seconds"] = round(alone, 1)
            result["plain_spark_seconds"] = round(together, 1)
        if "duckdb" in PARTS:
            found = duckdb(folder)
            if found is not None:
                result["duckdb_seconds"] = {key: round(each, 1) for key, each in found.items()}
        if seconds and "prototype_seconds" in result:
            ratios["vs_prototype"] = round(result["prototype_seconds"] / seconds["full"], 2)
            ratios["vs_plain_spark"] = round(result["plain_spark_seconds"] / seconds["full"], 2)
        if seconds and "duckdb_seconds" in result:
            total = sum(result["duckdb_seconds"].values())
            ratios["vs_duckdb"] = round(total / seconds["full"], 3)
    # Stop the session first: without a server it would retry for ten minutes when Python exits.
    spark.stop()
    stack.down()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
