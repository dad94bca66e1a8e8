"""One round: finish what was left, plan the rest in the ledger, land it, close it.

The order of these steps is the protocol that makes a landing exactly once; see DESIGN.md.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from itertools import groupby

from pyspark.sql import SparkSession

from loader import files, imports, land, spark_errors
from loader.errors import ConfigurationError, DataLoss, LoaderError, SourceUnavailable
from loader.jdbc import Database
from loader.kafka import Cluster, Record, TopicState
from loader.land import Reader
from loader.ledger import Ledger, fenced_by, positions
from loader.plan import (
    COMMITTED,
    PLANNED,
    REPLAY,
    Batch,
    File,
    Position,
    Range,
    check_unfinished,
    command,
    first_offsets,
    limited,
    next_ranges,
    number,
    until,
    withdraw_command,
    without,
)
from loader.process import is_alive, new_owner
from loader.settings import Settings, Topic, located, unset_variables
from loader.sizes import POLLS, Sizes

# Batches of different tables that are written at the same time. More gain nothing: one write
# already uses every core for its partitions; a few overlap the fixed costs of small ones.
_PARALLEL = 4
_GATHER_SECONDS = 0.5
# So often the session of the ledger is used while a long write goes on in the other.
_ALIVE_SECONDS = 600.0
# How big a record is taken to be before anything is known of its topic.
_RECORD_SIZE = 1000.0
# Offsets of a round with a time limit before any speed is known, and the fewest records of a batch
# whose speed says something.
_UNMEASURED = 1_000_000
_TELLING = 10_000

Key = tuple[str, str]  # cluster and topic
# What was counted of topics: partitions with their sizes.
Measured = dict[Key, list[tuple[int, Sizes]]]


@dataclass
class Survey:
    """What the sources hold, where the tables stand, and what follows from it.

    ``reached`` are the clusters that answered; nothing is known of the topics of others.
    ``topics`` are those that exist and can be read, ``unreadable`` says why others cannot;
    ``entries`` and ``tables`` are the configuration and the raw table of every topic that is
    configured, found by a pattern, or was found by it before; all by cluster and topic. ``sizes``
    are bytes of a record, where they are known. ``rows`` are the current ones of the ledger and
    ``positions`` what they say of each table. ``starts`` are first offsets of topics that were
    never seen, where the configuration has them begin elsewhere than at the earliest one.
    ``unfinished`` are batches that an earlier run planned; ``batches`` those to plan now; of
    ``touched`` ones a file has another modification time, and the same content. ``notes``
    say what was left out without being wrong, ``errors`` what was left out since it is;
    ``is_limited`` whether the limits left anything out.
    """

    reached: set[str] = field(default_factory=set)
    topics: dict[Key, TopicState] = field(default_factory=dict)
    unreadable: dict[Key, SourceUnavailable] = field(default_factory=dict)
    entries: dict[Key, Topic] = field(default_factory=dict)
    tables: dict[Key, str] = field(default_factory=dict)
    starts: dict[Key, dict[int, int]] = field(default_factory=dict)
    sizes: dict[Key, float] = field(default_factory=dict)
    rows: list[Batch] = field(default_factory=list)
    positions: dict[str, Position] = field(default_factory=dict)
    imports: dict[str, imports.Source] = field(default_factory=dict)
    unfinished: list[Batch] = field(default_factory=list)
    touched: list[Batch] = field(default_factory=list)
    batches: list[Batch] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    errors: list[LoaderError] = field(default_factory=list)
    is_limited: bool = False

    def last(self, key: Key) -> Batch | None:
        """The newest ledger row of a topic."""
        state = self.topics.get(key)
        position = self.positions[self.tables[key]]
        return position.last(f"kafka.{key[0]}", key[1], state.topic_id if state else None)

    def known(self, key: Key) -> Batch | None:
        """The row that says where a topic stands; None where nothing was loaded of it, or where it
        was accepted as gone.
        """
        last = self.last(key)
        return last if last is not None and last.topic_id is not None else None

    def lag(self, key: Key) -> dict[int, int]:
        """Offsets of a topic that are not loaded yet, by partition."""
        state, known = self.topics[key], self.known(key)
        if known is None:
            at = self.starts.get(key, state.begin)
        else:
            at = {partition: known.committed_offset(partition) or 0 for partition in state.end}
        return {partition: end - at[partition] for partition, end in state.end.items()}

    def lag_after(self, batch: Batch) -> dict[int, int]:
        """The same once ``batch``, a load, is closed."""
        end = self.topics[batch.key].end
        # A partition that is gone leaves nothing to load.
        return {
            each.partition: end.get(each.partition, each.until_offset) - each.until_offset
            for each in batch.ranges
        }

    def record_size(self, batches: Sequence[Batch]) -> float:
        """Bytes of a record of ``batches``, the greatest of their topics."""
        sizes = (self.sizes.get(batch.key, _RECORD_SIZE) for batch in batches)
        return max(sizes, default=_RECORD_SIZE)


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
    lag: Mapping[Key, Mapping[int, int]] = field(default_factory=dict)
    is_behind: bool = False


class Loader:
    """The loader, bound to one lake and its configuration; make it with ``opened``.

    ``spark`` writes; what is only asked or planned goes through the session of the ledger, which is
    made for small statements, so that a run with nothing new opens no other.
    """

    def __init__(self, settings: Settings, spark: SparkSession, ledger: Ledger) -> None:
        self.settings = settings
        self.spark = spark
        self.ledger = ledger
        self._clusters: dict[str, Cluster] = {}
        self._ends: dict[tuple[str, str], dict[int, int]] | None = None
        self._databases: dict[str, Database] = {}
        self._sizes: dict[tuple[str, int, str | None], list[Sizes]] = {}
        self._large = threading.Lock()  # held by the write of large records: one at a time
        self._slots = {
            name: imports.Slots(each.connections) for name, each in settings.jdbc.items()
        }

    def close(self) -> None:
        """Leave Kafka and the databases; the Spark session is whose it is."""
        self._leave_databases()
        for cluster in self._clusters.values():
            cluster.close()
        self._clusters = {}

    def cluster(self, name: str) -> Cluster:
        """The connection to ``[kafka.<name>]``; raises ``SourceUnavailable``."""
        if name not in self._clusters:
            self._clusters[name] = Cluster(name, self.settings.kafka[name])
        return self._clusters[name]

    def survey(
        self,
        *,
        make_tables: bool = True,
        seconds: float | None = None,
        cluster: str | None = None,
        with_files: bool = True,
    ) -> Survey:
        """Look at every source and at the ledger, and decide what a run would do.

        Changes nothing but this: missing raw tables and the ledger are made (unless
        ``make_tables`` is off), so that readers find them empty. ``seconds`` are left to load in;
        with ``cluster`` only that cluster is asked, and no files are looked at. Without
        ``with_files`` they are left to ``survey_files``.
        """
        survey = Survey()
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(
                land.tables_of, self.ledger.spark, self.settings.schemas, make_schemas=make_tables
            )
            survey.rows = self.ledger.current()
            there = asked.result()
        if make_tables and self.ledger.name not in there:
            self.ledger.create()
        for name in self.settings.kafka:
            if cluster in (None, name):
                self._ask(survey, name)
        topic_tables = set(survey.tables.values())
        if cluster is None:
            self._find_imports(survey, topic_tables)
        survey.positions |= positions(survey.rows, list(survey.imports))
        proposed = [*self._new_records(survey), *self._new_imports(survey)]
        tables = topic_tables | set(survey.imports)
        self._decide(survey, there, tables, proposed, make_tables, seconds)
        if cluster is None:
            self._report_unfed(survey, tables, of_files=False)
        if with_files and cluster is None:
            self.survey_files(survey, make_tables=make_tables)
        return survey

    def survey_files(self, survey: Survey, *, make_tables: bool = True) -> None:
        """Add to ``survey`` what the files hold, and the batches that follow from it."""
        schemas = {each.table.split(".")[0] for each in self.settings.files.values()}
        there = land.tables_of(self.ledger.spark, schemas, make_schemas=make_tables)
        proposed, tables = self._find_files(survey)
        self._decide(survey, there, tables, proposed, make_tables, None)
        self._report_unfed(survey, tables, of_files=True)

    def _report_unfed(self, survey: Survey, fed: Collection[str], *, of_files: bool) -> None:
        """Report the unfinished batches of sections of files, or of all others, whose table is not
        in ``fed``, unless their source only did not answer.
        """
        for row in survey.rows:
            is_of_files = row.is_of_files and row.section in self.settings.files
            if row.state != PLANNED or row.table_name in fed or is_of_files != of_files:
                continue
            try:
                self._check_configured(survey, row)
            except LoaderError as error:
                if row.topic is None:
                    # When its section is back, it is read as a whole again: nothing is missed.
                    survey.notes.append(str(error))
                else:
                    survey.errors.append(error)

    def _decide(
        self,
        survey: Survey,
        there: Collection[str],
        fed: Collection[str],
        proposed: Sequence[Batch],
        make_tables: bool,
        seconds: float | None,
    ) -> None:
        """Add to ``survey`` what is unfinished in the tables ``fed``, and of the batches
        ``proposed`` those that can be planned. ``there`` are tables that exist.
        """
        tables = sorted(fed)
        topic_tables = set(survey.tables.values())
        existing = {table for table in tables if table.lower() in there}

        def examine(table: str) -> str | LoaderError:
            new = any(each.table_name == table for each in proposed)
            make = land.create_topic_table if table in topic_tables else land.create_file_table
            if table in survey.imports:
                make = imports.create_table
            return self._table_id(
                table,
                survey.positions[table],
                table in existing,
                new,
                make if make_tables else None,
            )

        with ThreadPoolExecutor(_PARALLEL) as pool:
            ids = dict(zip(tables, pool.map(examine, tables), strict=True))
        usable: list[Batch] = []
        for table, table_id in ids.items():
            if isinstance(table_id, LoaderError):
                survey.errors.append(table_id)
            elif survey.positions[table].unfinished:
                self._take_over(survey, table)
            else:
                usable += [each for each in proposed if each.table_name == table]
        usable = self._limited(survey, usable, seconds)
        for table, of_table in groupby(usable, lambda each: each.table_name):
            new = list(of_table)
            # The first batch of a topic is written even when it is empty: where the topic began is
            # remembered from then on.
            if any(each.has_data or survey.known(each.key) is None for each in new):
                survey.batches += number(survey.positions[table], str(ids[table]), new)

    def round(
        self,
        told: Callable[[Landed], None],
        noted: Callable[[str], None],
        *,
        seconds: float | None = None,
        fix_ends: bool = False,
    ) -> Outcome:
        """Load everything that is new, once, within the limits of the configuration.

        ``told`` is called for each batch when it is closed, ``noted`` for each remark. An error of
        one table does not stop the others; all of them come back in the outcome. With ``fix_ends``,
        what came after the first such call is left for later.
        """
        done: list[Batch] = []
        errors: list[LoaderError] = []
        self._sizes = {}
        survey = self.survey(seconds=seconds, with_files=False)
        is_limited = False
        if survey.unfinished:
            # They may be why an earlier run ended, so all others go before them, and each goes
            # alone. Errors and remarks of this survey return with the next one.
            done += self._load_new(survey, told, noted, errors)
            is_limited = survey.is_limited and bool(done)
            waited = {batch.table_name for batch in survey.unfinished}
            unfinished = self._bounded_again(survey, errors)
            for group in _by_batch(unfinished):
                noted(_finishing(group))
                group = self._weighed(group, self._measured(survey, group), errors)
                done += self.land(survey, group, told, noted, errors)
            self._leave_databases()  # the next batches are of a later moment
            # A table that could not be finished must not be planned further: its errors return
            # with the new survey, or its batch is closed now.
            survey = self.survey(seconds=seconds, with_files=False)
            survey.batches = [each for each in survey.batches if each.table_name in waited]
        if fix_ends:
            self._fix_ends(survey)
        for note in survey.notes:
            noted(note)
        errors += survey.errors
        closed = self._load_new(survey, told, noted, errors)
        is_limited = is_limited or (survey.is_limited and bool(closed))
        lag = {key: survey.lag(key) for key in survey.topics}
        for batch in closed:
            if batch.topic is not None:
                lag[batch.key] = survey.lag_after(batch)
        self._leave_databases()
        if self.settings.files:
            done += self._round_of_files(survey, told, noted, errors)
        return Outcome([*done, *closed], errors, lag, is_limited)

    def _load_new(
        self,
        survey: Survey,
        told: Callable[[Landed], None],
        noted: Callable[[str], None],
        errors: list[LoaderError],
    ) -> list[Batch]:
        """Plan the batches of ``survey``, and land them."""
        self.bound_imports(survey, imports.bounded, noted, errors)
        return self.land(survey, self.planned(survey, errors), told, noted, errors)

    def planned(self, survey: Survey, errors: list[LoaderError]) -> list[Batch]:
        """Those of the batches of ``survey`` that are planned now and ours, without records that
        are too large.
        """
        if not survey.batches:
            return []
        most = self.settings.limits.max_bytes
        if most is not None:
            # What it counts has to be known before the ranges are fixed.
            measured = self._measured(survey, survey.batches, float(most))
            survey.batches = self._cut(survey, measured, most)
        with ThreadPoolExecutor(1) as pool:
            measuring = pool.submit(self._measured, survey, survey.batches)
            ours, fenced = self.ledger.propose(survey.batches)
            measured = measuring.result()
        errors += fenced
        return self._weighed(ours, measured, errors)

    def _measured(
        self, survey: Survey, batches: Sequence[Batch], most: float | None = None
    ) -> Measured:
        """What is counted of the records of ``batches``; nothing of a topic of which it cannot be.
        ``most`` limits the bytes that are looked at of each partition.
        """
        measured: Measured = {}
        of_clusters: dict[str, list[Batch]] = {}
        for batch in batches:
            if batch.topic is None or not batch.has_data:
                continue
            # Of an unfinished batch that is written there is nothing to read.
            if batch.planned_at is None or not land.holds(self.ledger.spark, batch):
                of_clusters.setdefault(batch.section, []).append(batch)
        for name, some in of_clusters.items():
            ranges = {
                (topic, partition): span
                for each in some
                for topic in [each.topic or ""]
                for partition, span in _looked_at(
                    each.readable, survey.topics.get(each.key)
                ).items()
            }
            for (topic, partition), sizes in self._sizes_of(name, ranges, most).items():
                measured.setdefault((name, topic), []).append((partition, sizes))
        return measured

    def _sizes_of(
        self,
        name: str,
        ranges: Mapping[tuple[str, int], tuple[int, int]],
        most: float | None = None,
    ) -> dict[tuple[str, int], Sizes]:
        """``Cluster.sizes`` of all ``ranges``, or where that fails of each topic alone. Whoever
        reads a topic that is left out finds out why.
        """
        try:
            return self.cluster(name).sizes(ranges, self.settings.limits.max_record_bytes, most)
        except SourceUnavailable:
            return {}
        except Exception:
            topics = {topic for topic, _ in ranges}
            found: dict[tuple[str, int], Sizes] = {}
            for topic in topics if len(topics) > 1 else ():
                of_topic = {key: each for key, each in ranges.items() if key[0] == topic}
                found |= self._sizes_of(name, of_topic, most)
            return found

    def polls(self, key: Key, ranges: Sequence[Range], state: TopicState | None) -> int:
        """How many records of ``ranges`` of a topic a task may hold at a time."""
        found: list[Sizes] = []
        for layer in land.layers({key[1]: ranges}):
            spans = _looked_at(layer[key[1]], state)
            wanted = {(key[1], partition): span for partition, span in spans.items()}
            found += self._sizes_of(key[0], wanted).values()
        return min((each.poll_records for each in found), default=POLLS[1])

    def _cut(self, survey: Survey, measured: Measured, most: float) -> list[Batch]:
        """The batches of ``survey`` with about ``most`` bytes in all, by what was ``measured``."""
        total = sum(sizes.total for each in measured.values() for _, sizes in each)
        if total <= most:
            return survey.batches
        survey.is_limited = True
        batches = []
        for batch in survey.batches:
            ends = {each.partition: each.until_offset for each in batch.ranges}
            for partition, sizes in measured.get(batch.key, ()):
                end = sizes.until(most * sizes.total / total)
                ends[partition] = min(ends[partition], end or ends[partition])
            batches.append(until(batch, ends) if batch.topic is not None else batch)
        return batches

    def _weighed(
        self, batches: Sequence[Batch], measured: Measured, errors: list[LoaderError]
    ) -> list[Batch]:
        """``batches``, which are planned, with the records that are too large set aside in the
        ledger, and an error that says which; the sizes of the others are kept for their write.
        """
        kept = []
        lost: set[tuple[str, int]] = set()
        for batch in batches:
            of_topic = measured.get(batch.key, []) if batch.topic is not None else []
            if of_topic:
                key = (batch.table_name, batch.batch_id, batch.topic)
                self._sizes[key] = [sizes for _, sizes in of_topic]
            stretches: dict[int, list[Range]] = {}
            for each in batch.stretches:
                stretches.setdefault(each.partition, []).append(each)
            large = [
                (partition, offset, size)
                for partition, sizes in of_topic
                for offset, size in sizes.too_large
                if any(e.from_offset <= offset < e.until_offset for e in stretches[partition])
            ]
            if large:
                offsets: dict[int, list[int]] = {}
                for partition, offset, _ in large:
                    offsets.setdefault(partition, []).append(offset)
                limit = self.settings.limits.max_record_bytes
                batch = without(batch, offsets, f"more than max_record_bytes ({limit:,})")
                try:
                    self.ledger.amend(batch)
                except LoaderError as error:
                    # Another loader has it by now, and with it all topics of the table's batch.
                    errors.append(error)
                    lost.add((batch.table_name, batch.batch_id))
                    continue
                errors.append(_too_large(batch, large, limit))
            kept.append(batch)
        return [each for each in kept if (each.table_name, each.batch_id) not in lost]

    def _round_of_files(
        self,
        before: Survey,
        told: Callable[[Landed], None],
        noted: Callable[[str], None],
        errors: list[LoaderError],
    ) -> list[Batch]:
        """Load the files that are new, when all else is loaded: whatever they are, nothing waits
        for them. ``before`` is the survey of all else.
        """
        done: list[Batch] = []
        rows = before.rows
        for is_second in (False, True):
            # The tables of files are no others', so the ledger's rows of them are as they were.
            survey = Survey(tables=before.tables, imports=before.imports, rows=rows)
            self.survey_files(survey)
            if not survey.unfinished or is_second:
                break
            for group in _by_batch(survey.unfinished):
                noted(_finishing(group))
            done += self.land(survey, survey.unfinished, told, noted, errors)
            rows = self.ledger.current()
        for note in survey.notes:
            noted(note)
        errors += survey.errors
        if survey.touched:
            self.ledger.touch(survey.touched)
        ours, fenced = self.ledger.propose(survey.batches)
        errors += fenced
        return done + self.land(survey, ours, told, noted, errors)

    def land(
        self,
        survey: Survey,
        batches: Sequence[Batch],
        told: Callable[[Landed], None],
        noted: Callable[[str], None],
        errors: list[LoaderError],
    ) -> list[Batch]:
        """Write, count and close planned ``batches``; several tables at once."""
        done: list[Batch] = []
        begun: dict[str, float] = {}

        def write(group: list[Batch]) -> list[Batch]:
            begun[group[0].table_name] = time.monotonic()
            if group[0].imported is not None and group[0].has_data:
                source = survey.imports[group[0].table_name]
                slots = self._slots[source.section]
                return [imports.import_batch(self.spark, source, each, slots) for each in group]
            return self._write(group, survey.record_size(group), errors)

        def is_large(group: list[Batch]) -> bool:
            sizes = (self._sizes.get((e.table_name, e.batch_id, e.topic), []) for e in group)
            return any(each.poll_records < POLLS[1] for of_topic in sizes for each in of_topic)

        with ThreadPoolExecutor(_PARALLEL) as pool:
            # Those with large records go last, so that the others need not wait for them.
            ordered = sorted(_by_batch(batches), key=is_large)
            groups = {pool.submit(write, group): group for group in ordered}
            writes = set(groups)
            while writes:
                ready, writes = wait(writes, _ALIVE_SECONDS, FIRST_COMPLETED)
                if not ready:
                    land.keep_alive(self.ledger.spark)
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
                    told(Landed(batch, seconds, _lag_left(survey, batch)))
        for note in self._commit_groups(done):
            noted(note)
        return done

    def oldest_unread(self, survey: Survey) -> dict[Key, dict[int, int]]:
        """The timestamp (ms, UTC) of the first record of each topic and partition that is not
        loaded; a cluster that does not answer is left out.
        """
        oldest: dict[Key, dict[int, int]] = {}
        for name in survey.reached:
            unread = {
                (topic, partition): (
                    max(state.end[partition] - lag, state.begin[partition]),
                    state.end[partition],
                )
                for (cluster, topic), state in survey.topics.items()
                if cluster == name
                for partition, lag in survey.lag((cluster, topic)).items()
                if lag > 0
            }
            with suppress(Exception):  # an age that is not known is left out
                for (topic, partition), at in self.cluster(name).timestamps(unread).items():
                    oldest.setdefault((name, topic), {})[partition] = at
        return oldest

    def _ask(self, survey: Survey, name: str) -> None:
        """What cluster ``name`` holds of the topics that are configured for it."""
        kafka = self.settings.kafka[name]
        if not kafka.topics:
            return
        source = f"kafka.{name}"
        # A topic that a pattern found before is missed when it is gone.
        known = {row.topic for row in survey.rows if row.source == source and row.topic}
        try:
            cluster = self.cluster(name)
            listed = cluster.names() if any(entry.pattern for entry in kafka.topics) else []
            names = {entry.topic for entry in kafka.topics if entry.topic} | known | set(listed)
            for topic in sorted(names):
                # A topic's own entry goes before the patterns, which go in their order.
                entries = sorted(kafka.topics, key=lambda entry: entry.topic is None)
                entry = next((each for each in entries if each.matches(topic)), None)
                if entry is None:
                    continue
                table = entry.table_of(topic)
                others = {key[0] for key, each in survey.tables.items() if each == table}
                if others - {name} or table == self.ledger.name:
                    message = (
                        f"[kafka.{name}] would load topic {topic} into {table}, which is that of "
                        f"{', '.join(sorted(others - {name})) or 'the ledger'}; name another."
                    )
                    survey.errors.append(ConfigurationError(message, topic=topic, table=table))
                    continue
                survey.entries[name, topic] = entry
                survey.tables[name, topic] = table
            asked = [topic for cluster_name, topic in survey.entries if cluster_name == name]
            survey.positions |= positions(survey.rows, list(survey.tables.values()))
            states, unreadable = cluster.topics(asked)
            survey.errors += unreadable.values()
            survey.unreadable |= {(name, topic): error for topic, error in unreadable.items()}
            survey.topics |= {(name, topic): state for topic, state in states.items()}
            self._start(survey, cluster, states)
        except Exception as error:
            # Whatever it is, other clusters must not suffer from it.
            problem = as_ours(error, f"[kafka.{name}] gave no answer of use", cluster=name)
            if isinstance(problem, SourceUnavailable) and name in self._clusters:
                with suppress(Exception):
                    self._clusters.pop(name).close()  # the next round makes a new connection
            survey.errors.append(problem)
            return
        for entry in kafka.topics:
            if not any(entry.matches(topic) for topic in (*states, *unreadable)):
                what = f"topic {entry.topic}" if entry.topic else f"a topic like {entry.pattern}"
                survey.notes.append(f"{what} of [kafka.{name}] does not exist yet")
        survey.reached.add(name)

    def _start(self, survey: Survey, cluster: Cluster, states: Mapping[str, TopicState]) -> None:
        """Where topics begin that are seen for the first time, and how big records are."""
        unknown = []
        for topic, state in states.items():
            key = (cluster.name, topic)
            last = survey.last(key)
            if last is not None and last.records and last.bytes:
                survey.sizes[key] = last.bytes / last.records
            else:
                unknown.append(state)
            if last is not None:
                continue  # only a topic that was never seen begins elsewhere than at its beginning
            start = survey.entries[key].start
            try:
                if isinstance(start, datetime):
                    survey.starts[key] = cluster.offsets_at(state, start)
                elif isinstance(start, dict):
                    survey.starts[key] = first_offsets(state, start)
                elif start == "latest":
                    survey.starts[key] = dict(state.end)
            except Exception as error:
                what = f"Topic {topic} of [kafka.{cluster.name}] gave no answer of use"
                survey.errors.append(as_ours(error, what, topic=topic))
                del survey.topics[key]
        if unknown:
            sizes = cluster.mean_sizes(unknown)
            survey.sizes |= {(cluster.name, topic): size for topic, size in sizes.items()}

    def _find_files(self, survey: Survey) -> tuple[list[Batch], set[str]]:
        """The batches of files that are new, and every table that files feed."""
        batches: list[Batch] = []
        tables: set[str] = set()
        touched: list[Batch] = []
        taken = {*survey.tables.values(), *survey.imports, self.ledger.name}
        for section, config in self.settings.files.items():
            missing = unset_variables(config.path)
            if missing:
                survey.notes.append(f"[files.{section}] skipped: {missing[0]} is not set")
                continue
            # Files of an unfinished batch may be gone, which its landing finds out.
            unfinished = {
                row.table_name
                for row in survey.rows
                if row.state == PLANNED and row.source == f"files.{section}"
            } - taken
            survey.positions |= positions(survey.rows, list(unfinished))
            tables |= unfinished
            try:
                here, errors = files.listed(self.spark, section, config)
            except Exception as error:
                what = f"[files.{section}] cannot be read at {config.path}"
                survey.errors.append(as_ours(error, what, section=section))
                continue
            survey.errors += errors
            others = tables - unfinished
            for table, of_table in here.items():
                if table in taken or table in others:
                    message = (
                        f"[files.{section}] would load {of_table[0].path} into {table}, which "
                        "another section feeds; rename the file or the table."
                    )
                    survey.errors.append(ConfigurationError(message, section=section, table=table))
                    continue
                tables.add(table)
                survey.positions |= positions(survey.rows, [table])
                if survey.positions[table].unfinished:
                    continue
                known = survey.positions[table].files
                try:
                    new, same, errors = files.compared(self.spark, config, known, of_table)
                except Exception as error:
                    what = f"The files of {table} cannot be read"
                    survey.errors.append(as_ours(error, what, table=table))
                    continue
                survey.errors += errors
                survey.notes += [
                    f"{file.path} changed since it was loaded and is loaded again, as a new version"
                    for file in new
                    if file.path in known and files.is_readable(known[file.path])
                    and known[file.path].checksum
                ]  # fmt: skip
                touched += _touched(survey.rows, table, same)
                if new:
                    source = f"files.{section}"
                    batches.append(Batch(table, 0, source, None, None, "", files=tuple(new)))
        if touched:
            survey.touched += touched
        return batches, tables

    def _find_imports(self, survey: Survey, taken: Collection[str]) -> None:
        """What the databases hold of what is configured, by raw table."""
        self._leave_databases()  # a snapshot of another moment
        for section, config in self.settings.jdbc.items():
            missing = unset_variables(config.url)
            if missing:
                survey.notes.append(f"[jdbc.{section}] skipped: {missing[0]} is not set")
                continue
            try:
                if section not in self._databases:
                    self._databases[section] = Database(section, config)
                found, errors = imports.sources(section, self._databases[section])
            except Exception as error:
                # Whatever it is, other sections must not suffer from it.
                what = f"[jdbc.{section}] cannot be imported"
                survey.errors.append(as_ours(error, what, section=section))
                continue
            survey.errors += errors
            if not found and not errors:
                survey.notes.append(f"[jdbc.{section}] names no table that the database has")
            for source in found:
                others = {name for name, each in survey.imports.items() if name == source.table}
                if source.table in taken or others or source.table == self.ledger.name:
                    message = (
                        f"[jdbc.{section}] would load {source.relation.name} into {source.table}, "
                        "which another section feeds; name another table."
                    )
                    survey.errors.append(ConfigurationError(message, table=source.table))
                else:
                    survey.imports[source.table] = source
            names = {source.relation.name for source in found}
            for row in survey.rows:
                if row.source != f"jdbc.{section}" or row.imported is None:
                    continue
                relation, table = row.imported.relation, row.table_name
                if row.state == PLANNED and table not in survey.imports:
                    message = (
                        f"Batch {row.batch_id} of {table} is unfinished and reads {relation}, "
                        f"which [jdbc.{section}] does not have now; put it back until the batch is "
                        f"finished. Or take the batch back: {withdraw_command(row)}"
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
                if not self._databases[section].is_excluded(relation):
                    survey.errors.append(ConfigurationError(message, table=table))
                elif row.state == PLANNED:
                    survey.notes.append(message)

    def _leave_databases(self) -> None:
        """End the sessions, and with them the snapshots: none is held longer than a round."""
        for database in self._databases.values():
            database.close()
        self._databases = {}

    def _new_imports(self, survey: Survey) -> Iterator[Batch]:
        now = datetime.now(timezone.utc)
        for table, source in survey.imports.items():
            position = survey.positions[table]
            if position.unfinished:
                continue
            try:
                batch = imports.proposed(source, imports.last_import(position.newest, source), now)
            except Exception as error:
                what = f"What is new for {table} cannot be told"
                survey.errors.append(as_ours(error, what, table=table))
                continue
            if batch is not None:
                yield batch

    def bound_imports(
        self,
        survey: Survey,
        how: Callable[..., Batch | None],
        noted: Callable[[str], None],
        errors: list[LoaderError],
    ) -> None:
        """Give the imports among the batches of ``survey`` their bounds by ``how``; those of tables
        that hold nothing new are left out.
        """
        batches = []
        for batch in survey.batches:
            if batch.imported is not None:
                source = survey.imports[batch.table_name]
                last = imports.last_import(survey.positions[batch.table_name].newest, source)
                try:
                    bounded = how(self.spark, source, batch, last, noted)
                except Exception as error:
                    what = f"What is new for {batch.table_name} cannot be told"
                    problem = as_ours(error, what, table=batch.table_name)
                    if "relation" not in problem.facts and isinstance(error, LoaderError):
                        facts = {**problem.facts, "relation": source.relation.name}
                        problem = type(problem)(f"{source.relation.name}: {problem}", **facts)
                    errors.append(problem)
                    continue
                if bounded is None:
                    continue
                batch = bounded
            batches.append(batch)
        survey.batches = batches

    def _bounded_again(self, survey: Survey, errors: list[LoaderError]) -> list[Batch]:
        """The unfinished batches; imports that are not landed, with what their source holds now."""
        batches = []
        for batch in survey.unfinished:
            if batch.imported is not None and batch.has_data:
                try:
                    if not land.holds(self.spark, batch):
                        batch = imports.again(self.spark, survey.imports[batch.table_name], batch)
                        self.ledger.amend(batch)
                except Exception as error:
                    what = f"What is new for {batch.table_name} cannot be told"
                    errors.append(as_ours(error, what, table=batch.table_name))
                    continue
            batches.append(batch)
        return batches

    def _new_records(self, survey: Survey) -> Iterator[Batch]:
        for key, table in sorted(survey.tables.items()):
            cluster, topic = key
            if cluster not in survey.reached or survey.positions[table].unfinished:
                continue
            if key in survey.unreadable:
                continue
            state, known = survey.topics.get(key), survey.known(key)
            try:
                ranges = next_ranges(known, state, table, survey.starts.get(key))
            except Exception as error:
                what = f"What is new in topic {topic} of [kafka.{cluster}] cannot be told"
                survey.errors.append(as_ours(error, what, topic=topic, table=table))
                continue
            if state is None:
                continue
            batch = Batch(
                table_name=table,
                batch_id=0,
                source=f"kafka.{cluster}",
                topic=topic,
                topic_id=state.topic_id,
                table_id="",
                ranges=ranges,
            )
            if self._ends is not None:
                batch = until(batch, self._ends.get((cluster, state.topic_id), {}))
            if self._waits(batch, survey.last(key)):
                survey.notes.append(
                    f"topic {topic} waits: {batch.span:,} new records are fewer than min_records"
                )
            elif batch.span or known is None:
                yield batch

    def _waits(self, batch: Batch, last: Batch | None) -> bool:
        limits = self.settings.limits
        if last is None or last.committed_at is None or not 0 < batch.span < limits.min_records:
            return False
        age = datetime.now(timezone.utc) - last.committed_at.astimezone(timezone.utc)
        return age.total_seconds() < limits.max_delay_seconds

    def _limited(
        self, survey: Survey, batches: Sequence[Batch], seconds: float | None
    ) -> list[Batch]:
        """``batches`` of topics within the limits; those of files as they are."""
        limits = self.settings.limits
        of_topics = [each for each in batches if each.topic is not None]
        caps = [] if limits.max_records is None else [float(limits.max_records)]
        if seconds is not None:
            speed = _speed(survey)
            caps.append(max(1.0, seconds * speed if speed else _UNMEASURED))
        sizes = {each.topic or "": survey.record_size([each]) for each in of_topics}
        capped = limited(
            of_topics,
            sizes,
            max_records=min(caps, default=None),
            max_bytes=limits.max_bytes,
        )
        survey.is_limited |= sum(each.span for each in capped) < sum(
            each.span for each in of_topics
        )
        return sorted(
            [*capped, *(each for each in batches if each.topic is None)],
            key=lambda each: each.table_name,
        )

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
                land.check_table(position, table, None)
                if make is None:
                    return ""
                make(self.ledger.spark, table)
            if not has_new and not position.unfinished:
                return ""
            table_id, newest = land.table_state(self.ledger.spark, table, is_new=not exists)
            if newest > position.last_batch_id:
                # Unless another loader began just now, and our own plan will be fenced.
                current = positions(self.ledger.current(), [table])[table]
                if newest <= current.last_batch_id:
                    position, newest = current, 0
            if exists:
                land.check_table(position, table, table_id, newest, ledger=ledger)
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
                self._check_configured(survey, batch)
                kind, section = batch.source.split(".", 1)
                if kind == "kafka":
                    if section not in survey.reached:
                        return  # the cluster's own error says why
                    self._check_source(survey, batch)
                if kind == "jdbc" and table not in survey.imports:
                    # Often the section's own error says why.
                    message = (
                        f"Batch {batch.batch_id} of {table} is unfinished, and [{batch.source}] "
                        "does not have what it reads now. Run again when it does, or take the "
                        f"batch back: {withdraw_command(batch)}"
                    )
                    raise SourceUnavailable(message, table=table)
        except Exception as error:
            what = f"The unfinished batch of {table} cannot be finished"
            survey.errors.append(as_ours(error, what, table=table))
            return
        survey.unfinished += unfinished

    def _check_configured(self, survey: Survey, batch: Batch) -> None:
        """Raise ``ConfigurationError`` where loader.toml has no more what ``batch`` is to read."""
        kind, section = batch.source.split(".", 1)
        table = batch.table_name
        if section not in getattr(self.settings, kind):
            message = (
                f"Batch {batch.batch_id} of {table} is unfinished and comes from "
                f"[{batch.source}], which loader.toml does not have any more; put the "
                "section back until the batch is finished. Or take it back: "
                f"{withdraw_command(batch)}"
            )
            raise ConfigurationError(message, table=table, source=batch.source)
        if kind != "kafka" or batch.key in survey.tables:
            return
        # A cluster that does not answer has an error of its own; one without topics is not asked.
        if section in survey.reached or not self.settings.kafka[section].topics:
            message = (
                f"Batch {batch.batch_id} of {table} is unfinished and reads topic "
                f"{batch.topic}, which [{batch.source}] does not have any more; put it "
                "back until the batch is finished. Or take the batch back: "
                f"{withdraw_command(batch)}"
            )
            raise ConfigurationError(message, table=table, topic=batch.topic)

    def _check_source(self, survey: Survey, batch: Batch) -> None:
        try:
            if batch.key in survey.unreadable:
                message = (
                    f"Batch {batch.batch_id} of {batch.table_name} is unfinished and waits: "
                    f"{survey.unreadable[batch.key]}"
                )
                raise SourceUnavailable(message, table=batch.table_name, topic=batch.topic)
            check_unfinished(batch, survey.topics.get(batch.key))
        except LoaderError:
            # What is in the table needs no source any more.
            if not land.holds(self.ledger.spark, batch):
                raise

    def _write(
        self,
        group: list[Batch],
        record_size: float = _RECORD_SIZE,
        errors: list[LoaderError] | None = None,
    ) -> list[Batch]:
        name, errors = group[0].section, [] if errors is None else errors
        if group[0].topic is not None:
            sizes = [
                each
                for batch in group
                for each in self._sizes.pop((batch.table_name, batch.batch_id, batch.topic), [])
            ]
            # Where nothing was measured, the mean size of the topic's records must do.
            span = sum(batch.span for batch in group)
            size = sum(each.total for each in sizes) or span * record_size
            polls = min((each.poll_records for each in sizes), default=POLLS[1])
            largest = max((each.largest for each in sizes), default=0)
            with ExitStack() as alone:
                if polls < POLLS[1]:
                    alone.enter_context(self._large)
                    alone.enter_context(land.for_large(self.spark, polls, span))
                return land.land_topics(
                    self.spark, self.settings.kafka[name], group, size, self.reader(name), polls,
                    largest,
                )  # fmt: skip
        return [
            land.land_files(self.spark, self.settings.files[name], each, errors)
            if each.has_data
            else replace(
                each,
                records=0,
                bytes=0,
                files=tuple(replace(file, checksum="") for file in each.files),
            )
            for each in group
        ]

    def reader(self, name: str) -> Reader:
        """What reads records of cluster ``name`` one by one."""

        def read(topic: str, partition: int, begin: int, until: int) -> Iterator[Record]:
            yield from self.cluster(name).records(topic, partition, begin, until)

        return read

    def _commit_groups(self, batches: Sequence[Batch]) -> list[str]:
        """Let the consumer groups follow the ledger; what could not be, as remarks."""
        notes = []
        offsets: dict[str, dict[tuple[str, int], int]] = {}
        for batch in batches:
            if batch.topic is not None and batch.kind != REPLAY:
                of_cluster = offsets.setdefault(batch.section, {})
                for each in batch.ranges:
                    of_cluster[batch.topic, each.partition] = each.until_offset
        for name, of_cluster in offsets.items():
            try:
                why = self.cluster(name).commit_group(of_cluster)
            except Exception as error:
                why = str(as_ours(error, "no answer of use"))
            if why:
                group = self.settings.kafka[name].group_id
                notes.append(f"the offsets of consumer group {group} were not committed: {why}")
        return notes

    def release_ends(self) -> None:
        """Let the next round with ``fix_ends`` take the ends as they are then."""
        self._ends = None

    def _fix_ends(self, survey: Survey) -> None:
        if self._ends is None:
            self._ends = {
                (cluster, state.topic_id): dict(state.end)
                for (cluster, _), state in survey.topics.items()
            }


def _finishing(group: Sequence[Batch]) -> str:
    """The remark before the unfinished batch ``group`` is finished."""
    return (
        f"finishing batch {group[0].batch_id} of {group[0].table_name}, which an earlier run "
        "planned and did not close"
    )


def _touched(rows: Sequence[Batch], table: str, same: Sequence[File]) -> list[Batch]:
    """The rows of ``table`` that know the files ``same``, with these as they are now."""
    now = {file.path: file for file in same}
    newest: dict[str, Batch] = {}
    for row in sorted(rows, key=lambda row: row.batch_id):
        if row.table_name == table and row.state == COMMITTED:
            newest |= {file.path: row for file in row.files if file.path in now}
    changed = {row.batch_id: row for row in newest.values()}
    return [
        replace(
            row,
            files=tuple(
                now[file.path]
                if file.path in now and newest[file.path] is row
                else file
                for file in row.files
            ),
        )
        for row in changed.values()
    ]  # fmt: skip


def _looked_at(ranges: Sequence[Range], state: TopicState | None) -> dict[int, tuple[int, int]]:
    """By partition the offsets of ``ranges`` and of as many records behind them as a task may take
    with the last of them: Spark's consumer does not stop at the end of a range.
    """
    ends = state.end if state is not None else {}
    return {
        each.partition: (
            each.from_offset,
            max(
                each.until_offset,
                min(each.until_offset + POLLS[0], ends.get(each.partition, each.until_offset)),
            ),
        )
        for each in ranges
        if each.span
    }


def _too_large(batch: Batch, large: Sequence[tuple[int, int, int]], limit: int) -> DataLoss:
    """The error for the records ``large`` (partition, offset, size) that ``batch`` leaves out."""
    partition, offset, size = max(large, key=lambda each: each[2])
    others = f" and {len(large) - 1:,} others" if len(large) > 1 else ""
    again = command(
        "replay", batch, f"--from {partition}:{offset}", f"--until {partition}:{offset + 1}"
    )
    message = (
        f"Topic {batch.topic} partition {partition}: the record at offset {offset} ({size:,} bytes)"
        f"{others} have more than limits.max_record_bytes ({limit:,}). Batch {batch.batch_id} of "
        f"{batch.table_name} goes on without them, and the ledger keeps the gaps. To land them, "
        f"raise max_record_bytes, and Spark's memory with it; then {again}"
    )
    return DataLoss(
        message,
        table=batch.table_name,
        batch_id=batch.batch_id,
        topic=batch.topic,
        partition=partition,
        offset=offset,
        records=len(large),
    )


def _lag_left(survey: Survey, batch: Batch) -> int:
    if batch.key not in survey.topics or batch.kind == REPLAY:
        return 0
    return sum(max(0, left) for left in survey.lag_after(batch).values())


def _speed(survey: Survey) -> float | None:
    """Records a second of the fastest of the newest batches."""
    speeds = [
        row.records / max((row.committed_at - row.planned_at).total_seconds(), 0.001)
        for row in survey.rows
        if row.records and row.records >= _TELLING and row.committed_at and row.planned_at
    ]
    return max(speeds, default=None)


def _by_batch(batches: Sequence[Batch]) -> list[list[Batch]]:
    """The rows of each (table, batch id) together."""

    def key(batch: Batch) -> tuple[str, int]:
        return batch.table_name, batch.batch_id

    return [list(group) for _, group in groupby(sorted(batches, key=key), key)]


def as_ours(error: Exception, what: str, **facts: object) -> LoaderError:
    """``error`` where it is a ``LoaderError``, else one that says that ``what`` failed, and why."""
    if isinstance(error, LoaderError):
        return error
    message = f"{what}: {spark_errors.reason(error)}."
    return SourceUnavailable(message, gone=spark_errors.is_gone(error), **facts)


def _not_written(batch: Batch, error: Exception) -> SourceUnavailable:
    what = f"Batch {batch.batch_id} of {batch.table_name} could not be written"
    if spark_errors.is_gone(error):
        what = (
            f"The Spark server went away while batch {batch.batch_id} of {batch.table_name} was "
            "written"
        )
    message = f"{what}: {spark_errors.reason(error)}. It stays planned; run again to finish it."
    if not spark_errors.is_gone(error):
        message += f" If it can never be written: {withdraw_command(batch)}"
    return SourceUnavailable(
        message, table=batch.table_name, batch_id=batch.batch_id, gone=spark_errors.is_gone(error)
    )


@contextmanager
def opened(settings: Settings, owner: str | None = None) -> Iterator[Loader]:
    """A loader on the configured Spark; closes the session that it opened.

    One that goes on where another of this process was is the same ``owner``.
    """
    settings = located(settings)
    small = land.connect(settings, small=True)
    spark = land.connect(settings)
    loader = Loader(settings, spark, Ledger(small, settings.ledger, owner))
    try:
        yield loader
    finally:
        loader.close()
        land.disconnect(small)
        land.disconnect(spark)


def repeat(
    settings: Settings,
    told: Callable[[Landed], None],
    noted: Callable[[str], None],
    ended: Callable[[Outcome], None],
    *,
    working: Callable[[SparkSession], AbstractContextManager[object]] = nullcontext,
    until_caught_up: bool = False,
    every: float | None = None,
    stop: threading.Event | None = None,
) -> Outcome:
    """Run rounds: one, until everything is loaded that was there at the start, or ``every`` so many
    seconds until ``stop`` is set; ``ended`` is called after each, ``working`` holds while they go
    on. A round that began is finished.

    Returns all batches (with ``every`` none: there may be any number), with the errors of the last
    series of rounds. A server that goes away ends it, except with ``every``: then the next round
    tries again.
    """
    stop = stop or threading.Event()
    limit = settings.limits.max_seconds
    owner = new_owner()
    batches: list[Batch] = []

    def caught_up(loader: Loader) -> Outcome:
        start = time.monotonic()
        errors: dict[str, LoaderError] = {}
        again = until_caught_up or limit is not None or every is not None
        loader.release_ends()
        if every is not None:
            land.keep_alive(loader.spark)  # which rounds with nothing new do not use
        while True:
            left = None if limit is None else limit - (time.monotonic() - start)
            outcome = loader.round(told, noted, seconds=left, fix_ends=again)
            if every is None:  # a loop goes on for ever
                batches.extend(outcome.batches)
            errors |= {str(error): error for error in outcome.errors}
            ended(outcome)
            is_over = limit is not None and time.monotonic() - start >= limit
            if not again or not outcome.is_behind or is_over or stop.is_set():
                return replace(outcome, errors=list(errors.values()))

    with ExitStack() as session:
        loader = None
        while True:
            try:
                loader = loader or session.enter_context(opened(settings, owner))
                with working(loader.spark):
                    outcome = caught_up(loader)
                is_lost = any(error.facts.get("gone") for error in outcome.errors)
            except Exception as error:
                if every is None or isinstance(error, ConfigurationError):
                    raise
                if not isinstance(error, LoaderError):
                    if not spark_errors.is_gone(error):
                        raise
                    error = SourceUnavailable(f"Spark went away: {spark_errors.reason(error)}.")
                outcome, is_lost = Outcome([], [error]), True
                ended(outcome)
            if is_lost:
                session.close()  # the next round has new sessions
                loader = None
            if every is None or stop.wait(every):
                return Outcome(batches, outcome.errors)
