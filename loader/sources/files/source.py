"""Reference files as a kind of source."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from pyspark.sql import SparkSession

from loader import settings
from loader.batch import COMMITTED, PLANNED, Batch
from loader.content import File, Files
from loader.errors import ConfigurationError, LoaderError
from loader.lake.ledger import Ledger
from loader.lake.spark_errors import as_ours
from loader.redaction import unset_variables
from loader.sources.base import Kind, Survey
from loader.sources.files.landing import create_file_table, land_files
from loader.sources.files.listing import compared, is_readable, listed


class _Listed(NamedTuple):
    """The files of one raw table, with empty checksums."""

    section: str
    config: settings.Files
    files: Sequence[File]


class ReferenceFiles(Kind):
    """``[files.<name>]``: files that land whole, and again when their content changes."""

    name = "files"
    is_late = True

    def __init__(
        self, configuration: settings.Settings, spark: SparkSession, ledger: Ledger
    ) -> None:
        super().__init__(configuration, spark, ledger)
        self._here: dict[str, _Listed] = {}

    @property
    def sections(self) -> Collection[str]:
        """The names of the sets of files."""
        return self.settings.files

    @property
    def schemas(self) -> set[str]:
        """The schemas of the files' raw tables."""
        return set().union(*(each.schemas for each in self.settings.files.values()))

    def find(self, survey: Survey, section: str | None) -> None:
        """List the files of each section, without reading them."""
        self._here = {}
        taken = {*survey.fed, self.ledger.name}
        for name, config in self.settings.files.items():
            if section not in (None, name):
                continue
            missing = unset_variables(config.path)
            if missing:
                survey.notes.append(f"[files.{name}] skipped: {missing[0]} is not set")
                continue
            # The files of an unfinished batch may no longer exist; the write detects that.
            unfinished = {
                row.table_name
                for row in survey.rows
                if row.state == PLANNED and row.source == f"files.{name}"
            } - taken
            for table in unfinished:
                survey.feed(table, self)
            try:
                here, errors = listed(self.spark, name, config)
            except Exception as error:
                what = f"[files.{name}] cannot be read at {config.path}"
                survey.errors.append(as_ours(error, what, section=name))
                continue
            survey.errors += errors
            others = {*survey.fed, self.ledger.name} - unfinished
            for table, files in here.items():
                if table in others:
                    message = (
                        f"[files.{name}] would load {files[0].path} into {table}, which "
                        "another section feeds; rename the file or the table."
                    )
                    survey.errors.append(ConfigurationError(message, section=name, table=table))
                    continue
                survey.feed(table, self)
                self._here[table] = _Listed(name, config, files)

    def propose(self, survey: Survey) -> Iterator[Batch]:
        """One batch per table with the files whose content the table does not have."""
        for table, here in self._here.items():
            if survey.positions[table].unfinished:
                continue
            known = survey.positions[table].files
            try:
                new, same, errors = compared(self.spark, here.config, known, here.files)
            except Exception as error:
                what = f"The files of {table} cannot be read"
                survey.errors.append(as_ours(error, what, table=table))
                continue
            survey.errors += errors
            survey.notes += [
                f"{file.path} changed since it was loaded and is loaded again, as a new version"
                for file in new
                if file.path in known and is_readable(known[file.path])
                and known[file.path].checksum
            ]  # fmt: skip
            survey.touched += _touched(survey.rows, table, same)
            if new:
                yield Batch(table, 0, f"files.{here.section}", Files(tuple(new)))

    def make_table(self, spark: SparkSession, table: str) -> None:
        """Create the raw table; the first file adds its data columns."""
        create_file_table(spark, table)

    def write(self, batches: Sequence[Batch], errors: list[LoaderError]) -> list[Batch]:
        """Write the files; files that cannot be read are left out."""
        return [
            land_files(self.spark, self.settings.files[each.section], each, errors)
            if each.has_data
            else replace(each, content=each.content.withdrawn(), records=0, bytes=0)
            for each in batches
        ]


def _touched(rows: Sequence[Batch], table: str, same: Sequence[File]) -> list[Batch]:
    """The rows of ``table`` that hold the files ``same``, with the present times of these files."""
    now = {file.path: file for file in same}
    newest: dict[str, Batch] = {}
    for row in sorted(rows, key=lambda row: row.batch_id):
        if row.table_name == table and row.state == COMMITTED:
            newest |= {file.path: row for file in row.files if file.path in now}
    changed = {row.batch_id: row for row in newest.values()}
    return [
        replace(
            row,
            content=Files(
                tuple(
                    now[file.path] if file.path in now and newest[file.path] is row else file
                    for file in row.files
                )
            ),
        )
        for row in changed.values()
    ]
