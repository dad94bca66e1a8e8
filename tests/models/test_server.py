"""The server that dbt uses if nothing configures one: this checkout's, or none."""

from __future__ import annotations

from pathlib import Path

import pytest
from dbt.adapters.contracts.connection import Connection, Identifier
from dbt.adapters.exceptions.connection import FailedToConnectError
from dbt.adapters.spark.connections import SparkConnectionMethod, SparkCredentials

from dbt_lacustre import Connections
from stack import Stack
from tests.conftest import Run

UNNAMED = {"THRIFT_HOST": "", "THRIFT_PORT": "", "DBT_ENV_SECRET_THRIFT_PASSWORD": ""}


@pytest.mark.parametrize("host", ["", "THRIFT_HOST-is-not-set.run-eval-stack-env-first.invalid"])
def test_a_build_stops_with_a_sentence_while_the_own_stack_is_down(
    host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LACUSTRE_STACK_DIR", str(tmp_path / "own"))
    credentials = SparkCredentials(
        host=host, port=1, user="me", schema="s", database=None, method=SparkConnectionMethod.THRIFT
    )
    connection = Connection(type=Identifier("spark"), name="one", credentials=credentials)
    with pytest.raises(FailedToConnectError, match=r"own stack in .*own is not running.* stack up"):
        Connections.open(connection)


@pytest.mark.stack
def test_dbt_reaches_the_own_stack_where_nobody_names_a_server_and_says_so(
    run: Run, stack: Stack, profiles: Path
) -> None:
    answer = run(
        "dbt", "show", "--inline", "select 40 + 2 as n", "--profiles-dir", profiles, **UNNAMED
    )
    assert answer.code == 0, answer.text
    assert "42" in answer.out
    assert f"dbt uses this checkout's stack in {stack.directory}" in answer.out
