"""No record and no batch is too large for Spark: its memory is bounded for every topic."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, Producer
from kafka.admin import KafkaAdminClient

from stack import Stack
from tests.conftest import STACK_ENVIRON
from tests.loader.conftest import Own, text_of

pytestmark = [pytest.mark.stack, pytest.mark.exhaustive]

HEAP = "1g"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Own]:
    """A stack whose Spark has a third of the usual memory."""
    folder = tmp_path_factory.mktemp("small")
    options = "-XX:+IgnoreUnrecognizedVMOptions -XX:TieredStopAtLevel=1"
    environ = {
        **os.environ,
        **STACK_ENVIRON,
        "LACUSTRE_SPARK_MEMORY": HEAP,
        "LACUSTRE_SPARK_JAVA_OPTIONS": options,
    }
    instance = Stack(folder / "stack", environ)
    try:
        instance.up()
        yield Own(folder, instance, "", folder)
    finally:
        instance.down()


def _make(own: Own, *topics: str) -> None:
    config = {"max.message.bytes": str(100 << 20)}
    with closing(KafkaAdminClient(bootstrap_servers=own.servers)) as admin:
        wanted = {topic: {"num_partitions": 1, "configs": config} for topic in topics}
        admin.create_topics(wanted, wait_for_metadata=True)


def _send(own: Own, topic: str, *values: bytes, codec: str = "none") -> None:
    producer = Producer(
        {
            "bootstrap.servers": own.servers,
            "message.max.bytes": 1_000_000_000,
            "compression.type": codec,
            "queue.buffering.max.kbytes": 2_000_000,
            "message.copy.max.bytes": 0,
        }
    )
    failed: list[KafkaError] = []
    for value in values:
        producer.produce(
            topic, value, partition=0, on_delivery=lambda e, _: failed.append(e) if e else None
        )
        producer.poll(0)
    assert producer.flush(120) == 0
    assert failed == []


def _config(own: Own, name: str, *topics: str, limits: str = "") -> Path:
    path = own.folder / f"{name}.toml"
    entries = "".join(
        f'[[kafka.default.topics]]\ntopic = "{topic}"\ntable = "{name}.{topic.replace("-", "_")}"\n'
        for topic in topics
    )
    path.write_text(f'ledger = "{name}.batches"\n[limits]\n{limits}\n[kafka.default]\n{entries}')
    return path


def _lengths(own: Own, table: str) -> list[tuple[int, int]]:
    rows = own.sql(f"select length(value), count(*) from {table} group by 1 order by 1")
    return [tuple(row) for row in rows]


def test_records_of_megabytes_after_small_ones_land_in_a_small_heap(small: Own) -> None:
    _make(small, "mixed", "packed", "other")
    _send(small, "mixed", *[b"%010d" % at for at in range(20_000)])
    for _ in range(6):
        _send(small, "mixed", *[os.urandom(5_000_000) for _ in range(20)])
    # The same from a producer that compresses: a thousandth of the bytes is sent.
    _send(small, "packed", *[b"%010d" % at for at in range(20_000)], codec="zstd")
    _send(small, "packed", *[bytes(5_000_000) for _ in range(200)], codec="zstd")
    _send(small, "other", b"x")
    config = _config(small, "mixed", "mixed", "packed", "other")
    spark = small.stack.spark.pid
    answer = small.run(config)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert _lengths(small, "mixed.mixed") == [(10, 20_000), (5_000_000, 120)]
    assert _lengths(small, "mixed.packed") == [(10, 20_000), (5_000_000, 200)]
    assert _lengths(small, "mixed.other") == [(1, 1)]
    answer = small.run(config, "verify", "--full")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert small.stack.spark.pid == spark


def test_a_record_that_is_too_large_is_set_aside_and_its_topic_goes_on(small: Own) -> None:
    _make(small, "bomb", "calm")
    _send(small, "bomb", b"a", b"b")
    _send(small, "bomb", bytes(600_000_000), codec="zstd")
    _send(small, "bomb", b"c")
    _send(small, "bomb", bytes(20_000_000), codec="lz4")
    _send(small, "bomb", b"d")
    _send(small, "calm", b"x", b"y")
    config = _config(small, "bomb", "bomb", "calm", limits='max_record_bytes = "10MB"')
    spark = small.stack.spark.pid
    # A loader of an older version planned it without a measurement.
    small.plan(config)
    answer = small.run(config)
    text = text_of(answer)
    assert answer.returncode == 3, text
    assert "Topic bomb partition 0: the record at offset 2 (600,000,0" in text
    assert "and 1 others have more than limits.max_record_bytes (10,000,000)" in text
    assert _lengths(small, "bomb.bomb") == [(1, 4)]
    assert _lengths(small, "bomb.calm") == [(1, 2)]
    gaps = small.sql(
        "select gap.partition, gap.from_offset, gap.until_offset, gap.reason from bomb.batches "
        "lateral view explode(gaps) as gap order by 2"
    )
    why = "skipped: more than max_record_bytes (10,000,000)"
    assert [tuple(row) for row in gaps] == [(0, 2, 3, why), (0, 4, 5, why)]
    answer = small.run(config, "verify", "--full")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    # The record is reported once, and later ones land.
    _send(small, "bomb", b"e")
    answer = small.run(config)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert _lengths(small, "bomb.bomb") == [(1, 5)]
    # With a higher limit, a replay lands it.
    config.write_text(config.read_text().replace("10MB", "30MB"))
    answer = small.run(config, "replay", "--topic", "bomb", "--from", "0:4", "--until", "0:5")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert _lengths(small, "bomb.bomb") == [(1, 5), (20_000_000, 1)]
    assert small.stack.spark.pid == spark


def test_a_record_that_is_too_large_right_behind_a_batch_is_not_read_with_it(small: Own) -> None:
    """Spark's consumer also fetches records after the range."""
    _make(small, "behind")
    _send(small, "behind", b"a", b"b")
    _send(small, "behind", bytes(600_000_000), codec="zstd")
    _send(small, "behind", b"c")
    config = _config(small, "behind", "behind")
    spark = small.stack.spark.pid
    answer = small.run(config, "run", "--max-records", "2")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert _lengths(small, "behind.behind") == [(1, 2)]
    assert small.run(config).returncode == 3
    assert _lengths(small, "behind.behind") == [(1, 3)]
    assert small.run(config, "verify", "--full").returncode == 0
    # The first two again, around the skipped one.
    answer = small.run(config, "replay", "--topic", "behind", "--from", "0:0", "--until", "0:2")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert _lengths(small, "behind.behind") == [(1, 5)]
    assert small.stack.spark.pid == spark


def test_a_limit_of_bytes_counts_what_the_records_have(small: Own) -> None:
    _make(small, "limited")
    _send(small, "limited", *[b"%010d" % at for at in range(50_000)])
    config = _config(small, "limited", "limited")
    assert small.run(config).returncode == 0
    # A million times as large as the records loaded before.
    for _ in range(5):
        _send(small, "limited", *[os.urandom(2_000_000) for _ in range(10)], codec="lz4")
    answer = small.run(config, "run", "--until-caught-up", "--max-bytes", "20MB")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    batches = small.sql("select bytes from limited.batches where batch_id > 1 order by batch_id")
    assert sum(row[0] for row in batches) == 100_000_000
    assert max(row[0] for row in batches) <= 30_000_000, batches
