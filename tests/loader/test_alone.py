"""Every cluster, topic and table fails alone: the others load, and an error names the one that
failed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.admin import KafkaAdminClient, OffsetSpec
from kafka.protocol.consumer import IsolationLevel

from loader.settings import Kafka
from loader.sources.kafka.cluster import Cluster
from tests.loader.conftest import Lake, every, text_of

pytestmark = pytest.mark.stack


def test_a_topic_a_cluster_and_a_table_with_an_answer_of_no_use_stop_no_other(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("good", "nameless", "offsetless", "viewed", "late")
    lake.make(*names)
    lake.configure(
        *names,
        tail=f"""[kafka.other]
[[kafka.other.topics]]
topic = "{lake.topic("elsewhere")}"
table = "{lake.table("elsewhere")}"
[[kafka.default.topics]]
topic = "{lake.topic("dated")}"
table = "{lake.table("dated")}"
start = 2020-01-01
""",
    )
    lake.make("dated")
    for name in (*names, "dated"):
        lake.produce(name, 5)
    # A relation with the table's name that is no Delta table.
    lake.sql(f"create view {lake.table('viewed')} as select 1 as batch_id")
    topics, offsets, start = (
        KafkaAdminClient.describe_topics,
        Cluster.list_offsets,
        Cluster.__init__,
    )

    def described(self: KafkaAdminClient, asked: list[str] | None = None) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = topics(self, asked)
        for topic in found:
            if topic["name"] == lake.topic("nameless"):
                del topic["topic_id"]
        return found

    def offsets_of(
        self: Cluster,
        specs: Mapping[TopicPartition, OffsetSpec | int],
        isolation: IsolationLevel | None = None,
    ) -> dict[TopicPartition, int]:
        asked = {each.topic: value for each, value in specs.items()}
        if lake.topic("offsetless") in asked or asked.get(lake.topic("dated"), -1) > 0:
            raise TypeError("an answer of another kind")
        return offsets(self, specs, isolation)

    def connected(self: Cluster, name: str, config: Kafka) -> None:
        if name == "other":
            raise RuntimeError("the client stumbled")
        start(self, name, config)

    monkeypatch.setattr(KafkaAdminClient, "describe_topics", described)
    monkeypatch.setattr(Cluster, "list_offsets", offsets_of)
    monkeypatch.setattr(Cluster, "__init__", connected)
    answer = lake.load()
    text = text_of(answer)
    assert answer.code in (2, 5), answer.text
    for said in (
        f"Topic {lake.topic('nameless')} of [kafka.default] gave an unusable answer (KeyError: ",
        f"Topic {lake.topic('offsetless')} of [kafka.default] gave an unusable answer (TypeError: "
        "an",
        f"Topic {lake.topic('dated')} of [kafka.default] gave an unusable answer: TypeError: an",
        "[kafka.other] gave an unusable answer: RuntimeError: the client stumbled",
        lake.table("viewed"),
    ):
        assert said in text, (said, text)
    assert "Traceback" not in text
    for name in ("good", "late"):
        assert lake.offsets(name) == every(5)
    # Status and plan show the others.
    for command in ("status", "plan"):
        answer = lake.load(command)
        assert answer.code in (2, 5), answer.text
        assert lake.topic("good") in text_of(answer) or command == "plan"
    monkeypatch.undo()


def test_what_cannot_be_told_of_one_topic_is_left_out_of_verify_alone(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.make("good", "odd")
    lake.configure("good", "odd")
    for name in ("good", "odd"):
        lake.produce(name, 5)
    assert lake.load().code == 0
    real = Cluster.is_compacted

    def compacted(self: Cluster, topic: str) -> bool:
        if topic == lake.topic("odd"):
            raise KeyError("cleanup.policy")
        return real(self, topic)

    monkeypatch.setattr(Cluster, "is_compacted", compacted)
    answer = lake.load("verify", "--full")
    assert answer.code == 5, answer.text
    text = text_of(answer)
    assert f"Topic {lake.topic('odd')} could not be verified: KeyError: 'cleanup.policy'." in text
    assert lake.topic("good") in text
