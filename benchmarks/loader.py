"""`make bench-loader`: the loader against other ways to land the same topic in Delta.

Prints records a second of each, and as the last line one JSON object with ratios, our speed
divided by the peer's:

- ``vs_noop``: Spark's Kafka source read into nothing, the limit of any JVM reader
- ``vs_streaming``: Structured Streaming, ``availableNow``, into Delta
- ``vs_driver_loop``: a consumer in the driver that appends a DataFrame per poll, as home-made jobs

The driver loop reads a tenth of the records, since it takes ten times as long.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import KafkaAdminClient
from pyspark.sql import SparkSession

from loader import run
from loader.settings import Kafka, Settings, Topic
from stack import Stack

RECORDS = int(os.environ.get("BENCH_RECORDS", "500000"))
PARTITIONS = 4
# As a meter event is sent; about 180 bytes with its key.
VALUE = (
    b'{"event_20240301.csv_row%08d": "20240301000000,2024-03-01 00:00:00,'
    b'2024-03-01 12:00:00,ev_C,C,17,"}'
)


def produce(servers: str, topic: str, records: int) -> None:
    """Make ``topic`` anew with ``records`` small records over its partitions."""
    admin = KafkaAdminClient(bootstrap_servers=servers)
    admin.create_topics({topic: {"num_partitions": PARTITIONS}}, wait_for_metadata=True)
    admin.close()
    producer = KafkaProducer(bootstrap_servers=servers, linger_ms=50, batch_size=1 << 20)
    for number in range(records):
        key = b"meter-%06d-of-a-park-with-a-long-name-so-that-the-key-counts-too" % (number % 997)
        producer.send(topic, key=key, value=VALUE % number, partition=number % PARTITIONS)
    producer.flush()
    producer.close()


def measured(name: str, records: int, work: Callable[[], None]) -> float:
    """Records a second of ``work``, told on the way."""
    start = time.perf_counter()
    work()
    speed = records / (time.perf_counter() - start)
    print(f"{name:14} {speed:12,.0f} records/s")
    return speed


def main() -> None:
    """Run all peers on one topic, the loader twice: the first run warms everybody's JVM."""
    stack = Stack()
    stack.up()
    servers = stack.endpoints.kafka_bootstrap_servers
    os.environ.update(stack.env())
    run_id = f"{int(time.time())}"
    topics = {name: f"bench-{name}-{run_id}" for name in ("warm", "small", "loop")}
    for name, topic in topics.items():
        produce(servers, topic, RECORDS if name == "small" else RECORDS // 10)

    def load(name: str) -> None:
        settings = Settings(
            spark_remote=stack.endpoints.spark_remote,
            ledger=f"bench_{run_id}.batches",
            kafka={
                "bench": Kafka(
                    bootstrap_servers=servers,
                    topics=(Topic(topic=topics[name], table=f"bench_{run_id}.{name}"),),
                )
            },
        )
        with run.opened(settings) as loader:
            outcome = loader.run(told=lambda _: None, noted=lambda _: None)
        assert not outcome.errors, outcome.errors

    load("warm")
    ours = measured("loader", RECORDS, lambda: load("small"))
    spark = SparkSession.builder.remote(stack.endpoints.spark_remote).getOrCreate()
    source = {
        "kafka.bootstrap.servers": servers,
        "subscribe": topics["small"],
        "startingOffsets": "earliest",
        "includeHeaders": "true",
    }

    def noop() -> None:
        spark.read.format("kafka").options(**source).load().write.format("noop").mode(
            "overwrite"
        ).save()

    def streaming() -> None:
        with tempfile.TemporaryDirectory() as folder:
            query = (
                spark.readStream.format("kafka")
                .options(**source)
                .load()
                .writeStream.format("delta")
                .option("checkpointLocation", str(Path(folder) / "checkpoint"))
                .trigger(availableNow=True)
                .toTable(f"bench_{run_id}.streamed")
            )
            query.awaitTermination()

    def driver_loop() -> None:
        consumer = KafkaConsumer(
            topics["loop"],
            bootstrap_servers=servers,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            max_poll_records=5000,
        )
        left = RECORDS // 10
        while left:
            polled = consumer.poll(timeout_ms=1000)
            rows = [
                (each.key, each.value, each.offset) for part in polled.values() for each in part
            ]
            if rows:
                frame = spark.createDataFrame(rows, "key binary, value binary, offset bigint")
                frame.write.format("delta").mode("append").saveAsTable(f"bench_{run_id}.looped")
                left -= len(rows)
        consumer.close()

    peers = {
        "noop": measured("noop", RECORDS, noop),
        "streaming": measured("streaming", RECORDS, streaming),
        "driver_loop": measured("driver loop", RECORDS // 10, driver_loop),
    }
    spark.sql(f"drop schema bench_{run_id} cascade")
    spark.stop()
    ratios = {f"vs_{name}": round(ours / speed, 2) for name, speed in peers.items()}
    print(json.dumps({"name": "loader", "records": RECORDS, "ratios": ratios}))


if __name__ == "__main__":
    main()
