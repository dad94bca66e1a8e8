"""Fetches records and their sizes without Spark.

Used for records that Spark's source cannot read, and for the sizes and timestamps in the record
batches as brokers store them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress

from kafka import TopicPartition
from kafka.consumer.fetcher import CompletedFetch, ConsumerRecord
from kafka.errors import BrokerResponseError, CorruptRecordError, KafkaError

from loader.errors import SourceUnavailable
from loader.sources.kafka.cluster import OF_CLUSTER, Cluster
from loader.sources.kafka.sizes import Sizes, first_timestamp
from loader.sources.kafka.topic import Record, Unreadable


class _DoneError(Exception):
    """Leaves kafka-python's poll when all ranges were seen."""


def first_timestamps(
    cluster: Cluster, ranges: Mapping[tuple[str, int], tuple[int, int]]
) -> dict[tuple[str, int], int]:
    """The timestamp (ms since 1970, UTC) of the first record of each range, by topic and partition.

    A range is its first offset, and the offset after its last. Ranges without a record are left
    out.
    """
    found: dict[tuple[str, int], int] = {}

    def take(key: tuple[str, int], data: bytes, begin: int, until: int) -> int:
        after, timestamp = first_timestamp(data, begin, until)
        if timestamp is None:
            return after
        found[key] = timestamp
        return until

    # Only the first record batch of each partition is needed.
    _scan(cluster, ranges, take, max_partition_fetch_bytes=1 << 17)
    return found


def records(
    cluster: Cluster, topic: str, partition: int, begin: int, until: int
) -> Iterator[Record]:
    """The records of a partition from offset ``begin`` until ``until`` (exclusive), one by one.

    Much slower than Spark's source; only for records that Spark cannot read. Raises ``Unreadable``
    at a damaged record, ``SourceUnavailable`` if nothing arrives within the timeout.
    """
    wanted = TopicPartition(topic, partition)
    at, limit = begin, cluster.config.request_timeout_seconds
    try:
        with closing(cluster.consumer(group_id=None)) as consumer:
            consumer.assign([wanted])
            consumer.seek(wanted, begin)
            deadline = time.monotonic() + limit
            while at < until:
                try:
                    polled = consumer.poll(timeout_ms=1000).get(wanted, [])
                except (KafkaError, OSError):
                    raise
                except Exception as error:
                    # Any other error of the client comes from the record after the last one that it
                    # returned.
                    raise Unreadable(
                        topic, partition, at, f"{type(error).__name__}: {error}"
                    ) from error
                for each in polled:
                    if each.offset >= until:
                        return
                    yield record_of(each)
                before, at = at, consumer.position(wanted)
                if at > before:
                    deadline = time.monotonic() + limit
                elif time.monotonic() > deadline:
                    message = (
                        f"Kafka cluster [kafka.{cluster.name}] gave nothing of topic {topic} "
                        f"partition {partition} from offset {at} on within {limit:g} s; run "
                        "again."
                    )
                    raise SourceUnavailable(message, topic=topic, partition=partition)
    except CorruptRecordError as error:
        raise Unreadable(topic, partition, at, str(error)) from error
    except (KafkaError, OSError) as error:
        raise cluster.unavailable(error) from error


def sizes(
    cluster: Cluster,
    ranges: Mapping[tuple[str, int], tuple[int, int]],
    limit: int,
    most: float | None = None,
) -> dict[tuple[str, int], Sizes]:
    """The sizes of the records of each topic and partition in ``ranges``.

    A range is its first offset, and the offset after its last. ``limit`` is the number of bytes
    above which a record is too large. After ``most`` bytes the rest of a partition is not fetched.

    Raises ``Unreadable`` for a record batch that cannot be decompressed, ``SourceUnavailable`` if
    nothing arrives within the timeout.
    """
    counted = {key: Sizes(limit) for key in ranges}

    def take(key: tuple[str, int], data: bytes, begin: int, until: int) -> int:
        try:
            after = counted[key].take(data, begin, until)
        except ValueError as error:
            raise Unreadable(*key, begin, str(error)) from error
        return until if most is not None and counted[key].total > most else after

    left = _scan(cluster, ranges, take, max_partition_fetch_bytes=8 << 20)
    if left:
        (topic, partition), (begin, _) = next(iter(left.items()))
        message = (
            f"Kafka cluster [kafka.{cluster.name}] gave nothing of topic {topic} partition "
            f"{partition} from offset {begin} on within {cluster.timeout:g} s; run again."
        )
        raise SourceUnavailable(message, topic=topic, partition=partition)
    return counted


def _scan(
    cluster: Cluster,
    ranges: Mapping[tuple[str, int], tuple[int, int]],
    take: Callable[[tuple[str, int], bytes, int, int], int],
    **options: object,
) -> dict[tuple[str, int], tuple[int, int]]:
    """Fetch ``ranges`` as the broker stores them, all partitions at once, and pass each answer to
    ``take``.

    ``take`` gets topic and partition, the bytes, and the range that is left; it returns the offset
    at which to continue. Returns the ranges that are left when nothing arrived for the timeout.
    """
    left = {TopicPartition(*key): each for key, each in ranges.items()}
    deadline = time.monotonic() + cluster.timeout
    try:
        with closing(cluster.consumer(group_id=None, fetch_max_wait_ms=100, **options)) as consumer:
            parse = consumer._fetcher._parse_fetched_data

            def look(fetched: CompletedFetch) -> object:
                nonlocal deadline
                partition = fetched.topic_partition
                if fetched.partition_data.error_code:
                    return parse(fetched)  # it raises the error
                if partition not in left or left[partition][0] != fetched.fetched_offset:
                    return None
                begin, until = left[partition]
                key = (partition.topic, partition.partition)
                after = take(key, fetched.partition_data.records or b"", begin, until)
                if after > begin:
                    deadline = time.monotonic() + cluster.timeout
                if after < until:
                    left[partition] = after, until
                    consumer.seek(partition, after)
                    return None
                consumer.pause(partition)
                del left[partition]
                if not left:
                    raise _DoneError
                return None

            # kafka-python parses every answer into records, and has no public way to see the bytes
            # before.
            consumer._fetcher._parse_fetched_data = look
            consumer.assign(list(left))
            for partition, (begin, _) in left.items():
                consumer.seek(partition, begin)
            with suppress(_DoneError):
                while left and time.monotonic() < deadline:
                    consumer.poll(timeout_ms=1000)
    except (KafkaError, OSError) as error:
        if isinstance(error, BrokerResponseError) and not isinstance(error, OF_CLUSTER):
            raise  # an error of one topic
        raise cluster.unavailable(error) from error
    return {(each.topic, each.partition): left[each] for each in left}


def record_of(found: ConsumerRecord) -> Record:
    """kafka-python's record as a ``Record``."""
    # Java adds the batch's first timestamp and the record's delta with 64-bit overflow.
    timestamp = (found.timestamp + (1 << 63)) % (1 << 64) - (1 << 63)
    return Record(
        found.topic,
        found.partition,
        found.offset,
        timestamp,
        found.timestamp_type,
        found.key,
        found.value,
        tuple(found.headers or ()),
    )
