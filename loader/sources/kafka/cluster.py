"""The metadata of a Kafka cluster: topics, their ids, and their first and end offsets.

Spark's Kafka source reads the records (see ``reading``). This module only queries metadata, and
commits the offsets of a consumer group after the ledger has them.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from datetime import datetime

from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, OffsetSpec
from kafka.errors import (
    BrokerNotAvailableError,
    BrokerResponseError,
    ClusterAuthorizationFailedError,
    KafkaError,
    NetworkExceptionError,
    SaslAuthenticationFailedError,
    UnsupportedVersionError,
    for_code,
)
from kafka.protocol.consumer import IsolationLevel

from loader.errors import SourceUnavailable
from loader.settings import Kafka
from loader.sources.kafka.client import CLIENT_ID, Transport, heard, python_properties
from loader.sources.kafka.topic import TopicState

_UNKNOWN_TOPIC = 3
_HARMLESS = {0, 9}  # 9: a replica is unavailable, the leader serves
_NO_LEADER = 5
_NOT_ALLOWED = 29
# Errors of a broker that concern the connection, not a topic.
OF_CLUSTER = (
    BrokerNotAvailableError,
    ClusterAuthorizationFailedError,
    NetworkExceptionError,
    SaslAuthenticationFailedError,
    UnsupportedVersionError,
)


class Cluster:
    """A connection to one Kafka cluster; the caller closes it.

    Every method raises ``SourceUnavailable`` if no broker answers within
    ``request_timeout_seconds``.
    """

    def __init__(self, name: str, config: Kafka) -> None:
        self.name = name
        self.config = config
        self._isolation = IsolationLevel[config.isolation_level.upper()]
        self.timeout = config.request_timeout_seconds
        timeout_ms = int(self.timeout * 1000)
        self._client: dict[str, object] = {
            "bootstrap_servers": config.bootstrap_servers.split(","),
            "client_id": CLIENT_ID,
            "request_timeout_ms": timeout_ms,
            "bootstrap_timeout_ms": timeout_ms,
            **python_properties(name, config.properties),
        }
        heard.why = ""
        Transport.seconds = self.timeout
        try:
            self._admin = KafkaAdminClient(**self._client)
        except (KafkaError, OSError, ValueError) as error:
            raise self.unavailable(error) from error

    def close(self) -> None:
        """Close the connection."""
        self._admin.close()

    def names(self) -> list[str]:
        """The names of all topics that the user may describe."""
        try:
            return sorted(self._admin.list_topics())
        except (KafkaError, OSError) as error:
            raise self.unavailable(error) from error

    def topics(
        self, names: Iterable[str]
    ) -> tuple[dict[str, TopicState], dict[str, SourceUnavailable]]:
        """The state of each topic of ``names`` that exists, by name, and an error for each topic
        that cannot be read (no leader, no access, an unusable answer).
        """
        return self._topics(sorted(names), time.monotonic() + 3 * self.timeout)

    def _topics(
        self, names: Sequence[str], deadline: float
    ) -> tuple[dict[str, TopicState], dict[str, SourceUnavailable]]:
        """Query all ``names`` at once; if that fails, in halves, so that a bad
        topic fails alone.
        """
        try:
            return self._described(names)
        except Exception as error:
            is_of_topic = isinstance(error, BrokerResponseError)
            if isinstance(error, OF_CLUSTER) or (
                isinstance(error, (KafkaError, OSError)) and not is_of_topic
            ):
                raise self.unavailable(error) from error
            if len(names) > 1 and time.monotonic() < deadline:
                states: dict[str, TopicState] = {}
                errors: dict[str, SourceUnavailable] = {}
                for half in (names[: len(names) // 2], names[len(names) // 2 :]):
                    found, failed = self._topics(half, deadline)
                    states |= found
                    errors |= failed
                return states, errors
            why = f"{type(error).__name__}: {error}".rstrip(": ")[:500]
            return {}, {
                name: SourceUnavailable(
                    f"Topic {name} of [kafka.{self.name}] gave an unusable answer ({why}). Its "
                    "broker's log may say more; run again when it is repaired.",
                    topic=name,
                )
                for name in names
            }

    def _described(
        self, names: Sequence[str]
    ) -> tuple[dict[str, TopicState], dict[str, SourceUnavailable]]:
        errors = {}
        described = {
            topic["name"]: topic
            for topic in self._admin.describe_topics(list(names))
            if topic["error_code"] != _UNKNOWN_TOPIC
        }
        for name, topic in list(described.items()):
            # A topic without leader or access also has no partitions in the answer; it is not
            # empty.
            codes = {part["error_code"] for part in (topic, *topic["partitions"])}
            codes -= _HARMLESS
            if codes:
                code = min(codes)
                todo = "mend it"
                if code == _NOT_ALLOWED:
                    todo = (
                        "give our user the rights to describe and read it, or correct "
                        "the credentials in properties"
                    )
                elif code == _NO_LEADER:
                    todo = "start the broker that has a replica of it"
                message = (
                    f"Topic {name} of [kafka.{self.name}] cannot be read "
                    f"({for_code(code).__name__}); {todo}, and run again."
                )
                errors[name] = SourceUnavailable(message, topic=name)
                del described[name]
        partitions = [
            TopicPartition(name, partition["partition_index"])
            for name, topic in described.items()
            for partition in topic["partitions"]
        ]
        begin = self.list_offsets(dict.fromkeys(partitions, OffsetSpec.EARLIEST))
        end = self.list_offsets(dict.fromkeys(partitions, OffsetSpec.LATEST))
        high = self.list_offsets(
            dict.fromkeys(partitions, OffsetSpec.LATEST), IsolationLevel.READ_UNCOMMITTED
        )
        states = {
            name: TopicState(name, str(topic["topic_id"]), {}, {}, {})
            for name, topic in described.items()
        }
        for partition in partitions:
            states[partition.topic].begin[partition.partition] = begin[partition]
            states[partition.topic].end[partition.partition] = end[partition]
            states[partition.topic].high[partition.partition] = high[partition]
        return states, errors

    def offsets_at(self, state: TopicState, moment: datetime) -> dict[int, int]:
        """Per partition the first offset with a timestamp of ``moment`` or later; the end offset if
        there is none.
        """
        specs = {
            TopicPartition(state.topic, each): int(moment.timestamp() * 1000) for each in state.end
        }
        try:
            found = self.list_offsets(specs)
        except (KafkaError, OSError) as error:
            raise self.unavailable(error) from error
        # Kafka returns -1 if every record is older.
        return {
            partition: end
            if (at := found[TopicPartition(state.topic, partition)]) < 0
            else min(at, end)
            for partition, end in state.end.items()
        }

    def mean_sizes(self, states: Iterable[TopicState]) -> dict[str, float]:
        """Mean stored size in bytes per offset of each topic; empty if the brokers do not report
        it.
        """
        spans = {
            state.topic: sum(state.end.values()) - sum(state.begin.values()) for state in states
        }
        sizes: dict[tuple[str, int], int] = {}
        try:
            for broker in self._admin.describe_log_dirs(list(spans)):
                for folder in broker["log_dirs"]:
                    for topic in folder["topics"]:
                        for each in topic["partitions"]:
                            # Every replica reports its size; they are about equal, so take the
                            # largest.
                            key = (topic["name"], each["partition_index"])
                            sizes[key] = max(sizes.get(key, 0), each["partition_size"])
        except Exception:
            return {}  # without the right to describe log dirs, the default size applies
        return {
            topic: sum(size for key, size in sizes.items() if key[0] == topic) / span
            for topic, span in spans.items()
            if span
        }

    def is_compacted(self, topic: str) -> bool:
        """Whether the topic is compacted: Kafka deletes a record after a newer one with the same
        key.
        """
        resource = ConfigResource(ConfigResourceType.TOPIC, topic)
        try:
            answer = self._admin.describe_configs([resource], config_filter="all")
        except (KafkaError, OSError) as error:
            raise self.unavailable(error) from error
        return "compact" in str(answer["topic"][topic]["cleanup.policy"]["value"])

    def group_offsets(self, group: str, state: TopicState) -> dict[int, int]:
        """The committed offsets of consumer group ``group`` for the topic, by partition."""
        wanted = [TopicPartition(state.topic, each) for each in sorted(state.end)]
        try:
            with closing(self.consumer(group_id=group)) as consumer:
                found = {each.partition: consumer.committed(each) for each in wanted}
        except (KafkaError, OSError) as error:
            raise self.unavailable(error) from error
        return {partition: offset for partition, offset in found.items() if offset is not None}

    def commit_group(self, offsets: Mapping[tuple[str, int], int]) -> str:
        """Commit ``offsets`` to the loader's consumer group, for lag tools; returns the reason if
        it fails.
        """
        if not self.config.group_id or not offsets:
            return ""
        wanted = {
            TopicPartition(*key): OffsetAndMetadata(offset, "", -1)
            for key, offset in offsets.items()
        }
        try:
            with closing(self.consumer(group_id=self.config.group_id)) as consumer:
                consumer.assign(list(wanted))
                consumer.commit(wanted, timeout_ms=self._client["request_timeout_ms"])
        except (KafkaError, OSError) as error:
            return f"{error}"
        return ""

    def consumer(self, **options: object) -> KafkaConsumer:
        """A consumer that neither commits, resets offsets nor creates topics; the
        caller closes it.
        """
        return KafkaConsumer(
            **self._client,
            enable_auto_commit=False,
            auto_offset_reset="none",
            allow_auto_create_topics=False,
            isolation_level=self.config.isolation_level,
            **options,
        )

    def list_offsets(
        self,
        specs: Mapping[TopicPartition, OffsetSpec | int],
        isolation: IsolationLevel | None = None,
    ) -> dict[TopicPartition, int]:
        """The offset for each partition's spec: earliest, latest, or the first at a time (ms since
        1970).
        """
        if not specs:
            return {}
        if isolation is None:
            isolation = self._isolation
        found = self._admin.list_partition_offsets(dict(specs), isolation_level=isolation)
        return {partition: answer.offset for partition, answer in found.items()}

    def unavailable(self, error: Exception) -> SourceUnavailable:
        """The error for an ``error`` of kafka-python that concerns the whole cluster."""
        servers = self.config.bootstrap_servers
        why = f"{error}; {heard.why}" if heard.why else str(error)
        message = (
            f"Kafka cluster [kafka.{self.name}] at {servers} does not answer ({why}); start it, or "
            "correct bootstrap_servers and properties, and run again."
        )
        return SourceUnavailable(message, cluster=self.name, bootstrap_servers=servers)
