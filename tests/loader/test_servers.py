"""Servers with passwords, servers that die, and a local Spark session of the loader.

They need a stack of their own, because no other test could use a server that is killed.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pyspark
import pytest
from kafka import KafkaProducer
from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    KafkaAdminClient,
    ResourcePattern,
    ResourceType,
)

from loader.configuration import load
from loader.lake import spark_errors, tables
from loader.lake.ledger import Ledger
from loader.repeat import opened
from tests.conftest import ROOT
from tests.loader.conftest import Own, text_of
from tests.spark_ui import SparkUi

pytestmark = pytest.mark.stack


def test_passwords_and_tls_reach_both_clients_and_are_seen_nowhere(own: Own) -> None:
    own.make("secure", 100)
    config = own.config("secure", "secure", own.secure_body())
    refused = own.run(config, "run", KAFKA_PASSWORD="wrong-horse")
    assert refused.returncode == 5, refused.stdout + refused.stderr
    assert f"Kafka cluster [kafka.default] at {own.secure} does not answer" in refused.stderr
    assert "uthentication" in refused.stderr
    unset = own.run(config, "run", KAFKA_PASSWORD="")
    assert unset.returncode == 2
    assert "needs the environment variable KAFKA_PASSWORD" in unset.stderr

    done = own.run(config, "run", KAFKA_PASSWORD=own.password)
    assert done.returncode == 0, done.stdout + done.stderr
    assert own.rows("secure") == (100, 100)
    shown = own.run(config, "config", KAFKA_PASSWORD=own.password)
    said = [each.stdout + each.stderr for each in (refused, done, shown)]
    assert json.loads(shown.stdout)["kafka"]["default"]["properties"]["sasl.jaas.config"] == "***"
    ui = SparkUi(own.stack.spark.address("spark_ui"))
    plans = json.dumps(ui.executions())
    assert "secure" in plans, "the write is among what is looked at"
    pages = [ui.page(f"/{name}/") for name in ("SQL", "connect", "jobs", "environment")]
    for text in [*said, *pages, plans]:
        assert own.password not in text
        assert "wrong-horse" not in text
    for file in (own.folder / "stack").rglob("*"):
        if file.is_file() and file.name != "kafka.properties":
            assert own.password.encode() not in file.read_bytes(), file


@pytest.mark.exhaustive
def test_a_topic_that_we_may_not_read_is_not_one_that_does_not_exist(own: Own) -> None:
    own.stack.up()
    own.make("hidden", 10)
    own.plan(own.config("hidden", "hidden"))
    config = own.config("hidden", "hidden", own.secure_body())
    rule = ("User:loader", "*", ACLOperation.ALL, ACLPermissionType.DENY)
    with closing(KafkaAdminClient(bootstrap_servers=own.servers)) as admin:
        admin.create_acls([ACL(*rule, ResourcePattern(ResourceType.TOPIC, "hidden"))])
        refused = own.run(config, "run", KAFKA_PASSWORD=own.password)
        gone = own.run(
            config, "accept", "--topic", "hidden", "--deleted", KAFKA_PASSWORD=own.password
        )
        admin.delete_acls([ACLFilter(*rule, ResourcePattern(ResourceType.TOPIC, "hidden"))])
    sentence = (
        "Topic hidden of [kafka.default] cannot be read (TopicAuthorizationFailedError); give our "
        "user the rights to describe and read it, or correct the credentials in properties, and "
        "run again."
    )
    for answer in (refused, gone):
        assert answer.returncode == 5, answer.stdout + answer.stderr
        assert f"error: {sentence}" in text_of(answer)
        assert "does not exist" not in text_of(answer)
    assert f"Batch 1 of hidden.t is unfinished and waits: {sentence}" in text_of(refused)
    done = own.run(config, "run", KAFKA_PASSWORD=own.password)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "finishing batch 1 of hidden.t" in done.stdout
    assert own.rows("hidden") == (10, 10)


@pytest.mark.exhaustive
def test_a_topic_without_a_leader_is_not_one_that_does_not_exist(own: Own) -> None:
    """Its only replica is on a broker that was stopped."""
    own.stack.up()
    own.make("led", 10)
    assert own.run(own.config("led", "led"), "run").returncode == 0  # creates internal topics
    config = own.config("leaderless", "leaderless")
    with own.second_broker() as number:
        topics = {"leaderless": {"assignments": {0: [number], 1: [1]}}}
        with closing(KafkaAdminClient(bootstrap_servers=own.servers)) as admin:
            admin.create_topics(topics, wait_for_metadata=True)
        own.make("leaderless", 10)
        own.plan(config)
    answer = own.run(config, "run")
    with closing(KafkaAdminClient(bootstrap_servers=own.servers)) as admin:
        admin.delete_topics(["leaderless"])
    assert answer.returncode == 5, answer.stdout + answer.stderr
    sentence = (
        "Topic leaderless of [kafka.default] cannot be read (LeaderNotAvailableError); start the "
        "broker that has a replica of it, and run again."
    )
    assert f"error: {sentence}" in text_of(answer)
    assert f"Batch 1 of leaderless.t is unfinished and waits: {sentence}" in text_of(answer)
    assert "does not exist" not in text_of(answer)
    assert own.sql("select state from leaderless.batches") == [("planned",)]


def test_a_loop_survives_its_spark_and_stops_cleanly(own: Own) -> None:
    """The server's JVM is killed during the loop, and started again."""
    own.make("looped", 1000)
    config = own.config("looped", "looped")
    metrics = own.folder / "metrics.txt"
    loop = subprocess.Popen(
        [
            *(sys.executable, "-m", "loader", "--config", str(config), "--json", "run"),
            *("--every", "1s", "--metrics-file", str(metrics)),
        ],
        cwd=ROOT,
        env=own.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    events: list[dict[str, Any]] = []
    assert loop.stdout is not None

    def until(found: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        assert loop.stdout is not None
        for line in loop.stdout:
            events.append(json.loads(line))
            if found(events[-1]):
                return events[-1]
        raise AssertionError(events)

    try:
        first = until(lambda event: event["event"] == "batch")
        assert (first["table"], first["records"], first["lag"]) == ("looped.t", 1000, 0)
        own.stack.spark.kill()
        own.make("looped", 500)
        gone = until(lambda event: event["event"] == "error")
        assert (gone["kind"], gone["exit_code"]) == ("SourceUnavailable", 5)
        own.stack.up()
        until(lambda event: event["event"] == "batch")
        text = metrics.read_text()
        loop.send_signal(signal.SIGTERM)
        done = until(lambda event: event["event"] == "done")
        assert loop.wait(30) == 0
    finally:
        loop.kill()
    assert done["records"] == 1500
    assert own.rows("looped") == (1500, 1500)
    assert 'lacustre_loader_records_total{table="looped.t",topic="looped"}' in text
    assert text.endswith("# EOF\n")


@pytest.mark.parametrize(
    ("step", "seconds"),
    [
        ("write", 0.7),
        *(
            pytest.param(*case, marks=pytest.mark.exhaustive)
            for case in (("plan", 0.0), ("write", 0.0), ("close", 0.0))
        ),
    ],
)
def test_a_run_whose_spark_dies_says_so_and_the_next_finishes_it(
    own: Own, step: str, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's JVM is killed at the beginning of a step, and during the write."""
    own.stack.up()
    name = f"died_{step}_{int(seconds * 10)}"
    own.make(name, 20_000)
    config = own.config(name, name)
    for key, value in own.environ.items():
        monkeypatch.setenv(key, value)
    owner, function = {
        "plan": (Ledger, "propose"),
        "write": (tables, "append"),
        "close": (Ledger, "close"),
    }[step]
    real = getattr(owner, function)

    def dies(*arguments: Any) -> Any:
        if seconds:
            threading.Timer(seconds, own.stack.spark.kill).start()
        else:
            own.stack.spark.kill()
        return real(*arguments)

    monkeypatch.setattr(owner, function, dies)
    start = time.monotonic()
    with opened(load(config), owner="elsewhere/1/1/x") as loader:  # not this process, which runs
        try:
            outcome = loader.round(lambda landed: None, lambda note: None)
        except Exception as error:
            assert spark_errors.is_gone(error), error
        else:
            assert step == "write"
            assert "The Spark server went away while batch 1" in str(outcome.errors[0])
    assert time.monotonic() - start < 60, "it hung"
    monkeypatch.undo()
    own.stack.up()
    answer = own.run(config, "run")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert ("finishing batch 1" in answer.stdout) == (step != "plan")
    assert own.rows(name) == (20_000, 20_000)


def test_clusters_are_loaded_side_by_side(own: Own, kafka_bootstrap_servers: str) -> None:
    """One run with two clusters that have a topic of the same name; a cluster that is down stops
    only itself.
    """
    own.stack.up()
    own.make("twice", 30)
    with closing(KafkaAdminClient(bootstrap_servers=kafka_bootstrap_servers)) as admin:
        admin.create_topics({"twice": {"num_partitions": 1}}, wait_for_metadata=True)
        with closing(KafkaProducer(bootstrap_servers=kafka_bootstrap_servers)) as producer:
            for _ in range(20):
                producer.send("twice", b"other")
            producer.flush()
        clusters = {"here": own.servers, "there": kafka_bootstrap_servers, "away": "127.0.0.1:1"}
        config = own.folder / "clusters.toml"
        config.write_text(
            'ledger = "clusters.batches"\n'
            + "".join(
                f'[kafka.{name}]\nbootstrap_servers = "{servers}"\nrequest_timeout_seconds = 5\n'
                f'topics = [{{topic = "twice", table = "clusters.{name}"}}]\n'
                for name, servers in clusters.items()
            )
        )
        answer = own.run(config)
        admin.delete_topics(["twice"])
    assert answer.returncode == 5, answer.stdout + answer.stderr
    assert "Kafka cluster [kafka.away] at 127.0.0.1:1 does not answer" in answer.stderr
    assert "50 records in 2 batches" in answer.stdout
    found = own.sql(
        "select source, topic, records from clusters.batches where state = 'committed' order by 1"
    )
    assert [tuple(row) for row in found] == [
        ("kafka.here", "twice", 30),
        ("kafka.there", "twice", 20),
    ]
    assert own.sql("select distinct cast(value as string) from clusters.there") == [("other",)]


def test_a_session_of_its_own_goes_on_in_the_same_lake(own: Own) -> None:
    """Alone and under spark-submit: no server, the same metastore, the same code."""
    own.make("alone", 100)
    config = own.config("alone", "alone")
    assert own.run(config, "run").returncode == 0
    own.make("alone", 50)
    own.stack.spark.kill()  # only one process can open the embedded metastore
    home = own.folder / "stack"  # the folder of the metastore
    environ = {
        "SPARK_REMOTE": "",
        "SPARK_CONF_DIR": str(home / "conf"),
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
    alone = own.run(config, "run", cwd=home, **environ)
    assert alone.returncode == 0, (alone.stdout + alone.stderr)[-2000:]
    assert "50 records" in alone.stdout
    own.make("alone", 25)
    submit = Path(pyspark.__file__).parent / "bin" / "spark-submit"
    submitted = own.run(
        config,
        "run",
        command=(submit, ROOT / "loader" / "__main__.py"),
        cwd=home,
        **{**environ, "SPARK_REMOTE": None},
        SPARK_HOME=str(submit.parent.parent),
        PYSPARK_PYTHON=sys.executable,
        PYTHONPATH=None,
    )
    assert submitted.returncode == 0, (submitted.stdout + submitted.stderr)[-2000:]
    assert "25 records" in submitted.stdout
    own.stack.up()
    assert own.rows("alone") == (175, 175)
    assert "0 records in 0 batches" in own.run(config, "run").stdout
