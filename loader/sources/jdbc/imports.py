"""The batch of an import: whether it is due, its bounds and its parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone

from pyspark.sql import SparkSession

from loader.batch import Batch
from loader.content import Import
from loader.errors import Command, ConfigurationError
from loader.sources.jdbc.mapping import Source
from loader.sources.jdbc.parts import measure
from loader.sources.jdbc.types import check_types
from loader.sources.jdbc.watermark import condition_of, parts_of, ranged

# An import is due a little early. Otherwise one with ``every`` = 24h that runs at five each morning
# could be some seconds too young and wait another day.
_DUE = 0.95


def proposed(source: Source, last: Batch | None, now: datetime) -> Batch | None:
    """The batch that imports ``source``, without bounds; None if it is not due.

    Raises ``ConfigurationError`` if the columns differ from those of the ``last`` import and
    ``on_drift`` is ``fail``, or if a table of whole versions becomes incremental without a key.
    """
    database = source.database
    if last is not None:
        every = database.config.every
        if every is not None and last.committed_at is not None:
            age = now - (last.planned_at or last.committed_at).astimezone(timezone.utc)
            if age.total_seconds() < _DUE * every:
                return None
        _check_drift(source, last.imported)
        if last.imported.mode == "full" and source.entry.mode != "full" and not source.key:
            message = (
                f"{source.table} has whole versions of {source.relation.name} of "
                f"{database.where}, which without a key cannot be distinguished from new rows; "
                f"name another table for mode {source.entry.mode}, or a key."
            )
            raise ConfigurationError(message, relation=source.relation.name, table=source.table)
    entry = source.entry
    content = Import(source.relation.name, entry.mode, source.columns, entry.column)
    return Batch(source.table, 0, f"jdbc.{source.section}", content)


def _check_drift(source: Source, before: Import) -> None:
    drift = differences(before.columns, source.columns)
    if drift and (source.entry.on_drift or source.database.config.on_drift) == "fail":
        remedy = Command("run", flags=(f"--set jdbc.{source.section}.on_drift=evolve",))
        message = (
            f"{source.relation.name} of {source.database.where} is not what {source.table} holds: "
            f"{'; '.join(drift)}. Nothing was imported. To go on with the new columns: "
            f"{remedy}, or set on_drift in loader.toml."
        )
        relation, table = source.relation.name, source.table
        raise ConfigurationError(message, remedy=remedy, relation=relation, table=table)


def differences(
    before: Sequence[tuple[str, str, str]], now: Sequence[tuple[str, str, str]]
) -> list[str]:
    """The differences of the columns ``now`` from those ``before``, in words."""
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


def last_import(batches: Mapping[tuple[str, str | None], Batch], source: Source) -> Batch | None:
    """The newest import of ``source`` among ``batches``, the newest rows of its table. None if
    there is none, or if it was accepted as lost.
    """
    last = batches.get((f"jdbc.{source.section}", None))
    if last is None or not isinstance(last.content, Import):
        return None
    if any(gap.is_of_table for gap in last.gaps):
        return None
    return last


def bounded(
    spark: SparkSession,
    source: Source,
    batch: Batch,
    last: Batch | None,
    noted: Callable[[str], None],
) -> Batch | None:
    """``batch`` with its bounds, its parts and the database's counts of them, all from one
    snapshot; None if the source has nothing new since ``last``.

    Raises ``ConfigurationError`` for a type that the raw table cannot store.
    """
    found = ranged(spark, source, batch, last, noted)
    if found is None:
        return None
    splits, fingerprint = measure(
        source.database,
        source.relation,
        [each.condition for each in found.splits],
        # With ``every``, age alone decides, so no fingerprint is needed.
        with_fingerprint=found.mode == "full" and source.database.config.every is None,
    )
    imported = replace(found, splits=tuple(splits), fingerprint=fingerprint)
    before = last.imported if last is not None else None
    if (
        before is not None
        and found.mode == before.mode == "full"
        and fingerprint
        and before.fingerprint == fingerprint
        and before.rows == imported.rows
        and before.columns == found.columns
    ):
        return None
    return replace(batch, content=imported)


def divided(
    spark: SparkSession,
    source: Source,
    batch: Batch,
    last: Batch | None,
    noted: Callable[[str], None],
) -> Batch | None:
    """``batch`` with bounds and parts as a run would have them, with estimated numbers of rows."""
    found = ranged(spark, source, batch, last, noted)
    if found is None:
        return None
    splits = tuple(
        replace(each, rows=source.database.estimate(source.relation, each.condition))
        for each in found.splits
    )
    return replace(batch, content=replace(found, splits=splits))


def again(spark: SparkSession, source: Source, batch: Batch) -> Batch:
    """An unfinished ``batch`` without rows in its table: with its planned bounds and new counts.

    The planned import of an empty table is not read again. Its mark may already be committed, which
    no row shows, and rows that came since belong to the next batch. Raises ``ConfigurationError``
    as ``proposed`` and ``bounded`` do.
    """
    imported = batch.imported
    if imported.is_empty:
        return batch
    # A person may have chosen another type in ``columns`` because of this batch's error. No row of
    # the batch has landed with the planned type, so this is no drift.
    chosen = {each[:2]: each for each in source.columns}
    planned = tuple(chosen.get(each[:2], each) for each in imported.columns)
    _check_drift(source, replace(imported, columns=planned))
    check_types(spark, source, None)
    condition = condition_of(source, imported.low, imported.high)
    parts = parts_of(source, condition)
    splits, fingerprint = measure(source.database, source.relation, parts)
    now = replace(imported, columns=source.columns, splits=tuple(splits), fingerprint=fingerprint)
    return replace(batch, content=now)
