"""One round: finish what was left, plan the rest in the ledger, land it, close it.

The order of these steps is the protocol that makes a landing exactly once; see DESIGN.md. A round
knows no source, only kinds of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from loader.batch import Batch, TopicKey, by_batch
from loader.errors import LoaderError, SourceUnavailable
from loader.lake import session
from loader.lake.spark_errors import as_ours, is_gone, reason
from loader.remedies import withdraw
from loader.sources.base import Kind, Lag, Noted, Survey
from loader.survey import Surveyor

# Batches of different tables that are written at the same time. More gain nothing: one write
# already uses every core for its partitions; a few overlap the fixed costs of small ones.
_PARALLEL = 4
_GATHER_SECONDS = 0.5
# Keep-alive interval of the ledger's session during a long write.
_ALIVE_SECONDS = 600.0


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


class Loader(Surveyor):
    """The loader, bound to one lake and its configuration; make it with ``repeat.opened``.

    ``spark`` writes. ``kinds`` are what it can load.
    """

    def close(self) -> None:
        """Leave every source; the Spark session is whose it is."""
        for kind in self.kinds:
            kind.close()

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
