"""The read, comparison and commit of an import."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f

from loader.batch import Batch
from loader.content import Import, Split
from loader.errors import ConfigurationError, LoaderError, SourceUnavailable
from loader.lake import frames, tables
from loader.lake.spark_errors import is_gone, reason
from loader.remedies import withdraw
from loader.sources.jdbc.columns import canonical
from loader.sources.jdbc.mapping import Source
from loader.sources.jdbc.reading import PART, Slots, read
from loader.sources.jdbc.watermark import held_rows

_COPY = "__copy"


def create_table(spark: SparkSession, table: str) -> None:
    """Create the raw table of an import; the first batch adds its data columns."""
    tables.make_table(
        spark,
        table,
        """
        batch_id bigint comment 'Batch of raw.loader_batches that landed the row',
        loaded_at timestamp comment 'When the batch was written (UTC)',
        is_deleted boolean
            comment 'Whether the source has the key no more; only incremental imports tell'
        """,
        comment="Rows of a table of a database; only the loader writes here",
        properties={
            "delta.enableTypeWidening": "true",
            "delta.feature.timestampNtz": "supported",
            "delta.dataSkippingStatsColumns": "batch_id",
            "delta.checkpointInterval": "50",
        },
    )


def import_batch(spark: SparkSession, source: Source, batch: Batch, slots: Slots) -> Batch:
    """Read, compare and commit ``batch``; rows that are already in the table are only counted.

    Raises ``SourceUnavailable`` if the rows differ from the database's counts, ``DataLoss`` if the
    table has lost rows of the batch.
    """
    imported = batch.imported
    rows = spark.table(batch.table_name).where(f.col("batch_id") == batch.batch_id)
    is_planned_empty = batch.planned_at is not None and imported.is_empty
    if not is_planned_empty and (batch.planned_at is None or rows.isEmpty()):
        with slots.taken(len(imported.splits)) as connections:
            _append(spark, source, batch, imported, connections)
    count = rows.count()
    if imported.mode == "full" and count != imported.rows:
        held = f"{count:,} rows of batch {batch.batch_id}, but {imported.rows:,} were committed"
        raise tables.rows_lost(spark, batch, held)
    size = sum((each.rows or 0) * 8 + sum(_bytes(source, each.totals)) for each in imported.splits)
    return replace(batch, records=count, bytes=size)


def _bytes(source: Source, totals: Mapping[str, Sequence[str]]) -> Iterator[int]:
    for each in source.relation.columns:
        if each.landed_as in ("string", "binary"):
            counted = totals.get(each.name, ())
            yield int(counted[1]) if len(counted) > 1 and counted[1] else 0


def _append(
    spark: SparkSession, source: Source, batch: Batch, imported: Import, connections: int
) -> None:
    try:
        staged = read(spark, source, imported.splits, source.relation.columns, connections)
        # Spark keeps the rows, so the compared rows are the written rows, and the source is read
        # once. If an executor that holds a part dies, the write fails; the part is not read again.
        staged = frames.held(staged)
        compare(source, imported.splits, staged)
        check_key(source, staged)
        rows = staged.drop(PART)
        parts = [rows.withColumn("is_deleted", f.lit(None).cast("boolean"))]
        if imported.mode != "full":
            held = held_rows(spark, source)
            if held is not None:
                rows = _new(rows, held)
            parts = [rows.withColumn("is_deleted", f.lit(False))]
            if source.entry.compare_keys and held is not None:
                parts.append(_deleted(spark, source, held, rows))
        landed = frames.united(parts, by_name=True)
        names = [each.name for each in source.relation.columns]
        landed = landed.select(
            f.lit(batch.batch_id).cast("bigint").alias("batch_id"),
            f.current_timestamp().alias("loaded_at"),
            "is_deleted",
            *[f.col(f"`{name}`") for name in names],
        )
        content = {"relation": imported.relation, "low": imported.low, "high": imported.high}
        tables.append(landed, batch, content)
    except LoaderError:
        raise
    except Exception as error:
        if is_gone(error):
            raise
        told, remedy = source.database.hide(reason(error)), withdraw(batch)
        message = (
            f"Batch {batch.batch_id} of {batch.table_name} could not be imported from "
            f"{imported.relation} of {source.database.where}: {told}. It stays planned; run again "
            f"to finish it. If it can never be imported: {remedy}"
        )
        table, number = batch.table_name, batch.batch_id
        raise SourceUnavailable(message, remedy=remedy, table=table, batch_id=number) from None


def _new(rows: DataFrame, held: DataFrame) -> DataFrame:
    """The ``rows`` that ``held`` does not have. Duplicates are counted: each row of ``held``
    removes one equal row.
    """
    common = [name for name in rows.columns if name in held.columns]
    if common == rows.columns:
        return rows.exceptAll(held.select(*common))
    # The source has new columns: compare the common ones, and keep the new ones.
    names = ", ".join(f"`{name}`" for name in common)
    copy = f.expr(f"row_number() over (partition by {names} order by 0)")
    ours, theirs = rows.withColumn(_COPY, copy), held.select(*common).withColumn(_COPY, copy)
    theirs = theirs.toDF(*[f"{name}__held" for name in theirs.columns])
    # One SQL text: a chain of column expressions would be nested one level deeper per column.
    same = " and ".join(f"`{name}` <=> `{name}__held`" for name in (*common, _COPY))
    return ours.join(theirs, f.expr(same), "left_anti").drop(_COPY)


def _deleted(spark: SparkSession, source: Source, held: DataFrame, new: DataFrame) -> DataFrame:
    """The keys in the raw table that the database no longer has."""
    names = [each.name for each in source.key]
    parts = [Split("true")]
    theirs = read(spark, source, parts, source.key, 1).select(*names)
    gone = held.select(*names).exceptAll(theirs.distinct())
    # Without a common snapshot, a key may have been inserted again since; it is not deleted.
    gone = gone.exceptAll(new.select(*names).distinct())
    return gone.withColumn("is_deleted", f.lit(True))


def compare(source: Source, splits: Sequence[Split], staged: DataFrame) -> None:
    """Raise ``SourceUnavailable`` if ``staged`` differs from the database's counts in ``splits``:
    rows, non-null values and totals, by part and column.
    """
    columns = source.relation.columns
    aggregates = [f.count("*").alias("rows")]
    for each in columns:
        aggregates.append(f.count(f.col(f"`{each.name}`")))
        aggregates += [f.expr(ours.format(c=f"`{each.name}`")) for _, ours in each.totals]
    found = {row[0]: list(row[1:]) for row in staged.groupBy(PART).agg(*aggregates).collect()}
    where = f"{source.relation.name} of {source.database.where}"
    for part, split in enumerate(splits):
        row = found.get(part, [0])
        if row[0] != split.rows:
            why = (
                "The table was changed while it was read"
                if not source.database.dialect.shares_snapshot
                else "The driver lost or made rows"
            )
            message = (
                f"{where}: of the rows with {split.condition} {row[0]:,} were read, but the "
                f"database counts {split.rows:,}. {why}; nothing was committed. Run again."
            )
            raise SourceUnavailable(message, relation=source.relation.name, part=part)
        if not row[0]:
            continue
        values = iter(row[1:])
        for each in columns:
            ours = [canonical(next(values)) for _ in range(1 + len(each.totals))]
            theirs = list(split.totals.get(each.name, ours))
            # Spark's sum is null above 38 digits; skip the comparison then.
            if any(a and a != b for a, b in zip(ours, theirs, strict=True)):
                message = (
                    f"{where}: column {each.source} ({each.kind}), landed as {each.landed_as}, has "
                    f"other values than the database. Rows with {split.condition}: non-null values "
                    f"and totals are {', '.join(ours)} in Spark, and {', '.join(theirs)} in the "
                    "database. Nothing was committed. If the table was not changed meanwhile, the "
                    "values do not fit the type: land the column as text with "
                    f'columns = {{ {each.source} = "string" }}.'
                )
                raise SourceUnavailable(message, relation=source.relation.name, column=each.source)


def check_key(source: Source, staged: DataFrame) -> None:
    """Raise ``ConfigurationError`` if a configured ``key`` is not unique: readers would see only
    one of the rows.
    """
    primary, chosen = set(source.relation.key), {each.source for each in source.key}
    if not source.entry.key or (primary and primary <= chosen):
        return
    names = [f"`{each.name}`" for each in source.key]
    repeated = staged.groupBy(*names).agg(f.count("*").alias("__rows")).where("__rows > 1")
    for *values, rows in repeated.limit(1).collect():
        pairs = zip(source.key, values, strict=True)
        named = ", ".join(f"{each.source} = {value}" for each, value in pairs)
        message = (
            f"key of {source.relation.name} of {source.database.where} is not unique: {rows:,} "
            f"rows have {named}. Nothing was committed. Name more columns in key, or correct the "
            "rows, and run again."
        )
        raise ConfigurationError(message, relation=source.relation.name, table=source.table)
