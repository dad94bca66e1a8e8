"""`play` sends every record once, stores its progress, and fails with a readable sentence."""

from __future__ import annotations

import json
import socket
import uuid
from collections.abc import Iterator
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from simulator import play
from simulator.cli import main
from simulator.errors import SimulatorError
from simulator.matomo import MatomoSettings, write_matomo
from simulator.meters import HEADER, MeterSettings, Shares, write_meters
from simulator.records import Record, Shape, count, records


@pytest.fixture
def meter_events(tmp_path: Path) -> Path:
    wanted = MeterSettings(
        7, date(2024, 1, 1), date(2024, 1, 2), meters=60, shares=Shares(duplicates=0.05)
    )
    write_meters(tmp_path / "meters", wanted)
    return tmp_path / "meters" / "events"


@pytest.fixture
def matomo_messages(tmp_path: Path) -> Path:
    write_matomo(tmp_path / "matomo", MatomoSettings(7, date(2024, 3, 1), 1, visits_per_day=5))
    return tmp_path / "matomo" / "messages.jsonl"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["play", *map(str, arguments)])


def test_an_event_day_becomes_one_object_a_line_then_its_resends(meter_events: Path) -> None:
    file = meter_events / "event_20240101.csv"
    lines = file.read_text(encoding="utf-8").splitlines()
    sent = list(records(file))
    assert all(record.key is None and record.headers == [] for record in sent)
    values = [json.loads(record.value or b"") for record in sent]
    assert values[0] == {"event_20240101.csv_row0": HEADER}
    assert values[: len(lines)] == [
        {f"event_20240101.csv_row{row}": line} for row, line in enumerate(lines)
    ]
    rows = [int(row) for row in file.with_suffix(".resend").read_text().split()]
    assert rows
    assert sent[len(lines) :] == [sent[row] for row in rows]
    assert count(file, Shape()) == len(sent)


def test_an_event_day_becomes_an_object_an_event_keyed_by_its_equipment(
    meter_events: Path,
) -> None:
    file = meter_events / "event_20240101.csv"
    lines = file.read_text(encoding="utf-8").splitlines()[1:]
    shape = Shape(format="object", headers=(("type", "meter_event"),))
    sent = list(records(file, shape))
    assert count(file, shape) == len(sent)
    for line, record in zip(lines, sent, strict=False):
        fields = line.split(",")
        event = json.loads(record.value or b"")
        assert record.headers == [("type", b"meter_event")]
        if len(fields) == 7:
            assert record.key == f"{fields[4]}:{fields[5]}".encode()
            assert list(event) == HEADER.split(",")
            assert [str(value) for value in event.values()] == fields
            assert isinstance(event["id_equipement"], int)


def test_disorder_and_resends_are_as_many_as_asked_and_always_the_same(
    meter_events: Path,
) -> None:
    file = meter_events / "event_20240101.csv"
    plain = list(records(file))
    shape = Shape(disorder=0.2, resends=0.1)
    sent = list(records(file, shape))
    assert sent == list(records(file, shape))
    assert len(sent) == count(file, shape) > len(plain)
    assert set(map(str, sent)) == set(map(str, plain))
    first = [record for number, record in enumerate(sent) if record not in sent[:number]]
    assert list(map(str, first)) != list(dict.fromkeys(map(str, plain)))
    assert list(records(file, Shape(disorder=0.2, resends=0.1, seed=8))) != sent


def test_jitter_moves_a_record_by_no_more_than_its_seconds(meter_events: Path) -> None:
    file = meter_events / "event_20240101.csv"
    file.with_suffix(".resend").unlink()  # resent rows are out of order
    plain = list(records(file, Shape(timed=True)))
    moved = list(records(file, Shape(jitter=3600, timed=True)))
    assert moved != plain and sorted(map(str, moved)) == sorted(map(str, plain))
    latest = 0.0
    for record in moved:
        assert record.at is None or record.at >= latest - 3600
        latest = max(latest, record.at or 0)


def test_a_message_line_becomes_the_record_it_describes(tmp_path: Path) -> None:
    file = tmp_path / "some.jsonl"
    entries: list[dict[str, Any]] = [
        {"key": "1:2", "headers": {"type": "visit"}, "value": {"été": [1, "2", None]}},
        {"key": None, "headers": {}, "raw": "<html>"},
        {"key": "k", "headers": {}, "value": None},
    ]
    file.write_text("".join(json.dumps(entry) + "\n" for entry in entries), encoding="utf-8")
    assert list(records(file)) == [
        Record(b"1:2", '{"été":[1,"2",null]}'.encode(), [("type", b"visit")]),
        Record(None, b"<html>", []),
        Record(b"k", None, []),
    ]


def test_a_line_that_is_no_message_is_named(tmp_path: Path) -> None:
    file = tmp_path / "some.jsonl"
    file.write_text('{"key": null, "headers": {}, "value": 1}\n{"key": 1}\n', encoding="utf-8")
    with pytest.raises(SimulatorError, match=r"some\.jsonl, line 2"):
        list(records(file))


def test_no_broker_is_one_sentence_and_an_exit_code(
    matomo_messages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(play, "CONNECT_SECONDS", 1)
    with socket.socket() as reserved:  # bound, but not listening
        reserved.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{reserved.getsockname()[1]}"
        result = run("--topic", "t", "--bootstrap-servers", address, matomo_messages)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert result.output.startswith(f"Error: no answer from Kafka at {address}")
    assert result.output.count("\n") == 1


def plain(record: Record) -> Record:
    """The record in Kafka's form."""
    return record._replace(at=None)


def test_records_wait_for_their_own_time_and_for_the_rate() -> None:
    now = 100.0

    def serve(seconds: float) -> None:
        nonlocal now
        now += seconds

    clock = play.Clock(play.Pace(speed=60.0), lambda: now)
    sent = []
    for at in (6000.0, 6060.0, None, 6600.0):
        clock.wait(Record(None, b"", [], at), serve)
        sent.append(round(now - 100.0, 6))
    assert sent == [0.0, 1.0, 1.0, 10.0]

    now = 100.0
    clock = play.Clock(play.Pace(rate=4.0), lambda: now)
    for _ in range(9):
        clock.wait(Record(None, b"", []), serve)
    assert now == pytest.approx(102.0)


def consume(servers: str, topic: str) -> list[Record]:
    import kafka

    consumer = kafka.KafkaConsumer(
        bootstrap_servers=servers, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    try:
        partitions = [
            kafka.TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)
        ]
        consumer.assign(partitions)
        ends = consumer.end_offsets(partitions)
        found = []
        for partition in partitions:
            consumer.seek_to_beginning(partition)
        while any(consumer.position(partition) < ends[partition] for partition in partitions):
            for batch in consumer.poll(timeout_ms=500).values():
                found += [Record(r.key, r.value, list(r.headers)) for r in batch]
        return found
    finally:
        consumer.close()


def delete(servers: str, topic: str) -> None:
    import kafka

    admin = kafka.KafkaAdminClient(bootstrap_servers=servers)
    try:
        admin.delete_topics([topic])
    finally:
        admin.close()


@pytest.mark.stack
def test_records_arrive_once_as_they_are(
    kafka_bootstrap_servers: str, matomo_messages: Path, meter_events: Path
) -> None:
    for path, files in (
        (matomo_messages, [matomo_messages]),
        (meter_events, sorted(meter_events.glob("event_*.csv"))),
    ):
        topic = f"play-{uuid.uuid4().hex}"
        options = ("--topic", topic, "--bootstrap-servers", kafka_bootstrap_servers)
        expected = [plain(record) for file in files for record in records(file)]

        missing = run(*options, path)
        assert missing.exit_code == 1
        assert "--create-topic" in missing.output

        first = run(*options, "--create-topic", path)
        assert first.exit_code == 0, first.output
        assert consume(kafka_bootstrap_servers, topic) == expected

        second = run(*options, path)
        assert second.exit_code == 0
        assert "already played" in second.output
        assert len(consume(kafka_bootstrap_servers, topic)) == len(expected)

        forced = run(*options, "--again", path)
        assert forced.exit_code == 0
        assert consume(kafka_bootstrap_servers, topic) == expected * 2


@pytest.mark.stack
def test_an_interrupted_play_goes_on_where_it_stopped(
    kafka_bootstrap_servers: str, matomo_messages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = f"play-{uuid.uuid4().hex}"
    options = ("--topic", topic, "--bootstrap-servers", kafka_bootstrap_servers)
    expected = [plain(record) for record in records(matomo_messages)]

    def interrupted(path: Path, shape: Shape) -> Iterator[Record]:
        for number, record in enumerate(records(path, shape)):
            if number == 7:
                raise KeyboardInterrupt
            yield record

    with monkeypatch.context() as patch:
        patch.setattr(play, "records", interrupted)
        stopped = run(*options, "--create-topic", "--partitions", "3", matomo_messages)
    assert stopped.exit_code == 1
    assert len(consume(kafka_bootstrap_servers, topic)) == 7

    resumed = run(*options, matomo_messages)
    assert resumed.exit_code == 0
    assert "(7 were already)" in resumed.output
    assert sorted(map(str, consume(kafka_bootstrap_servers, topic))) == sorted(map(str, expected))


@pytest.mark.stack
def test_a_topic_made_anew_gets_everything_again(
    kafka_bootstrap_servers: str, matomo_messages: Path
) -> None:
    topic = f"play-{uuid.uuid4().hex}"
    options = ("--topic", topic, "--bootstrap-servers", kafka_bootstrap_servers, "--create-topic")
    expected = [plain(record) for record in records(matomo_messages)]
    assert run(*options, matomo_messages).exit_code == 0
    delete(kafka_bootstrap_servers, topic)
    result = run(*options, matomo_messages)
    assert result.exit_code == 0, result.output
    assert consume(kafka_bootstrap_servers, topic) == expected


@pytest.mark.stack
def test_kafka_has_the_keys_headers_and_times_that_were_asked_for(
    kafka_bootstrap_servers: str, meter_events: Path
) -> None:
    import kafka

    topic = f"play-{uuid.uuid4().hex}"
    done = run(
        "--topic", topic, "--bootstrap-servers", kafka_bootstrap_servers, "--create-topic",
        "--format", "object", "--header", "source=si", "--timestamps", "--speed", "1e9",
        "--resend", "10", meter_events / "event_20240101.csv",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    consumer = kafka.KafkaConsumer(
        topic, bootstrap_servers=kafka_bootstrap_servers, auto_offset_reset="earliest",
        enable_auto_commit=False, consumer_timeout_ms=2000,
    )  # fmt: skip
    try:
        found = list(consumer)
    finally:
        consumer.close()
    shape = Shape(format="object", resends=0.1)
    assert len(found) == count(meter_events / "event_20240101.csv", shape)
    for record in found:
        event = json.loads(record.value)
        assert record.headers == [("source", b"si")]
        if {"type_equipement", "id_equipement", "date_system_evt"} <= set(event):
            kind, number = event["type_equipement"], event["id_equipement"]
            assert record.key == f"{kind}:{number}".encode()
            arrived = datetime.strptime(event["date_system_evt"], "%Y-%m-%d %H:%M:%S")
            assert record.timestamp == arrived.replace(tzinfo=timezone.utc).timestamp() * 1000
