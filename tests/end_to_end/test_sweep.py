"""Every odd input in one load and one build: nothing fails, no input is lost, clean rows do not
change.

Uses the lake that the other tests have filled. ``LACUSTRE_ODD=field=value``, from the message of a
failure, sends that one input only.
"""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from stack import Stack
from stack.errors import StackError
from stack.sql import Client
from tests.conftest import Run, Sql
from tests.end_to_end.conftest import DATA_AND_TESTS, Build, Rounds, Send
from tests.odd.messages import Message, messages

pytestmark = [pytest.mark.stack, pytest.mark.exhaustive]


SCHEMAS = ("staging", "quarantine", "snapshots", "lake", "alarms", "views")
CLEAN_SITES = {71: 1, 72: 2}  # far from the odd documents' sites and from any odd number
# The demo's events are in 2024, and its tests count all events of that year.
CLEAN_DAYS = {"matomo": "2024-03-01", "meters": "2019-03-01"}

Rows = Counter[str]


@dataclass
class Reading:
    """The rows of every relation of the lake, read completely like a BI tool does."""

    clean: dict[str, Rows] = field(default_factory=dict)  # rows that only clean messages can give
    failed: dict[str, str] = field(default_factory=dict)  # error of each unreadable relation
    count: dict[str, int] = field(default_factory=dict)


@dataclass
class Sweep:
    """The sent messages, and the lake before and after."""

    sent: dict[tuple[str, int, int], Message]
    before: Reading
    after: Reading


def _is_clean(schema: str, row: Mapping[str, Any]) -> bool:
    return schema == "views" and row.get("site_id") in CLEAN_SITES


def _comparable(value: Any) -> Any:
    # The order in which Spark sums floats varies.
    return float(f"{value:.9g}") if isinstance(value, float) else value


def read_lake(stack: Stack, schemas: Sequence[str] = SCHEMAS) -> Reading:
    """Read every relation with ``select *``, in two sessions at once."""
    found = Reading()
    endpoint = stack.endpoints

    def session() -> Client:
        client = Client(endpoint.thrift_host, endpoint.thrift_port, endpoint.thrift_password)
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
            (schema, str(row[1])) for schema in schemas
            for row in client.run(f"show tables in {schema}").rows
        ]  # fmt: skip
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(read, (names[::2], names[1::2])))
    return found


def _moved(value: Any) -> Any:
    """A clean document with site ids that no odd document has."""
    sites = {str(old): new for new, old in CLEAN_SITES.items()}
    if isinstance(value, dict):
        return {
            key: type(item)(sites[str(item)]) if key in ("idSite", "idsite") else _moved(item)
            for key, item in value.items()
        }
    return [_moved(item) for item in value] if isinstance(value, list) else value


def clean_messages(folder: Path) -> Iterator[Message]:
    """Simulated visits, reports and catalogues, and events of a day, as they are sent."""
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


def _sent(send: Send, each: Sequence[Message]) -> dict[tuple[str, int, int], Message]:
    found = {}
    for topic in ("matomo", "meter-events"):
        own = [message for message in each if message.topic == topic]
        places = send(topic, [(m.key, m.value, m.headers) for m in own])
        found.update({(topic, *place): m for place, m in zip(places, own, strict=True)})
    return found


ROUNDS = 1  # of this module


def send_round(number: int, send: Send, _: Sql, run: Run) -> None:
    if number > 0:
        return
    with TemporaryDirectory() as folder:
        for words in (
            ("matomo", "--visits-per-day", "8", "--broken", "0",
             "--active", "0", "--catalogues", "--reports"),
            ("meters", "--meters", "30", "--malformed", "0",
             "--wrong-clock", "0"),
        ):  # fmt: skip
            made = run("simulator", *words, "--days", "1", "--from", CLEAN_DAYS[words[0]],
                       "--out", f"{folder}/{words[0]}")  # fmt: skip
            assert made.code == 0, made.text
        _sent(send, list(clean_messages(Path(folder))))


@pytest.fixture(scope="session")
def sweep(rounds: Rounds, stack: Stack, send: Send, build: Build) -> Sweep:
    """The lake before and after all odd inputs, or after the one in ``LACUSTRE_ODD``."""
    odd = messages(os.environ.get("LACUSTRE_ODD"))
    assert odd, "LACUSTRE_ODD names no input: it is field=value, as a failure says it"
    before = read_lake(stack, ["views"])
    sent = _sent(send, odd)
    build(*DATA_AND_TESTS)
    return Sweep(sent, before, read_lake(stack))


SHOWN = 20  # number of failures of one kind in a message


def shown(lines: Sequence[str]) -> str:
    rest = f"\n… and {len(lines) - SHOWN} more" if len(lines) > SHOWN else ""
    return "\n".join(line[:1000] for line in lines[:SHOWN]) + rest


def test_the_load_and_the_build_end_well_and_every_relation_can_be_read_whole(sweep: Sweep) -> None:
    assert not sweep.before.failed
    failed = [f"{name}: {why}" for name, why in sorted(sweep.after.failed.items())]
    assert not failed, shown(failed)
    assert len(sweep.after.count) > 150
    assert set(sweep.before.count) <= set(sweep.after.count)


def test_clean_messages_give_what_they_give_alone(sweep: Sweep) -> None:
    assert sum(map(len, sweep.before.clean.values())) > 300
    different = []
    for name, before in sorted(sweep.before.clean.items()):
        after = sweep.after.clean.get(name)
        if after is not None and after != before:
            lost = "; ".join(list(before - after)[:2])
            new = "; ".join(list(after - before)[:2])
            different.append(f"{name}:\n  without the odd ones {lost}\n  with them {new}")
    assert not different, shown(different)


@pytest.mark.parametrize(
    ("topic", "documents", "staged", "quarantine"),
    [
        (
            "matomo",
            "staging.stg_matomo__documents",
            {
                "visit": "staging.stg_matomo__visits",
                "goals": "staging.stg_matomo__goals",
                "custom_dimensions": "staging.stg_matomo__custom_dimensions",
                "sites": "staging.stg_matomo__sites",
                "report": "staging.stg_matomo__reports",
            },
            "quarantine.matomo_messages",
        ),
        ("meter-events", "staging.stg_meters__events", {}, "quarantine.meter_messages"),
    ],
    ids=["matomo", "meters"],
)
def test_each_input_is_staged_or_in_quarantine_with_its_reason(
    sweep: Sweep, sql: Sql, topic: str, documents: str, staged: dict[str, str], quarantine: str
) -> None:
    kind = "message_type" if staged else "cast(null as string)"
    found: dict[tuple[str, int, int], set[str]] = defaultdict(set)
    for partition, offset, good in sql(
        f"select partition, offset, if(reason is null, coalesce({kind}, 'event'), null) "
        f"from {documents} where topic = '{topic}'"
    ):
        found[topic, partition, offset].add(good)
    held: dict[tuple[str, int, int], bool] = {
        (topic, partition, offset): bool(reason)
        for partition, offset, reason in sql(
            f"select partition, offset, min(reason) from {quarantine} group by all"
        )
    }
    typed = {
        name: {
            (topic, partition, offset)
            for partition, offset in sql(f"select distinct partition, offset from {table}")
        }
        for name, table in staged.items()
    }
    lost = []
    for place, message in sweep.sent.items():
        if place[0] != topic:
            continue
        where = f"{message.name} at {place[1]}:{place[2]}, {message.value[:300]!r}"
        kinds = found.get(place)
        if kinds is None:
            lost.append(f"nowhere: {where}")
        elif None in kinds and not held.get(place):
            lost.append(f"not in quarantine, or without a reason: {where}")
        lost += [
            f"good and not in {staged[each]}: {where}"
            for each in (kinds or set()) - {None}
            if staged and place not in typed[each]
        ]
    assert not lost, shown(lost)


def test_the_clean_sites_have_visits_in_the_views(sweep: Sweep) -> None:
    """Without clean rows the comparison would also succeed."""
    assert len(CLEAN_SITES) == 2
    assert sweep.before.clean["views.matomo_visits_summary"]
