"""Raw tables: making them, looking at them, and the append that lands a batch.

Data and its mark go into one Delta commit: ``txnAppId`` names the raw table (by its Delta id),
``txnVersion`` is the batch id, so Delta itself skips a batch that is already there, and refuses the
second of two writers that write the same batch at the same moment. ``insertInto`` drops that mark
silently, hence ``saveAsTable``.
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
# How Parquet is written where records are large. By default it looks at its pages after a hundred
# records and keeps 128 MB of rows; and a reader holds the rows of a group at once, unpacked.
_LARGE = {
    "parquet.page.size.row.check.min": "1",
    "parquet.page.size.row.check.max": "1",
    "parquet.block.size": str(16 << 20),
}
# What a reader holds at once of a table whose records may be of any size.
_MOST_AT_ONCE = 5000
_GROUP_ROWS, _GROUPS = "parquet.block.row.count.limit", 10_000
# With it, Delta forgets the marks of old batches, and a batch that is tried again lands twice.
_FORGETS = "delta.setTransactionRetentionDuration"
_Answer = TypeVar("_Answer")


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


def accept_command(spark: SparkSession, batch: Batch) -> Command:
    """The command by which ``batch``, and what its table has lost before it, is given up."""
    newest = newest_batch(spark, batch.table_name)
    return accept_of_table(batch.table_name, newest + 1, batch.batch_id)


def rows_lost(spark: SparkSession, batch: Batch, held: str, then: str = "") -> DataLoss:
    """The error when Delta skipped a write: the table has the mark of ``batch``, but not its rows.

    ``held`` says what the table has, ``then`` what follows the remedy.
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
    """Raise ``DataLoss`` when ``table`` does not hold the batches that the ledger says it does.

    ``now`` is the Delta id of the table, None when it does not exist; ``newest`` its newest batch.
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
    with for_large(spark, _MOST_AT_ONCE, 0):  # the table may hold some, of which files say nothing
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
    append(spark.table(batch.table_name).limit(0), batch, {"withdrawn": True})


def was_written(spark: SparkSession, batch: Batch) -> bool:
    """Whether the history of the table has the commit of ``batch``, even if its rows are gone."""
    number = f.get_json_object("userMetadata", "$.batch_id")
    history = spark.sql(f"describe history {batch.table_name}")
    return not history.where(number == str(batch.batch_id)).isEmpty()


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


def append(
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
        if counts and is_connect(rows):
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

    # Return the counts of the attempt that committed; a retried one counted discarded rows.
    return until_no_conflict(write, batch.table_name)
