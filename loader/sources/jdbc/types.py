"""Whether a raw table keeps every value of a database's column."""

from __future__ import annotations

import re

from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession

from loader.batch import Batch
from loader.errors import ConfigurationError
from loader.lake.spark_errors import reason
from loader.sources.jdbc.mapping import Source

# Besides whole and decimal numbers: what Delta widens, and what is widened as it is written.
_TAKEN = (("float", "double"), ("double", "float"), ("date", "timestamp_ntz"))


def check_types(spark: SparkSession, source: Source, last: Batch | None) -> None:
    """Raise ``ConfigurationError`` for a type in ``columns`` that Spark cannot make of the source's
    value, and for one that the raw table cannot take: Delta would refuse or change the values.
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
    """Whether a Delta column of type ``held`` takes every value of type ``new`` as it is: widened
    in place, or wide enough.
    """
    held, new = held.replace(" ", ""), new.replace(" ", "")
    if held == new or (held, new) in _TAKEN:
        return True
    (whole, point), (new_whole, new_point) = _digits(held), _digits(new)
    if not whole or not new_whole:
        return False
    is_wider = new_whole >= whole and new_point >= point
    # A decimal becomes no integer; Delta would store the number in what is there.
    if is_wider and not (held.startswith("decimal") and not new.startswith("decimal")):
        return True
    return whole >= new_whole and point >= new_point


def _digits(kind: str) -> tuple[int, int]:
    """Digits before and after the point, as Delta counts them; (0, 0) for what is no number."""
    if found := re.fullmatch(r"decimal\((\d+),(\d+)\)", kind):
        return int(found[1]) - int(found[2]), int(found[2])
    return {"tinyint": 10, "smallint": 10, "int": 10, "bigint": 20}.get(kind, 0), 0
