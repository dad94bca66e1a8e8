"""The write of a batch of topics, and the count of its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil

from pyspark.sql import Column, DataFrame, Row, SparkSession
from pyspark.sql import functions as f

from loader.batch import Batch
from loader.content import Range
from loader.errors import Bug, DataLoss
from loader.lake import tables
from loader.lake.frames import united
from loader.remedies import of_topic
from loader.settings import Kafka
from loader.sources.kafka.reading import USUAL_POLL, Reader, exactly, is_odd, layers, records_of
from loader.sources.kafka.topic import Unreadable

_KAFKA_COLUMNS = """
    batch_id bigint comment 'Batch of raw.loader_batches that landed the record',
    topic string comment 'Kafka topic',
    partition int comment 'Partition of the topic',
    offset bigint comment 'Offset in the partition',
    timestamp timestamp comment 'Timestamp of the record (UTC); null outside the years 1 to 9999',
    timestamp_ms bigint comment 'Its milliseconds since 1970, where timestamp is null',
    timestamp_type int comment '0: set by the producer, 1: set by the broker',
    key binary comment 'Key, as it came',
    value binary comment 'Value, as it came; null is a tombstone',
    headers array<struct<key: string, value: binary>> comment 'Headers, in their order',
    loaded_at timestamp comment 'When the batch was written (UTC)'
"""
# Bounds of one task, which is one file: below the first its overhead dominates, above the second
# progress and memory get too coarse.
_TASK_RECORDS = (100_000, 1_000_000)
_TASK_BYTES = (32 << 20, 256 << 20)
# Largest record in bytes (8 MiB) that is read by parallel tasks; with a larger one, one task reads.
_ONE_TASK = 8 << 20
# Largest number of topics in a batch that are counted while they are written.
_OBSERVED = 4


def create_topic_table(spark: SparkSession, table: str) -> None:
    """Create the raw table for Kafka records if it does not exist."""
    tables.make_table(
        spark,
        table,
        _KAFKA_COLUMNS,
        comment="Kafka records as they came; only the loader writes here",
        properties={
            # Readers skip files by these columns; statistics of the payload would only cost time.
            "delta.dataSkippingStatsColumns": "batch_id,topic,partition,offset,timestamp",
            "delta.checkpointInterval": "50",
        },
    )


@dataclass(frozen=True)
class _Write:
    """The rows of one batch id: ranges by topic, and how many records a task holds at once."""

    spark: SparkSession
    kafka: Kafka
    ranges: Mapping[str, Sequence[Range]]
    polls: int

    def rows(self, size: float, largest: int) -> DataFrame:
        """The records, in a number of tasks, and so files, that suits ``size`` bytes."""
        each_range = [each for of_topic in self.ranges.values() for each in of_topic if each.span]
        span = sum(each.span for each in each_range)
        fewest, most = (
            max(ceil(span / _TASK_RECORDS[at]), ceil(size / _TASK_BYTES[at])) for at in (1, 0)
        )
        parts = layers(self.ranges)
        rows = united(
            [records_of(self.spark, self.kafka, each, fewest, self.polls) for each in parts]
        )
        if most < len(each_range) or largest > _ONE_TASK:
            rows = rows.coalesce(1 if largest > _ONE_TASK else most)
        return rows

    def exact_rows(self, read: Reader) -> DataFrame:
        """The records if Spark's source cannot read some of them."""
        return exactly(self.spark, self.kafka, self.ranges, read, self.polls)

    def is_empty(self) -> bool:
        """Whether Kafka has no record in the ranges."""
        return all(
            records_of(self.spark, self.kafka, layer, 0, self.polls).isEmpty()
            for layer in layers(self.ranges)
        )


def land_topics(
    spark: SparkSession,
    kafka: Kafka,
    batches: Sequence[Batch],
    size: float,
    read: Reader | None = None,
    polls: int = USUAL_POLL,
    largest: int = 0,
) -> list[Batch]:
    """Write one batch: ``batches`` are the topics of one table and batch id.

    Returns ``batches`` with ``records`` and ``bytes`` counted from the table. If the table already
    has the batch, it is only counted. ``size`` is the estimated number of bytes, which decides the
    number of files. ``polls`` is the number of records that a task holds at once, ``largest`` the
    size of the largest record in bytes. ``read`` reads records that Spark's source cannot read.

    Raises ``DataLoss`` for a record that cannot be landed, with the command that skips it, or if
    the table has the batch's mark but not its rows. Raises ``Bug`` if rows lie outside of the
    planned ranges.
    """
    first = batches[0]
    if not any(batch.has_data for batch in batches):
        return [_counted(batch, {}) for batch in batches]
    write = _Write(spark, kafka, {each.topic or "": each.stretches for each in batches}, polls)
    # The table may already have an unfinished batch, and Kafka may no longer have its records.
    if first.planned_at is None or not tables.holds(spark, first):
        try:
            whole = _append(write.rows(size, largest), batches)
        except Exception as error:
            if read is None or not is_odd(error):
                raise
            try:
                whole = _append(write.exact_rows(read), batches)
            except Unreadable as bad:
                batch = next(each for each in batches if each.topic == bad.topic)
                raise _set_aside(batch, bad) from error
        if whole:
            return whole
    counted = _held(spark, first)
    if not counted and not write.is_empty():
        held = f"the mark of batch {first.batch_id}, but not its rows"
        then = " (then `replay` lands again what Kafka still holds)."
        raise tables.rows_lost(spark, first, held, then)
    return [_counted(batch, counted) for batch in batches]


def _append(rows: DataFrame, batches: Sequence[Batch]) -> list[Batch]:
    """Commit ``rows`` with the mark of ``batches``; returns ``wholly_counted``."""
    first = batches[0]
    rows = rows.select(
        f.lit(first.batch_id).cast("bigint").alias("batch_id"),
        "*",
        f.current_timestamp().alias("loaded_at"),
    )
    content = {
        batch.topic: {
            r.partition: [r.from_offset, r.until_offset] for r in batch.readable if r.span
        }
        for batch in batches
    }
    counted = tables.append(rows, first, {"ranges": content}, _counts(batches))
    return wholly_counted(batches, counted)


def _set_aside(batch: Batch, error: Unreadable) -> DataLoss:
    """The error for a record of ``batch`` that cannot be landed."""
    at = f"{error.partition}:{error.offset}"
    remedy = of_topic("accept", batch, f"--skip {at} --reason 'cannot be read'")
    message = (
        f"Topic {batch.topic} partition {error.partition}: the record at offset {error.offset} "
        f"cannot be landed ({error}). Batch {batch.batch_id} of {batch.table_name} waits for it; "
        f"to go on without that record: {remedy}, then run again."
    )
    return DataLoss(
        message,
        remedy=remedy,
        table=batch.table_name,
        batch_id=batch.batch_id,
        topic=batch.topic,
        partition=error.partition,
        offset=error.offset,
    )


def _held(spark: SparkSession, batch: Batch) -> dict[tuple[str | None, int], Row]:
    """Counts of the rows of ``batch``'s id in its table, by topic and partition."""
    size = f.coalesce(f.length("key"), f.lit(0)) + f.coalesce(f.length("value"), f.lit(0))
    rows = (
        spark.table(batch.table_name)
        .where(f.col("batch_id") == batch.batch_id)
        .groupBy("topic", "partition")
        .agg(
            f.count("*").alias("records"),
            f.sum(size).alias("bytes"),
            f.min("offset").alias("first"),
            f.max("offset").alias("last"),
        )
        .collect()
    )
    return {(row["topic"], row["partition"]): row for row in rows}


def _counts(batches: Sequence[Batch]) -> dict[str, Column]:
    """The aggregates of each topic of ``batches`` that the write computes."""
    if len(batches) > _OBSERVED:
        return {}
    size = f.coalesce(f.length("key"), f.lit(0)) + f.coalesce(f.length("value"), f.lit(0))
    counts = {}
    for at, batch in enumerate(batches):
        mine = f.col("topic") == f.lit(batch.topic)
        one = len(batches) == 1
        counts[f"records_{at}"] = f.count(f.lit(1)) if one else f.count_if(mine)
        counts[f"bytes_{at}"] = f.sum(size if one else f.when(mine, size))
    return counts


def wholly_counted(batches: Sequence[Batch], observed: Mapping[str, int] | None) -> list[Batch]:
    """``batches`` with the counts that the write computed; empty unless each offset has a row.
    Otherwise only a query of the table gives the counts per partition.
    """
    whole = []
    for at, batch in enumerate(batches):
        if not observed or observed.get(f"records_{at}") != sum(e.span for e in batch.stretches):
            return []
        spans: dict[int, int] = {}
        for each in batch.stretches:
            spans[each.partition] = spans.get(each.partition, 0) + each.span
        ranges = tuple(replace(each, records=spans[each.partition]) for each in batch.ranges)
        records = sum(each.records or 0 for each in ranges)
        size = observed[f"bytes_{at}"] or 0
        whole.append(replace(batch.with_ranges(ranges), records=records, bytes=size))
    return whole


def _counted(batch: Batch, counted: Mapping[tuple[str | None, int], Row]) -> Batch:
    """``batch`` with the counts from its table; raises ``Bug`` if rows lie outside of the planned
    ranges.
    """
    ranges, size = [], 0
    for each in batch.ranges:
        row = counted.get((batch.topic, each.partition))
        if row is None:
            ranges.append(replace(each, records=0))
            continue
        if (
            row["records"] > each.span
            or row["first"] < each.from_offset
            or row["last"] >= each.until_offset
        ):
            message = (
                f"Batch {batch.batch_id} of {batch.table_name} holds {row['records']} records "
                f"of {batch.topic} partition {each.partition}, offsets {row['first']} to "
                f"{row['last']}, but {each.from_offset} to {each.until_offset - 1} were "
                "planned. The batch stays open in the ledger."
            )
            raise Bug(message, table=batch.table_name, batch_id=batch.batch_id)
        ranges.append(replace(each, records=row["records"]))
        size += row["bytes"]
    records = sum(each.records or 0 for each in ranges)
    return replace(batch.with_ranges(ranges), records=records, bytes=size)
