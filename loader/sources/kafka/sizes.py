"""The sizes of a topic's records, measured before Spark reads them.

The mean size of a topic's records does not predict the next ones: a record batch of 18 kB may
unpack to one record of 600 MB. So the record batches of a range are fetched as the broker stores
them, and measured. Compressed ones are decompressed piece by piece; no record is built.
"""

from __future__ import annotations

import struct
import zlib
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

# Possible numbers of records per poll of Spark's consumer, and the most bytes (64 MiB) of a poll.
# Small polls are slow, so the largest number that fits is taken.
POLLS = (5000, 500, 50, 5)
POLL_BYTES = 64 << 20
# Header of a record batch (Kafka protocol, format 2): base offset, length, leader epoch, magic,
# CRC, attributes, last offset delta, two timestamps, producer id and epoch, sequence, number of
# records.
_HEADER = struct.Struct(">qiibIhiqqqhii")
_BEFORE_LENGTH = 12
_MAGIC_AT = 16
_GZIP, _SNAPPY, _LZ4, _ZSTD = 1, 2, 3, 4
_LOG_APPEND, _CONTROL = 0x08, 0x20
# In a record batch of more bytes (8 MiB) each record is measured, which takes a hundred times as
# long.
_UNDIVIDED = 8 << 20
# Bytes per decompressed piece (1 MiB).
_PIECE = 1 << 20
_XERIAL = b"\x82SNAPPY\x00"
_XERIAL_HEADER = 16


@dataclass
class _Window:
    """An upper bound for the bytes of any ``records`` consecutive records: the largest sum of two
    consecutive groups of that number.
    """

    records: int
    before: int = 0
    now: int = 0
    count: int = 0
    most: int = 0

    def add(self, count: int, size: int) -> None:
        self.now += size
        self.count += count
        self.most = max(self.most, self.before + self.now)
        if self.count >= self.records:
            self.before, self.now, self.count = self.now, 0, 0


@dataclass
class Sizes:
    """The sizes of a range's records, in unpacked bytes.

    ``total`` is their sum, ``largest`` the largest one. ``too_large`` has offset and size of each
    record of more than ``limit`` bytes. ``marks`` are pairs of an offset and the bytes before it,
    at least 1 MiB apart.
    """

    limit: int
    total: int = 0
    largest: int = 0
    too_large: list[tuple[int, int]] = field(default_factory=list)
    marks: list[tuple[int, int]] = field(default_factory=list)
    _windows: list[_Window] = field(default_factory=lambda: [_Window(each) for each in POLLS])

    @property
    def poll_records(self) -> int:
        """The number of consecutive records that never exceed ``POLL_BYTES``; at least one."""
        fits = (each.records for each in self._windows if each.most <= POLL_BYTES)
        return next(fits, 1)

    def until(self, budget: float) -> int | None:
        """The offset up to which there are about ``budget`` bytes; None if that is unknown."""
        at = bisect_right(self.marks, budget, key=lambda mark: mark[1])
        return self.marks[max(at - 1, 0)][0] if self.marks else None

    def take(self, data: bytes, begin: int, until: int) -> int:
        """Measure the record batches in ``data`` with offsets from ``begin`` up to ``until``
        (exclusive); returns the offset after the last complete one.
        """
        after = begin
        for batch in batches(data):
            if batch.base >= until:
                return until
            if batch.last >= begin and not batch.is_control:
                self._count(batch.body, batch.codec, batch.base, batch.records, (begin, until))
            after = max(after, batch.last + 1)
            if self.total >= (self.marks[-1][1] if self.marks else 0) + _PIECE:
                self.marks.append((min(after, until), self.total))
        return after

    def _count(
        self, body: memoryview, codec: int, base: int, count: int, wanted: tuple[int, int]
    ) -> None:
        size = sum(len(piece) for piece in pieces(body, codec)) if codec else len(body)
        largest = size
        if size > min(self.limit, _UNDIVIDED):
            largest = 0
            for offset, length, _ in heads(pieces(body, codec), base):
                if wanted[0] <= offset < wanted[1]:
                    largest = max(largest, length)
                    if length > self.limit:
                        self.too_large.append((offset, length))
        self.total += size
        self.largest = max(self.largest, largest)
        for window in self._windows:
            window.add(count, min(size, window.records * largest))


class _Batch(NamedTuple):
    """A record batch as it is stored; ``body`` is still compressed with ``codec``."""

    base: int
    last: int
    records: int
    codec: int
    is_control: bool
    timestamp: int | None
    is_of_broker: bool
    body: memoryview


def batches(data: bytes) -> Iterator[_Batch]:
    """The complete record batches in ``data``, a broker's answer."""
    at, view = 0, memoryview(data)
    while len(view) - at >= _HEADER.size:
        head = _HEADER.unpack_from(view, at)
        base, length, magic, attributes = head[0], head[1], head[3], head[5]
        end = at + _BEFORE_LENGTH + length
        if end > len(view):
            return
        if magic < 2:
            # The format before Kafka 0.11: a message, or several compressed in one; not measured
            # further.
            yield _Batch(base, base, 1, 0, False, None, False, view[at + _MAGIC_AT : end])
        else:
            is_of_broker = bool(attributes & _LOG_APPEND)
            yield _Batch(
                base, base + head[6], head[12], attributes & 7, bool(attributes & _CONTROL),
                head[8] if is_of_broker else head[7], is_of_broker, view[at + _HEADER.size : end],
            )  # fmt: skip
        at = end


def first_timestamp(data: bytes, begin: int, until: int) -> tuple[int, int | None]:
    """The offset at which to continue, and the timestamp of the first record in ``data`` from
    ``begin`` up to ``until`` (exclusive); None if there is none.
    """
    after = begin
    for batch in batches(data):
        if batch.base >= until:
            return until, None
        if batch.last >= begin and not batch.is_control and batch.timestamp is not None:
            if batch.is_of_broker or batch.base >= begin:
                return after, batch.timestamp
            for offset, _, delta in heads(pieces(batch.body, batch.codec), batch.base):
                if offset >= begin:
                    return after, batch.timestamp + delta
        after = max(after, batch.last + 1)
    return after, None


def pieces(body: memoryview, codec: int) -> Iterator[bytes | memoryview]:
    """``body``, decompressed with ``codec`` in pieces, so that only one piece is in memory.

    Raises ``ValueError`` for data that cannot be decompressed.
    """
    if codec == 0:
        yield body
        return
    try:
        if codec == _GZIP:
            yield from _gunzipped(body)
        elif codec == _SNAPPY:
            yield from _unsnapped(body)
        elif codec == _LZ4:
            yield from _unlz4ed(body)
        elif codec == _ZSTD:
            import zstandard

            with zstandard.ZstdDecompressor().stream_reader(
                body, read_across_frames=True
            ) as reader:
                while piece := reader.read(_PIECE):
                    yield piece
        else:
            message = f"compression {codec} is not known"
            raise ValueError(message)
    except (zlib.error, RuntimeError, ValueError) as error:
        message = f"it cannot be unpacked ({type(error).__name__}: {error})"
        raise ValueError(message) from error
    except Exception as error:
        # Each library has its own error classes without a common base.
        if type(error).__module__.split(".")[0] not in ("zstandard", "cramjam", "lz4", "snappy"):
            raise
        message = f"it cannot be unpacked ({type(error).__name__}: {error})"
        raise ValueError(message) from error


def _gunzipped(body: memoryview) -> Iterator[bytes]:
    packed: bytes | memoryview = body
    while packed:
        reader = zlib.decompressobj(wbits=31)
        while not reader.eof:
            if not packed:
                raise ValueError("it ends early")
            piece = reader.decompress(packed, _PIECE)
            packed = reader.unconsumed_tail
            if piece:
                yield piece
        packed = reader.unused_data


def _unlz4ed(body: memoryview) -> Iterator[bytes]:
    from lz4.frame import LZ4FrameDecompressor

    reader = LZ4FrameDecompressor()
    piece = reader.decompress(body, max_length=_PIECE)
    while piece or not (reader.eof or reader.needs_input):
        if piece:
            yield piece
        if reader.eof:
            return
        piece = reader.decompress(b"", max_length=_PIECE)


def _unsnapped(body: memoryview) -> Iterator[bytes]:
    import cramjam

    if bytes(body[: len(_XERIAL)]) != _XERIAL:
        yield bytes(cramjam.snappy.decompress_raw(bytes(body)))
        return
    at = _XERIAL_HEADER
    while at + 4 <= len(body):
        (length,) = struct.unpack_from(">i", body, at)
        yield bytes(cramjam.snappy.decompress_raw(bytes(body[at + 4 : at + 4 + length])))
        at += 4 + length


def heads(unpacked: Iterator[bytes | memoryview], base: int) -> Iterator[tuple[int, int, int]]:
    """Offset, size and timestamp delta of each record of a decompressed record batch with first
    offset ``base``.

    A record consists of its length, a byte of attributes, the deltas of timestamp and offset, and
    the rest; all numbers are varints. Only these first fields are parsed.
    """
    head = bytearray()  # of a record whose first fields are in several pieces
    left = 0  # remaining bytes of the previous record
    for piece in unpacked:
        at = 0
        while True:
            if left:
                step = min(left, len(piece) - at)
                at += step
                left -= step
                if left or at == len(piece):
                    break
            # A length has at most 5 bytes, a timestamp delta 10, an offset delta 5.
            taken = bytes(piece[at : at + 32 - len(head)])
            head += taken
            parsed = _parsed(head)
            if parsed is None:
                break
            length, time, delta, used = parsed
            yield base + delta, length, time
            # Continue after the length; part of the head may have come from the previous piece.
            at += used - (len(head) - len(taken))
            left = length
            head.clear()


def _parsed(head: bytearray) -> tuple[int, int, int, int] | None:
    """Length, timestamp delta, offset delta and the position after the length; None if bytes are
    missing.

    The length counts only the bytes after itself.
    """
    try:
        length, body = _varint(head, 0)
        time, at = _varint(head, body + 1)
        delta, _ = _varint(head, at)
    except IndexError:
        return None
    return length, time, delta, body


def _varint(data: bytearray, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), at
        shift += 7
