"""`make bench-loader`: the loader compared with other ways to land the same topics in Delta.

Everything runs in one run on one local stack, each peer three times in turns; the best time counts.
Loader, streaming and bare read are processes: their times include start, imports and session, as
for a scheduled job on a server that has run for a while. All write into new tables, and a stream
begins a new checkpoint. The last line is one JSON object with ratios:

- ``vs_streaming``: the loader's speed divided by that of Structured Streaming, ``availableNow``,
  into Delta
- ``vs_streaming_same_options``: the same with the Kafka consumer options that the loader sets
- ``vs_noop``: Spark's Kafka source with these options, without a write: the upper limit of a JVM
  reader
- ``vs_driver_loop``: a consumer in the driver that appends a DataFrame per poll, as in many jobs
- ``vs_dlt``: dlt with confluent-kafka into Parquet (left out if it cannot be installed)
- ``idle_vs_session``: time of a run with nothing new, divided by that of a Connect session for one
  query
- ``idle_100_vs_1``: a run with nothing new over 100 topics, divided by one over one topic
- ``history_idle``, ``history_load``: with a ledger of 100,000 rows and a table of 10,000 commits,
  divided by the same on an empty lake

``layout`` compares layouts of raw tables. ``backlog`` loads BENCH_BACKLOG records in rounds of five
million and reports the highest resident memory of the loader and of the server.

Peers that take ten times as long read a twentieth of the records. BENCH_SMALL, BENCH_BIG,
BENCH_BACKLOG, BENCH_TOPICS, BENCH_COMMITS, BENCH_LEDGER and BENCH_TURNS set other sizes; BENCH_ONLY
names parts to run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from kafka import KafkaConsumer
from kafka.admin import KafkaAdminClient
from pyspark.sql import SparkSession

from loader.repeat import repeat
from loader.settings import Kafka, Settings, Topic
from stack import Stack

ROOT = Path(__file__).resolve().parent.parent
SIZES = {
    "small": int(os.environ.get("BENCH_SMALL", "2000000")),
    "big": int(os.environ.get("BENCH_BIG", "200000")),
}
BACKLOG = int(os.environ.get("BENCH_BACKLOG", "20000000"))
TOPICS = int(os.environ.get("BENCH_TOPICS", "100"))
COMMITS = int(os.environ.get("BENCH_COMMITS", "10000"))
LEDGER = int(os.environ.get("BENCH_LEDGER", "100000"))
PARTS = os.environ.get("BENCH_ONLY", "speed,idle,history,layout,backlog").split(",")
TURNS = int(os.environ.get("BENCH_TURNS", "3"))
WARM = 5
PARTITIONS = 4
# Like a meter event, about 180 bytes with its key; and 2 kB of incompressible data.
VALUES = {
    "small": """concat('{"event_20240301.csv_row', id, '": "', id, ',2024-03-01 00:00:00,',
        '2024-03-01 12:00:00,ev_C,C,', id % 25, ',"}', repeat(' ', 60))""",
    "big": """concat('{"id":', id, ',"text":"',
        repeat(concat(sha2(cast(id as string), 256), cast(rand() as string)), 24), '"}')""",
}


class Bench:
    """The stack, a Spark session, and the results."""

    def __init__(self) -> None:
        self.stack = Stack()
        self.stack.up()
        os.environ.update(self.stack.env())
        self.servers = self.stack.endpoints.kafka_bootstrap_servers
        self.spark = SparkSession.builder.remote(self.stack.endpoints.spark_remote).getOrCreate()
        self.id = f"bench_{int(time.time())}"
        self.spark.sql(f"create schema {self.id}")
        self.admin = KafkaAdminClient(bootstrap_servers=self.servers)
        self.ratios: dict[str, float] = {}
        self.facts: dict[str, Any] = {}

    def topic(self, name: str, partitions: int = PARTITIONS) -> str:
        topic = f"{self.id}-{name}"
        self.admin.create_topics({topic: {"num_partitions": partitions}}, wait_for_metadata=True)
        return topic

    def produce(self, topic: str, kind: str, records: int) -> None:
        """Write records with Spark, which is faster than any Python client."""
        self.spark.range(records).selectExpr(
            "cast(concat('meter-', id % 997) as binary) as key",
            f"cast({VALUES[kind]} as binary) as value",
            f"cast(id % {PARTITIONS} as int) as partition",
        ).write.format("kafka").option("kafka.bootstrap.servers", self.servers).option(
            "topic", topic
        ).save()

    def settings(self, lake: str, *topics: str, **more: Any) -> Settings:
        return Settings(
            spark_remote=self.stack.endpoints.spark_remote,
            ledger=f"{lake}.batches",
            kafka={
                "default": Kafka(
                    bootstrap_servers=self.servers,
                    topics=tuple(Topic(topic=each, table=f"{lake}.{{topic}}") for each in topics),
                )
            },
            **more,
        )

    def load(self, settings: Settings) -> int:
        """One run in this process with its own session; returns the number of landed records."""
        outcome = repeat(settings, _quiet, _quiet, _quiet, until_caught_up=True)
        assert not outcome.errors, outcome.errors
        return sum(batch.records or 0 for batch in outcome.batches)

    def again(self, lake: str) -> None:
        self.spark = SparkSession.builder.remote(self.stack.endpoints.spark_remote).getOrCreate()
        self.spark.sql(f"create schema if not exists {lake}")


def _quiet(_: Any) -> None:
    """A callback that does nothing."""


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def told(name: str, seconds: float, records: int = 0) -> float:
    speed = f"{records / seconds:12,.0f} records/s" if records else ""
    print(f"{name:32} {seconds:8.2f} s {speed}", flush=True)
    return seconds


def speed(bench: Bench) -> None:
    """Records per second of the loader and its peers, for small and big messages."""
    topics = {kind: bench.topic(kind) for kind in SIZES}
    loop = {kind: bench.topic(f"loop-{kind}") for kind in SIZES}
    warm = bench.topic("warm")
    for kind, records in SIZES.items():
        bench.produce(topics[kind], kind, records)
        bench.produce(loop[kind], kind, records // 20)
    bench.produce(warm, "small", 50_000)
    number = 0

    def loader(*kinds: str) -> None:
        nonlocal number
        number += 1
        # A new table per run, as each stream has one, and an existing ledger.
        with tempfile.TemporaryDirectory() as folder:
            mine = [topics[kind] for kind in kinds]
            said = loaded(
                config(Path(folder), f"{bench.id}_lake", *mine, table=f"{{topic}}_{number}")
            )
        records = sum(SIZES[kind] for kind in kinds)
        assert f"{records:,} records" in said.splitlines()[-1], said

    def peer(name: str) -> Callable[..., None]:
        def work(*kinds: str) -> None:
            words = ["-m", "benchmarks.spark_peer", name, bench.id]
            python(*words, *(topics[kind] for kind in kinds))

        return work

    def driver_loop(kind: str) -> None:
        left = SIZES[kind] // 20
        consumer = KafkaConsumer(
            loop[kind],
            bootstrap_servers=bench.servers,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            max_poll_records=5000,
        )
        while left:
            polled = consumer.poll(timeout_ms=1000)
            rows = [(e.key, e.value, e.offset) for part in polled.values() for e in part]
            if rows:
                frame = bench.spark.createDataFrame(rows, "key binary, value binary, offset bigint")
                frame.write.format("delta").mode("append").saveAsTable(f"{bench.id}.looped_{kind}")
                left -= len(rows)
        consumer.close()

    names = ("streaming", "streaming_same_options", "noop")
    peers: dict[str, Callable[..., object]] = {
        "loader": loader,
        **{name: peer(name) for name in names},
    }
    with tempfile.TemporaryDirectory() as folder:
        # On a shared JVM the first peer would pay for the compilation of code that all run; warm
        # up.
        for turn in range(WARM):
            loaded(config(Path(folder), f"{bench.id}_lake", warm, table=f"{{topic}}_{turn}"))
            for name in names:
                python("-m", "benchmarks.spark_peer", name, bench.id, warm)
    best: dict[tuple[str, str], float] = {}
    for turn in range(TURNS):
        for kinds in (("small",), ("big",), ("small", "big")):
            for name, work in peers.items():
                records = sum(SIZES[kind] for kind in kinds)
                label = "+".join(kinds)
                seconds = told(f"{name} {label} #{turn + 1}", timed(lambda: work(*kinds)), records)
                bench.again(bench.id)
                best[name, label] = min(best.get((name, label), seconds), seconds)
    for label in ("small", "big", "small+big"):
        for name in names:
            ratio = best[name, label] / best["loader", label]
            bench.ratios[f"vs_{name}_{label}"] = round(ratio, 2)
    for kind in SIZES:
        records = SIZES[kind] // 20
        seconds = told(f"driver loop {kind}", timed(lambda: driver_loop(kind)), records)
        ours = SIZES[kind] / best["loader", kind]
        bench.ratios[f"vs_driver_loop_{kind}"] = round(ours / (records / seconds), 2)
    dlt = dlt_environment()
    if dlt is None:
        print("dlt cannot be installed here: left out")
        return
    for kind in SIZES:
        records = SIZES[kind] // 20
        with tempfile.TemporaryDirectory() as folder:
            words = [bench.servers, loop[kind], str(records), folder]
            seconds = timed(
                lambda: subprocess.run(
                    [str(dlt), str(ROOT / "benchmarks" / "dlt_peer.py"), *words],
                    check=True,
                    capture_output=True,
                )
            )
        told(f"dlt {kind}", seconds, records)
        ours = SIZES[kind] / best["loader", kind]
        bench.ratios[f"vs_dlt_{kind}"] = round(ours / (records / seconds), 2)


def dlt_environment() -> Path | None:
    """The Python of a virtual environment with dlt; created if missing. None if that fails."""
    folder = ROOT / ".venv-bench"
    python = folder / "bin" / "python"
    if not (folder / ".installed").exists():
        try:
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
            needed = str(ROOT / "benchmarks/requirements.txt")
            words = ["-m", "pip", "install", "--quiet", "-r", needed]
            subprocess.run([python, *words], check=True)
        except subprocess.CalledProcessError:
            return None
        (folder / ".installed").touch()
    return python


_ONE_QUERY = """
import os
from pyspark.sql import SparkSession
spark = SparkSession.builder.remote(os.environ["SPARK_REMOTE"]).getOrCreate()
spark.sql("select 1").collect()
"""


def python(*words: str) -> str:
    """The output of ``python …`` in a process of its own."""
    done = subprocess.run(
        [sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def process(*words: str) -> float:
    """The best of five times of ``python …``."""
    return min(timed(lambda: python(*words)) for _ in range(5))


def loaded(file: str) -> str:
    """The loader's output of a run with the configuration ``file``."""
    return python("-m", "loader", "--config", file)


def config(folder: Path, lake: str, *topics: str, table: str = "{topic}") -> str:
    lines = [f'ledger = "{lake}.batches"']
    for topic in topics:
        lines += ["[[kafka.default.topics]]", f'topic = "{topic}"', f'table = "{lake}.{table}"']
    path = folder / f"{lake}.toml"
    path.write_text("\n".join(lines))
    return str(path)


def idle(bench: Bench) -> None:
    """The time of a run with nothing new, as a process, imports included."""
    one = bench.topic("idle")
    many = [bench.topic(f"idle-{number}", 1) for number in range(TOPICS)]
    bench.produce(one, "small", 1000)
    with tempfile.TemporaryDirectory() as name:
        few_file = config(Path(name), f"{bench.id}_few", one)
        many_file = config(Path(name), f"{bench.id}_many", *many)
        for file in (few_file, many_file):
            told("first run", timed(lambda: loaded(file)))
        session = told("one session, one query", process("-c", _ONE_QUERY))
        few = told("nothing new, one topic", process("-m", "loader", "--config", few_file))
        lots = told(f"nothing new, {TOPICS} topics", process("-m", "loader", "--config", many_file))
    bench.ratios["idle_vs_session"] = round(few / session, 2)
    bench.ratios[f"idle_{TOPICS}_vs_1"] = round(lots / few, 2)


def history(bench: Bench) -> None:
    """The same runs on a lake without history and on one with a long history."""
    times: dict[str, tuple[float, float]] = {}
    for name in ("young", "old"):
        lake = f"{bench.id}_{name}"
        topic = bench.topic(name)
        bench.produce(topic, "small", 1000)
        settings = bench.settings(lake, topic)
        bench.load(settings)
        bench.again(lake)
        if name == "old":
            age(bench, lake, topic)
        with tempfile.TemporaryDirectory() as folder:
            file = config(Path(folder), lake, topic)
            loaded(file)
            nothing = told(f"nothing new, {name}", process("-m", "loader", "--config", file))
            loads = []
            for _ in range(3):
                bench.produce(topic, "small", 1000)
                loads.append(timed(lambda: loaded(file)))
            times[name] = nothing, told(f"1,000 new, {name}", min(loads), 1000)
    bench.ratios["history_idle"] = round(times["old"][0] / times["young"][0], 2)
    bench.ratios["history_load"] = round(times["old"][1] / times["young"][1], 2)


def age(bench: Bench, lake: str, topic: str) -> None:
    """Give the table ``COMMITS`` commits of one file each, and the ledger ``LEDGER`` rows.

    The commits are written into the Delta log directly, like the loader's own, with copies of the
    first file's entry under other names: real appends would take an hour. The ledger's rows are
    written in files of fifty, as years of runs would have left them.
    """
    spark = bench.spark
    table = f"{lake}.{topic.replace('-', '_')}"
    found = spark.sql(f"describe detail {table}").collect()[0]
    log = Path(found["location"].removeprefix("file:").replace("%20", " ")) / "_delta_log"
    last = max(log.glob("*.json"))
    actions = [json.loads(line) for line in last.read_text().splitlines()]
    add = next(action for action in actions if "add" in action)
    mark = next(action for action in actions if "txn" in action)
    data = log.parent / add["add"]["path"]
    for number in range(2, COMMITS + 2):
        path = f"copy-{number}.parquet"
        (log.parent / path).hardlink_to(data)
        stats = json.loads(add["add"]["stats"])
        for side in ("minValues", "maxValues"):
            stats[side]["batch_id"] = number
        lines = [
            {"txn": {**mark["txn"], "version": number}},
            {"add": {**add["add"], "path": path, "stats": json.dumps(stats)}},
        ]
        version = int(last.stem) + number - 1
        (log / f"{version:020}.json").write_text("\n".join(json.dumps(line) for line in lines))
    # Write a checkpoint, as every fiftieth commit would have done.
    for interval in (1, 1, 50):
        spark.sql(
            f"alter table {table} set tblproperties ('delta.checkpointInterval' = '{interval}')"
        )
    ledger = f"{lake}.batches"
    columns = [column for column in spark.table(ledger).columns if column != "current"]
    rows = ", ".join("id as batch_id" if name == "batch_id" else name for name in columns)
    files = max(1, LEDGER // 50)
    spark.sql(
        f"insert into {ledger} ({', '.join(columns)}, current) "
        f"select /*+ repartition({files}) */ {rows}, false from {ledger}, "
        f"range(2, {LEDGER + 2}) where batch_id = 1"
    )
    # The newest row decides the position of the table.
    spark.sql(f"update {ledger} set batch_id = {COMMITS + 1} where current and batch_id = 1")


def layout(bench: Bench) -> None:
    """Layouts of raw tables: fifty small batches whose records are of three days."""
    spark = bench.spark
    columns = "batch_id bigint, partition int, offset bigint, timestamp timestamp, value binary"
    found = {}
    for name, more, clause, tasks in (
        ("plain", "", "", 1),
        ("plain_uncoalesced", "", "", PARTITIONS),
        ("by_date", ", day date", "partitioned by (day)", 1),
        ("clustered", "", "cluster by (batch_id)", 1),
    ):
        table = f"{bench.id}.layout_{name}"
        spark.sql(f"create table {table} ({columns}{more}) using delta {clause}")

        def append(number: int) -> None:
            rows = spark.range(2000, numPartitions=PARTITIONS).selectExpr(
                f"cast({number} as bigint) as batch_id",
                "cast(id % 4 as int) as partition",
                f"{number * 2000} + id as offset",
                "timestamp_seconds(1700000000 + id % 3 * 86400) as timestamp",
                f"cast({VALUES['small']} as binary) as value",
                *(
                    ["cast(timestamp_seconds(1700000000 + id % 3 * 86400) as date) as day"][
                        : len(more)
                    ]
                ),
            )
            rows.coalesce(tasks).write.format("delta").mode("append").saveAsTable(table)

        def newest() -> None:
            frame = spark.table(table).where("batch_id > 49")
            assert frame.selectExpr("count(value)").collect()[0][0] == 2000

        def files() -> tuple[int, int]:
            detail = spark.sql(f"describe detail {table}").collect()[0]
            return detail["numFiles"], len(spark.table(table).where("batch_id > 49").inputFiles())

        def fifty() -> None:
            for number in range(1, 51):
                append(number)

        appended = timed(fifty) / 50
        before = files(), min(timed(newest) for _ in range(3))
        optimized = timed(lambda: spark.sql(f"optimize {table}").collect())
        after = files(), min(timed(newest) for _ in range(3))
        found[name] = {
            "append_s": round(appended, 3),
            "files": before[0],
            "read_newest_s": round(before[1], 3),
            "optimize_s": round(optimized, 2),
            "files_after": after[0],
            "read_newest_after_s": round(after[1], 3),
        }
        print(name, found[name], flush=True)
    bench.facts["layout"] = found


@contextmanager
def highest(pids: dict[str, int]) -> Iterator[dict[str, int]]:
    """The highest resident memory of processes in bytes while the block runs."""
    peak = dict.fromkeys(pids, 0)
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.2):
            for name, pid in pids.items():
                try:
                    peak[name] = max(peak[name], psutil.Process(pid).memory_info().rss)
                except psutil.Error:
                    continue

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()


def backlog(bench: Bench) -> None:
    """A long backlog in rounds of five million records: memory must not grow with it."""
    peaks = {}
    for name, records in (("tenth", BACKLOG // 10), ("whole", BACKLOG)):
        topic = bench.topic(f"backlog-{name}")
        bench.produce(topic, "small", records)
        with tempfile.TemporaryDirectory() as folder:
            file = config(Path(folder), f"{bench.id}_{name}", topic)
            words = ["run", "--until-caught-up", "--max-records", "5000000"]
            start = time.perf_counter()
            loader = subprocess.Popen(
                [sys.executable, "-m", "loader", "--config", file, *words],
                cwd=ROOT,
                stdout=subprocess.DEVNULL,
            )
            server = bench.stack.spark.pid
            with highest({"loader": loader.pid, "server": server or 0}) as peak:
                assert loader.wait() == 0
        told(f"backlog of {records:,}", time.perf_counter() - start, records)
        peaks[name] = peak
        print({key: f"{value / 1e6:,.0f} MB" for key, value in peak.items()}, flush=True)
    bench.facts["backlog_peak_mb"] = {
        name: {key: round(value / 1e6) for key, value in peak.items()}
        for name, peak in peaks.items()
    }
    bench.ratios["backlog_memory_loader"] = round(
        peaks["whole"]["loader"] / peaks["tenth"]["loader"], 2
    )


def main() -> None:
    """Run the parts and print the ratios."""
    bench = Bench()
    for part in (speed, idle, history, layout, backlog):
        if part.__name__ in PARTS:
            print(f"--- {part.__name__}", flush=True)
            part(bench)
    for schema in bench.spark.sql(f"show schemas like '{bench.id}*'").collect():
        bench.spark.sql(f"drop schema {schema[0]} cascade")
    bench.admin.delete_topics(
        [topic for topic in bench.admin.list_topics() if topic.startswith(bench.id)]
    )
    sizes = {"records": SIZES, "backlog": BACKLOG, "topics": TOPICS, "ledger": LEDGER}
    print(
        json.dumps({"name": "loader", **sizes, "ratios": bench.ratios, **bench.facts}), flush=True
    )


if __name__ == "__main__":
    main()
