"""The write of a batch of files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f

from loader import settings
from loader.batch import Batch
from loader.content import File, Files
from loader.errors import ConfigurationError, Fenced, LoaderError
from loader.lake import tables
from loader.lake.frames import united
from loader.lake.spark_errors import cause, is_gone
from loader.sources.files.listing import as_unreadable, check_lines, unchanged
from loader.sources.files.rows import file_rows, fitted

_NTZ = "timestamp_ntz"


def create_file_table(spark: SparkSession, table: str) -> None:
    """Create the raw table for a reference file; the first file adds its data columns."""
    tables.make_table(
        spark,
        table,
        """
        batch_id bigint comment 'Batch of raw.loader_batches that landed the row',
        file_path string comment 'File that the row was read from',
        loaded_at timestamp comment 'When the batch was written (UTC)',
        corrupt_record string comment 'The whole line, where it does not fit the header'
        """,
        comment="Rows of reference files as text; only the loader writes here",
    )


def land_files(
    spark: SparkSession, config: settings.Files, batch: Batch, errors: list[LoaderError]
) -> Batch:
    """Write the files of ``batch`` and count the rows.

    Column names are the file's in lower case with underscores (``Code INSEE`` becomes
    ``code_insee``). A line that does not fit the header, or is no JSON object, has its text in
    ``corrupt_record``.

    If a file differs from the plan, before or after the read, its checksum in the returned batch is
    empty, and the next run lands it again. A file that cannot be read, or whose columns do not fit
    the table, is marked as unreadable in the returned batch and adds an error to ``errors``; the
    other files land.
    """
    planned = [file for file in batch.files if unchanged(spark, file)]
    frames, bad = _frames(spark, config, batch, planned)
    _allow_times_without_zone(spark, batch.table_name, frames)
    try:
        _append_files(frames, batch)
    except Exception as error:
        if isinstance(error, Fenced) or is_gone(error):
            raise
        # The error may be of a single file: read each one completely, and retry without the bad
        # ones.
        for file in list(frames):
            try:
                frames[file].write.format("noop").mode("overwrite").save()
            except Exception as problem:
                bad[file] = _of_file(problem, file.path)
                del frames[file]
        if not bad:
            raise
        _append_files(frames, batch)
    rows = spark.table(batch.table_name).where(f.col("batch_id") == batch.batch_id)
    found = {row[0]: row[1] for row in rows.groupBy("file_path").count().collect()}
    count = sum(found.values())
    # If an earlier run wrote the batch, Delta skipped this write, also of files that were left out
    # then.
    absent = {
        file for file in frames if file.path not in found and not frames[file].isEmpty()
    }  # fmt: skip
    landed = []
    for file in batch.files:
        if file not in planned or file in absent or not unchanged(spark, file):
            landed.append(replace(file, checksum=""))
        elif file in bad:
            landed.append(as_unreadable(config, file))
            errors.append(bad[file])
        else:
            landed.append(file)
    size = sum(file.size for file in planned if file not in bad)
    return replace(batch, content=Files(tuple(landed)), records=count, bytes=size)


def _frames(
    spark: SparkSession, config: settings.Files, batch: Batch, planned: Sequence[File]
) -> tuple[dict[File, DataFrame], dict[File, LoaderError]]:
    """The rows of each of the ``planned`` files, and the error of each file that cannot be read."""
    bad: dict[File, LoaderError] = {}
    frames: dict[File, DataFrame] = {}
    held = {name.lower(): kind for name, kind in spark.table(batch.table_name).dtypes}
    for file in planned:
        try:
            check_lines(file)
            frame = file_rows(spark, config, file.path)
            if frame is None:
                continue
            frame = fitted(batch.table_name, held, frame, file.path)
        except Exception as error:
            bad[file] = _of_file(error, file.path)
            continue
        frames[file] = frame.select(
            f.lit(batch.batch_id).cast("bigint").alias("batch_id"),
            f.lit(file.path).alias("file_path"),
            f.current_timestamp().alias("loaded_at"),
            "corrupt_record",
            *[f.col(f"`{name}`") for name in frame.columns if name != "corrupt_record"],
        )
    return frames, bad


def _allow_times_without_zone(
    spark: SparkSession, table: str, frames: Mapping[File, DataFrame]
) -> None:
    """Enable Delta's feature for ``timestamp_ntz`` if a file brings the first such column. Delta
    enables it itself only when it creates a table with such a column, not when it adds one.
    """
    kinds = [kind for frame in frames.values() for _, kind in frame.dtypes]
    held = [kind for _, kind in spark.table(table).dtypes]
    if any(_NTZ in kind for kind in kinds) and not any(_NTZ in kind for kind in held):
        spark.sql(
            f"alter table {table} set tblproperties ('delta.feature.timestampNtz' = 'supported')"
        )


def _append_files(frames: Mapping[File, DataFrame], batch: Batch) -> None:
    if not frames:
        return
    rows = united(list(frames.values()), by_name=True)
    tables.append(rows, batch, {"files": [file.path for file in frames]})


def _of_file(error: Exception, path: str) -> LoaderError:
    """``error`` as an error of the file at ``path``; raises it if it does not concern a single
    file.
    """
    if isinstance(error, ConfigurationError):
        return error
    if isinstance(error, LoaderError) or is_gone(error):
        raise error
    message = (
        f"{path} cannot be read: {cause(error)}. Nothing of it was loaded; correct the file, or "
        "its section in loader.toml, and run again."
    )
    return ConfigurationError(message, path=path)
