"""A look at the ledger and at every kind of source: what a run would do."""

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

# Raw tables that are looked at at the same time.
_PARALLEL = 4

_Kind = TypeVar("_Kind", bound=Kind)


class Surveyor:
    """Knows the ``kinds`` of sources, and finds out what of them is new for the raw tables.

    What is only asked goes through the session of the ledger, which is made for small statements,
    so that a run with nothing new uses no other.
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
        """The kind of that class."""
        return next(kind for kind in self.kinds if isinstance(kind, of))

    def kind_of(self, batch: Batch) -> Kind:
        """The kind of source that ``batch`` comes from."""
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
        """Look at every source and at the ledger, and decide what a run would do.

        Changes nothing but this: missing raw tables and the ledger are made (unless
        ``make_tables`` is off), so that readers find them empty. ``seconds`` are left to load in;
        with ``only`` that section of that kind alone is asked. Without ``with_late`` the late kinds
        are left to ``survey_late``.
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
        """Add to ``survey`` what the late kinds hold, and the batches that follow from it."""
        late = [kind for kind in self.kinds if kind.is_late]
        schemas = set().union(*(kind.schemas for kind in late))
        there = tables.tables_of(self.ledger.spark, schemas, make_schemas=make_tables)
        for kind in late:
            kind.find(survey, None)
        self._decide(survey, there, late, make_tables, None)
        self._report_unfed(survey, are_late=True)

    def _report_unfed(self, survey: Survey, *, are_late: bool) -> None:
        """Report the unfinished batches of late kinds, or of all others, whose table no section
        feeds any more, unless their source only did not answer.
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
                    # When its section is back, it is read as a whole again: nothing is missed.
                    survey.notes.append(error.as_remark())

    def _decide(
        self,
        survey: Survey,
        there: Collection[str],
        kinds: Sequence[Kind],
        make_tables: bool,
        seconds: float | None,
    ) -> None:
        """Add to ``survey`` what is unfinished in the tables that ``kinds`` feed, and of what they
        propose the batches that can be planned. ``there`` are tables that exist.
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
        """The Delta id of ``table``, a raw table that exists.

        Raises a ``LoaderError`` when it does not hold what the ledger says.
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
        """The Delta id of ``table`` where a batch needs it, or what is wrong with the table.

        Makes the table with ``make`` unless the ledger says that it was there.
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
                # Unless another loader began just now, and our own plan will be fenced.
                current = positions(self.ledger.current(), [table])[table]
                if newest <= current.last_batch_id:
                    position, newest = current, 0
            if exists:
                tables.check_table(position, table, table_id, newest, ledger=ledger)
        except Exception as error:
            return as_ours(error, f"Table {table}", table=table)
        return table_id

    def _take_over(self, survey: Survey, table: str) -> None:
        """Decide on the unfinished batch of ``table``: it goes first, and nothing else goes."""
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
