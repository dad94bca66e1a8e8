"""The columns of the ledger, and the conversion between a batch and a ledger row."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame, Row, SparkSession

from loader.batch import Batch
from loader.content import Content, File, Files, Gap, Import, Offsets, Range, Split

RANGES = "array<struct<partition: int, from_offset: bigint, until_offset: bigint, records: bigint>>"
GAPS = "array<struct<partition: int, from_offset: bigint, until_offset: bigint, reason: string>>"
FILES = "array<struct<path: string, size: bigint, modified_at: timestamp, checksum: string>>"
IMPORT = (
    "struct<relation: string, mode: string, columns: array<struct<name: string, kind: string, "
    "landed_as: string>>, watermark: string, low: string, high: string, fingerprint: string, "
    "splits: array<struct<condition: string, rows: bigint, totals: map<string, array<string>>>>>"
)
# The columns that a batch provides; the ledger adds state, owner and times.
COLUMNS = (
    "table_name, batch_id, source, topic, topic_id, table_id, kind, ranges, gaps, files, "
    "imported, records, bytes"
)
_TYPES = (
    "table_name string, batch_id bigint, source string, topic string, topic_id string, "
    f"table_id string, kind string, ranges {RANGES}, gaps {GAPS}, files {FILES}, "
    f"imported {IMPORT}, records bigint, bytes bigint, state string"
)
TABLE = f"""
    table_name string not null comment 'Raw table, schema.name',
    batch_id bigint not null comment 'Number of the batch, growing by one per table',
    source string not null
        comment 'Section of loader.toml: kafka.name, files.name, jdbc.name',
    topic string comment 'Kafka topic; null for files',
    topic_id string comment 'Id of the topic when the batch was planned',
    table_id string not null comment 'Delta id of the raw table',
    kind string not null comment 'load, replay, adopt or accept',
    ranges {RANGES}
        comment 'Offsets per partition: from, until (exclusive); rows found of them',
    gaps {GAPS} comment 'What a person accepted as lost',
    files {FILES} comment 'Files; an empty checksum: changed while it was read',
    imported {IMPORT} comment 'Import from a database: bounds, parts, their counts',
    state string not null comment 'planned or committed',
    owner string not null comment 'host/pid/start/random of the loader that planned it',
    records bigint comment 'Rows of the batch in the raw table, counted after writing',
    bytes bigint comment 'Bytes of keys and values; for files their size',
    closed_by string comment 'Loader that closed the batch: its owner or its successor',
    planned_at timestamp not null comment 'When the batch was planned (UTC)',
    committed_at timestamp comment 'When the batch was closed (UTC)',
    current boolean not null comment 'Whether the row may say where its table stands'
"""


def rows_of(spark: SparkSession, batches: Sequence[Batch]) -> DataFrame:
    """``batches`` as a data frame with ``COLUMNS`` and the state."""
    rows = [
        (
            batch.table_name,
            batch.batch_id,
            batch.source,
            batch.topic,
            batch.topic_id,
            batch.table_id,
            batch.kind,
            [(r.partition, r.from_offset, r.until_offset, r.records) for r in batch.ranges],
            [(g.partition, g.from_offset, g.until_offset, g.reason) for g in batch.gaps],
            [(each.path, each.size, each.modified_at, each.checksum) for each in batch.files],
            _import_row(batch.content) if isinstance(batch.content, Import) else None,
            batch.records,
            batch.bytes,
            batch.state,
        )
        for batch in batches
    ]
    return spark.createDataFrame(rows, _TYPES)


def batch_of(row: Row) -> Batch:
    """The batch that a ledger row represents."""
    return Batch(
        table_name=row["table_name"],
        batch_id=row["batch_id"],
        source=row["source"],
        content=_content(row),
        table_id=row["table_id"],
        kind=row["kind"],
        gaps=tuple(
            Gap(each["partition"], each["from_offset"], each["until_offset"], each["reason"])
            for each in row["gaps"] or ()
        ),
        state=row["state"],
        owner=row["owner"],
        planned_at=row["planned_at"],
        committed_at=row["committed_at"],
        records=row["records"],
        bytes=row["bytes"],
    )


def _content(row: Row) -> Content:
    if row["topic"] is not None:
        ranges = tuple(
            Range(each["partition"], each["from_offset"], each["until_offset"], each["records"])
            for each in row["ranges"] or ()
        )
        return Offsets(row["topic"], row["topic_id"], ranges)
    if row["imported"] is not None:
        return _import(row["imported"])
    return Files(
        tuple(
            File(each["path"], each["size"], each["modified_at"], each["checksum"])
            for each in row["files"] or ()
        )
    )


def _import_row(imported: Import) -> tuple[object, ...]:
    return (
        imported.relation,
        imported.mode,
        list(imported.columns),
        imported.column,
        imported.low,
        imported.high,
        imported.fingerprint,
        [
            (each.condition, each.rows, {key: list(value) for key, value in each.totals.items()})
            for each in imported.splits
        ],
    )


def _import(value: Row) -> Import:
    return Import(
        relation=value["relation"],
        mode=value["mode"],
        columns=tuple(tuple(each) for each in value["columns"]),
        column=value["watermark"],
        low=value["low"],
        high=value["high"],
        fingerprint=value["fingerprint"],
        splits=tuple(
            Split(
                each["condition"],
                each["rows"],
                {key: tuple(totals) for key, totals in each["totals"].items()},
            )
            for each in value["splits"]
        ),
    )
