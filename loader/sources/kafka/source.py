"""Topics of Kafka as a kind of source."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, suppress
from datetime import datetime, timezone

from pyspark.sql import SparkSession

from loader.batch import Batch, TopicKey
from loader.content import REPLAY, Offsets
from loader.errors import ConfigurationError, LoaderError, SourceUnavailable
from loader.lake import tables
from loader.lake.ledger import Ledger
from loader.lake.spark_errors import as_ours
from loader.remedies import withdraw
from loader.settings import Kafka, Settings
from loader.sources.base import Kind, Lag, Noted, Survey
from loader.sources.kafka import fetching
from loader.sources.kafka.clusters import Clusters
from loader.sources.kafka.finding import look
from loader.sources.kafka.found import Found
from loader.sources.kafka.landing import create_topic_table, land_topics
from loader.sources.kafka.offsets import check_unfinished, limited, next_ranges, until
from loader.sources.kafka.sizes import POLLS, Sizes
from loader.sources.kafka.weighing import Scales, cut, set_aside

# Offsets of a round with a time limit if no speed is known, and the smallest batch (in records)
# whose speed counts.
_UNMEASURED = 1_000_000
_TELLING = 10_000


class Topics(Kind):
    """``[kafka.<cluster>]``: the topics of a cluster, whose records land unchanged.

    ``found`` is the result of the last survey, ``clusters`` has the connections.
    """

    name = "kafka"

    def __init__(self, settings: Settings, spark: SparkSession, ledger: Ledger) -> None:
        super().__init__(settings, spark, ledger)
        self.clusters = Clusters(settings.kafka)
        self.scales = Scales(self.clusters, settings.limits)
        self.found = Found()
        self._ends: dict[tuple[str, str], dict[int, int]] | None = None
        self._sizes: dict[tuple[str, int, str | None], list[tuple[int, Sizes]]] = {}
        self._large = threading.Lock()  # lets only one write of large records run at a time

    @property
    def sections(self) -> Collection[str]:
        """The names of the clusters' sections."""
        return self.settings.kafka

    @property
    def schemas(self) -> set[str]:
        """The schemas of the topics' raw tables."""
        return set().union(*(each.schemas for each in self.settings.kafka.values()))

    def find(self, survey: Survey, section: str | None) -> None:
        """Query each cluster for its configured topics."""
        self.found = Found(survey.positions)
        self._sizes = {}
        for name in self.settings.kafka:
            if section in (None, name):
                look(self, self.clusters, name, self.found, survey)

    def propose(self, survey: Survey) -> Iterator[Batch]:
        """For each topic a batch with its offsets since the last batch."""
        found = self.found
        for key, table in sorted(found.tables.items()):
            cluster, topic = key
            if cluster not in found.reached or survey.positions[table].unfinished:
                continue
            if key in found.unreadable:
                continue
            state, known = found.topics.get(key), found.known(key)
            try:
                ranges = next_ranges(known, state, table, found.starts.get(key))
            except Exception as error:
                what = f"New offsets of topic {topic} of [kafka.{cluster}] cannot be determined"
                survey.errors.append(as_ours(error, what, topic=topic, table=table))
                continue
            if state is None:
                continue
            content = Offsets(topic, state.topic_id, ranges)
            batch = Batch(table, 0, f"kafka.{cluster}", content)
            if self._ends is not None:
                batch = until(batch, self._ends.get((cluster, state.topic_id), {}))
            if self._waits(batch, found.last(key)):
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

    def make_table(self, spark: SparkSession, table: str) -> None:
        """Create the raw table for records."""
        create_topic_table(spark, table)

    def check_configured(self, survey: Survey, batch: Batch) -> None:
        """Also raise ``ConfigurationError`` if the section lacks the topic."""
        super().check_configured(survey, batch)
        if batch.key in self.found.tables:
            return
        section = batch.section
        # A cluster that does not answer has its own error. One without topics is not queried.
        if section in self.found.reached or not self.settings.kafka[section].topics:
            remedy = withdraw(batch)
            message = (
                f"Batch {batch.batch_id} of {batch.table_name} is unfinished and reads topic "
                f"{batch.topic}, which [{batch.source}] does not have any more; put it "
                f"back until the batch is finished. Or take the batch back: {remedy}"
            )
            table, topic = batch.table_name, batch.topic
            raise ConfigurationError(message, remedy=remedy, table=table, topic=topic)

    def check(self, survey: Survey, batch: Batch) -> bool:
        """Whether the topic still has what the batch reads; raises ``DataLoss`` if not. A batch
        that is already in the table needs no topic.
        """
        if batch.section not in self.found.reached:
            return False  # the cluster's own error explains why
        try:
            unreadable = self.found.unreadable.get(batch.key)
            if unreadable is not None:
                message = (
                    f"Batch {batch.batch_id} of {batch.table_name} is unfinished and waits: "
                    f"{unreadable}"
                )
                raise SourceUnavailable(message, table=batch.table_name, topic=batch.topic)
            check_unfinished(batch, self.found.topics.get(batch.key))
        except LoaderError:
            if not self.held(batch):
                raise
        return True

    def limit(self, survey: Survey, batches: list[Batch], seconds: float | None) -> list[Batch]:
        """Limit the offsets of all topics together; each partition is cut in
        proportion to its lag.
        """
        limits = self.settings.limits
        caps = [] if limits.max_records is None else [float(limits.max_records)]
        if seconds is not None:
            speed = _speed(survey.rows)
            caps.append(max(1.0, seconds * speed if speed else _UNMEASURED))
        sizes = {each.topic or "": self.found.record_size([each]) for each in batches}
        most = min(caps, default=None)
        capped = limited(batches, sizes, max_records=most, max_bytes=limits.max_bytes)
        before, after = (sum(each.span for each in some) for some in (batches, capped))
        survey.is_limited |= after < before
        return capped

    def is_first(self, batch: Batch) -> bool:
        """True for the first batch of a topic, which stores where the topic begins even if it is
        empty.
        """
        return self.found.known(batch.key) is None

    def bound(
        self,
        batches: list[Batch],
        survey: Survey,
        noted: Noted,
        errors: list[LoaderError],
    ) -> list[Batch]:
        """``batches`` with about as many bytes as ``max_bytes`` allows."""
        most = self.settings.limits.max_bytes
        if most is None:
            return batches
        # The sizes must be known before the ranges are fixed in the ledger.
        measured = self.scales.measure(self._to_read(batches), self.found.topics, float(most))
        kept = cut(batches, measured, most)
        survey.is_limited |= kept is not batches
        return kept

    def weigh(self, batches: Sequence[Batch]) -> None:
        """Measure the records of ``batches`` as the brokers store them."""
        measured = self.scales.measure(self._to_read(batches), self.found.topics)
        for batch in batches:
            if batch.key in measured:
                self._sizes[batch.id] = measured[batch.key]

    def _to_read(self, batches: Sequence[Batch]) -> list[Batch]:
        # An unfinished batch that is already in the table is not read again.
        return [
            batch
            for batch in batches
            if batch.has_data and (batch.planned_at is None or not self.held(batch))
        ]

    def settle(self, batches: list[Batch], errors: list[LoaderError]) -> list[Batch]:
        """``batches`` with gaps, also in the ledger, for records that are too large; adds an error
        for each batch.
        """
        kept = []
        lost: set[tuple[str, int]] = set()
        for batch in batches:
            limit = self.settings.limits.max_record_bytes
            smaller, error = set_aside(batch, self._sizes.get(batch.id, ()), limit)
            if error is not None:
                try:
                    self.ledger.amend(smaller)
                except LoaderError as fenced:
                    # Another loader has closed the table's batch, with all its topics.
                    errors.append(fenced)
                    lost.add((batch.table_name, batch.batch_id))
                    continue
                errors.append(error)
            kept.append(smaller)
        return [each for each in kept if (each.table_name, each.batch_id) not in lost]

    def is_heavy(self, batches: Sequence[Batch]) -> bool:
        """Whether the records are so large that a task may hold only few of them."""
        sizes = [each for batch in batches for _, each in self._sizes.get(batch.id, ())]
        return any(each.poll_records < POLLS[1] for each in sizes)

    def write(self, batches: Sequence[Batch], errors: list[LoaderError]) -> list[Batch]:
        """Write the topics of one batch. Only one batch with large records is written at a time."""
        sizes = [each for batch in batches for _, each in self._sizes.pop(batch.id, ())]
        # Without a measurement, estimate the size from the mean size of the topic's records.
        span = sum(batch.span for batch in batches)
        size = sum(each.total for each in sizes) or span * self.found.record_size(batches)
        polls = min((each.poll_records for each in sizes), default=POLLS[1])
        largest = max((each.largest for each in sizes), default=0)
        name = batches[0].section
        config, read = self.settings.kafka[name], self.clusters.reader(name)
        with ExitStack() as alone:
            if polls < POLLS[1]:
                alone.enter_context(self._large)
                alone.enter_context(tables.for_large(self.spark, polls, span))
            return land_topics(self.spark, config, batches, size, read, polls, largest)

    def count(self, batches: Sequence[Batch]) -> list[Batch]:
        """``batches`` with the counts of their rows in the table; reads nothing from Kafka."""
        return land_topics(self.spark, Kafka(), batches, 0.0)

    def follow(self, closed: Sequence[Batch]) -> list[str]:
        """Commit the offsets of ``closed`` loads to the consumer groups; returns remarks about
        failures.
        """
        notes = []
        offsets: dict[str, dict[tuple[str, int], int]] = {}
        for batch in closed:
            if batch.topic is not None and batch.kind != REPLAY:
                of_cluster = offsets.setdefault(batch.section, {})
                for each in batch.ranges:
                    of_cluster[batch.topic, each.partition] = each.until_offset
        for name, of_cluster in offsets.items():
            try:
                why = self.clusters.get(name).commit_group(of_cluster)
            except Exception as error:
                why = str(as_ours(error, "unusable answer"))
            if why:
                group = self.settings.kafka[name].group_id
                notes.append(f"the offsets of consumer group {group} were not committed: {why}")
        return notes

    def lag_left(self, batch: Batch) -> int:
        """Number of offsets of the topic that are not loaded after ``batch``."""
        if batch.key not in self.found.topics or batch.kind == REPLAY:
            return 0
        return sum(max(0, left) for left in self.found.lag_after(batch).values())

    def lag(self, closed: Sequence[Batch]) -> Lag:
        """The lag by topic and partition."""
        left = {key: self.found.lag(key) for key in self.found.topics}
        return left | {batch.key: self.found.lag_after(batch) for batch in closed}

    def as_found(self, row: Batch) -> Batch:
        """``row`` under the present name of its section; the topic's id identifies it."""
        return self.found.as_today(row)

    def oldest_unread(self) -> dict[TopicKey, dict[int, int]]:
        """The timestamp (ms since 1970, UTC) of the first record that is not loaded, by topic and
        partition; clusters that do not answer are left out.
        """
        oldest: dict[TopicKey, dict[int, int]] = {}
        for name in self.found.reached:
            with suppress(Exception):  # the age is optional
                unread = self.found.unread(name)
                stamps = fetching.first_timestamps(self.clusters.get(name), unread)
                for (topic, partition), at in stamps.items():
                    oldest.setdefault((name, topic), {})[partition] = at
        return oldest

    def fix_ends(self) -> None:
        """Keep the present end offsets of the topics for the following rounds."""
        if self._ends is None:
            self._ends = {
                (cluster, state.topic_id): dict(state.end)
                for (cluster, _), state in self.found.topics.items()
            }

    def release_ends(self) -> None:
        """Drop the end offsets that ``fix_ends`` kept."""
        self._ends = None

    def close(self) -> None:
        """Close the connections to the clusters."""
        self.clusters.close()


def _speed(rows: Sequence[Batch]) -> float | None:
    """Records per second of the fastest of the newest batches; None if none is large enough."""
    speeds = [
        row.records / max((row.committed_at - row.planned_at).total_seconds(), 0.001)
        for row in rows
        if row.records and row.records >= _TELLING and row.committed_at and row.planned_at
    ]
    return max(speeds, default=None)
