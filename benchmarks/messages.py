"""`make bench-messages`: visits in one message compared with one message per visit.

On a stack of its own, simulated visits are landed in batches, in turns: one message with
BENCH_VISITS (4,000) visits, or as many messages of one visit. A first batch of each kind warms
Spark up. It prints the CPU seconds of Spark's process and the elapsed time, for
`stg_matomo__documents` and for the staging models that read it. The cost of a batch of one visit,
which dbt and Spark have in any build, is subtracted. The last line is one JSON object with ratios
of CPU time:

- ``documents``, ``readers``: one message by many, in `stg_matomo__documents` and in its readers
- ``documents_double``: one message of twice the visits divided by one message, in
  `stg_matomo__documents`; 2 means that the cost is proportional to the size
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient, NewTopic

from benchmarks.matomo import ROOT, Lake
from stack import Stack
from stack.config import KAFKA_PORTS, SPARK_PORTS

VISITS = int(os.environ.get("BENCH_VISITS", "4000"))
WARM_UP = max(VISITS // 4, 1)
# Kinds of batches: number of visits, and whether they are in one message. The first two warm up.
ONE, MANY, DOUBLE, BASE = "one message", "many messages", "one message of twice", "one visit"
PLAN = (MANY, ONE, BASE, MANY, ONE, DOUBLE, ONE, MANY, BASE)
WARMING = 2
DOCUMENTS = ("--select", "stg_matomo__documents")
READERS = ("--select", "staging.matomo", "--exclude", "stg_matomo__documents")
LARGEST = 256 << 20


@dataclass
class Cost:
    """CPU time of Spark's process and elapsed time, in seconds."""

    cpu: float = 0.0
    wall: float = 0.0


def visits(folder: Path, count: int) -> list[dict[str, Any]]:
    out = folder / "matomo"
    subprocess.run(
        [sys.executable, "-m", "simulator", "matomo", "--out", out, "--from", "2024-01-01",
         "--days", "10", "--visits-per-day", str(count // 8), "--sites", "1",
         "--active", "0", "--broken", "0", "--processes", "2"],
        cwd=ROOT, check=True,
    )  # fmt: skip
    with (out / "messages.jsonl").open("rb") as lines:
        values = (json.loads(line)["value"] for line in lines)
        found = [
            each for value in values for each in (value if isinstance(value, list) else [value])
        ]
    if len(found) < count:
        sys.exit(f"The simulator made {len(found)} visits and {count} are needed.")
    return found[:count]


def sizes() -> list[int]:
    found = []
    for number, kind in enumerate(PLAN):
        whole = WARM_UP if number < WARMING else VISITS
        found.append({BASE: 1, DOUBLE: 2 * whole}.get(kind, whole))
    return found


def land(lake: Lake, servers: str, batch: list[dict[str, Any]], kind: str) -> int:
    """Send the visits in messages of ``kind`` and load them as one batch; returns the bytes of all
    messages.
    """
    values: list[Any] = [batch]
    if kind == MANY:
        values = batch
    sent = 0
    producer = KafkaProducer(
        bootstrap_servers=servers, max_request_size=LARGEST, buffer_memory=2 * LARGEST
    )
    for value in values:
        body = json.dumps(value).encode()
        sent += len(body)
        producer.send("matomo", body, partition=0, headers=[("type", b"visit")])
    producer.close()
    lake.load()
    return sent


def measured(lake: Lake, spark: psutil.Process, words: tuple[str, ...]) -> Cost:
    def cpu() -> float:
        times = spark.cpu_times()
        return float(times.user + times.system)

    before, start = cpu(), time.monotonic()
    lake.dbt("run", *words)
    return Cost(cpu() - before, time.monotonic() - start)


def measure(stack: Stack, folder: Path) -> dict[str, object]:
    every = iter(visits(folder, sum(sizes())))
    lake, spark = Lake(stack, folder), psutil.Process(stack.spark.pid)
    servers = stack.endpoints.kafka_bootstrap_servers
    costs: dict[tuple[str, str], list[Cost]] = {}
    for number, (kind, size) in enumerate(zip(PLAN, sizes(), strict=True)):
        batch = [next(every) for _ in range(size)]
        sent = land(lake, servers, batch, kind)
        for step, words in (("documents", DOCUMENTS), ("readers", READERS)):
            cost = measured(lake, spark, words)
            note = " (warm-up)" if number < WARMING else ""
            print(f"{kind:20} {size:6,} visits {sent / 1e6:6.1f} MB {step:10} "
                  f"{cost.cpu:6.1f} s CPU {cost.wall:6.1f} s{note}", flush=True)  # fmt: skip
            if number >= WARMING:
                costs.setdefault((step, kind), []).append(cost)
    found = next(iter(lake.sql(
        "select count(distinct struct(site_id, fields['idVisit'])) from "
        "staging.stg_matomo__documents where reason is null"
    )))[0]  # fmt: skip
    if found != sum(sizes()):
        sys.exit(f"{found} documents are staged and {sum(sizes())} visits were sent.")
    return result(costs)


def result(costs: dict[tuple[str, str], list[Cost]]) -> dict[str, object]:
    def own(step: str, kind: str, what: str) -> float:
        """The mean cost minus that of a batch of one visit."""

        def mean(of: str) -> float:
            values = [getattr(cost, what) for cost in costs[step, of]]
            return float(sum(values) / len(values))

        return max(mean(kind) - mean(BASE), 0.01)

    def ratios(what: str) -> Iterator[tuple[str, float]]:
        for step in ("documents", "readers"):
            yield step, round(own(step, ONE, what) / own(step, MANY, what), 2)
        yield (
            "documents_double",
            round(own("documents", DOUBLE, what) / own("documents", ONE, what), 2),
        )

    return {
        "name": "messages",
        "ratios": dict(ratios("cpu")),
        "wall_ratios": dict(ratios("wall")),
        "cpu_seconds": {
            f"{step}, {kind}": round(own(step, kind, "cpu"), 1)
            for step, kind in costs if kind != BASE
        },
    }  # fmt: skip


def main() -> None:
    environ = {**os.environ, **{spec.variable: "0" for spec in KAFKA_PORTS + SPARK_PORTS}}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        stack = Stack(folder / "stack", environ)
        try:
            stack.up()
            with_room = {"max.message.bytes": str(LARGEST)}
            KafkaAdminClient(
                bootstrap_servers=stack.endpoints.kafka_bootstrap_servers
            ).create_topics([NewTopic("matomo", 1, 1, topic_configs=with_room)])
            print(json.dumps(measure(stack, folder)))
        finally:
            stack.down()


if __name__ == "__main__":
    main()
