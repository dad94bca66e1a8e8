"""A column and a relation of a database, and what becomes of a column's type in raw."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from loader.errors import ConfigurationError, some

# What Spark's date and timestamp hold; anything else would be changed on the way.
FIRST_DAY, LAST_DAY = "0001-01-01", "9999-12-31"
_LANDED = re.compile(
    r"^(string|boolean|tinyint|smallint|int|bigint|float|double|date|timestamp|timestamp_ntz|binary"
    r"|decimal\(\d+, ?\d+\))$"
)


@dataclass(frozen=True)
class Column:
    """One column: its ``name`` in raw and at the ``source``, its type there (``kind``), and how it
    comes over: selected as ``expression``, read by Spark as ``read_as``, landed as ``landed_as`` by
    the Spark expression ``convert``.

    ``totals`` are pairs of aggregates, in the database's SQL and in Spark's, that must agree.
    ``refused`` is a condition on values that ``landed_as`` cannot hold. ``family`` is ``number``,
    ``date``, ``time``, ``text`` or ``other``; ``is_nullable`` whether it may be null.
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
    """A column of a database: its name and type there, and its name in raw."""

    source: str
    kind: str
    is_nullable: bool
    name: str


@dataclass(frozen=True)
class Type:
    """The type of a column, taken apart: ``column`` is its quoted name, ``base`` the type's name
    without arguments, ``numbers`` the arguments. ``version`` is the server's.
    """

    column: str
    kind: str
    base: str
    numbers: Sequence[int] = ()
    version: int = 0


@dataclass(frozen=True)
class Crossing:
    """How values of a type come over, as ``Column`` has it; ``landed_as`` is empty for what lands
    as it is read. Text has no ``totals`` of its own: its length is compared.
    """

    expression: str
    read_as: str = "string"
    family: str = "other"
    landed_as: str = ""
    convert: str = "{c}"
    totals: tuple[tuple[str, str], ...] = ()
    refused: str | None = None

    def column(self, typed: Typed) -> Column:
        """The column ``typed`` that comes over so."""
        return Column(
            typed.name, typed.source, typed.kind, self.expression, self.read_as,
            self.landed_as or self.read_as, self.convert, self.totals, self.refused, self.family,
            typed.is_nullable,
        )  # fmt: skip


# A pattern of a type's whole name, and how such a type comes over.
Crossings = Sequence[tuple[str, Callable[[Type], Crossing]]]


def crossing_of(kind: Type, name: str, known: Crossings) -> Crossing:
    """How ``kind`` comes over, by the first of ``known`` whose pattern ``name`` matches whole."""
    return next(make for pattern, make in known if re.fullmatch(pattern, name))(kind)


@dataclass(frozen=True)
class Relation:
    """A table, view or query of a database: ``name`` as ``schema.table``, ``sql`` what stands after
    ``from``, and the columns of its primary ``key``.
    """

    name: str
    sql: str
    is_table: bool
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    def column(self, name: str, wanted_by: str) -> Column:
        """The column called ``name`` in the source or in raw; ``ConfigurationError`` without it."""
        for each in self.columns:
            if name in (each.source, each.name):
                return each
        message = (
            f"{self.name} has no column {name!r}, which {wanted_by} names; it has "
            f"{some([each.source for each in self.columns])}."
        )
        raise ConfigurationError(message, relation=self.name, column=name)


def raw_name(name: str) -> str:
    """A name of a database as raw has it: in lower case, with underscores."""
    return re.sub(r"\W+", "_", name.strip().lower()).strip("_")


def whole_total(name: str, spark: str = "{c}", *, is_long: bool = True) -> tuple[str, str]:
    """The sum of whole numbers in the database, and in Spark."""
    if not is_long:
        return f"sum({name})", f"try_sum(cast({spark} as decimal(38, 0)))"
    # Two sums of half the bits cannot overflow, and are quicker than one of decimals.
    high, low = f"sum(shiftright(cast({spark} as bigint), 32))", f"sum({spark} & 4294967295)"
    return f"sum({name})", (
        f"cast({high} as decimal(38, 0)) * cast(4294967296 as decimal(10, 0)) + {low}"
    )


def overridden(column: Column, landed_as: str | None, text: str, total: str) -> Column:
    """``column`` as the Spark type ``landed_as`` that a person chose for it; a value that it does
    not hold whole (rounded, without its time of day, cut off) fails the import.
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
        # 1.5 and 1.50 are one number; of all else the text is the same.
        bare = r"regexp_replace({}, '^(-?[0-9]+)(?:[.]0*|([.][0-9]*?)0+)$', '$1$2')"
        same = f"{bare.format(back.format(cast))} <=> {bare.format(original)}"
        if re.match(r"decimal|float|double|.*int", wanted):
            totals = ()
    if column.family == "number" and re.match(r"decimal|.*int", wanted):
        scale = wanted.rpartition(",")[2].strip(" )") if wanted.startswith("decimal") else "0"
        totals = ((total, f"try_sum(cast({{c}} as decimal(38, {scale})))"),)
    # What does not come back as it was is null, so that it is missed when values are counted.
    return replace(
        column, landed_as=wanted, convert=f"case when {same} then {cast} end", totals=totals
    )


def canonical(value: object) -> str:
    """A number as text that is the same for every client and database; empty for null."""
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
    """A value of a driver as text."""
    return value.decode() if isinstance(value, bytes) else str(value)
