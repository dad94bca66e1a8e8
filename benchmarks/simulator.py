"""`make bench-simulator`: making and playing the prototype's 12.6 million events, against peers.

Every speed is per second of CPU time of the process that does the work, so that a busy machine has
little influence. The last line is one JSON object with the CPU seconds and the peak memory of the
whole data set, and with ratios, our speed divided by the peer's:

- ``vs_row_by_row``: a loop that draws and writes each event, as the prototype's notebook does
- ``vs_pandas``: the same columns drawn with numpy and written by ``DataFrame.to_csv``
- ``vs_kafka_python``: the same records sent by kafka-python, also with acks=all and idempotent
- ``vs_bare_client``: librdkafka with prepared records and no journal, the upper limit of this
  client

Peers make fewer rows, because they take longer. BENCH_DAYS (1,462) is the number of days.
"""

from __future__ import annotations

import csv
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from confluent_kafka import Producer
from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient

from simulator.meters import HEADER, PROTOTYPE_ROWS, PROTOTYPE_START
from simulator.records import records
from stack import Stack

ROOT = Path(__file__).resolve().parent.parent
DAYS = int(os.environ.get("BENCH_DAYS", "1462"))
PEER_DAYS = max(5, DAYS // 50)
ROWS = DAYS * PROTOTYPE_ROWS
MATOMO_VISITS = 10_000


def command(*words: object) -> tuple[float, float]:
    """Run a command of the simulator; returns its CPU seconds and its peak memory in MB."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "simulator", *map(str, words)], cwd=ROOT, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    # The peak of the largest child so far; the measured commands are larger than those before.
    return used, after.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def measured(name: str, rows: int, work: Callable[[], object]) -> float:
    """Rows per CPU second of ``work`` in this process; also printed."""
    start = time.process_time()
    work()
    return told(name, rows, time.process_time() - start)


def told(name: str, rows: int, seconds: float) -> float:
    """Rows per second; also printed."""
    print(f"{name:22} {rows / seconds:12,.0f} rows/s of CPU  ({rows:,} rows)", flush=True)
    return rows / seconds


def row_by_row(folder: Path) -> None:
    """The prototype's way: one event at a time."""
    for index in range(PEER_DAYS):
        day = datetime.combine(PROTOTYPE_START, datetime.min.time()) + timedelta(days=index)
        with (folder / f"loop_{index}.csv").open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(HEADER.split(","))
            for slot in range(PROTOTYPE_ROWS):
                occurred = day + timedelta(seconds=10 * slot)
                noon = occurred.replace(hour=12, minute=0, second=0)
                arrived = noon if occurred < noon else noon.replace(hour=23, minute=59, second=59)
                kind = random.choices(("C", "K", "N"), weights=(30, 8, 3))[0]
                equipment = random.randint(1, 20 if kind == "C" else 5)
                writer.writerow(
                    (occurred.strftime("%Y%m%d%H%M%S"), occurred, arrived, f"ev_{kind}",
                     "C" if kind == "C" else "K", equipment, "")
                )  # fmt: skip


def with_pandas(folder: Path) -> None:
    """All columns at once, written by pandas."""
    dice = np.random.default_rng(7)
    for index in range(PEER_DAYS):
        begin = pd.Timestamp(PROTOTYPE_START) + pd.Timedelta(days=index)
        occurred = pd.Series(pd.date_range(begin, periods=PROTOTYPE_ROWS, freq="10s"))
        noon = begin + pd.Timedelta(hours=12)
        kinds = dice.choice(["C", "K", "N"], PROTOTYPE_ROWS, p=[30 / 41, 8 / 41, 3 / 41])
        is_c = kinds == "C"
        night = begin + pd.Timedelta(hours=23, minutes=59, seconds=59)
        frame = pd.DataFrame(
            {
                "id_evt": occurred.dt.strftime("%Y%m%d%H%M%S"),
                "date_occur_evt": occurred,
                "date_system_evt": np.where(occurred < noon, noon, night),
                "type_evt": np.char.add("ev_", kinds),
                "type_equipement": np.where(is_c, "C", "K"),
                "id_equipement": np.where(
                    is_c,
                    dice.integers(1, 21, PROTOTYPE_ROWS),
                    dice.integers(1, 6, PROTOTYPE_ROWS),
                ),
                "info_div": "",
            }
        )
        frame.to_csv(folder / f"pandas_{index}.csv", index=False, date_format="%Y-%m-%d %H:%M:%S")


def values(folder: Path) -> Iterator[bytes]:
    """The record values of the first days, as ``play`` sends them."""
    for path in sorted((folder / "events").glob("event_*.csv"))[:PEER_DAYS]:
        for record in records(path):
            assert record.value is not None
            yield record.value


def with_kafka_python(servers: str, topic: str, ready: list[bytes]) -> None:
    """Send with kafka-python and wait for every acknowledgement."""
    producer = KafkaProducer(
        bootstrap_servers=servers, acks="all", enable_idempotence=True, linger_ms=20,
        batch_size=256 * 1024,
    )  # fmt: skip
    sent = [producer.send(topic, value=value) for value in ready]
    producer.flush()
    assert all(each.get() for each in sent)
    producer.close()


def with_bare_client(servers: str, topic: str, ready: list[bytes]) -> None:
    """Send with librdkafka, and only check that nothing is left in the queue."""
    producer = Producer(
        {
            "bootstrap.servers": servers, "acks": "all", "enable.idempotence": True,
            "linger.ms": 20, "queue.buffering.max.messages": len(ready) + 1,
        }
    )  # fmt: skip
    for value in ready:
        producer.produce(topic, value=value)
    assert producer.flush(120) == 0


def main() -> None:
    """Make, then play, then run the peers, all in one run."""
    last = PROTOTYPE_START + timedelta(days=DAYS - 1)
    run_id = f"bench-simulator-{int(time.time())}"
    speeds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        seconds, memory = command(
            "meters", "--like-prototype", "--from", PROTOTYPE_START, "--to", last,
            "--out", folder / "meters",
        )  # fmt: skip
        print(f"{ROWS:,} events written in {seconds:.1f} s of CPU, {memory:.0f} MB at most")
        speeds["meters"] = told("meters", ROWS, seconds)
        speeds["row_by_row"] = measured(
            "  row by row", PEER_DAYS * PROTOTYPE_ROWS, lambda: row_by_row(folder)
        )
        speeds["pandas"] = measured(
            "  pandas", PEER_DAYS * PROTOTYPE_ROWS, lambda: with_pandas(folder)
        )
        days = 10
        visits, _ = command(
            "matomo", "--from", date(2024, 1, 1), "--days", days, "--out", folder / "matomo",
            "--visits-per-day", MATOMO_VISITS // days // 2,
        )  # fmt: skip
        speeds["matomo"] = told("matomo (visits)", MATOMO_VISITS, visits)

        stack = Stack()
        stack.up(["kafka"])
        servers = stack.kafka.address()
        admin = KafkaAdminClient(bootstrap_servers=servers)
        topics = [f"{run_id}-{name}" for name in ("play", "python", "bare")]
        admin.create_topics({topic: {"num_partitions": 2} for topic in topics})
        try:
            begun = time.perf_counter()
            used, _ = command(
                "play", "--bootstrap-servers", servers, "--topic", topics[0], folder / "meters"
            )
            wall = time.perf_counter() - begun
            sent = ROWS + DAYS  # with the header rows
            speeds["play"] = told("play", sent, used)
            print(f"{'':22} {sent / wall:12,.0f} records/s by the clock")
            ready = list(values(folder / "meters"))
            speeds["bare_client"] = measured(
                "  bare librdkafka", len(ready), lambda: with_bare_client(servers, topics[2], ready)
            )
            some = ready[: max(1000, len(ready) // 5)]
            speeds["kafka_python"] = measured(
                "  kafka-python", len(some), lambda: with_kafka_python(servers, topics[1], some)
            )
        finally:
            admin.delete_topics(topics)
            admin.close()
    ratios = {
        f"vs_{peer}": round(speeds[ours] / speeds[peer], 2)
        for ours, peer in (
            ("meters", "row_by_row"),
            ("meters", "pandas"),
            ("play", "kafka_python"),
            ("play", "bare_client"),
        )
    }
    print(
        json.dumps(
            {
                "name": "simulator",
                "records": ROWS,
                "cpu_seconds": round(seconds, 1),
                "peak_mb": round(memory),
                "play_records_per_cpu_second": round(speeds["play"]),
                "ratios": ratios,
            }
        )
    )


if __name__ == "__main__":
    main()
