"""The rows of an import, read by Spark without showing a password."""

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

# Column with the number of the part that a row was read in; dropped before the write.
PART = "__part"
# Passwords and users among the JDBC options of a statement, as Spark Connect shows it in its web
# interface and logs.
_REDACTED = (
    r'(?s)key:\s*"(?i:password|user)"\s*value:\s*"(?:[^"\\]|\\.)*"'
    r'|"(?i:password)"\s*(?::|->|=)\s*"(?:[^"\\]|\\.)*"'
)


class Slots:
    """A semaphore: at most ``count`` connections at the same time for all tables
    of one database.
    """

    def __init__(self, count: int) -> None:
        self._left = self._count = count
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, wanted: int) -> Iterator[int]:
        """Hold ``wanted`` connections, or ``count`` if that is less; yields the number held."""
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
    """The ``select`` of each part of ``batch``."""
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
    """The rows of ``splits`` with ``columns`` as raw has them, and the number of the part in
    ``PART``.

    At most ``connections`` parts are read at the same time.
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
    """Redact passwords in the session's displayed statements, and set its time zone to UTC."""
    spark.conf.set("spark.sql.redaction.string.regex", _REDACTED)
    spark.conf.set("spark.sql.session.timeZone", "UTC")
