"""The control plane of Kafka: which topics there are, who they are, and where they begin and end.

Records are read by Spark's own Kafka source (see ``land``); this module only asks questions, and
commits the offsets of a consumer group after the ledger has them.

Both clients get the same properties, named as Kafka's Java client names them. The Python one
understands these of them: ``security.protocol``, ``sasl.mechanism``, ``sasl.jaas.config`` (name and
password), ``sasl.kerberos.service.name``, ``ssl.truststore.location`` and
``ssl.keystore.location`` (PEM files, which Java reads with ``ssl.truststore.type`` = ``PEM``),
``ssl.key.password``, ``ssl.endpoint.identification.algorithm``. All others reach Spark alone.
"""

from __future__ import annotations

import logging
import re
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import kafka.net.manager
from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, OffsetSpec
from kafka.errors import (
    BrokerNotAvailableError,
    BrokerResponseError,
    ClusterAuthorizationFailedError,
    CorruptRecordError,
    KafkaConnectionError,
    KafkaError,
    NetworkExceptionError,
    SaslAuthenticationFailedError,
    UnsupportedVersionError,
    for_code,
)
from kafka.net.transport import KafkaSSLTransport, KafkaTCPTransport
from kafka.protocol.consumer import IsolationLevel

from loader import settings
from loader.errors import ConfigurationError, LoaderError, SourceUnavailable
from loader.sizes import Sizes, first_timestamp

_UNKNOWN_TOPIC = 3
_HARMLESS = {0, 9}  # 9: a replica is away, the leader serves
_NO_LEADER = 5
_NOT_ALLOWED = 29
_CLIENT_ID = "lacustre-loader"
_BITE = 1 << 20
# Answers of a broker that are about the connection, and not about a topic.
_OF_CLUSTER = (
    BrokerNotAvailableError,
    ClusterAuthorizationFailedError,
    NetworkExceptionError,
    SaslAuthenticationFailedError,
    UnsupportedVersionError,
)


def _received(transport: Any) -> tuple[bytes, Exception | None]:
    """What came in, in bites of a megabyte instead of 4 kB: the client spends its time on them."""
    parts: list[bytes] = []
    try:
        while True:  # until there is no more: what TLS has unpacked wakes nobody
            parts.append(transport._sock.recv(_BITE))
            if not parts[-1]:
                return b"".join(parts), KafkaConnectionError("socket disconnected")
    except (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
        pass
    except Exception as error:
        return b"".join(parts), KafkaConnectionError(error)
    return b"".join(parts), None


class _PlainTransport(KafkaTCPTransport):  # type: ignore[misc]
    _sock_recv = _received


class _Transport(KafkaSSLTransport):  # type: ignore[misc]
    """TLS whose handshake has a deadline: the client would wait for a silent peer without an end.

    ``seconds`` are those of the cluster that was connected to last.
    """

    seconds = 30.0
    _sock_recv = _received

    async def handshake(self) -> None:
        deadline = time.monotonic() + self.seconds
        while True:
            try:
                self._sock.do_handshake()
            except ssl.SSLWantReadError:
                await self._net.wait_read(self._sock, deadline)
            except ssl.SSLWantWriteError:
                await self._net.wait_write(self._sock, deadline)
            else:
                return


kafka.net.manager.KafkaTCPTransport = _PlainTransport
kafka.net.manager.KafkaSSLTransport = _Transport


class _Heard(logging.Handler):
    """Keeps why a connection was lost: the client only logs it, and then says that it timed out."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.why = ""

    def emit(self, record: logging.LogRecord) -> None:
        _, found, why = record.getMessage().partition("Connection lost: ")
        # A broker that refuses a password hangs up the next time without a word.
        if found and not ("uthentication" in self.why or "SSL" in self.why):
            self.why = why.rpartition("Error: ")[2]


_heard = _Heard()
logging.getLogger("kafka").addHandler(_heard)


@dataclass(frozen=True)
class TopicState:
    """A topic as the broker sees it now.

    ``begin`` and ``end`` map each partition to its first retained offset and to the offset after
    the last one that a reader of the configured isolation may see; ``high`` to the offset after the
    last one of all, where an open transaction makes that another.
    """

    topic: str
    topic_id: str
    begin: dict[int, int]
    end: dict[int, int]
    high: dict[int, int] = field(default_factory=dict)

    def high_watermark(self, partition: int) -> int:
        """The offset after the last record of ``partition``, committed or not."""
        return self.high.get(partition, self.end[partition])


@dataclass(frozen=True)
class Record:
    """A record as Kafka has it; ``timestamp_ms`` is any number of 64 bits."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]

    @property
    def size(self) -> int:
        """Bytes of key, value and headers."""
        headers = sum(len(name) + len(value or b"") for name, value in self.headers)
        return len(self.key or b"") + len(self.value or b"") + headers


class Unreadable(LoaderError):
    """The record at ``offset`` of a partition cannot be read; whoever knows the topic says more."""

    def __init__(self, offset: int, why: str) -> None:
        super().__init__(why, offset=offset)
        self.offset = offset


class _DoneError(Exception):
    """Ends a poll of the client from within: everything was seen."""


class Cluster:
    """A connection to one Kafka cluster; ``close`` it.

    Every method raises ``SourceUnavailable`` when no broker answers within the configured time.
    """

    def __init__(self, name: str, config: settings.Kafka) -> None:
        self.name = name
        self.config = config
        self._isolation = IsolationLevel[config.isolation_level.upper()]
        self._timeout = config.request_timeout_seconds
        timeout_ms = int(self._timeout * 1000)
        self._client: dict[str, Any] = {
            "bootstrap_servers": config.bootstrap_servers.split(","),
            "client_id": _CLIENT_ID,
            "request_timeout_ms": timeout_ms,
            "bootstrap_timeout_ms": timeout_ms,
            **python_properties(name, config.properties),
        }
        _heard.why = ""
        _Transport.seconds = self._timeout
        try:
            self._admin = KafkaAdminClient(**self._client)
        except (KafkaError, OSError, ValueError) as error:
            raise self._unavailable(error) from error

    def close(self) -> None:
        """Leave the cluster."""
        self._admin.close()

    def names(self) -> list[str]:
        """The names of all topics that we may see."""
        try:
            return sorted(self._admin.list_topics())
        except (KafkaError, OSError) as error:
            raise self._unavailable(error) from error

    def topics(
        self, names: Iterable[str]
    ) -> tuple[dict[str, TopicState], dict[str, SourceUnavailable]]:
        """The state of each topic of ``names`` that exists, by name, and the error of each that
        cannot be read (no leader, no access, an answer of no use).
        """
        return self._topics(sorted(names), time.monotonic() + 3 * self._timeout)

    def _topics(
        self, names: Sequence[str], deadline: float
    ) -> tuple[dict[str, TopicState], dict[str, SourceUnavailable]]:
        """All ``names`` at once; where that fails, in halves, so that one topic fails alone."""
        try:
            return self._described(names)
        except Exception as error:
            is_of_topic = isinstance(error, BrokerResponseError)
            if isinstance(error, _OF_CLUSTER) or (
                isinstance(error, (KafkaError, OSError)) and not is_of_topic
            ):
                raise self._unavailable(error) from error
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
                    f"Topic {name} of [kafka.{self.name}] gave no answer of use ({why}); its "
                    "broker's log may say more. Run again when that is mended.",
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
            # A topic without a leader or without access is not one without partitions.
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
        begin = self._offsets(dict.fromkeys(partitions, OffsetSpec.EARLIEST))
        end = self._offsets(dict.fromkeys(partitions, OffsetSpec.LATEST))
        high = self._offsets(
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
        """Per partition the first offset whose record is of ``moment`` or later; the end where
        there is none.
        """
        specs = {
            TopicPartition(state.topic, each): int(moment.timestamp() * 1000) for each in state.end
        }
        try:
            found = self._offsets(specs)
        except (KafkaError, OSError) as error:
            raise self._unavailable(error) from error
        # Kafka answers -1 where every record is older.
        return {
            partition: end
            if (at := found[TopicPartition(state.topic, partition)]) < 0
            else min(at, end)
            for partition, end in state.end.items()
        }

    def timestamps(
        self, ranges: Mapping[tuple[str, int], tuple[int, int]]
    ) -> dict[tuple[str, int], int]:
        """The timestamp (ms, UTC) of the first record of each range (first offset, and one past the
        last) of a topic and partition, where there is one.
        """
        found: dict[tuple[str, int], int] = {}

        def take(key: tuple[str, int], data: bytes, begin: int, until: int) -> int:
            after, timestamp = first_timestamp(data, begin, until)
            if timestamp is None:
                return after
            found[key] = timestamp
            return until

        # No more than the first batch of each partition is of use.
        self._scan(ranges, take, max_partition_fetch_bytes=1 << 17)
        return found

    def records(self, topic: str, partition: int, begin: int, until: int) -> Iterator[Record]:
        """The records of a partition from offset ``begin`` until ``until`` (exclusive), which Kafka
        has. Raises ``Unreadable`` at a record that is damaged.

        Slower by far than Spark's source; for what that cannot read.
        """
        wanted = TopicPartition(topic, partition)
        at, limit = begin, self.config.request_timeout_seconds
        try:
            with closing(self._consumer(group_id=None)) as consumer:
                consumer.assign([wanted])
                consumer.seek(wanted, begin)
                deadline = time.monotonic() + limit
                while at < until:
                    try:
                        polled = consumer.poll(timeout_ms=1000).get(wanted, [])
                    except (KafkaError, OSError):
                        raise
                    except Exception as error:
                        # Whatever the client stumbles over is in the record after the last one.
                        raise Unreadable(at, f"{type(error).__name__}: {error}") from error
                    for each in polled:
                        if each.offset >= until:
                            return
                        yield _record(each)
                    before, at = at, consumer.position(wanted)
                    if at > before:
                        deadline = time.monotonic() + limit
                    elif time.monotonic() > deadline:
                        message = (
                            f"Kafka cluster [kafka.{self.name}] gave nothing of topic {topic} "
                            f"partition {partition} from offset {at} on within {limit:g} s; run "
                            "again."
                        )
                        raise SourceUnavailable(message, topic=topic, partition=partition)
        except CorruptRecordError as error:
            raise Unreadable(at, str(error)) from error
        except (KafkaError, OSError) as error:
            raise self._unavailable(error) from error

    def sizes(
        self,
        ranges: Mapping[tuple[str, int], tuple[int, int]],
        limit: int,
        most: float | None = None,
    ) -> dict[tuple[str, int], Sizes]:
        """What is counted of the offsets (first, and one past the last) of each topic and partition
        in ``ranges``; ``limit`` is the size of a record that is too large. Of a partition with more
        than ``most`` bytes the rest is not looked at.

        Raises ``Unreadable`` for a batch of records that cannot be unpacked.
        """
        counted = {key: Sizes(limit) for key in ranges}

        def take(key: tuple[str, int], data: bytes, begin: int, until: int) -> int:
            try:
                after = counted[key].take(data, begin, until)
            except ValueError as error:
                problem = Unreadable(begin, str(error))
                problem.facts |= {"topic": key[0], "partition": key[1]}
                raise problem from error
            return until if most is not None and counted[key].total > most else after

        left = self._scan(ranges, take, max_partition_fetch_bytes=8 << 20)
        if left:
            (topic, partition), (begin, _) = next(iter(left.items()))
            message = (
                f"Kafka cluster [kafka.{self.name}] gave nothing of topic {topic} partition "
                f"{partition} from offset {begin} on within {self._timeout:g} s; run again."
            )
            raise SourceUnavailable(message, topic=topic, partition=partition)
        return counted

    def _scan(
        self,
        ranges: Mapping[tuple[str, int], tuple[int, int]],
        take: Callable[[tuple[str, int], bytes, int, int], int],
        **options: Any,
    ) -> dict[tuple[str, int], tuple[int, int]]:
        """Fetch ``ranges`` as the broker stores them, all partitions at once, and give each answer
        to ``take``, which says from which offset on to go on; what is left of the ranges when
        nothing came for as long as a request may take.
        """
        left = {TopicPartition(*key): each for key, each in ranges.items()}
        deadline = time.monotonic() + self._timeout
        try:
            with closing(
                self._consumer(group_id=None, fetch_max_wait_ms=100, **options)
            ) as consumer:
                parse = consumer._fetcher._parse_fetched_data

                def look(fetched: Any) -> Any:
                    nonlocal deadline
                    partition = fetched.topic_partition
                    if fetched.partition_data.error_code:
                        return parse(fetched)  # which deals with the error
                    if partition not in left or left[partition][0] != fetched.fetched_offset:
                        return None
                    begin, until = left[partition]
                    key = (partition.topic, partition.partition)
                    after = take(key, fetched.partition_data.records or b"", begin, until)
                    if after > begin:
                        deadline = time.monotonic() + self._timeout
                    if after < until:
                        left[partition] = after, until
                        consumer.seek(partition, after)
                        return None
                    consumer.pause(partition)
                    del left[partition]
                    if not left:
                        raise _DoneError
                    return None

                # The client would make records of what it fetches, and has no public way to look
                # at it before.
                consumer._fetcher._parse_fetched_data = look
                consumer.assign(list(left))
                for partition, (begin, _) in left.items():
                    consumer.seek(partition, begin)
                with suppress(_DoneError):
                    while left and time.monotonic() < deadline:
                        consumer.poll(timeout_ms=1000)
        except (KafkaError, OSError) as error:
            if isinstance(error, BrokerResponseError) and not isinstance(error, _OF_CLUSTER):
                raise  # of one topic
            raise self._unavailable(error) from error
        return {(each.topic, each.partition): left[each] for each in left}

    def mean_sizes(self, states: Iterable[TopicState]) -> dict[str, float]:
        """Bytes of an offset of each topic as the brokers store it, where they tell."""
        spans = {
            state.topic: sum(state.end.values()) - sum(state.begin.values()) for state in states
        }
        sizes: dict[tuple[str, int], int] = {}
        try:
            for broker in self._admin.describe_log_dirs(list(spans)):
                for folder in broker["log_dirs"]:
                    for topic in folder["topics"]:
                        for each in topic["partitions"]:
                            # Every replica tells, and one is as long as another.
                            key = (topic["name"], each["partition_index"])
                            sizes[key] = max(sizes.get(key, 0), each["partition_size"])
        except Exception:
            return {}  # without the right to ask, the default size must do
        return {
            topic: sum(size for key, size in sizes.items() if key[0] == topic) / span
            for topic, span in spans.items()
            if span
        }

    def is_compacted(self, topic: str) -> bool:
        """Whether the topic's clean-up removes records that a newer one of their key replaces."""
        resource = ConfigResource(ConfigResourceType.TOPIC, topic)
        try:
            answer = self._admin.describe_configs([resource], config_filter="all")
        except (KafkaError, OSError) as error:
            raise self._unavailable(error) from error
        return "compact" in str(answer["topic"][topic]["cleanup.policy"]["value"])

    def group_offsets(self, group: str, state: TopicState) -> dict[int, int]:
        """The offsets that consumer group ``group`` has committed for the topic, by partition."""
        wanted = [TopicPartition(state.topic, each) for each in sorted(state.end)]
        try:
            with closing(self._consumer(group_id=group)) as consumer:
                found = {each.partition: consumer.committed(each) for each in wanted}
        except (KafkaError, OSError) as error:
            raise self._unavailable(error) from error
        return {partition: offset for partition, offset in found.items() if offset is not None}

    def commit_group(self, offsets: Mapping[tuple[str, int], int]) -> str:
        """Set the offsets of our own consumer group, for lag tools; why not, where it failed."""
        if not self.config.group_id or not offsets:
            return ""
        wanted = {
            TopicPartition(*key): OffsetAndMetadata(offset, "", -1)
            for key, offset in offsets.items()
        }
        try:
            with closing(self._consumer(group_id=self.config.group_id)) as consumer:
                consumer.assign(list(wanted))
                consumer.commit(wanted, timeout_ms=self._client["request_timeout_ms"])
        except (KafkaError, OSError) as error:
            return f"{error}"
        return ""

    def _consumer(self, **options: Any) -> KafkaConsumer:
        # Defaults of the client that would commit, skip or create something by themselves.
        return KafkaConsumer(
            **self._client,
            enable_auto_commit=False,
            auto_offset_reset="none",
            allow_auto_create_topics=False,
            isolation_level=self.config.isolation_level,
            **options,
        )

    def _offsets(
        self, specs: Mapping[TopicPartition, Any], isolation: IsolationLevel | None = None
    ) -> dict[TopicPartition, int]:
        if not specs:
            return {}
        if isolation is None:
            isolation = self._isolation
        found = self._admin.list_partition_offsets(dict(specs), isolation_level=isolation)
        return {partition: answer.offset for partition, answer in found.items()}

    def _unavailable(self, error: Exception) -> SourceUnavailable:
        servers = self.config.bootstrap_servers
        why = f"{error}; {_heard.why}" if _heard.why else str(error)
        message = (
            f"Kafka cluster [kafka.{self.name}] at {servers} does not answer ({why}); start it, or "
            "correct bootstrap_servers and properties, and run again."
        )
        return SourceUnavailable(message, cluster=self.name, bootstrap_servers=servers)


def _record(found: Any) -> Record:
    # Java's sum of a batch's first timestamp and a record's difference to it wraps around.
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


def spark_properties(config: settings.Kafka, polls: int) -> dict[str, str]:
    """Options of Spark's Kafka source for the cluster; a task holds ``polls`` records."""
    return {
        "kafka.bootstrap.servers": config.bootstrap_servers,
        "kafka.isolation.level": config.isolation_level,
        "kafka.client.id": _CLIENT_ID,
        # Larger bites than Kafka's defaults: a third more records a second (see DESIGN.md).
        "kafka.max.poll.records": str(polls),
        "kafka.max.partition.fetch.bytes": str(8 << 20),
        "kafka.receive.buffer.bytes": str(1 << 20),
        # The consumer asks for more than the range while Spark asks where the log ends, and the
        # broker answers in turn: at the end of a log, each partition would cost half a second.
        "kafka.fetch.max.wait.ms": "10",
        **{f"kafka.{key.removeprefix('kafka.')}": item for key, item in config.properties.items()},
    }


def python_properties(section: str, properties: Mapping[str, str]) -> dict[str, Any]:
    """Keyword arguments of kafka-python for properties of the Java client.

    Raises ``ConfigurationError`` for what only Java understands and a connection needs.
    """
    given = {key.removeprefix("kafka."): value for key, value in properties.items()}
    options: dict[str, Any] = {}
    for java, python in (
        ("security.protocol", "security_protocol"),
        ("sasl.mechanism", "sasl_mechanism"),
        ("sasl.kerberos.service.name", "sasl_kerberos_service_name"),
        ("ssl.key.password", "ssl_password"),
    ):
        if java in given:
            options[python] = given[java]
    jaas = given.get("sasl.jaas.config")
    mechanism = given.get("sasl.mechanism", "")
    if jaas and mechanism in ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"):
        for name in ("username", "password"):
            value = re.search(rf'\b{name}\s*=\s*"((?:[^"\\]|\\.)*)"', jaas)
            if value is None:
                message = (
                    f'[kafka.{section}.properties] sasl.jaas.config has no {name}="…"; write it as '
                    'org.apache.kafka.common.security.plain.PlainLoginModule required username="…" '
                    'password="…";'
                )
                raise ConfigurationError(message, section=section)
            options[f"sasl_plain_{name}"] = re.sub(r"\\(.)", r"\1", value[1])
    elif mechanism not in ("", "GSSAPI", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"):
        message = (
            f"[kafka.{section}.properties] sasl.mechanism {mechanism} is not supported; use "
            "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or GSSAPI."
        )
        raise ConfigurationError(message, section=section)
    stores = {"truststore": ("ssl_cafile",), "keystore": ("ssl_certfile", "ssl_keyfile")}
    for store, names in stores.items():
        path = given.get(f"ssl.{store}.location")
        if path is None:
            continue
        if given.get(f"ssl.{store}.type", "JKS").upper() != "PEM":
            message = (
                f"[kafka.{section}.properties] ssl.{store}.location must be a PEM file, which both "
                f'clients read; convert it and set "ssl.{store}.type" = "PEM".'
            )
            raise ConfigurationError(message, section=section)
        options.update(dict.fromkeys(names, path))
    if given.get("ssl.endpoint.identification.algorithm", "https") == "":
        options["ssl_check_hostname"] = False
    return options
