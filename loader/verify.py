"""Compares raw tables with the ledger and with Kafka, and reports differences.

Three checks, the cheapest first: whether the ledger's batches follow each other without a hole;
whether each batch has its rows; and whether the rows equal Kafka's records, as far as Kafka still
has them. The last check compares checksums of key, value, headers and timestamp, of a sample or of
all records.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as f

from loader.batch import COMMITTED, Batch, TopicKey, positions
from loader.content import ACCEPT, ADOPT, LOAD, REPLAY, Range
from loader.errors import DataLoss, LoaderError
from loader.lake import tables
from loader.lake.frames import united
from loader.lake.spark_errors import as_ours, is_gone
from loader.remedies import of_topic
from loader.round import Loader
from loader.sources.kafka.reading import exactly, is_odd, layers, records_of
from loader.sources.kafka.source import Topics
from loader.sources.kafka.topic import TopicState, Unreadable

_SLICES = 5
_LOOK_BACK = 10_000
# Reasons of gaps after which the same offsets identify other records.
_RENAMES = ("rewound", "topic_recreated", "topic_deleted")


@dataclass(frozen=True)
class Finding:
    """The result for one topic of one table.

    ``rows`` is the number of rows in the table, ``recorded`` the number in the ledger. ``holes``
    are offsets without a record, which is correct if Kafka has none either (compaction,
    transactions). ``compared`` records were compared with Kafka: ``missing`` are only in Kafka,
    ``changed`` differ, ``extra`` are only in the table although the topic is not compacted.
    ``damages`` are the errors, each with its place and remedy.
    """

    table: str
    topic: str
    batches: int
    rows: int
    recorded: int
    holes: int
    compared: int
    missing: int
    changed: int
    extra: int
    damages: tuple[DataLoss, ...]


def verify(
    loader: Loader, topics: Sequence[str], *, sample: int, full: bool, seed: int
) -> tuple[list[Finding], list[LoaderError]]:
    """Verify each of ``topics`` (if empty, all) that was loaded; returns findings, and errors of
    topics that could not be compared.

    ``sample`` is the number of offsets per partition to compare with Kafka, in slices whose places
    ``seed`` determines. With ``full`` all records that Kafka still has are compared.
    """
    survey, topics_kind = loader.survey(make_tables=False), loader.kind(Topics)
    found = topics_kind.found
    keys = [key for key in sorted(found.tables) if not topics or key[1] in topics]
    names = sorted({found.tables[key] for key in keys})
    existing = tables.existing_tables(loader.spark, names, make_schemas=False)
    history = loader.ledger.history(names) if survey.rows else []
    findings = []
    errors: list[LoaderError] = []
    for key in keys:
        table = found.tables[key]
        rows = [row for row in history if row.table_name == table and row.topic == key[1]]
        if not rows or table not in existing:
            continue
        newest = max(row.batch_id for row in history if row.table_name == table)
        try:
            one = _OfTopic(loader, topics_kind, key, table, rows)
            findings.append(one.finding(newest, sample=sample, full=full, seed=seed))
        except Exception as error:
            if is_gone(error):
                raise
            what = f"Topic {key[1]} could not be verified"
            errors.append(as_ours(error, what, topic=key[1], table=table))
    of_topics = {key[1] for key in keys} | set(names) | {None}
    errors += [
        error for error in survey.errors if not topics or {error.topic, error.table} & of_topics
    ]
    return findings, errors


@dataclass(frozen=True)
class _OfTopic:
    """The verification of one topic (``key``) with its ``table`` and its ledger ``rows``."""

    loader: Loader
    topics: Topics
    key: TopicKey
    table: str
    rows: Sequence[Batch]

    def finding(self, newest: int, *, sample: int, full: bool, seed: int) -> Finding:
        """All checks; ``newest`` is the newest batch of the table in the ledger."""
        closed = [row for row in self.rows if row.state == COMMITTED]
        held = _held(self.loader, self.table, self.key[1])
        in_table = sum(each.rows for each in held.values())
        damages = [
            *follow_on(self.rows),
            *self._miscounted(closed, held),
            *self._unknown(held, newest),
        ]
        compared, differences = self._compared(closed, sample, full=full, seed=seed)
        damages += [self._difference(each) for each in differences]
        counts = {
            kind: sum(each.records for each in differences if each.kind == kind)
            for kind in ("missing", "changed", "extra")
        }
        loads = [row for row in closed if row.kind == LOAD]
        return Finding(
            table=self.table,
            topic=self.key[1],
            batches=len(self.rows),
            rows=in_table,
            recorded=sum(each.records or 0 for row in closed for each in row.ranges),
            holes=sum(row.span - (row.records or 0) for row in loads),
            compared=compared,
            **counts,
            damages=tuple(damages),
        )

    def _miscounted(
        self, closed: Sequence[Batch], held: dict[tuple[int, int], _Held]
    ) -> Iterator[DataLoss]:
        """Batches whose rows differ from the ledger's counts. Removes all checked batches from
        ``held``.

        Rows that a later replay landed again, and batches that were accepted as lost, may be
        missing.
        """
        lost = {
            batch_id
            for row in self.rows
            for gap in row.gaps
            if gap.is_of_table
            for batch_id in range(gap.from_offset, gap.until_offset)
        }
        for row in closed:
            for each in row.ranges:
                wanted = each.records or 0
                found = held.pop((row.batch_id, each.partition), _Held(0, 0, None, None))
                if found.rows < wanted and (
                    _is_replayed(closed, row, each) or row.batch_id in lost
                ):
                    continue
                wrong = found.differs(each)
                if wrong:
                    yield _damage(
                        row,
                        f"batch {row.batch_id} has {found.rows} rows of partition "
                        f"{each.partition}: {', '.join(wrong)}",
                        each if found.rows < wanted else None,
                    )

    def _unknown(self, held: Mapping[tuple[int, int], _Held], newest: int) -> Iterator[DataLoss]:
        """Rows of batches that the ledger does not list for the topic."""
        last_known, topic, table = newest, self.key[1], self.table
        open_ids = {row.batch_id for row in self.rows if row.state != COMMITTED}
        unknown = {key: found for key, found in held.items() if key[0] not in open_ids}
        if any(batch_id > newest for batch_id, _ in unknown):
            # Another loader may have written the batch after the ledger was read.
            newest = positions(self.loader.ledger.current(), [table])[table].last_batch_id
            unknown = {
                key: found for key, found in unknown.items() if not last_known < key[0] <= newest
            }
        for (batch_id, partition), found in sorted(unknown.items()):
            message = (
                f"Table {table}: {found.rows} rows of topic {topic} partition {partition} have "
                f"batch id {batch_id}, which the ledger does not list for the topic. Another "
                "program wrote them; remove them."
            )
            yield DataLoss(message, table=table, topic=topic, partition=partition)

    def _compared(
        self, closed: Sequence[Batch], sample: int, *, full: bool, seed: int
    ) -> tuple[int, list[_Difference]]:
        """The number of records that were compared with Kafka's, and the differences."""
        state = self.topics.found.topics.get(self.key)
        covered = loaded(closed, state) if state is not None else []
        if state is None or not covered:
            return 0, []
        dice = random.Random(seed)  # noqa: S311
        wanted = [covered] if full else slices(covered, sample, dice)
        compared, differences = _compare(self.topics, self.key, self.table, wanted, state)
        compacted = self.topics.clusters.get(self.key[0]).is_compacted(self.key[1])
        left_out = {"same", "extra"} if compacted else {"same"}
        return compared, [each for each in differences if each.kind not in left_out]

    def _difference(self, each: _Difference) -> DataLoss:
        words = {
            "missing": "are in Kafka, but not in the table",
            "changed": "differ from Kafka's",
            "extra": "are in the table, but not in Kafka, which does not compact the topic",
        }
        return _damage(
            self.rows[-1],
            f"{each.records} records of partition {each.partition} between the offsets "
            f"{each.first} and {each.last} {words[each.kind]}",
            Range(each.partition, each.first, each.last + 1) if each.kind == "missing" else None,
        )


def rewound_at(
    topics: Topics, key: TopicKey, last: Batch, state: TopicState, partition: int, offset: int
) -> int | None:
    """The offset from which ``partition`` holds other records than raw, at most ``offset``; None if
    they are the same at ``offset``.
    """

    def first(begin: int, end: int) -> dict[str, int]:
        """The first offset of each kind of difference, and of equal records."""
        if begin >= end:
            return {}
        _, parts = _compare(topics, key, last.table_name, [[Range(partition, begin, end)]], state)
        return {each.kind: each.first for each in parts}

    done = last.committed_offset(partition) or 0
    found = first(offset, min(state.end[partition], done))
    others = [found[kind] for kind in ("changed", "missing") if kind in found]
    if "same" in found and not (others and min(others) < found["same"]):
        return None
    if not others and state.high_watermark(partition) >= done:
        return None
    size = _LOOK_BACK
    while True:
        # The difference may begin before ``offset``, with records that were produced after the loss
        # and before the loader noticed it. Look further back.
        begin = max(state.begin[partition], offset - size)
        found = first(begin, offset)
        if "changed" not in found:
            return offset
        offset, size = found["changed"], size * 10
        if found.get("same", offset) < offset:
            return offset


def follow_on(rows: Sequence[Batch]) -> Iterator[DataLoss]:
    """Errors in the order of one topic's ledger ``rows``: each load must begin where the previous
    one ended, unless a person's decision lies between them.
    """
    at: dict[int, int] = {}
    for index, row in enumerate(rows):
        if row.state != COMMITTED and index < len(rows) - 1:
            yield _damage(
                row,
                f"batch {row.batch_id} was never finished, and later ones were",
                None,
            )
        if row.kind == REPLAY:
            continue
        if row.kind in (ACCEPT, ADOPT):
            at = {each.partition: each.until_offset for each in row.ranges}
            continue
        for each in row.ranges:
            before = at.get(each.partition, each.from_offset if index == 0 else 0)
            if at and each.from_offset != before:
                yield _damage(
                    row,
                    f"batch {row.batch_id} begins at offset {each.from_offset} of partition "
                    f"{each.partition}, but the one before it ended at {before}",
                    Range(each.partition, before, each.from_offset),
                )
        at = {each.partition: each.until_offset for each in row.ranges}


def loaded(rows: Sequence[Batch], state: TopicState) -> list[Range]:
    """The committed offsets of one topic that Kafka still has: of each partition the latest stretch
    without an accepted gap.
    """
    stretch: dict[int, tuple[int, int]] = {}
    for row in rows:
        if row.kind == REPLAY:
            continue
        if row.topic_id != state.topic_id or any(
            gap.reason in _RENAMES or gap.is_of_table for gap in row.gaps
        ):
            stretch = {}
        if row.topic_id != state.topic_id:
            continue
        for each in row.stretches if row.kind == LOAD else row.ranges:
            begin, end = stretch.get(each.partition, (each.from_offset, each.from_offset))
            if each.from_offset != end:
                begin = each.from_offset
            stretch[each.partition] = (begin, each.until_offset)
    ranges = []
    for partition, (begin, end) in sorted(stretch.items()):
        if partition in state.begin:
            first = max(begin, state.begin[partition])
            if first < end:
                ranges.append(Range(partition, first, end))
    return ranges


def slices(covered: Sequence[Range], sample: int, dice: random.Random) -> list[list[Range]]:
    """About ``sample`` offsets of each partition, in ``_SLICES`` places; all of a smaller
    partition.
    """
    size = max(1, sample // _SLICES)
    chosen: list[list[Range]] = [[] for _ in range(_SLICES)]
    for each in covered:
        if each.span <= sample:
            chosen[0].append(each)
            continue
        stride = each.span // _SLICES
        for place in range(_SLICES):
            # One slice per fifth, so that none overlap. The last one ends with the newest record.
            begin = each.from_offset + place * stride
            at = begin + dice.randrange(max(1, stride - size))
            if place == _SLICES - 1:
                at = each.until_offset - size
            chosen[place].append(Range(each.partition, at, at + size))
    return [each for each in chosen if each]


def _is_replayed(rows: Sequence[Batch], row: Batch, lost: Range) -> bool:
    """Whether a later replay landed all offsets of ``lost`` again."""
    return any(
        later.kind == REPLAY
        and later.batch_id > row.batch_id
        and each.partition == lost.partition
        and each.from_offset <= lost.from_offset
        and each.until_offset >= lost.until_offset
        for later in rows
        for each in later.ranges
    )


class _Held(NamedTuple):
    """Rows of one batch and partition in the table: number, distinct offsets, first and last
    offset.
    """

    rows: int
    offsets: int
    first: int | None
    last: int | None

    def differs(self, planned: Range) -> list[str]:
        """The differences from the range in the ledger, in words."""
        wrong = []
        if self.rows != (planned.records or 0):
            wrong.append(f"the ledger counted {planned.records or 0}")
        if self.offsets != self.rows:
            wrong.append(f"{self.rows - self.offsets} are there twice")
        if (
            self.first is not None
            and self.last is not None
            and (self.first < planned.from_offset or self.last >= planned.until_offset)
        ):
            wrong.append(
                f"offsets {self.first} to {self.last} are not within {planned.from_offset} to "
                f"{planned.until_offset - 1}, which the ledger has"
            )
        return wrong


class _Difference(NamedTuple):
    """``records`` of a partition from ``first`` to ``last`` (inclusive), of one ``kind``: the
    ``same`` in Kafka and in the table, ``missing`` from the table, ``changed``, or ``extra`` in the
    table.
    """

    kind: str
    partition: int
    first: int
    last: int
    records: int


def _held(loader: Loader, table: str, topic: str) -> dict[tuple[int, int], _Held]:
    rows = (
        loader.spark.table(table)
        .where(f.col("topic") == topic)
        .groupBy("batch_id", "partition")
        .agg(f.count("*"), f.count_distinct("offset"), f.min("offset"), f.max("offset"))
        .collect()
    )
    return {(row[0], row[1]): _Held(*row[2:]) for row in rows}


def _compare(
    topics: Topics,
    key: TopicKey,
    table: str,
    wanted: Sequence[Sequence[Range]],
    state: TopicState | None,
) -> tuple[int, list[_Difference]]:
    """The number of Kafka's records in ``wanted``, and where they equal the
    table's and where not.
    """
    spark, topic = topics.spark, key[1]
    config = topics.settings.kafka[key[0]]
    pieces = [each for ranges in wanted for each in ranges]
    parts = layers({topic: pieces})
    polls = topics.scales.polls(key, pieces, state)
    held = spark.table(table).where(f.col("topic") == topic)
    columns = ["key", "value", "headers", "timestamp", "timestamp_type"]
    if "timestamp_ms" in held.columns:  # tables of older versions lack this column
        columns.append("timestamp_ms")
    checksum = f.xxhash64(*columns)
    ours = (
        _within(held, pieces)
        .groupBy("partition", "offset")
        .agg(f.collect_set(checksum).alias("ours"))
    )

    def compared_with(kafka: DataFrame) -> list[Row]:
        theirs = kafka.select("partition", "offset", checksum.alias("theirs"))
        return _differences(theirs.join(ours, ["partition", "offset"], "full"))

    try:
        theirs = [records_of(spark, config, each, 0, polls) for each in parts]
        rows = compared_with(united(theirs))
    except Exception as error:
        if not is_odd(error):
            raise
        read = topics.clusters.reader(key[0])
        try:
            rows = compared_with(exactly(spark, config, {topic: pieces}, read, polls))
        except Unreadable as bad:
            message = (
                f"Topic {topic} partition {bad.partition}: the record at offset {bad.offset} "
                f"cannot be read ({bad}), so the topic was not compared with Kafka."
            )
            raise DataLoss(message, table=table, topic=topic) from error
    compared = sum(row["records"] for row in rows if row["kind"] != "extra")
    return compared, [_Difference(*row) for row in rows]


def _within(held: DataFrame, pieces: Sequence[Range]) -> DataFrame:
    """The rows of ``held`` whose offsets lie in ``pieces``."""
    # A join, not an expression: there may be thousands of pieces.
    bounds = held.sparkSession.createDataFrame(
        [(each.partition, each.from_offset, each.until_offset) for each in pieces],
        "of_partition int, from_offset bigint, until_offset bigint",
    )
    inside = (
        (f.col("partition") == f.col("of_partition"))
        & (f.col("offset") >= f.col("from_offset"))
        & (f.col("offset") < f.col("until_offset"))
    )
    first = min(each.from_offset for each in pieces)
    last = max(each.until_offset for each in pieces) - 1
    near = held.where(f.col("offset").between(first, last))
    return near.join(f.broadcast(bounds), inside, "left_semi")


def _differences(joined: DataFrame) -> list[Row]:
    """By partition: how many records are the same, missing, extra or changed, and
    at which offsets.
    """
    kind = (
        f.when(f.col("ours").isNull(), "missing")
        .when(f.col("theirs").isNull(), "extra")
        .when(~f.array_contains("ours", f.col("theirs")), "changed")
        .otherwise("same")
    )
    return (
        joined.groupBy(kind.alias("kind"), "partition")
        .agg(
            f.min("offset").alias("first"),
            f.max("offset").alias("last"),
            f.count("*").alias("records"),
        )
        .orderBy("kind", "partition")
        .collect()
    )


def _damage(row: Batch, what: str, again: Range | None) -> DataLoss:
    todo, remedy = "find out what wrote to the table.", None
    if again is not None:
        bounds = (
            f"--from {again.partition}:{again.from_offset}",
            f"--until {again.partition}:{again.until_offset}",
        )
        remedy = of_topic("replay", row, *bounds)
        todo = f"to land them again: {remedy}"
    sentence = f"Table {row.table_name}, topic {row.topic}: {what}; {todo}"
    return DataLoss(sentence, remedy=remedy, table=row.table_name, topic=row.topic)
