"""One round: finish unfinished batches, plan new ones in the ledger, write, count and close them.

The order of these steps makes the landing exactly once; see DESIGN.md. A round uses the protocol
``Kind`` and no particular source.
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

# Number of tables that are written at the same time. More gain nothing: one write already uses
# every core for its partitions; a few overlap the fixed costs of small writes.
_PARALLEL = 4
_GATHER_SECONDS = 0.5
# Keep-alive interval of the ledger's session during a long write.
_ALIVE_SECONDS = 600.0


@dataclass(frozen=True)
class Landed:
    """A closed batch, or one topic's part of it.

    ``seconds`` is the time for write, count and close; ``lag`` the number of offsets of the topic
    that are not loaded yet.
    """

    batch: Batch
    seconds: float
    lag: int


@dataclass(frozen=True)
class Outcome:
    """The result of a round: closed batches, errors, and the lag by topic and partition.

    ``is_behind`` is true if the limits of the configuration left new offsets for a later round.
    """

    batches: list[Batch]
    errors: list[LoaderError]
    lag: Lag = field(default_factory=dict)
    is_behind: bool = False


Told = Callable[[Landed], None]


@dataclass(frozen=True)
class Report:
    """Callbacks of a round: ``told`` gets each closed batch, ``noted`` each remark. ``errors``
    collects the errors; none of them stops the other tables.
    """

    told: Told
    noted: Noted
    errors: list[LoaderError]


class Loader(Surveyor):
    """The loader for one lake and its configuration; create it with ``repeat.opened``.

    ``spark`` is the session that writes; ``kinds`` are the kinds of sources.
    """

    def close(self) -> None:
        """Disconnect from every source; the caller closes the Spark sessions."""
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

        ``told`` is called for each closed batch, ``noted`` for each remark. An error of one table
        does not stop the others; the outcome has all errors. ``seconds`` limits what is planned.
        With ``fix_ends`` the end offsets of the first such round apply to all later ones, until
        ``release_ends``.
        """
        report = Report(told, noted, [])
        survey = self.survey(seconds=seconds, with_late=False)
        done: list[Batch] = []
        is_limited = False
        if survey.unfinished:
            # An unfinished batch may have killed the earlier run, so all new batches of other
            # tables are loaded first, and each unfinished one is written alone. The second survey
            # reports the errors and remarks of this one again.
            done += self._load_new(survey, report)
            is_limited = survey.is_limited and bool(done)
            waited = {batch.table_name for batch in survey.unfinished}
            done += self._finish(survey, report)
            self._release()  # the next batches get new snapshots
            # A table whose batch could not be finished gets no new batch: the second survey reports
            # its error, or the batch is closed now.
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
        """Load what is new of late kinds after all others, so that nothing waits for them.
        ``before`` is the survey of the other kinds.
        """
        done: list[Batch] = []
        # Only late kinds feed their tables, so the ledger's rows of these tables did not change.
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
        """Write the unfinished batches of ``survey``, each alone; returns those
        that were closed.
        """
        done: list[Batch] = []
        for group in by_batch(survey.unfinished):
            first, kind = group[0], survey.fed[group[0].table_name]
            try:
                resumed = [kind.resume(batch) for batch in group]
                for old, new in zip(group, resumed, strict=True):
                    if new is not old:
                        self.ledger.amend(new)
            except Exception as error:
                what = f"New rows for {first.table_name} cannot be determined"
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
        """Report remarks and errors of ``survey``, and load its batches."""
        for note in survey.notes:
            report.noted(note)
        report.errors.extend(survey.errors)
        return self._load_new(survey, report)

    def _load_new(self, survey: Survey, report: Report) -> list[Batch]:
        """Plan and land the batches of ``survey``."""
        ours = self.planned(survey, report.noted, report.errors)
        return self.land(survey, ours, report.told, report.noted, report.errors)

    def bound(self, survey: Survey, noted: Noted, errors: list[LoaderError]) -> None:
        """Complete each batch of ``survey`` with what its ledger row fixes; drop batches without
        new rows.
        """
        bounded = [
            batch
            for kind, mine in _by_kind(survey, survey.batches)
            for batch in kind.bound(mine, survey, noted, errors)
        ]
        survey.batches = _in_order(bounded, survey.batches)

    def estimate(self, survey: Survey, noted: Noted, errors: list[LoaderError]) -> None:
        """As ``bound``, with estimates: for the command ``plan``."""
        bounded = [
            batch
            for kind, mine in _by_kind(survey, survey.batches)
            for batch in kind.estimate(mine, survey, noted, errors)
        ]
        survey.batches = _in_order(bounded, survey.batches)

    def planned(self, survey: Survey, noted: Noted, errors: list[LoaderError]) -> list[Batch]:
        """Plan the batches of ``survey`` in the ledger; returns those that this loader now owns.

        Records that their kind leaves out (too large, for example) are already gaps of the batches.
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
        """Write the rows of one batch id of one table, and count them in the table."""
        return self.kind_of(batches[0]).write(batches, errors)

    def land(
        self,
        survey: Survey,
        batches: Sequence[Batch],
        told: Told,
        noted: Noted,
        errors: list[LoaderError],
    ) -> list[Batch]:
        """Write, count and close planned ``batches``; several tables at the same time. Returns the
        closed ones.
        """
        done: list[Batch] = []
        begun: dict[str, float] = {}

        def write(group: list[Batch]) -> list[Batch]:
            begun[group[0].table_name] = time.monotonic()
            return self.write(group, errors)

        def is_heavy(group: list[Batch]) -> bool:
            return self.kind_of(group[0]).is_heavy(group)

        with ThreadPoolExecutor(_PARALLEL) as pool:
            # Heavy writes run one at a time, so they go last; otherwise the others would wait for
            # them.
            ordered = sorted(by_batch(batches), key=is_heavy)
            groups = {pool.submit(write, group): group for group in ordered}
            writes = set(groups)
            while writes:
                ready, writes = wait(writes, _ALIVE_SECONDS, FIRST_COMPLETED)
                if not ready:
                    session.keep_alive(self.ledger.spark)
                    continue
                if writes:
                    # Closing takes a second, so wait briefly: one statement then closes several
                    # batches.
                    more, writes = wait(writes, timeout=_GATHER_SECONDS)
                    ready |= more
                written: list[Batch] = []
                for ended in ready:
                    try:
                        written += ended.result()
                    except LoaderError as error:
                        errors.append(error)
                    except Exception as error:
                        # No error of one table may stop the others.
                        errors.append(_not_written(groups[ended][0], error))
                # One statement closes all that are ready: each statement costs more than a small
                # write.
                closed, fenced = self.ledger.close(written, survey.rows)
                errors += fenced
                done += closed
                for batch in closed:
                    seconds = time.monotonic() - begun[batch.table_name]
                    told(Landed(batch, seconds, self.kind_of(batch).lag_left(batch)))
        self.follow(done, noted)
        return done

    def follow(self, closed: Sequence[Batch], noted: Noted) -> None:
        """Let each kind report ``closed`` batches to other systems (Kafka's consumer groups)."""
        for kind in self.kinds:
            mine = [batch for batch in closed if batch.kind_of_source == kind.name]
            for note in kind.follow(mine):
                noted(note)

    def release_ends(self) -> None:
        """Let the next round with ``fix_ends`` take the end offsets of that time."""
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
    """The ``batches`` of each kind, in the order in which the kinds first occur."""
    kinds = list(dict.fromkeys(survey.fed[batch.table_name] for batch in batches))
    for kind in kinds:
        yield kind, [batch for batch in batches if survey.fed[batch.table_name] is kind]


def _in_order(batches: Sequence[Batch], before: Sequence[Batch]) -> list[Batch]:
    """``batches`` in the order that their tables have in ``before``."""
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
