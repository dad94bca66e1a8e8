"""The raw table of each relation, with its key and its watermark column."""

from __future__ import annotations

from dataclasses import dataclass

from loader.errors import ConfigurationError, LoaderError
from loader.settings import JdbcTable
from loader.sources.jdbc.catalogue import relations
from loader.sources.jdbc.columns import Column, Relation
from loader.sources.jdbc.database import Database


@dataclass(frozen=True)
class Source:
    """A relation of a database and its raw table."""

    section: str
    database: Database
    relation: Relation
    table: str

    @property
    def entry(self) -> JdbcTable:
        """The configuration's entry of the relation."""
        return self.database.entry(self.relation)

    @property
    def key(self) -> tuple[Column, ...]:
        """The columns that identify a row; empty without a key."""
        names = self.entry.key or self.relation.key
        return tuple(self.relation.column(name, "key") for name in names)

    @property
    def watermark(self) -> Column | None:
        """The watermark column of an incremental import; None for a full one."""
        name = self.entry.column
        return self.relation.column(name, "column") if name else None

    @property
    def columns(self) -> tuple[tuple[str, str, str], ...]:
        """The columns in the form of ``Import.columns``."""
        return tuple((each.name, each.kind, each.landed_as) for each in self.relation.columns)


def sources(section: str, database: Database) -> tuple[list[Source], list[LoaderError]]:
    """All relations that ``[jdbc.<section>]`` names, and an error for each that
    cannot be imported.
    """
    found: dict[str, Source] = {}
    named, errors = relations(database)
    for relation in named:
        source = Source(section, database, relation, database.raw_table(relation))
        if source.table in found:
            message = (
                f"[jdbc.{section}] would load {relation.name} into {source.table}, which "
                f"{found[source.table].relation.name} feeds; put {{schema}} into table, or give "
                "one of them another."
            )
            errors.append(ConfigurationError(message, section=section, table=source.table))
            continue
        try:
            _check(source)
        except LoaderError as error:
            errors.append(error)
            continue
        found[source.table] = source
    return list(found.values()), errors


def _check(source: Source) -> None:
    watermark, entry = source.watermark, source.entry
    if watermark is None:
        return
    wanted = (
        ("time", "date") if entry.mode == "last_modified" else ("number", "time", "date", "text")
    )
    if watermark.family not in wanted:
        message = (
            f"{source.relation.name} of {source.database.where}: column {watermark.source} "
            f"({watermark.kind}) cannot decide what is new in mode {entry.mode}; name "
            + ("a timestamp or date." if entry.mode == "last_modified" else "one that grows.")
        )
        raise ConfigurationError(message, relation=source.relation.name, column=watermark.source)
    if entry.mode == "last_modified" and not source.key:
        message = (
            f"{source.relation.name} of {source.database.where} has no primary key, so modified "
            "rows cannot be identified; set key in its entry, or import it in mode full."
        )
        raise ConfigurationError(message, relation=source.relation.name)
    if entry.compare_keys and not source.key:
        message = (
            f"{source.relation.name} of {source.database.where} has no primary key to compare; set "
            "key in its entry."
        )
        raise ConfigurationError(message, relation=source.relation.name)
