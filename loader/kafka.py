"""The control plane of Kafka: which topics there are, who they are, and where they begin and end.

Records are read by Spark's own Kafka source (see ``land``); this module only asks questions.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType

from kafka import TopicPartition
from kafka.admin import KafkaAdminClient, OffsetSpec
from kafka.errors import KafkaError, for_code
from kafka.protocol.consumer import IsolationLevel

from loader import settings
from loader.errors import SourceUnavailable

_UNKNOWN_TOPIC = 3
_HARMLESS = (0, 9)  # 9: a replica is away, the leader serves


@dataclass(frozen=True)
class TopicState:
    """A topic as the broker sees it now.

    ``begin`` and ``end`` map each partition to its first retained offset and to the offset after
    the last one that a ``read_committed`` reader may see.
    """

    topic: str
    topic_id: str
    begin: dict[int, int]
    end: dict[int, int]


class Cluster:
    """A connection to one Kafka cluster; use it as a context manager.

    Raises ``SourceUnavailable`` when no broker answers within the configured time.
    """

    def __init__(self, name: str, config: settings.Kafka) -> None:
        self.name = name
        self.config = config
        timeout_ms = int(config.request_timeout_seconds * 1000)
        try:
            self._admin = KafkaAdminClient(
                bootstrap_servers=config.bootstrap_servers.split(","),
                client_id="lacustre-loader",
                request_timeout_ms=timeout_ms,
                bootstrap_timeout_ms=timeout_ms,
            )
        except (KafkaError, OSError, ValueError) as error:
            raise self._unavailable(error) from error

    def __enter__(self) -> Cluster:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._admin.close()

    def topics(self, names: Iterable[str]) -> dict[str, TopicState]:
        """The state of each topic of ``names`` that exists, by name."""
        try:
            described = {
                topic["name"]: topic
                for topic in self._admin.describe_topics(sorted(names))
                if topic["error_code"] != _UNKNOWN_TOPIC
            }
            for topic in described.values():
                # A topic without a leader or without access is not one without partitions.
                for part in (topic, *topic["partitions"]):
                    if part["error_code"] not in _HARMLESS:
                        raise for_code(part["error_code"])(topic["name"])
            partitions = [
                TopicPartition(name, partition["partition_index"])
                for name, topic in described.items()
                for partition in topic["partitions"]
            ]
            begin = self._offsets(partitions, OffsetSpec.EARLIEST)
            end = self._offsets(partitions, OffsetSpec.LATEST)
        except (KafkaError, OSError) as error:
            raise self._unavailable(error) from error
        return {
            name: TopicState(
                topic=name,
                topic_id=str(topic["topic_id"]),
                begin={p.partition: begin[p] for p in partitions if p.topic == name},
                end={p.partition: end[p] for p in partitions if p.topic == name},
            )
            for name, topic in described.items()
        }

    def _offsets(
        self, partitions: list[TopicPartition], spec: OffsetSpec
    ) -> dict[TopicPartition, int]:
        if not partitions:
            return {}
        found = self._admin.list_partition_offsets(
            dict.fromkeys(partitions, spec), isolation_level=IsolationLevel.READ_COMMITTED
        )
        return {partition: answer.offset for partition, answer in found.items()}

    def _unavailable(self, error: Exception) -> SourceUnavailable:
        servers = self.config.bootstrap_servers
        message = (
            f"Kafka cluster [kafka.{self.name}] at {servers} does not answer ({error}); "
            "start it, or correct bootstrap_servers, and run again."
        )
        return SourceUnavailable(message, cluster=self.name, bootstrap_servers=servers)
