"""Imports from databases: what a run would take, and how it becomes a batch of a raw table.

The protocol is that of topics, see ``run``: bounds, parts and what the database counts of them
stand in the ledger before anything is read. The rows are then held by Spark, counted again and
compared; only what agrees with the source is committed to the raw table.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import Any

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f

from loader import land, spark_errors
from loader.errors import ConfigurationError, DataLoss, LoaderError, SourceUnavailable
from loader.jdbc import Column, Database, Relation, canonical, overlap_of
from loader.plan import Batch, Import, Split, withdraw_command
from loader.settings import JdbcTable

# The part of the read that a row came from, while the rows are compared.
_PART = "__part"
_COPY = "__copy"
# An import is due a little early, so that one of 24h that is run at five each morning never finds
# itself some seconds too young, and waits another day.
_DUE = 0.95
# Besides whole and decimal numbers: what Delta widens, and what is widened as it is written.
_TAKEN = (("float", "double"), ("double", "float"), ("date", "timestamp_ntz"))
# A JDBC option in the statement that Spark Connect shows in its web interface and its logs.
_REDACTED = (
    r'(?s)key:\s*"(?i:password|user)"\s*value:\s*"(?:[^"\\]|\\.)*"'
    r'|"(?i:password)"\s*(?::|->|=)\s*"(?:[^"\\]|\\.)*"'
)


@dataclass(frozen=True)
class Source:
    """A relation of a database and the raw table that it lands in."""

    section: str
    database: Database
    relation: Relation
    table: str

    @property
    def entry(self) -> JdbcTable:
        """What the configuration says of it."""
        return self.database.entry(self.relation)

    @property
    def key(self) -> tuple[Column, ...]:
        """The columns that name a row; empty where nothing does."""
        names = self.entry.key or self.relation.key
        return tuple(self.relation.column(name, "key") for name in names)

    @property
    def watermark(self) -> Column | None:
        """The column that decides what is new, of an incremental import."""
        name = self.entry.column
        return self.relation.column(name, "column") if name else None

    @property
    def columns(self) -> tuple[tuple[str, str, str], ...]:
        """As ``Import.columns``."""
        return tuple((each.name, each.kind, each.landed_as) for each in self.relation.columns)


class Slots:
    """At most ``count`` connections at the same time, shared by the tables of one database."""

    def __init__(self, count: int) -> None:
        self._left = self._count = count
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, wanted: int) -> Iterator[int]:
        """Hold ``wanted`` of them, or all there are when these are fewer; how many that is."""
        count = min(wanted, self._count)
        with self._changed:
            self._changed.wait_for(lambda: self._left >= count)
            self._left -= count
        try:
            yield count
        finally:
            with self._changed:
                self._left += count
                self._changed.notify_all()


def sources(section: str, database: Database) -> tuple[list[Source], list[LoaderError]]:
    """Everything that ``[jdbc.<section>]`` names, and an error for each that cannot be imported."""
    found: dict[str, Source] = {}
    relations, errors = database.relations()
    for relation in relations:
        source = Source(section, database, relation, database.raw_table(relation))
        if source.table in found:
            message = (
                f"[jdbc.{section}] would load {relation.name} into {source.table}, which "
                f"{found[source.table].relation.name} feeds; put {{schema}} into table, or give "
                "one of them another."
            )
            errors.append(ConfigurationError(message, section=section, table=source.table))
            continue
        try:
            _check(source)
        except LoaderError as error:
            errors.append(error)
            continue
        found[source.table] = source
    return list(found.values()), errors


def _check(source: Source) -> None:
    watermark, entry = source.watermark, source.entry
    if watermark is None:
        return
    wanted = (
        ("time", "date") if entry.mode == "last_modified" else ("number", "time", "date", "text")
    )
    if watermark.family not in wanted:
        message = (
            f"{source.relation.name} of {source.database.where}: column {watermark.source} "
            f"({watermark.kind}) cannot decide what is new in mode {entry.mode}; name "
            + ("a timestamp or date." if entry.mode == "last_modified" else "one that grows.")
        )
        raise ConfigurationError(message, relation=source.relation.name, column=watermark.source)
    if entry.mode == "last_modified" and not source.key:
        message = (
            f"{source.relation.name} of {source.database.where} has no primary key, so which row "
            "was modified cannot be told; set key in its entry, or import it in mode full."
        )
        raise ConfigurationError(message, relation=source.relation.name)
    if entry.compare_keys and not source.key:
        message = (
            f"{source.relation.name} of {source.database.where} has no primary key to compare; set "
            "key in its entry."
        )
        raise ConfigurationError(message, relation=source.relation.name)


def proposed(source: Source, last: Batch | None, now: datetime) -> Batch | None:
    """The batch that imports ``source``, not bounded yet; None while it is not due.

    Raises ``ConfigurationError`` when its columns are not those of the ``last`` import and the
    policy is to fail.
    """
    database = source.database
    if last is not None and last.imported is not None:
        every = database.config.every
        if every is not None and last.committed_at is not None:
            age = now - (last.planned_at or last.committed_at).astimezone(timezone.utc)
            if age.total_seconds() < _DUE * every:
                return None
        _check_drift(source, last.imported)
        if last.imported.mode == "full" and source.entry.mode != "full" and not source.key:
            message = (
                f"{source.table} has whole versions of {source.relation.name} of "
                f"{database.where}, which without a key cannot be told from new rows; name "
                f"another table for mode {source.entry.mode}, or a key."
            )
            raise ConfigurationError(message, relation=source.relation.name, table=source.table)
    entry = source.entry
    return Batch(
        table_name=source.table,
        batch_id=0,
        source=f"jdbc.{source.section}",
        topic=None,
        topic_id=None,
        table_id="",
        imported=Import(source.relation.name, entry.mode, source.columns, entry.column),
    )


def _check_drift(source: Source, before: Import) -> None:
    drift = differences(before.columns, source.columns)
    if drift and (source.entry.on_drift or source.database.config.on_drift) == "fail":
        message = (
            f"{source.relation.name} of {source.database.where} is not what {source.table} holds: "
            f"{'; '.join(drift)}. Nothing was imported. To go on with the new columns: "
            f"`python -m loader --set jdbc.{source.section}.on_drift=evolve run`, or set "
            "on_drift in loader.toml."
        )
        raise ConfigurationError(message, relation=source.relation.name, table=source.table)


def differences(
    before: Sequence[tuple[str, str, str]], now: Sequence[tuple[str, str, str]]
) -> list[str]:
    """How the columns ``now`` differ from those ``before``, in words."""
    was = {each[0]: each for each in before}
    has = {each[0]: each for each in now}
    said = [f"column {name} is gone" for name in was if name not in has]
    said += [f"column {name} ({has[name][1]}) is new" for name in has if name not in was]
    for name, (_, kind, landed_as) in has.items():
        if name in was and was[name][1:] != (kind, landed_as):
            said.append(
                f"column {name} was {was[name][1]}, landed as {was[name][2]}, and is {kind}, "
                f"landed as {landed_as}"
            )
    return said


def _check_types(spark: SparkSession, source: Source, last: Batch | None) -> None:
    """Raise ``ConfigurationError`` for a type in ``columns`` that Spark cannot make of the source's
    value, and for one that the raw table cannot take: Delta would refuse or change the values.
    """
    if last is not None and last.imported and last.imported.columns == source.columns:
        return
    there = spark.catalog.tableExists(source.table)
    held = dict(spark.table(source.table).dtypes) if there else {}
    for each in source.relation.columns:
        message = (
            f"Column {each.source} ({each.kind}) of {source.relation.name} in "
            f"{source.database.where} would land as {each.landed_as}, "
        )
        facts = {"relation": source.relation.name, "column": each.source}
        if {each.source, each.name} & set(source.entry.columns):
            made = each.convert.format(c=f"cast(null as {each.read_as})")
            try:
                spark.sql(f"select {made}").schema  # noqa: B018 - what it cannot cast is an error
            except AnalysisException as error:
                message += (
                    f"which Spark cannot make of it ({spark_errors.reason(error)}). Nothing was "
                    "imported; give it another type in `columns`."
                )
                raise ConfigurationError(message, **facts) from error
        was = held.get(each.name)
        if was is not None and not takes(was, each.landed_as):
            message += (
                f"but {source.table} holds it as {was}, which Delta cannot turn into it and keep "
                "every value. Nothing was imported; keep the old type with columns = "
                f'{{ {each.source} = "{was}" }} in the table\'s entry, or name another table.'
            )
            raise ConfigurationError(message, table=source.table, **facts)


def takes(held: str, new: str) -> bool:
    """Whether a Delta column of type ``held`` takes every value of type ``new`` as it is: widened
    in place, or wide enough.
    """
    held, new = held.replace(" ", ""), new.replace(" ", "")
    if held == new or (held, new) in _TAKEN:
        return True
    (whole, point), (new_whole, new_point) = _digits(held), _digits(new)
    if not whole or not new_whole:
        return False
    is_wider = new_whole >= whole and new_point >= point
    # A decimal becomes no integer; Delta would store the number in what is there.
    if is_wider and not (held.startswith("decimal") and not new.startswith("decimal")):
        return True
    return whole >= new_whole and point >= new_point


def _digits(kind: str) -> tuple[int, int]:
    """Digits before and after the point, as Delta counts them; (0, 0) for what is no number."""
    if found := re.fullmatch(r"decimal\((\d+),(\d+)\)", kind):
        return int(found[1]) - int(found[2]), int(found[2])
    return {"tinyint": 10, "smallint": 10, "int": 10, "bigint": 20}.get(kind, 0), 0


def bounded(
    spark: SparkSession,
    source: Source,
    batch: Batch,
    last: Batch | None,
    noted: Callable[[str], None],
) -> Batch | None:
    """``batch`` with its bounds, parts and what the database counts of them, all of one snapshot;
    None when the table has nothing that ``last`` did not have.

    Raises ``ConfigurationError`` for a type that the raw table cannot take.
    """
    found = _ranged(spark, source, batch, last, noted)
    if found is None:
        return None
    splits, fingerprint = source.database.measure(
        source.relation,
        [each.condition for each in found.splits],
        # An import that is due by its age is made without a look for changes.
        with_fingerprint=found.mode == "full" and source.database.config.every is None,
    )
    before = last.imported if last is not None else None
    if (
        before is not None
        and found.mode == before.mode == "full"
        and fingerprint
        and before.fingerprint == fingerprint
        and sum(each.rows or 0 for each in before.splits) == sum(each.rows or 0 for each in splits)
        and before.columns == found.columns
    ):
        return None
    imported = replace(found, splits=tuple(splits), fingerprint=fingerprint)
    return replace(batch, imported=imported)


def divided(
    spark: SparkSession,
    source: Source,
    batch: Batch,
    last: Batch | None,
    noted: Callable[[str], None],
) -> Batch | None:
    """``batch`` with its bounds and parts as a run would have them, rows estimated."""
    found = _ranged(spark, source, batch, last, noted)
    if found is None:
        return None
    splits = tuple(
        replace(each, rows=source.database.estimate(source.relation, each.condition))
        for each in found.splits
    )
    return replace(batch, imported=replace(found, splits=splits))


def again(spark: SparkSession, source: Source, batch: Batch) -> Batch:
    """An unfinished ``batch``, nothing of which is in its table, bounded as it was planned, with
    what the database counts now. An empty table is closed as it was planned: its mark may be
    there, which no row shows, and whatever came since is the next batch's.

    Raises ``ConfigurationError`` as ``proposed`` and ``bounded`` do.
    """
    imported = batch.imported
    if imported is None or _is_empty(imported):
        return batch
    # A person was asked for another type in `columns`; nothing has landed as the one before.
    chosen = {each[:2]: each for each in source.columns}
    planned = tuple(chosen.get(each[:2], each) for each in imported.columns)
    _check_drift(source, replace(imported, columns=planned))
    _check_types(spark, source, None)
    condition = _condition(source, imported.low, imported.high)
    parts = _parts(source, condition)
    splits, fingerprint = source.database.measure(source.relation, parts)
    now = replace(imported, columns=source.columns, splits=tuple(splits), fingerprint=fingerprint)
    return replace(batch, imported=now)


def _is_empty(imported: Import) -> bool:
    return imported.mode == "full" and not any(each.rows for each in imported.splits)


def _parts(source: Source, condition: str) -> list[str]:
    rows = source.database.estimate(source.relation, condition)
    return source.database.split(source.relation, condition, rows)


def _ranged(
    spark: SparkSession,
    source: Source,
    batch: Batch,
    last: Batch | None,
    noted: Callable[[str], None],
) -> Import | None:
    imported, column = batch.imported, source.watermark
    assert imported is not None  # noqa: S101 - only imports come here
    _check_types(spark, source, last)
    if column is None:
        parts = _parts(source, "true")
        return replace(imported, splits=tuple(map(Split, parts)))
    database, relation = source.database, source.relation
    high = database.text_of("max", column, relation)
    before = last.imported if last is not None else None
    low = None
    if before is not None and before.column == imported.column and before.mode == imported.mode:
        if before.high is not None:
            low = lowered(before.high, overlap_of(source.entry), column, source)
        held = _held(spark, source)
        if held is None:
            low = None
        elif low is not None and (source.entry.count_older or source.entry.compare_keys):
            low = _with_older(spark, source, held, low, noted)
        if held is not None and not _has_news(source, held, before, low, high):
            return None
    if high is not None and before is not None and before.high is not None and low is not None:
        # The clock may have gone back: what was there is read up to the higher one.
        high = _later(before.high, high, column)
    condition = _condition(source, low, high)
    return replace(
        imported, low=low, high=high, splits=tuple(map(Split, _parts(source, condition)))
    )


def _condition(source: Source, low: str | None, high: str | None) -> str:
    """The rows from ``low`` to ``high``, both with them; from the beginning also those without."""
    column, database = source.watermark, source.database
    if column is None or high is None:
        return "true"
    until = database.compared(column, "<=", high)
    if low is None:
        return f"({until} or {database.is_null(column)})"
    return f"{database.compared(column, '>=', low)} and {until}"


def lowered(high: str, overlap: str, column: Column, source: Source) -> str:
    """``high`` less the overlap, as text for the database."""
    message = (
        f"{source.relation.name} of {source.database.where}: overlap {overlap!r} does not go with "
        f"column {column.source} ({column.kind}); write a number for numbers, and 10m, 2h or 1d "
        "for times."
    )
    span = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|h|d)", overlap)
    try:
        if column.family == "number":
            return format(_value(high, column) - Decimal(overlap), "f")
        if column.family == "text" or Decimal(overlap if span is None else "1") == 0:
            return high
    except InvalidOperation as error:
        raise ConfigurationError(message, relation=source.relation.name) from error
    if span is None:
        if source.entry.overlap is None:  # the default of another kind of column
            return high
        raise ConfigurationError(message, relation=source.relation.name)
    seconds = float(span[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[span[2]]
    zone = "+00" if column.landed_as == "timestamp" and high.endswith("+00") else ""
    moment: datetime = _value(high, column)
    earliest = datetime.min + timedelta(seconds=seconds)
    moment = max(moment, earliest) - timedelta(seconds=seconds)
    if column.family == "date":
        return moment.date().isoformat()
    return moment.isoformat(sep=" ") + zone


def _later(one: str, other: str, column: Column) -> str:
    if column.family == "text":
        return other  # only the database knows its order
    return max(one, other, key=lambda text: _value(text, column))


def _value(text: str, column: Column) -> Any:
    """The number, or the time or date, that the database wrote as ``text``; raises
    ``ConfigurationError`` for infinity, what is not a number, and years beyond 9999.
    """
    # Python before 3.11 reads three or six digits after the point, and no other number of them.
    padded = re.sub(r"\.(\d{1,6})$", lambda found: f".{found[1]:0<6}", text.removesuffix("+00"))
    try:
        if column.family != "number":
            return datetime.fromisoformat(padded)
        if (number := Decimal(text)).is_finite():
            return number
        raise ValueError(text)
    except ValueError as error:
        message = (
            f"Column {column.source} ({column.kind}) has {text!r} as its highest value, by which "
            "what is new cannot be told. Correct the value, or import the table in mode full."
        )
        raise ConfigurationError(message, column=column.source) from error


def _held(spark: SparkSession, source: Source) -> DataFrame | None:
    """The rows of an incremental import as the raw table has them now: the newest of each key.
    None where the table has not all columns yet, so that every row is new; rows without a key would
    be there twice then, and stay as they are.
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


def _counted(source: Source, held: DataFrame, spark_condition: str) -> tuple[int, Any]:
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
    """``low``, or None (from the beginning) where the source has rows below it that raw has not."""
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
        # A row that was modified since is below in raw only; it must not stand for one that is not
        # there.
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
    if high is None:  # no row has a value: their number must do
        more = database.count(source.relation, "true", column)[0] - held.count()
        return more != 0 if source.entry.compare_keys else more > 0
    if low is None:
        return True
    if before.high is None or before.high != high:
        return True
    name = f"`{column.name}`"
    theirs = database.count(source.relation, database.compared(column, ">=", low), column)
    return theirs != _counted(source, held, f"{name} >= {_literal(column, low)}")


def statements(source: Source, batch: Batch) -> list[str]:
    """The statement by which each part of ``batch`` is read."""
    imported = batch.imported
    return [
        source.database.select(source.relation, source.relation.columns, each.condition)
        for each in (imported.splits if imported else ())
    ]


def create_table(spark: SparkSession, table: str) -> None:
    """Make the raw table of an import; its data columns come with the first batch."""
    land.make_table(
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
    """Read, compare and commit ``batch``; what is in the table already is only counted.

    Raises ``SourceUnavailable`` when what was read is not what the database counted.
    """
    imported = batch.imported
    assert imported is not None  # noqa: S101 - only imports come here
    rows = spark.table(batch.table_name).where(f.col("batch_id") == batch.batch_id)
    is_planned_empty = batch.planned_at is not None and _is_empty(imported)
    if not is_planned_empty and (batch.planned_at is None or rows.isEmpty()):
        with slots.taken(len(imported.splits)) as connections:
            _append(spark, source, batch, imported, connections)
    count = rows.count()
    expected = sum(each.rows or 0 for each in imported.splits)
    if imported.mode == "full" and count != expected:
        # Delta skipped the write: the table has the mark of the batch, and not its rows.
        message = (
            f"Batch {batch.batch_id} of {batch.table_name} has {count:,} rows, but {expected:,} "
            "were committed: the table was restored to an older version, or rows were deleted. To "
            "go on without them: " + land.accept_command(spark, batch)
        )
        raise DataLoss(message, table=batch.table_name, batch_id=batch.batch_id)
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
        # Held by Spark: what is compared and what is written are the same rows, read once. An
        # executor that dies with its part fails the write; the part is not read anew.
        staged = land.held(staged)
        compare(source, imported.splits, staged)
        check_key(source, staged)
        rows = staged.drop(_PART)
        parts = [rows.withColumn("is_deleted", f.lit(None).cast("boolean"))]
        if imported.mode != "full":
            held = _held(spark, source)
            if held is not None:
                rows = _new(rows, held)
            parts = [rows.withColumn("is_deleted", f.lit(False))]
            if source.entry.compare_keys and held is not None:
                parts.append(_deleted(spark, source, held, rows))
        landed = land.united(parts, by_name=True)
        names = [each.name for each in source.relation.columns]
        landed = landed.select(
            f.lit(batch.batch_id).cast("bigint").alias("batch_id"),
            f.current_timestamp().alias("loaded_at"),
            "is_deleted",
            *[f.col(f"`{name}`") for name in names],
        )
        content = {"relation": imported.relation, "low": imported.low, "high": imported.high}
        land._append(landed, batch, content)
    except LoaderError:
        raise
    except Exception as error:
        if spark_errors.is_gone(error):
            raise
        told = source.database.hide(spark_errors.reason(error))
        message = (
            f"Batch {batch.batch_id} of {batch.table_name} could not be imported from "
            f"{imported.relation} of {source.database.where}: {told}. It stays planned; run again "
            f"to finish it. If it can never be imported: {withdraw_command(batch)}"
        )
        raise SourceUnavailable(message, table=batch.table_name, batch_id=batch.batch_id) from None


def _new(rows: DataFrame, held: DataFrame) -> DataFrame:
    """Those of ``rows`` that ``held`` has not; a row that it has once is left out once."""
    common = [name for name in rows.columns if name in held.columns]
    if common == rows.columns:
        return rows.exceptAll(held.select(*common))
    # Columns came since: told by the others, and kept.
    names = ", ".join(f"`{name}`" for name in common)
    copy = f.expr(f"row_number() over (partition by {names} order by 0)")
    ours, theirs = rows.withColumn(_COPY, copy), held.select(*common).withColumn(_COPY, copy)
    theirs = theirs.toDF(*[f"{name}__held" for name in theirs.columns])
    # As text: each column of a chain of expressions would be nested in the one before.
    same = " and ".join(f"`{name}` <=> `{name}__held`" for name in (*common, _COPY))
    return ours.join(theirs, f.expr(same), "left_anti").drop(_COPY)


def _deleted(spark: SparkSession, source: Source, held: DataFrame, new: DataFrame) -> DataFrame:
    """The keys that the raw table has and the database has not."""
    names = [each.name for each in source.key]
    parts = [Split("true")]
    theirs = read(spark, source, parts, source.key, 1).select(*names)
    gone = held.select(*names).exceptAll(theirs.distinct())
    # A key that came back meanwhile, where there is no common snapshot, is not gone.
    gone = gone.exceptAll(new.select(*names).distinct())
    return gone.withColumn("is_deleted", f.lit(True))


def read(
    spark: SparkSession,
    source: Source,
    splits: Sequence[Split],
    columns: Sequence[Column],
    connections: int,
) -> DataFrame:
    """The rows of ``splits`` with their ``columns`` as raw has them, and the part of each; at most
    ``connections`` parts are read at the same time.
    """
    hide_secrets(spark)
    options = source.database.options()
    url = options.pop("url")
    schema = ", ".join(f"`{each.name}` {each.read_as}" for each in columns)
    converted = [
        f.expr(each.convert.format(c=f"`{each.name}`")).alias(each.name) for each in columns
    ]
    frames = []
    for part, split in enumerate(splits):
        query = source.database.select(source.relation, columns, split.condition)
        properties = {**options, "customSchema": schema}
        frame = spark.read.jdbc(url, f"({query}) part_{part}", properties=properties)
        frames.append(frame.select(*converted, f.lit(part).alias(_PART)))
    rows = land.united(frames)
    return rows.coalesce(connections) if connections < len(frames) else rows


def hide_secrets(spark: SparkSession) -> None:
    """Let this session's statements be shown without passwords, and its times be UTC."""
    spark.conf.set("spark.sql.redaction.string.regex", _REDACTED)
    spark.conf.set("spark.sql.session.timeZone", "UTC")


def compare(source: Source, splits: Sequence[Split], staged: DataFrame) -> None:
    """Raise ``SourceUnavailable`` where ``staged`` is not what the database counted in ``splits``:
    rows, values that are not null and totals, by part and column.
    """
    columns = source.relation.columns
    aggregates = [f.count("*").alias("rows")]
    for each in columns:
        aggregates.append(f.count(f.col(f"`{each.name}`")))
        aggregates += [f.expr(ours.format(c=f"`{each.name}`")) for _, ours in each.totals]
    found = {row[0]: list(row[1:]) for row in staged.groupBy(_PART).agg(*aggregates).collect()}
    where = f"{source.relation.name} of {source.database.where}"
    for part, split in enumerate(splits):
        row = found.get(part, [0])
        if row[0] != split.rows:
            why = (
                "The table was changed while it was read"
                if not source.database.shares_snapshot
                else "The driver lost or made rows"
            )
            message = (
                f"{where}: of the rows with {split.condition} {row[0]:,} were read, but the "
                f"database counts {split.rows:,}. {why}; nothing of it is visible. Run again."
            )
            raise SourceUnavailable(message, relation=source.relation.name, part=part)
        if not row[0]:
            continue
        values = iter(row[1:])
        for each in columns:
            ours = [canonical(next(values)) for _ in range(1 + len(each.totals))]
            theirs = list(split.totals.get(each.name, ours))
            # Spark has no sum of more than 38 digits: an empty one is not compared.
            if any(a and a != b for a, b in zip(ours, theirs, strict=True)):
                message = (
                    f"{where}: column {each.source} ({each.kind}), landed as {each.landed_as}, has "
                    f"other values than the database: not null and total are {', '.join(ours)}, "
                    f"there {', '.join(theirs)} (rows with {split.condition}). Nothing of it is "
                    "visible. If the table was not changed meanwhile, the values do not fit the "
                    f'type: land the column as text with columns = {{ {each.source} = "string" }}.'
                )
                raise SourceUnavailable(message, relation=source.relation.name, column=each.source)


def check_key(source: Source, staged: DataFrame) -> None:
    """Raise ``ConfigurationError`` where a key that a person chose names several rows, of which
    readers would have one.
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
            f"key of {source.relation.name} of {source.database.where} does not name one row: "
            f"{rows:,} have {named}. Nothing of it is visible. Name more columns in key, or "
            "correct the rows, and run again."
        )
        raise ConfigurationError(message, relation=source.relation.name, table=source.table)


def last_import(batches: Mapping[tuple[str, str | None], Batch], source: Source) -> Batch | None:
    """The newest batch of ``source`` among the ``batches`` of its table; None where unknown."""
    last = batches.get((f"jdbc.{source.section}", None))
    if last is None or last.imported is None or any(gap.is_of_table for gap in last.gaps):
        return None
    return last
