"""Reference files: which files a section of the configuration names, and what they hold now."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession
from pyspark.sql import functions as f

from loader.errors import ConfigurationError, SourceUnavailable
from loader.plan import File
from loader.settings import Files

_NAME = re.compile(r"^[A-Za-z0-9_]+$")


def found(spark: SparkSession, section: str, config: Files) -> dict[str, list[File]]:
    """The files of ``[files.<section>]`` by the raw table that each belongs to.

    Spark lists and reads them, so any path it knows will do. Raises ``SourceUnavailable`` when
    nothing matches the path.
    """
    listed = _look(spark, config.path)
    if not listed:
        message = (
            f"[files.{section}] finds no file at {config.path}; correct the path, or put the "
            "files there, and run again."
        )
        raise SourceUnavailable(message, section=section, path=config.path)
    tables: dict[str, list[File]] = {}
    for file in listed:
        name = PurePosixPath(file.path).stem.lower()
        if "{name}" in config.table and not _NAME.match(name):
            message = (
                f"[files.{section}] cannot name a table after {file.path}: use letters, digits "
                "and underscores in the file's name."
            )
            raise ConfigurationError(message, section=section, path=file.path)
        tables.setdefault(config.table.replace("{name}", name), []).append(file)
    return tables


def unchanged(spark: SparkSession, file: File) -> bool:
    """Whether the file is there and what it was when it was planned."""
    return file in _look(spark, as_literal(file.path))


def as_literal(path: str) -> str:
    """``path`` so that Spark takes it for that one file, whatever characters it has."""
    return re.sub(r"([\[\]{}*?\\])", r"\\\1", path)


def _look(spark: SparkSession, path: str) -> list[File]:
    try:
        rows = (
            spark.read.format("binaryFile")
            .load(path)
            .select("path", "length", "modificationTime", f.sha2("content", 256).alias("checksum"))
            .orderBy("path")
            .collect()
        )
    except AnalysisException as error:
        if error.getCondition() != "PATH_NOT_FOUND":
            raise
        return []
    return [File(*row) for row in rows]
