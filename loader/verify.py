"""Does raw hold what the ledger says, and what Kafka holds? Compares and explains.

Three questions, from cheap to dear: do the ledger's batches follow each other without a hole, does
each batch have its rows, and are the rows those of Kafka, as far as Kafka still has them. The last
compares checksums of key, value, headers and timestamp over a sample, or over everything.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from loader import land
from loader.errors import DataLoss
from loader.kafka import TopicState
from loader.plan import ACCEPT, ADOPT, COMMITTED, LOAD, REPLAY, Batch, Range
from loader.run import Key, Loader, Survey

_SLICES = 5
# After these, offsets of a topic name other records than before.
_RENAMES = ("rewound", "topic_recreated", "topic_deleted")


@dataclass(frozen=True)
class Finding:
    """What was compared for one topic of one table, and what is wrong with it.

    ``rows`` are those in the table and ``recorded`` those in the ledger; ``holes`` are offsets
    without a record, which are right where Kafka has none either (compaction, transactions).
    ``compared`` records were compared with Kafka; ``missing`` are not in the table, ``changed``
    differ, ``extra`` are in the table alone although nothing may have removed them from Kafka.
    ``damages`` says what is wrong, where and what to do.
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
) -> Iterator[Finding]:
    """Verify each of ``topics`` (all, when empty) that was loaded, with its raw table.

    ``sample`` is the number of offsets per partition to compare with Kafka, in slices whose places
    follow from ``seed``; with ``full`` everything that Kafka still holds is compared.
    """
    survey = loader.survey(make_tables=False)
    if not survey.positions:
        return
    history = loader.ledger.history(sorted(set(survey.tables.values())))
    for key in sorted(survey.tables):
        if topics and key[1] not in topics:
            continue
        table = survey.tables[key]
        mine = [row for row in history if row.table_name == table and row.topic == key[1]]
        if mine:
            yield _finding(loader, survey, key, mine, sample=sample, full=full, seed=seed)


def _finding(
    loader: Loader,
    survey: Survey,
    key: Key,
    rows: Sequence[Batch],
    *,
    sample: int,
    full: bool,
    seed: int,
) -> Finding:
    table, topic = survey.tables[key], key[1]
    damages = [*follow_on(rows)]
    held = _held(loader, table, topic)
    closed = [row for row in rows if row.state == COMMITTED]
    recorded, in_table = 0, sum(count for count, _ in held.values())
    for row in closed:
        for each in row.ranges:
            wanted = each.records or 0
            found, distinct = held.pop((row.batch_id, each.partition), (0, 0))
            recorded += wanted
            if found < wanted and _is_replayed(closed, row, each):
                continue
            if found != wanted or distinct != found:
                what = f"{found - distinct} of them twice" if distinct != found else ""
                damages.append(
                    _damage(
                        table,
                        topic,
                        f"batch {row.batch_id} has {found} rows of partition {each.partition} "
                        f"{what}, the ledger counted {wanted}".replace(" ,", ","),
                        Range(each.partition, each.from_offset, each.until_offset),
                    )
                )
    open_ids = {row.batch_id for row in rows if row.state != COMMITTED}
    for (batch_id, partition), (found, _) in sorted(held.items()):
        if batch_id not in open_ids:
            message = (
                f"Table {table}: {found} rows of topic {topic} partition {partition} say that they "
                f"are of batch {batch_id}, which the ledger does not have of it. Something else "
                "than the loader wrote them; remove them."
            )
            damages.append(DataLoss(message, table=table, topic=topic, partition=partition))
    compared, missing, changed, extra = 0, 0, 0, 0
    state = survey.topics.get(key)
    covered = loaded(closed, state) if state is not None else []
    if state is not None and covered:
        wanted_ranges = (
            [covered] if full else slices(covered, sample, random.Random(seed))  # noqa: S311
        )
        compared, differences = _compare(loader, key, table, wanted_ranges)
        compacted = loader.cluster(key[0]).is_compacted(topic)
        for kind, partition, first, last, count in differences:
            if kind == "extra" and compacted:
                continue
            missing += count if kind == "missing" else 0
            changed += count if kind == "changed" else 0
            extra += count if kind == "extra" else 0
            words = {
                "missing": "are in Kafka, but not in the table",
                "changed": "differ from Kafka's",
                "extra": "are in the table, but not in Kafka, which does not compact the topic",
            }
            damages.append(
                _damage(
                    table,
                    topic,
                    f"{count} records of partition {partition} between the offsets {first} and "
                    f"{last} {words[kind]}",
                    Range(partition, first, last + 1) if kind == "missing" else None,
                )
            )
    loads = [row for row in closed if row.kind == LOAD]
    return Finding(
        table=table,
        topic=topic,
        batches=len(rows),
        rows=in_table,
        recorded=recorded,
        holes=sum(row.span - (row.records or 0) for row in loads),
        compared=compared,
        missing=missing,
        changed=changed,
        extra=extra,
        damages=tuple(damages),
    )


def follow_on(rows: Sequence[Batch]) -> Iterator[DataLoss]:
    """What is wrong with the order of one topic's ledger ``rows``: each load begins where the one
    before it ended, unless a person said otherwise.
    """
    at: dict[int, int] = {}
    for index, row in enumerate(rows):
        if row.state != COMMITTED and index < len(rows) - 1:
            yield _damage(
                row.table_name,
                row.topic or "",
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
                    row.table_name,
                    row.topic or "",
                    f"batch {row.batch_id} begins at offset {each.from_offset} of partition "
                    f"{each.partition}, but the one before it ended at {before}",
                    Range(each.partition, before, each.from_offset),
                )
        at = {each.partition: each.until_offset for each in row.ranges}


def loaded(rows: Sequence[Batch], state: TopicState) -> list[Range]:
    """What the committed ``rows`` of one topic hold of the offsets that Kafka still has, as the
    latest stretch of each partition without an accepted gap.
    """
    stretch: dict[int, tuple[int, int]] = {}
    for row in rows:
        if row.kind == REPLAY:
            continue
        if row.topic_id != state.topic_id or any(gap.reason in _RENAMES for gap in row.gaps):
            stretch = {}
        if row.topic_id != state.topic_id:
            continue
        for each in row.readable if row.kind == LOAD else row.ranges:
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
    """About ``sample`` offsets of each partition, in a few places; all of one that has no more."""
    size = max(1, sample // _SLICES)
    chosen: list[list[Range]] = [[] for _ in range(_SLICES)]
    for each in covered:
        if each.span <= sample:
            chosen[0].append(each)
            continue
        stride = each.span // _SLICES
        for place in range(_SLICES):
            # One of each fifth, so that no two overlap; the newest records are always among them.
            begin = each.from_offset + place * stride
            at = begin + dice.randrange(max(1, stride - size))
            if place == _SLICES - 1:
                at = each.until_offset - size
            chosen[place].append(Range(each.partition, at, at + size))
    return [each for each in chosen if each]


def _is_replayed(rows: Sequence[Batch], row: Batch, lost: Range) -> bool:
    """Whether a later replay landed all of ``lost`` again."""
    return any(
        later.kind == REPLAY
        and later.batch_id > row.batch_id
        and each.partition == lost.partition
        and each.from_offset <= lost.from_offset
        and each.until_offset >= lost.until_offset
        for later in rows
        for each in later.ranges
    )


def _held(loader: Loader, table: str, topic: str) -> dict[tuple[int, int], tuple[int, int]]:
    """Rows, and different offsets, of each batch and partition in ``table``."""
    rows = (
        loader.spark.table(table)
        .where(f.col("topic") == topic)
        .groupBy("batch_id", "partition")
        .agg(f.count("*").alias("rows"), f.count_distinct("offset").alias("offsets"))
        .collect()
    )
    return {(row["batch_id"], row["partition"]): (row["rows"], row["offsets"]) for row in rows}


def _compare(
    loader: Loader, key: Key, table: str, wanted: Sequence[Sequence[Range]]
) -> tuple[int, list[tuple[str, int, int, int, int]]]:
    """How many records Kafka has in ``wanted``, and where the table differs: the kind, partition,
    first and last offset, and number.
    """
    spark, topic = loader.spark, key[1]
    config = loader.settings.kafka[key[0]]
    parts = [land.records_of(spark, config, {topic: ranges}) for ranges in wanted]
    kafka = reduce(DataFrame.unionAll, parts)
    checksum = f.xxhash64("key", "value", "headers", "timestamp", "timestamp_type")
    inside = f.lit(False)
    for each in (each for ranges in wanted for each in ranges):
        inside = inside | (
            (f.col("partition") == each.partition)
            & f.col("offset").between(each.from_offset, each.until_offset - 1)
        )
    ours = (
        spark.table(table)
        .where((f.col("topic") == topic) & inside)
        .groupBy("partition", "offset")
        .agg(f.collect_set(checksum).alias("ours"))
    )
    theirs = kafka.select("partition", "offset", checksum.alias("theirs"))
    joined = theirs.join(ours, ["partition", "offset"], "full")
    kind = (
        f.when(f.col("ours").isNull(), "missing")
        .when(f.col("theirs").isNull(), "extra")
        .when(~f.array_contains("ours", f.col("theirs")), "changed")
        .otherwise("same")
    )
    rows = (
        joined.groupBy(kind.alias("kind"), "partition")
        .agg(
            f.min("offset").alias("first"),
            f.max("offset").alias("last"),
            f.count("*").alias("records"),
        )
        .orderBy("kind", "partition")
        .collect()
    )
    compared = sum(row["records"] for row in rows if row["kind"] != "extra")
    return compared, [tuple(row) for row in rows if row["kind"] != "same"]


def _damage(table: str, topic: str, what: str, again: Range | None) -> DataLoss:
    todo = "find out what wrote to the table."
    if again is not None:
        todo = (
            f"to land them again: python -m loader replay --topic {topic} --from "
            f"{again.partition}:{again.from_offset} --until {again.partition}:{again.until_offset}"
        )
    return DataLoss(f"Table {table}, topic {topic}: {what}; {todo}", table=table, topic=topic)
