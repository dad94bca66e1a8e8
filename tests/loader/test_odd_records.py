"""Records with unusual content: they land as far as possible, and stop no other record."""

from __future__ import annotations

from contextlib import closing

import pytest
from kafka import KafkaProducer
from kafka.consumer.fetcher import ConsumerRecord

from loader.sources.kafka import fetching
from loader.sources.kafka.topic import Record, Unreadable
from tests.loader.conftest import Lake, Open, commands_of, every, text_of

pytestmark = pytest.mark.stack

NANOSECONDS = 1_700_000_000_123_456_789
# Timestamps of records: the number, and the time in raw.
TIMESTAMPS = [
    (1_700_000_000_123, "2023-11-14 22:13:20.123"),
    (NANOSECONDS, None),
    (2**63 - 1, None),
    (-(2**63) + 1_000_000, None),
    (9_223_372_036_854_776, None),
    (1_700_000_000_123_456, None),  # microseconds: a year that only Spark supports
    (253_402_300_799_999, "9999-12-31 23:59:59.999"),
    (253_402_300_800_000, None),
    (-12_219_292_800_000, "1582-10-15 00:00:00.000"),
    (-12_219_292_800_001, "1582-10-14 23:59:59.999"),
    (-14_831_769_600_000, "1500-01-01 00:00:00.000"),
    (-62_135_596_800_000, "0001-01-01 00:00:00.000"),
    (-62_135_596_800_001, None),
    (0, "1970-01-01 00:00:00.000"),
]


def _make(lake: Lake, name: str, partitions: int = 1) -> None:
    config = {"message.timestamp.after.max.ms": str(2**63 - 1)}
    topic = {"num_partitions": partitions, "configs": config}
    lake.admin.create_topics({lake.topic(name): topic}, wait_for_metadata=True)


def test_no_timestamp_keeps_a_topic_from_landing(lake: Lake, loader: Open) -> None:
    _make(lake, "odd", partitions=2)
    _make(lake, "late")
    lake.configure("odd", "late")
    lake.produce("odd", 30_000, partition=1)
    with closing(KafkaProducer(bootstrap_servers=lake.servers, linger_ms=20)) as producer:
        for at, (number, _) in enumerate(TIMESTAMPS):
            producer.send(
                lake.topic("odd"), b"v%d" % at, key=b"k", partition=0, timestamp_ms=number,
                headers=[("h", b"\x00\xff"), ("h", b"")],
            )  # fmt: skip
            producer.flush()
        # One among many; in another topic, a timestamp that only Spark's own source can read, and
        # that Python cannot represent when Spark returns it.
        producer.send(lake.topic("odd"), b"one", partition=1, timestamp_ms=NANOSECONDS)
        producer.send(lake.topic("late"), b"late", timestamp_ms=253_402_300_800_000)
        producer.flush()
    lake.produce("odd", 10, partition=1)
    answer = lake.load()
    assert answer.code == 0, answer.text
    rows = lake.sql(
        f"""select cast(value as string), date_format(timestamp, 'yyyy-MM-dd HH:mm:ss.SSS'),
            timestamp_ms, timestamp_type, cast(key as string), hex(headers[0].value),
            hex(headers[1].value)
        from {lake.table("odd")} where partition = 0 order by offset"""
    )
    assert [tuple(row) for row in rows] == [
        (f"v{at}", time, None if time else number, 0, "k", "00FF", "")
        for at, (number, time) in enumerate(TIMESTAMPS)
    ]
    assert lake.offsets("odd") == [*every(len(TIMESTAMPS)), *every(30_011, partition=1)]
    nulls = lake.sql(
        f"select offset, timestamp_ms from {lake.table('odd')} "
        "where partition = 1 and timestamp is null"
    )
    assert [tuple(row) for row in nulls] == [(30_000, NANOSECONDS)]
    spark = loader().spark
    assert len(spark.table(lake.table("odd")).select("timestamp", "timestamp_ms").collect()) > 1
    late = spark.table(lake.table("late")).select("timestamp", "timestamp_ms").collect()
    assert [tuple(row) for row in late] == [(None, 253_402_300_800_000)]
    answer = lake.load("verify", "--full")
    assert answer.code == 0, answer.text
    assert "0 records in 0 batches" in text_of(lake.load())


def test_a_record_that_cannot_be_read_is_set_aside(lake: Lake, loader: Open) -> None:
    """A record that the exact reader cannot read either: its batch waits and reports the offset,
    the other topics continue, and a person's decision becomes a gap in the ledger.
    """
    _make(lake, "odd")
    lake.make("good")
    lake.configure("odd", "good")
    lake.produce("good", 5)
    with closing(KafkaProducer(bootstrap_servers=lake.servers)) as producer:
        for at in range(6):
            producer.send(lake.topic("odd"), b"%d" % at, timestamp_ms=NANOSECONDS).get(20)
    with pytest.MonkeyPatch.context() as patch:
        real = fetching.record_of

        def damaged(found: ConsumerRecord) -> Record:
            if found.value == b"3":
                raise Unreadable(
                    found.topic, found.partition, found.offset, "its header is no text"
                )
            return real(found)

        patch.setattr(fetching, "record_of", damaged)
        answer = lake.load()
        assert answer.code == 3, answer.text
        said = text_of(answer)
        assert "the record at offset 3 cannot be landed (its header is no text)" in said
        assert lake.offsets("good") == every(5)
        (command,) = commands_of(answer)
        assert command[-4:] == ["--skip", "0:3", "--reason", "cannot be read"]
        # Offsets outside of the unfinished batch, or without a reason, are not skipped.
        accept = ("accept", "--topic", lake.topic("odd"), "--skip")
        refused = lake.load(*accept, "0:9", "--reason", "x")
        assert (refused.code, "0 to 5 of partition 0" in text_of(refused)) == (2, True)
        assert lake.load(*accept, "0:3").code == 2
        # As if another process had planned the batch and ended.
        lake.sql(f"update {lake.ledger} set owner = 'elsewhere/1/1/x' where state = 'planned'")
        assert lake.load(*command).code == 0
        answer = lake.load()
        assert answer.code == 0, answer.text
    assert lake.offsets("odd") == [(0, at) for at in (0, 1, 2, 4, 5)]
    gaps = lake.sql(
        f"select gap.* from {lake.ledger} lateral view explode(gaps) as gap "
        f"where table_name = '{lake.table('odd')}'"
    )
    assert [tuple(row) for row in gaps] == [(0, 3, 4, "skipped: cannot be read")]
    lake.produce("odd", 2)
    assert lake.load().code == 0
    assert lake.load("verify", "--full").code == 0
    assert len(lake.offsets("odd")) == 7
