"""A peer of `make bench-loader` in a process of its own, like the loader.

``python -m benchmarks.spark_peer streaming|streaming_same_options|noop <schema> <topic>…`` opens a
session of the Connect server at SPARK_REMOTE and reads each topic. ``streaming`` writes into a new
Delta table with Structured Streaming and a new checkpoint until it has caught up, one query after
the other, as in Spark's guide. ``streaming_same_options`` does the same with the loader's Kafka
options. ``noop`` reads with these options and discards the rows.
"""

from __future__ import annotations

import os
import sys
import tempfile
import uuid
from pathlib import Path

from pyspark.sql import SparkSession

from loader.settings import Kafka
from loader.sources.kafka.client import spark_properties
from loader.sources.kafka.sizes import POLLS


def main(kind: str, schema: str, *topics: str) -> None:
    """Read ``topics`` in the way ``kind``."""
    spark = SparkSession.builder.remote(os.environ["SPARK_REMOTE"]).getOrCreate()
    cluster = Kafka(bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"])
    options = {
        "kafka.bootstrap.servers": cluster.bootstrap_servers,
        **({} if kind == "streaming" else spark_properties(cluster, POLLS[0])),
        "startingOffsets": "earliest",
        "includeHeaders": "true",
    }
    for topic in topics:
        if kind == "noop":
            frame = spark.read.format("kafka").options(**options, subscribe=topic).load()
            frame.write.format("noop").mode("overwrite").save()
            continue
        with tempfile.TemporaryDirectory() as folder:
            query = (
                spark.readStream.format("kafka")
                .options(**options, subscribe=topic)
                .load()
                .writeStream.format("delta")
                .option("checkpointLocation", str(Path(folder) / "checkpoint"))
                .trigger(availableNow=True)
                .toTable(f"{schema}.streamed_{uuid.uuid4().hex}")
            )
            query.awaitTermination()
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
