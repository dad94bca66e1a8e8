"""One run: finish what was left, plan the rest in the ledger, land it, close it.

The order of these steps is the protocol that makes a landing exactly once; see DESIGN.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import groupby

from pyspark.sql import SparkSession

from loader import files, land
from loader.errors import LoaderError
from loader.kafka import Cluster, TopicState
from loader.ledger import Ledger, fenced_by, is_alive
from loader.plan import (
    Batch,
    File,
    Position,
    changed_files,
    next_ranges,
    number,
)
from loader.settings import Settings, unset_variables

# Batches of different tables that are written at the same time. More gain nothing: one write
# already uses every core for its partitions; a few overlap the fixed costs of small ones.
_PARALLEL = 4


@dataclass
class Survey:
    """What the sources hold, where the tables stand, and what follows from it.

    ``unfinished`` are batches that an earlier run planned; ``batches`` those to plan now.
    ``notes`` say what was left out without being wrong, ``errors`` what was left out since it is.
    """

    topics: dict[tuple[str, str], TopicState] = field(default_factory=dict)
    positions: dict[str, Position] = field(default_factory=dict)
    unfinished: list[Batch] = field(default_factory=list)
    batches: list[Batch] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    errors: list[LoaderError] = field(default_factory=list)


@dataclass(frozen=True)
class Outcome:
    """What a run did: the batches that it closed and the errors it met."""

    batches: list[Batch]
    errors: list[LoaderError]


class Loader:
    """The loader, bound to one lake and its configuration; make it with ``opened``."""

    def __init__(self, settings: Settings, spark: SparkSession, ledger: Ledger) -> None:
        self._settings = settings
        self._spark = spark
        self._ledger = ledger

    def survey(self, *, make_tables: bool = True) -> Survey:
        """Look at every source and at the ledger, and decide what a run would do.

        Changes nothing but this: missing raw tables of topics are made (unless ``make_tables`` is
        off), so that readers find them empty. Raises ``SourceUnavailable`` when a server does not
        answer.
        """
        survey = Survey()
        spark, settings = self._spark, self._settings
        topic_tables = {topic.table for kafka in settings.kafka.values() for topic in kafka.topics}
        with ExitStack() as stack:
            for name, kafka in settings.kafka.items():
                if kafka.topics:
                    cluster = stack.enter_context(Cluster(name, kafka))
                    states = cluster.topics(topic.topic for topic in kafka.topics)
                    survey.topics |= {(name, topic): state for topic, state in states.items()}
        found = self._find_files(survey)
        tables = sorted(topic_tables | set(found))
        existing = land.existing_tables(spark, [*tables, self._ledger.name])
        if make_tables:
            if self._ledger.name not in existing:
                self._ledger.create()
            with ThreadPoolExecutor(_PARALLEL) as pool:
                missing = [table for table in tables if table not in existing]
                makers = [
                    pool.submit(
                        land.create_topic_table
                        if table in topic_tables
                        else land.create_file_table,
                        spark,
                        table,
                    )
                    for table in missing
                ]
                for maker in makers:
                    maker.result()
            existing |= {*tables, self._ledger.name}
        if self._ledger.name in existing:
            survey.positions = self._ledger.positions(tables)
        else:
            survey.positions = {table: Position() for table in tables}
        proposed = [*self._new_records(survey), *self._new_files(survey, found)]
        self._identify(survey, proposed, existing)
        return survey

    def run(self, told: Callable[[Batch], None], noted: Callable[[str], None]) -> Outcome:
        """Load everything that is new, once.

        ``told`` is called for each batch when it is closed, ``noted`` for each remark. An error of
        one table does not stop the others; all of them come back in the outcome.
        """
        done: list[Batch] = []
        errors: list[LoaderError] = []
        survey = self.survey()
        if survey.unfinished:
            for group in _by_batch(survey.unfinished):
                noted(
                    f"finishing batch {group[0].batch_id} of {group[0].table_name}, which an "
                    "earlier run planned and did not close"
                )
            done += self._land(survey.unfinished, told, errors)
            # A table that could not be finished must not be planned further: its errors return
            # with the new survey, or its batch is closed now.
            survey = self.survey()
        for note in survey.notes:
            noted(note)
        errors += survey.errors
        ours, fenced = self._ledger.propose(survey.batches)
        errors += fenced
        done += self._land(ours, told, errors)
        return Outcome(done, errors)

    def _find_files(self, survey: Survey) -> dict[str, tuple[str, list[File]]]:
        """Files by table, with the section they come from."""
        found: dict[str, tuple[str, list[File]]] = {}
        for section, config in self._settings.files.items():
            missing = unset_variables(config.path)
            if missing:
                survey.notes.append(f"[files.{section}] skipped: {missing[0]} is not set")
                continue
            try:
                tables = files.found(self._spark, section, config)
            except LoaderError as error:
                survey.errors.append(error)
                continue
            found |= {table: (section, listed) for table, listed in tables.items()}
        return found

    def _new_records(self, survey: Survey) -> Iterator[Batch]:
        for cluster, kafka in self._settings.kafka.items():
            for topic in kafka.topics:
                last = survey.positions[topic.table].newest.get((f"kafka.{cluster}", topic.topic))
                state = survey.topics.get((cluster, topic.topic))
                if state is None and last is None:
                    survey.notes.append(
                        f"topic {topic.topic} of [kafka.{cluster}] does not exist yet"
                    )
                    continue
                try:
                    if state is None:
                        state = TopicState(topic.topic, "none, it is deleted", {}, {})
                    ranges = next_ranges(last, state, topic.table)
                except LoaderError as error:
                    survey.errors.append(error)
                    continue
                yield Batch(
                    table_name=topic.table,
                    batch_id=0,
                    source=f"kafka.{cluster}",
                    topic=topic.topic,
                    topic_id=state.topic_id,
                    table_id="",
                    ranges=ranges,
                )

    def _new_files(
        self, survey: Survey, found: dict[str, tuple[str, list[File]]]
    ) -> Iterator[Batch]:
        for table, (section, listed) in found.items():
            new = changed_files(survey.positions[table].files, listed)
            if new:
                yield Batch(
                    table_name=table,
                    batch_id=0,
                    source=f"files.{section}",
                    topic=None,
                    topic_id=None,
                    table_id="",
                    files=new,
                )

    def _identify(self, survey: Survey, proposed: Sequence[Batch], existing: set[str]) -> None:
        """Give each batch its number and its table's id; keep what may go on.

        A table with an unfinished batch goes no further until that is finished. One with nothing
        new gets no batch.
        """
        for table, position in survey.positions.items():
            new = [each for each in proposed if each.table_name == table]
            has_new = any(each.span or each.files for each in new)
            if not position.unfinished and not has_new:
                continue
            try:
                if table in existing:
                    table_id = land.table_ids(self._spark, [table])[table]
                    land.check_table(position, table, table_id)
                else:
                    table_id = ""
            except LoaderError as error:
                survey.errors.append(error)
                continue
            if not position.unfinished:
                survey.batches += number(position, table_id, new)
            elif is_alive(position.unfinished[0].owner):
                first = position.unfinished[0]
                survey.errors.append(fenced_by(first, first.owner))
            else:
                survey.unfinished += position.unfinished

    def _land(
        self,
        batches: Sequence[Batch],
        told: Callable[[Batch], None],
        errors: list[LoaderError],
    ) -> list[Batch]:
        """Write, count and close ``batches``; several tables at once."""
        done: list[Batch] = []
        with ThreadPoolExecutor(_PARALLEL) as pool:
            writes = {pool.submit(self._write, group) for group in _by_batch(batches)}
            while writes:
                ready, writes = wait(writes, return_when=FIRST_COMPLETED)
                written: list[Batch] = []
                for write in ready:
                    try:
                        written += write.result()
                    except LoaderError as error:
                        errors.append(error)
                # One statement closes whatever is ready: each costs more than a small write.
                closed, fenced = self._ledger.close(written)
                errors += fenced
                done += closed
                for batch in closed:
                    told(batch)
        return done

    def _write(self, group: list[Batch]) -> list[Batch]:
        kind, _, name = group[0].source.partition(".")
        if kind == "kafka":
            return land.land_topics(self._spark, self._settings.kafka[name], group)
        return [land.land_files(self._spark, self._settings.files[name], each) for each in group]


def _by_batch(batches: Sequence[Batch]) -> list[list[Batch]]:
    """The rows of each (table, batch id) together."""

    def key(batch: Batch) -> tuple[str, int]:
        return batch.table_name, batch.batch_id

    return [list(group) for _, group in groupby(sorted(batches, key=key), key)]


@contextmanager
def opened(settings: Settings) -> Iterator[Loader]:
    """A loader on the configured Spark; closes the session that it opened."""
    spark = land.connect(settings)
    try:
        yield Loader(settings, spark, Ledger(spark, settings.ledger))
    finally:
        spark.stop()
