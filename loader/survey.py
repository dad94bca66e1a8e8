"""The survey: reads the ledger and every kind of source, and decides what a run would load."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import TypeVar

from pyspark.sql import SparkSession

from loader.batch import PLANNED, Batch, Position, number, positions
from loader.errors import ConfigurationError, LoaderError
from loader.lake import tables
from loader.lake.ledger import Ledger, fenced_by
from loader.lake.spark_errors import as_ours
from loader.process import is_alive
from loader.settings import Settings
from loader.sources.base import Kind, Survey

# Number of raw tables that are examined at the same time.
_PARALLEL = 4

_Kind = TypeVar("_Kind", bound=Kind)


class Surveyor:
    """Owns the ``kinds`` of sources and determines what is new for the raw tables.

    Queries of a survey use the ledger's session, which is made for small statements. So a run with
    nothing new never uses the other session.
    """

    def __init__(
        self,
        settings: Settings,
        spark: SparkSession,
        ledger: Ledger,
        kinds: Sequence[type[Kind]],
    ) -> None:
        self.settings = settings
        self.spark = spark
        self.ledger = ledger
        self.kinds = [kind(settings, spark, ledger) for kind in kinds]

    def kind(self, of: type[_Kind]) -> _Kind:
        """The kind of source of class ``of``."""
        return next(kind for kind in self.kinds if isinstance(kind, of))

    def kind_of(self, batch: Batch) -> Kind:
        """The kind of source of ``batch``; raises ``ConfigurationError`` for a kind that this
        loader lacks.
        """
        for kind in self.kinds:
            if kind.name == batch.kind_of_source:
                return kind
        message = (
            f"Batch {batch.batch_id} of {batch.table_name} comes from [{batch.source}], a kind of "
            "source that this loader does not know; use the loader that planned it."
        )
        raise ConfigurationError(message, table=batch.table_name, source=batch.source)

    def survey(
        self,
        *,
        make_tables: bool = True,
        seconds: float | None = None,
        only: tuple[type[Kind], str] | None = None,
        with_late: bool = True,
    ) -> Survey:
        """Read the ledger and every source, and decide what a run would load.

        Creates the ledger and missing raw tables, so that readers find them empty, unless
        ``make_tables`` is false; changes nothing else. ``seconds`` is the time left for loading.
        ``only`` (kind, section) limits the survey to that section. Without ``with_late``,
        ``survey_late`` adds the late kinds.
        """
        survey = Survey()
        schemas = {self.ledger.name.partition(".")[0]}.union(*(k.schemas for k in self.kinds))
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(
                tables.tables_of, self.ledger.spark, schemas, make_schemas=make_tables
            )
            survey.rows = self.ledger.current()
            there = asked.result()
        if make_tables and self.ledger.name not in there:
            self.ledger.create()
        if only is not None:
            kind = self.kind(only[0])
            kind.find(survey, only[1])
            self._decide(survey, there, [kind], make_tables, seconds)
            return survey
        prompt = [kind for kind in self.kinds if not kind.is_late]
        for kind in prompt:
            kind.find(survey, None)
        self._decide(survey, there, prompt, make_tables, seconds)
        self._report_unfed(survey, are_late=False)
        if with_late:
            self.survey_late(survey, make_tables=make_tables)
        return survey

    def survey_late(self, survey: Survey, *, make_tables: bool = True) -> None:
        """Add the late kinds' tables and batches to ``survey``."""
        late = [kind for kind in self.kinds if kind.is_late]
        schemas = set().union(*(kind.schemas for kind in late))
        there = tables.tables_of(self.ledger.spark, schemas, make_schemas=make_tables)
        for kind in late:
            kind.find(survey, None)
        self._decide(survey, there, late, make_tables, None)
        self._report_unfed(survey, are_late=True)

    def _report_unfed(self, survey: Survey, *, are_late: bool) -> None:
        """Report unfinished batches whose table no section feeds any more: those of late kinds, or
        of all others. A batch whose source only failed to answer is not reported here.
        """
        for row in survey.rows:
            is_late = any(
                kind.is_late and kind.name == row.kind_of_source and row.section in kind.sections
                for kind in self.kinds
            )
            if row.state != PLANNED or row.table_name in survey.fed or is_late != are_late:
                continue
            try:
                self.kind_of(row).check_configured(survey, row)
            except LoaderError as error:
                if row.content.is_position:
                    survey.errors.append(error)
                else:
                    # Once its section is back, the source is read as a whole again, so nothing is
                    # lost.
                    survey.notes.append(error.as_remark())

    def _decide(
        self,
        survey: Survey,
        there: Collection[str],
        kinds: Sequence[Kind],
        make_tables: bool,
        seconds: float | None,
    ) -> None:
        """Add to ``survey`` the unfinished batches of the tables that ``kinds`` feed, and the
        proposed batches that can be planned. ``there`` are the existing tables.
        """
        proposed = [batch for kind in kinds for batch in kind.propose(survey)]
        fed = sorted(table for table, kind in survey.fed.items() if kind in kinds)
        news = {batch.table_name for batch in proposed}

        def examine(table: str) -> str | LoaderError:
            make = survey.fed[table].make_table if make_tables else None
            exists, position = table.lower() in there, survey.positions[table]
            return self._table_id(table, position, exists, table in news, make)

        with ThreadPoolExecutor(_PARALLEL) as pool:
            ids = dict(zip(fed, pool.map(examine, fed), strict=True))
        usable = set()
        for table, table_id in ids.items():
            if isinstance(table_id, LoaderError):
                survey.errors.append(table_id)
            elif survey.positions[table].unfinished:
                self._take_over(survey, table)
            else:
                usable.add(table)
        chosen = []
        for kind in kinds:
            mine = [
                batch
                for table in fed
                for batch in proposed
                if batch.table_name == table and table in usable and survey.fed[table] is kind
            ]
            chosen += kind.limit(survey, mine, seconds)
        chosen.sort(key=lambda batch: batch.table_name)
        for table, of_table in groupby(chosen, lambda batch: batch.table_name):
            new = list(of_table)
            if any(each.has_data or survey.fed[table].is_first(each) for each in new):
                survey.batches += number(survey.positions[table], str(ids[table]), new)

    def table_id(self, table: str, position: Position) -> str:
        """The Delta id of ``table``, an existing raw table.

        Raises a ``LoaderError`` if the table does not hold what the ledger lists.
        """
        found = self._table_id(table, position, True, True, None)
        if isinstance(found, LoaderError):
            raise found
        return found

    def _table_id(
        self,
        table: str,
        position: Position,
        exists: bool,
        has_new: bool,
        make: Callable[[SparkSession, str], None] | None,
    ) -> str | LoaderError:
        """The Delta id of ``table`` if a batch needs it (else empty), or the error of the table.

        Creates a missing table with ``make``, unless the ledger has batches of it.
        """
        ledger = self.ledger.name
        try:
            if not exists:
                tables.check_table(position, table, None)
                if make is None:
                    return ""
                make(self.ledger.spark, table)
            if not has_new and not position.unfinished:
                return ""
            table_id, newest = tables.table_state(self.ledger.spark, table, is_new=not exists)
            if newest > position.last_batch_id:
                # Another loader may have written that batch just now; then the ledger fences our
                # own plan.
                current = positions(self.ledger.current(), [table])[table]
                if newest <= current.last_batch_id:
                    position, newest = current, 0
            if exists:
                tables.check_table(position, table, table_id, newest, ledger=ledger)
        except Exception as error:
            return as_ours(error, f"Table {table}", table=table)
        return table_id

    def _take_over(self, survey: Survey, table: str) -> None:
        """Check whether the unfinished batch of ``table`` can be written; the table gets no other
        batch.
        """
        unfinished = survey.positions[table].unfinished
        try:
            for batch in unfinished:
                if batch.owner != self.ledger.owner and is_alive(batch.owner):
                    raise fenced_by(batch, batch.owner)
                kind = self.kind_of(batch)
                kind.check_configured(survey, batch)
                if not kind.check(survey, batch):
                    return
        except Exception as error:
            what = f"The unfinished batch of {table} cannot be finished"
            survey.errors.append(as_ours(error, what, table=table))
            return
        survey.unfinished += unfinished
