"""Lands a Kafka topic with dlt: a resource that uses confluent-kafka, into Parquet files.

``benchmarks.loader`` runs it in a virtual environment of its own: ``dlt_peer.py SERVERS TOPIC COUNT
DIR``. Like dlt's verified Kafka source, the resource consumes batches and yields a dictionary per
message.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dlt
from confluent_kafka import Consumer


def main(servers: str, topic: str, records: int, folder: str) -> None:
    """Read ``records`` messages of ``topic`` into Parquet below ``folder``."""

    @dlt.resource(name="messages", write_disposition="append", max_table_nesting=0)  # type: ignore[untyped-decorator]
    def messages() -> Iterator[list[dict[str, Any]]]:
        consumer = Consumer(
            {
                "bootstrap.servers": servers,
                "group.id": "dlt-peer",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
            }
        )
        consumer.subscribe([topic])
        left = records
        while left > 0:
            batch = consumer.consume(min(3000, left), timeout=5)
            left -= len(batch)
            yield [
                {
                    "topic": each.topic(),
                    "partition": each.partition(),
                    "offset": each.offset(),
                    "timestamp": each.timestamp()[1],
                    "key": each.key(),
                    "value": each.value(),
                }
                for each in batch
            ]
        consumer.close()

    pipeline = dlt.pipeline(
        "lacustre_peer",
        pipelines_dir=str(Path(folder) / "state"),
        destination=dlt.destinations.filesystem(str(Path(folder) / "lake")),
        dataset_name="raw",
        progress=None,
    )
    pipeline.run(messages(), loader_file_format="parquet")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
