"""`play` sends every record once, remembers it, and fails in plain words."""

from __future__ import annotations

import json
import socket
import uuid
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from simulator import play
from simulator.cli import main
from simulator.errors import SimulatorError
from simulator.matomo import MatomoSettings, write_matomo
from simulator.meters import HEADER, MeterSettings, write_meters


@pytest.fixture
def meter_events(tmp_path: Path) -> Path:
    write_meters(tmp_path / "meters", MeterSettings(7, date(2024, 1, 1), 2, events_per_day=100))
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
    sent = list(play.records(file))
    assert all(record.key is None and record.headers == [] for record in sent)
    values = [json.loads(record.value or b"") for record in sent]
    assert values[0] == {"event_20240101.csv_row0": HEADER}
    assert values[: len(lines)] == [
        {f"event_20240101.csv_row{row}": line} for row, line in enumerate(lines)
    ]
    resent = [
        name
        for name in (meter_events / "resend.txt").read_text(encoding="utf-8").split()
        if name.startswith("event_20240101")
    ]
    assert [name for value in values[len(lines) :] for name in value] == resent
    assert all(record in sent[: len(lines)] for record in sent[len(lines) :])


def test_a_message_line_becomes_the_record_it_describes(tmp_path: Path) -> None:
    file = tmp_path / "some.jsonl"
    entries: list[dict[str, Any]] = [
        {"key": "1:2", "headers": {"type": "visit"}, "value": {"été": [1, "2", None]}},
        {"key": None, "headers": {}, "raw": "<html>"},
        {"key": "k", "headers": {}, "value": None},
    ]
    file.write_text("".join(json.dumps(entry) + "\n" for entry in entries), encoding="utf-8")
    assert list(play.records(file)) == [
        (b"1:2", '{"été":[1,"2",null]}'.encode(), [("type", b"visit")]),
        (None, b"<html>", []),
        (b"k", None, []),
    ]


def test_a_line_that_is_no_message_is_named(tmp_path: Path) -> None:
    file = tmp_path / "some.jsonl"
    file.write_text('{"key": null, "headers": {}, "value": 1}\n{"key": 1}\n', encoding="utf-8")
    with pytest.raises(SimulatorError, match=r"some\.jsonl, line 2"):
        list(play.records(file))


def test_no_broker_is_one_sentence_and_an_exit_code(
    matomo_messages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(play, "_CONNECT_SECONDS", 1)
    with socket.socket() as reserved:  # bound, but nobody listens
        reserved.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{reserved.getsockname()[1]}"
        result = run("--topic", "t", "--bootstrap-servers", address, matomo_messages)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert result.output.startswith(f"Error: no answer from Kafka at {address}")
    assert result.output.count("\n") == 1


def consume(servers: str, topic: str) -> list[play.Record]:
    import kafka  # type: ignore[import-untyped, unused-ignore]

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
                found += [play.Record(r.key, r.value, list(r.headers)) for r in batch]
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
        expected = [record for file in files for record in play.records(file)]

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
    expected = list(play.records(matomo_messages))
    whole = play.records
    calls = 0

    def interrupted(path: Path) -> Any:
        nonlocal calls
        calls += 1
        for number, record in enumerate(whole(path)):
            if calls == 2 and number == 7:  # the first call counts, the second sends
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
    expected = list(play.records(matomo_messages))
    assert run(*options, matomo_messages).exit_code == 0
    delete(kafka_bootstrap_servers, topic)
    result = run(*options, matomo_messages)
    assert result.exit_code == 0, result.output
    assert consume(kafka_bootstrap_servers, topic) == expected
