"""Spark's side of the loader: the session, the raw tables, and the writes.

Data and its mark go into one Delta commit: ``txnAppId`` names the raw table (by its Delta id),
``txnVersion`` is the batch id, so Delta itself skips a batch that is already there, and refuses the
second of two writers that write the same batch at the same moment. ``insertInto`` drops that mark
silently, hence ``saveAsTable``.
"""

from __future__ import annotations

import json
import os
import re
import socket
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from math import ceil
from typing import Any, TypeVar
from urllib.parse import unquote

import grpc
from pydantic import ByteSize, TypeAdapter, ValidationError
from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame, DataFrameWriter, Observation, Row, SparkSession
from pyspark.sql import functions as f
from pyspark.sql.connect.client import ChannelBuilder, DefaultChannelBuilder
from pyspark.sql.connect.client.retries import DefaultPolicy
from pyspark.sql.types import ArrayType, DataType, MapType, StructType

from loader.errors import (
    Bug,
    ConfigurationError,
    DataLoss,
    Fenced,
    LoaderError,
    SourceUnavailable,
)
from loader.files import as_literal, as_unreadable, check_lines, unchanged
from loader.kafka import Record, Unreadable, spark_properties
from loader.plan import Batch, File, Position, Range, command
from loader.settings import Files, Kafka, Settings, located, shown_remote
from loader.sizes import POLLS
from loader.spark_errors import cause, is_gone, reason, trace

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
# How Delta refuses to make a table whose folder has something in it.
_NOT_EMPTY = "[DELTA_CREATE_TABLE_WITH_NON_EMPTY_LOCATION"
# How Delta refuses a statement since another writer committed in between. Asked again, the
# statement sees that commit and decides by it. More in a row than this are no accident.
_CONFLICTS = (
    "[DELTA_CONCURRENT_",
    "[DELTA_PROTOCOL_CHANGED",
    "[DELTA_METADATA_CHANGED",
    # Two that make one table: the other's first commit is half there, or was quicker.
    _NOT_EMPTY,
    "[TABLE_OR_VIEW_ALREADY_EXISTS",
    "[DELTA_TABLE_ALREADY_EXISTS",
)
_ATTEMPTS = 20
# A task, and so a file, is worth its overhead from about so many records or bytes on, and a longer
# one would only make progress and memory coarse.
_TASK_RECORDS = (100_000, 1_000_000)
_TASK_BYTES = (32 << 20, 256 << 20)
# Records that a task takes from its consumer at a time, where their sizes are not known.
_POLLS = POLLS[1]
# How Parquet is written where records are large. By default it looks at its pages after a hundred
# records and keeps 128 MB of rows; and a reader holds the rows of a group at once, unpacked.
_LARGE = {
    "parquet.page.size.row.check.min": "1",
    "parquet.page.size.row.check.max": "1",
    "parquet.block.size": str(16 << 20),
}
_GROUP_ROWS, _GROUPS = "parquet.block.row.count.limit", 10_000
# Records of more bytes are read by one task, whatever the number of cores.
_ONE_TASK = 8 << 20
# A dead Connect server is told of after about five seconds instead of ten minutes.
_ACCEPT = "`python -m loader accept --table {} --batches {}-{}`"
_RETRIES, _BACKOFF_MS = 5, 2000
# A statement may take hours, so it has no deadline; but a server that does not even answer a ping
# for so long is gone. Servers refuse clients that ping more often than every five minutes.
ChannelBuilder.GRPC_DEFAULT_OPTIONS = [
    *ChannelBuilder.GRPC_DEFAULT_OPTIONS,
    ("grpc.keepalive_time_ms", 310_000),
    ("grpc.keepalive_timeout_ms", 20_000),
]
# What a statement on a few rows is quicker with: nothing compiled, planned once, one task.
_SMALL = {
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.shuffle.partitions": "1",
    # Few files, found by their partition; and rows given in the statement, which stay as they are.
    "spark.databricks.delta.stats.collect": "false",
    "spark.databricks.delta.merge.materializeSource": "none",
}
# Topics of one batch whose rows and bytes are counted while they are written.
_OBSERVED = 4
# With it, Delta forgets the marks of old batches, and a batch that is tried again lands twice.
_FORGETS = "delta.setTransactionRetentionDuration"

# Spark's source reads the calendar of before 1582 as Java's old classes do, which shifts days, and
# fails where microseconds pass 64 bits. Python and SQL know the years 1 to 9999.
_GREGORIAN = "timestamp '1582-10-15 00:00:00 UTC'"
_FIRST_MS, _LAST_MS = -62_135_596_800_000, 253_402_300_799_999
_SHIFTED = "LACUSTRE_TIMESTAMP_BEFORE_1582"
# How a read fails that Spark's source cannot do and another client can, or can say more of.
_ODD = (_SHIFTED, "long overflow", "seek past the record", "CorruptRecordException")
# If Spark's source cannot read a piece of a partition, the piece is halved, down to this number of
# offsets, or until the partition has this number of pieces. What is left is read record by record.
_PIECE, _PIECES = 10_000, 64
# Records, and their bytes, that go to Spark in one chunk then.
_CHUNK, _CHUNK_BYTES = 5_000, 16 << 20
_RECORD_SCHEMA = (
    "topic string, partition int, offset bigint, ms bigint, timestamp_type int, key binary, "
    "value binary, headers array<struct<key: string, value: binary>>"
)

_Answer = TypeVar("_Answer")
# Reads records of a topic and partition, from an offset until another, one by one.
Reader = Callable[[str, int, int, int], Iterable[Record]]


def until_no_conflict(run: Callable[[], _Answer], table: str) -> _Answer:
    """What ``run``, a statement that writes ``table``, answers once no other writer is in its way.

    Raises ``Fenced`` when there is always one.
    """
    last = ""
    for attempt in range(_ATTEMPTS):
        try:
            return run()
        except Exception as error:
            if not any(conflict in str(error) for conflict in _CONFLICTS):
                raise
            last = reason(error)
        time.sleep(0.1 * attempt)
    message = (
        f"{table} had a conflicting writer {_ATTEMPTS} times in a row ({last}); run again later."
    )
    raise Fenced(message, table=table)


def is_odd(error: Exception) -> bool:
    """Whether Spark's Kafka source met a record that it cannot read as it is: see ``exactly``."""
    text = f"{error}\n{trace(error)}"
    return any(sign in text for sign in _ODD)


def connect(settings: Settings, *, small: bool = False) -> SparkSession:
    """A session of the Spark Connect server at ``spark_remote``, or an own one when that is empty;
    with ``small`` one for statements on a few rows, which are planned and not compiled.

    Raises ``SourceUnavailable`` when nothing listens there: a Connect client would otherwise
    retry for minutes.
    """
    remote = located(settings).spark_remote
    if not remote:
        # pyspark takes an empty address for one, and a flag of an earlier session for a wish.
        for name in ("SPARK_REMOTE", "SPARK_CONNECT_MODE_ENABLED"):
            os.environ.pop(name, None)
        own = SparkSession.builder.appName("lacustre-loader").enableHiveSupport().getOrCreate()
        if not small:
            return own
        session = own.newSession()
        for name, value in _SMALL.items():
            session.conf.set(name, value)
        return session
    shown = shown_remote(remote)
    match = re.fullmatch(r"sc://(\[[^\]]+\]|[^:/;]+)(?::(\d+))?(/.*)?", remote)
    if match is None:
        message = (
            f"spark_remote must look like sc://host:port, with /;key=value behind it where needed; "
            f"the one for {shown!r} does not."
        )
        raise ConfigurationError(message, spark_remote=shown)
    host, port = match[1].strip("[]"), int(match[2] or 15002)
    try:
        socket.create_connection((host, port), timeout=settings.spark_timeout_seconds).close()
        _await_answer(remote, settings.spark_timeout_seconds)
    except (OSError, TimeoutError) as error:
        message = (
            f"Spark Connect at {host}:{port} does not answer ({error}); start it "
            "(`python -m stack up`) or set SPARK_REMOTE, and run again."
        )
        raise SourceUnavailable(message, spark_remote=f"{host}:{port}") from error
    builder = SparkSession.builder.remote(remote)
    for name, value in (_SMALL if small else {}).items():
        builder = builder.config(name, value)
    spark: SparkSession = builder.create()
    spark.client.set_retry_policies([DefaultPolicy(max_retries=_RETRIES, max_backoff=_BACKOFF_MS)])
    # The client says so twice: as a warning, and as the error that we tell of.
    warnings.filterwarnings("ignore", message=r"\[RETRIES_EXCEEDED\]")
    return spark


def _await_answer(remote: str, seconds: float) -> None:
    """Raise ``TimeoutError`` unless a server speaks gRPC at ``remote`` within so long: whoever only
    accepts connections would be waited for without an end.
    """
    channel = DefaultChannelBuilder(remote).toChannel()
    try:
        grpc.channel_ready_future(channel).result(seconds)
    except grpc.FutureTimeoutError as error:
        message = f"nothing within {seconds:g} s"
        raise TimeoutError(message) from error
    finally:
        channel.close()


def keep_alive(spark: SparkSession) -> None:
    """Let the server see the session in use: it drops one that asked nothing for an hour."""
    spark.conf.get("spark.sql.session.timeZone")


def disconnect(spark: SparkSession) -> None:
    """End the session; one whose server is gone has ended already."""
    with suppress(Exception):  # a classic session has no client
        spark.client.set_retry_policies([])
    with suppress(Exception):
        spark.stop()


def create_schema(spark: SparkSession, table: str) -> None:
    """Make the schema of ``table`` (``schema.name``); no-op where it exists."""
    spark.sql(f"create schema if not exists {table.split('.')[0]}")


def existing_tables(
    spark: SparkSession, tables: Sequence[str], *, make_schemas: bool = True
) -> set[str]:
    """Those of ``tables`` (``schema.name``) that the metastore has."""
    schemas = {table.split(".")[0] for table in tables}
    found = tables_of(spark, schemas, make_schemas=make_schemas)
    return {table for table in tables if table.lower() in found}


def tables_of(
    spark: SparkSession, schemas: Iterable[str], *, make_schemas: bool = True
) -> set[str]:
    """The tables (``schema.name``, in lower case) that the metastore has in ``schemas``."""
    found = set()
    for schema in sorted(set(schemas)):
        if not spark.catalog.databaseExists(schema):
            if make_schemas:
                create_schema(spark, schema)
            continue
        rows = spark.sql(f"show tables in {schema}").collect()
        found |= {f"{schema}.{row['tableName']}".lower() for row in rows}
    return found


def make_table(
    spark: SparkSession,
    table: str,
    columns: str,
    *,
    comment: str,
    properties: Mapping[str, str] | None = None,
    partitioned_by: Sequence[str] = (),
) -> None:
    """Make the Delta table ``table`` (``schema.name``) with ``columns``; no-op where it exists.

    What a Spark that died while it made the table left behind is taken over.

    Raises ``ConfigurationError`` where the table's folder holds another that the metastore lacks.
    """
    properties = properties or {}
    listed = ", ".join(f"'{name}' = '{value}'" for name, value in properties.items())
    statement = (
        f"create table if not exists {table} ({columns}) using delta "
        f"{'partitioned by (' + ', '.join(partitioned_by) + ')' if partitioned_by else ''} "
        f"comment '{comment}' {'tblproperties (' + listed + ')' if listed else ''}"
    )
    refused = 0

    def make() -> None:
        nonlocal refused
        try:
            spark.sql(statement)
        except Exception as error:
            if _NOT_EMPTY not in str(error):
                raise
            refused += 1
            # Another loader that makes it is through by then.
            if refused < _ATTEMPTS // 3:
                raise
            new = spark.createDataFrame([], columns).write.format("delta").mode("append")
            new = new.options(**properties, comment=comment)
            _take_over(spark, table, new.partitionBy(*partitioned_by))

    until_no_conflict(make, table)


def _take_over(spark: SparkSession, table: str, new: DataFrameWriter) -> None:
    """Make ``table`` in the folder of one that was begun: there is its log's folder, which SQL
    refuses and ``saveAsTable`` does not, or also its first commit."""
    try:
        new.saveAsTable(table)
    except Exception as error:
        if _NOT_EMPTY not in str(error):
            raise
    else:
        return
    schema, name = table.split(".")
    folder = f"{unquote(spark.catalog.getDatabase(schema).locationUri)}/{name.lower()}"
    commits = spark.sql(f"describe history delta.`{folder}`").limit(2).collect()
    if len(commits) > 1 or spark.sql(f"select 1 from delta.`{folder}` limit 1").collect():
        message = (
            f"Table {table} is not in the metastore, but {folder} holds one that was in use. To go "
            f"on with it, run `create table {table} using delta location '{folder}'` in Spark; "
            "else move the folder away. Then run again."
        )
        raise ConfigurationError(message, table=table)
    spark.sql(f"create table if not exists {table} using delta location '{folder}'")


def create_topic_table(spark: SparkSession, table: str) -> None:
    """Make the raw table for Kafka records; no-op where it exists."""
    make_table(
        spark,
        table,
        _KAFKA_COLUMNS,
        comment="Kafka records as they came; only the loader writes here",
        properties={
            # What readers skip files by; statistics of the payload would only cost.
            "delta.dataSkippingStatsColumns": "batch_id,topic,partition,offset,timestamp",
            "delta.checkpointInterval": "50",
        },
    )


def table_state(spark: SparkSession, table: str, *, is_new: bool = False) -> tuple[str, int]:
    """The Delta id of ``table``, which a dropped and remade table does not keep, and the newest
    batch that it holds (0 for none, as in one that ``is_new``).

    Raises ``ConfigurationError`` for a table in which batches would not land exactly once.
    """
    detail = spark.sql(f"describe detail {table}").collect()[0]
    if detail["id"] is None:
        message = f"Table {table} is there, but is no Delta table; name another in loader.toml."
        raise ConfigurationError(message, table=table)
    if _FORGETS in detail["properties"]:
        message = (
            f"Table {table} has the property {_FORGETS}: Delta would forget which batches it "
            "holds. Unset the property and run again."
        )
        raise ConfigurationError(message, table=table)
    if is_new:
        return str(detail["id"]), 0
    return str(detail["id"]), newest_batch(spark, table)


def newest_batch(spark: SparkSession, table: str) -> int:
    """The newest batch that ``table`` holds, 0 for none.

    Its last commit usually says so; only where that is not a batch's, the statistics of all files
    are asked, which takes longer the more there are.
    """
    last = spark.sql(f"describe history {table} limit 1").collect()
    if last and last[0]["operation"] == "WRITE" and last[0]["userMetadata"]:
        with suppress(ValueError, TypeError, KeyError):
            return int(json.loads(last[0]["userMetadata"])["batch_id"])
    return int(spark.sql(f"select max(batch_id) from {table}").collect()[0][0] or 0)


def accept_command(spark: SparkSession, batch: Batch) -> str:
    """The command by which ``batch``, and what its table has lost before it, is given up."""
    newest = newest_batch(spark, batch.table_name)
    return _ACCEPT.format(batch.table_name, newest + 1, batch.batch_id)


def check_table(
    position: Position, table: str, now: str | None, newest: int = 0, *, ledger: str = ""
) -> None:
    """Raise ``DataLoss`` when ``table`` does not hold the batches that the ledger says it does.

    ``now`` is the Delta id of the table, None when it does not exist; ``newest`` its newest batch.
    """
    for was in sorted(position.table_ids):
        if was != now:
            what = "was dropped" if now is None else "was dropped and made again"
            message = (
                f"Table {table} {what} (its Delta id was {was}, now it is "
                f"{now or 'none'}): the {position.last_batch_id} batches that the ledger says it "
                "holds are lost. Nothing was loaded into it; to go on with what is new: "
                f"{_ACCEPT.format(table, 1, position.last_batch_id)} (then `replay` lands again "
                "what Kafka still holds), or name a new table in loader.toml."
            )
            raise DataLoss(message, table=table, was=was, now=now)
    if newest < position.last_batch_with_data:
        message = (
            f"Table {table} ends with batch {newest}, but the ledger says that it holds "
            f"{position.last_batch_with_data}: it was restored to an older version, or rows were "
            "deleted. Nothing was loaded into it; to go on with what is new: "
            f"{_ACCEPT.format(table, newest + 1, position.last_batch_id)} (then `replay` lands "
            "again what Kafka still holds)."
        )
        raise DataLoss(message, table=table, holds=newest, expected=position.last_batch_with_data)
    if newest > position.last_batch_id:
        # Delta would skip our next batches, since their marks are there.
        known = f"only {position.last_batch_id} batches" if position.last_batch_id else "no batch"
        message = (
            f"Table {table} holds batch {newest}, but {ledger} knows {known} of it: the ledger was "
            "lost or restored, or another one was used. Nothing was loaded into it; restore the "
            "ledger, or name a new table in loader.toml."
        )
        raise DataLoss(message, table=table, ledger=ledger, holds=newest)


def compact(
    spark: SparkSession, table: str, target_size: str, *, vacuum: bool = False
) -> dict[str, object]:
    """Rewrite the small files of ``table`` into ones of about ``target_size``, in one Delta commit.

    Appends never conflict with it, and a file that is large enough is never rewritten, so old
    batches stay in files of their own which readers of new ones skip.
    """
    try:
        size = int(TypeAdapter(ByteSize).validate_python(target_size))
    except ValidationError as error:
        message = f"{target_size!r} is no size of a file; write it as 128MB."
        raise ConfigurationError(message, size=target_size) from error
    spark.conf.set("spark.databricks.delta.optimize.maxFileSize", str(size))
    spark.conf.set("spark.databricks.delta.optimize.minFileSize", str(size // 2))

    def files() -> int:
        return int(spark.sql(f"describe detail {table}").collect()[0]["numFiles"])

    before = files()
    with for_large(spark, POLLS[0], 0):  # the table may hold some, of which files say nothing
        until_no_conflict(lambda: spark.sql(f"optimize {table}").collect(), table)
    if vacuum:
        spark.sql(f"vacuum {table}").collect()
    return {"table": table, "files_before": before, "files_after": files()}


def holds(spark: SparkSession, batch: Batch) -> bool:
    """Whether the data of ``batch`` is in its table, committed by whoever planned it."""
    rows = spark.table(batch.table_name).where(f.col("batch_id") == batch.batch_id)
    return not rows.isEmpty()


def mark(spark: SparkSession, batch: Batch) -> None:
    """Commit the mark of ``batch`` without rows, so that no write of it that is still on its way
    lands any more.
    """
    _append(spark.table(batch.table_name).limit(0), batch, {"withdrawn": True})


def was_written(spark: SparkSession, batch: Batch) -> bool:
    """Whether the history of the table has the commit of ``batch``, even if its rows are gone."""
    number = f.get_json_object("userMetadata", "$.batch_id")
    history = spark.sql(f"describe history {batch.table_name}")
    return not history.where(number == str(batch.batch_id)).isEmpty()


def records_of(
    spark: SparkSession,
    kafka: Kafka,
    ranges: Mapping[str, Sequence[Range]],
    tasks: int = 0,
    polls: int = _POLLS,
) -> DataFrame:
    """The records of ``ranges``, by topic, as Kafka has them; at least in ``tasks`` tasks, each of
    which holds ``polls`` records. Each partition has one range.

    A timestamp that is no time of the years 1 to 9999 is null beside its number. Before 1582, and
    where Spark's source cannot read the number at all, the read fails: ``is_odd``.
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


def united(frames: Sequence[DataFrame], *, by_name: bool = False) -> DataFrame:
    """The rows of all ``frames``, of one schema, or ``by_name`` with the columns of all; nested no
    deeper than it must be, since clients and servers refuse what is nested a hundred times.
    """

    def both(first: DataFrame, second: DataFrame) -> DataFrame:
        if by_name:
            return first.unionByName(second, allowMissingColumns=True)
        return first.unionAll(second)

    while len(frames) > 1:
        pairs = [frames[at : at + 2] for at in range(0, len(frames), 2)]
        frames = [both(pair[0], pair[1]) if len(pair) > 1 else pair[0] for pair in pairs]
    return frames[0]


def layers(ranges: Mapping[str, Sequence[Range]]) -> list[dict[str, list[Range]]]:
    """``ranges`` in as many parts as the partition has that has most: one read of Spark's source
    takes one range of a partition.
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
    polls: int = _POLLS,
) -> DataFrame:
    """The records of ``ranges`` where ``records_of`` fails at some: these come by ``read``.

    Raises ``DataLoss`` for a record that cannot be read at all.
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
    """The records of ``piece`` one by one, in chunks that Spark holds."""
    chunk: list[Record] = []
    size = 0
    try:
        for record in read(topic, piece.partition, piece.from_offset, piece.until_offset):
            if chunk and (len(chunk) >= _CHUNK or size + record.size > _CHUNK_BYTES):
                yield _exact_frame(spark, chunk)
                chunk, size = [], 0
            chunk.append(record)
            size += record.size
    except Unreadable as error:
        error.facts |= {"topic": topic, "partition": piece.partition}
        raise
    if chunk:
        yield _exact_frame(spark, chunk)


def _exact_frame(spark: SparkSession, records: Sequence[Record]) -> DataFrame:
    """``records`` as ``records_of`` has them, held by Spark."""
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


def _set_aside(batch: Batch, error: Unreadable) -> DataLoss:
    """What is said where a record of ``batch`` cannot be landed."""
    at = f"{error.facts['partition']}:{error.offset}"
    skip = command("accept", batch, f"--skip {at} --reason 'cannot be read'")
    message = (
        f"Topic {batch.topic} partition {error.facts['partition']}: the record at offset "
        f"{error.offset} cannot be landed ({error}). Batch {batch.batch_id} of "
        f"{batch.table_name} waits for it; to go on without that record: {skip}, then run again."
    )
    return DataLoss(
        message,
        table=batch.table_name,
        batch_id=batch.batch_id,
        topic=batch.topic,
        partition=error.facts["partition"],
        offset=error.offset,
    )


@contextmanager
def for_large(spark: SparkSession, polls: int, records: int) -> Iterator[None]:
    """Write Parquet so that a task, and later a reader, holds about ``polls`` of ``records`` at a
    time. It holds for the session, so only one such write goes on in it.
    """
    confs = {**_LARGE, _GROUP_ROWS: str(max(polls, ceil(records / _GROUPS)))}
    for name, value in confs.items():
        spark.conf.set(name, value)
    try:
        yield
    finally:
        with suppress(Exception):  # if the server is gone, the write's own error tells it
            for name in confs:
                spark.conf.unset(name)


def land_topics(
    spark: SparkSession,
    kafka: Kafka,
    batches: Sequence[Batch],
    size: float,
    read: Reader | None = None,
    polls: int = _POLLS,
    largest: int = 0,
) -> list[Batch]:
    """Write one batch: the rows of ``batches`` are the topics of one table and batch id.

    Returns them with ``records`` and ``bytes`` counted from what the table holds then. Writing a
    batch that is there already changes nothing, and counts. ``size`` is about how many bytes the
    records have; it decides how many files are written. ``polls`` are the records that a task
    holds, and ``largest`` the bytes of the largest. ``read`` reads what Spark's source cannot.

    Raises ``DataLoss`` for a record that cannot be landed, with the command that sets it aside.
    """
    first = batches[0]
    if not any(batch.has_data for batch in batches):
        return [_counted(batch, {}) for batch in batches]
    ranges = {batch.topic or "": batch.stretches for batch in batches}
    # An unfinished batch may be there, and its records may be gone from Kafka since.
    if first.planned_at is None or not holds(spark, first):
        span = sum(each.span for each_of in ranges.values() for each in each_of)
        partitions = sum(1 for each_of in ranges.values() for each in each_of if each.span)
        fewest, most = (
            max(ceil(span / _TASK_RECORDS[at]), ceil(size / _TASK_BYTES[at])) for at in (1, 0)
        )

        def append(rows: DataFrame) -> list[Batch]:
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
            counted = _append(rows, first, {"ranges": content}, _counts(batches))
            return _wholly_counted(batches, counted)

        rows = united([records_of(spark, kafka, each, fewest, polls) for each in layers(ranges)])
        if most < partitions or largest > _ONE_TASK:
            rows = rows.coalesce(1 if largest > _ONE_TASK else most)
        try:
            whole = append(rows)
        except Exception as error:
            if read is None or not is_odd(error):
                raise
            try:
                whole = append(exactly(spark, kafka, ranges, read, polls))
            except Unreadable as bad:
                topic = bad.facts["topic"]
                batch = next(each for each in batches if each.topic == topic)
                raise _set_aside(batch, bad) from error
        if whole:
            return whole
    counted = {
        (row["topic"], row["partition"]): row
        for row in spark.table(first.table_name)
        .where(f.col("batch_id") == first.batch_id)
        .groupBy("topic", "partition")
        .agg(
            f.count("*").alias("records"),
            f.sum(
                f.coalesce(f.length("key"), f.lit(0)) + f.coalesce(f.length("value"), f.lit(0))
            ).alias("bytes"),
            f.min("offset").alias("first"),
            f.max("offset").alias("last"),
        )
        .collect()
    }
    if not counted and any(
        not records_of(spark, kafka, layer, 0, polls).isEmpty() for layer in layers(ranges)
    ):
        # Delta skipped the write: the table has the mark of the batch, and not its rows.
        message = (
            f"Table {first.table_name} has the mark of batch {first.batch_id}, but not its rows: "
            "it was restored to an older version, or rows were deleted. To go on without them: "
            f"{accept_command(spark, first)} (then `replay` lands again what Kafka still holds)."
        )
        raise DataLoss(message, table=first.table_name, batch_id=first.batch_id)
    return [_counted(batch, counted) for batch in batches]


def _counts(batches: Sequence[Batch]) -> dict[str, Column]:
    """What is counted of each topic of ``batches`` while its rows are written."""
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


def _wholly_counted(batches: Sequence[Batch], observed: Mapping[str, int] | None) -> list[Batch]:
    """``batches`` by what was counted as they were written; empty unless there was a row for every
    offset: which offsets have none, only the table says.
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
        whole.append(replace(batch, ranges=ranges, records=records, bytes=size))
    return whole


def _counted(batch: Batch, counted: Mapping[tuple[str | None, int], Row]) -> Batch:
    """``batch`` with what its table was found to hold of it; ``Bug`` where that is not the plan."""
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
    return replace(
        batch,
        ranges=tuple(ranges),
        records=sum(each.records or 0 for each in ranges),
        bytes=size,
    )


def land_files(
    spark: SparkSession, config: Files, batch: Batch, errors: list[LoaderError]
) -> Batch:
    """Write the files of ``batch`` and count the rows.

    Column names are the file's in lower case with underscores (``Code INSEE`` becomes
    ``code_insee``). A line that does not fit the header, or is no JSON object, keeps its text in
    ``corrupt_record``.

    A file that is not what was planned, before or after it was read, loses its checksum in the
    returned batch: the ledger then does not know its content, and the next run lands it again. A
    file that cannot be read, or whose columns the table cannot take, is marked as such there, and
    an error is added to ``errors``; the other files land.
    """
    planned = [file for file in batch.files if unchanged(spark, file)]
    bad: dict[File, LoaderError] = {}
    frames: dict[File, DataFrame] = {}
    held = {name.lower(): kind for name, kind in spark.table(batch.table_name).dtypes}
    for file in planned:
        try:
            check_lines(file)
            frame = _file_rows(spark, config, file.path)
            if frame is None:
                continue
            frame = _fitted(batch.table_name, held, frame, file.path)
        except Exception as error:
            bad[file] = _of_file(error, file.path)
            continue
        frames[file] = frame.select(
            f.lit(batch.batch_id).cast("bigint").alias("batch_id"),
            f.lit(file.path).alias("file_path"),
            f.current_timestamp().alias("loaded_at"),
            "corrupt_record",
            *[f.col(f"`{name}`") for name in frame.columns if name != "corrupt_record"],
        )
    try:
        _append_files(frames, batch)
    except Exception as error:
        if isinstance(error, Fenced) or is_gone(error):
            raise
        # Only those that can be read as a whole are tried once more.
        for file in list(frames):
            try:
                frames[file].write.format("noop").mode("overwrite").save()
            except Exception as problem:
                bad[file] = _of_file(problem, file.path)
                del frames[file]
        if not bad:
            raise
        _append_files(frames, batch)
    rows = spark.table(batch.table_name).where(f.col("batch_id") == batch.batch_id)
    found = {row[0]: row[1] for row in rows.groupBy("file_path").count().collect()}
    count = sum(found.values())
    # Of a batch that an earlier run wrote, Delta skips what was no part of it then.
    absent = {
        file for file in frames if file.path not in found and not frames[file].isEmpty()
    }  # fmt: skip
    landed = []
    for file in batch.files:
        if file not in planned or file in absent or not unchanged(spark, file):
            landed.append(replace(file, checksum=""))
        elif file in bad:
            landed.append(as_unreadable(config, file))
            errors.append(bad[file])
        else:
            landed.append(file)
    size = sum(file.size for file in planned if file not in bad)
    return replace(batch, files=tuple(landed), records=count, bytes=size)


def _append_files(frames: Mapping[File, DataFrame], batch: Batch) -> None:
    if not frames:
        return
    rows = united(list(frames.values()), by_name=True)
    _append(rows, batch, {"files": [file.path for file in frames]})


def _of_file(error: Exception, path: str) -> LoaderError:
    """``error`` as one of the file at ``path`` alone; raises it where it is not the file's."""
    if isinstance(error, ConfigurationError):
        return error
    if isinstance(error, LoaderError) or is_gone(error):
        raise error
    message = (
        f"{path} cannot be read: {cause(error)}. Nothing of it was loaded; correct the file, or "
        "its section in loader.toml, and run again."
    )
    return ConfigurationError(message, path=path)


# A parser of CSV holds this many fields, some bytes each, whatever a line has.
_MOST_FIELDS = 200_000
# What Parquet has and Delta has not.
_NOT_IN_DELTA = re.compile(r"time\(\d\)|interval\b.*")
_WHOLE_NUMBERS = {"tinyint": 3, "smallint": 5, "int": 10, "bigint": 19}


def keeps(held: str, new: str) -> bool:
    """Whether a column of type ``held`` of a file's table takes a value of type ``new`` as it is,
    or refuses it; Delta alone would also round numbers and cut times off.
    """
    held, new = held.replace(" ", ""), new.replace(" ", "")
    if held == new or ("<" in held and held.split("<")[0] == new.split("<")[0]):
        return True
    if "<" in held + new:
        return False
    whole = held in _WHOLE_NUMBERS or held.startswith("decimal")
    if whole and (new in _WHOLE_NUMBERS or new.startswith("decimal")):
        points = [int(each.rpartition(",")[2][:-1]) if "," in each else 0 for each in (held, new)]
        return points[0] >= points[1]
    return (held, new) in _KEPT or (held == "string" and new != "binary")


_KEPT = {
    *(("double", each) for each in ("float", "int", "smallint", "tinyint")),
    *(("float", each) for each in ("smallint", "tinyint")),
    *(("timestamp", each) for each in ("date", "timestamp_ntz")),
    ("timestamp_ntz", "date"),
}


def _unfit(kind: DataType) -> str:
    """Why Delta does not take a column of type ``kind``; empty where it does."""
    if isinstance(kind, ArrayType):
        return _unfit(kind.elementType)
    if isinstance(kind, MapType):
        return _unfit(kind.keyType) or _unfit(kind.valueType)
    if isinstance(kind, StructType):
        lowered = [each.name.lower() for each in kind.fields]
        for each in kind.fields:
            if re.search(r"[ ,;{}()\n\t=]", each.name) or lowered.count(each.name.lower()) > 1:
                return f"has a field {each.name!r}, a name that Delta does not take"
            if why := _unfit(each.dataType):
                return why
        return ""
    name = kind.simpleString()
    return f"has {name}, a type that Delta does not have" if _NOT_IN_DELTA.match(name) else ""


def _fitted(table: str, held: dict[str, str], frame: DataFrame, path: str) -> DataFrame:
    """``frame``, the rows of the file at ``path``, with the types of ``held``, which are those of
    ``table`` and of the files before; its new columns are added there.

    Raises ``ConfigurationError`` for a column that Delta does not take, or that would be held as a
    type which changes its values.
    """
    columns = []
    added: dict[str, str] = {}
    for each in frame.schema.fields:
        new, was = each.dataType.simpleString(), held.get(each.name)
        why = _unfit(each.dataType)
        if not why and was is not None and not keeps(was, new):
            why = f"is {new}, but {table} holds it as {was}"
        if why:
            message = (
                f"{path} was left out: its column {each.name} {why}. Write the file with another "
                "type or name, or give its section another table."
            )
            raise ConfigurationError(message, path=path, table=table)
        column = f.col(f"`{each.name}`")
        if was is None:
            added[each.name] = new
        elif was != new and "<" not in was:  # Delta itself makes nested types alike
            column = column.cast(was).alias(each.name)
        columns.append(column)
    held |= added
    return frame.select(*columns)


def _file_rows(spark: SparkSession, config: Files, path: str) -> DataFrame | None:
    """The rows of one file, with ``corrupt_record``; None for a CSV or JSON file that is empty."""
    literal = as_literal(path)
    if config.format == "parquet":
        held = spark.read.parquet(literal)
        names = _column_names(held.columns, path)
        renamed = [
            f.col("`" + old.replace("`", "``") + "`").alias(new)
            for old, new in zip(held.columns, names, strict=True)
        ]
        return held.select(f.lit(None).cast("string").alias("corrupt_record"), *renamed)
    reader = spark.read.option("mode", "PERMISSIVE")
    reader = reader.option("columnNameOfCorruptRecord", "corrupt_record")
    if config.format == "csv" or config.encoding.upper() not in ("UTF-8", "UTF8"):
        # Not for JSON that is UTF-8 anyway: told so, Spark would write its numbers anew.
        reader = reader.option("encoding", config.encoding)
    if config.format == "json":
        fields = [name for name in _members(reader.json(literal)) if name != "corrupt_record"]
        names = _column_names(fields, path) if fields else []
        # A member that is declared as text comes as its text, whatever it is.
        escaped = [name.replace("`", "``") for name in fields]
        schema = ", ".join(f"`{name}` string" for name in [*escaped, "corrupt_record"])
        renamed = [f.col(f"`{old}`").alias(new) for old, new in zip(escaped, names, strict=True)]
        return reader.schema(schema).json(literal).select("corrupt_record", *renamed)
    # A quote within quotes is doubled, as everywhere but in Spark.
    reader = reader.option("delimiter", config.delimiter).option("escape", '"')
    # Spark ends the read of a whole file at a line with more fields than this.
    reader = reader.option("maxColumns", str(_MOST_FIELDS))
    # The text source would read the first line as UTF-8, whatever the encoding.
    first = reader.csv(literal).first()
    if first is None:
        return None
    cells = [(cell or "").lstrip("\ufeff") for cell in first]
    if not config.header:
        cells = list(config.columns) or [f"c{at}" for at in range(1, len(cells) + 1)]
    names = _column_names(cells, path)
    schema = ", ".join(f"`{name}` string" for name in [*names, "corrupt_record"])
    return (
        reader.schema(schema)
        .option("header", str(config.header).lower())
        .option("enforceSchema", "true")
        .csv(literal)
    )


def _members(rows: DataFrame) -> list[str]:
    """The columns of ``rows``. Spark Connect's client cannot read a schema that is nested deeper
    than about thirty levels, which one line is enough for: then the server lists the names.
    """
    try:
        return list(rows.columns)
    except AnalysisException:
        raise
    except Exception as error:
        if is_gone(error):
            raise
    every = f.to_json(f.struct("*"), {"ignoreNullFields": "false"})
    first = rows.select(f.map_keys(f.from_json(every, "map<string, string>"))).first()
    return list(first[0]) if first else []


def create_file_table(spark: SparkSession, table: str) -> None:
    """Make the raw table for a reference file; its data columns come with the first file."""
    make_table(
        spark,
        table,
        """
        batch_id bigint comment 'Batch of raw.loader_batches that landed the row',
        file_path string comment 'File that the row was read from',
        loaded_at timestamp comment 'When the batch was written (UTC)',
        corrupt_record string comment 'The whole line, where it does not fit the header'
        """,
        comment="Rows of reference files as text; only the loader writes here",
    )


def _column_names(cells: Sequence[str], path: str) -> list[str]:
    names = [re.sub(r"\W+", "_", cell.strip().lower()).strip("_") for cell in cells]
    twice = {name for name in names if names.count(name) > 1 or not name}
    owned = {"batch_id", "file_path", "loaded_at", "corrupt_record"} & set(names)
    if twice or owned:
        message = (
            f"The header of {path} cannot name columns: {min(twice | owned)!r} is empty, "
            "repeated, or a name that the loader uses itself. Correct the names in the file."
        )
        raise ConfigurationError(message, path=path)
    return names


def held(rows: DataFrame) -> DataFrame:
    """``rows`` computed once and held by Spark, so that what is read of them stays the same."""
    checkpointed = rows.localCheckpoint()
    if _is_connect(rows):
        # pyspark gives it to the session that the thread used last, and we have two.
        relation: Any = checkpointed._plan
        relation._spark_session = rows.sparkSession
        return type(rows)(relation, rows.sparkSession)
    return checkpointed


def _is_connect(rows: DataFrame) -> bool:
    # A classic session has the attribute too, and raises an error of its own when it is read.
    return type(rows.sparkSession).__module__.startswith("pyspark.sql.connect")


def _append(
    rows: DataFrame,
    batch: Batch,
    content: Mapping[str, object],
    counts: Mapping[str, Column] | None = None,
) -> Mapping[str, int] | None:
    """Commit ``rows`` with the mark of ``batch``; the ``counts`` of what this call committed, None
    where there are none: Delta skipped the write, or the session cannot tell.
    """

    def write() -> Mapping[str, int] | None:
        observation = None
        frame = rows
        # A session of our own would wait for ever for the counts of a write that was skipped.
        if counts and _is_connect(rows):
            observation = Observation()
            frame = rows.observe(observation, *(c.alias(name) for name, c in counts.items()))
        (
            frame.write.format("delta")
            .mode("append")
            .option("mergeSchema", "true")
            .option("compression", "zstd")  # as fast as Delta's default, and a fifth of its size
            .option("txnAppId", f"lacustre-loader:{batch.table_id}")
            .option("txnVersion", str(batch.batch_id))
            .option("userMetadata", json.dumps({"batch_id": batch.batch_id, **content}))
            .saveAsTable(batch.table_name)
        )
        return observation.get if observation else None

    # Counts are those of the attempt that went through: one that lost counted what it threw away.
    return until_no_conflict(write, batch.table_name)
