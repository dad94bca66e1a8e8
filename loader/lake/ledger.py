"""The ledger: a Delta table with one row per batch, source and topic.

A batch is inserted as ``planned``, with its ranges, before its data is written, and closed as
``committed`` afterwards. Both steps are compare-and-set: the insert succeeds only if no current row
of the table has this batch id or a higher one, and the close changes only a row that is still
``planned``. So the content of a batch is fixed for every loader before anything is written.

Only a few rows decide the positions of the tables. They are in the partition ``current``, so that a
run reads the same amount whether the ledger is a day or years old. The newest row of a table is
always current.
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
    """Reads and writes the ledger table ``name`` (``schema.table``).

    Its statements are small, so ``spark`` should be a session for small statements
    (``lake.session.connect``). ``owner`` identifies this loader in the rows that it plans or
    closes.
    """

    def __init__(self, spark: SparkSession, name: str, owner: str | None = None) -> None:
        self.spark = spark
        self.name = name
        self.owner = owner or new_owner()

    def create(self) -> None:
        """Create the ledger table if it does not exist."""
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
        """The current rows: those that decide positions, and the unfinished ones. Empty if there is
        no ledger yet.

        Adds the columns that a ledger of an older version lacks. Raises ``ConfigurationError`` if
        the table is not a ledger of this version.
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
            # This ledger was created before the loader had imports.
            added = f"alter table {self.name} add column (imported {IMPORT} after files)"
            until_no_conflict(lambda: self.spark.sql(added), self.name)
            return self.current()
        return [batch_of(row) for row in rows]

    def history(self, tables: Sequence[str]) -> list[Batch]:
        """All rows of ``tables``, in the order of table and batch."""
        rows = (
            self.spark.table(self.name)
            .where(f.col("table_name").isin(*tables))
            .orderBy("table_name", "batch_id", "source", "topic")
            .collect()
        )
        return [batch_of(row) for row in rows]

    def propose(self, batches: Sequence[Batch]) -> tuple[list[Batch], list[Fenced]]:
        """Insert ``batches`` as planned by this loader, in one statement.

        Returns the inserted batches, and a ``Fenced`` error for each table in which another loader
        inserted this batch id first. Rows of one table and batch id are inserted together or not at
        all.
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
        """Close ``batches``, whose data is committed and counted, and move superseded rows out of
        ``current``.

        ``rows`` are the current rows as they were read. Returns the batches that are closed now, by
        this call or by a statement that a dead owner had sent before, and a ``Fenced`` error for
        each batch that a live loader closed first. Raises ``Bug`` if the row of a batch is gone.
        """
        old = retirable([*rows, *(replace(batch, state=COMMITTED) for batch in batches)])
        mine = {(batch.table_name, batch.batch_id) for batch in batches}
        old = [row for row in old if (row.table_name, row.batch_id) not in mine]
        if not batches and not old:
            return [], []
        # One statement does both: each statement costs as much as a small write. It also rewrites
        # the old rows together with the new ones, so the partition ``current`` stays in few files.
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
        """Update ranges, gaps, table id and import of an unfinished batch; raises ``Fenced`` if it
        is closed.
        """
        changes = """
            when matched then update set
                ranges = batch.ranges, gaps = batch.gaps, table_id = batch.table_id,
                imported = batch.imported
            """
        if self._change(rows_of(self.spark, [replace(batch, state=PLANNED)]), changes) != 1:
            raise fenced_by(batch, "")

    def touch(self, batches: Sequence[Batch]) -> None:
        """Update the modification times of files in closed ``batches`` whose content did not
        change, so that the next run does not read the files again.
        """
        self._change(
            rows_of(self.spark, batches), "when matched then update set files = batch.files"
        )

    def _change(self, batches: DataFrame, clauses: str) -> int:
        """Apply ``clauses`` to the current rows that match ``batches`` in key and state; returns
        the number of changed rows.
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
        """Run ``statement`` on ``{source}``; repeat it while it conflicts with another writer."""

        def run() -> Row:
            answer: Row = self.spark.sql(statement, source=source).collect()[0]
            return answer

        return until_no_conflict(run, self.name)


def fenced_by(batch: Batch, owner: str) -> Fenced:
    """The error if another loader owns this batch of ``batch``'s table."""
    message = (
        f"Another loader ({owner or 'unknown'}) has batch {batch.batch_id} of {batch.table_name}; "
        "left it alone. Run again when that one is done."
    )
    return Fenced(message, table=batch.table_name, batch_id=batch.batch_id, owner=owner)
