"""Columns and relations of a database, and the conversion of a column's type to raw."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from loader.errors import ConfigurationError, some

# The range of Spark's date and timestamp; other values would be changed.
FIRST_DAY, LAST_DAY = "0001-01-01", "9999-12-31"
_LANDED = re.compile(
    r"^(string|boolean|tinyint|smallint|int|bigint|float|double|date|timestamp|timestamp_ntz|binary"
    r"|decimal\(\d+, ?\d+\))$"
)


@dataclass(frozen=True)
class Column:
    """One column of a relation, and how its values get to raw.

    ``name`` is the name in raw, ``source`` the name in the database, ``kind`` the type there. The
    database selects ``expression``, Spark reads it as the type ``read_as``, and the Spark
    expression ``convert`` (``{c}`` is the read column) makes it the type ``landed_as``.

    ``totals`` are pairs of aggregates, in the database's SQL and in Spark's, that must be equal.
    ``refused`` is an SQL condition for values that ``landed_as`` cannot hold. ``family`` is
    ``number``, ``date``, ``time``, ``text`` or ``other``.
    """

    name: str
    source: str
    kind: str
    expression: str
    read_as: str
    landed_as: str
    convert: str
    totals: tuple[tuple[str, str], ...]
    refused: str | None
    family: str
    is_nullable: bool


class Typed(NamedTuple):
    """A column of a database: name, type and nullability there, and its name in raw."""

    source: str
    kind: str
    is_nullable: bool
    name: str


@dataclass(frozen=True)
class Type:
    """The parts of a column's type: ``column`` is the column's quoted name, ``kind`` the whole
    type, ``base`` its name without arguments, ``numbers`` the arguments, ``version`` the server's
    version.
    """

    column: str
    kind: str
    base: str
    numbers: Sequence[int] = ()
    version: int = 0


@dataclass(frozen=True)
class Crossing:
    """How the values of a type get to raw, in the terms of ``Column``. An empty ``landed_as`` means
    ``read_as``. The totals of text are the sums of its lengths.
    """

    expression: str
    read_as: str = "string"
    family: str = "other"
    landed_as: str = ""
    convert: str = "{c}"
    totals: tuple[tuple[str, str], ...] = ()
    refused: str | None = None

    def column(self, typed: Typed) -> Column:
        """The column ``typed`` with this conversion."""
        return Column(
            typed.name, typed.source, typed.kind, self.expression, self.read_as,
            self.landed_as or self.read_as, self.convert, self.totals, self.refused, self.family,
            typed.is_nullable,
        )  # fmt: skip


# Pairs of a pattern of a type's whole name and the conversion of such a type.
Crossings = Sequence[tuple[str, Callable[[Type], Crossing]]]


def crossing_of(kind: Type, name: str, known: Crossings) -> Crossing:
    """The conversion of ``kind``: the first of ``known`` whose pattern matches
    the whole ``name``.
    """
    return next(make for pattern, make in known if re.fullmatch(pattern, name))(kind)


@dataclass(frozen=True)
class Relation:
    """A table, view or query of a database.

    ``name`` is ``schema.table``, ``sql`` the text after ``from``, ``key`` the columns of the
    primary key.
    """

    name: str
    sql: str
    is_table: bool
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    def column(self, name: str, wanted_by: str) -> Column:
        """The column with that ``name`` in the source or in raw; raises ``ConfigurationError``
        without one.
        """
        for each in self.columns:
            if name in (each.source, each.name):
                return each
        message = (
            f"{self.name} has no column {name!r}, which {wanted_by} names; it has "
            f"{some([each.source for each in self.columns])}."
        )
        raise ConfigurationError(message, relation=self.name, column=name)


def raw_name(name: str) -> str:
    """The name in raw of a database's name: lower case, underscores for other characters."""
    return re.sub(r"\W+", "_", name.strip().lower()).strip("_")


def whole_total(name: str, spark: str = "{c}", *, is_long: bool = True) -> tuple[str, str]:
    """The sum of whole numbers, as SQL of the database and of Spark."""
    if not is_long:
        return f"sum({name})", f"try_sum(cast({spark} as decimal(38, 0)))"
    # The high and the low 32 bits are summed separately: these sums cannot overflow and are faster
    # than a sum of decimals.
    high, low = f"sum(shiftright(cast({spark} as bigint), 32))", f"sum({spark} & 4294967295)"
    return f"sum({name})", (
        f"cast({high} as decimal(38, 0)) * cast(4294967296 as decimal(10, 0)) + {low}"
    )


def overridden(column: Column, landed_as: str | None, text: str, total: str) -> Column:
    """``column`` with the Spark type ``landed_as`` that a person chose. A value that this type
    changes (rounds, truncates, cuts off the time of day) fails the import.
    """
    if landed_as is None:
        return column
    wanted = landed_as.strip().lower()
    if not _LANDED.match(wanted):
        message = (
            f"Column {column.source} cannot land as {landed_as!r}; write string, boolean, tinyint, "
            "smallint, int, bigint, decimal(p, s), float, double, date, timestamp, timestamp_ntz "
            "or binary."
        )
        raise ConfigurationError(message, column=column.source)
    if wanted == "string":
        length = "octet_length" if "::" in text else "length"
        return replace(
            column, expression=text, read_as="string", landed_as="string", convert="{c}",
            totals=((f"sum({length}({text}))", "sum(octet_length({c}))"),), refused=None,
            family="text" if column.family == "text" else "other",
        )  # fmt: skip
    original, cast = column.convert, f"try_cast({column.convert} as {wanted})"
    back = f"try_cast({{}} as {column.landed_as})"
    totals = tuple((theirs, ours.format(c=back.format("{c}"))) for theirs, ours in column.totals)
    same = f"{back.format(cast)} <=> {original}"
    if column.landed_as == "string":
        # 1.5 and 1.50 are the same number; all other values must have the same text.
        bare = r"regexp_replace({}, '^(-?[0-9]+)(?:[.]0*|([.][0-9]*?)0+)$', '$1$2')"
        same = f"{bare.format(back.format(cast))} <=> {bare.format(original)}"
        if re.match(r"decimal|float|double|.*int", wanted):
            totals = ()
    if column.family == "number" and re.match(r"decimal|.*int", wanted):
        scale = wanted.rpartition(",")[2].strip(" )") if wanted.startswith("decimal") else "0"
        totals = ((total, f"try_sum(cast({{c}} as decimal(38, {scale})))"),)
    # A value that the cast changes becomes null, so the count of values differs and the import
    # fails.
    return replace(
        column, landed_as=wanted, convert=f"case when {same} then {cast} end", totals=totals
    )


def canonical(value: object) -> str:
    """A number as text that is equal for all clients and databases; empty for null."""
    if value is None:
        return ""
    try:
        number = Decimal(repr(value) if isinstance(value, float) else decoded(value))
    except InvalidOperation:
        return str(value)
    if not number.is_finite():
        return str(number).lower()
    return format(number.normalize(), "f") if number else "0"


def decoded(value: object) -> str:
    """The text of a driver's value; bytes are decoded as UTF-8."""
    return value.decode() if isinstance(value, bytes) else str(value)
