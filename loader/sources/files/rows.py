"""The rows of a file, and whether the raw table can store them."""

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

# Largest number of fields in a CSV line; the parser allocates some bytes for each.
_MOST_FIELDS = 200_000
# Types that Parquet has and Delta does not.
_NOT_IN_DELTA = re.compile(r"time\(\d\)|interval\b.*")
_WHOLE_NUMBERS = {"tinyint": 3, "smallint": 5, "int": 10, "bigint": 19}
_KEPT = {
    *(("double", each) for each in ("float", "int", "smallint", "tinyint")),
    *(("float", each) for each in ("smallint", "tinyint")),
    *(("timestamp", each) for each in ("date", "timestamp_ntz")),
    ("timestamp_ntz", "date"),
}


def keeps(held: str, new: str) -> bool:
    """Whether a column of type ``held`` stores every value of type ``new`` unchanged, or refuses
    it.

    Delta alone would also round numbers and cut off times of day.
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
    """The reason why Delta cannot store a column of type ``kind``; empty if it can."""
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
    """``frame``, the rows of the file at ``path``, cast to the types in ``held``.

    ``held`` maps the columns of ``table``, and of the files before, to their types; this adds the
    file's new columns. Raises ``ConfigurationError`` for a column that Delta cannot store, or whose
    values the type in ``held`` would change.
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
        elif was != new and "<" not in was:  # Delta itself aligns nested types
            column = column.cast(was).alias(each.name)
        columns.append(column)
    held |= added
    return frame.select(*columns)


def file_rows(spark: SparkSession, config: Files, path: str) -> DataFrame | None:
    """The rows of one file, with ``corrupt_record``; None for an empty CSV or JSON file."""
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
        # Not for UTF-8 JSON: with an explicit encoding Spark would rewrite the numbers.
        reader = reader.option("encoding", config.encoding)
    if config.format == "json":
        fields = [name for name in _members(reader.json(literal)) if name != "corrupt_record"]
        names = column_names(fields, path) if fields else []
        # Spark returns a member that the schema declares as string as its JSON text, of whatever
        # type.
        escaped = [name.replace("`", "``") for name in fields]
        schema = ", ".join(f"`{name}` string" for name in [*escaped, "corrupt_record"])
        renamed = [f.col(f"`{old}`").alias(new) for old, new in zip(escaped, names, strict=True)]
        return reader.schema(schema).json(literal).select("corrupt_record", *renamed)
    # A quote within quotes is doubled, as in RFC 4180; Spark's default is a backslash.
    reader = reader.option("delimiter", config.delimiter).option("escape", '"')
    # Spark fails the read of a whole file at a line with more fields than this.
    reader = reader.option("maxColumns", str(_MOST_FIELDS))
    # The text source would decode the first line as UTF-8, whatever the encoding.
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
    """The columns of ``rows``. Spark Connect's client cannot decode a schema that is nested deeper
    than about thirty levels, and one line can cause such a schema; in that case the server lists
    the names.
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
    """The names in raw for the ``cells`` of a header. Raises ``ConfigurationError`` for a cell that
    gives no name, a repeated one, or one of the loader's own columns.
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
