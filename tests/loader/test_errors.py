"""Errors on real servers that no other test covers: each says what happened,
where and what to do.
"""

from __future__ import annotations

import re
import time
from contextlib import closing

import pytest
from kafka import KafkaConsumer

from loader.errors import Bug
from tests.loader.conftest import Lake, Open, every, text_of

pytestmark = pytest.mark.stack


def test_a_table_that_is_not_the_loaders_is_refused(lake: Lake) -> None:
    lake.make("a", "b")
    lake.configure("a", "b")
    lake.produce("a", 5)
    lake.produce("b", 5)
    lake.sql(f"create table {lake.table('a')} (x int) using parquet")
    answer = lake.load()
    assert answer.code == 2, answer.text
    assert (
        f"Table {lake.table('a')} exists, but is no Delta table; name another in loader.toml."
        in text_of(answer)
    )
    assert lake.offsets("b") == every(5)
    lake.sql(f"drop table {lake.ledger}")
    lake.sql(f"create table {lake.ledger} (table_name string, state string) using delta")
    answer = lake.load()
    assert answer.code == 2, answer.text
    assert (
        f"Table {lake.ledger} is no ledger of this version of the loader; name another ledger (and "
        "other raw tables) in loader.toml, or start with an empty lake." in text_of(answer)
    )


def test_rows_and_ledgers_changed_by_hand_are_told_and_nothing_is_marked_as_done(
    lake: Lake, loader: Open
) -> None:
    lake.make("a", "b")
    lake.configure("a", "b")
    lake.produce("a", 10)
    lake.produce("b", 10)
    dead = loader()
    dead.ledger.owner = "elsewhere/1/1/x"
    ours, _ = dead.ledger.propose(dead.survey().batches)
    lake.sql(
        f"insert into {lake.table('a')} (batch_id, topic, partition, offset) "
        f"values (1, '{lake.topic('a')}', 0, 99)"
    )
    written = dead.write([batch for batch in ours if batch.table_name == lake.table("b")], [])
    lake.sql(f"delete from {lake.ledger} where table_name = '{lake.table('b')}'")
    with pytest.raises(Bug) as caught:
        dead.ledger.close(written)
    assert str(caught.value) == (
        f"Batch 1 of {lake.table('b')} did not close: its row in {lake.ledger} is gone or was "
        "changed by hand. Its data is in the table."
    )
    answer = lake.load()
    assert answer.code == 6, answer.text
    assert (
        f"Batch 1 of {lake.table('a')} holds 1 records of {lake.topic('a')} partition 0, offsets "
        "99 to 99, but 0 to 9 were planned. The batch stays open in the ledger." in text_of(answer)
    )
    assert lake.states() == [("a", 1, "planned")]


def test_an_unfinished_batch_that_loader_toml_no_longer_has_is_not_hidden(
    lake: Lake, loader: Open
) -> None:
    lake.make("a", "b", "c")
    lake.configure("a", "b", "c", b="a")
    for topic in "abc":
        lake.produce(topic, 10)
    dead = loader()
    dead.ledger.owner = "elsewhere/1/1/x"
    dead.ledger.propose(dead.survey().batches)
    whole = lake.config.read_text()

    # First b's part of a table that continues, and the whole of c's; then all.
    for left, missing in ((("a",), "bc"), ((), "abc")):
        lake.configure(*left)
        answer = lake.load()
        assert answer.code == 2, answer.text
        for topic in missing:
            table = lake.table("c" if topic == "c" else "a")
            assert (
                f"Batch 1 of {table} is unfinished and reads topic {lake.topic(topic)}, which "
                "[kafka.default] does not have any more; put it back until the batch is finished."
                in text_of(answer)
            )
    lake.config.write_text(whole.replace("kafka.default", "kafka.renamed"))
    answer = lake.load()
    assert answer.code == 2, answer.text
    assert (
        f"Batch 1 of {lake.table('c')} is unfinished and comes from [kafka.default], which "
        "loader.toml does not have any more; put the section back until the batch is finished."
        in text_of(answer)
    )
    assert lake.offsets("a") == lake.offsets("c") == []
    lake.config.write_text(whole)
    assert lake.load().code == 0
    for table, topic in (("a", "a"), ("a", "b"), ("c", "c")):
        assert lake.offsets(table, topic) == every(10)


def test_a_group_that_others_use_does_not_stop_a_load(lake: Lake) -> None:
    """Kafka refuses an offset commit from outside of a group that has members."""
    lake.make("a")
    lake.configure("a")
    lake.produce("a", 10)
    group = f"{lake.name}-busy"
    with closing(KafkaConsumer(bootstrap_servers=lake.servers, group_id=group)) as member:
        # A member that joins before it has the topic's metadata gets no partitions for minutes.
        member.topics()
        member.subscribe([lake.topic("a")])
        deadline = time.monotonic() + 120
        while not member.assignment():
            assert time.monotonic() < deadline
            member.poll(timeout_ms=200)
        answer = lake.load("--set", f"kafka.default.group_id={group}", "run")
    assert answer.code == 0, answer.text
    assert re.search(
        rf"note: the offsets of consumer group {group} were not committed: \S+", text_of(answer)
    )
    assert lake.offsets("a") == every(10)
