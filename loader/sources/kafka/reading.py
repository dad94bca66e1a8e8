"""Reads the records of ranges with Spark, also those that Spark's Kafka source cannot read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import ceil

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f

from loader.content import Range
from loader.lake.frames import held, united
from loader.lake.spark_errors import trace
from loader.settings import Kafka
from loader.sources.kafka.client import spark_properties
from loader.sources.kafka.sizes import POLLS
from loader.sources.kafka.topic import Record

# Number of records per poll of a task's consumer if their sizes are unknown.
USUAL_POLL = POLLS[1]
# For timestamps before 1582, Spark's source uses Java's old calendar classes, which shift days. It
# fails if microseconds exceed 64 bits. Python and SQL support the years 1 to 9999.
_GREGORIAN = "timestamp '1582-10-15 00:00:00 UTC'"
_FIRST_MS, _LAST_MS = -62_135_596_800_000, 253_402_300_799_999
_SHIFTED = "LACUSTRE_TIMESTAMP_BEFORE_1582"
# Texts of errors of Spark's source at records that kafka-python can read, or report more precisely.
_ODD = (_SHIFTED, "long overflow", "seek past the record", "CorruptRecordException")
# If Spark's source cannot read a piece of a partition, the piece is halved, down to this number of
# offsets, or until the partition has this number of pieces. The failing pieces that remain are read
# record by record.
_PIECE, _PIECES = 10_000, 64
# Largest number of records, and of bytes, per data frame of records that were read one by one.
_CHUNK, _CHUNK_BYTES = 5_000, 16 << 20
_RECORD_SCHEMA = (
    "topic string, partition int, offset bigint, ms bigint, timestamp_type int, key binary, "
    "value binary, headers array<struct<key: string, value: binary>>"
)
# Reads the records of a topic and partition from one offset until another (exclusive), one by one.
Reader = Callable[[str, int, int, int], Iterable[Record]]


def is_odd(error: Exception) -> bool:
    """Whether ``error`` comes from a record that Spark's Kafka source cannot
    read; see ``exactly``.
    """
    text = f"{error}\n{trace(error)}"
    return any(sign in text for sign in _ODD)


def records_of(
    spark: SparkSession,
    kafka: Kafka,
    ranges: Mapping[str, Sequence[Range]],
    tasks: int = 0,
    polls: int = USUAL_POLL,
) -> DataFrame:
    """The records of ``ranges``, by topic, in at least ``tasks`` tasks of ``polls`` records at
    once. Each partition has one range.

    If a timestamp is after the year 9999, ``timestamp`` is null and ``timestamp_ms`` has the
    number. The read fails with an error for which ``is_odd`` is true if a timestamp is before 1582
    or cannot be read by Spark's source.
    """
    wanted = {topic: [each for each in each_of if each.span] for topic, each_of in ranges.items()}
    wanted = {topic: each_of for topic, each_of in wanted.items() if each_of}
    assign = {topic: [each.partition for each in rs] for topic, rs in wanted.items()}
    starting = {
        topic: {str(r.partition): r.from_offset for r in rs} for topic, rs in wanted.items()
    }
    ending = {topic: {str(r.partition): r.until_offset for r in rs} for topic, rs in wanted.items()}
    reader = (
        spark.read.format("kafka")
        .options(**spark_properties(kafka, polls))
        .option("assign", json.dumps(assign))
        .option("startingOffsets", json.dumps(starting))
        .option("endingOffsets", json.dumps(ending))
        .option("includeHeaders", "true")
        .option("failOnDataLoss", "true")
    )
    if tasks > sum(len(each_of) for each_of in wanted.values()):
        reader = reader.option("minPartitions", str(tasks))
    return reader.load().select(
        "topic",
        "partition",
        "offset",
        f.expr(
            f"case when timestamp < {_GREGORIAN} then raise_error('{_SHIFTED}')"
            f" when timestamp <= timestamp_millis({_LAST_MS}L) then timestamp end"
        ).alias("timestamp"),
        f.expr(
            f"if(timestamp > timestamp_millis({_LAST_MS}L), unix_millis(timestamp), null)"
        ).alias("timestamp_ms"),
        f.col("timestampType").alias("timestamp_type"),
        "key",
        "value",
        "headers",
    )


def layers(ranges: Mapping[str, Sequence[Range]]) -> list[dict[str, list[Range]]]:
    """``ranges`` divided so that each part has at most one range per partition, which is what one
    read of Spark's source can take.
    """
    parts: list[dict[str, list[Range]]] = []
    for topic, of_topic in ranges.items():
        seen: dict[int, int] = {}
        for each in of_topic:
            if each.span:
                at = seen[each.partition] = seen.get(each.partition, -1) + 1
                parts += [{} for _ in range(at + 1 - len(parts))]
                parts[at].setdefault(topic, []).append(each)
    return parts


def exactly(
    spark: SparkSession,
    kafka: Kafka,
    ranges: Mapping[str, Sequence[Range]],
    read: Reader,
    polls: int = USUAL_POLL,
) -> DataFrame:
    """The records of ``ranges`` if ``records_of`` fails; ``read`` reads the pieces that fail.

    Raises ``Unreadable`` for a record that ``read`` cannot read either.
    """
    ordinary: dict[str, list[Range]] = {}
    frames: list[DataFrame] = []
    for topic, of_topic in ranges.items():
        for whole in of_topic:
            good: list[Range] = []
            for piece, is_ordinary in _pieces(spark, kafka, topic, whole, polls):
                if not is_ordinary:
                    frames += _read_exactly(spark, topic, piece, read)
                elif good and good[-1].until_offset == piece.from_offset:
                    good[-1] = replace(good[-1], until_offset=piece.until_offset)
                else:
                    good.append(piece)
            ordinary.setdefault(topic, []).extend(good)
    frames += [records_of(spark, kafka, layer, 0, polls) for layer in layers(ordinary)]
    if not frames:
        frames.append(_exact_frame(spark, []))
    return united(frames)


def _pieces(
    spark: SparkSession, kafka: Kafka, topic: str, whole: Range, polls: int
) -> Iterator[tuple[Range, bool]]:
    """``whole`` in pieces, in order, each with whether Spark's source can read it."""
    least = max(_PIECE, ceil(whole.span / _PIECES))
    left = [whole] if whole.span else []
    while left:
        piece = left.pop()
        try:
            records_of(spark, kafka, {topic: [piece]}, 0, polls).agg(
                f.max("timestamp"), f.max("timestamp_ms")
            ).collect()
        except Exception as error:
            if not is_odd(error):
                raise
        else:
            yield piece, True
            continue
        if piece.span <= least:
            yield piece, False
            continue
        middle = piece.from_offset + piece.span // 2
        left += [replace(piece, from_offset=middle), replace(piece, until_offset=middle)]


def _read_exactly(
    spark: SparkSession, topic: str, piece: Range, read: Reader
) -> Iterator[DataFrame]:
    """The records of ``piece``, read one by one, in data frames of limited size."""
    chunk: list[Record] = []
    size = 0
    for record in read(topic, piece.partition, piece.from_offset, piece.until_offset):
        if chunk and (len(chunk) >= _CHUNK or size + record.size > _CHUNK_BYTES):
            yield _exact_frame(spark, chunk)
            chunk, size = [], 0
        chunk.append(record)
        size += record.size
    if chunk:
        yield _exact_frame(spark, chunk)


def _exact_frame(spark: SparkSession, records: Sequence[Record]) -> DataFrame:
    """``records`` with the columns of ``records_of``, kept by Spark."""
    rows = [
        (
            each.topic,
            each.partition,
            each.offset,
            each.timestamp_ms,
            each.timestamp_type,
            each.key,
            each.value,
            [*each.headers] or None,
        )
        for each in records
    ]
    is_time = f.col("ms").between(_FIRST_MS, _LAST_MS)
    frame = spark.createDataFrame(rows, _RECORD_SCHEMA).select(
        "topic",
        "partition",
        "offset",
        f.when(is_time, f.timestamp_millis("ms")).alias("timestamp"),
        f.when(~is_time, f.col("ms")).alias("timestamp_ms"),
        "timestamp_type",
        "key",
        "value",
        "headers",
    )
    return held(frame) if records else frame
