"""Does raw hold what the ledger says, and what Kafka holds? Compares and explains.

Three questions, from cheap to dear: do the ledger's batches follow each other without a hole, does
each batch have its rows, and are the rows those of Kafka, as far as Kafka still has them. The last
compares checksums of key, value, headers and timestamp over a sample, or over everything.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as f

from loader import land, spark_errors
from loader.errors import DataLoss, LoaderError
from loader.kafka import TopicState, Unreadable
from loader.ledger import positions
from loader.plan import (
    ACCEPT,
    ADOPT,
    COMMITTED,
    LOAD,
    REPLAY,
    Batch,
    Range,
    command,
)
from loader.run import Key, Loader, Survey, as_ours

_SLICES = 5
_LOOK_BACK = 10_000
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
) -> tuple[list[Finding], list[LoaderError]]:
    """Verify each of ``topics`` (all, when empty) that was loaded, with its raw table; with the
    errors of what could not be compared.

    ``sample`` is the number of offsets per partition to compare with Kafka, in slices whose places
    follow from ``seed``; with ``full`` everything that Kafka still holds is compared.
    """
    survey = loader.survey(make_tables=False)
    keys = [key for key in sorted(survey.tables) if not topics or key[1] in topics]
    tables = sorted({survey.tables[key] for key in keys})
    existing = land.existing_tables(loader.spark, tables, make_schemas=False)
    history = loader.ledger.history(tables) if survey.rows else []
    findings = []
    errors: list[LoaderError] = []
    for key in keys:
        table = survey.tables[key]
        mine = [row for row in history if row.table_name == table and row.topic == key[1]]
        if not mine or table not in existing:
            continue
        newest = max(row.batch_id for row in history if row.table_name == table)
        try:
            findings.append(
                _finding(loader, survey, key, mine, newest, sample=sample, full=full, seed=seed)
            )
        except Exception as error:
            if spark_errors.is_gone(error):
                raise
            what = f"Topic {key[1]} could not be verified"
            errors.append(as_ours(error, what, topic=key[1], table=table))
    of_topics = {key[1] for key in keys} | set(tables) | {None}
    errors += [
        error
        for error in survey.errors
        if not topics or {error.facts.get("topic"), error.facts.get("table")} & of_topics
    ]
    return findings, errors


def _finding(
    loader: Loader,
    survey: Survey,
    key: Key,
    rows: Sequence[Batch],
    newest: int,
    *,
    sample: int,
    full: bool,
    seed: int,
) -> Finding:
    table, topic, last_known = survey.tables[key], key[1], newest
    damages = [*follow_on(rows)]
    held = _held(loader, table, topic)
    lost = {
        batch_id
        for row in rows
        for gap in row.gaps
        if gap.is_of_table
        for batch_id in range(gap.from_offset, gap.until_offset)
    }
    closed = [row for row in rows if row.state == COMMITTED]
    recorded, in_table = 0, sum(each.rows for each in held.values())
    for row in closed:
        for each in row.ranges:
            wanted = each.records or 0
            recorded += wanted
            found = held.pop((row.batch_id, each.partition), _Held(0, 0, None, None))
            if found.rows < wanted and (_is_replayed(closed, row, each) or row.batch_id in lost):
                continue
            wrong = []
            if found.rows != wanted:
                wrong.append(f"the ledger counted {wanted}")
            if found.offsets != found.rows:
                wrong.append(f"{found.rows - found.offsets} are there twice")
            if (
                found.first is not None
                and found.last is not None
                and (found.first < each.from_offset or found.last >= each.until_offset)
            ):
                wrong.append(
                    f"offsets {found.first} to {found.last} are not within {each.from_offset} to "
                    f"{each.until_offset - 1}, which the ledger has"
                )
            if wrong:
                damages.append(
                    _damage(
                        row,
                        f"batch {row.batch_id} has {found.rows} rows of partition "
                        f"{each.partition}: {', '.join(wrong)}",
                        each if found.rows < wanted else None,
                    )
                )
    open_ids = {row.batch_id for row in rows if row.state != COMMITTED}
    unknown = {key: found for key, found in held.items() if key[0] not in open_ids}
    if any(batch_id > newest for batch_id, _ in unknown):
        # Another loader may have written it since the ledger was read.
        newest = positions(loader.ledger.current(), [table])[table].last_batch_id
        unknown = {
            key: found for key, found in unknown.items() if not last_known < key[0] <= newest
        }
    for (batch_id, partition), found in sorted(unknown.items()):
        message = (
            f"Table {table}: {found.rows} rows of topic {topic} partition {partition} say that "
            f"they are of batch {batch_id}, which the ledger does not have of it. Something else "
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
        compared, differences = _compare(loader, key, table, wanted_ranges, state)
        compacted = loader.cluster(key[0]).is_compacted(topic)
        for kind, partition, first, last, count in differences:
            if kind == "same" or (kind == "extra" and compacted):
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
                    rows[-1],
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


def rewound_at(
    loader: Loader, key: Key, last: Batch, state: TopicState, partition: int, offset: int
) -> int | None:
    """Where ``partition`` begins to have other records than were loaded from it, at ``offset`` or
    before; None where it has the same there.
    """

    def first(begin: int, end: int) -> dict[str, int]:
        """The first offset of what is the same, and of what is not."""
        if begin >= end:
            return {}
        _, parts = _compare(loader, key, last.table_name, [[Range(partition, begin, end)]], state)
        return {kind: at for kind, _, at, _, _ in parts}

    done = last.committed_offset(partition) or 0
    found = first(offset, min(state.end[partition], done))
    others = [found[kind] for kind in ("changed", "missing") if kind in found]
    if "same" in found and not (others and min(others) < found["same"]):
        return None
    if not others and state.high_watermark(partition) >= done:
        return None
    size = _LOOK_BACK
    while True:
        # What came after the loss and before it was seen would be left out.
        begin = max(state.begin[partition], offset - size)
        found = first(begin, offset)
        if "changed" not in found:
            return offset
        offset, size = found["changed"], size * 10
        if found.get("same", offset) < offset:
            return offset


def follow_on(rows: Sequence[Batch]) -> Iterator[DataLoss]:
    """What is wrong with the order of one topic's ledger ``rows``: each load begins where the one
    before it ended, unless a person said otherwise.
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
    """What the committed ``rows`` of one topic hold of the offsets that Kafka still has, as the
    latest stretch of each partition without an accepted gap.
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


class _Held(NamedTuple):
    """What a table has of one batch and partition: rows, different offsets, first and last."""

    rows: int
    offsets: int
    first: int | None
    last: int | None


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
    loader: Loader,
    key: Key,
    table: str,
    wanted: Sequence[Sequence[Range]],
    state: TopicState | None,
) -> tuple[int, list[tuple[str, int, int, int, int]]]:
    """How many records Kafka has in ``wanted``, and where the table is the same and where it
    differs: the kind, partition, first and last offset, and number.
    """
    spark, topic = loader.spark, key[1]
    config = loader.settings.kafka[key[0]]
    pieces = [each for ranges in wanted for each in ranges]
    parts = land.layers({topic: pieces})
    polls = loader.polls(key, pieces, state)
    columns = ["key", "value", "headers", "timestamp", "timestamp_type"]
    held = spark.table(table).where(f.col("topic") == topic)
    if "timestamp_ms" in held.columns:  # a table from before it was kept has none such
        columns.append("timestamp_ms")
    checksum = f.xxhash64(*columns)
    # Rows to join, and no expression: there may be thousands.
    bounds = spark.createDataFrame(
        [(each.partition, each.from_offset, each.until_offset) for each in pieces],
        "of_partition int, from_offset bigint, until_offset bigint",
    )
    inside = (
        (f.col("partition") == f.col("of_partition"))
        & (f.col("offset") >= f.col("from_offset"))
        & (f.col("offset") < f.col("until_offset"))
    )
    ours = (
        held.where(
            f.col("offset").between(
                min(each.from_offset for each in pieces),
                max(each.until_offset for each in pieces) - 1,
            )
        )
        .join(f.broadcast(bounds), inside, "left_semi")
        .groupBy("partition", "offset")
        .agg(f.collect_set(checksum).alias("ours"))
    )

    def compared_with(kafka: DataFrame) -> list[Row]:
        theirs = kafka.select("partition", "offset", checksum.alias("theirs"))
        return _differences(theirs.join(ours, ["partition", "offset"], "full"))

    try:
        theirs = [land.records_of(spark, config, each, 0, polls) for each in parts]
        rows = compared_with(land.united(theirs))
    except Exception as error:
        if not land.is_odd(error):
            raise
        read = loader.reader(key[0])
        try:
            rows = compared_with(land.exactly(spark, config, {topic: pieces}, read, polls))
        except Unreadable as bad:
            message = (
                f"Topic {topic} partition {bad.facts['partition']}: the record at offset "
                f"{bad.offset} cannot be read ({bad}), so the topic was not compared with Kafka."
            )
            raise DataLoss(message, table=table, topic=topic) from error
    compared = sum(row["records"] for row in rows if row["kind"] != "extra")
    return compared, [tuple(row) for row in rows]


def _differences(joined: DataFrame) -> list[Row]:
    """Of ``ours`` and ``theirs`` how many records are the same and how many differ, and where."""
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
    todo = "find out what wrote to the table."
    if again is not None:
        at = f"{again.partition}:{again.from_offset} --until {again.partition}:{again.until_offset}"
        todo = f"to land them again: {command('replay', row, f'--from {at}')}"
    sentence = f"Table {row.table_name}, topic {row.topic}: {what}; {todo}"
    return DataLoss(sentence, table=row.table_name, topic=row.topic)
