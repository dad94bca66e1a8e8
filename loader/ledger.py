"""The ledger: a Delta table that says which batch of which raw table holds which offsets.

A batch is written here as ``planned``, with its ranges, before its data is written, and closed as
``committed`` after. Both steps are compare-and-set: planning inserts a batch only where the ledger
has none of that number, closing changes only what is still planned. That fixes what batch N of a
table holds before anything is written, for every loader, for ever.
"""

from __future__ import annotations

import os
import platform
import uuid
from collections.abc import Sequence
from typing import Any

import psutil
from pyspark.sql import DataFrame, Row, SparkSession, Window
from pyspark.sql import functions as f

from loader.errors import Bug, Fenced
from loader.land import until_no_conflict
from loader.plan import COMMITTED, PLANNED, Batch, File, Position, Range

_RANGES = "array<struct<partition: int, from_offset: bigint, until_offset: bigint>>"
_FILES = "array<struct<path: string, size: bigint, modified_at: timestamp, checksum: string>>"
# The kernel counts a start in ticks since boot; as a time of day it varies by less than this.
_SAME_START_MS = 2000


def new_owner() -> str:
    """Who this process is: ``host/pid/start/random``, so that a reader can tell if it lives."""
    process = psutil.Process()
    start = int(process.create_time() * 1000)
    return f"{platform.node()}/{os.getpid()}/{start}/{uuid.uuid4().hex[:12]}"


def is_alive(owner: str) -> bool:
    """Whether ``owner`` is a running process of this machine (False when it cannot be told).

    A wrong answer costs a sentence or some work twice, never a record: see ``land``.
    """
    parts = owner.split("/")
    if len(parts) != 4 or parts[0] != platform.node():
        return False
    try:
        process = psutil.Process(int(parts[1]))
        if abs(process.create_time() * 1000 - int(parts[2])) > _SAME_START_MS:
            return False  # the pid went round
        return bool(process.status() != psutil.STATUS_ZOMBIE)  # ended, but not collected
    except (psutil.Error, ValueError):
        return False


class Ledger:
    """Reads and writes the ledger table ``name`` (``schema.table``); creates it when missing."""

    def __init__(self, spark: SparkSession, name: str) -> None:
        self._spark = spark
        self.name = name
        self.owner = new_owner()

    def create(self) -> None:
        """Make the ledger table; no-op where it exists."""
        statement = f"""
            create table if not exists {self.name} (
                table_name string not null comment 'Raw table, schema.name',
                batch_id bigint not null comment 'Number of the batch, growing by one per table',
                source string not null comment 'Section of loader.toml: kafka.name, files.name',
                topic string comment 'Kafka topic; null for files',
                topic_id string comment 'Id of the topic when the batch was planned',
                table_id string not null comment 'Delta id of the raw table',
                ranges {_RANGES} comment 'Offsets per partition: from, until (exclusive)',
                files {_FILES} comment 'Files; an empty checksum: changed while it was read',
                state string not null comment 'planned or committed',
                owner string not null comment 'host/pid/start/random of the loader that planned it',
                records bigint comment 'Rows of the batch in the raw table, counted after writing',
                bytes bigint comment 'Bytes of keys and values; for files their size',
                closed_by string comment 'Loader that closed the batch: its owner or its successor',
                planned_at timestamp not null comment 'When the batch was planned (UTC)',
                committed_at timestamp comment 'When the batch was closed (UTC)'
            ) using delta
            comment 'What the loader loaded: one row per batch, source and topic'
            """
        until_no_conflict(lambda: self._spark.sql(statement), self.name)

    def knows(self, table: str) -> bool:
        """Whether the ledger has any batch of ``table``."""
        if not self._spark.catalog.tableExists(self.name):
            return False
        return not self._spark.table(self.name).where(f.col("table_name") == table).isEmpty()

    def positions(self, tables: Sequence[str]) -> dict[str, Position]:
        """Where each of ``tables`` stands; a table without any batch has an empty position."""
        ledger = self._spark.table(self.name).where(f.col("table_name").isin(*tables))
        newest = Window.partitionBy("table_name", "source", "topic").orderBy(f.desc("batch_id"))
        rows = (
            ledger.withColumn("age", f.row_number().over(newest))
            .where((f.col("age") == 1) | (f.col("state") == PLANNED))
            .collect()
        )
        files = (
            ledger.where(f.col("state") == COMMITTED)
            .select("table_name", "batch_id", f.explode("files").alias("file"))
            .groupBy("table_name", f.col("file.path").alias("path"))
            .agg(f.max_by("file", "batch_id").alias("file"))
            .collect()
        )
        positions = {}
        for table in tables:
            batches = [_batch(row) for row in rows if row["table_name"] == table]
            positions[table] = Position(
                last_batch_id=max((batch.batch_id for batch in batches), default=0),
                unfinished=tuple(batch for batch in batches if batch.state == PLANNED),
                newest={
                    (batch.source, batch.topic): batch
                    for batch in sorted(batches, key=lambda batch: batch.batch_id)
                },
                files={
                    row["path"]: _file(row["file"]) for row in files if row["table_name"] == table
                },
            )
        return positions

    def propose(self, batches: Sequence[Batch]) -> tuple[list[Batch], list[Fenced]]:
        """Write ``batches`` as planned by us; one statement serves them all.

        Returns those that are ours now, and an error for each table where another loader was
        quicker. Rows of one (table, batch id) are planned together or not at all.
        """
        if not batches:
            return [], []
        source = self._rows(batches)
        columns = "table_name, batch_id, source, topic, topic_id, table_id, ranges, files"
        self._compare_and_set(
            source,
            f"""
            merge into {self.name} as ledger using {{source}} as batch
            on ledger.table_name = batch.table_name and ledger.batch_id = batch.batch_id
            when not matched then insert ({columns}, state, owner, planned_at)
            values ({columns}, '{PLANNED}', '{self.owner}', current_timestamp())
            """,
        )
        owners = self._who("owner", source)
        ours, fenced = [], {}
        for batch in batches:
            owner = owners[batch.table_name, batch.batch_id]
            if owner == self.owner:
                ours.append(batch)
            else:
                fenced[batch.table_name] = fenced_by(batch, owner)
        return ours, list(fenced.values())

    def close(self, batches: Sequence[Batch]) -> tuple[list[Batch], list[Fenced]]:
        """Mark ``batches``, whose data is committed and counted, as committed.

        Returns those that this call closed, and an error for each that another loader closed
        first.
        """
        if not batches:
            return [], []
        source = self._rows(batches)
        answer = self._compare_and_set(
            source,
            f"""
            merge into {self.name} as ledger using {{source}} as batch
            on ledger.table_name = batch.table_name and ledger.batch_id = batch.batch_id
                and ledger.source = batch.source and ledger.topic <=> batch.topic
                and ledger.state = '{PLANNED}'
            when matched then update set
                state = '{COMMITTED}', files = batch.files,
                records = batch.records, bytes = batch.bytes,
                committed_at = current_timestamp(), closed_by = '{self.owner}'
            """,
        )
        if answer["num_updated_rows"] == len(batches):
            return list(batches), []
        closers = self._who("closed_by", source)
        ours, fenced = [], []
        for batch in batches:
            closer = closers.get((batch.table_name, batch.batch_id))
            if closer == self.owner:
                ours.append(batch)
            elif closer:
                fenced.append(fenced_by(batch, closer))
            else:
                message = (
                    f"Batch {batch.batch_id} of {batch.table_name} did not close: its row in "
                    f"{self.name} is gone or was changed by hand. Its data is in the table."
                )
                raise Bug(message, table=batch.table_name, batch_id=batch.batch_id)
        return ours, fenced

    def _who(self, column: str, batches: DataFrame) -> dict[tuple[str, int], str]:
        """The value of ``column`` in the ledger for each (table, batch id) of ``batches``."""
        keys = batches.select("table_name", "batch_id").distinct()
        found = (
            self._spark.table(self.name)
            .join(keys, ["table_name", "batch_id"])
            .select("table_name", "batch_id", column)
            .distinct()
            .collect()
        )
        return {(row["table_name"], row["batch_id"]): row[column] for row in found}

    def _rows(self, batches: Sequence[Batch]) -> DataFrame:
        rows = [
            (
                batch.table_name,
                batch.batch_id,
                batch.source,
                batch.topic,
                batch.topic_id,
                batch.table_id,
                [(each.partition, each.from_offset, each.until_offset) for each in batch.ranges],
                [(each.path, each.size, each.modified_at, each.checksum) for each in batch.files],
                batch.records,
                batch.bytes,
            )
            for batch in batches
        ]
        schema = (
            "table_name string, batch_id bigint, source string, topic string, topic_id string, "
            f"table_id string, ranges {_RANGES}, files {_FILES}, records bigint, bytes bigint"
        )
        return self._spark.createDataFrame(rows, schema)

    def _compare_and_set(self, source: DataFrame, statement: str) -> Row:
        """Run ``statement`` on ``{source}`` until it does not conflict with another loader."""

        def run() -> Row:
            answer: Row = self._spark.sql(statement, source=source).collect()[0]
            return answer

        return until_no_conflict(run, self.name)


def fenced_by(batch: Batch, owner: str) -> Fenced:
    """The error for a batch of ``batch``'s table that belongs to another loader."""
    message = (
        f"Another loader ({owner or 'unknown'}) has batch {batch.batch_id} of {batch.table_name}; "
        "left it alone. Run again when that one is done."
    )
    return Fenced(message, table=batch.table_name, batch_id=batch.batch_id, owner=owner)


def _file(value: Any) -> File:
    return File(value["path"], value["size"], value["modified_at"], value["checksum"])


def _batch(row: Row) -> Batch:
    return Batch(
        table_name=row["table_name"],
        batch_id=row["batch_id"],
        source=row["source"],
        topic=row["topic"],
        topic_id=row["topic_id"],
        table_id=row["table_id"],
        ranges=tuple(
            Range(each["partition"], each["from_offset"], each["until_offset"])
            for each in row["ranges"] or ()
        ),
        files=tuple(_file(each) for each in row["files"] or ()),
        state=row["state"],
        owner=row["owner"],
        planned_at=row["planned_at"],
        committed_at=row["committed_at"],
        records=row["records"],
        bytes=row["bytes"],
    )
