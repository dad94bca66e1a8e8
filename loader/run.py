"""One run: finish what was left, plan the rest in the ledger, land it, close it.

The order of these steps is the protocol that makes a landing exactly once; see DESIGN.md.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby

from pyspark.sql import SparkSession

from loader import files, land
from loader.errors import ConfigurationError, DataLoss, LoaderError, SourceUnavailable
from loader.kafka import Cluster, TopicState
from loader.ledger import Ledger, fenced_by, is_alive
from loader.plan import (
    Batch,
    File,
    Position,
    changed_files,
    check_unfinished,
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

    ``reached`` are the clusters that answered; nothing is known of the topics of others.
    ``topics`` are those that exist and ``tables`` their raw tables, by cluster and topic.
    ``unfinished`` are batches that an earlier run planned; ``batches`` those to plan now.
    ``notes`` say what was left out without being wrong, ``errors`` what was left out since it is.
    """

    reached: set[str] = field(default_factory=set)
    topics: dict[tuple[str, str], TopicState] = field(default_factory=dict)
    tables: dict[tuple[str, str], str] = field(default_factory=dict)
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

        Changes nothing but this: missing raw tables and the ledger are made (unless
        ``make_tables`` is off), so that readers find them empty.
        """
        survey = Survey()
        topics = [topic for kafka in self._settings.kafka.values() for topic in kafka.topics]
        topic_tables = {topic.table for topic in topics}
        self._ask_clusters(survey)
        found = self._find_files(survey, topic_tables)
        tables = sorted(topic_tables | set(found))
        existing = land.existing_tables(
            self._spark, [*tables, self._ledger.name], make_schemas=make_tables
        )
        if make_tables and self._ledger.name not in existing:
            self._ledger.create()
            existing.add(self._ledger.name)
        if self._ledger.name in existing:
            survey.positions = self._ledger.positions(tables)
        else:
            survey.positions = {table: Position() for table in tables}
        proposed = [*self._new_records(survey), *self._new_files(survey, found)]

        def examine(table: str) -> str | LoaderError:
            new = any(each.span or each.files for each in proposed if each.table_name == table)
            make = land.create_topic_table if table in topic_tables else land.create_file_table
            return self._table_id(
                table,
                survey.positions[table],
                table in existing,
                new,
                make if make_tables else None,
            )

        with ThreadPoolExecutor(_PARALLEL) as pool:
            ids = dict(zip(tables, pool.map(examine, tables), strict=True))
        for table, table_id in ids.items():
            if isinstance(table_id, LoaderError):
                survey.errors.append(table_id)
            elif survey.positions[table].unfinished:
                self._take_over(survey, table)
            else:
                new = [each for each in proposed if each.table_name == table]
                if any(each.span or each.files for each in new):
                    survey.batches += number(survey.positions[table], table_id, new)
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

    def _ask_clusters(self, survey: Survey) -> None:
        for name, kafka in self._settings.kafka.items():
            if not kafka.topics:
                continue
            try:
                with Cluster(name, kafka) as cluster:
                    states = cluster.topics(topic.topic for topic in kafka.topics)
            except LoaderError as error:
                survey.errors.append(error)
                continue
            survey.reached.add(name)
            survey.topics |= {(name, topic): state for topic, state in states.items()}
            survey.tables |= {(name, topic.topic): topic.table for topic in kafka.topics}

    def _find_files(
        self, survey: Survey, topic_tables: Collection[str]
    ) -> dict[str, tuple[str, list[File]]]:
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
            except Exception as error:
                message = (
                    f"[files.{section}] cannot be read at {config.path}: {land.reason(error)}."
                )
                survey.errors.append(SourceUnavailable(message, section=section))
                continue
            for table, listed in tables.items():
                if table in found or table in topic_tables or table == self._ledger.name:
                    message = (
                        f"[files.{section}] would load {listed[0].path} into {table}, which "
                        "another section feeds; rename the file or the table."
                    )
                    survey.errors.append(ConfigurationError(message, section=section, table=table))
                else:
                    found[table] = (section, listed)
        return found

    def _new_records(self, survey: Survey) -> Iterator[Batch]:
        for cluster, kafka in self._settings.kafka.items():
            for topic in kafka.topics:
                position = survey.positions[topic.table]
                if cluster not in survey.reached or position.unfinished:
                    continue
                source = f"kafka.{cluster}"
                state = survey.topics.get((cluster, topic.topic))
                topic_id = state.topic_id if state else None
                try:
                    last = position.last(source, topic.topic, topic_id)
                    ranges = next_ranges(last, state, topic.table)
                except LoaderError as error:
                    survey.errors.append(error)
                    continue
                if state is None:
                    survey.notes.append(
                        f"topic {topic.topic} of [kafka.{cluster}] does not exist yet"
                    )
                    continue
                yield Batch(
                    table_name=topic.table,
                    batch_id=0,
                    source=source,
                    topic=topic.topic,
                    topic_id=topic_id,
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
        try:
            if not exists:
                land.check_table(position, table, None)
                if make is None:
                    return ""
                make(self._spark, table)
            if not has_new and not position.unfinished:
                return ""
            table_id = land.table_id(self._spark, table)
            if exists:
                land.check_table(position, table, table_id)
                if not position.newest and not self._spark.table(table).isEmpty():
                    self._check_ledger(table)
        except LoaderError as error:
            return error
        except Exception as error:
            return SourceUnavailable(f"Table {table}: {land.reason(error)}.", table=table)
        return table_id

    def _check_ledger(self, table: str) -> None:
        """Refuse a table whose marks are those of batches that the ledger forgot: Delta would
        skip the new batches of the same numbers.
        """
        if self._ledger.knows(table):
            return  # another loader began just now
        message = (
            f"Table {table} holds rows, but {self._ledger.name} knows no batch of it: the ledger "
            "was lost, or another one was used. Nothing was loaded into it; restore the ledger, "
            "or name a new table in loader.toml."
        )
        raise DataLoss(message, table=table, ledger=self._ledger.name)

    def _take_over(self, survey: Survey, table: str) -> None:
        """Decide on the unfinished batch of ``table``: it goes first, and nothing else goes."""
        unfinished = survey.positions[table].unfinished
        try:
            for batch in unfinished:
                if batch.owner != self._ledger.owner and is_alive(batch.owner):
                    raise fenced_by(batch, batch.owner)
                kind, _, section = batch.source.partition(".")
                if section not in getattr(self._settings, kind):
                    message = (
                        f"Batch {batch.batch_id} of {table} is unfinished and comes from "
                        f"[{batch.source}], which loader.toml does not have any more; put the "
                        "section back until the batch is finished."
                    )
                    raise ConfigurationError(message, table=table, source=batch.source)
                if kind == "kafka":
                    if section not in survey.reached:
                        return  # the cluster's own error says why
                    self._check_source(survey, section, batch)
        except LoaderError as error:
            survey.errors.append(error)
            return
        survey.unfinished += unfinished

    def _check_source(self, survey: Survey, cluster: str, batch: Batch) -> None:
        try:
            check_unfinished(batch, survey.topics.get((cluster, batch.topic or "")))
        except LoaderError:
            # What is in the table needs no source any more.
            if not land.holds(self._spark, batch):
                raise

    def _land(
        self,
        batches: Sequence[Batch],
        told: Callable[[Batch], None],
        errors: list[LoaderError],
    ) -> list[Batch]:
        """Write, count and close ``batches``; several tables at once."""
        done: list[Batch] = []
        with ThreadPoolExecutor(_PARALLEL) as pool:
            groups = {pool.submit(self._write, group): group for group in _by_batch(batches)}
            writes = set(groups)
            while writes:
                ready, writes = wait(writes, return_when=FIRST_COMPLETED)
                written: list[Batch] = []
                for write in ready:
                    try:
                        written += write.result()
                    except LoaderError as error:
                        errors.append(error)
                    except Exception as error:
                        # Whatever it is, other tables must not suffer from it.
                        errors.append(_not_written(groups[write][0], error))
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


def _not_written(batch: Batch, error: Exception) -> SourceUnavailable:
    message = (
        f"Batch {batch.batch_id} of {batch.table_name} could not be written: "
        f"{land.reason(error)}. It stays planned; run again to finish it."
    )
    return SourceUnavailable(message, table=batch.table_name, batch_id=batch.batch_id)


@contextmanager
def opened(settings: Settings) -> Iterator[Loader]:
    """A loader on the configured Spark; closes the session that it opened."""
    spark = land.connect(settings)
    try:
        yield Loader(settings, spark, Ledger(spark, settings.ledger))
    finally:
        spark.stop()
