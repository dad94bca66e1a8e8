"""One lake for the sweep: clean messages and a build, then every odd input and one more build."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaProducer

from stack import Stack
from stack.errors import StackError
from stack.sql import Client
from tests.conftest import ROOT, Answer
from tests.odd.messages import Message, messages

SCHEMAS = ("staging", "quarantine", "snapshots", "lake", "views")
CLEAN_SITES = {71: 1, 72: 2}  # far from the odd documents' sites and from any odd number
CLEAN_YEAR = "2024"
# The columns that say on which day or in which period a row is: odd ones are of another year.
_DATES = ("period_start", "occurred_on")

Rows = Counter[str]


@dataclass
class Reading:
    """Every relation of the lake, read whole as a BI tool reads it."""

    clean: dict[str, Rows] = field(default_factory=dict)  # rows that only clean messages can make
    failed: dict[str, str] = field(default_factory=dict)  # why a relation could not be read
    count: dict[str, int] = field(default_factory=dict)


@dataclass
class Sweep:
    """What was sent, what the commands said, and what the lake held before and after."""

    sent: dict[tuple[str, int, int], Message]
    loaded: Answer
    built: Answer
    before: Reading
    after: Reading


def _is_clean(schema: str, row: Mapping[str, Any]) -> bool:
    if schema != "views":
        return False
    if "site_id" in row:
        return row["site_id"] in CLEAN_SITES
    dates = [str(row[name]) for name in _DATES if name in row]
    return bool(dates) and dates[0].startswith(CLEAN_YEAR)


def _comparable(value: Any) -> Any:
    # The order of a sum of floats is Spark's own.
    return float(f"{value:.9g}") if isinstance(value, float) else value


def read_lake(stack: Stack) -> Reading:
    """Read every relation with ``select *``, in two sessions at once."""
    found = Reading()
    endpoint = stack.endpoints

    def session() -> Client:
        client = Client(endpoint.thrift_host, endpoint.thrift_port)
        client.run("set spark.sql.codegen.wholeStage = false")
        client.run("set spark.sql.codegen.factoryMode = NO_CODEGEN")
        return client

    def read(names: Sequence[tuple[str, str]]) -> None:
        with closing(session()) as client:
            for schema, table in names:
                name = f"{schema}.{table}"
                try:
                    answer = client.run(f"select * from {schema}.`{table}`")
                except StackError as error:
                    found.failed[name] = str(error)
                    continue
                columns = [column.rpartition(".")[2] for column in answer.columns]
                rows = [dict(zip(columns, row, strict=True)) for row in answer.rows]
                found.count[name] = len(rows)
                found.clean[name] = Counter(
                    repr({key: _comparable(value) for key, value in row.items()})
                    for row in rows
                    if _is_clean(schema, row)
                )

    with closing(session()) as client:
        names = [
            (schema, str(row[1])) for schema in SCHEMAS
            for row in client.run(f"show tables in {schema}").rows
        ]  # fmt: skip
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(read, (names[::2], names[1::2])))
    return found


def _moved(value: Any) -> Any:
    """A clean document with its sites moved away from the odd ones'."""
    sites = {str(old): new for new, old in CLEAN_SITES.items()}
    if isinstance(value, dict):
        return {
            key: type(item)(sites[str(item)]) if key in ("idSite", "idsite") else _moved(item)
            for key, item in value.items()
        }
    return [_moved(item) for item in value] if isinstance(value, list) else value


def _clean_messages(folder: Path) -> Iterator[Message]:
    sites = {str(old): new for new, old in CLEAN_SITES.items()}
    for file in ("messages.jsonl", "reports.jsonl"):
        for line in (folder / "matomo" / file).read_text(encoding="utf-8").splitlines():
            message = json.loads(line)
            site, colon, visit = (message["key"] or "").partition(":")
            key = f"{sites[site]}{colon}{visit}".encode()
            headers = [(name, text.encode()) for name, text in message["headers"].items()]
            value = json.dumps(_moved(message["value"])).encode()
            yield Message("clean", "matomo", key, value, headers)
    for path in sorted((folder / "meters" / "events").glob("*.csv")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
            value = json.dumps({f"{path.name}_row{number}": line}).encode()
            yield Message("clean", "meter-events", None, value, [])


@pytest.fixture(scope="session")
def sweep(
    stack: Stack,
    run: Callable[..., Answer],
    profiles: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Sweep:
    """The lake after every odd input, or after the one that ``LACUSTRE_ODD`` names."""
    odd = messages(os.environ.get("LACUSTRE_ODD"))
    assert odd, "LACUSTRE_ODD names no input: it is field=value, as a failure says it"
    folder = tmp_path_factory.mktemp("clean data")
    first = ("--from", f"{CLEAN_YEAR}-03-01", "--days", "1", "--out")
    for words in (
        ("matomo", *first, folder / "matomo", "--visits-per-day", "8", "--broken", "0",
         "--active", "0", "--catalogues", "--reports"),
        ("meters", *first, folder / "meters", "--meters", "30", "--malformed", "0",
         "--wrong-clock", "0"),
    ):  # fmt: skip
        made = run("simulator", *words)
        assert made.code == 0, made.text

    servers = stack.endpoints.kafka_bootstrap_servers
    with closing(KafkaAdminClient(bootstrap_servers=servers)) as admin:
        admin.create_topics(
            {name: {"num_partitions": 2} for name in ("matomo", "meter-events")},
            wait_for_metadata=True,
        )
    producer = KafkaProducer(bootstrap_servers=servers, acks="all")

    def send(each: Sequence[Message]) -> dict[tuple[str, int, int], Message]:
        waiting = [
            producer.send(m.topic, key=m.key, value=m.value, headers=m.headers) for m in each
        ]
        producer.flush()
        places = [future.get() for future in waiting]
        return {(p.topic, p.partition, p.offset): m for p, m in zip(places, each, strict=True)}

    def load() -> Answer:
        return run(
            "loader", "--config", ROOT / "loader.toml.example", PARK_DIR=folder / "meters" / "park"
        )

    def build(command: str, *words: str) -> Answer:
        return run("dbt", command, *words, "--target", "local", "--profiles-dir", profiles)

    with closing(producer):
        send(list(_clean_messages(folder)))
        loaded = load()
        assert loaded.code == 0, loaded.text
        built = build("build", "--exclude-resource-type", "test", "unit_test")
        assert built.code == 0, built.text[-5000:]
        before = read_lake(stack)
        sent = send(odd)
    loaded = load()
    built = build("build", "--exclude-resource-type", "unit_test")
    return Sweep(sent, loaded, built, before, read_lake(stack))
