"""`make bench-matomo`: visits from raw to views, and the cost of one more day on a long history.

On a stack of its own, simulated exports of Matomo are sent to Kafka, landed and built. It prints
visits per second of each step (staging, snapshot, lake; three views are queried), and the rows that
another day reads and writes, from the metrics of Spark's stages, on a short history and on one five
times as long. Each history ends with one day in its own batch, like a history that is built daily.
The last line is one JSON object with ratios:

- ``vs_plain_spark``: staging's speed divided by that of one plain Spark SQL statement, which parses
  the same records with one fixed schema into one table, without types, versions, quarantine, keys
- ``day_read_growth``, ``day_written_growth``: rows that a day reads (writes) on the long history,
  divided by those on the short one; 1 means that the cost depends only on the day
- ``idle_written``: rows that a build with nothing new writes

BENCH_VISITS (100,000) is the size of the long history.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from confluent_kafka import Producer
from kafka.admin import KafkaAdminClient, NewTopic

from benchmarks.spark_work import SparkWork
from stack import Stack
from stack.config import KAFKA_PORTS, SPARK_PORTS
from stack.sql import Client

ROOT = Path(__file__).resolve().parent.parent
VISITS = int(os.environ.get("BENCH_VISITS", "100000"))
DAYS = 50
PER_DAY = VISITS // DAYS
# The schema of the plain statement: the members that the models read, all as text.
PLAIN = (
    "idSite string, idVisit string, visitorId string, userId string, visitIp string, "
    "firstActionTimestamp string, lastActionTimestamp string, visitorType string, "
    "visitCount string, visitDuration string, actions string, events string, searches string, "
    "goalConversions string, visitConverted string, referrerType string, referrerName string, "
    "referrerKeyword string, referrerUrl string, deviceType string, deviceBrand string, "
    "deviceModel string, operatingSystemCode string, operatingSystemName string, "
    "browserCode string, browserName string, browserVersion string, resolution string, "
    "languageCode string, countryCode string, country string, regionCode string, city string, "
    "latitude string, longitude string, actionDetails array<struct<type: string, url: string, "
    "pageTitle: string, pageId: string, timestamp: string, timeSpent: string, goalId: string, "
    "revenue: string, siteSearchKeyword: string, eventCategory: string, eventAction: string, "
    "eventName: string, eventValue: string, orderId: string, itemDetails: string>>"
)


class Lake:
    """The dbt project on a stack of its own."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self._stack = stack
        profiles = folder / "profiles"
        profiles.mkdir()
        (profiles / "profiles.yml").write_bytes((ROOT / "profiles.yml.example").read_bytes())
        self._dbt = [
            str(Path(sys.executable).parent / "dbt"), "--no-use-colors", "--quiet",
        ]  # fmt: skip
        self._ends = ["--target", "local", "--profiles-dir", str(profiles)]
        self._environ = {
            **os.environ, **stack.env(), "LACUSTRE_STACK_DIR": str(stack.directory),
            "DBT_TARGET_PATH": str(folder / "target"), "DBT_LOG_PATH": str(folder / "logs"),
        }  # fmt: skip
        self._producer = Producer(
            # no error messages when the broker stops first
            {"bootstrap.servers": stack.endpoints.kafka_bootstrap_servers, "log_level": 0}
        )

    def send(self, lines: list[bytes]) -> None:
        for line in lines:
            message = json.loads(line)
            self._producer.produce(
                "matomo",
                key=message.get("key"),
                value=json.dumps(message["value"]).encode(),
                headers=list((message.get("headers") or {}).items()),
            )
            self._producer.poll(0)
        self._producer.flush()

    def land(self, lines: list[bytes]) -> None:
        """Send messages, and load them as one batch."""
        self.send(lines)
        self.load()

    def load(self) -> None:
        config = str(ROOT / "loader.toml.example")
        self._run([sys.executable, "-m", "loader", "--config", config, "run"])

    def dbt(self, *words: str) -> float:
        """Run dbt; returns its seconds."""
        start = time.monotonic()
        self._run([*self._dbt, *words, *self._ends])
        return time.monotonic() - start

    def build(self) -> dict[str, float]:
        """Build staging, snapshots and lake; returns the seconds of each."""
        return {
            "staging": self.dbt("run", "--select", "staging.matomo", "intermediate.matomo"),
            "snapshot": self.dbt("snapshot", "--select", "tag:matomo"),
            "lake": self.dbt("run", "--select", "lake.matomo"),
        }

    def sql(self, statement: str) -> list[tuple[object, ...]]:
        endpoint = self._stack.endpoints
        client = Client(endpoint.thrift_host, endpoint.thrift_port, endpoint.thrift_password)
        with closing(client):
            return [tuple(row) for row in client.run(statement).rows]

    def _run(self, command: list[str]) -> None:
        done = subprocess.run(
            command, cwd=ROOT, env=self._environ, check=False, capture_output=True, text=True
        )
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)} failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")


def timed(work: Callable[[], object]) -> float:
    start = time.monotonic()
    work()
    return time.monotonic() - start


def simulated(folder: Path) -> tuple[list[bytes], list[bytes], list[list[bytes]]]:
    """Messages of a tenth of the history, of the rest, and of two further days."""
    out = folder / "matomo"
    subprocess.run(
        [sys.executable, "-m", "simulator", "matomo", "--out", out, "--from", "2024-01-01",
         "--days", str(DAYS + 2), "--visits-per-day", str(PER_DAY), "--sites", "1",
         "--broken", "0", "--processes", "2"],
        cwd=ROOT, check=True,
    )  # fmt: skip
    lines = (out / "messages.jsonl").read_bytes().splitlines()
    (out / "messages.jsonl").unlink()
    day = len(lines) // (DAYS + 2)
    short = day * (DAYS // 5)
    # One day after the short history, the rest, one day after the long one.
    return (
        lines[:short],
        lines[short + day : -day],
        [lines[short : short + day], lines[-day:]],
    )


def main() -> None:
    """A short history and a day, a long one and a day, a build with nothing new, the plain
    statement.
    """
    environ = {**os.environ, **{spec.variable: "0" for spec in KAFKA_PORTS + SPARK_PORTS}}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        short, rest, days = simulated(folder)
        stack = Stack(folder / "stack", environ)
        try:
            stack.up()
            KafkaAdminClient(
                bootstrap_servers=stack.endpoints.kafka_bootstrap_servers
            ).create_topics([NewTopic("matomo", 2, 1)])
            print(json.dumps(measure(Lake(stack, folder), stack, short, rest, days)))
        finally:
            stack.down()


def measure(
    lake: Lake, stack: Stack, short: list[bytes], rest: list[bytes], days: list[list[bytes]]
) -> dict[str, object]:
    port = stack.spark.ports["spark_ui"]

    def day(lines: list[bytes], name: str) -> SparkWork:
        lake.land(lines)
        with SparkWork(port) as work:
            seconds = sum(lake.build().values())
        print(f"one more day on {name}: {seconds:.1f} s, {work.read:,} rows read, "
              f"{work.written:,} written", flush=True)  # fmt: skip
        return work

    def history(lines: list[bytes]) -> dict[str, float]:
        """Land and build all but the last day, then the last day; returns the seconds of the first
        build.
        """
        steps = []
        for part in (lines[: -len(days[0])], lines[-len(days[0]) :]):
            lake.land(part)
            steps.append(lake.build())
        return steps[0]

    history(short)
    on_short = day(days[0], f"{len(short):,} messages")

    steps = history(rest)
    bulk = len(rest) - len(days[0])
    visits = lake.sql("select count(*) from lake.matomo_visits")[0][0]
    for step, seconds in steps.items():
        print(f"{step:10} {bulk / seconds:10,.0f} messages/s  ({seconds:.1f} s)", flush=True)
    lake.dbt("run", "--select", "views.matomo")
    for view in ("visits_summary", "countries", "page_urls"):
        seconds = timed(lambda: lake.sql(f"select count(*) from views.matomo_{view}"))
        print(f"{'view':10} {view}: {seconds:.1f} s over {visits:,} visits", flush=True)
    on_long = day(days[1], f"{len(short) + len(rest):,} messages")

    with SparkWork(port) as idle:
        lake.build()
    print(f"nothing new: {idle.read:,} rows read, {idle.written:,} written", flush=True)

    plain = timed(lambda: lake.sql(
        "create or replace table staging.plain using delta as "
        f"select inline(array(from_json(cast(value as string), '{PLAIN}'))) from raw.matomo "
        "where batch_id = 4"
    ))  # fmt: skip
    print(f"{'plain':10} {bulk / plain:10,.0f} messages/s  ({plain:.1f} s)")
    return {
        "name": "matomo",
        "ratios": {
            "vs_plain_spark": round(plain / steps["staging"], 2),
            "day_read_growth": round(on_long.read / on_short.read, 2),
            "day_written_growth": round(on_long.written / on_short.written, 2),
        },
        "idle_written": idle.written,
        "messages_per_second": {step: round(bulk / seconds) for step, seconds in steps.items()},
    }


if __name__ == "__main__":
    main()
