"""The state of a topic, and a record of Kafka."""

from __future__ import annotations

from dataclasses import dataclass, field

from loader.errors import LoaderError


@dataclass(frozen=True)
class TopicState:
    """The present state of a topic, by partition.

    ``begin`` is the first retained offset, ``end`` the end offset that a consumer of the configured
    isolation level sees, ``high`` the high watermark, which is above ``end`` while a transaction is
    open.
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
    """A record as Kafka stores it; ``timestamp_ms`` may be any 64-bit number."""

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
    """The record at ``offset`` of ``partition`` cannot be read."""

    def __init__(self, topic: str, partition: int, offset: int, why: str) -> None:
        super().__init__(why, topic=topic, partition=partition, offset=offset)
        self.partition = partition
        self.offset = offset
