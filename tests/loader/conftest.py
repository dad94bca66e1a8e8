"""A lake per test: topics, a configuration, a ledger and tables that no other test uses."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

import psutil
import pymysql
import pytest
import trustme
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives import serialization
from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient
from kafka.errors import InvalidReplicationAssignmentError, UnknownBrokerIdError

import stack.kafka
from loader import cli
from loader.configuration import load
from loader.repeat import opened
from loader.round import Loader
from stack import Stack
from stack.ports import accepts_connections
from stack.sql import Client
from tests.conftest import (
    PLANTED,
    QUICK_START,
    ROOT,
    STACK_ENVIRON,
    Answer,
    Rows,
    Run,
    Source,
    Sql,
    free_port,
)


def every(until: int, partition: int = 0, start: int = 0) -> list[tuple[int, int]]:
    """Partition and offset of each record from ``start`` to ``until``."""
    return [(partition, offset) for offset in range(start, until)]


Done = Answer | subprocess.CompletedProcess[str] | Result


def text_of(answer: Done) -> str:
    """The output of a command (in this process or its own) in one line."""
    if isinstance(answer, subprocess.CompletedProcess):
        said = answer.stdout + answer.stderr
    else:
        said = answer.output if isinstance(answer, Result) else answer.text
    return re.sub(r"\s+", " ", said)


def commands_of(answer: Done) -> list[list[str]]:
    """The words of each `accept` or `withdraw` command in the output."""
    named = re.findall(
        r"`python -m loader --config \S+ ((?:accept|withdraw) [^`]*)`", text_of(answer)
    )
    return [shlex.split(each) for each in named]


class Lake:
    """Topics have short names; ``table("a")`` and ``topic("a")`` return the real ones."""

    def __init__(self, name: str, folder: Path, servers: str, run: Run, sql: Sql) -> None:
        self.schema = f"loader_tests_{name}"
        self.name = name
        self.servers = servers
        self.config = folder / "loader.toml"
        self.ledger = f"{self.schema}.batches"
        self._run = run
        self.sql = sql
        self.admin = KafkaAdminClient(bootstrap_servers=servers)

    def topic(self, name: str) -> str:
        return f"{self.name}-{name}"

    def table(self, name: str) -> str:
        return f"{self.schema}.{name}"

    def configure(self, *topics: str, tail: str = "", **tables: str) -> None:
        """Configure ``topics``, each with its own table or the one in ``tables``; ``tail`` is more
        TOML.
        """
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
        """Send ``count`` records whose values are unique in the test."""
        start = time.monotonic_ns()
        producer = KafkaProducer(bootstrap_servers=self.servers, linger_ms=20, **options)
        with closing(producer):
            for index in range(count):
                value = f"{topic} {start} {index}".encode()
                producer.send(self.topic(topic), value, partition=partition)
            producer.flush()

    def load(self, *arguments: object, **environ: object) -> Answer:
        """``python -m loader --config <ours> …`` (by default ``run``) in this process, which saves
        the start and the imports. With variables it runs as a ``process``.
        """
        if environ:
            return self.process(*arguments, **environ)
        done = self.command(*(arguments or ["run"]))
        return Answer(done.exit_code, done.stdout, done.stderr)

    def process(self, *arguments: object, **environ: object) -> Answer:
        """The same as a process. It has ended afterwards, so the next run takes over its planned
        batches.
        """
        words = arguments or ["run"]
        return self._run("loader", "--config", self.config, *words, **environ)

    def command(self, *arguments: object) -> Result:
        """The same in this process; returns the result of click's runner."""
        words = ["--config", str(self.config), *(str(each) for each in arguments)]
        return CliRunner().invoke(cli.main, words, catch_exceptions=False)

    def ranges(self, name: str) -> list[tuple[int, str, int, int, int]]:
        """Batch, kind, partition, from and until of each ledger row of a table."""
        return self.sql(
            f"""select batch_id, kind, range.partition, range.from_offset, range.until_offset
            from {self.ledger} lateral view explode(ranges) as range
            where table_name = '{self.table(name)}' order by 1, 3"""
        )

    def opened(self, remote: str) -> AbstractContextManager[Loader]:
        return opened(load(self.config).model_copy(update={"spark_remote": remote}))

    def offsets(self, name: str, topic: str | None = None) -> list[tuple[int, int]]:
        """Partition and offset of every row, sorted; a duplicate row is listed twice."""
        return self.sql(
            f"select partition, offset from {self.table(name)} "
            f"where topic = '{self.topic(topic or name)}' order by 1, 2"
        )

    def states(self) -> list[tuple[str, int, str]]:
        rows = self.sql(f"select table_name, batch_id, state from {self.ledger} order by 1, 2")
        return [(row[0].split(".")[1], row[1], row[2]) for row in rows]


@pytest.fixture
def lake(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    kafka_bootstrap_servers: str,
    run: Run,
    sql: Sql,
    stack: Stack,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Lake]:
    for key, value in stack.env().items():
        monkeypatch.setenv(key, value)
    name = re.sub(r"\W+", "_", request.node.name.removeprefix("test_"))[:16].strip("_").lower()
    name += f"_{zlib.crc32(request.node.name.encode()) % 1000}"
    instance = Lake(name, tmp_path, kafka_bootstrap_servers, run, sql)
    sql(f"create schema {instance.schema}")
    yield instance
    sql(f"drop schema {instance.schema} cascade")
    with closing(instance.admin):
        mine = [t for t in instance.admin.list_topics() if t.startswith(f"{name}-")]
        if mine:
            instance.admin.delete_topics(mine)


Open = Callable[[], Loader]  # the fixture `loader`


class Kill(Protocol):
    """The fixture `killed`."""

    def __call__(self, lake: Lake, moment: str, *words: str) -> int: ...


@pytest.fixture
def loader(lake: Lake, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Opens a loader in this process, so that a test can stop it between two
    steps of its protocol.
    """
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", lake.servers)
    contexts = []

    def start() -> Loader:
        context = lake.opened(stack.endpoints.spark_remote)
        contexts.append(context)
        return context.__enter__()

    yield start
    for context in contexts:
        context.__exit__(None, None, None)


# Runs the command line in a process that kills itself with SIGKILL at one step of the protocol.
_DIES = """
import os, signal, sys, threading
from loader import cli, round
from loader.lake import ledger, tables
moment = sys.argv[1]

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def before(owner, name, action=die):
    real = getattr(owner, name)
    def patched(*arguments, **options):
        action()
        return real(*arguments, **options)
    setattr(owner, name, patched)

if moment == "surveyed":
    before(ledger.Ledger, "propose")
elif moment == "planned":
    before(tables, "append")
elif moment == "writing":
    before(tables, "append", lambda: threading.Timer(0.4, die).start())
elif moment == "written":
    real = ledger.Ledger.close
    ledger.Ledger.close = lambda self, *rows: die() if rows[0] else real(self, *rows)
elif moment == "closed":
    before(round.Loader, "follow")
sys.argv[1:2] = []
cli.main()
"""


@pytest.fixture
def killed(stack: Stack) -> Kill:
    """Runs a loader (``run`` or another command) that is killed at a step; returns its exit status,
    -9.
    """

    def kill(lake: Lake, moment: str, *words: str) -> int:
        command = words or ("run",)
        return subprocess.run(
            [sys.executable, "-c", _DIES, moment, "--config", str(lake.config), *command],
            cwd=ROOT,
            env={**os.environ, **stack.env()},
            timeout=300,
            check=False,
            capture_output=True,
        ).returncode

    return kill


# --- a stack that may be killed

PASSWORD = "correct-horse-battery"
JAAS = "org.apache.kafka.common.security.plain.PlainLoginModule required"


class Own:
    """A stack whose broker also listens with TLS and passwords."""

    password = PASSWORD
    jaas = JAAS

    def __init__(self, folder: Path, instance: Stack, secure: str, authority: Path) -> None:
        self.folder, self.stack, self.secure, self.authority = folder, instance, secure, authority
        # The addresses stay the same when a killed server is started again.
        self.environ = {**os.environ, **instance.env()}
        self.servers = instance.endpoints.kafka_bootstrap_servers

    def make(self, topic: str, records: int) -> None:
        with closing(KafkaAdminClient(bootstrap_servers=self.servers)) as admin:
            if topic not in admin.list_topics():
                admin.create_topics({topic: {"num_partitions": 2}}, wait_for_metadata=True)
        with closing(KafkaProducer(bootstrap_servers=self.servers, linger_ms=20)) as producer:
            for number in range(records):
                producer.send(topic, b"%d" % number, partition=number % 2)
            producer.flush()

    def config(self, name: str, topic: str, body: str = "") -> Path:
        path = self.folder / f"{name}.toml"
        path.write_text(
            f'ledger = "{name}.batches"\n[kafka.default]\n{body}\n'
            f'[[kafka.default.topics]]\ntopic = "{topic}"\ntable = "{name}.t"\n'
        )
        return path

    def run(
        self,
        config: Path,
        *words: str,
        cwd: Path = ROOT,
        command: Sequence[str | Path] = (sys.executable, "-m", "loader"),
        **environ: str | None,
    ) -> subprocess.CompletedProcess[str]:
        env = {**self.environ, "PYTHONPATH": str(ROOT), **environ}
        return subprocess.run(
            [*command, "--config", str(config), *words],
            cwd=cwd,
            env={key: value for key, value in env.items() if value is not None},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def secure_body(self) -> str:
        """The configuration of a cluster with TLS and the password in ``KAFKA_PASSWORD``."""
        # On a busy machine the first TLS handshake takes seconds.
        return f"""bootstrap_servers = "{self.secure}"
request_timeout_seconds = 30
[kafka.default.properties]
"security.protocol" = "SASL_SSL"
"sasl.mechanism" = "PLAIN"
"sasl.jaas.config" = '{self.jaas} username="loader" password="${{KAFKA_PASSWORD}}";'
"ssl.truststore.type" = "PEM"
"ssl.truststore.location" = "{self.authority}"
"""

    def plan(self, config: Path) -> None:
        """Leave a planned batch, like a loader that was killed on another machine."""
        with pytest.MonkeyPatch.context() as patch:
            for key, value in self.environ.items():
                patch.setenv(key, value)
            with opened(load(config), owner="elsewhere/1/1/x") as dead:
                ours, _ = dead.ledger.propose(dead.survey().batches)
        assert ours

    @contextmanager
    def second_broker(self) -> Iterator[int]:
        """Adds a second broker to the cluster for the block; yields its number."""
        home = self.folder / "stack"
        values = dict(
            line.split("=", 1)
            for line in (home / "conf" / "kafka.properties").read_text().splitlines()
        )
        port = free_port()
        address = f"PLAINTEXT://127.0.0.1:{port}"
        values |= {"process.roles": "broker", "node.id": "2", "log.dirs": "kafka-data-2"}
        values |= {"listeners": address, "advertised.listeners": address}
        file = home / "conf" / "kafka-2.properties"
        file.write_text("".join(f"{key}={value}\n" for key, value in values.items()))
        (home / "kafka-data-2").mkdir()
        meta = (home / "kafka-data" / "meta.properties").read_text()
        meta = re.sub("(?m)^node.id=.*$", "node.id=2", meta)
        meta = re.sub("(?m)^directory.id=.*\n", "", meta)
        (home / "kafka-data-2" / "meta.properties").write_text(meta)
        command = psutil.Process(self.stack.kafka.pid).cmdline()
        with (home / "logs" / "kafka-2.log").open("wb") as log:
            broker = subprocess.Popen([*command[:-1], str(file)], cwd=home, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + 60
            probe = {"probe": {"assignments": {0: [2]}}}
            # The controller announces a broker to clients before its port is open.
            while not accepts_connections(port):
                assert time.monotonic() < deadline and broker.poll() is None
                time.sleep(0.2)
            while True:
                # An older client does not have the new broker in its metadata and may be referred
                # to it.
                with closing(KafkaAdminClient(bootstrap_servers=self.servers)) as admin:
                    try:
                        admin.create_topics(probe, validate_only=True)
                        break
                    except (InvalidReplicationAssignmentError, UnknownBrokerIdError):
                        assert time.monotonic() < deadline and broker.poll() is None
                        time.sleep(0.2)  # not registered yet, or still fenced
            yield 2
        finally:
            broker.terminate()
            broker.wait(60)

    def sql(self, statement: str) -> Rows:
        """Query the lake over a new connection, because the server may have been restarted."""
        end = self.stack.endpoints
        with closing(Client(end.thrift_host, end.thrift_port, end.thrift_password)) as client:
            return [tuple(row) for row in client.run(statement).rows]

    def rows(self, name: str) -> tuple[int, int]:
        """Numbers of rows and of distinct records in the table."""
        ((rows, records),) = self.sql(
            f"select count(*), count(distinct partition, offset) from {name}.t"
        )
        return rows, records


@pytest.fixture(scope="session")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Own]:
    folder = tmp_path_factory.mktemp("own")
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    key = serialization.load_pem_private_key(certificate.private_key_pem.bytes(), None)
    store = folder / "server.pem"
    store.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,  # the format that Kafka reads
            serialization.NoEncryption(),
        )
        + b"".join(part.bytes() for part in certificate.cert_chain_pems)
    )
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    plain = stack.kafka.server_properties

    def properties(ports: Mapping[str, int]) -> str:
        extra = {
            "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.secure.plain.sasl.jaas.config": f'{JAAS} user_loader="{PASSWORD}";',
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(store),
            # kafka-python misses the broker's refusal of a password if the broker closes the
            # connection first.
            "connection.failed.authentication.delay.ms": "2000",
            # Clients without a password may do everything; single rights can be denied to the
            # others.
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
            "allow.everyone.if.no.acl.found": "true",
        }
        lines = []
        for line in plain(ports).splitlines():
            name = line.partition("=")[0]
            line += {
                "listeners": f",SECURE://127.0.0.1:{port}",
                "advertised.listeners": f",SECURE://127.0.0.1:{port}",
                "listener.security.protocol.map": ",SECURE:SASL_SSL",
            }.get(name, "")
            lines.append(line)
        return "\n".join([*lines, *(f"{key}={value}" for key, value in extra.items()), ""])

    patch = pytest.MonkeyPatch()
    patch.setattr(stack.kafka, "server_properties", properties)
    # Spark is killed after a minute or two; until then its best compiler would only load the cores.
    quick = f"{QUICK_START} -XX:TieredStopAtLevel=1"
    environ = {**os.environ, **STACK_ENVIRON, "LACUSTRE_SPARK_JAVA_OPTIONS": quick}
    instance = Stack(folder / "stack", environ)
    try:
        instance.up()
        patch.undo()
        yield Own(folder, instance, f"127.0.0.1:{port}", folder / "ca.pem")
    finally:
        patch.undo()
        instance.down()


# --- databases; PostgreSQL is in tests/conftest.py


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Source]:
    """MariaDB, if its programs are installed."""
    install, program = shutil.which("mariadb-install-db"), shutil.which("mariadbd")
    if install is None or program is None:
        pytest.skip("MariaDB is not installed (mariadb-install-db, mariadbd)")
    folder, port = tmp_path_factory.mktemp("mariadb"), free_port()
    data, log = folder / "data", folder / "log"
    common = ["--no-defaults", f"--datadir={data}"]
    if os.getuid() == 0:
        common.append("--user=root")
    subprocess.run(
        [install, *common, "--auth-root-authentication-method=normal"],
        check=True,
        capture_output=True,
    )
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
        str(folder / "server.pem")
    )
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program, *common, "--bind-address=127.0.0.1", f"--port={port}",
             f"--ssl-cert={folder / 'server.pem'}", f"--ssl-key={folder / 'server.pem'}",
             f"--socket={folder / 'socket'}", f"--pid-file={folder / 'pid'}"],
            stdout=output, stderr=output,
        )  # fmt: skip

    def ask(statement: str, *values: object) -> Rows:
        with (
            pymysql.connect(
                host="127.0.0.1", port=port, user="root", database="parc", charset="utf8mb4",
                autocommit=True,
            ) as connection,
            connection.cursor() as cursor,
        ):  # fmt: skip
            cursor.execute("set sql_mode = 'NO_ENGINE_SUBSTITUTION', time_zone = '+00:00'")
            cursor.execute(statement, values or None)
            return list(cursor.fetchall())

    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                with pymysql.connect(host="127.0.0.1", port=port, user="root") as admin:
                    admin.cursor().execute("create database parc character set utf8mb4")
                break
            except pymysql.err.OperationalError:
                if process.poll() is not None or time.monotonic() > deadline:
                    pytest.fail(f"MariaDB did not start: {log.read_text()[-2000:]}")
                time.sleep(0.1)
        ask(f"create user loader@'127.0.0.1' identified by '{PLANTED}'")
        ask(f"create user loader@localhost identified by '{PLANTED}'")
        for host in ("'127.0.0.1'", "localhost"):
            ask(f"grant select on parc.* to loader@{host}")
        url = f"mariadb://root@127.0.0.1:{port}/parc"
        secure = str(folder / "ca.pem")
        yield Source(f"jdbc:mariadb://127.0.0.1:{port}/parc", "loader", ask, url, secure)
    finally:
        process.terminate()
        process.wait(timeout=60)


@pytest.fixture
def password(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PARC_PASSWORD", PLANTED)
    return PLANTED
