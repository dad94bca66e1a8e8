"""One round: finish what was left, plan the rest in the ledger, land it, close it.

The order of these steps is the protocol that makes a landing exactly once; see DESIGN.md. A round
knows no source, only kinds of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import groupby
from typing import TypeVar

from pyspark.sql import SparkSession

from loader.batch import PLANNED, Batch, Position, TopicKey, by_batch, number, positions
from loader.errors import ConfigurationError, LoaderError, SourceUnavailable
from loader.lake import session, tables
from loader.lake.ledger import Ledger, fenced_by
from loader.lake.spark_errors import as_ours, is_gone, reason
from loader.process import is_alive
from loader.remedies import withdraw
from loader.settings import Settings
from loader.sources.base import Kind, Lag, Noted, Survey

# Batches of different tables that are written at the same time. More gain nothing: one write
# already uses every core for its partitions; a few overlap the fixed costs of small ones.
_PARALLEL = 4
_GATHER_SECONDS = 0.5
# Keep-alive interval of the ledger's session during a long write.
_ALIVE_SECONDS = 600.0

_Kind = TypeVar("_Kind", bound=Kind)


@dataclass(frozen=True)
class Landed:
    """A closed batch (one topic's part of it), how long its write, count and close took, and the
    offsets of the topic that are still to load.
    """

    batch: Batch
    seconds: float
    lag: int


@dataclass(frozen=True)
class Outcome:
    """What a round did: the batches that it closed, the errors it met, the offsets that are still
    to load by topic and partition, and whether the limits are why.
    """

    batches: list[Batch]
    errors: list[LoaderError]
    lag: Lag = field(default_factory=dict)
    is_behind: bool = False


Told = Callable[[Landed], None]


@dataclass(frozen=True)
class Report:
    """Who hears of a round while it goes on: ``told`` of each batch when it is closed, ``noted`` of
    each remark. ``errors`` collects what went wrong; it stops nothing else.
    """

    told: Told
    noted: Noted
    errors: list[LoaderError]


class Loader:
    """The loader, bound to one lake and its configuration; make it with ``repeat.opened``.

    ``spark`` writes; what is only asked or planned goes through the session of the ledger, which is
    made for small statements, so that a run with nothing new opens no other. ``kinds`` are what it
    can load.
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

    def close(self) -> None:
        """Leave every source; the Spark session is whose it is."""
        for kind in self.kinds:
            kind.close()

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
            if row.state != PLANNED or row.table_name in survey.fed:
                continue
            try:
                kind = self.kind_of(row)
                if (kind.is_late and row.section in kind.sections) == are_late:
                    kind.check_configured(survey, row)
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
                b for b in proposed if b.table_name in usable and survey.fed[b.table_name] is kind
            ]
            chosen += kind.limit(survey, mine, seconds)
        chosen.sort(key=lambda batch: batch.table_name)
        for table, of_table in groupby(chosen, lambda batch: batch.table_name):
            new = list(of_table)
            if any(each.has_data or survey.fed[table].is_first(each) for each in new):
                survey.batches += number(survey.positions[table], str(ids[table]), new)

    def round(
        self,
        told: Told,
        noted: Noted,
        *,
        seconds: float | None = None,
        fix_ends: bool = False,
    ) -> Outcome:
        """Load everything that is new, once, within the limits of the configuration.

        ``told`` is called for each batch when it is closed, ``noted`` for each remark. An error of
        one table does not stop the others; all of them come back in the outcome. With ``fix_ends``,
        what came after the first such call is left for later.
        """
        report = Report(told, noted, [])
        survey = self.survey(seconds=seconds, with_late=False)
        done: list[Batch] = []
        is_limited = False
        if survey.unfinished:
            # They may be why an earlier run ended, so all others go before them, and each goes
            # alone. Errors and remarks of this survey return with the next one.
            done += self._load_new(survey, report)
            is_limited = survey.is_limited and bool(done)
            waited = {batch.table_name for batch in survey.unfinished}
            done += self._finish(survey, report)
            self._release()  # the next batches are of a later moment
            # A table that could not be finished must not be planned further: its errors return
            # with the new survey, or its batch is closed now.
            survey = self.survey(seconds=seconds, with_late=False)
            survey.batches = [each for each in survey.batches if each.table_name in waited]
        if fix_ends:
            for kind in self.kinds:
                kind.fix_ends()
        closed = self._load_noted(survey, report)
        is_limited = is_limited or (survey.is_limited and bool(closed))
        lag = self._lag(closed)
        self._release()
        if any(kind.is_late and kind.sections for kind in self.kinds):
            done += self._round_of_late(survey, report)
        return Outcome([*done, *closed], report.errors, lag, is_limited)

    def _round_of_late(self, before: Survey, report: Report) -> list[Batch]:
        """Load what is new of late kinds, when all else is loaded: whatever it is, nothing waits
        for it. ``before`` is the survey of all else.
        """
        done: list[Batch] = []
        # Their tables are no others', so the ledger's rows of them are as they were.
        survey = Survey(rows=before.rows, fed=dict(before.fed))
        self.survey_late(survey)
        if survey.unfinished:
            done += self._finish(survey, report)
            survey = Survey(rows=self.ledger.current(), fed=dict(before.fed))
            self.survey_late(survey)
        if survey.touched:
            self.ledger.touch(survey.touched)
        return done + self._load_noted(survey, report)

    def _finish(self, survey: Survey, report: Report) -> list[Batch]:
        """Land the unfinished batches of ``survey``, each alone; those that are closed."""
        done: list[Batch] = []
        for group in by_batch(survey.unfinished):
            first, kind = group[0], survey.fed[group[0].table_name]
            try:
                resumed = [kind.resume(batch) for batch in group]
                for old, new in zip(group, resumed, strict=True):
                    if new is not old:
                        self.ledger.amend(new)
            except Exception as error:
                what = f"What is new for {first.table_name} cannot be told"
                report.errors.append(as_ours(error, what, table=first.table_name))
                continue
            report.noted(
                f"finishing batch {first.batch_id} of {first.table_name}, which an earlier run "
                "planned and did not close"
            )
            kind.weigh(resumed)
            resumed = kind.settle(resumed, report.errors)
            done += self.land(survey, resumed, report.told, report.noted, report.errors)
        return done

    def _load_noted(self, survey: Survey, report: Report) -> list[Batch]:
        """Report what ``survey`` found, and load its batches."""
        for note in survey.notes:
            report.noted(note)
        report.errors.extend(survey.errors)
        return self._load_new(survey, report)

    def _load_new(self, survey: Survey, report: Report) -> list[Batch]:
        """Plan the batches of ``survey``, and land them."""
        ours = self.planned(survey, report.noted, report.errors)
        return self.land(survey, ours, report.told, report.noted, report.errors)

    def bound(self, survey: Survey, noted: Noted, errors: list[LoaderError]) -> None:
        """Fix what each of the batches of ``survey`` holds; those with nothing new are left out."""
        bounded = [
            batch
            for kind, mine in _by_kind(survey, survey.batches)
            for batch in kind.bound(mine, survey, noted, errors)
        ]
        survey.batches = _in_order(bounded, survey.batches)

    def estimate(self, survey: Survey, noted: Noted, errors: list[LoaderError]) -> None:
        """The same for people who only want to know."""
        bounded = [
            batch
            for kind, mine in _by_kind(survey, survey.batches)
            for batch in kind.estimate(mine, survey, noted, errors)
        ]
        survey.batches = _in_order(bounded, survey.batches)

    def planned(self, survey: Survey, noted: Noted, errors: list[LoaderError]) -> list[Batch]:
        """Those of the batches of ``survey`` that are planned now and ours, without what their kind
        sets aside.
        """
        self.bound(survey, noted, errors)
        if not survey.batches:
            return []
        with ThreadPoolExecutor(1) as pool:
            weighing = pool.submit(_weigh, survey, survey.batches)
            ours, fenced = self.ledger.propose(survey.batches)
            weighing.result()
        errors += fenced
        return [
            batch for kind, mine in _by_kind(survey, ours) for batch in kind.settle(mine, errors)
        ]

    def write(self, batches: Sequence[Batch], errors: list[LoaderError]) -> list[Batch]:
        """Write one batch id of one table, and count what the table holds of it."""
        return self.kind_of(batches[0]).write(batches, errors)

    def land(
        self,
        survey: Survey,
        batches: Sequence[Batch],
        told: Told,
        noted: Noted,
        errors: list[LoaderError],
    ) -> list[Batch]:
        """Write, count and close planned ``batches``; several tables at once."""
        done: list[Batch] = []
        begun: dict[str, float] = {}

        def write(group: list[Batch]) -> list[Batch]:
            begun[group[0].table_name] = time.monotonic()
            return self.write(group, errors)

        def is_heavy(group: list[Batch]) -> bool:
            return self.kind_of(group[0]).is_heavy(group)

        with ThreadPoolExecutor(_PARALLEL) as pool:
            # Those that go alone go last, so that the others need not wait for them.
            ordered = sorted(by_batch(batches), key=is_heavy)
            groups = {pool.submit(write, group): group for group in ordered}
            writes = set(groups)
            while writes:
                ready, writes = wait(writes, _ALIVE_SECONDS, FIRST_COMPLETED)
                if not ready:
                    session.keep_alive(self.ledger.spark)
                    continue
                if writes:
                    # Closing takes a second: who is done meanwhile is closed by the same statement.
                    more, writes = wait(writes, timeout=_GATHER_SECONDS)
                    ready |= more
                written: list[Batch] = []
                for ended in ready:
                    try:
                        written += ended.result()
                    except LoaderError as error:
                        errors.append(error)
                    except Exception as error:
                        # Whatever it is, other tables must not suffer from it.
                        errors.append(_not_written(groups[ended][0], error))
                # One statement closes whatever is ready: each costs more than a small write.
                closed, fenced = self.ledger.close(written, survey.rows)
                errors += fenced
                done += closed
                for batch in closed:
                    seconds = time.monotonic() - begun[batch.table_name]
                    told(Landed(batch, seconds, self.kind_of(batch).lag_left(batch)))
        self.follow(done, noted)
        return done

    def follow(self, closed: Sequence[Batch], noted: Noted) -> None:
        """Tell other systems of batches that are ``closed``."""
        for kind in self.kinds:
            mine = [batch for batch in closed if batch.kind_of_source == kind.name]
            for note in kind.follow(mine):
                noted(note)

    def release_ends(self) -> None:
        """Let the next round with ``fix_ends`` take the ends as they are then."""
        for kind in self.kinds:
            kind.release_ends()

    def _release(self) -> None:
        for kind in self.kinds:
            kind.release()

    def _lag(self, closed: Sequence[Batch]) -> Lag:
        lag: dict[TopicKey, Mapping[int, int]] = {}
        for kind in self.kinds:
            lag |= kind.lag([batch for batch in closed if batch.kind_of_source == kind.name])
        return lag

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


def _by_kind(survey: Survey, batches: Sequence[Batch]) -> Iterator[tuple[Kind, list[Batch]]]:
    """The ``batches`` of each kind, in the order of the kinds' first ones."""
    kinds = list(dict.fromkeys(survey.fed[batch.table_name] for batch in batches))
    for kind in kinds:
        yield kind, [batch for batch in batches if survey.fed[batch.table_name] is kind]


def _in_order(batches: Sequence[Batch], before: Sequence[Batch]) -> list[Batch]:
    """``batches`` by table in the order that they had ``before``."""
    place = {batch.table_name: at for at, batch in enumerate(reversed(before))}
    return sorted(batches, key=lambda batch: -place[batch.table_name])


def _weigh(survey: Survey, batches: Sequence[Batch]) -> None:
    for kind, mine in _by_kind(survey, batches):
        kind.weigh(mine)


def _not_written(batch: Batch, error: Exception) -> SourceUnavailable:
    what = f"Batch {batch.batch_id} of {batch.table_name} could not be written"
    if is_gone(error):
        what = (
            f"The Spark server went away while batch {batch.batch_id} of {batch.table_name} was "
            "written"
        )
    message = f"{what}: {reason(error)}. It stays planned; run again to finish it."
    remedy = None if is_gone(error) else withdraw(batch)
    if remedy is not None:
        message += f" If it can never be written: {remedy}"
    return SourceUnavailable(
        message,
        remedy=remedy,
        is_gone=is_gone(error),
        table=batch.table_name,
        batch_id=batch.batch_id,
    )
