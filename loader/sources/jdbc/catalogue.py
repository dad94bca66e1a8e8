"""The tables, views and queries of a database that the configuration names, and their columns."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from loader.errors import ConfigurationError, LoaderError
from loader.settings import JdbcTable
from loader.sources.jdbc.columns import Column, Relation, Typed, raw_name
from loader.sources.jdbc.database import Database, matches
from loader.sources.jdbc.dialect import CatalogueRow


def relations(database: Database) -> tuple[list[Relation], list[LoaderError]]:
    """The relations that the configuration names, with their columns, and an error for each
    relation, column or type that is configured and does not exist.
    """
    errors: list[LoaderError] = []
    found: dict[str, list[CatalogueRow]] = {}
    for values in database.ask(database.dialect.catalogue):
        row = CatalogueRow.of(values)
        if row.is_of_default_schema:
            database.default_schema = row.schema
        found.setdefault(f"{row.schema}.{row.table}", []).append(row)
    default = database.default_schema or database.dialect.default_schema
    named = {database.full_name(each.name, default): each for each in database.config.tables}
    for name, entry in named.items():
        if name not in found and entry.query is None:
            errors.append(_unknown(database, entry.name, default, list(found)))
    for pattern in database.config.include:
        full = database.full_name(pattern, default)
        if not re.search(r"[*?\[]", pattern) and full not in found:
            errors.append(_unknown(database, pattern, default, list(found)))
    excluded = [database.full_name(each, default) for each in database.config.exclude]
    included = [database.full_name(each, default) for each in database.config.include]
    chosen = [
        name
        for name in found
        if (name in named or matches(name, included)) and not matches(name, excluded)
    ]
    queries = {name for name, entry in named.items() if entry.query is not None}
    relations = []
    for name in sorted({*chosen, *queries}):
        try:
            if name in queries:
                relations.append(_query(database, name, named[name]))
            else:
                relations.append(_relation(database, name, found[name], named.get(name)))
        except Exception as error:
            errors.append(database.failed(error))
    return relations, errors


def _relation(
    database: Database, name: str, rows: Sequence[CatalogueRow], entry: JdbcTable | None
) -> Relation:
    first, dialect = rows[0], database.dialect
    key = sorted((r for r in rows if r.place_in_key >= 0), key=lambda row: row.place_in_key)
    described = [(row.column, row.kind, row.is_nullable) for row in rows]
    return Relation(
        name=name,
        sql=f"{dialect.quoted(first.schema)}.{dialect.quoted(first.table)}",
        is_table=first.is_table,
        key=tuple(row.column for row in key),
        columns=_columns(database, name, described, entry),
    )


def _query(database: Database, name: str, entry: JdbcTable) -> Relation:
    query = str(entry.query).strip().rstrip(";")
    with database.asking() as dialect:
        try:
            described = dialect.described(query)
        except Exception as error:
            problem = database.failed(error)
            raise problem.reworded(f"Query {name}: {problem}", relation=name) from None
    nullable = [(column, kind, True) for column, kind in described]
    columns = _columns(database, name, nullable, entry)
    return Relation(name, f"({query}) as query", False, (), columns)


def _columns(
    database: Database,
    relation: str,
    catalogue: Sequence[tuple[str, str, bool]],
    entry: JdbcTable | None,
) -> tuple[Column, ...]:
    names = [raw_name(each[0]) for each in catalogue]
    wrong = {name for name in names if names.count(name) > 1 or not name}
    wrong |= {"batch_id", "loaded_at", "is_deleted"} & set(names)
    if wrong:
        message = (
            f"{relation} of {database.where} has a column that becomes {min(wrong)!r} in raw, "
            "which is empty, repeated, or a name that the loader uses itself; import a view "
            "or a query that names it otherwise."
        )
        raise ConfigurationError(message, relation=relation)
    overrides = dict(entry.columns) if entry else {}
    columns = []
    for (source, kind, is_nullable), name in zip(catalogue, names, strict=True):
        override = overrides.pop(source, None) or overrides.pop(name, None)
        columns.append(database.dialect.column(Typed(source, kind, is_nullable, name), override))
    if overrides:
        message = (
            f"{relation} of {database.where} has no column {min(overrides)!r}, which `columns` "
            f"gives a type; it has {', '.join(each[0] for each in catalogue)}."
        )
        raise ConfigurationError(message, relation=relation, column=min(overrides))
    return tuple(columns)


def _unknown(
    database: Database, name: str, default: str, known: Sequence[str]
) -> ConfigurationError:
    close = difflib.get_close_matches(database.full_name(name, default), known, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    message = (
        f"{database.where} has no table or view {name} that its user may see{hint}. Correct the "
        "name, or grant the user the right to read it."
    )
    return ConfigurationError(message, section=database.section, relation=name)
