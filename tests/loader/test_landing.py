"""The loader on real servers: which records land, that none lands twice, and how losses are
reported.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f

from loader.batch import Batch
from loader.configuration import load
from loader.errors import DataLoss, Fenced
from loader.lake import session as spark_session
from loader.lake import tables
from loader.repeat import repeat
from loader.round import Outcome
from loader.settings import Settings
from stack import Stack
from tests.conftest import ROOT
from tests.loader.conftest import Kill, Lake, Open, every, text_of

pytestmark = pytest.mark.stack

# --- raw as it is


def test_records_land_as_they_are(lake: Lake, loader: Open) -> None:
    lake.make("a", partitions=2)
    lake.configure("a")
    big = 5_000_000
    producer = KafkaProducer(bootstrap_servers=lake.servers, max_request_size=2 * big, batch_size=0)
    with closing(producer):
        for record in (
            {"key": b"k", "value": b"\x00\xffv", "timestamp_ms": 1_600_000_000_123},
            {"key": b"", "value": b""},
            {"value": b"no key"},
            {"key": b"tombstone", "value": None},
            {"value": b"x" * big},
        ):
            producer.send(lake.topic("a"), partition=1, **record).get(20)
    # kafka-python refuses headers without a value; Spark does not.
    spark = loader().spark
    (
        spark.range(1)
        .select(
            f.expr("cast(null as binary)").alias("key"),
            f.expr("cast(null as binary)").alias("value"),
            f.lit(1).alias("partition"),
            f.expr(
                "array(named_struct('key', 'h', 'value', X'31'),"
                " named_struct('key', 'g', 'value', cast(null as binary)),"
                " named_struct('key', 'h', 'value', X''),"
                " named_struct('key', 'h', 'value', X'00ff'))"
            ).alias("headers"),
        )
        .write.format("kafka")
        .option("kafka.bootstrap.servers", lake.servers)
        .option("includeHeaders", "true")
        .option("topic", lake.topic("a"))
        .save()
    )
    answer = lake.load()
    assert answer.code == 0, answer.text
    rows = lake.sql(
        f"""select topic, partition, offset, batch_id, hex(key), hex(substr(value, 1, 6)),
            length(value), unix_millis(timestamp), timestamp_type,
            array_join(
                transform(headers, h -> concat(h.key, '=', coalesce(hex(h.value), '-'))), ' '
            ),
            headers is null, loaded_at between now() - interval 5 minutes and now()
        from {lake.table("a")} order by partition, offset"""
    )
    assert [tuple(row[:4]) for row in rows] == [(lake.topic("a"), 1, at, 1) for at in range(6)]
    assert [tuple(row[4:7]) for row in rows] == [
        ("6B", "00FF76", 3),
        ("", "", 0),
        (None, b"no key".hex().upper(), 6),
        (b"tombstone".hex().upper(), None, None),
        (None, "78" * 6, big),
        (None, None, None),
    ]
    assert tuple(rows[0][7:9]) == (1_600_000_000_123, 0)
    assert rows[5][9] == "h=31 g=- h= h=00FF"
    assert [row[10] for row in rows] == [True] * 5 + [False]
    assert all(row[11] for row in rows)
    ledger = lake.sql(f"select state, records, bytes, topic_id, table_id from {lake.ledger}")
    assert [tuple(row[:3]) for row in ledger] == [("committed", 6, 1 + 3 + 6 + 9 + big)]
    assert all(ledger[0][3:])


def test_codecs_and_transactions(lake: Lake) -> None:
    lake.make("codecs", "transactions")
    lake.configure("codecs", "transactions")
    codecs = (None, "gzip", "lz4", "zstd", "snappy")
    for codec in codecs:
        lake.produce("codecs", 20, compression_type=codec)
    producer = KafkaProducer(bootstrap_servers=lake.servers, transactional_id=lake.name)
    with closing(producer):
        producer.init_transactions()
        for kind in (b"kept", b"aborted", b"kept"):
            producer.begin_transaction()
            for _ in range(3):
                producer.send(lake.topic("transactions"), kind, partition=0)
            if kind == b"kept":
                producer.commit_transaction()
            else:
                producer.flush()
                producer.abort_transaction()
        producer.begin_transaction()
        producer.send(lake.topic("transactions"), b"open", partition=0).get(20)
        # Nine records and three markers; the open transaction is above the last stable offset.
        answer = lake.load()
        producer.abort_transaction()
    assert answer.code == 0, answer.text
    assert lake.offsets("codecs") == every(20 * len(codecs))
    values = lake.sql(
        f"select cast(value as string), count(*) from {lake.table('transactions')} group by 1"
    )
    assert [tuple(row) for row in values] == [("kept", 6)]
    assert "0:0-11, 6 records" in text_of(answer)
    assert "6 offsets without a record" in text_of(answer)
    # Only an aborted record and its marker are left: offsets without records, no error and no loss.
    answer = lake.load()
    assert answer.code == 0, answer.text
    assert "0:12-13, 0 records" in text_of(answer)
    assert "0 records in 0 batches" in text_of(lake.load())


# --- run, plan, status


def test_plan_says_what_run_does_and_changes_nothing(lake: Lake) -> None:
    lake.make("a", partitions=2)
    lake.make("b")
    lake.configure("a", "b", "missing")
    lake.sql(f"drop schema {lake.schema}")
    lake.produce("a", 5, 0)
    lake.produce("a", 7, 1)
    note = f"topic {lake.topic('missing')} of [kafka.default] does not exist yet"
    planned = lake.load("plan")
    assert planned.code == 0, planned.text
    assert f"load {lake.table('a')} batch 1: {lake.topic('a')} 0:0-4 1:0-6" in planned.out
    assert note in planned.out
    assert lake.sql(f"show schemas like '{lake.schema}'") == []
    ran = lake.load()
    assert ran.code == 0, ran.text
    assert f"{lake.table('a')} batch 1: {lake.topic('a')} 0:0-4 1:0-6, 12 records" in ran.out
    assert note in ran.out
    # A topic without records has its table, too.
    assert lake.offsets("b") == []
    assert lake.offsets("a") == every(5) + every(7, 1)

    again = lake.load()
    assert again.code == 0
    assert "0 records in 0 batches" in again.out
    # The ledger has the first offsets of a topic that was empty when it was first seen.
    assert lake.states() == [("a", 1, "committed"), ("b", 1, "committed")]

    lake.admin.create_partitions({lake.topic("a"): 3})
    lake.produce("a", 4, 0)
    lake.produce("a", 2, 2)
    status = lake.load("status", COLUMNS=200)
    assert status.code == 0, status.text
    lines = [line.split()[:8] for line in status.out.splitlines() if lake.topic("a") in line]
    # The age of the oldest record that is not loaded, in seconds or minutes.
    assert [re.sub(r"^[\d.]+(s|min)$", "young", line.pop(6)) for line in lines] == [
        "young",
        "-",
        "young",
    ]
    assert lines == [
        [lake.table("a"), lake.topic("a"), "0", "5", "9", "4", "1"],
        [lake.table("a"), lake.topic("a"), "1", "7", "7", "0", "1"],
        [lake.table("a"), lake.topic("a"), "2", "-", "2", "2", "1"],
    ]
    assert lake.load().code == 0
    assert lake.offsets("a") == every(9) + every(7, 1) + every(2, 2)


# --- exactly once

KILLS = ("surveyed", "planned", "writing", "written")


def test_kills_at_any_step_leave_every_record_once(lake: Lake, killed: Kill) -> None:
    lake.make("a", "b", "c", "d", partitions=2)
    lake.configure("a", "b", "c", "d", c="b")  # b and c share a table
    total = 0
    for moment in KILLS:
        for topic in "abc":
            lake.produce(topic, 5_000, 0)
            lake.produce(topic, 50, 1)
        total += 5_000
        assert killed(lake, moment) == -9, moment
    answer = lake.load()
    assert answer.code == 0, answer.text
    expected = every(total) + every(50 * len(KILLS), 1)
    for topic, table in (("a", "a"), ("b", "b"), ("c", "b")):
        assert lake.offsets(table, topic) == expected, topic
    assert {state for *_, state in lake.states()} == {"committed"}
    counted = lake.sql(f"select sum(records), count_if(closed_by <> owner) from {lake.ledger}")
    assert counted[0][0] == 3 * len(expected)
    assert counted[0][1] > 0, "no batch was taken over: the kills came too late"


@pytest.mark.exhaustive
def test_a_decision_that_was_killed_is_finished_once_or_asked_for_again(
    lake: Lake, killed: Kill
) -> None:
    """`adopt`, `replay` and `accept` are batches like any other at each step of the protocol."""
    lake.make("a")
    lake.configure("a")
    lake.produce("a", 20)
    topic = lake.topic("a")
    place = TopicPartition(topic, 0)
    with closing(KafkaConsumer(bootstrap_servers=lake.servers, group_id=f"{lake.name}-old")) as old:
        old.assign([place])
        old.commit({place: OffsetAndMetadata(6, "", -1)})
    adopt = ("adopt", "--group", f"{lake.name}-old")
    assert killed(lake, "surveyed", *adopt) == -9
    assert lake.states() == []
    assert killed(lake, "written", *adopt) == -9
    assert lake.states() == [("a", 1, "planned")]
    # The next run finishes an unfinished decision as it was made, before it loads anything.
    again = lake.load(*adopt)
    assert again.code == 2
    assert (
        f"Batch 1 of {lake.table('a')} is unfinished; `python -m loader --config {lake.config} run`"
        in text_of(again)
    )
    assert lake.load().code == 0
    assert lake.offsets("a") == every(20, start=6)

    for moment in ("planned", "writing", "written"):
        assert killed(lake, moment, "replay", "--topic", topic, "--from", "0:10") == -9
        assert f"finishing batch {len(lake.states())} of {lake.table('a')}" in lake.load().out
    assert lake.offsets("a") == sorted(every(20, start=6) + 3 * every(20, start=10))

    lake.produce("a", 10)
    lake.admin.delete_records({place: 25})
    accept = ("accept", "--topic", topic, "--lost", "0:20-24")
    assert killed(lake, "surveyed", *accept) == -9
    assert killed(lake, "written", *accept) == -9
    assert lake.load(*accept).code == 2
    assert killed(lake, "closed") == -9, "a run, which finishes it"
    assert lake.load().code == 0
    assert lake.ranges("a") == [
        (1, "adopt", 0, 6, 6),
        (2, "load", 0, 6, 20),
        *((batch_id, "replay", 0, 10, 20) for batch_id in (3, 4, 5)),
        (6, "accept", 0, 25, 25),
        (7, "load", 0, 25, 30),
    ]
    gaps = lake.sql(f"select batch_id, gaps.reason from {lake.ledger} where size(gaps) > 0")
    assert [row[0] for row in gaps] == [6]
    assert {state for *_, state in lake.states()} == {"committed"}
    assert lake.load("verify", "--full").code == 0


def test_a_kill_before_group_offsets_are_committed_leaves_every_record_once(
    lake: Lake, killed: Kill
) -> None:
    """The ledger alone decides the position of a topic; the group gets the offsets with the next
    batch.
    """
    lake.make("a")
    lake.configure("a")
    place = TopicPartition(lake.topic("a"), 0)

    def committed() -> int | None:
        group = KafkaConsumer(bootstrap_servers=lake.servers, group_id="lacustre-loader")
        with closing(group):
            offset: int | None = group.committed(place)
            return offset

    lake.produce("a", 10)
    assert killed(lake, "closed") == -9
    assert lake.states() == [("a", 1, "committed")]
    assert committed() is None
    assert "0 records in 0 batches" in lake.load().out
    lake.produce("a", 5)
    assert lake.load().code == 0
    assert lake.offsets("a") == every(15)
    assert committed() == 15


@pytest.mark.exhaustive
def test_a_table_that_a_dead_spark_left_half_made_is_taken_over(lake: Lake, stack: Stack) -> None:
    """Its folder has an empty log or its first commit, and the metastore does not
    have the table.
    """
    home = stack.directory / "warehouse" / f"{lake.schema}.db"
    for name in ("batches", "begun"):
        (home / name / "_delta_log" / "_staged_commits").mkdir(parents=True)
    lake.make("whole", "begun", "committed", "used")
    lake.configure("whole")
    lake.produce("whole", 10)
    answer = lake.load()
    assert answer.code == 0, answer.text
    log = home / "committed" / "_delta_log"
    log.mkdir(parents=True)
    first = (home / "whole" / "_delta_log" / f"{0:020}.json").read_text(encoding="utf-8")
    (log / f"{0:020}.json").write_text(
        re.sub(r'"id":"[0-9a-f-]{36}"', f'"id":"{uuid.uuid4()}"', first), encoding="utf-8"
    )
    shutil.copytree(home / "whole", home / "used")
    topics = ("whole", "begun", "committed", "used")
    lake.configure(*topics)
    for topic in topics[1:]:
        lake.produce(topic, 10)
    answer = lake.load()
    assert answer.code == 2, answer.text
    assert (
        f"Table {lake.table('used')} is not in the metastore, but file:{home}/used holds one that "
        f"was in use. To go on with it, run `create table {lake.table('used')} using delta "
        f"location 'file:{home}/used'` in Spark; else move the folder away. Then run again."
        in text_of(answer)
    )
    (home / "used").rename(home.parent / "moved away")
    answer = lake.load()
    assert answer.code == 0, answer.text
    for topic in topics:
        assert lake.offsets(topic) == every(10), topic
        for what in ("describe", "show tblproperties"):
            made, usual = (lake.sql(f"{what} {lake.table(name)}") for name in (topic, "whole"))
            assert made == usual, topic


def test_a_kill_seen_from_outside_leaves_every_record_once(lake: Lake, stack: Stack) -> None:
    topics = ["a", "b"]
    lake.make(*topics)
    lake.configure(*topics)
    for topic in topics:
        lake.produce(topic, 1)
    assert lake.load().code == 0
    for topic in topics:
        lake.produce(topic, 150_000)  # long enough to be killed during the write
    folder = stack.directory / "warehouse" / f"{lake.schema}.db" / "a"
    before = set(folder.glob("*.parquet"))
    assert before
    command = [sys.executable, "-m", "loader", "--config", str(lake.config)]
    environ = {**os.environ, **stack.env()}
    with subprocess.Popen(
        command, cwd=ROOT, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        # Look into the folder, because a query would wait until the write ends.
        while set(folder.glob("*.parquet")) == before:
            assert process.poll() is None, "it ended before it was seen to write"
            time.sleep(0.01)
        process.kill()
    assert process.returncode == -9
    assert ("a", 2, "planned") in lake.states()
    # Immediately, while the server may still write for the dead client.
    answer = lake.load()
    assert answer.code == 0, answer.text
    assert "finishing batch 2 of" in answer.out
    for topic in topics:
        assert lake.offsets(topic) == every(150_001)
    assert {state for *_, state in lake.states()} == {"committed"}


@pytest.mark.exhaustive
def test_a_loop_goes_on_when_the_server_dropped_its_session(
    lake: Lake, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the server does with a session that is unused for an hour."""
    lake.make("a")
    lake.configure("a")
    lake.produce("a", 5)
    for key, value in stack.env().items():
        monkeypatch.setenv(key, value)
    sessions: list[SparkSession] = []
    real = spark_session.connect

    def connect(settings: Settings, *, small: bool = False) -> SparkSession:
        session = real(settings, small=small)
        if not small:
            sessions.append(session)
        return session

    monkeypatch.setattr(spark_session, "connect", connect)
    stop, landed = threading.Event(), [0]

    def ended(outcome: Outcome) -> None:
        landed[0] += sum(batch.records or 0 for batch in outcome.batches)
        if landed[0] == 5 and outcome.batches:
            sessions[0].client.release_session()
            lake.produce("a", 7)
        if landed[0] == 12:
            stop.set()

    limit = threading.Timer(120, stop.set)
    limit.start()
    repeat(load(lake.config), lambda _: None, lambda _: None, ended, every=0.1, stop=stop)
    limit.cancel()
    assert len(sessions) == 2
    assert lake.offsets("a") == every(12)


def test_three_loaders_at_once_land_every_record_once(lake: Lake, stack: Stack) -> None:
    topics = ["a", "b", "c"]
    lake.make(*topics)
    lake.configure(*topics)
    for topic in topics:
        lake.produce(topic, 3_000)
    command = [sys.executable, "-m", "loader", "--config", str(lake.config)]
    environ = {**os.environ, **stack.env()}
    # The first runs, so they also race to create the tables and the ledger.
    loaders = [
        subprocess.Popen(
            command,
            cwd=ROOT,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(3)
    ]
    answers = [(each.communicate(timeout=300)[0], each.returncode) for each in loaders]
    for text, code in answers:
        assert code in (0, 4), text
        assert "Traceback" not in text
        assert (code == 4) == ("Another loader (" in text), text
    for topic in topics:
        assert lake.offsets(topic) == every(3_000)
    assert lake.states() == [(topic, 1, "committed") for topic in topics]


def test_an_unfinished_batch_goes_on_from_its_stored_range(lake: Lake, loader: Open) -> None:
    """Each table stops between two steps; then its topics change, and a run follows."""
    names = ("plan", "write", "gone", "remade", "stored", "alive")
    lake.make(*names)
    lake.configure(*names)
    for name in names:
        lake.produce(name, 10)
    dead = loader()
    me = dead.ledger.owner
    dead.ledger.owner = "elsewhere/1/1/x"
    survey = dead.survey()
    assert survey.errors == []
    ours, fenced = dead.ledger.propose(survey.batches)
    assert (len(ours), fenced) == (len(names), [])
    by_name = {batch.table_name.split(".")[1]: batch for batch in ours}
    for name in ("write", "stored"):
        dead.write([by_name[name]], [])
    lake.sql(f"update {lake.ledger} set owner = '{me}' where table_name = '{lake.table('alive')}'")
    assert lake.states() == [(name, 1, "planned") for name in sorted(names)]

    lake.produce("plan", 5)
    lake.produce("write", 5)
    lake.delete("gone")
    for name in ("remade", "stored"):
        lake.delete(name)
        lake.make(name)
        lake.produce(name, 25)
    answer = lake.load()

    assert answer.code in (3, 4), answer.text
    text = text_of(answer)
    for name in ("plan", "write"):
        assert lake.offsets(name) == every(15)
    assert lake.sql(
        f"select batch_id, min(offset), max(offset) from {lake.table('plan')} group by 1 order by 1"
    ) == [(1, 0, 9), (2, 10, 14)]
    # A topic was deleted, or created again: no record of it lands under the old plan.
    assert f"Topic {lake.topic('gone')} does not exist any more" in text
    assert f"Topic {lake.topic('remade')} was deleted and made again" in text
    assert lake.offsets("gone") == lake.offsets("remade") == []
    # Records that were written before are closed; only later ones are refused.
    assert f"Topic {lake.topic('stored')} was deleted and made again" in text
    assert lake.offsets("stored") == every(10)
    # The owner is this process, which runs.
    assert f"Another loader ({me}) has batch 1 of {lake.table('alive')}" in text
    assert lake.offsets("alive") == []
    states = {name: state for name, number, state in lake.states() if number == 1}
    assert states == {
        "plan": "committed",
        "write": "committed",
        "stored": "committed",
        "gone": "planned",
        "remade": "planned",
        "alive": "planned",
    }
    # The owner itself may finish the batch, as a loop in one process does.
    dead.ledger.owner = me
    outcome = dead.round(lambda landed: None, lambda note: None)
    assert lake.offsets("alive") == every(10)
    assert {type(error) for error in outcome.errors} == {DataLoss}


def test_of_two_loaders_with_one_plan_one_is_fenced(lake: Lake, loader: Open) -> None:
    lake.make("a")
    lake.configure("a")
    lake.produce("a", 10)
    one, two = loader(), loader()
    two.ledger.owner += "-two"
    survey, late = one.survey(), two.survey()
    lake.produce("a", 10)
    ours, fenced = one.ledger.propose(survey.batches)
    assert (len(ours), fenced) == (1, [])
    theirs, fenced = two.ledger.propose(late.batches)
    assert theirs == []
    assert [type(error) for error in fenced] == [Fenced]
    # A loader that was thought dead writes and closes, and so does its successor.
    written = one.write(ours, [])
    assert two.write(ours, [])[0].records == 10
    assert two.ledger.close(written) == (written, [])
    closed, fenced = one.ledger.close(written)
    assert closed == []
    assert [type(error) for error in fenced] == [Fenced]
    assert lake.offsets("a") == every(10)


# --- loss is loud


def test_loss_stops_its_topic_and_no_other(lake: Lake) -> None:
    names = ("fine", "trimmed", "remade", "gone", "dropped", "redone")
    lake.make(*names)
    lake.configure(*names)
    for name in names:
        lake.produce(name, 10)
    assert lake.load().code == 0
    for name in ("fine", "trimmed", "redone"):
        lake.produce(name, 20)
    lake.admin.delete_records({TopicPartition(lake.topic("trimmed"), 0): 17})
    lake.delete("remade")
    lake.make("remade")
    lake.produce("remade", 40)
    lake.delete("gone")
    lake.sql(f"drop table {lake.table('dropped')}")
    lake.sql(f"create table {lake.schema}.other like {lake.table('redone')}")
    lake.sql(f"drop table {lake.table('redone')}")
    lake.sql(f"alter table {lake.schema}.other rename to {lake.table('redone')}")

    planned, answer = lake.load("plan"), lake.load()
    assert (planned.code, answer.code) == (3, 3), answer.text
    for text in (text_of(planned), text_of(answer)):
        assert (
            f"Topic {lake.topic('trimmed')} partition 0: 7 records are lost. Offset 10 is next "
            f"for {lake.table('trimmed')}, but the earliest that Kafka still holds is 17" in text
        )
        assert f"Topic {lake.topic('remade')} was deleted and made again" in text
        assert f"Topic {lake.topic('gone')} does not exist any more" in text
        assert f"Table {lake.table('dropped')} was dropped (" in text
        assert f"Table {lake.table('redone')} was dropped and made again (" in text
        assert "Traceback" not in text
    assert lake.offsets("fine") == every(30)
    for name in ("trimmed", "remade", "gone"):
        assert lake.offsets(name) == every(10)
    assert lake.offsets("redone") == []
    # Not created again: that would hide the loss.
    assert lake.sql(f"show tables in {lake.schema} like 'dropped'") == []


def test_a_lost_ledger_does_not_hide_new_records(lake: Lake) -> None:
    # Delta would skip the new batch 1, because the table has the mark of a batch 1.
    lake.make("a")
    lake.configure("a")
    lake.produce("a", 10)
    assert lake.load().code == 0
    lake.sql(f"drop table {lake.ledger}")
    lake.produce("a", 10)
    answer = lake.load()
    assert answer.code == 3
    assert f"Table {lake.table('a')} holds batch 1, but {lake.ledger} knows no batch of it" in (
        text_of(answer)
    )
    assert lake.states() == []


# --- what is wrong around it


def test_a_table_that_cannot_be_written_stops_no_other(lake: Lake) -> None:
    lake.make("bad", "good", "marks", "view")
    lake.configure("bad", "good", "marks", "view")
    for topic in ("bad", "good", "marks", "view"):
        lake.produce(topic, 10)
    lake.sql(f"create table {lake.table('bad')} (batch_id bigint, key map<int, int>) using delta")
    lake.sql(f"create view {lake.table('view')} as select 1 as one")
    lake.sql(
        f"create table {lake.table('marks')} (batch_id bigint) using delta tblproperties "
        "('delta.setTransactionRetentionDuration' = 'interval 1 days')"
    )
    answer = lake.process()
    assert answer.code in (2, 5), answer.text
    text = text_of(answer)
    assert f"Batch 1 of {lake.table('bad')} could not be written: " in text
    assert f"Table {lake.table('marks')} has the property delta.setTransactionRetention" in text
    assert f"Table {lake.table('view')}" in text
    assert "Traceback" not in text
    assert "JVM stacktrace" not in text
    assert lake.offsets("good") == every(10)
    assert lake.states() == [("bad", 1, "planned"), ("good", 1, "committed")]
    # After the table is repaired, the batch is finished.
    lake.sql(
        f"alter table {lake.table('bad')} set tblproperties ('delta.minReaderVersion' = '2', "
        "'delta.minWriterVersion' = '5', 'delta.columnMapping.mode' = 'name')"
    )
    lake.sql(f"alter table {lake.table('bad')} drop column key")
    lake.load()
    assert lake.offsets("bad") == every(10)


def test_a_kafka_that_is_down_stops_no_other_source(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a\n1\n", encoding="utf-8")
    lake.config.write_text(
        f"""
        ledger = "{lake.ledger}"
        [kafka.down]
        bootstrap_servers = "127.0.0.1:1"
        request_timeout_seconds = 3
        topics = [{{topic = "t", table = "{lake.table("t")}"}}]
        [files.here]
        path = "{tmp_path}/*.csv"
        table = "{lake.table("x")}"
        [files.unset]
        path = "${{LACUSTRE_NO_SUCH_VARIABLE}}/*.csv"
        table = "{lake.table("y")}"
        [files.nowhere]
        path = "{tmp_path}/none/*.csv"
        table = "{lake.table("z")}"
        """,
        encoding="utf-8",
    )
    begin = time.monotonic()
    answer = lake.load()
    assert time.monotonic() - begin < 40
    assert answer.code == 5
    assert "Kafka cluster [kafka.down] at 127.0.0.1:1 does not answer" in answer.err
    assert "[files.nowhere] finds no file at" in answer.err
    assert "[files.unset] skipped: LACUSTRE_NO_SUCH_VARIABLE is not set" in answer.out
    assert lake.sql(f"select a from {lake.table('x')}") == [("1",)]
    assert len(answer.err.strip().splitlines()) == 2, answer.err


def test_a_spark_that_is_down_is_a_sentence(lake: Lake) -> None:
    lake.configure()
    begin = time.monotonic()
    answer = lake.load("status", SPARK_REMOTE="sc://127.0.0.1:1")
    assert time.monotonic() - begin < 40
    assert answer.code == 5
    assert answer.err.startswith("error: Spark Connect at 127.0.0.1:1 does not answer")
    assert len(answer.err.strip().splitlines()) == 1


# --- files


def test_files_land_as_text_and_again_when_they_change(lake: Lake, tmp_path: Path) -> None:
    folder = tmp_path / "Städte [1] & co"
    folder.mkdir()
    path = folder / "Park.csv"
    lines = [
        "\ufeffCode INSEE;Straße;note",
        '01004;"Rue; d\'été";"say ""hi"" \\ "',
        "01005;only two",
        "01006;a;b;too many",
        ";;",
    ]
    path.write_bytes("\r\n".join([*lines, ""]).encode())
    (folder / "empty.csv").write_bytes(b"")
    (folder / "header.csv").write_bytes(b"a;b\n")
    tail = f"""
        [files.park]
        path = '{tmp_path}/St*/*.csv'
        table = "{lake.schema}.p_{{name}}"
        delimiter = ";"
    """
    lake.configure(tail=tail)
    answer = lake.load(TZ="America/New_York")
    assert answer.code == 0, answer.text
    columns = "batch_id, code_insee, `straße`, note, corrupt_record"
    select = f"select {columns} from {lake.schema}.p_park order by batch_id, code_insee"
    rows = [
        (1, None, None, None, None),
        (1, "01004", "Rue; d'été", 'say "hi" \\ ', None),
        (1, "01005", "only two", None, "01005;only two"),
        (1, "01006", "a", "b", "01006;a;b;too many"),
    ]
    assert [tuple(row) for row in lake.sql(select)] == rows
    # Spark does not list an empty file.
    assert lake.sql(f"show tables in {lake.schema} like 'p_empty'") == []
    assert lake.sql(f"select a, b from {lake.schema}.p_header") == []

    os.utime(path, (1, 1))
    again = lake.load(TZ="America/New_York")
    assert (again.code, "0 records in 0 batches" in again.out) == (0, True), again.text

    path.write_bytes("\r\n".join([lines[0] + ";new", "01007;a;b;c"]).encode())
    assert lake.load().code == 0
    changed = f"select batch_id, code_insee, new, file_path from {lake.schema}.p_park"
    assert [tuple(row) for row in lake.sql(f"{changed} where batch_id > 1")] == [
        (2, "01007", "c", f"file:{path}")
    ]
    assert len(lake.sql(select)) == len(rows) + 1


def test_a_file_that_changes_under_the_loader_is_not_taken_for_another(
    lake: Lake, loader: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("before", "during", "gone", "tornado"):
        (tmp_path / f"{name}.csv").write_text("a\nold\n", encoding="utf-8")
    table = f"{lake.schema}.f_{{name}}"
    lake.configure(tail=f'[files.f]\npath = "{tmp_path}/*.csv"\ntable = "{table}"')
    first = loader()
    propose, append = first.ledger.propose, tables.append

    def changed_after_planning(batches: Sequence[Batch]) -> tuple[list[Batch], list[Fenced]]:
        answer = propose(batches)
        (tmp_path / "before.csv").write_text("b\nnew\n", encoding="utf-8")
        (tmp_path / "gone.csv").unlink(missing_ok=True)
        return answer

    def changed_while_reading(rows: DataFrame, batch: Batch, content: Mapping[str, object]) -> None:
        if batch.table_name.endswith("during"):
            (tmp_path / "during.csv").write_text("a\nnew\n", encoding="utf-8")
        append(rows, batch, content)

    with monkeypatch.context() as patch:
        patch.setattr(first.ledger, "propose", changed_after_planning)
        patch.setattr(tables, "append", changed_while_reading)
        outcome = first.round(lambda landed: None, lambda note: None)
    assert outcome.errors == []
    checksums = {
        batch.table_name.split(".f_")[1]: bool(batch.files[0].checksum) for batch in outcome.batches
    }
    assert checksums == {"before": False, "during": False, "gone": False, "tornado": True}
    assert lake.sql(f"select * from {lake.table('f_before')}") == []

    assert lake.load().code == 0
    newest = "select batch_id, {} from {} where batch_id = 2"
    assert lake.sql(newest.format("b", lake.table("f_before"))) == [(2, "new")]
    assert lake.sql(newest.format("a", lake.table("f_during"))) == [(2, "new")]
    assert lake.sql(newest.format("a", lake.table("f_tornado"))) == []
    assert "0 records in 0 batches" in lake.load().out


def test_a_file_may_not_feed_the_table_of_another_section(lake: Lake, tmp_path: Path) -> None:
    lake.make("events")
    (tmp_path / "events.csv").write_text("a\n1\n", encoding="utf-8")
    (tmp_path / "ok.csv").write_text("batch id\n1\n", encoding="utf-8")
    tail = f'[files.f]\npath = "{tmp_path}/*.csv"\ntable = "{lake.schema}.f_{{name}}"'
    lake.configure("events", tail=tail, events="f_events")
    lake.produce("events", 3)
    answer = lake.process()
    assert answer.code == 2
    assert "[files.f] would load file:" in answer.err
    assert "cannot name columns: 'batch_id'" in answer.err
    assert lake.offsets("f_events", "events") == every(3)
    # After the header is corrected, the file lands in a new batch.
    (tmp_path / "ok.csv").write_text("code\n1\n", encoding="utf-8")
    lake.load()
    assert lake.sql(f"select batch_id, code from {lake.table('f_ok')}") == [(2, "1")]
