"""Losses are reported, and a person's decision about positions takes effect once
and is recorded.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timezone

import pytest
from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition

from loader.batch import Batch
from loader.configuration import load
from loader.errors import DataLoss, Fenced
from loader.repeat import repeat
from loader.round import Landed
from tests.loader.conftest import Lake, Open, commands_of, every, text_of

pytestmark = pytest.mark.stack


def test_each_loss_names_the_command_that_accepts_it(lake: Lake) -> None:
    """Records deleted by retention; topics deleted, created again, rewound or without a partition;
    tables dropped or restored.
    """
    names = ("taken", "remade", "deleted", "dropped", "restored", "rewound", "removed", "fine")
    lake.make(*names, partitions=2)
    lake.configure(*names)
    for name in names:
        lake.produce(name, 10)
    assert lake.command("run").exit_code == 0
    for name in names:
        lake.produce(name, 10)

    lake.admin.delete_records({TopicPartition(lake.topic("taken"), 0): 15})
    lake.delete("remade")
    lake.make("remade")
    lake.produce("remade", 30)  # more records than were loaded, so the loaded offsets exist in it
    lake.delete("deleted")
    lake.sql(f"drop table {lake.table('dropped')}")
    lake.sql(f"restore table {lake.table('restored')} to version as of 0")
    # A broker that lost the end of a partition, or a whole partition: only the ledger has them.
    for name, change in {
        "rewound": "until_offset := e.until_offset + if(e.partition = 0, 90, 0)",
        "removed": "partition := if(e.partition = 1, 7, e.partition)",
    }.items():
        key, value = change.split(" := ")
        fields = ", ".join(
            f"'{each}', {value if each == key else f'e.{each}'}"
            for each in ("partition", "from_offset", "until_offset", "records")
        )
        lake.sql(
            f"update {lake.ledger} set ranges = transform(ranges, e -> named_struct({fields})) "
            f"where table_name = '{lake.table(name)}'"
        )

    answer = lake.command("run")
    assert answer.exit_code == 3, answer.output
    text = text_of(answer)
    assert lake.offsets("fine") == every(20)
    for name in names:
        if name not in ("fine", "dropped", "restored"):
            assert f"Topic {lake.topic(name)}" in text, name
    t = lake.topic
    for sentence in (
        f"{t('taken')} partition 0: 5 records are lost. Offset 10 is next for "
        f"{lake.table('taken')}, but the earliest that Kafka still holds is 15.",
        f"{t('remade')} was deleted and made again",
        f"{t('deleted')} does not exist any more",
        f"Table {lake.table('dropped')} was dropped",
        f"Table {lake.table('restored')} ends with batch 0, but the ledger says that it holds 1",
        f"{t('rewound')} partition 0 ends at offset 20, but {lake.table('rewound')} was already "
        "loaded or planned up to 100: 80 records are lost.",
        f"{t('removed')} has lost partition 7",
    ):
        assert sentence in text, sentence
    commands = commands_of(answer)
    assert len(commands) == len(names) - 1, commands

    # `accept` refuses records that are not lost.
    refused = lake.command("accept", "--topic", t("fine"), "--lost", "0:20-25")
    assert refused.exit_code == 2
    assert f"This loss of topic {t('fine')} cannot be accepted" in text_of(refused)
    refused = lake.command("accept", "--topic", t("taken"), "--lost", "0:10-15")
    assert refused.exit_code == 2, "offset 15 is still there"

    for command in commands:
        accepted = lake.command(*command)
        assert accepted.exit_code == 0, (command, accepted.output)
        assert "will be finished" not in accepted.output
    answer = lake.command("run")
    assert answer.exit_code == 0, answer.output
    assert f"topic {t('deleted')} of [kafka.default] does not exist yet" in text_of(answer)
    assert lake.offsets("taken") == every(10) + every(20, start=15)
    assert sorted(lake.offsets("remade")) == sorted(every(10) + every(30))
    assert lake.offsets("deleted") == every(10)
    assert lake.offsets("dropped") == every(20, start=10)
    assert lake.offsets("restored") == every(20, start=10)
    assert lake.offsets("removed") == every(20)
    lake.produce("rewound", 5)
    assert lake.command("run").exit_code == 0
    assert lake.offsets("rewound") == every(10) + every(25, start=20)
    gaps = lake.sql(
        f"""select table_name, gap.partition, gap.from_offset, gap.until_offset, gap.reason
        from {lake.ledger} lateral view explode(gaps) as gap where kind = 'accept' order by 1"""
    )
    found = {row[0].split(".")[1]: tuple(row[1:]) for row in gaps}
    assert found == {
        "taken": (0, 10, 15, "retention"),
        "remade": (None, 0, 0, "topic_recreated"),
        "deleted": (None, 0, 0, "topic_deleted"),
        "dropped": (None, 1, 2, "table_changed"),
        "restored": (None, 1, 2, "table_changed"),
        "rewound": (0, 20, 100, "rewound"),
        "removed": (7, 0, 0, "partition_removed"),
    }
    # The records of a lost table that Kafka still has land again.
    again = lake.command("replay", "--topic", t("dropped"), "--from", "earliest")
    assert again.exit_code == 0, again.output
    assert sorted(set(lake.offsets("dropped"))) == every(20)
    # A topic that is created again after it was accepted as deleted begins at its first offset.
    lake.make("deleted")
    lake.produce("deleted", 3)
    assert lake.command("run").exit_code == 0
    assert sorted(lake.offsets("deleted")) == sorted(every(10) + every(3))


@pytest.mark.exhaustive
def test_a_renamed_section_has_one_gap_when_its_table_is_lost(lake: Lake) -> None:
    lake.make("a")
    lake.configure("a")
    lake.produce("a", 10)
    assert lake.load().code == 0
    lake.config.write_text(lake.config.read_text().replace("kafka.default", "kafka.renamed"))
    lake.produce("a", 10)
    assert lake.load().code == 0
    lake.sql(f"drop table {lake.table('a')}")
    lake.produce("a", 5)
    answer = lake.load()
    assert answer.code == 3
    renamed = lake.config.read_text()
    lake.config.write_text(renamed.replace("kafka.renamed", "kafka.again"))
    away = ("--set", "kafka.again.bootstrap_servers=127.0.0.1:1")
    refused = lake.load(*away, *commands_of(answer)[0])
    assert refused.code == 2, refused.text
    assert (
        f"No source of {lake.table('a')} is both configured in loader.toml and reachable; put its "
        "section back, or start its server, and try this again." in text_of(refused)
    )
    lake.config.write_text(renamed)
    accepted = lake.load(*commands_of(answer)[0])
    assert accepted.code == 0, accepted.text
    rows = lake.sql(f"select source, ranges[0].from_offset from {lake.ledger} where kind='accept'")
    assert [tuple(row) for row in rows] == [("kafka.renamed", 20)]
    assert lake.load().code == 0
    assert lake.offsets("a") == every(25, start=20)


def test_a_rewind_is_accepted_while_producers_go_on(lake: Lake) -> None:
    """A broker that lost the whole partition, and has new records under the same offsets."""
    names = ("slow", "fast", "fine")
    lake.make(*names)
    lake.configure(*names)
    for name in names:
        lake.produce(name, 30)
    assert lake.load().code == 0
    for name in ("slow", "fast"):
        lake.delete(name)
        lake.make(name)
        lake.produce(name, 12)
        topic = lake.admin.describe_topics([lake.topic(name)])[0]
        lake.sql(
            f"update {lake.ledger} set topic_id = '{topic['topic_id']}' "
            f"where topic = '{lake.topic(name)}'"
        )
    answer = lake.load()
    assert answer.code == 3
    commands = commands_of(answer)
    assert sorted(command[-1] for command in commands) == ["0:12", "0:12"]
    lake.produce("slow", 5)
    lake.produce("fast", 28)  # past the loaded offsets: the end no longer shows the loss
    lake.produce("fine", 5)
    for command in commands:
        name = command[command.index("--topic") + 1]
        # Records that were produced before the error was noticed would be skipped.
        refused = lake.load(*command)
        assert refused.code == 2, refused.text
        assert (
            f"This loss of topic {name} cannot be accepted: partition 0 has other records "
            "from offset 0 on already: `python" in text_of(refused)
        )
        accepted = lake.load(*commands_of(refused)[0])
        assert accepted.code == 0, accepted.text
    refused = lake.load("accept", "--topic", lake.topic("fine"), "--rewind", "0:20")
    assert refused.code == 2
    assert (
        f"This loss of topic {lake.topic('fine')} cannot be accepted: partition 0 still has the "
        "loaded records from offset 20 on. Nothing was changed." in text_of(refused)
    )
    assert lake.load().code == 0
    assert lake.offsets("slow") == sorted(every(30) + every(17))
    assert lake.offsets("fast") == sorted(every(30) + every(40))
    assert lake.offsets("fine") == every(35)


@pytest.mark.exhaustive
def test_accepting_the_loss_of_a_table_gives_up_nothing_that_kafka_still_has(
    lake: Lake, loader: Open
) -> None:
    names = ("unwritten", "marked", "whole", "fine")
    lake.make(*names)
    lake.configure(*names)
    for _ in range(2):
        for name in names:
            lake.produce(name, 10)
        assert lake.load().code == 0
    for name in ("unwritten", "marked", "whole"):
        lake.produce(name, 10)
    dead = loader()
    dead.ledger.owner = "elsewhere/1/1/x"
    ours, _ = dead.ledger.propose(dead.survey().batches)
    assert sorted(batch.batch_id for batch in ours) == [3, 3, 3]
    dead.write([batch for batch in ours if batch.table_name == lake.table("marked")], [])
    table = {name: lake.table(name) for name in names}
    lake.sql(f"restore table {table['unwritten']} to version as of 1")
    lake.sql(f"restore table {table['marked']} to version as of 2")

    # No batch is lost: the command reports it, and the batch does not change.
    for name, lost, sentence in (
        ("whole", "3-3", f"Batch 3 of {table['whole']} is unfinished; `python -m loader"),
        ("unwritten", "1-3", f"Table {table['unwritten']} has lost the batches 2 to 3, not 1 to 3"),
        ("fine", "2-2", f"Table {table['fine']} holds every batch that the ledger knows; nothing"),
    ):
        refused = lake.load("accept", "--table", table[name], "--batches", lost)
        assert refused.code == 2, refused.text
        assert sentence in text_of(refused)

    answer = lake.load()
    assert answer.code == 3, answer.text
    assert (
        f"Table {table['marked']} has the mark of batch 3, but not its rows: it was restored to an "
        "older version, or rows were deleted. To go on without them: `python -m loader --config "
        f"{lake.config} accept --table {table['marked']} --batches 3-3` (then `replay` lands again "
        "what Kafka still holds)." in text_of(answer)
    )
    commands = commands_of(answer)
    assert len(commands) == 2
    for command in commands:
        accepted = lake.load(*command)
        assert accepted.code == 0, accepted.text
    assert lake.load().code == 0
    assert lake.offsets("whole") == every(30)
    assert lake.offsets("unwritten") == every(10) + every(30, start=20)
    assert lake.offsets("marked") == every(20)
    assert {state for *_, state in lake.states()} == {"committed"}
    replayed = lake.load("replay", "--topic", lake.topic("marked"), "--from", "0:20")
    assert replayed.code == 0, replayed.text
    assert lake.offsets("marked") == every(30)


@pytest.mark.exhaustive
def test_an_unfinished_batch_goes_on_without_what_was_accepted_as_lost(
    lake: Lake, loader: Open
) -> None:
    lake.make("a", "b")
    lake.configure("a", "b", b="a")
    lake.produce("a", 20)
    lake.produce("b", 20)
    dead = loader()
    dead.ledger.owner = "elsewhere/1/1/x"
    ours, _ = dead.ledger.propose(dead.survey().batches)
    assert [batch.span for batch in ours] == [20, 20]
    lake.admin.delete_records({TopicPartition(lake.topic("a"), 0): 12})
    lake.delete("b")
    answer = lake.command("run")
    assert answer.exit_code == 3
    commands = commands_of(answer)
    assert len(commands) == 1, "one loss of a batch is told at a time"
    assert lake.command(*commands[0]).exit_code == 0
    answer = lake.command("run")
    commands = commands_of(answer)
    assert lake.command(*commands[0]).exit_code == 0
    answer = lake.command("run")
    assert lake.offsets("a") == every(20, start=12), answer.output
    assert lake.offsets("a", "b") == []
    assert lake.states() == [("a", 1, "committed"), ("a", 1, "committed")]


def test_a_new_partition_starts_at_its_beginning_or_says_what_is_lost(lake: Lake) -> None:
    lake.make("a")
    lake.configure("a", tail='start = "latest"')
    lake.produce("a", 3)
    assert lake.command("run").exit_code == 0
    lake.admin.create_partitions({lake.topic("a"): 2})
    lake.produce("a", 4, partition=1)
    assert lake.command("run").exit_code == 0
    assert lake.offsets("a") == every(4, 1)
    lake.admin.create_partitions({lake.topic("a"): 3})
    lake.produce("a", 4, partition=2)
    lake.admin.delete_records({TopicPartition(lake.topic("a"), 2): 1})
    answer = lake.command("run")
    assert answer.exit_code == 3
    assert "partition 2: 1 records are lost. Offset 0 is next" in text_of(answer)


def test_a_topic_starts_where_it_is_told_to_and_only_the_first_time(lake: Lake) -> None:
    names = ("earliest", "latest", "time", "offsets")
    lake.make(*names, partitions=2)
    with closing(KafkaProducer(bootstrap_servers=lake.servers)) as producer:
        for name in names:
            for at in range(10):
                for partition in (0, 1):
                    stamp = 1_600_000_000_000 + at * 1000
                    producer.send(lake.topic(name), b"v", partition=partition, timestamp_ms=stamp)
        producer.flush()
    moment = datetime.fromtimestamp(1_600_000_004, timezone.utc)

    def configure(starts: dict[str, str]) -> None:
        lines = [f'ledger = "{lake.ledger}"', "[kafka.default]"]
        for name in names:
            lines += ["[[kafka.default.topics]]", f'topic = "{lake.topic(name)}"']
            lines += [f'table = "{lake.table(name)}"', f"start = {starts[name]}"]
        lake.config.write_text("\n".join(lines))

    configure(
        {
            "earliest": '"earliest"',
            "latest": '"latest"',
            "time": moment.isoformat().replace("+00:00", "Z"),
            "offsets": "{ 0 = 7, 2 = 1 }",
        }
    )
    answer = lake.command("run")
    assert answer.exit_code == 2
    assert f"Topic {lake.topic('offsets')} has no partition 2 to start at" in text_of(answer)
    assert lake.offsets("earliest") == every(10) + every(10, 1)
    assert lake.offsets("latest") == []
    assert lake.offsets("time") == every(10, 0, 4) + every(10, 1, 4)
    assert lake.ranges("latest") == [(1, "load", 0, 10, 10), (1, "load", 1, 10, 10)]

    # The topics have positions now, so another start has no effect.
    configure(dict.fromkeys(names, '"earliest"') | {"offsets": "{ 0 = 7 }"})
    for name in names:
        lake.produce(name, 1)
    assert lake.command("run").exit_code == 0
    assert lake.offsets("latest") == every(11, 0, 10)
    assert lake.offsets("time") == every(11, 0, 4) + every(10, 1, 4)
    assert lake.offsets("offsets") == every(11, 0, 7) + every(10, 1)


def test_a_loader_goes_on_where_a_consumer_group_stopped_and_groups_follow_it(lake: Lake) -> None:
    lake.make("a", "b", partitions=2)
    lake.configure("a", "b")
    for name in "ab":
        lake.produce(name, 10, 0)
        lake.produce(name, 10, 1)
    old = f"{lake.name}-old"
    with closing(KafkaConsumer(bootstrap_servers=lake.servers, group_id=old)) as consumer:
        place = TopicPartition(lake.topic("a"), 0)
        consumer.assign([place])
        consumer.commit({place: OffsetAndMetadata(6, "", -1)})

    answer = lake.command("adopt", "--group", "nobody")
    assert answer.exit_code == 2
    assert "Consumer group nobody has no offsets" in text_of(answer)
    answer = lake.command("adopt", "--group", old)
    assert answer.exit_code == 0, answer.output
    assert lake.ranges("a") == [(1, "adopt", 0, 6, 6), (1, "adopt", 1, 0, 0)]
    assert lake.ranges("b") == []
    assert lake.command("run").exit_code == 0
    assert lake.offsets("a") == every(10, 0, 6) + every(10, 1)
    assert lake.offsets("b") == every(10) + every(10, 1)
    answer = lake.command("adopt", "--group", old, "--topic", lake.topic("a"))
    assert answer.exit_code == 2
    assert "was loaded before" in text_of(answer)

    # Lag tools see the ledger's offsets as those of the loader's group.
    with closing(
        KafkaConsumer(bootstrap_servers=lake.servers, group_id="lacustre-loader")
    ) as consumer:
        for name in "ab":
            for partition in (0, 1):
                assert consumer.committed(TopicPartition(lake.topic(name), partition)) == 10


def test_a_replay_lands_the_range_again_as_a_batch_of_its_own(lake: Lake) -> None:
    lake.make("a", partitions=2)
    lake.configure("a")
    lake.produce("a", 10, 0)
    lake.produce("a", 10, 1)
    assert lake.command("run").exit_code == 0
    lake.produce("a", 5, 0)
    answer = lake.command("replay", "--topic", lake.topic("a"), "--from", "0:4", "--until", "0:8")
    assert answer.exit_code == 0, answer.output
    assert f"batch 2: replay of {lake.topic('a')} 0:4-7, 4 records" in text_of(answer)
    # A replay does not move the position, so new records are loaded next.
    assert lake.command("run").exit_code == 0
    assert lake.ranges("a") == [
        (1, "load", 0, 0, 10),
        (1, "load", 1, 0, 10),
        (2, "replay", 0, 4, 8),
        (3, "load", 0, 10, 15),
        (3, "load", 1, 10, 10),
    ]
    assert lake.offsets("a") == sorted(every(15) + every(8, 0, 4) + every(10, 1))
    answer = lake.command("replay", "--topic", lake.topic("a"), "--from", "2000-01-01")
    assert answer.exit_code == 0, answer.output
    assert "0:0-14 1:0-9, 25 records" in text_of(answer)
    lake.admin.delete_records({TopicPartition(lake.topic("a"), 0): 6})
    answer = lake.command("replay", "--topic", lake.topic("a"), "--from", "0:2")
    assert answer.exit_code == 3
    assert "cannot be replayed from offset 2: the earliest that Kafka still holds is 6" in text_of(
        answer
    )
    answer = lake.command("replay", "--topic", lake.topic("a"), "--from", "0:99")
    assert answer.exit_code == 2
    assert "was loaded up to offset 14; there is nothing to replay from 99" in text_of(answer)
    assert lake.command("verify").exit_code == 0


def test_verify_finds_planted_damage_and_the_replay_it_names_mends_it(lake: Lake) -> None:
    names = ("good", "holes", "missing", "twice", "changed", "foreign", "skipped")
    lake.make(*names)
    lake.configure(*names)
    for name in names:
        lake.produce(name, 200)
    with closing(
        KafkaProducer(bootstrap_servers=lake.servers, transactional_id=lake.name)
    ) as producer:
        producer.init_transactions()
        for commit in (True, False):
            producer.begin_transaction()
            producer.send(lake.topic("holes"), b"v", partition=0)
            producer.flush()
            producer.commit_transaction() if commit else producer.abort_transaction()
    assert lake.command("run").exit_code == 0
    clean = lake.command("verify")
    assert clean.exit_code == 0, clean.output
    lake.sql(f"delete from {lake.table('missing')} where offset between 50 and 59")
    lake.sql(
        f"insert into {lake.table('twice')} select * from {lake.table('twice')} where offset=7"
    )
    lake.sql(f"update {lake.table('changed')} set value = X'00' where offset = 9")
    lake.sql(
        f"insert into {lake.table('foreign')} select 77, * except (batch_id) "
        f"from {lake.table('foreign')} where offset = 3"
    )
    lake.sql(
        f"update {lake.ledger} set ranges = transform(ranges, e -> named_struct('partition', 0, "
        "'from_offset', e.from_offset + 1, 'until_offset', e.until_offset, 'records', e.records)) "
        f"where table_name = '{lake.table('skipped')}'"
    )
    answer = lake.command("verify", "--full")
    assert answer.exit_code == 3
    text = text_of(answer)
    t = lake.topic
    for sentence in (
        f"topic {t('missing')}: batch 1 has 190 rows of partition 0: the ledger counted 200",
        f"topic {t('missing')}: 10 records of partition 0 between the offsets 50 and 59 are in "
        "Kafka, but not in the table",
        f"topic {t('twice')}: batch 1 has 201 rows of partition 0: the ledger counted 200, 1 are "
        "there twice",
        f"topic {t('skipped')}: batch 1 has 200 rows of partition 0: offsets 0 to 199 are not "
        "within 1 to 199",
        f"topic {t('changed')}: 1 records of partition 0 between the offsets 9 and 9 differ",
        f"{lake.table('foreign')}: 1 rows of topic {t('foreign')} partition 0 have batch id 77, "
        "which the ledger does not list for the topic",
    ):
        assert sentence in text, (sentence, text)
    verdicts = {
        line.split()[1]: line.split()[-1]
        for line in answer.output.splitlines()
        if line.startswith(lake.schema)
    }
    assert verdicts == {t(name): "DAMAGED" for name in names if name not in ("good", "holes")} | {
        t(name): "true" for name in ("good", "holes")
    }
    command = re.search(
        rf"`python -m loader --config \S+ (replay --topic {t('missing')} --from 0:50 [^`]*)`",
        text,
    )
    assert command is not None
    assert lake.command(*shlex.split(command[1])).exit_code == 0
    mended = lake.command("verify", "--full", "--topic", t("missing"))
    assert "between the offsets" not in text_of(mended)
    whole = lake.command("replay", "--topic", t("missing"), "--from", "earliest")
    assert whole.exit_code == 0
    assert lake.command("verify", "--full", "--topic", t("missing")).exit_code == 0


@pytest.mark.exhaustive
def test_loss_between_plan_and_write_is_a_sentence(
    lake: Lake, loader: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.make("a", "b")
    lake.configure("a", "b")
    lake.produce("a", 20)
    lake.produce("b", 20)
    late = loader()
    propose = late.ledger.propose

    def and_then_retention(batches: Sequence[Batch]) -> tuple[list[Batch], list[Fenced]]:
        answer = propose(batches)
        lake.admin.delete_records({TopicPartition(lake.topic("a"), 0): 12})
        return answer

    monkeypatch.setattr(late.ledger, "propose", and_then_retention)
    outcome = late.round(lambda landed: None, lambda note: None)
    assert len(outcome.errors) == 1
    assert "could not be written" in str(outcome.errors[0])
    assert lake.offsets("a") == []
    assert lake.offsets("b") == every(20)
    monkeypatch.setattr(late.ledger, "propose", propose)
    outcome = late.round(lambda landed: None, lambda note: None)
    assert [type(error) for error in outcome.errors] == [DataLoss]


@pytest.mark.exhaustive
def test_a_pattern_finds_topics_as_they_come_and_misses_them_when_they_go(lake: Lake) -> None:
    lake.make("north", "south", "other")
    for name in ("north", "south", "other"):
        lake.produce(name, 5)
    lake.config.write_text(
        f'ledger = "{lake.ledger}"\n[kafka.default]\n'
        f"[[kafka.default.topics]]\npattern = '{lake.topic('')}(north|south|west)'\n"
        f'table = "{lake.schema}.own_{{topic}}"\n'
        f"[[kafka.default.topics]]\npattern = '{lake.topic('')}o.*'\n"
        f'table = "{lake.table("shared")}"\n'
    )
    assert lake.command("run").exit_code == 0
    prefix = lake.topic("").replace("-", "_")
    tables = {row[1] for row in lake.sql(f"show tables in {lake.schema}")}
    assert tables == {f"own_{prefix}north", f"own_{prefix}south", "shared", "batches"}
    lake.make("west", "ours")
    lake.produce("west", 3)
    lake.produce("ours", 3)
    lake.delete("south")
    answer = lake.command("run")
    assert answer.exit_code == 3
    assert f"Topic {lake.topic('south')} does not exist any more" in text_of(answer)
    assert lake.sql(f"select count(*) from {lake.schema}.own_{prefix}west")[0][0] == 3
    assert lake.offsets("shared", "ours") == every(3)
    assert lake.offsets("shared", "other") == every(5)


def test_limits_cut_a_round_by_lag_and_rounds_end_where_the_run_began(
    lake: Lake, loader: Open
) -> None:
    lake.make("a", "b")
    lake.configure("a", "b", tail="[limits]\nmax_records = 50\nmin_records = 4")
    lake.produce("a", 90)
    lake.produce("b", 10)
    once = lake.command("run")
    assert once.exit_code == 0
    assert lake.ranges("a") == [(1, "load", 0, 0, 45)]
    assert lake.ranges("b") == [(1, "load", 0, 0, 5)]
    assert "45 records" in text_of(once)
    assert "lag 45" in text_of(once)
    arrived: list[bool] = []

    def told(landed: Landed) -> None:
        if not arrived:
            arrived.append(True)
            lake.produce("a", 20)

    outcome = repeat(
        load(lake.config), told, lambda note: None, lambda outcome: None, until_caught_up=True
    )
    assert outcome.errors == []
    # Records that arrived during the run are left to the next one.
    assert lake.offsets("a") == every(90)
    assert lake.offsets("b") == every(10)
    assert lake.command("run").exit_code == 0
    assert lake.offsets("a") == every(110)
    # A few records wait, unless their topic's last batch is old.
    lake.produce("b", 3)
    waits = lake.command("run")
    assert f"topic {lake.topic('b')} waits: 3 new records are fewer than min_records" in text_of(
        waits
    )
    assert lake.command("--set", "limits.max_delay_seconds=0", "run").exit_code == 0
    assert lake.offsets("b") == every(13)
