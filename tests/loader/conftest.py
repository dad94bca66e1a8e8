"""A lake of a test's own: topics, a configuration, a ledger and tables that no other test meets."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient

from loader.run import Loader, opened
from loader.settings import load

ROOT = Path(__file__).resolve().parents[2]


class Lake:
    """Topics are called by short names; ``table("a")`` and ``topic("a")`` say the real ones."""

    def __init__(self, name: str, folder: Path, servers: str, run: Any, sql: Any) -> None:
        self.schema = f"loader_tests_{name}"
        self.name = name
        self.servers = servers
        self.config = folder / "loader.toml"
        self.ledger = f"{self.schema}.batches"
        self._run = run
        self.sql: Callable[[str], Sequence[Sequence[Any]]] = sql
        self.admin = KafkaAdminClient(bootstrap_servers=servers)

    def topic(self, name: str) -> str:
        return f"{self.name}-{name}"

    def table(self, name: str) -> str:
        return f"{self.schema}.{name}"

    def configure(self, *topics: str, tail: str = "", **tables: str) -> None:
        """Load ``topics`` each into its table, or that of ``tables``; ``tail`` is more TOML."""
        lines = [f'ledger = "{self.ledger}"', "[kafka.default]", "request_timeout_seconds = 10"]
        for topic in topics:
            table = self.table(tables.get(topic, topic))
            lines += ["[[kafka.default.topics]]", f'topic = "{self.topic(topic)}"']
            lines.append(f'table = "{table}"')
        self.config.write_text("\n".join([*lines, tail]), encoding="utf-8")

    def make(self, *topics: str, partitions: int = 1) -> None:
        for topic in topics:
            name = self.topic(topic)
            self.admin.create_topics({name: {"num_partitions": partitions}}, wait_for_metadata=True)

    def delete(self, topic: str) -> None:
        self.admin.delete_topics([self.topic(topic)])
        deadline = time.monotonic() + 30
        while self.topic(topic) in self.admin.list_topics():
            assert time.monotonic() < deadline, f"{topic} is still there"
            time.sleep(0.1)

    def produce(self, topic: str, count: int, partition: int = 0, **options: Any) -> None:
        """``count`` records with values that are unique in the test."""
        start = time.monotonic_ns()
        producer = KafkaProducer(bootstrap_servers=self.servers, linger_ms=20, **options)
        with closing(producer):
            for index in range(count):
                value = f"{topic} {start} {index}".encode()
                producer.send(self.topic(topic), value, partition=partition)
            producer.flush()

    def load(self, *arguments: object, **environ: object) -> Any:
        """``python -m loader --config <ours> …``"""
        return self._run("loader", "--config", self.config, *(arguments or ["run"]), **environ)

    def opened(self, remote: str) -> Any:
        return opened(load(self.config).model_copy(update={"spark_remote": remote}))

    def offsets(self, name: str, topic: str | None = None) -> list[tuple[int, int]]:
        """Partition and offset of every row, sorted: what is doubled is there twice."""
        rows = self.sql(
            f"select partition, offset from {self.table(name)} "
            f"where topic = '{self.topic(topic or name)}' order by 1, 2"
        )
        return [tuple(row) for row in rows]

    def states(self) -> list[tuple[str, int, str]]:
        rows = self.sql(f"select table_name, batch_id, state from {self.ledger} order by 1, 2")
        return [(row[0].split(".")[1], row[1], row[2]) for row in rows]


@pytest.fixture
def lake(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    kafka_bootstrap_servers: str,
    run: Any,
    sql: Any,
) -> Iterator[Lake]:
    name = re.sub(r"\W+", "_", request.node.name.removeprefix("test_"))[:40].strip("_").lower()
    instance = Lake(name, tmp_path, kafka_bootstrap_servers, run, sql)
    sql(f"create schema {instance.schema}")
    yield instance
    sql(f"drop schema {instance.schema} cascade")
    with closing(instance.admin):
        mine = [t for t in instance.admin.list_topics() if t.startswith(f"{name}-")]
        if mine:
            instance.admin.delete_topics(mine)


@pytest.fixture
def loader(lake: Lake, stack: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Any]]:
    """Opens a loader within this process, to stop it between two steps of its protocol."""
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", lake.servers)
    contexts = []

    def start() -> Loader:
        context = lake.opened(stack.endpoints.spark_remote)
        contexts.append(context)
        return context.__enter__()

    yield start
    for context in contexts:
        context.__exit__(None, None, None)


# Runs the command line in a process that dies, as of `kill -9`, at one step of the protocol.
_DIES = """
import os, signal, sys, threading
from loader import cli, land, ledger
moment = sys.argv[1]

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def before(owner, name, action=die):
    real = getattr(owner, name)
    def patched(*arguments, **options):
        action()
        return real(*arguments, **options)
    setattr(owner, name, patched)

if moment == "planned":
    before(land, "_append")
elif moment == "writing":
    before(land, "_append", lambda: threading.Timer(0.4, die).start())
elif moment == "written":
    real = ledger.Ledger.close
    ledger.Ledger.close = lambda self, batches: die() if batches else real(self, batches)
sys.argv[1:2] = []
cli.main()
"""


@pytest.fixture
def killed(stack: Any) -> Callable[[Lake, str], int]:
    """Runs a loader that is killed at a moment; its exit status, -9."""

    def kill(lake: Lake, moment: str) -> int:
        return subprocess.run(
            [sys.executable, "-c", _DIES, moment, "--config", str(lake.config), "run"],
            cwd=ROOT,
            env={**os.environ, **stack.env()},
            timeout=300,
            check=False,
            capture_output=True,
        ).returncode

    return kill
