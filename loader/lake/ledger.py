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

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as f

from loader.batch import COMMITTED, PLANNED, Batch, retirable
from loader.errors import Bug, ConfigurationError, Fenced
from loader.lake.schema import COLUMNS, IMPORT, TABLE, batch_of, rows_of
from loader.lake.tables import make_table, until_no_conflict
from loader.process import is_alive, new_owner


class Ledger:
    """Reads and writes the ledger table ``name`` (``schema.table``); creates it when missing.

    Its statements are small: give it a session that is made for such (``lake.session.connect``).
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
            TABLE,
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
            added = f"alter table {self.name} add column (imported {IMPORT} after files)"
            until_no_conflict(lambda: self.spark.sql(added), self.name)
            return self.current()
        return [batch_of(row) for row in rows]

    def history(self, tables: Sequence[str]) -> list[Batch]:
        """Every row of ``tables``, by table and batch."""
        rows = (
            self.spark.table(self.name)
            .where(f.col("table_name").isin(*tables))
            .orderBy("table_name", "batch_id", "source", "topic")
            .collect()
        )
        return [batch_of(row) for row in rows]

    def propose(self, batches: Sequence[Batch]) -> tuple[list[Batch], list[Fenced]]:
        """Write ``batches`` as planned by us; one statement serves them all.

        Returns those that are ours now, and an error for each table where another loader was
        quicker. Rows of one (table, batch id) are planned together or not at all.
        """
        if not batches:
            return [], []
        source = rows_of(self.spark, batches)
        answer = self._compare_and_set(
            source,
            f"""
            merge into {self.name} as ledger using {{source}} as batch
            on ledger.current and ledger.table_name = batch.table_name
                and ledger.batch_id >= batch.batch_id
            when not matched then insert ({COLUMNS}, state, owner, planned_at, current)
            values ({COLUMNS}, '{PLANNED}', '{self.owner}', current_timestamp(), true)
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
        source = rows_of(self.spark, [*(replace(batch, state=PLANNED) for batch in batches), *old])
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
        if self._change(rows_of(self.spark, [replace(batch, state=PLANNED)]), changes) != 1:
            raise fenced_by(batch, "")

    def touch(self, batches: Sequence[Batch]) -> None:
        """Write the files of closed ``batches``, whose content is as it was, with their new times,
        so that the next run has not to read them.
        """
        self._change(
            rows_of(self.spark, batches), "when matched then update set files = batch.files"
        )

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
