"""What is new for an incremental import: the rows above its watermark less the overlap."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f

from loader.batch import Batch
from loader.content import Import, Split
from loader.durations import seconds_of
from loader.errors import ConfigurationError
from loader.settings import JdbcTable
from loader.sources.jdbc.columns import Column, canonical
from loader.sources.jdbc.mapping import Source
from loader.sources.jdbc.parts import divide
from loader.sources.jdbc.reading import read
from loader.sources.jdbc.types import check_types

_DEFAULT_OVERLAP = {"append": "10000", "last_modified": "10m"}


def parts_of(source: Source, condition: str) -> list[str]:
    """Conditions that divide the rows with ``condition`` into parts to read."""
    rows = source.database.estimate(source.relation, condition)
    return divide(source.database, source.relation, condition, rows)


def ranged(
    spark: SparkSession,
    source: Source,
    batch: Batch,
    last: Batch | None,
    noted: Callable[[str], None],
) -> Import | None:
    """The bounds and parts of ``batch``; None if nothing is new.

    An incremental import begins at the watermark of ``last`` less the overlap, and ends at the
    present highest value of the column.
    """
    imported, column = batch.imported, source.watermark
    check_types(spark, source, last)
    if column is None:
        parts = parts_of(source, "true")
        return replace(imported, splits=tuple(map(Split, parts)))
    database, relation = source.database, source.relation
    high = database.text_of("max", column, relation)
    before = last.imported if last is not None else None
    low = None
    if before is not None and before.column == imported.column and before.mode == imported.mode:
        if before.high is not None:
            low = lowered(before.high, overlap_of(source.entry), column, source)
        held = held_rows(spark, source)
        if held is None:
            low = None
        elif low is not None and (source.entry.count_older or source.entry.compare_keys):
            low = _with_older(spark, source, held, low, noted)
        if held is not None and not _has_news(source, held, before, low, high):
            return None
    if high is not None and before is not None and before.high is not None and low is not None:
        # The clock may have gone back; read up to the higher of the two values.
        high = _later(before.high, high, column)
    condition = condition_of(source, low, high)
    return replace(
        imported, low=low, high=high, splits=tuple(map(Split, parts_of(source, condition)))
    )


def condition_of(source: Source, low: str | None, high: str | None) -> str:
    """The SQL condition for the rows from ``low`` to ``high``, both inclusive. Without ``low`` it
    includes the rows whose watermark column is null.
    """
    column, database = source.watermark, source.database
    if column is None or high is None:
        return "true"
    until = database.compared(column, "<=", high)
    if low is None:
        return f"({until} or {database.is_null(column)})"
    return f"{database.compared(column, '>=', low)} and {until}"


def lowered(high: str, overlap: str, column: Column, source: Source) -> str:
    """``high`` less ``overlap``, as text for the database.

    Raises ``ConfigurationError`` if the overlap does not fit the column's type.
    """
    message = (
        f"{source.relation.name} of {source.database.where}: overlap {overlap!r} does not go with "
        f"column {column.source} ({column.kind}); write a number for numbers, and 10m, 2h or 1d "
        "for times."
    )
    seconds = seconds_of(overlap)
    try:
        if column.family == "number":
            return format(_number(high, column) - Decimal(overlap), "f")
        if column.family == "text" or Decimal(overlap if seconds is None else "1") == 0:
            return high
    except InvalidOperation as error:
        raise ConfigurationError(message, relation=source.relation.name) from error
    if seconds is None:
        if source.entry.overlap is None:  # the default overlap is for another type of column
            return high
        raise ConfigurationError(message, relation=source.relation.name)
    zone = "+00" if column.landed_as == "timestamp" and high.endswith("+00") else ""
    moment = _moment(high, column)
    earliest = datetime.min + timedelta(seconds=seconds)
    moment = max(moment, earliest) - timedelta(seconds=seconds)
    if column.family == "date":
        return moment.date().isoformat()
    return moment.isoformat(sep=" ") + zone


def _later(one: str, other: str, column: Column) -> str:
    if column.family == "text":
        return other  # only the database knows the collation
    if column.family == "number":
        return max(one, other, key=lambda text: _number(text, column))
    return max(one, other, key=lambda text: _moment(text, column))


def _number(text: str, column: Column) -> Decimal:
    """The number that the database wrote as ``text``; raises ``ConfigurationError`` for infinity
    and NaN.
    """
    number = Decimal(text)
    if not number.is_finite():
        raise _orders_nothing(text, column)
    return number


def _moment(text: str, column: Column) -> datetime:
    """The time or date that the database wrote as ``text``; raises ``ConfigurationError`` for
    infinity and years above 9999.
    """
    # Before version 3.11 Python reads only three or six digits after the decimal point.
    padded = re.sub(r"\.(\d{1,6})$", lambda found: f".{found[1]:0<6}", text.removesuffix("+00"))
    try:
        return datetime.fromisoformat(padded)
    except ValueError as error:
        raise _orders_nothing(text, column) from error


def _orders_nothing(text: str, column: Column) -> ConfigurationError:
    message = (
        f"Column {column.source} ({column.kind}) has {text!r} as its highest value, which cannot "
        "be a watermark. Correct the value, or import the table in mode full."
    )
    return ConfigurationError(message, column=column.source)


def held_rows(spark: SparkSession, source: Source) -> DataFrame | None:
    """The rows of an incremental import in the raw table: of each key the newest, unless it is
    deleted.

    None if the raw table lacks columns, so that every row is new. The exception is a source without
    a key: its rows would then be in the table twice, so they are compared by the columns that the
    table has.
    """
    rows = spark.table(source.table)
    missing = {each.name for each in source.relation.columns} - set(rows.columns)
    if missing and (source.key or (source.watermark and source.watermark.name in missing)):
        return None
    if not source.key:
        return rows
    names = ", ".join(f"`{each.name}`" for each in source.key)
    newest = f.expr(f"row_number() over (partition by {names} order by batch_id desc)")
    ranked = rows.withColumn("__newest", newest)
    return ranked.where("__newest = 1 and not coalesce(is_deleted, false)").drop("__newest")


def _literal(column: Column, value: str) -> str:
    if column.family == "number":
        return value
    kind = {"time": column.landed_as, "date": "date", "text": ""}[column.family]
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    zone = "+00:00" if kind == "timestamp" and not value.endswith("+00") else ""
    return f"{kind} '{escaped}{zone}'"


def _counted(source: Source, held: DataFrame, spark_condition: str) -> tuple[int, str]:
    column = source.watermark
    assert column is not None  # noqa: S101 - only incremental imports come here
    total = "null"
    if column.family in ("number", "date", "time"):
        total = column.totals[0][1].format(c=f"`{column.name}`")
    row = held.where(spark_condition).selectExpr("count(*)", f"{total}").collect()[0]
    return int(row[0]), canonical(row[1])


def _with_older(
    spark: SparkSession, source: Source, held: DataFrame, low: str, noted: Callable[[str], None]
) -> str | None:
    """``low``, or None (read from the beginning) if the source has rows below it that raw lacks."""
    column, database = source.watermark, source.database
    assert column is not None  # noqa: S101 - only incremental imports come here
    theirs = database.count(
        source.relation,
        f"({database.compared(column, '<', low)} or {database.is_null(column)})",
        column,
    )
    name = f"`{column.name}`"
    below = f"({name} < {_literal(column, low)} or {name} is null)"
    if source.entry.mode == "last_modified":
        # A row that was modified since the last import is below the bound only in raw. Leave it
        # out; otherwise it would hide a row that raw lacks.
        keys = [each.name for each in source.key]
        newer = [Split(database.compared(column, ">=", low))]
        modified = read(spark, source, newer, source.key, 1).select(*keys)
        held = held.join(modified.distinct(), keys, "left_anti")
    ours = _counted(source, held, below)
    if theirs[0] > ours[0] or (source.entry.compare_keys and theirs != ours):
        noted(
            f"{source.relation.name} of [jdbc.{source.section}] has {theirs[0]:,} rows before "
            f"{low}, and {source.table} has {ours[0]:,}: rows were committed later than the "
            "overlap allows, a clock went back, or rows were deleted; all rows are read once more"
        )
        return None
    return low


def _has_news(
    source: Source, held: DataFrame, before: Import, low: str | None, high: str | None
) -> bool:
    column, database = source.watermark, source.database
    assert column is not None  # noqa: S101 - only incremental imports come here
    if high is None:  # no row has a value: compare the numbers of rows
        more = database.count(source.relation, "true", column)[0] - held.count()
        return more != 0 if source.entry.compare_keys else more > 0
    if low is None:
        return True
    if before.high is None or before.high != high:
        return True
    name = f"`{column.name}`"
    theirs = database.count(source.relation, database.compared(column, ">=", low), column)
    return theirs != _counted(source, held, f"{name} >= {_literal(column, low)}")


def overlap_of(entry: JdbcTable) -> str:
    """The configured overlap, or the default of the mode."""
    return entry.overlap if entry.overlap is not None else _DEFAULT_OVERLAP[entry.mode]
