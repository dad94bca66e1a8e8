"""Fixtures that all tests share: the real servers, and clients to them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stack import Stack
from stack.config import KAFKA_PORTS, SPARK_PORTS
from stack.sql import Client

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT.parent / "shared" / "samples"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs the real inputs where they are not there."""
    if not SAMPLES.exists():
        skip = pytest.mark.skip(reason=f"the real inputs are not at {SAMPLES}")
        for item in items:
            if "samples" in item.keywords:
                item.add_marker(skip)


@dataclass(frozen=True)
class Answer:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A running local stack of our own, on free ports, in a folder with a space in its name."""
    environ = {**os.environ, **{spec.variable: "0" for spec in KAFKA_PORTS + SPARK_PORTS}}
    instance = Stack(tmp_path_factory.mktemp("local stack"), environ)
    try:
        instance.up()
        yield instance
    finally:
        instance.down()


@pytest.fixture(scope="session")
def kafka_bootstrap_servers(stack: Stack) -> str:
    return stack.endpoints.kafka_bootstrap_servers


@pytest.fixture(scope="session")
def run(stack: Stack) -> Callable[..., Answer]:
    """Run a command of the project as a person would, with the stack's addresses set.

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
def sql(stack: Stack) -> Iterator[Callable[[str], Sequence[Sequence[Any]]]]:
    """Ask the lake over Thrift, as dbt and BI tools do: ``sql("select 1") == [(1,)]``."""
    endpoint = stack.endpoints
    with closing(Client(endpoint.thrift_host, endpoint.thrift_port)) as client:
        # Quicker on a few rows: nothing is compiled.
        client.run("set spark.sql.codegen.wholeStage = false")
        client.run("set spark.sql.codegen.factoryMode = NO_CODEGEN")
        yield lambda statement: client.run(statement).rows
