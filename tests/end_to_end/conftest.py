"""One lake for all end-to-end tests: first the demo, then rounds of messages from the modules."""

from __future__ import annotations

import gzip
import importlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from kafka import KafkaProducer

from tests.conftest import ROOT, SAMPLES, Answer, Rows, Run, Sql
from tests.workers import SENDERS

# The samples use the same site ids; in the shared lake each gets ids of its own.
SITES = {
    "one_visitor_two_visits_day": 100,
    "ecommerce_order_with_items_day": 200,
    "custom_dimensions_year": 300,
    "privacy_multi_site_2017": 400,
}
ROUNDS = 3
# The demo has built the views, and another test runs the models' unit tests.
DATA_AND_TESTS = (
    "--exclude-resource-type", "unit_test", "--exclude", "path:models/views",
)  # fmt: skip
DATA_ONLY = (
    "--exclude-resource-type", "test", "unit_test", "--exclude", "path:models/views",
)  # fmt: skip
EVENT_DAYS = sorted(path.name[6:14] for path in (SAMPLES / "meters" / "events").glob("*.csv.gz"))


# Key, value and headers of a message; partition and offset of each sent message.
Message = tuple[bytes | None, bytes | None, list[tuple[str, bytes]] | None]
Sent = list[tuple[int, int]]
Rounds = dict[str, list[Any]]  # results of each module's `send_round`, by round


class Send(Protocol):
    """The fixture `send`."""

    def __call__(
        self, topic: str, messages: Iterable[Message], timestamp_ms: int | None = None
    ) -> Sent: ...


class Build(Protocol):
    """The fixture `build`."""

    def __call__(self, *words: str) -> Answer: ...


@pytest.fixture(scope="session")
def send(kafka_bootstrap_servers: str) -> Iterator[Send]:
    """Send messages (key, value, headers; bytes or None) to a topic; returns partition and offset
    of each.

    ``timestamp_ms`` is the timestamp of all of them, by default now.
    """
    producer = KafkaProducer(bootstrap_servers=kafka_bootstrap_servers, acks="all")

    def send_all(topic: str, messages: Iterable[Message], timestamp_ms: int | None = None) -> Sent:
        sent = [
            producer.send(
                topic, key=key, value=value, headers=headers or [], timestamp_ms=timestamp_ms
            )
            for key, value, headers in messages
        ]
        producer.flush()
        return [(each.get().partition, each.get().offset) for each in sent]

    yield send_all
    producer.close()


@pytest.fixture(scope="session")
def demo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo data")


@pytest.fixture(scope="session")
def demo(run: Run, demo_folder: Path) -> Answer:
    """The lake after `make demo`."""
    answer = run("stack", "demo", LACUSTRE_DEMO_DIR=demo_folder)
    assert answer.code == 0, answer.text[-3000:]
    return answer


@pytest.fixture(scope="session")
def demo_places(demo: Answer, sql: Sql) -> list[dict[str, Any]]:
    """Counts of the demo's events by day, type and the place of their equipment in the demo's park.

    Queried before another park is loaded.
    """
    columns = ("period_start", "type_evt", "code_insee", "departement_code", "region_code",
               "id_pdk", "id_concentrateur", "events")  # fmt: skip
    found = sql(
        "select cast(events.occurred_on as string), event_type, commune_code, departement_code, "
        "region_code, pdk_id, concentrator_id, count(*) "
        "from lake.meter_events as events left join lake.meter_park as park "
        "on events.equipment_type = park.equipment_type "
        "and events.equipment_id = park.equipment_id and events.occurred_on >= park.valid_from "
        "and (park.valid_to is null or events.occurred_on < park.valid_to) "
        "where year(events.occurred_on) = 2024 group by all"
    )
    return [dict(zip(columns, row, strict=True)) for row in found]


@pytest.fixture(scope="session")
def demo_service(demo: Answer, sql: Sql) -> dict[str, Rows]:
    """Delays, equipment in service and rates in the demo's views.

    Queried before another park is loaded.
    """
    period = "period, cast(period_start as string)"
    of_the_demo = "where year(period_start) = 2024"
    asked = {
        "delays": f"select {period}, events, median_delay_minutes, p95_delay_minutes, "
        f"max_delay_seconds from views.meter_arrival_delays {of_the_demo}",
        "days": f"select {period}, equipment_type, equipment_id, days_in_service, "
        f"days_without_events from views.meter_days_without_events {of_the_demo}",
        "rates": f"select {period}, event_type, events, events_per_1000 "
        f"from views.meter_event_rates {of_the_demo} "
        "and dimension = 'all' and event_type is not null",
    }
    return {name: [tuple(row) for row in sql(query)] for name, query in asked.items()}


@pytest.fixture(scope="session")
def demo_alarms(demo: Answer, sql: Sql) -> Rows:
    """The alarms of the demo's data. Queried before anything else is loaded."""
    return [tuple(row) for row in sql("select alarm, subject, detail from alarms.matomo_alarms")]


@pytest.fixture(scope="session")
def build(
    run: Run,
    profiles: Path,
    sql: Sql,
    demo_folder: Path,
    demo_alarms: Rows,
    demo_places: list[dict[str, Any]],
    demo_service: dict[str, Rows],
) -> Build:
    """Load everything new and build the lake: ``build()`` or ``build("--select", …)``."""
    park = SAMPLES / "meters" / "park"

    def load_and_build(*words: str) -> Answer:
        loaded = run(
            "loader", "--config", ROOT / "loader.toml.example",
            PARK_DIR=park if park.exists() else demo_folder / "meters" / "park",
        )  # fmt: skip
        assert loaded.code == 0, loaded.text
        # The samples' park has no row of the demo's park, so without this decision it would be
        # held.
        sql(
            "insert into raw.decisions select current_timestamp(), 'tests', 'accept', name, "
            "concat(name, '/', max(batch_id)), 'another park' from (select batch_id, "
            "split_part(table_name, '.', -1) as name from raw.loader_batches) "
            "where name like 'park_%' group by name"
        )
        built = run(
            "dbt", "build", *words, "--target", "local", "--profiles-dir", profiles,
        )  # fmt: skip
        assert built.code == 0, built.text[-5000:]
        return loaded

    return load_and_build


def sample_messages(
    name: str, base: int | None = None
) -> Iterator[tuple[bytes | None, bytes, list[tuple[str, bytes]]]]:
    """The Kafka messages of a Matomo sample, with other site ids."""
    base = SITES[name] if base is None else base

    def moved(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: type(item)(int(item) + base) if key in ("idSite", "idsite") else moved(item)
                for key, item in value.items()
            }
        return [moved(item) for item in value] if isinstance(value, list) else value

    path = SAMPLES / "matomo" / name / "messages.jsonl"
    for line in path.read_text(encoding="utf-8").splitlines():
        message = json.loads(line)
        key = message["key"]
        if key is not None and ":" in key:
            site, _, visit = key.partition(":")
            key = f"{int(site) + base}:{visit}"
        yield (
            key.encode() if key is not None else None,
            json.dumps(moved(message["value"])).encode(),
            [(name, text.encode()) for name, text in message["headers"].items()],
        )


def expected_reports(name: str) -> dict[str, Any]:
    """Matomo's own reports of a sample, by API method and period."""
    text = (SAMPLES / "matomo" / name / "expected.json").read_text(encoding="utf-8")
    reports: dict[str, Any] = json.loads(text)
    return reports


def event_lines(day: str) -> list[str]:
    """The lines of a real event day, header first."""
    path = SAMPLES / "meters" / "events" / f"event_{day}.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return file.read().splitlines()


@pytest.fixture(scope="session")
def rounds(
    demo: Answer,
    send: Send,
    build: Build,
    run: Run,
    sql: Sql,
    request: pytest.FixtureRequest,
) -> Rounds:
    """The lake after the demo and the rounds of messages from all modules.

    Each round is one load and one build for all modules, because they take as long for all as for
    one. Maps each module's name to the results of its ``send_round(number, send, sql, run)``, by
    round.
    """
    # If only some tests run, only their modules send, and the modules in their `SENT_BY`, whose
    # messages they need.
    asked = set()
    for item in request.session.items:
        asked |= {item.path.stem}
        if isinstance(item, pytest.Function):
            asked |= set(getattr(item.module, "SENT_BY", ()))
    modules = [
        importlib.import_module(f"tests.end_to_end.{name}") for name in SENDERS if name in asked
    ]
    found: Rounds = {}
    rounds = max([getattr(module, "ROUNDS", ROUNDS) for module in modules], default=1)
    for number in range(rounds):
        for module in modules:
            name = module.__name__.rpartition(".")[2]
            found.setdefault(name, []).append(module.send_round(number, send, sql, run))
        build(*(DATA_ONLY if number < rounds - 1 else DATA_AND_TESTS))
    return found
