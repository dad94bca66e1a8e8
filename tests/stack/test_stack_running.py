from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from stack import Stack
from tests.conftest import STACK_ENVIRON

pytestmark = pytest.mark.stack


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    environ = {
        **os.environ,
        **STACK_ENVIRON,
        "LACUSTRE_SPARK_MEMORY": "1500m",
        "LACUSTRE_SPARK_JAVA_OPTIONS": "-XX:TieredStopAtLevel=1 '-Dsaid=two words'",
        "PARK_PASSWORD": "hunter2",
        # Variables that other installations leave in a user's environment.
        "SPARK_HOME": "/nonexistent/spark",
        "SPARK_CONF_DIR": "/nonexistent/conf",
        "SPARK_DAEMON_MEMORY": "1m",
        "HADOOP_CONF_DIR": "/nonexistent/hadoop",
        "PYSPARK_SUBMIT_ARGS": "--nonsense",
        "JAVA_TOOL_OPTIONS": "-Xmx1m",
        "LANG": "C",
    }
    instance = Stack(tmp_path / "my städtische, (local) stack", environ)
    try:
        yield instance
    finally:
        instance.down()


def thrift(stack: Stack, *statements: str, password: str = "") -> list[tuple[Any, ...]]:
    from pyhive import hive

    endpoints = stack.endpoints
    connection = hive.connect(
        endpoints.thrift_host, endpoints.thrift_port, auth="CUSTOM", username="anyone",
        password=password or endpoints.thrift_password,
    )  # fmt: skip
    try:
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement)
        return list(cursor.fetchall())
    finally:
        connection.close()


def connect(stack: Stack, statement: str, remote: str = "") -> list[tuple[Any, ...]]:
    # In its own process: a session belongs to one server, and this server is killed.
    script = (
        "import json, sys; from pyspark.sql import SparkSession; "
        "s = SparkSession.builder.remote(sys.argv[1]).getOrCreate(); "
        "print(json.dumps(s.sql(sys.argv[2]).collect(), default=str))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script, remote or stack.endpoints.spark_remote, statement],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    return [tuple(row) for row in json.loads(answer.stdout)]


def test_tables_and_topics_outlive_a_crash_and_a_restart(stack: Stack) -> None:
    from kafka import KafkaAdminClient
    from kafka.admin import NewTopic

    assert sorted(stack.up()) == ["kafka", "spark"]
    assert stack.up() == []
    assert all(line.problem is None for line in stack.status())
    ports = {**stack.kafka.ports, **stack.spark.ports}

    # Both services use one metastore, and create Delta tables by default.
    thrift(stack, "create table visits (id int, name string)", "insert into visits values (1, 'a')")
    connect(stack, "insert into visits values (2, 'b')")
    rows = [(1, "a"), (2, "b")]
    assert thrift(stack, "select * from visits order by id") == rows
    assert connect(stack, "select * from visits order by id") == rows
    assert connect(stack, "describe detail visits")[0][0] == "delta"
    assert thrift(stack, "select current_timezone()") == [("UTC",)]
    said = "select java_method('java.lang.System', 'getProperty', 'said')"
    assert thrift(stack, said) == [("two words",)]

    # Exported passwords and the instance's files are private.
    asked = "select java_method('java.lang.System', 'getenv', 'PARK_PASSWORD')"
    assert thrift(stack, asked) == [("null",)]
    assert stack.directory.stat().st_mode & 0o077 == 0
    written = [*(stack.directory / "warehouse").rglob("*"), *stack.directory.glob("kafka-data/*")]
    assert written and not [path for path in written if path.stat().st_mode & 0o077]

    # Without the token no statement runs.
    ends = stack.endpoints
    assert (stack.directory / "token").stat().st_mode & 0o077 == 0
    assert ends.thrift_password not in repr(ends) and ends.thrift_password in ends.spark_remote
    for wrong in ("x", ends.thrift_password[:-1], ends.thrift_password + "x"):
        with pytest.raises(Exception, match="Bad status: 3"):
            thrift(stack, "select 1", password=wrong)
    address, _, _ = ends.spark_remote.partition("/;")
    for remote in (address, f"{address}/;token=x", address.replace("localhost", "127.0.0.1")):
        with pytest.raises(AssertionError, match="UNAUTHENTICATED"):
            connect(stack, "select 1", remote)
    for process in psutil.process_iter(["cmdline"]):
        assert ends.thrift_password not in " ".join(process.info["cmdline"] or [])

    admin = KafkaAdminClient(bootstrap_servers=stack.endpoints.kafka_bootstrap_servers)
    admin.create_topics([NewTopic("kept", 1, 1)])
    admin.close()

    stack.spark.kill()
    stack.kafka.kill()
    assert stack.spark.pid is None and stack.kafka.pid is None
    assert [line.problem for line in stack.status()] == ["not running"] * 3

    assert sorted(stack.up()) == ["kafka", "spark"]
    assert {**stack.kafka.ports, **stack.spark.ports} == ports
    assert thrift(stack, "select * from visits order by id") == rows
    assert connect(stack, "select count(*) from visits") == [(2,)]
    admin = KafkaAdminClient(bootstrap_servers=stack.endpoints.kafka_bootstrap_servers)
    assert "kept" in admin.list_topics()
    admin.close()

    assert sorted(stack.down()) == ["kafka", "spark"]
    assert stack.down() == []
    # No file was written outside of the instance's folder, whatever its name.
    assert [path.name for path in stack.directory.parent.iterdir()] == [stack.directory.name]
