"""Databases as a kind of source."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timezone

from pyspark.sql import SparkSession

from loader.batch import PLANNED, Batch
from loader.content import Import
from loader.errors import ConfigurationError, LoaderError, SourceUnavailable
from loader.lake.ledger import Ledger
from loader.lake.spark_errors import as_ours
from loader.redaction import unset_variables
from loader.remedies import withdraw
from loader.settings import Settings
from loader.sources.base import Explanation, Kind, Noted, Survey
from loader.sources.jdbc.database import Database
from loader.sources.jdbc.imports import again, bounded, divided, last_import, proposed
from loader.sources.jdbc.landing import create_table, import_batch
from loader.sources.jdbc.mapping import Source, sources
from loader.sources.jdbc.reading import Slots, statements


class Databases(Kind):
    """``[jdbc.<name>]``: tables, views and queries of a database, imported whole or incrementally.

    ``found`` maps each raw table to the relation that the last survey found. Sessions, and with
    them snapshots, are closed at the end of a round.
    """

    name = "jdbc"

    def __init__(self, settings: Settings, spark: SparkSession, ledger: Ledger) -> None:
        super().__init__(settings, spark, ledger)
        self.found: dict[str, Source] = {}
        self._databases: dict[str, Database] = {}
        self._slots = {name: Slots(each.connections) for name, each in settings.jdbc.items()}

    @property
    def sections(self) -> Collection[str]:
        """The names of the databases' sections."""
        return self.settings.jdbc

    @property
    def schemas(self) -> set[str]:
        """The schemas of the imports' raw tables."""
        return set().union(*(each.schemas for each in self.settings.jdbc.values()))

    def find(self, survey: Survey, section: str | None) -> None:
        """Query each database's catalogue for the configured relations."""
        self.release()  # the old snapshot is out of date
        self.found = {}
        for name, config in self.settings.jdbc.items():
            if section not in (None, name):
                continue
            missing = unset_variables(config.url)
            if missing:
                survey.notes.append(f"[jdbc.{name}] skipped: {missing[0]} is not set")
                continue
            try:
                if name not in self._databases:
                    self._databases[name] = Database(name, config)
                database = self._databases[name]
                found, errors = sources(name, database)
            except Exception as error:
                # No error of one section may stop the others.
                what = f"[jdbc.{name}] cannot be imported"
                survey.errors.append(as_ours(error, what, section=name))
                continue
            survey.errors += errors
            if not found and not errors:
                survey.notes.append(f"[jdbc.{name}] names no table that the database has")
            for source in found:
                if source.table in survey.fed or source.table == self.ledger.name:
                    message = (
                        f"[jdbc.{name}] would load {source.relation.name} into {source.table}, "
                        "which another section feeds; name another table."
                    )
                    survey.errors.append(ConfigurationError(message, table=source.table))
                else:
                    self.found[source.table] = source
                    survey.feed(source.table, self)
            self._miss(survey, name, {source.relation.name for source in found})

    def _miss(self, survey: Survey, section: str, names: set[str]) -> None:
        """Report relations that were imported and are not among ``names``, the present ones."""
        for row in survey.rows:
            if row.source != f"jdbc.{section}" or not isinstance(row.content, Import):
                continue
            relation, table, remedy = row.content.relation, row.table_name, None
            if row.state == PLANNED and table not in self.found:
                remedy = withdraw(row)
                message = (
                    f"Batch {row.batch_id} of {table} is unfinished and reads {relation}, which "
                    f"[jdbc.{section}] does not have now; put it back until the batch is "
                    f"finished. Or take the batch back: {remedy}"
                )
            elif relation not in names:
                message = (
                    f"{relation} of [jdbc.{section}] is not there any more, or not in "
                    f"loader.toml; {table} keeps what was imported. If that is right, put it "
                    "into exclude."
                )
            else:
                continue
            names.add(relation)
            problem = ConfigurationError(message, remedy=remedy, table=table)
            if not self._databases[section].is_excluded(relation):
                survey.errors.append(problem)
            elif row.state == PLANNED:
                survey.notes.append(problem.as_remark())

    def propose(self, survey: Survey) -> Iterator[Batch]:
        """An import of each relation that is due; ``bound`` adds the bounds."""
        now = datetime.now(timezone.utc)
        for table, source in self.found.items():
            position = survey.positions[table]
            if position.unfinished:
                continue
            try:
                batch = proposed(source, last_import(position.newest, source), now)
            except Exception as error:
                what = f"New rows for {table} cannot be determined"
                survey.errors.append(as_ours(error, what, table=table))
                continue
            if batch is not None:
                yield batch

    def make_table(self, spark: SparkSession, table: str) -> None:
        """Create the raw table; the first batch adds its data columns."""
        create_table(spark, table)

    def check(self, survey: Survey, batch: Batch) -> bool:
        """Whether the database has the relation of the batch; raises
        ``SourceUnavailable`` if not.
        """
        if batch.table_name in self.found:
            return True
        # Often an error of the section itself explains why.
        remedy = withdraw(batch)
        message = (
            f"Batch {batch.batch_id} of {batch.table_name} is unfinished, and [{batch.source}] "
            "does not have what it reads now. Run again when it does, or take the batch back: "
            f"{remedy}"
        )
        raise SourceUnavailable(message, remedy=remedy, table=batch.table_name)

    def bound(
        self, batches: list[Batch], survey: Survey, noted: Noted, errors: list[LoaderError]
    ) -> list[Batch]:
        """Add bounds, parts and the database's counts of each part."""
        return self._each(bounded, batches, survey, noted, errors)

    def estimate(
        self, batches: list[Batch], survey: Survey, noted: Noted, errors: list[LoaderError]
    ) -> list[Batch]:
        """Add bounds and parts, with the planner's estimates of rows."""
        return self._each(divided, batches, survey, noted, errors)

    def _each(
        self,
        how: Callable[..., Batch | None],
        batches: list[Batch],
        survey: Survey,
        noted: Noted,
        errors: list[LoaderError],
    ) -> list[Batch]:
        kept = []
        for batch in batches:
            source = self.found[batch.table_name]
            last = last_import(survey.positions[batch.table_name].newest, source)
            try:
                new = how(self.spark, source, batch, last, noted)
            except Exception as error:
                what = f"New rows for {batch.table_name} cannot be determined"
                problem = as_ours(error, what, table=batch.table_name)
                if isinstance(error, LoaderError) and error.relation is None:
                    name = source.relation.name
                    problem = problem.reworded(f"{name}: {problem}", relation=name)
                errors.append(problem)
                continue
            if new is not None:
                kept.append(new)
        return kept

    def resume(self, batch: Batch) -> Batch:
        """The batch with new counts, unless its rows are already in the table."""
        if not batch.has_data or self.held(batch):
            return batch
        return again(self.spark, self.found[batch.table_name], batch)

    def write(self, batches: Sequence[Batch], errors: list[LoaderError]) -> list[Batch]:
        """Read, compare and commit each import."""
        written = []
        for batch in batches:
            if not batch.has_data:
                written.append(replace(batch, records=0, bytes=0))
                continue
            source = self.found[batch.table_name]
            slots = self._slots[source.section]
            written.append(import_batch(self.spark, source, batch, slots))
        return written

    def explain(self, batch: Batch) -> Explanation | None:
        """The columns of the import, and its parts with their statements."""
        source, imported = self.found[batch.table_name], batch.imported
        database, sql = source.database, statements(source, batch)
        snapshot = "share one snapshot" if database.dialect.shares_snapshot else "share no snapshot"
        if len(sql) == 1:
            snapshot = "is one statement"
        elif not database.dialect.shares_snapshot:
            snapshot += f", which {database.dialect.title} cannot"
        parts = [
            {"part": number, "rows": split.rows, "sql": statement}
            for number, (split, statement) in enumerate(
                zip(imported.splits, sql, strict=True), start=1
            )
        ]
        lines = [f"  {name}: {kind} -> {landed_as}" for name, kind, landed_as in imported.columns]
        lines.append(
            f"  {len(parts)} {'parts' if len(parts) > 1 else 'part'}, at most "
            f"{min(len(parts), database.config.connections)} at the same time; the read {snapshot}"
        )
        lines += [f"  part {e['part']}, about {e['rows']:,} rows: {e['sql']}" for e in parts]
        names = ("name", "kind", "landed_as")
        columns = [dict(zip(names, each, strict=True)) for each in imported.columns]
        facts = {"relation": imported.relation, "mode": imported.mode, "snapshot": snapshot}
        bounds = {"low": imported.low, "high": imported.high}
        return Explanation(lines, {**facts, **bounds, "columns": columns, "parts": parts})

    def release(self) -> None:
        """Close the sessions, which also ends the snapshots."""
        for database in self._databases.values():
            database.close()
        self._databases = {}
