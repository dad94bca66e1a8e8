"""Record sizes are measured with only one decompressed piece in memory."""

from __future__ import annotations

import gzip
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.record.default_records import DefaultRecordBatchBuilder

from loader.sources.kafka import sizes
from loader.sources.kafka.sizes import Sizes

CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}


def packed(values: list[bytes | None], codec: int, base: int = 0) -> bytes:
    """A record batch as a producer sends it, with the base offset that the broker sets."""
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=codec, is_transactional=False, producer_id=-1,
        producer_epoch=-1, base_sequence=-1, batch_size=1 << 62,
    )  # fmt: skip
    for at, value in enumerate(values):
        builder.append(at, 1_700_000_000_000 + at, b"k%d" % at, value, [("h", b"x")])
    batch = bytearray(builder.build())
    batch[:8] = base.to_bytes(8, "big")
    return bytes(batch)


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_the_size_of_each_record_is_found_whatever_packs_it(codec: int) -> None:
    dice = random.Random(1)
    values: list[bytes | None] = [
        dice.randbytes(dice.choice((0, 1, 200, 70_000))) for _ in range(300)
    ]
    values[7] = None
    values[100] = b"x" * 3_000_000
    data = packed(values, codec, base=1000)
    body = memoryview(data)[61:]
    found = list(sizes.heads(sizes.pieces(body, codec), 1000))
    assert [offset for offset, _, _ in found] == list(range(1000, 1300))
    assert [time for _, _, time in found] == list(range(300))
    for (_, size, _), value in zip(found, values, strict=True):
        assert 0 <= size - len(value or b"") < 30
    counted = Sizes(limit=2_000_000)
    assert counted.take(data, 1000, 1300) == 1300
    assert [offset for offset, _ in counted.too_large] == [1100]
    assert 0 <= counted.total - sum(len(value or b"") for value in values) < 300 * 30


@given(st.lists(st.integers(0, 300), min_size=1, max_size=40), st.integers(1, 50))
def test_records_are_found_however_the_pieces_are_cut(lengths: list[int], piece: int) -> None:
    data = packed([b"v" * each for each in lengths], 0)[61:]
    cut = [data[at : at + piece] for at in range(0, len(data), piece)]
    assert list(sizes.heads(iter(cut), 5)) == list(sizes.heads(iter([data]), 5))
    assert len(list(sizes.heads(iter(cut), 5))) == len(lengths)


@pytest.mark.parametrize("codec", [1, 3, 4], ids=["gzip", "lz4", "zstd"])
def test_a_record_that_is_small_on_the_wire_is_counted_in_pieces(codec: int) -> None:
    data = packed([b"a", b"\0" * (200 << 20), b"b"], codec)
    assert len(data) < 1 << 20
    largest = max(len(piece) for piece in sizes.pieces(memoryview(data)[61:], codec))
    assert largest <= 1 << 20
    counted = Sizes(limit=100 << 20)
    counted.take(data, 0, 3)
    (found,) = counted.too_large
    assert (found[0], found[1] >> 20, counted.poll_records) == (1, 200, 1)


def test_as_many_records_are_taken_at_a_time_as_fit_wherever_the_big_ones_are() -> None:
    def polls(*batches: list[int]) -> int:
        counted, base = Sizes(limit=100 << 20), 0
        for each in batches:
            counted.take(packed([b"x" * size for size in each], 0, base), base, base + len(each))
            base += len(each)
        return counted.poll_records

    small, big = [100] * 1000, [1 << 20] * 20
    assert polls(*[small] * 20) == 5000
    assert polls(*[small] * 20, big, *[small] * 20) == 5000  # twenty of them are 20 MB
    assert polls(*[small] * 20, *[big] * 4, *[small] * 20) == 5
    assert polls(*[small] * 20, [5 << 20], *[small] * 20) == 5000
    assert polls([30 << 20], [30 << 20], [30 << 20]) == 1


def test_only_the_range_is_counted_and_half_a_batch_is_left_for_the_next_answer() -> None:
    first, second = packed([b"x" * 100] * 10, 0), packed([b"y" * 1000] * 10, 4, base=10)
    counted = Sizes(limit=500)
    assert counted.take(first + second[:-1], 3, 20) == 10
    assert counted.take(second, 10, 15) == 20
    assert [offset for offset, _ in counted.too_large] == [10, 11, 12, 13, 14]
    # After compaction, the next existing offset may be far beyond the range.
    assert counted.take(packed([b"z"], 0, base=90), 50, 60) == 60


@pytest.mark.parametrize("codec", [1, 2, 3, 4, 5])
def test_what_cannot_be_unpacked_says_so(codec: int) -> None:
    data = bytearray(packed([b"x" * 1000] * 10, 1))
    data[22] = codec
    data[61:] = gzip.compress(b"no records")[:10] + b"\x13" * (len(data) - 71)
    with pytest.raises(ValueError, match=r"not known|cannot be unpacked"):
        Sizes(limit=1).take(bytes(data), 0, 10)


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_the_first_record_that_is_not_loaded_says_how_far_behind_a_topic_is(codec: int) -> None:
    start = 1_700_000_000_000
    data = packed([b"x"] * 10, codec, 20) + packed([b"y"] * 10, codec, 40)
    assert sizes.first_timestamp(data, 20, 50) == (20, start)
    assert sizes.first_timestamp(data, 27, 50) == (27, start + 7)
    assert sizes.first_timestamp(data, 30, 50)[1] == start
    assert sizes.first_timestamp(data, 30, 40) == (40, None)
    assert sizes.first_timestamp(data, 60, 70) == (60, None)
    assert sizes.first_timestamp(b"", 0, 5) == (0, None)
