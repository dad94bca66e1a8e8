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

from loader import files, imports, land
from loader.errors import ConfigurationError, LoaderError, SourceUnavailable
from loader.jdbc import Database
from loader.kafka import Cluster, Record, TopicState
from loader.land import Reader
from loader.ledger import Ledger, fenced_by, is_alive, new_owner, positions
from loader.plan import (
    PLANNED,
    REPLAY,
    Batch,
    File,
    Position,
    changed_files,
    check_unfinished,
    first_offsets,
    limited,
    next_ranges,
    number,
    until,
)
from loader.settings import Settings, Topic, located, unset_variables

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
    ``unfinished`` are batches that an earlier run planned; ``batches`` those to plan now. ``notes``
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
        self, *, make_tables: bool = True, seconds: float | None = None, cluster: str | None = None
    ) -> Survey:
        """Look at every source and at the ledger, and decide what a run would do.

        Changes nothing but this: missing raw tables and the ledger are made (unless
        ``make_tables`` is off), so that readers find them empty. ``seconds`` are left to load in;
        with ``cluster`` only that cluster is asked, and no files are looked at.
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
        found = self._find_files(survey, topic_tables) if cluster is None else {}
        if cluster is None:
            self._find_imports(survey, topic_tables | set(found))
        tables = sorted(topic_tables | set(found) | set(survey.imports))
        survey.positions |= positions(survey.rows, [*found, *survey.imports])
        existing = {table for table in tables if table.lower() in there}
        proposed = [
            *self._new_records(survey),
            *self._new_files(survey, found),
            *self._new_imports(survey),
        ]

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
        for row in survey.rows if cluster is None else ():
            # Nothing feeds its table any more, which must not hide it.
            if row.state == PLANNED and row.table_name not in ids:
                try:
                    self._check_configured(survey, row)
                except LoaderError as error:
                    survey.errors.append(error)
        usable = self._limited(survey, usable, seconds)
        for table, of_table in groupby(usable, lambda each: each.table_name):
            new = list(of_table)
            # The first batch of a topic is written even when it is empty: where the topic began is
            # remembered from then on.
            if any(each.has_data or survey.known(each.key) is None for each in new):
                survey.batches += number(survey.positions[table], str(ids[table]), new)
        return survey

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
        survey = self.survey(seconds=seconds)
        if survey.unfinished:
            for group in _by_batch(survey.unfinished):
                noted(
                    f"finishing batch {group[0].batch_id} of {group[0].table_name}, which an "
                    "earlier run planned and did not close"
                )
            unfinished = self._bounded_again(survey, errors)
            done += self.land(survey, unfinished, told, noted, errors)
            self._leave_databases()  # the next batches are of a later moment
            # A table that could not be finished must not be planned further: its errors return
            # with the new survey, or its batch is closed now.
            survey = self.survey(seconds=seconds)
        if fix_ends:
            self._fix_ends(survey)
        for note in survey.notes:
            noted(note)
        errors += survey.errors
        self.bound_imports(survey, imports.bounded, noted, errors)
        ours, fenced = self.ledger.propose(survey.batches)
        errors += fenced
        closed = self.land(survey, ours, told, noted, errors)
        lag = {key: survey.lag(key) for key in survey.topics}
        for batch in closed:
            if batch.topic is not None:
                lag[batch.key] = survey.lag_after(batch)
        self._leave_databases()
        return Outcome([*done, *closed], errors, lag, survey.is_limited and bool(closed))

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
            return self._write(group, survey.record_size(group))

        with ThreadPoolExecutor(_PARALLEL) as pool:
            groups = {pool.submit(write, group): group for group in _by_batch(batches)}
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
                (topic, partition): max(state.end[partition] - lag, state.begin[partition])
                for (cluster, topic), state in survey.topics.items()
                if cluster == name
                for partition, lag in survey.lag((cluster, topic)).items()
                if lag > 0
            }
            with suppress(SourceUnavailable):
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
        except SourceUnavailable as error:
            if name in self._clusters:
                self._clusters.pop(name).close()  # the next round connects anew
            survey.errors.append(error)
            return
        except LoaderError as error:
            survey.errors.append(error)
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
            except ConfigurationError as error:
                survey.errors.append(error)
                del survey.topics[key]
        if unknown:
            sizes = cluster.mean_sizes(unknown)
            survey.sizes |= {(cluster.name, topic): size for topic, size in sizes.items()}

    def _find_files(
        self, survey: Survey, topic_tables: Collection[str]
    ) -> dict[str, tuple[str, list[File]]]:
        """Files by table, with the section they come from."""
        found: dict[str, tuple[str, list[File]]] = {}
        for section, config in self.settings.files.items():
            missing = unset_variables(config.path)
            if missing:
                survey.notes.append(f"[files.{section}] skipped: {missing[0]} is not set")
                continue
            try:
                tables = files.found(self.spark, section, config)
            except Exception as error:
                what = f"[files.{section}] cannot be read at {config.path}"
                survey.errors.append(_as_ours(error, what, section=section))
                continue
            for table, listed in tables.items():
                if table in found or table in topic_tables or table == self.ledger.name:
                    message = (
                        f"[files.{section}] would load {listed[0].path} into {table}, which "
                        "another section feeds; rename the file or the table."
                    )
                    survey.errors.append(ConfigurationError(message, section=section, table=table))
                else:
                    found[table] = (section, listed)
        return found

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
            except LoaderError as error:
                survey.errors.append(error)
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
                if row.imported.relation not in names:
                    names.add(row.imported.relation)
                    message = (
                        f"{row.imported.relation} of [jdbc.{section}] is not there any more, or "
                        f"not in loader.toml; {row.table_name} keeps what was imported. If that is "
                        "right, put it into exclude."
                    )
                    excluded = self._databases[section].is_excluded(row.imported.relation)
                    if not excluded:
                        survey.errors.append(ConfigurationError(message, table=row.table_name))

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
            except LoaderError as error:
                survey.errors.append(error)
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
                    errors.append(_as_ours(error, what, table=batch.table_name))
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
                    errors.append(_as_ours(error, what, table=batch.table_name))
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
            except LoaderError as error:
                survey.errors.append(error)
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

    def _new_files(
        self, survey: Survey, found: Mapping[str, tuple[str, list[File]]]
    ) -> Iterator[Batch]:
        for table, (section, listed) in found.items():
            known = survey.positions[table].files
            new = changed_files(known, listed)
            survey.notes += [
                f"{file.path} changed since it was loaded and is loaded again, as a new version"
                for file in new
                if file.path in known and known[file.path].checksum
            ]
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
        survey.is_limited = sum(each.span for each in capped) < sum(each.span for each in of_topics)
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
            return _as_ours(error, f"Table {table}", table=table)
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
                    return  # the section's own error says why
        except LoaderError as error:
            survey.errors.append(error)
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
                "section back until the batch is finished."
            )
            raise ConfigurationError(message, table=table, source=batch.source)
        if kind != "kafka" or batch.key in survey.tables:
            return
        # A cluster that does not answer has an error of its own; one without topics is not asked.
        if section in survey.reached or not self.settings.kafka[section].topics:
            message = (
                f"Batch {batch.batch_id} of {table} is unfinished and reads topic "
                f"{batch.topic}, which [{batch.source}] does not have any more; put it "
                "back until the batch is finished."
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

    def _write(self, group: list[Batch], record_size: float = _RECORD_SIZE) -> list[Batch]:
        name = group[0].section
        if group[0].topic is not None:
            return land.land_topics(
                self.spark, self.settings.kafka[name], group, record_size, self.reader(name)
            )
        return [
            land.land_files(self.spark, self.settings.files[name], each)
            if each.has_data
            else replace(each, records=0, bytes=0)
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
            except LoaderError as error:
                why = str(error)
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


def _as_ours(error: Exception, what: str, **facts: object) -> LoaderError:
    """``error`` where it is a ``LoaderError``, else one that says that ``what`` failed, and why."""
    if isinstance(error, LoaderError):
        return error
    message = f"{what}: {land.reason(error)}."
    return SourceUnavailable(message, gone=land.is_gone(error), **facts)


def _not_written(batch: Batch, error: Exception) -> SourceUnavailable:
    what = f"Batch {batch.batch_id} of {batch.table_name} could not be written"
    if land.is_gone(error):
        what = (
            f"The Spark server went away while batch {batch.batch_id} of {batch.table_name} was "
            "written"
        )
    message = f"{what}: {land.reason(error)}. It stays planned; run again to finish it."
    return SourceUnavailable(
        message, table=batch.table_name, batch_id=batch.batch_id, gone=land.is_gone(error)
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

    Returns all batches, with the errors of the last series of rounds. A server that goes away ends
    it, except with ``every``: then the next round tries again.
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
                    if not land.is_gone(error):
                        raise
                    error = SourceUnavailable(f"Spark went away: {land.reason(error)}.")
                outcome, is_lost = Outcome([], [error]), True
                ended(outcome)
            if is_lost:
                session.close()  # the next round has new sessions
                loader = None
            if every is None or stop.wait(every):
                return Outcome(batches, outcome.errors)
