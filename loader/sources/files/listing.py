"""Reference files: the files that a section of the configuration names, and their checksums.

Listing does not read the files. A file is unchanged if its path, length and modification time are
those in the ledger; of all other files the content is read for a checksum. Up to ``_WHOLE`` bytes
the checksum is the SHA-256 of the content. No task can hold a larger file as one value, so its
checksum is two sums of hashes of its lines, which do not depend on how Spark divides the file.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession
from pyspark.sql import functions as f

from loader.content import File
from loader.errors import ConfigurationError, LoaderError, SourceUnavailable
from loader.lake.spark_errors import cause, is_gone
from loader.settings import Files

_NAME = re.compile(r"^[A-Za-z0-9_]+$")
# Largest file that is read as one value (16 MiB); a task holds about five copies of it.
_WHOLE = 16 << 20
# Spark's reader skips lines from this size on (16 MiB) instead of filling the heap.
LONGEST_LINE = 16 << 20
_SKIP_LONGER = "mapreduce.input.linerecordreader.line.maxlength"
# Number of small files in one read.
_TOGETHER = 500
_LINES = "lines:"
_UNREADABLE = "unreadable:"


def listed(
    spark: SparkSession, section: str, config: Files
) -> tuple[dict[str, list[File]], list[LoaderError]]:
    """The files of ``[files.<section>]`` by raw table, with empty checksums, and an error for each
    file whose name cannot be used.

    Spark lists the files, so any path that Spark can read is allowed. Raises ``SourceUnavailable``
    if no file matches the path.
    """
    here = _listed(spark, config.path)
    if not here:
        message = (
            f"[files.{section}] finds no file at {config.path}; correct the path, or put the "
            "files there, and run again."
        )
        raise SourceUnavailable(message, section=section, path=config.path)
    tables: dict[str, list[File]] = {}
    errors: list[LoaderError] = []
    for file in here:
        path = PurePosixPath(file.path)
        name = path.stem.lower()
        why = ""
        if ":" in path.name:
            why = "Spark reads no file whose name has a colon"
        elif "{name}" in config.table and not _NAME.match(name):
            why = f"[files.{section}] cannot name a table after it"
        if why:
            message = (
                f"{file.path} was left out: {why}. Use letters, digits and underscores in the "
                "file's name."
            )
            errors.append(ConfigurationError(message, section=section, path=file.path))
            continue
        tables.setdefault(config.table.replace("{name}", name), []).append(file)
    return tables, errors


def compared(
    spark: SparkSession, config: Files, known: Mapping[str, File], here: Sequence[File]
) -> tuple[list[File], list[File], list[LoaderError]]:
    """The files of one table among the listed ``here``: those with new content, those with
    ``known`` content and another time, and an error for each unreadable file.

    A file is unreadable if it cannot be read now, or if the ledger marks it as unreadable with the
    same content and the same configuration.
    """
    errors: list[LoaderError] = []
    candidates = []
    for file in here:
        before = known.get(file.path)
        same = before is not None and (before.size, before.modified_at) == (
            file.size,
            file.modified_at,
        )
        if before is None or not same or not before.checksum:
            candidates.append(file)
        elif before.checksum.startswith(_UNREADABLE):
            if before.checksum.startswith(_unreadable(config, "")):
                errors.append(_still_unreadable(file))
            else:  # the settings of the section changed
                checksum = before.checksum.split(":", 2)[2]
                candidates.append(replace(file, checksum=checksum))
    new, touched = [], []
    read = _with_checksums(spark, candidates, errors)
    changed = changed_files(known, read)
    for file in read:
        before = known.get(file.path)
        if file not in changed:
            touched.append(file)
        elif before is not None and before.checksum == _unreadable(config, file.checksum):
            touched.append(replace(file, checksum=before.checksum))
            errors.append(_still_unreadable(file))
        else:
            new.append(file)
    return new, touched, errors


def as_unreadable(config: Files, file: File) -> File:
    """``file`` marked as unreadable with the settings ``config``. It is read again when its content
    or these settings change.
    """
    return replace(file, checksum=_unreadable(config, file.checksum))


def is_readable(file: File) -> bool:
    """Whether ``file`` is not marked as unreadable."""
    return not file.checksum.startswith(_UNREADABLE)


def unchanged(spark: SparkSession, file: File) -> bool:
    """Whether the file exists and is the same as when it was planned."""
    now = _listed(spark, as_literal(file.path))
    if len(now) != 1:
        return False
    if replace(now[0], checksum=file.checksum) == file:
        return True
    return [each.checksum for each in _with_checksums(spark, now, [])] == [file.checksum]


def check_lines(file: File) -> None:
    """Raise ``ConfigurationError`` if the file has a line of ``LONGEST_LINE`` bytes or more."""
    if not file.checksum.startswith(_LINES):
        return
    lines, size = (int(each) for each in file.checksum.split(":")[1:3])
    compressed = re.search(r"(?i)\.(gz|bz2|zst|lz4|snappy|deflate|lzo|xz)$", file.path)
    # Each line except the last has a line end of one byte; a byte order mark of three bytes is not
    # counted.
    if not compressed and lines + size < file.size - 3:
        message = (
            f"{file.path} has a line of {LONGEST_LINE >> 20} MB or more, which one task cannot "
            "hold. Divide it, or check format and delimiter."
        )
        raise ConfigurationError(message, path=file.path)


def as_literal(path: str) -> str:
    """``path`` with escaped glob characters, so that Spark reads exactly that file."""
    return re.sub(r"([\[\]{}*?\\])", r"\\\1", path)


def _unreadable(config: Files, checksum: str) -> str:
    read_as = (config.format, config.delimiter, config.header, config.columns, config.encoding)
    digest = hashlib.sha256(repr(read_as).encode()).hexdigest()
    return f"{_UNREADABLE}{digest[:8]}:{checksum}"


def _still_unreadable(file: File) -> ConfigurationError:
    message = (
        f"{file.path} could not be read when it was loaded, and nothing of it is in the lake. It "
        "is read again after the file or its section in loader.toml changes. Otherwise remove the "
        "file."
    )
    return ConfigurationError(message, path=file.path)


def _listed(spark: SparkSession, path: str) -> list[File]:
    """The files at ``path`` with empty checksums; does not read their content."""
    reader = spark.read.format("binaryFile")
    try:
        rows = reader.load(path).select("path", "length", "modificationTime").collect()
    except AnalysisException as error:
        if error.getCondition() != "PATH_NOT_FOUND":
            raise
        return []
    except Exception as error:
        folder, _, name = path.rpartition("/")
        if "Relative path in absolute URI" not in str(error) or not folder:
            raise
        # Hadoop's globs do not accept a name with a colon, so list the folder and filter by name.
        reader = reader.option("pathGlobFilter", name)
        rows = reader.load(folder).select("path", "length", "modificationTime").collect()
    return sorted((File(r[0], r[1], r[2], "") for r in rows), key=lambda file: file.path)


def _with_checksums(
    spark: SparkSession, here: Sequence[File], errors: list[LoaderError]
) -> list[File]:
    """``here`` with checksums. A file that cannot be read is left out and adds an error to
    ``errors``.
    """
    small = [file for file in here if not file.checksum and file.size <= _WHOLE]
    sums: dict[str, str] = {file.path: file.checksum for file in here if file.checksum}
    for at in range(0, len(small), _TOGETHER):
        some = small[at : at + _TOGETHER]
        try:
            sums |= _of_whole(spark, some)
        except Exception as error:
            if len(some) == 1:
                _say(some[0], error, errors)
                continue
            _raise_if_gone(error)
            for file in some:  # find out which of them it is
                try:
                    sums |= _of_whole(spark, [file])
                except Exception as problem:
                    _say(file, problem, errors)
    for file in here:
        if not file.checksum and file.size > _WHOLE:
            try:
                sums[file.path] = _of_lines(spark, file)
            except Exception as error:
                _say(file, error, errors)
    return [replace(file, checksum=sums[file.path]) for file in here if file.path in sums]


def _of_whole(spark: SparkSession, some: Sequence[File]) -> dict[str, str]:
    rows = (
        spark.read.format("binaryFile")
        .load([as_literal(file.path) for file in some])
        .select("path", f.sha2("content", 256))
        .collect()
    )
    return {row[0]: row[1] for row in rows}


def _of_lines(spark: SparkSession, file: File) -> str:
    value = f.col("value")
    sums = [
        f.sum(hashed.cast("decimal(20, 0)"))
        for hashed in (f.xxhash64(value), f.xxhash64(f.lit(1), value))
    ]
    row = (
        spark.read.format("text")
        .option("lineSep", "\n")
        .option(_SKIP_LONGER, str(LONGEST_LINE))
        .load(as_literal(file.path))
        .select(f.count(f.lit(1)), f.sum(f.octet_length(value)), *sums)
        .collect()[0]
    )
    return f"{_LINES}{row[0]}:{row[1] or 0}:{row[2]}:{row[3]}"


def _raise_if_gone(error: Exception) -> None:
    if is_gone(error):
        raise error


def _say(file: File, error: Exception, errors: list[LoaderError]) -> None:
    _raise_if_gone(error)
    message = f"{file.path} cannot be read: {cause(error)}. Nothing of it was loaded."
    errors.append(SourceUnavailable(message, path=file.path))


def changed_files(known: Mapping[str, File], found: Sequence[File]) -> tuple[File, ...]:
    """The files of ``found`` that ``known`` lacks, or has with another checksum."""
    return tuple(
        file
        for file in found
        if file.path not in known or known[file.path].checksum != file.checksum
    )
