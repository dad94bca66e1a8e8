"""The ledger: a Delta table that says which batch of which raw table holds which offsets.

A batch is written here as ``planned``, with its ranges, before its data is written, and closed as
``committed`` after. Both steps are compare-and-set: planning inserts a batch only where the ledger
has none of that number, closing changes only what is still planned. That fixes what batch N of a
table holds before anything is written, for every loader, for ever.

Only a few rows say where the tables stand; they are the partition ``current``, so that a run reads
as much of a ledger of years as of one of an hour. The newest row of a table is always current.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as f

from loader.errors import Bug, ConfigurationError, Fenced
from loader.land import make_table, until_no_conflict
from loader.plan import (
    COMMITTED,
    PLANNED,
    REPLAY,
    Batch,
    File,
    Gap,
    Import,
    Position,
    Range,
    Split,
    position,
)
from loader.process import is_alive, new_owner

_RANGES = (
    "array<struct<partition: int, from_offset: bigint, until_offset: bigint, records: bigint>>"
)
_GAPS = "array<struct<partition: int, from_offset: bigint, until_offset: bigint, reason: string>>"
_FILES = "array<struct<path: string, size: bigint, modified_at: timestamp, checksum: string>>"
_IMPORT = (
    "struct<relation: string, mode: string, columns: array<struct<name: string, kind: string, "
    "landed_as: string>>, watermark: string, low: string, high: string, fingerprint: string, "
    "splits: array<struct<condition: string, rows: bigint, totals: map<string, array<string>>>>>"
)
_COLUMNS = (
    "table_name, batch_id, source, topic, topic_id, table_id, kind, ranges, gaps, files, "
    "imported, records, bytes"
)


class Ledger:
    """Reads and writes the ledger table ``name`` (``schema.table``); creates it when missing.

    Its statements are small: give it a session that is made for such (``land.connect``).
    """

    def __init__(self, spark: SparkSession, name: str, owner: str | None = None) -> None:
        self.spark = spark
        self.name = name
        self.owner = owner or new_owner()

    def create(self) -> None:
        """Make the ledger table; no-op where it exists."""
        make_table(
            self.spark,
            self.name,
            f"""
            table_name string not null comment 'Raw table, schema.name',
            batch_id bigint not null comment 'Number of the batch, growing by one per table',
            source string not null
                comment 'Section of loader.toml: kafka.name, files.name, jdbc.name',
            topic string comment 'Kafka topic; null for files',
            topic_id string comment 'Id of the topic when the batch was planned',
            table_id string not null comment 'Delta id of the raw table',
            kind string not null comment 'load, replay, adopt or accept',
            ranges {_RANGES}
                comment 'Offsets per partition: from, until (exclusive); rows found of them',
            gaps {_GAPS} comment 'What a person accepted as lost',
            files {_FILES} comment 'Files; an empty checksum: changed while it was read',
            imported {_IMPORT} comment 'Import from a database: bounds, parts, their counts',
            state string not null comment 'planned or committed',
            owner string not null comment 'host/pid/start/random of the loader that planned it',
            records bigint comment 'Rows of the batch in the raw table, counted after writing',
            bytes bigint comment 'Bytes of keys and values; for files their size',
            closed_by string comment 'Loader that closed the batch: its owner or its successor',
            planned_at timestamp not null comment 'When the batch was planned (UTC)',
            committed_at timestamp comment 'When the batch was closed (UTC)',
            current boolean not null comment 'Whether the row may say where its table stands'
            """,
            comment="What the loader loaded: one row per batch, source and topic",
            properties={
                "delta.checkpointInterval": "50",
                "delta.logRetentionDuration": "interval 7 days",
            },
            partitioned_by=["current"],
        )

    def current(self) -> list[Batch]:
        """The rows that say where every table stands, and what is unfinished; none where there is
        no ledger yet.

        Raises ``ConfigurationError`` for a table that is no ledger of this version.
        """
        try:
            rows = self.spark.table(self.name).where("current").collect()
        except AnalysisException as error:
            if error.getCondition() == "TABLE_OR_VIEW_NOT_FOUND":
                return []
            if error.getCondition() != "UNRESOLVED_COLUMN.WITH_SUGGESTION":
                raise
            message = (
                f"Table {self.name} is no ledger of this version of the loader; name another "
                "ledger (and other raw tables) in loader.toml, or start with an empty lake."
            )
            raise ConfigurationError(message, table=self.name) from error
        if "imported" not in (rows[0].asDict() if rows else self.spark.table(self.name).columns):
            # A ledger from before there were imports.
            added = f"alter table {self.name} add column (imported {_IMPORT} after files)"
            until_no_conflict(lambda: self.spark.sql(added), self.name)
            return self.current()
        return [_batch(row) for row in rows]

    def history(self, tables: Sequence[str]) -> list[Batch]:
        """Every row of ``tables``, by table and batch."""
        rows = (
            self.spark.table(self.name)
            .where(f.col("table_name").isin(*tables))
            .orderBy("table_name", "batch_id", "source", "topic")
            .collect()
        )
        return [_batch(row) for row in rows]

    def propose(self, batches: Sequence[Batch]) -> tuple[list[Batch], list[Fenced]]:
        """Write ``batches`` as planned by us; one statement serves them all.

        Returns those that are ours now, and an error for each table where another loader was
        quicker. Rows of one (table, batch id) are planned together or not at all.
        """
        if not batches:
            return [], []
        source = self._rows(batches)
        answer = self._compare_and_set(
            source,
            f"""
            merge into {self.name} as ledger using {{source}} as batch
            on ledger.current and ledger.table_name = batch.table_name
                and ledger.batch_id >= batch.batch_id
            when not matched then insert ({_COLUMNS}, state, owner, planned_at, current)
            values ({_COLUMNS}, '{PLANNED}', '{self.owner}', current_timestamp(), true)
            """,
        )
        if answer["num_inserted_rows"] == len(batches):
            return list(batches), []
        owners = self._who("owner", source)
        ours, fenced = [], {}
        for batch in batches:
            owner = owners.get((batch.table_name, batch.batch_id), "")
            if owner == self.owner:
                ours.append(batch)
            else:
                fenced[batch.table_name] = fenced_by(batch, owner)
        return ours, list(fenced.values())

    def close(
        self, batches: Sequence[Batch], rows: Sequence[Batch] = ()
    ) -> tuple[list[Batch], list[Fenced]]:
        """Mark ``batches``, whose data is committed and counted, as committed; of ``rows``, the
        current ones as they were read, take those out that say nothing more then.

        Returns those that are closed now, by this call or by a statement that a dead loader had
        left with the server, and an error for each that a living one closed first.
        """
        old = retirable([*rows, *(replace(batch, state=COMMITTED) for batch in batches)])
        mine = {(batch.table_name, batch.batch_id) for batch in batches}
        old = [row for row in old if (row.table_name, row.batch_id) not in mine]
        if not batches and not old:
            return [], []
        # One statement for both: each costs as much as a small write, and the old rows are
        # rewritten with the new, so that the current ones stay in few files.
        source = self._rows([*(replace(batch, state=PLANNED) for batch in batches), *old])
        changed = self._change(
            source,
            f"""
            when matched and batch.state = '{PLANNED}' then update set
                state = '{COMMITTED}', files = batch.files, ranges = batch.ranges,
                imported = batch.imported,
                records = batch.records, bytes = batch.bytes,
                committed_at = current_timestamp(), closed_by = '{self.owner}'
            when matched then update set current = false
            """,
        )
        if changed == len(batches) + len(old):
            return list(batches), []
        closers = self._who("closed_by", source)
        ours, fenced = [], []
        for batch in batches:
            closer = closers.get((batch.table_name, batch.batch_id))
            if closer == self.owner or (closer and closer == batch.owner and not is_alive(closer)):
                ours.append(batch)
            elif closer:
                fenced.append(fenced_by(batch, closer))
            else:
                message = (
                    f"Batch {batch.batch_id} of {batch.table_name} did not close: its row in "
                    f"{self.name} is gone or was changed by hand. Its data is in the table."
                )
                raise Bug(message, table=batch.table_name, batch_id=batch.batch_id)
        return ours, fenced

    def amend(self, batch: Batch) -> None:
        """Write ranges, gaps and table of an unfinished batch; ``Fenced`` when it is finished."""
        changes = """
            when matched then update set
                ranges = batch.ranges, gaps = batch.gaps, table_id = batch.table_id,
                imported = batch.imported
            """
        if self._change(self._rows([replace(batch, state=PLANNED)]), changes) != 1:
            raise fenced_by(batch, "")

    def touch(self, batches: Sequence[Batch]) -> None:
        """Write the files of closed ``batches``, whose content is as it was, with their new times,
        so that the next run has not to read them.
        """
        self._change(self._rows(batches), "when matched then update set files = batch.files")

    def _change(self, batches: DataFrame, clauses: str) -> int:
        """Do ``clauses`` to the current rows of ``batches`` that are in the state that these say;
        how many there were.
        """
        answer = self._compare_and_set(
            batches,
            f"""
            merge into {self.name} as ledger using {{source}} as batch
            on ledger.current and ledger.state = batch.state
                and ledger.table_name = batch.table_name and ledger.batch_id = batch.batch_id
                and ledger.source = batch.source and ledger.topic <=> batch.topic
            {clauses}
            """,
        )
        return int(answer["num_updated_rows"])

    def _who(self, column: str, batches: DataFrame) -> dict[tuple[str, int], str]:
        """The value of ``column`` in the ledger for each (table, batch id) of ``batches``."""
        keys = batches.select("table_name", "batch_id").distinct()
        found = (
            self.spark.table(self.name)
            .join(keys, ["table_name", "batch_id"])
            .select("table_name", "batch_id", column)
            .distinct()
            .collect()
        )
        return {(row["table_name"], row["batch_id"]): row[column] for row in found}

    def _rows(self, batches: Sequence[Batch]) -> DataFrame:
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
                _import_row(batch.imported),
                batch.records,
                batch.bytes,
                batch.state,
            )
            for batch in batches
        ]
        schema = (
            "table_name string, batch_id bigint, source string, topic string, topic_id string, "
            f"table_id string, kind string, ranges {_RANGES}, gaps {_GAPS}, files {_FILES}, "
            f"imported {_IMPORT}, records bigint, bytes bigint, state string"
        )
        return self.spark.createDataFrame(rows, schema)

    def _compare_and_set(self, source: DataFrame, statement: str) -> Row:
        """Run ``statement`` on ``{source}`` until it does not conflict with another loader."""

        def run() -> Row:
            answer: Row = self.spark.sql(statement, source=source).collect()[0]
            return answer

        return until_no_conflict(run, self.name)


def fenced_by(batch: Batch, owner: str) -> Fenced:
    """The error for a batch of ``batch``'s table that belongs to another loader."""
    message = (
        f"Another loader ({owner or 'unknown'}) has batch {batch.batch_id} of {batch.table_name}; "
        "left it alone. Run again when that one is done."
    )
    return Fenced(message, table=batch.table_name, batch_id=batch.batch_id, owner=owner)


def positions(rows: Sequence[Batch], tables: Sequence[str]) -> dict[str, Position]:
    """Where each of ``tables`` stands by the current ``rows``; empty without any row."""
    of_table: dict[str, list[Batch]] = {table: [] for table in tables}
    for row in rows:
        if row.table_name in of_table:
            of_table[row.table_name].append(row)
    return {table: position(batches) for table, batches in of_table.items()}


def retirable(rows: Sequence[Batch]) -> list[Batch]:
    """The ``rows`` that say nothing which a newer one of the same topic or files does not say."""
    newest: dict[tuple[str, str, str | None], int] = {}
    last: dict[str, int] = {}
    paths: dict[tuple[str, str], int] = {}
    for row in rows:
        if row.state != COMMITTED:
            continue
        last[row.table_name] = max(last.get(row.table_name, 0), row.batch_id)
        if row.kind != REPLAY and (row.topic or not row.is_withdrawn):
            key = (row.table_name, row.source, row.topic)
            newest[key] = max(newest.get(key, 0), row.batch_id)
        for file in row.files:
            paths[row.table_name, file.path] = max(
                paths.get((row.table_name, file.path), 0), row.batch_id
            )

    def superseded(row: Batch) -> bool:
        if row.state != COMMITTED or row.batch_id == last[row.table_name]:
            return False
        if any(gap.partition is None for gap in row.gaps):
            return False  # says of other rows that their data is lost
        if row.files:
            return all(paths[row.table_name, each.path] > row.batch_id for each in row.files)
        key = (row.table_name, row.source, row.topic)
        return row.kind == REPLAY or newest.get(key, 0) > row.batch_id

    return [row for row in rows if superseded(row)]


def _file(value: Any) -> File:
    return File(value["path"], value["size"], value["modified_at"], value["checksum"])


def _import_row(imported: Import | None) -> tuple[object, ...] | None:
    if imported is None:
        return None
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


def _imported(value: Any) -> Import | None:
    if value is None:
        return None
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


def _batch(row: Row) -> Batch:
    return Batch(
        table_name=row["table_name"],
        batch_id=row["batch_id"],
        source=row["source"],
        topic=row["topic"],
        topic_id=row["topic_id"],
        table_id=row["table_id"],
        ranges=tuple(
            Range(each["partition"], each["from_offset"], each["until_offset"], each["records"])
            for each in row["ranges"] or ()
        ),
        kind=row["kind"],
        gaps=tuple(
            Gap(each["partition"], each["from_offset"], each["until_offset"], each["reason"])
            for each in row["gaps"] or ()
        ),
        files=tuple(_file(each) for each in row["files"] or ()),
        imported=_imported(row["imported"]),
        state=row["state"],
        owner=row["owner"],
        planned_at=row["planned_at"],
        committed_at=row["committed_at"],
        records=row["records"],
        bytes=row["bytes"],
    )
