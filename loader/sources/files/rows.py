"""The rows of a file, and whether the raw table can hold them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f
from pyspark.sql.types import ArrayType, DataType, MapType, StructType

from loader.errors import ConfigurationError
from loader.lake.spark_errors import is_gone
from loader.settings import Files
from loader.sources.files.listing import as_literal

# A parser of CSV holds this many fields, some bytes each, whatever a line has.
_MOST_FIELDS = 200_000
# What Parquet has and Delta has not.
_NOT_IN_DELTA = re.compile(r"time\(\d\)|interval\b.*")
_WHOLE_NUMBERS = {"tinyint": 3, "smallint": 5, "int": 10, "bigint": 19}
_KEPT = {
    *(("double", each) for each in ("float", "int", "smallint", "tinyint")),
    *(("float", each) for each in ("smallint", "tinyint")),
    *(("timestamp", each) for each in ("date", "timestamp_ntz")),
    ("timestamp_ntz", "date"),
}


def keeps(held: str, new: str) -> bool:
    """Whether a column of type ``held`` of a file's table takes a value of type ``new`` as it is,
    or refuses it; Delta alone would also round numbers and cut times off.
    """
    held, new = held.replace(" ", ""), new.replace(" ", "")
    if held == new or ("<" in held and held.split("<")[0] == new.split("<")[0]):
        return True
    if "<" in held + new:
        return False
    whole = held in _WHOLE_NUMBERS or held.startswith("decimal")
    if whole and (new in _WHOLE_NUMBERS or new.startswith("decimal")):
        points = [int(each.rpartition(",")[2][:-1]) if "," in each else 0 for each in (held, new)]
        return points[0] >= points[1]
    return (held, new) in _KEPT or (held == "string" and new != "binary")


def _unfit(kind: DataType) -> str:
    """Why Delta does not take a column of type ``kind``; empty where it does."""
    if isinstance(kind, ArrayType):
        return _unfit(kind.elementType)
    if isinstance(kind, MapType):
        return _unfit(kind.keyType) or _unfit(kind.valueType)
    if isinstance(kind, StructType):
        lowered = [each.name.lower() for each in kind.fields]
        for each in kind.fields:
            if re.search(r"[ ,;{}()\n\t=]", each.name) or lowered.count(each.name.lower()) > 1:
                return f"has a field {each.name!r}, a name that Delta does not take"
            if why := _unfit(each.dataType):
                return why
        return ""
    name = kind.simpleString()
    return f"has {name}, a type that Delta does not have" if _NOT_IN_DELTA.match(name) else ""


def fitted(table: str, held: dict[str, str], frame: DataFrame, path: str) -> DataFrame:
    """``frame``, the rows of the file at ``path``, with the types of ``held``, which are those of
    ``table`` and of the files before; its new columns are added there.

    Raises ``ConfigurationError`` for a column that Delta does not take, or that would be held as a
    type which changes its values.
    """
    columns = []
    added: dict[str, str] = {}
    for each in frame.schema.fields:
        new, was = each.dataType.simpleString(), held.get(each.name)
        why = _unfit(each.dataType)
        if not why and was is not None and not keeps(was, new):
            why = f"is {new}, but {table} holds it as {was}"
        if why:
            message = (
                f"{path} was left out: its column {each.name} {why}. Write the file with another "
                "type or name, or give its section another table."
            )
            raise ConfigurationError(message, path=path, table=table)
        column = f.col(f"`{each.name}`")
        if was is None:
            added[each.name] = new
        elif was != new and "<" not in was:  # Delta itself makes nested types alike
            column = column.cast(was).alias(each.name)
        columns.append(column)
    held |= added
    return frame.select(*columns)


def file_rows(spark: SparkSession, config: Files, path: str) -> DataFrame | None:
    """The rows of one file, with ``corrupt_record``; None for a CSV or JSON file that is empty."""
    literal = as_literal(path)
    if config.format == "parquet":
        held = spark.read.parquet(literal)
        names = column_names(held.columns, path)
        renamed = [
            f.col("`" + old.replace("`", "``") + "`").alias(new)
            for old, new in zip(held.columns, names, strict=True)
        ]
        return held.select(f.lit(None).cast("string").alias("corrupt_record"), *renamed)
    reader = spark.read.option("mode", "PERMISSIVE")
    reader = reader.option("columnNameOfCorruptRecord", "corrupt_record")
    if config.format == "csv" or config.encoding.upper() not in ("UTF-8", "UTF8"):
        # Not for JSON that is UTF-8 anyway: told so, Spark would write its numbers anew.
        reader = reader.option("encoding", config.encoding)
    if config.format == "json":
        fields = [name for name in _members(reader.json(literal)) if name != "corrupt_record"]
        names = column_names(fields, path) if fields else []
        # A member that is declared as text comes as its text, whatever it is.
        escaped = [name.replace("`", "``") for name in fields]
        schema = ", ".join(f"`{name}` string" for name in [*escaped, "corrupt_record"])
        renamed = [f.col(f"`{old}`").alias(new) for old, new in zip(escaped, names, strict=True)]
        return reader.schema(schema).json(literal).select("corrupt_record", *renamed)
    # A quote within quotes is doubled, as everywhere but in Spark.
    reader = reader.option("delimiter", config.delimiter).option("escape", '"')
    # Spark ends the read of a whole file at a line with more fields than this.
    reader = reader.option("maxColumns", str(_MOST_FIELDS))
    # The text source would read the first line as UTF-8, whatever the encoding.
    first = reader.csv(literal).first()
    if first is None:
        return None
    cells = [(cell or "").lstrip("\ufeff") for cell in first]
    if not config.header:
        cells = list(config.columns) or [f"c{at}" for at in range(1, len(cells) + 1)]
    names = column_names(cells, path)
    schema = ", ".join(f"`{name}` string" for name in [*names, "corrupt_record"])
    return (
        reader.schema(schema)
        .option("header", str(config.header).lower())
        .option("enforceSchema", "true")
        .csv(literal)
    )


def _members(rows: DataFrame) -> list[str]:
    """The columns of ``rows``. Spark Connect's client cannot read a schema that is nested deeper
    than about thirty levels, which one line is enough for: then the server lists the names.
    """
    try:
        return list(rows.columns)
    except AnalysisException:
        raise
    except Exception as error:
        if is_gone(error):
            raise
    every = f.to_json(f.struct("*"), {"ignoreNullFields": "false"})
    first = rows.select(f.map_keys(f.from_json(every, "map<string, string>"))).first()
    return list(first[0]) if first else []


def column_names(cells: Sequence[str], path: str) -> list[str]:
    """The columns in raw for the ``cells`` of a header; ``ConfigurationError`` where a cell cannot
    name one.
    """
    names = [re.sub(r"\W+", "_", cell.strip().lower()).strip("_") for cell in cells]
    twice = {name for name in names if names.count(name) > 1 or not name}
    owned = {"batch_id", "file_path", "loaded_at", "corrupt_record"} & set(names)
    if twice or owned:
        message = (
            f"The header of {path} cannot name columns: {min(twice | owned)!r} is empty, "
            "repeated, or a name that the loader uses itself. Correct the names in the file."
        )
        raise ConfigurationError(message, path=path)
    return names
