"""Whether a raw table stores every value of a database's column unchanged."""

from __future__ import annotations

import re

from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession

from loader.batch import Batch
from loader.errors import ConfigurationError
from loader.lake.spark_errors import reason
from loader.sources.jdbc.mapping import Source

# Types that a Delta column takes besides integers and decimals, as (held, new): by widening the
# column or the value.
_TAKEN = (("float", "double"), ("double", "float"), ("date", "timestamp_ntz"))


def check_types(spark: SparkSession, source: Source, last: Batch | None) -> None:
    """Raise ``ConfigurationError`` for a type in ``columns`` to which Spark cannot cast the
    source's values, and for a type that the raw table cannot store unchanged.
    """
    if last is not None and last.imported.columns == source.columns:
        return
    there = spark.catalog.tableExists(source.table)
    held = dict(spark.table(source.table).dtypes) if there else {}
    for each in source.relation.columns:
        message = (
            f"Column {each.source} ({each.kind}) of {source.relation.name} in "
            f"{source.database.where} would land as {each.landed_as}, "
        )
        relation, column = source.relation.name, each.source
        if {each.source, each.name} & set(source.entry.columns):
            made = each.convert.format(c=f"cast(null as {each.read_as})")
            try:
                spark.sql(f"select {made}").schema  # noqa: B018 - what it cannot cast is an error
            except AnalysisException as error:
                message += (
                    f"which Spark cannot make of it ({reason(error)}). Nothing was "
                    "imported; give it another type in `columns`."
                )
                raise ConfigurationError(message, relation=relation, column=column) from error
        was = held.get(each.name)
        if was is not None and not takes(was, each.landed_as):
            message += (
                f"but {source.table} holds it as {was}, which Delta cannot turn into it and keep "
                "every value. Nothing was imported; keep the old type with columns = "
                f'{{ {each.source} = "{was}" }} in the table\'s entry, or name another table.'
            )
            table = source.table
            raise ConfigurationError(message, table=table, relation=relation, column=column)


def takes(held: str, new: str) -> bool:
    """Whether a Delta column of type ``held`` stores every value of type ``new`` unchanged: Delta
    widens the column in place, or its type is wide enough.
    """
    held, new = held.replace(" ", ""), new.replace(" ", "")
    if held == new or (held, new) in _TAKEN:
        return True
    (whole, point), (new_whole, new_point) = _digits(held), _digits(new)
    if not whole or not new_whole:
        return False
    is_wider = new_whole >= whole and new_point >= point
    # Delta does not change a decimal column to an integer; it would store the number as a decimal.
    if is_wider and not (held.startswith("decimal") and not new.startswith("decimal")):
        return True
    return whole >= new_whole and point >= new_point


def _digits(kind: str) -> tuple[int, int]:
    """Digits before and after the decimal point, as Delta counts them; (0, 0) for other types."""
    if found := re.fullmatch(r"decimal\((\d+),(\d+)\)", kind):
        return int(found[1]) - int(found[2]), int(found[2])
    return {"tinyint": 10, "smallint": 10, "int": 10, "bigint": 20}.get(kind, 0), 0
