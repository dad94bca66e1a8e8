"""Reference files: which files a section of the configuration names, and what they hold now."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from urllib.parse import unquote, urlparse

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
    try:
        rows = (
            spark.read.format("binaryFile")
            .load(config.path)
            .select("path", "length", "modificationTime", f.sha2("content", 256).alias("checksum"))
            .orderBy("path")
            .collect()
        )
    except Exception as error:
        if "PATH_NOT_FOUND" not in str(error):
            raise
        message = (
            f"[files.{section}] finds no file at {config.path}; correct the path, or put the "
            "files there, and run again."
        )
        raise SourceUnavailable(message, section=section, path=config.path) from error
    tables: dict[str, list[File]] = {}
    for row in rows:
        name = PurePosixPath(unquote(urlparse(row["path"]).path)).stem.lower()
        if "{name}" in config.table and not _NAME.match(name):
            message = (
                f"[files.{section}] cannot name a table after {row['path']}: use letters, digits "
                "and underscores in the file's name."
            )
            raise ConfigurationError(message, section=section, path=row["path"])
        tables.setdefault(config.table.replace("{name}", name), []).append(
            File(row["path"], row["length"], row["modificationTime"], row["checksum"])
        )
    return tables
