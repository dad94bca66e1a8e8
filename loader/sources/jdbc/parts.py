"""The division of a read into parts, and the database's counts of each part."""

from __future__ import annotations

from collections.abc import Sequence

from loader.content import Split
from loader.errors import ConfigurationError
from loader.sources.jdbc.columns import Column, Relation, canonical, decoded
from loader.sources.jdbc.database import Database
from loader.sources.jdbc.dialect import row_of, whole

# Smallest table (in rows) that is read in several tasks: a connection costs as much time as reading
# thousands of rows.
_ROWS_OF_A_TASK = 200_000
_MOST_TASKS = 32
# Number of sampled keys; enough for the quantiles of any table.
_SAMPLE = 20_000
_SPLITTABLE = ("number", "date", "time", "text")


def divide(database: Database, relation: Relation, condition: str, rows: int) -> list[str]:
    """Conditions that divide the rows with ``condition`` into parts of about the same size.

    The bounds are quantiles of the key or of ``split_by``; rows with a null there are in the first
    part. ``rows`` is the estimated number. Raises ``ConfigurationError`` if the configuration asks
    for ``splits`` and there is no column to divide by.
    """
    bounds, columns = _bounds(database, relation, condition, rows)
    parts = []
    nullable = any(each.is_nullable for each in columns)
    for index in range(len(bounds) + 1):
        # A comparison with null gives null. ``coalesce`` treats such rows as below every bound, so
        # that they are in exactly one part.
        above = f"not {_less(database, columns, bounds[index - 1])}" if index else ""
        if index and not nullable:
            above = _less(database, columns, bounds[index - 1], ">=")
        below = _less(database, columns, bounds[index]) if index < len(bounds) else ""
        parts.append(" and ".join(part for part in (condition, above, below) if part))
    return parts


def measure(
    database: Database,
    relation: Relation,
    conditions: Sequence[str],
    *,
    with_fingerprint: bool = False,
) -> tuple[list[Split], str]:
    """The database's counts of each part, from one scan, and with ``with_fingerprint`` the
    fingerprint of all rows (else empty), which doubles the cost of the scan.

    Raises ``ConfigurationError`` for values that the type of their column in raw cannot hold.
    """
    refused = [each for each in relation.columns if each.refused]
    found = _counted(database, relation, conditions, refused, with_fingerprint=with_fingerprint)
    splits, fingerprint = [], 0
    for index, condition in enumerate(conditions):
        row = found.get(index)
        if row is None:
            splits.append(Split(condition, 0, {}))
            continue
        values = iter(row)
        count = whole(next(values))
        totals: dict[str, tuple[str, ...]] = {}
        for each in relation.columns:
            got = [next(values) for _ in range(1 + len(each.totals))]
            totals[each.name] = tuple(canonical(value) for value in got)
        for each in refused:
            bad = whole(next(values))
            if bad:
                raise _refused(database, relation, each, bad)
        fingerprint += whole(next(values))
        splits.append(Split(condition, count, totals))
    return splits, str(fingerprint) if with_fingerprint else ""


def _counted(
    database: Database,
    relation: Relation,
    conditions: Sequence[str],
    refused: Sequence[Column],
    *,
    with_fingerprint: bool,
) -> dict[int, list[object]]:
    """By part: number of rows, non-null values and totals of each column, number of values that
    cannot land for each of the ``refused`` columns, fingerprint.
    """
    dialect = database.dialect
    aggregates = ["count(*)"]
    for each in relation.columns:
        aggregates.append(f"count({dialect.quoted(each.source)})")
        aggregates += [total for total, _ in each.totals]
    aggregates += [f"sum(case when {each.refused} then 1 else 0 end)" for each in refused]
    aggregates.append(dialect.fingerprint(relation.columns) if with_fingerprint else "null")
    everything = " or ".join(f"({each})" for each in conditions)
    rows = f"from {relation.sql} where {everything}"
    if len(conditions) > 1:
        cases = (f"when {each} then {index}" for index, each in enumerate(conditions))
        which = f"case {' '.join(cases)} end"
        statement = f"select {which} as part, {', '.join(aggregates)} {rows} group by 1"
    else:
        statement = f"select 0, {', '.join(aggregates)} {rows}"
    return {whole(row[0]): list(row[1:]) for row in database.ask(statement)}


def _refused(
    database: Database, relation: Relation, column: Column, count: int
) -> ConfigurationError:
    """The error for ``count`` values that the column's type in raw cannot hold."""
    message = (
        f"Column {column.source} ({column.kind}) of {relation.name} in {database.where} has "
        f"{count:,} values that {column.landed_as} cannot hold (infinite, not a number, a zero "
        "date, or outside of the years 1 to 9999). Nothing was imported; land it as text with "
        f'columns = {{ {column.source} = "string" }} in the table\'s entry, or correct the values.'
    )
    return ConfigurationError(message, relation=relation.name, column=column.source)


def split_columns(database: Database, relation: Relation) -> tuple[Column, ...]:
    """The columns by which ``relation`` is divided, from ``split_by`` or the key; empty without
    one.
    """
    entry = database.entry(relation)
    names = entry.split_by or relation.key
    columns = tuple(relation.column(name, "split_by") for name in names)
    unfit = [each for each in columns if each.family not in _SPLITTABLE]
    if unfit and entry.split_by:
        message = (
            f"{relation.name} of {database.where} cannot be divided by {unfit[0].source} "
            f"({unfit[0].kind}): name numbers, dates, timestamps or strings in split_by."
        )
        raise ConfigurationError(message, relation=relation.name, column=unfit[0].source)
    return () if unfit else columns


def _bounds(
    database: Database, relation: Relation, condition: str, rows: int
) -> tuple[list[tuple[str, ...]], tuple[Column, ...]]:
    entry, columns = database.entry(relation), split_columns(database, relation)
    if not columns:
        if (entry.splits or 1) > 1:
            message = (
                f"{relation.name} of {database.where} has no primary key and no split_by, so it "
                f"cannot be read in {entry.splits} parts; name columns in split_by, or take "
                "splits away."
            )
            raise ConfigurationError(message, relation=relation.name)
        return [], ()
    wanted = entry.splits or (
        1
        if rows < _ROWS_OF_A_TASK
        else min(_MOST_TASKS, max(database.config.connections, rows // (5 * _ROWS_OF_A_TASK)))
    )
    if wanted == 1:
        return [], columns
    names = [database.dialect.quoted(each.source) for each in columns]
    known = " and ".join(f"{name} is not null" for name in names)
    share = min(1.0, _SAMPLE / max(rows, 1))
    # Alias the text columns; otherwise PostgreSQL's `order by` picks the text of the same name.
    texts = ", ".join(
        f"{database.dialect.text(name)} as bound_{at}" for at, name in enumerate(names)
    )
    sampled = database.dialect.sample(relation, f"{condition} and {known}", share)
    keys = database.ask(f"select {texts} from {sampled} order by {', '.join(names)}")
    if len(keys) < wanted and share < 1.0:
        sampled = database.dialect.sample(relation, f"{condition} and {known}", 1.0)
        keys = database.ask(f"select {texts} from {sampled} order by {', '.join(names)}")
    bounds: list[tuple[str, ...]] = []
    for index in range(1, wanted):
        bound = tuple(decoded(value) for value in keys[len(keys) * index // wanted]) if keys else ()
        first = tuple(decoded(value) for value in keys[0]) if keys else ()
        if bound and bound != first and (not bounds or bounds[-1] != bound):
            bounds.append(bound)
    return bounds, columns


def _less(
    database: Database, columns: Sequence[Column], bound: Sequence[str], operator: str = "<"
) -> str:
    names = [database.dialect.quoted(each.source) for each in columns]
    values = [database.dialect.literal(v, each) for v, each in zip(bound, columns, strict=True)]
    comparison = f"{row_of(names)} {operator} {row_of(values)}"
    if operator == "<" and any(each.is_nullable for each in columns):
        return f"coalesce({comparison}, true)"
    return comparison
