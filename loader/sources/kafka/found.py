"""The topics that a survey found in the clusters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from loader.batch import Batch, Position, TopicKey
from loader.errors import SourceUnavailable
from loader.settings import Topic
from loader.sources.kafka.topic import TopicState

# Assumed record size in bytes until the topic's real size is known.
RECORD_SIZE = 1000.0


@dataclass
class Found:
    """The state of the clusters, and how much of them is loaded; by cluster and topic.

    ``positions`` are those of the raw tables. ``reached`` are the clusters that answered; the
    topics of others are unknown. ``topics`` are the topics that exist and can be read,
    ``unreadable`` the errors of the others. ``entries`` and ``tables`` have the configuration and
    the raw table of every topic that is configured, matched by a pattern, or was matched by one
    before. ``sizes`` are known record sizes in bytes. ``starts`` are the first offsets of new
    topics if the configuration sets ``start``.
    """

    positions: Mapping[str, Position] = field(default_factory=dict)
    reached: set[str] = field(default_factory=set)
    topics: dict[TopicKey, TopicState] = field(default_factory=dict)
    unreadable: dict[TopicKey, SourceUnavailable] = field(default_factory=dict)
    entries: dict[TopicKey, Topic] = field(default_factory=dict)
    tables: dict[TopicKey, str] = field(default_factory=dict)
    starts: dict[TopicKey, dict[int, int]] = field(default_factory=dict)
    sizes: dict[TopicKey, float] = field(default_factory=dict)

    def last(self, key: TopicKey) -> Batch | None:
        """The newest ledger row of a topic; None without one."""
        state = self.topics.get(key)
        position = self.positions[self.tables[key]]
        return position.last(f"kafka.{key[0]}", key[1], state.topic_id if state else None)

    def known(self, key: TopicKey) -> Batch | None:
        """The row with the topic's position; None if the topic was never loaded, or was accepted as
        deleted.
        """
        last = self.last(key)
        return last if last is not None and last.topic_id is not None else None

    def lag(self, key: TopicKey) -> dict[int, int]:
        """Number of offsets of a topic that are not loaded yet, by partition."""
        state, known = self.topics[key], self.known(key)
        if known is None:
            at = self.starts.get(key, state.begin)
        else:
            at = {partition: known.committed_offset(partition) or 0 for partition in state.end}
        return {partition: end - at[partition] for partition, end in state.end.items()}

    def lag_after(self, batch: Batch) -> dict[int, int]:
        """The same after ``batch``, a load, is closed."""
        end = self.topics[batch.key].end
        # A partition that no longer exists has nothing left to load.
        return {
            each.partition: end.get(each.partition, each.until_offset) - each.until_offset
            for each in batch.ranges
        }

    def record_size(self, batches: Sequence[Batch]) -> float:
        """Bytes per record of ``batches``: the largest of their topics' sizes."""
        sizes = (self.sizes.get(batch.key, RECORD_SIZE) for batch in batches)
        return max(sizes, default=RECORD_SIZE)

    def unread(self, cluster: str) -> dict[tuple[str, int], tuple[int, int]]:
        """The offsets of a cluster that exist and are not loaded, by topic and partition: the first
        one, and the one after the last.
        """
        return {
            (topic, partition): (
                max(state.end[partition] - lag, state.begin[partition]),
                state.end[partition],
            )
            for (name, topic), state in self.topics.items()
            if name == cluster
            for partition, lag in self.lag((name, topic)).items()
            if lag > 0
        }

    def as_today(self, row: Batch) -> Batch:
        """``row`` with the section in which its topic is configured now."""
        for key, state in self.topics.items():
            if state.topic_id == row.topic_id and self.tables[key] == row.table_name:
                return replace(row, source=f"kafka.{key[0]}")
        return row
