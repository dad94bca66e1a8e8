"""Commands work at any size: no expression is nested more deeply, no wait and no sentence is longer
with more topics, partitions or columns.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from confluent_kafka import Producer

from loader.sources.kafka.source import Topics
from tests.conftest import PLANTED, Source
from tests.loader.conftest import Lake, Open, text_of

pytestmark = [pytest.mark.stack, pytest.mark.exhaustive]


def _send(lake: Lake, topic: str, partitions: int, records: int) -> None:
    """Send ``records`` records to each partition."""
    producer = Producer(
        {
            "bootstrap.servers": lake.servers,
            "linger.ms": 50,
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    for partition in range(partitions):
        for at in range(records):
            producer.produce(lake.topic(topic), b"%d" % at, partition=partition)
        producer.poll(0)
    assert producer.flush(120) == 0


def test_many_partitions_with_many_records_are_verified(lake: Lake) -> None:
    lake.make("a", partitions=12)
    lake.configure("a")
    _send(lake, "a", 12, 11_000)
    assert lake.load().code == 0
    for words in (["verify"], ["verify", "--sample", 100], ["verify", "--full"]):
        answer = lake.load(*words)
        assert answer.code == 0, answer.text
    assert "132,000" in text_of(answer)


def test_hundreds_of_partitions_are_loaded_shown_and_verified(lake: Lake) -> None:
    lake.make("a", partitions=500)
    lake.configure("a")
    _send(lake, "a", 500, 3)
    answer = lake.load()
    assert answer.code == 0, answer.text
    assert "and 490 more" in text_of(answer)
    answer = lake.load("verify")
    assert answer.code == 0, answer.text
    _send(lake, "a", 500, 1)
    answer = lake.load("--json", "status")
    assert answer.code == 0, answer.text
    assert answer.out.count('"behind"') == 500


def test_the_age_of_what_is_new_in_a_hundred_topics_is_known_within_seconds(
    lake: Lake, loader: Open
) -> None:
    names = [f"t{at}" for at in range(100)]
    topics = {lake.topic(name): {"num_partitions": 1} for name in names}
    lake.admin.create_topics(topics, wait_for_metadata=True)
    lake.configure(
        tail=f"""[[kafka.default.topics]]
pattern = "{lake.name}-t.*"
table = "{lake.table("t")}"
"""
    )
    before = time.time() * 1000
    for name in names:
        _send(lake, name, 1, 3)
    ours = loader()
    ours.survey(make_tables=False)
    started = time.monotonic()
    oldest = ours.kind(Topics).oldest_unread()
    assert time.monotonic() - started < 10
    assert len(oldest) == 100
    ages = [moment for of_topic in oldest.values() for moment in of_topic.values()]
    assert min(ages) >= before - 1
    assert max(ages) <= time.time() * 1000
    started = time.monotonic()
    answer = lake.load("status")
    assert answer.code == 0, answer.text
    assert time.monotonic() - started < 30


def test_any_number_of_files_lands_in_one_batch(lake: Lake, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for at in range(60):
        column = "a" if at % 2 else "b"
        (folder / f"f{at}.csv").write_text(f"n,{column}\n{at},x\n", encoding="utf-8")
    lake.configure(tail=f'[files.many]\npath = "{folder}/*.csv"\ntable = "{lake.table("many")}"\n')
    answer = lake.load()
    assert answer.code == 0, answer.text
    assert "and 50 more" in text_of(answer)
    rows = lake.sql(f"select count(*), count(a), count(b), max(batch_id) from {lake.table('many')}")
    assert [tuple(row) for row in rows] == [(60, 30, 30, 1)]


def test_an_import_of_many_columns_in_many_parts_lands(
    lake: Lake, postgres: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARC_PASSWORD", PLANTED)
    columns = [f"c{at}" for at in range(100)]
    postgres.ask("drop table if exists wide")
    postgres.ask(f"create table wide (id int primary key, {' int, '.join(columns)} int)")
    insert = f"insert into wide select n{', n' * 100} from generate_series(%s::int, %s::int) n"
    postgres.ask(insert, 1, 300)
    body = (
        f'table = "{lake.schema}.{{table}}"\non_drift = "evolve"\n[[jdbc.src.tables]]\n'
        'name = "wide"\nmode = "append"\ncolumn = "id"\noverlap = "50"\nsplits = 60\n'
    )
    lake.configure(tail=postgres.section(body))
    answer = lake.load()
    assert answer.code == 0, answer.text
    # With another column, every row of a table with a key is a new version.
    postgres.ask("alter table wide add column since int")
    postgres.ask(insert, 301, 310)
    answer = lake.load()
    assert answer.code == 0, answer.text
    rows = lake.sql(f"select batch_id, count(*), sum(c99) from {lake.table('wide')} group by 1")
    assert sorted(tuple(row) for row in rows) == [(1, 300, 45150), (2, 310, 48205)]
