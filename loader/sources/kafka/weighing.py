"""Measures the records of batches, and excludes those that are too large to land."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from loader.batch import Batch, TopicKey
from loader.content import Range
from loader.errors import DataLoss, SourceUnavailable
from loader.remedies import of_topic
from loader.settings import Limits
from loader.sources.kafka import fetching
from loader.sources.kafka.clusters import Clusters
from loader.sources.kafka.offsets import until, without
from loader.sources.kafka.reading import layers
from loader.sources.kafka.sizes import POLLS, Sizes
from loader.sources.kafka.topic import TopicState

# Partitions with the sizes of their records, by topic.
Measured = dict[TopicKey, list[tuple[int, Sizes]]]
States = Mapping[TopicKey, TopicState]


class Scales:
    """Measures the records of ranges as the brokers store them."""

    def __init__(self, clusters: Clusters, limits: Limits) -> None:
        self._clusters = clusters
        self._limits = limits

    def measure(
        self, batches: Sequence[Batch], states: States, most: float | None = None
    ) -> Measured:
        """The sizes of the records of ``batches``; topics that cannot be measured are left out.
        ``most`` limits the bytes that are fetched of each partition.
        """
        measured: Measured = {}
        of_clusters: dict[str, list[Batch]] = {}
        for batch in batches:
            of_clusters.setdefault(batch.section, []).append(batch)
        for name, some in of_clusters.items():
            ranges = {
                (topic, partition): span
                for each in some
                for topic in [each.topic or ""]
                for partition, span in _looked_at(each.readable, states.get(each.key)).items()
            }
            for (topic, partition), sizes in self._sizes(name, ranges, most).items():
                measured.setdefault((name, topic), []).append((partition, sizes))
        return measured

    def polls(self, key: TopicKey, ranges: Sequence[Range], state: TopicState | None) -> int:
        """The number of records of a topic's ``ranges`` that a task may hold at once."""
        found: list[Sizes] = []
        for layer in layers({key[1]: ranges}):
            spans = _looked_at(layer[key[1]], state)
            wanted = {(key[1], partition): span for partition, span in spans.items()}
            found += self._sizes(key[0], wanted).values()
        return min((each.poll_records for each in found), default=POLLS[1])

    def _sizes(
        self,
        name: str,
        ranges: Mapping[tuple[str, int], tuple[int, int]],
        most: float | None = None,
    ) -> dict[tuple[str, int], Sizes]:
        """``fetching.sizes`` of all ``ranges``; if that fails, of each topic alone. A topic that
        fails is left out; its later read reports the error.
        """
        try:
            cluster = self._clusters.get(name)
            return fetching.sizes(cluster, ranges, self._limits.max_record_bytes, most)
        except SourceUnavailable:
            return {}
        except Exception:
            topics = {topic for topic, _ in ranges}
            found: dict[tuple[str, int], Sizes] = {}
            for topic in topics if len(topics) > 1 else ():
                of_topic = {key: each for key, each in ranges.items() if key[0] == topic}
                found |= self._sizes(name, of_topic, most)
            return found


def cut(batches: list[Batch], measured: Measured, most: float) -> list[Batch]:
    """``batches`` with about ``most`` bytes in total, by the ``measured`` sizes; the same list if
    they have no more.
    """
    total = sum(sizes.total for each in measured.values() for _, sizes in each)
    if total <= most:
        return batches
    kept = []
    for batch in batches:
        ends = {each.partition: each.until_offset for each in batch.ranges}
        for partition, sizes in measured.get(batch.key, ()):
            end = sizes.until(most * sizes.total / total)
            ends[partition] = min(ends[partition], end or ends[partition])
        kept.append(until(batch, ends))
    return kept


def set_aside(
    batch: Batch, sizes: Sequence[tuple[int, Sizes]], limit: int
) -> tuple[Batch, DataLoss | None]:
    """``batch`` with gaps for the records of more than ``limit`` bytes, and the error that names
    them; None if there are none.
    """
    stretches: dict[int, list[Range]] = {}
    for each in batch.stretches:
        stretches.setdefault(each.partition, []).append(each)
    large = [
        (partition, offset, size)
        for partition, of_partition in sizes
        for offset, size in of_partition.too_large
        if any(e.from_offset <= offset < e.until_offset for e in stretches[partition])
    ]
    if not large:
        return batch, None
    offsets: dict[int, list[int]] = {}
    for partition, offset, _ in large:
        offsets.setdefault(partition, []).append(offset)
    batch = without(batch, offsets, f"more than max_record_bytes ({limit:,})")
    return batch, _too_large(batch, large, limit)


def _looked_at(ranges: Sequence[Range], state: TopicState | None) -> dict[int, tuple[int, int]]:
    """The offsets of ``ranges`` by partition (first, and the one after the last), each extended by
    the records that a task may poll after it: Spark's consumer does not stop at the end of a range.
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
    bounds = (f"--from {partition}:{offset}", f"--until {partition}:{offset + 1}")
    again = of_topic("replay", batch, *bounds)
    message = (
        f"Topic {batch.topic} partition {partition}: the record at offset {offset} ({size:,} bytes)"
        f"{others} have more than limits.max_record_bytes ({limit:,}). Batch {batch.batch_id} of "
        f"{batch.table_name} goes on without them, and the ledger keeps the gaps. To land them, "
        f"raise max_record_bytes, and Spark's memory with it; then {again}"
    )
    return DataLoss(
        message,
        remedy=again,
        table=batch.table_name,
        batch_id=batch.batch_id,
        topic=batch.topic,
        partition=partition,
        offset=offset,
        records=len(large),
    )
