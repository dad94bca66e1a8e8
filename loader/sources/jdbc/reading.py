"""The rows of an import as Spark reads them, without showing a password."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f

from loader.batch import Batch
from loader.content import Split
from loader.lake.frames import united
from loader.sources.jdbc.columns import Column
from loader.sources.jdbc.mapping import Source

# The part of the read that a row came from, while the rows are compared.
PART = "__part"
# A JDBC option in the statement that Spark Connect shows in its web interface and its logs.
_REDACTED = (
    r'(?s)key:\s*"(?i:password|user)"\s*value:\s*"(?:[^"\\]|\\.)*"'
    r'|"(?i:password)"\s*(?::|->|=)\s*"(?:[^"\\]|\\.)*"'
)


class Slots:
    """At most ``count`` connections at the same time, shared by the tables of one database."""

    def __init__(self, count: int) -> None:
        self._left = self._count = count
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, wanted: int) -> Iterator[int]:
        """Hold ``wanted`` of them, or all there are when these are fewer; how many that is."""
        count = min(wanted, self._count)
        with self._changed:
            self._changed.wait_for(lambda: self._left >= count)
            self._left -= count
        try:
            yield count
        finally:
            with self._changed:
                self._left += count
                self._changed.notify_all()


def statements(source: Source, batch: Batch) -> list[str]:
    """The statement by which each part of ``batch`` is read."""
    return [
        source.database.select(source.relation, source.relation.columns, each.condition)
        for each in batch.imported.splits
    ]


def read(
    spark: SparkSession,
    source: Source,
    splits: Sequence[Split],
    columns: Sequence[Column],
    connections: int,
) -> DataFrame:
    """The rows of ``splits`` with their ``columns`` as raw has them, and the part of each; at most
    ``connections`` parts are read at the same time.
    """
    hide_secrets(spark)
    options = source.database.options()
    url = options.pop("url")
    schema = ", ".join(f"`{each.name}` {each.read_as}" for each in columns)
    converted = [
        f.expr(each.convert.format(c=f"`{each.name}`")).alias(each.name) for each in columns
    ]
    frames = []
    for part, split in enumerate(splits):
        query = source.database.select(source.relation, columns, split.condition)
        properties = {**options, "customSchema": schema}
        frame = spark.read.jdbc(url, f"({query}) part_{part}", properties=properties)
        frames.append(frame.select(*converted, f.lit(part).alias(PART)))
    rows = united(frames)
    return rows.coalesce(connections) if connections < len(frames) else rows


def hide_secrets(spark: SparkSession) -> None:
    """Let this session's statements be shown without passwords, and its times be UTC."""
    spark.conf.set("spark.sql.redaction.string.regex", _REDACTED)
    spark.conf.set("spark.sql.session.timeZone", "UTC")
