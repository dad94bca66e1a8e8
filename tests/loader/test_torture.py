"""Kills loaders and the server at random times while everything else continues.

Two loaders at once, a producer, aborted transactions, compaction and retention. `make test` runs a
short one; `make torture` a long one (TORTURE_ROUNDS, and TORTURE_SEED to repeat one).
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from contextlib import closing

import pytest
from kafka import KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient

from tests.conftest import ROOT
from tests.loader.conftest import Own

pytestmark = pytest.mark.stack

ROUNDS = int(os.environ.get("TORTURE_ROUNDS", "3"))
SEED = int(os.environ.get("TORTURE_SEED", "0")) or time.time_ns() % 1_000_000
TOPICS = ("plain", "transactions", "compacted", "retained")
PARTITIONS = 2


class Source(threading.Thread):
    """Writes until it is stopped, and records what a reader may see and must see."""

    def __init__(self, servers: str, prefix: str) -> None:
        super().__init__()
        self.servers, self.prefix = servers, prefix
        self.over = threading.Event()
        self.written: dict[str, set[bytes]] = {topic: set() for topic in TOPICS}
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self._write()
        except BaseException as error:
            self.error = error

    def _write(self) -> None:
        plain = KafkaProducer(bootstrap_servers=self.servers, linger_ms=5)
        inside = KafkaProducer(bootstrap_servers=self.servers, transactional_id=self.prefix)
        number = 0
        with closing(plain), closing(inside):
            inside.init_transactions()
            while not self.over.wait(0.05):
                for topic in ("plain", "compacted", "retained"):
                    for _ in range(20):
                        number += 1
                        value = b"%d" % number
                        key = b"%d" % (number % 7) if topic == "compacted" else None
                        place = number % PARTITIONS
                        plain.send(f"{self.prefix}-{topic}", value, key=key, partition=place)
                        self.written[topic].add(value)
                inside.begin_transaction()
                values = {b"t%d" % (number + at) for at in range(20)}
                for value in values:
                    inside.send(f"{self.prefix}-transactions", value, partition=number % PARTITIONS)
                if number % 3:
                    inside.commit_transaction()
                    self.written["transactions"] |= values
                else:
                    inside.flush()
                    inside.abort_transaction()
            plain.flush()


@pytest.mark.exhaustive
def test_every_record_once_whatever_is_killed(own: Own) -> None:
    own.stack.up()
    dice = random.Random(SEED)
    prefix = f"torture{SEED}"
    print(f"TORTURE_SEED={SEED}")
    config = own.folder / "torture.toml"
    lines = [f'ledger = "{prefix}.batches"', "[limits]", "max_records = 20000", "[kafka.default]"]
    for topic in TOPICS:
        # Two of them share a table.
        table = "shared" if topic in ("plain", "transactions") else topic
        lines += ["[[kafka.default.topics]]", f'topic = "{prefix}-{topic}"']
        lines += [f'table = "{prefix}.{table}"']
    config.write_text("\n".join(lines))
    admin = KafkaAdminClient(bootstrap_servers=own.servers)
    compaction = {
        "cleanup.policy": "compact",
        "segment.ms": "200",
        "min.cleanable.dirty.ratio": "0.01",
        "delete.retention.ms": "100",
    }
    for topic in TOPICS:
        configs = compaction if topic == "compacted" else {}
        admin.create_topics(
            {f"{prefix}-{topic}": {"num_partitions": PARTITIONS, "configs": configs}},
            wait_for_metadata=True,
        )
    source = Source(own.servers, prefix)
    source.start()

    def retention() -> None:
        """Retention of loaded records only; more would be a loss, which other tests cover."""
        rows = own.sql(
            f"""select r.partition, max(r.until_offset) from {prefix}.batches
            lateral view explode(ranges) as r
            where topic = '{prefix}-retained' and state = 'committed' group by 1"""
        )
        gone = {TopicPartition(f"{prefix}-retained", row[0]): row[1] for row in rows}
        if gone:
            admin.delete_records(gone)

    def start() -> subprocess.Popen[bytes]:
        words = ("--config", str(config), "run", "--until-caught-up")
        return subprocess.Popen(
            [sys.executable, "-m", "loader", *words],
            cwd=ROOT,
            env=own.environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    try:
        for number in range(ROUNDS):
            loaders = [start(), start()]
            for loader in loaders:
                time.sleep(dice.uniform(1.0, 5.0))  # any moment of the protocol
                loader.kill()
                loader.wait()
            if number % 3 == 2:
                orphan = start()
                time.sleep(dice.uniform(2.0, 6.0))
                own.stack.spark.kill()
                orphan.wait(120)
                own.stack.up()
            elif own.sql(f"show tables in {prefix}" if number else "show schemas") and number:
                retention()
    finally:
        source.over.set()
        source.join()
    assert source.error is None
    last = own.run(config, "run", "--until-caught-up")
    assert last.returncode == 0, last.stdout + last.stderr
    for topic in TOPICS:
        table = "shared" if topic in ("plain", "transactions") else topic
        rows = own.sql(
            f"select partition, offset, cast(value as string) from {prefix}.{table} "
            f"where topic = '{prefix}-{topic}'"
        )
        places = [(row[0], row[1]) for row in rows]
        assert len(places) == len(set(places)), f"{topic} has a record twice"
        values = {row[2].encode() for row in rows}
        if topic == "compacted":
            assert values <= source.written[topic]
            newest = {int(value) % 7: value for value in sorted(source.written[topic], key=int)}
            assert set(newest.values()) <= values
        else:
            assert values == source.written[topic], topic
    states = own.sql(f"select state, count(*) from {prefix}.batches group by 1")
    assert [row[0] for row in states] == ["committed"]
    checked = own.run(config, "verify", "--full")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    admin.close()
