"""What one look at the clusters found of their topics."""

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
    """What the clusters hold, and how far it is loaded; all by cluster and topic.

    ``positions`` say where the raw tables stand. ``reached`` are the clusters that answered;
    nothing is known of the topics of others. ``topics`` are those that exist and can be read,
    ``unreadable`` says why others cannot; ``entries`` and ``tables`` are the configuration and the
    raw table of every topic that is configured, found by a pattern, or was found by it before.
    ``sizes`` are bytes of a record, where they are known. ``starts`` are first offsets of topics
    that were never seen, where the configuration has them begin elsewhere than at the earliest one.
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
        """The newest ledger row of a topic."""
        state = self.topics.get(key)
        position = self.positions[self.tables[key]]
        return position.last(f"kafka.{key[0]}", key[1], state.topic_id if state else None)

    def known(self, key: TopicKey) -> Batch | None:
        """The row that says where a topic stands; None where nothing was loaded of it, or where it
        was accepted as gone.
        """
        last = self.last(key)
        return last if last is not None and last.topic_id is not None else None

    def lag(self, key: TopicKey) -> dict[int, int]:
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
        sizes = (self.sizes.get(batch.key, RECORD_SIZE) for batch in batches)
        return max(sizes, default=RECORD_SIZE)

    def unread(self, cluster: str) -> dict[tuple[str, int], tuple[int, int]]:
        """By topic and partition of a cluster the offsets that are there and not loaded."""
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
        """``row`` with the section under which its topic is found now."""
        for key, state in self.topics.items():
            if state.topic_id == row.topic_id and self.tables[key] == row.table_name:
                return replace(row, source=f"kafka.{key[0]}")
        return row
