"""Raw tables: create and inspect them, and the append that lands a batch.

The data and its mark are one Delta commit: ``txnAppId`` contains the Delta id of the raw table,
``txnVersion`` is the batch id. Delta skips a batch that the table already has, and rejects the
second of two concurrent writes of the same batch. The append uses ``saveAsTable``, because
``insertInto`` silently drops the mark.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from math import ceil
from typing import TypeVar
from urllib.parse import unquote

from pydantic import ByteSize, TypeAdapter, ValidationError
from pyspark.sql import Column, DataFrame, DataFrameWriter, Observation, SparkSession
from pyspark.sql import functions as f

from loader.batch import Batch, Position
from loader.errors import Command, ConfigurationError, DataLoss, Fenced
from loader.lake.frames import is_connect
from loader.lake.spark_errors import reason
from loader.remedies import accept_of_table

# Delta's error if a table is created in a folder that is not empty.
_NOT_EMPTY = "[DELTA_CREATE_TABLE_WITH_NON_EMPTY_LOCATION"
# Errors by which Delta refuses a statement because another writer committed in the meantime. A
# retry reads that commit. More consecutive conflicts than ``_ATTEMPTS`` are reported.
_CONFLICTS = (
    "[DELTA_CONCURRENT_",
    "[DELTA_PROTOCOL_CHANGED",
    "[DELTA_METADATA_CHANGED",
    # Two writers create the same table: the other's first commit is incomplete, or came first.
    _NOT_EMPTY,
    "[TABLE_OR_VIEW_ALREADY_EXISTS",
    "[DELTA_TABLE_ALREADY_EXISTS",
)
_ATTEMPTS = 20
# Parquet settings for large records. By default Parquet checks page sizes only every hundred
# records and buffers 128 MB of rows; a reader later holds all rows of a row group in memory,
# unpacked.
_LARGE = {
    "parquet.page.size.row.check.min": "1",
    "parquet.page.size.row.check.max": "1",
    "parquet.block.size": str(16 << 20),
}
# Rows per row group if records may have any size: a reader holds one group at once.
_MOST_AT_ONCE = 5000
_GROUP_ROWS, _GROUPS = "parquet.block.row.count.limit", 10_000
# With this property Delta expires the marks of old batches, so a retried batch would land twice.
_FORGETS = "delta.setTransactionRetentionDuration"
_Answer = TypeVar("_Answer")


def until_no_conflict(run: Callable[[], _Answer], table: str) -> _Answer:
    """The result of ``run``, a statement that writes ``table``, retried while another writer
    conflicts.

    Raises ``Fenced`` after ``_ATTEMPTS`` consecutive conflicts.
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


def create_schema(spark: SparkSession, table: str) -> None:
    """Create the schema of ``table`` (``schema.name``) if it does not exist."""
    spark.sql(f"create schema if not exists {table.split('.')[0]}")


def existing_tables(
    spark: SparkSession, tables: Sequence[str], *, make_schemas: bool = True
) -> set[str]:
    """Those of ``tables`` (``schema.name``) that exist in the metastore. Creates missing schemas
    unless ``make_schemas`` is false.
    """
    schemas = {table.split(".")[0] for table in tables}
    found = tables_of(spark, schemas, make_schemas=make_schemas)
    return {table for table in tables if table.lower() in found}


def tables_of(
    spark: SparkSession, schemas: Iterable[str], *, make_schemas: bool = True
) -> set[str]:
    """The tables (``schema.name``, in lower case) of ``schemas`` in the metastore. Creates missing
    schemas unless ``make_schemas`` is false.
    """
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
    """Create the Delta table ``table`` (``schema.name``) with ``columns`` if it does not exist.

    If a Spark server died while it created the table, what it left in the folder becomes the table.

    Raises ``ConfigurationError`` if the folder holds a table with commits or rows, and the
    metastore does not have it.
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
            # By now another loader that creates the table would have finished.
            if refused < _ATTEMPTS // 3:
                raise
            new = spark.createDataFrame([], columns).write.format("delta").mode("append")
            new = new.options(**properties, comment=comment)
            _take_over(spark, table, new.partitionBy(*partitioned_by))

    until_no_conflict(make, table)


def _take_over(spark: SparkSession, table: str, new: DataFrameWriter) -> None:
    """Make ``table`` from a folder in which a creation was interrupted. The folder has a
    ``_delta_log``, which SQL's ``create table`` refuses and ``saveAsTable`` accepts, or also a
    first commit.
    """
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


def table_state(spark: SparkSession, table: str, *, is_new: bool = False) -> tuple[str, int]:
    """The Delta id of ``table``, which changes if the table is dropped and created again, and its
    newest batch (0 if it has none or ``is_new``).

    Raises ``ConfigurationError`` if the table is no Delta table, or has a property with which a
    batch could land twice.
    """
    detail = spark.sql(f"describe detail {table}").collect()[0]
    if detail["id"] is None:
        message = f"Table {table} exists, but is no Delta table; name another in loader.toml."
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
    """The newest batch in ``table``, 0 if it has none.

    The last commit usually contains the number. If that commit is not of a batch, Delta's
    statistics of all files give it, which takes longer the more files there are.
    """
    last = spark.sql(f"describe history {table} limit 1").collect()
    if last and last[0]["operation"] == "WRITE" and last[0]["userMetadata"]:
        with suppress(ValueError, TypeError, KeyError):
            return int(json.loads(last[0]["userMetadata"])["batch_id"])
    return int(spark.sql(f"select max(batch_id) from {table}").collect()[0][0] or 0)


def accept_command(spark: SparkSession, batch: Batch) -> Command:
    """The command that accepts the loss of ``batch`` and of the lost batches before it."""
    newest = newest_batch(spark, batch.table_name)
    return accept_of_table(batch.table_name, newest + 1, batch.batch_id)


def rows_lost(spark: SparkSession, batch: Batch, held: str, then: str = "") -> DataLoss:
    """The error if Delta skipped a write because the table has the mark of ``batch`` without its
    rows.

    ``held`` names what the table has, ``then`` is added after the remedy.
    """
    remedy = accept_command(spark, batch)
    table, number = batch.table_name, batch.batch_id
    message = (
        f"Table {table} has {held}: it was restored to an older version, or rows were deleted. "
        f"To go on without them: {remedy}{then}"
    )
    return DataLoss(message, remedy=remedy, table=table, batch_id=number)


def check_table(
    position: Position, table: str, now: str | None, newest: int = 0, *, ledger: str = ""
) -> None:
    """Raise ``DataLoss`` unless ``table`` holds the batches that the ledger lists.

    ``now`` is the Delta id of the table, None if it does not exist; ``newest`` is its newest batch.
    """
    for was in sorted(position.table_ids):
        if was != now:
            remedy = accept_of_table(table, 1, position.last_batch_id)
            what = "was dropped" if now is None else "was dropped and made again"
            message = (
                f"Table {table} {what} (its Delta id was {was}, now it is "
                f"{now or 'none'}): the {position.last_batch_id} batches that the ledger says it "
                "holds are lost. Nothing was loaded into it; to go on with what is new: "
                f"{remedy} (then `replay` lands again "
                "what Kafka still holds), or name a new table in loader.toml."
            )
            raise DataLoss(message, remedy=remedy, table=table, was=was, now=now)
    if newest < position.last_batch_with_data:
        remedy = accept_of_table(table, newest + 1, position.last_batch_id)
        message = (
            f"Table {table} ends with batch {newest}, but the ledger says that it holds "
            f"{position.last_batch_with_data}: it was restored to an older version, or rows were "
            "deleted. Nothing was loaded into it; to go on with what is new: "
            f"{remedy} (then `replay` lands "
            "again what Kafka still holds)."
        )
        expected = position.last_batch_with_data
        raise DataLoss(message, remedy=remedy, table=table, holds=newest, expected=expected)
    if newest > position.last_batch_id:
        # Delta would skip the next batches, because their marks are already there.
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
    """Merge the small files of ``table`` into files of about ``target_size``, in one Delta commit.

    Never conflicts with appends. Files that are large enough are not rewritten, so old batches keep
    their own files, which readers of new batches skip. ``vacuum`` also deletes replaced files that
    are older than seven days. Returns the table and its number of files before and after. Raises
    ``ConfigurationError`` for a ``target_size`` that is no size.
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
    with for_large(spark, _MOST_AT_ONCE, 0):  # the table may hold large records
        until_no_conflict(lambda: spark.sql(f"optimize {table}").collect(), table)
    if vacuum:
        spark.sql(f"vacuum {table}").collect()
    return {"table": table, "files_before": before, "files_after": files()}


def holds(spark: SparkSession, batch: Batch) -> bool:
    """Whether the table has rows of ``batch``, whoever committed them."""
    rows = spark.table(batch.table_name).where(f.col("batch_id") == batch.batch_id)
    return not rows.isEmpty()


def mark(spark: SparkSession, batch: Batch) -> None:
    """Commit the mark of ``batch`` without rows, so that Delta skips a write of it that is still
    running.
    """
    append(spark.table(batch.table_name).limit(0), batch, {"withdrawn": True})


def was_written(spark: SparkSession, batch: Batch) -> bool:
    """Whether the table's history has the commit of ``batch``, even if its rows are gone."""
    number = f.get_json_object("userMetadata", "$.batch_id")
    history = spark.sql(f"describe history {batch.table_name}")
    return not history.where(number == str(batch.batch_id)).isEmpty()


@contextmanager
def for_large(spark: SparkSession, polls: int, records: int) -> Iterator[None]:
    """Parquet settings for large records: a task, and later a reader, holds about ``polls`` of the
    ``records`` at once.

    The settings apply to the whole session, so only one such write may run in it.
    """
    confs = {**_LARGE, _GROUP_ROWS: str(max(polls, ceil(records / _GROUPS)))}
    for name, value in confs.items():
        spark.conf.set(name, value)
    try:
        yield
    finally:
        with suppress(Exception):  # if the server is gone, the error of the write reports it
            for name in confs:
                spark.conf.unset(name)


def append(
    rows: DataFrame,
    batch: Batch,
    content: Mapping[str, object],
    counts: Mapping[str, Column] | None = None,
) -> Mapping[str, int] | None:
    """Commit ``rows`` with the mark of ``batch``. ``content`` is stored in the commit's metadata.

    Returns the values of ``counts`` over the committed rows. They are empty or None if Delta
    skipped the write, if the session is not a Spark Connect session, or without ``counts``.
    """

    def write() -> Mapping[str, int] | None:
        observation = None
        frame = rows
        # A session without Connect would wait forever for the counts of a skipped write.
        if counts and is_connect(rows):
            observation = Observation()
            frame = rows.observe(observation, *(c.alias(name) for name, c in counts.items()))
        (
            frame.write.format("delta")
            .mode("append")
            .option("mergeSchema", "true")
            .option("compression", "zstd")  # as fast as Delta's default, a fifth of the size
            .option("txnAppId", f"lacustre-loader:{batch.table_id}")
            .option("txnVersion", str(batch.batch_id))
            .option("userMetadata", json.dumps({"batch_id": batch.batch_id, **content}))
            .saveAsTable(batch.table_name)
        )
        return observation.get if observation else None

    # Return the counts of the attempt that committed; a retried one counted discarded rows.
    return until_no_conflict(write, batch.table_name)
