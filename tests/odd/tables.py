"""Odd values in rows of files and database tables: one column of a row is odd."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from tests.odd.values import odd_documents, odd_values

GOOD_ROWS = 20


class OddRow(NamedTuple):
    """A row whose ``field`` has the odd value named ``value``; ``held`` is the value itself."""

    key: str
    field: str
    value: str
    held: Any

    @property
    def name(self) -> str:
        return f"{self.field}={self.value}"


def odd_texts(*, with_nul: bool = True) -> dict[str, str]:
    """Every odd value as text: the content of JSON strings, and the JSON of other values."""
    found = {}
    for name, written in odd_values().items():
        if "surrogate" in name:
            continue
        text = json.loads(written) if written.startswith('"') else written
        if with_nul or "\0" not in text:
            found[name] = text
    return found


# --- CSV

CSV_COLUMNS = ("name", "amount", "day")
CSV_GOOD = {"name": "good", "amount": "1.5", "day": "2024-01-01"}
# Lines that do not fit the header; none may affect another line.
CSV_LINES = (
    "one",
    "a,b,c,d,e,f",
    ",,,,,",
    '"',
    'x"y,"z',
    '"never closed,1.5,2024-01-01,x',
    "," * 25_000,
    "\x00",
    "#comment",
)


def csv_rows() -> Iterator[OddRow]:
    for field in CSV_COLUMNS:
        for value, text in odd_texts().items():
            yield OddRow(f"{field}/{value}", field, value, text)


def csv_lines(rows: Sequence[OddRow]) -> list[str]:
    """A line for each row, with its key in the last column."""
    found = []
    for row in rows:
        text = io.StringIO()
        cells = CSV_GOOD | {row.field: row.held}
        csv.writer(text, lineterminator="").writerow([*cells.values(), row.key])
        found.append(text.getvalue())
    return found


# --- JSON lines

JSON_GOOD: dict[str, Any] = {
    "key": "",
    "name": "good",
    "amount": 1.5,
    "day": "2024-01-01",
    "tags": ["a", "b"],
    "more": {"a": 1},
}
JSON_LINES = (
    b"no json",
    b"1",
    b'"text"',
    b"{",
    b'{"name": "good"} {"name": "good"}',
    b'{"name": "\xff\xfe"}',
    b'{"name": "' + b"a" * 2_000_000 + b'"}',
    b'{"name": ' + b"1" * 5_000 + b"}",
    b'{"name": ' + b'{"a":' * 500 + b"1" + b"}" * 500 + b"}",
    b'{"name": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    b'{"name": ' + b'{"a":' * 5_000 + b"1" + b"}" * 5_000 + b"}",
)


def json_rows() -> Iterator[tuple[OddRow, bytes]]:
    """Each row with its line; ``held`` is the JSON text of the member, if it is known."""
    written = odd_values()
    for odd in odd_documents(JSON_GOOD):
        if odd.field == "key":
            continue
        key = odd.name
        line = odd.text.replace('"key": ""', f'"key": {json.dumps(key)}', 1)
        yield OddRow(key, odd.field, odd.value, written.get(odd.value)), line.encode()


# --- Parquet

_DAY, _MICROS = 86_400, 1_000_000


def parquet_columns() -> dict[str, tuple[Any, Any, Sequence[Any]]]:
    """Type, good value and odd values of each column."""
    import pyarrow

    last_day = (date(9999, 12, 31) - date(1970, 1, 1)).days
    first_day = (date(1, 1, 1) - date(1970, 1, 1)).days
    days = [0, -1, first_day, first_day - 1, last_day, last_day + 1, -141_428, 2**31 - 1, -(2**31)]
    seconds = [day * _DAY for day in days[:-2]]
    micros = [second * _MICROS for second in seconds] + [2**63 - 1, -(2**63)]
    floats = [0.0, -0.0, 1e308, -1e308, 1e-320, float("inf"), float("-inf"), float("nan")]
    texts = list(odd_texts().values())
    return {
        "int8": (pyarrow.int8(), 1, [-128, 127, 0]),
        "int16": (pyarrow.int16(), 1, [-(2**15), 2**15 - 1, 0]),
        "int32": (pyarrow.int32(), 1, [-(2**31), 2**31 - 1, 0]),
        "int64": (pyarrow.int64(), 1, [-(2**63), 2**63 - 1, 0]),
        "uint8": (pyarrow.uint8(), 1, [255]),
        "uint16": (pyarrow.uint16(), 1, [2**16 - 1]),
        "uint32": (pyarrow.uint32(), 1, [2**32 - 1]),
        "uint64": (pyarrow.uint64(), 1, [2**64 - 1, 2**63]),
        "float32": (pyarrow.float32(), 1.5, [each for each in floats if abs(each) != 1e308]),
        "float64": (pyarrow.float64(), 1.5, floats),
        "price": (pyarrow.decimal128(12, 2), Decimal("1.50"), [Decimal("9999999999.99")]),
        "huge": (pyarrow.decimal128(38, 10), Decimal(1), [Decimal("9" * 28), Decimal("-1e-10")]),
        "flag": (pyarrow.bool_(), True, [False]),
        "text": (pyarrow.string(), "good", texts),
        "bytes": (pyarrow.binary(), b"good", [b"", b"\0\xff\xfe", b"\xed\xa0\x80", b"a" * 8192]),
        "day": (pyarrow.date32(), 19_000, days),
        "at_ms": (pyarrow.timestamp("ms", "UTC"), 1, [each * 1000 for each in seconds]),
        "at_us": (pyarrow.timestamp("us", "UTC"), 1, micros),
        "clock_us": (pyarrow.timestamp("us"), 1, micros),
        "list": (pyarrow.list_(pyarrow.string()), ["a"], [[], [None], texts]),
        "map": (
            pyarrow.map_(pyarrow.string(), pyarrow.string()),
            [("a", "b")],
            [[], [("a", None)], [("", "")], [(text, text) for text in texts]],
        ),
        "struct": (
            pyarrow.struct({"a": pyarrow.int64(), "b": pyarrow.string()}),
            {"a": 1, "b": "b"},
            [{"a": None, "b": None}, *({"a": 1, "b": text} for text in texts)],
        ),
    }


def parquet_rows() -> Iterator[OddRow]:
    for field, (_, _, odd) in parquet_columns().items():
        for number, value in enumerate([None, *odd]):
            yield OddRow(f"{field}/{number}", field, str(number), value)


# --- databases


@dataclass(frozen=True)
class DatabaseColumn:
    """A column's type, and expressions that give the same text in the database and in raw.

    ``kept`` is a condition for values that the type in raw can hold, true for null; ``more`` are
    values of this type in addition to the texts that all types get.
    """

    kind: str
    good: str
    theirs: str = "{c}"
    ours: str = "{c}"
    kept: str = "true"
    more: Sequence[str] = ()


_PG_TEXT = "{c}::text"
_PG_DAYS = DatabaseColumn(
    "date", "2024-01-01", "{c} - date '1970-01-01'", "unix_date({c})",
    "coalesce({c} between '0001-01-01' and '9999-12-31', true)",
    ("infinity", "-infinity", "0044-03-15 BC", "5874897-12-31"),
)  # fmt: skip
_PG_EPOCH = "(extract(epoch from {c}) * 1000000)::bigint"
_PG_TIME_KEPT = "coalesce({c} >= '0001-01-01' and {c} < '10000-01-01', true)"
_PG_TIMES = ("infinity", "-infinity", "0044-03-15 BC", "294276-12-31", "9999-12-31 23:59:59.999999")
_NOT_NAN = "coalesce({c} != 'NaN', true)"

POSTGRES: Mapping[str, DatabaseColumn] = {
    "small": DatabaseColumn("smallint", "1", more=("-32768", "32767")),
    "whole": DatabaseColumn("integer", "1", more=("-2147483648",)),
    "big": DatabaseColumn("bigint", "1"),
    "flag": DatabaseColumn("boolean", "true", more=("off", "y")),
    "r": DatabaseColumn("real", "1.5", "{c}::float8", "cast({c} as double)", more=("1e-45",)),
    "f": DatabaseColumn("double precision", "1.5"),
    "bare": DatabaseColumn("numeric", "1.5", _PG_TEXT, more=("1e-1000", "1e1000")),
    "price": DatabaseColumn("numeric(12, 2)", "1.5", kept=_NOT_NAN, more=("9999999999.99",)),
    "negative": DatabaseColumn("numeric(5, -2)", "100", kept=_NOT_NAN),
    "huge": DatabaseColumn("numeric(38, 10)", "1.5", kept=_NOT_NAN, more=("9" * 28,)),
    "wide": DatabaseColumn("numeric(60, 3)", "1.5", _PG_TEXT),
    "t": DatabaseColumn("text", "good"),
    "vc": DatabaseColumn("varchar(20)", "good"),
    "ch": DatabaseColumn("char(12)", "good        ", "rpad({c}::text, 12)"),
    "day": _PG_DAYS,
    "ts": DatabaseColumn(
        "timestamp", "2024-01-01", _PG_EPOCH, "unix_micros(cast({c} as timestamp))",
        _PG_TIME_KEPT, _PG_TIMES,
    ),
    "tsz": DatabaseColumn(
        "timestamptz", "2024-01-01 00:00+00", _PG_EPOCH, "unix_micros({c})",
        _PG_TIME_KEPT, (*_PG_TIMES, "2024-03-31 02:30 Europe/Paris"),
    ),
    "tm": DatabaseColumn("time", "12:00", _PG_TEXT, more=("24:00", "23:59:60")),
    "iv": DatabaseColumn("interval", "1 day", _PG_TEXT, more=("-178000000 years", "1 mon -1 day")),
    "u": DatabaseColumn("uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", _PG_TEXT),
    "j": DatabaseColumn("json", "{}", _PG_TEXT, more=('{"a": 1, "a": 2}', '"\\u0000"')),
    "jb": DatabaseColumn("jsonb", "{}", _PG_TEXT),
    "arr": DatabaseColumn("int[]", "{1}", "array_to_json({c})::text", more=("{}", "{{1,2},{3,4}}")),
    "words": DatabaseColumn("text[]", "{a}", "array_to_json({c})::text", more=("{NULL,\"\"}",)),
    "bin": DatabaseColumn("bytea", "\\x00", "encode({c}, 'hex')", "lower(hex({c}))"),
    "bits": DatabaseColumn("bit varying", "1", _PG_TEXT, more=("",)),
    "ip": DatabaseColumn("inet", "10.0.0.1", _PG_TEXT, more=("::/0",)),
    "span": DatabaseColumn("int4range", "[1,2)", _PG_TEXT, more=("empty", "(,)")),
    "money": DatabaseColumn("money", "1.50", _PG_TEXT, more=("-92233720368547758.08",)),
    "p": DatabaseColumn("point", "(1,2)", _PG_TEXT, more=("(NaN,Infinity)",)),
    "search": DatabaseColumn("tsvector", "a", _PG_TEXT),
}  # fmt: skip

_MARIADB_KEPT = "({c} is null or not ({c} = 0 or month({c}) = 0 or dayofmonth({c}) = 0))"
_UNSIGNED = "cast({c} as unsigned)"
MARIADB: Mapping[str, DatabaseColumn] = {
    "ti": DatabaseColumn("tinyint", "1", more=("-128", "127")),
    "flag": DatabaseColumn("tinyint(1)", "1", more=("-128", "127")),
    "tu": DatabaseColumn("tinyint unsigned", "1", more=("255",)),
    "su": DatabaseColumn("smallint unsigned", "1", more=("65535",)),
    "mu": DatabaseColumn("mediumint unsigned", "1", more=("16777215",)),
    "iu": DatabaseColumn("int unsigned", "1", more=("4294967295",)),
    "big": DatabaseColumn("bigint", "1"),
    "bu": DatabaseColumn("bigint unsigned", "1", more=("18446744073709551615",)),
    "price": DatabaseColumn("decimal(12, 2)", "1.5"),
    "wide": DatabaseColumn("decimal(65, 10)", "1.5", "cast({c} as char)"),
    "f": DatabaseColumn("float", "1.5", "cast({c} as double)", "cast({c} as double)"),
    "d": DatabaseColumn("double", "1.5"),
    "y": DatabaseColumn("year", "2024", _UNSIGNED, more=("0", "1901", "2155")),
    "b": DatabaseColumn("bit(64)", "1", _UNSIGNED),
    "b1": DatabaseColumn("bit(1)", "1", _UNSIGNED),
    "day": DatabaseColumn(
        "date", "2024-01-01", "datediff({c}, '1970-01-01')", "unix_date({c})", _MARIADB_KEPT,
        ("2024-00-00", "2024-01-00"),
    ),
    "dt": DatabaseColumn(
        "datetime(6)", "2024-01-01", "timestampdiff(microsecond, '1970-01-01', {c})",
        "unix_micros(cast({c} as timestamp))", _MARIADB_KEPT,
        ("2024-00-00", "9999-12-31 23:59:59.999999"),
    ),
    "ts": DatabaseColumn(
        "timestamp(6) null", "2024-01-01", "cast(unix_timestamp({c}) * 1000000 as signed)",
        "unix_micros({c})", "({c} is null or {c} != 0)", ("2038-01-19 03:14:07.999999",),
    ),
    "tm": DatabaseColumn("time(6)", "12:00", "cast({c} as char)", more=("-838:59:59.999999",)),
    "ch": DatabaseColumn("char(12)", "good", "cast({c} as char)"),
    "vc": DatabaseColumn("varchar(20)", "good"),
    "t": DatabaseColumn("longtext", "good"),
    "tl": DatabaseColumn("text character set latin1", "good", "cast({c} as char)"),
    "e": DatabaseColumn("enum('sad', 'ok', '')", "ok", "cast({c} as char)"),
    "s": DatabaseColumn("set('a', 'b')", "a,b", "cast({c} as char)", more=("b,a",)),
    "vb": DatabaseColumn("varbinary(40)", "good", "lower(hex({c}))", "lower(hex({c}))"),
    "bl": DatabaseColumn("longblob", "good", "lower(hex({c}))", "lower(hex({c}))"),
}  # fmt: skip

# Unusual column names, and their names in raw.
COLUMN_NAMES: Mapping[str, str] = {
    "\u00e9t\u00e9": "\u00e9t\u00e9",
    "a'b\"c`d": "a_b_c_d",
    "x.y.z": "x_y_z",
    "1": "1",
    "select": "select",
    "Gr\u00f6\u00dfe (m\u00b2)": "gr\u00f6\u00dfe_m\u00b2",
    "%s %(name)s": "s_name_s",
    "{{ ref('x') }}{c}": "ref_x_c",
    "q; drop table odd; --": "q_drop_table_odd",
    "back\\slash": "back_slash",
    "n" * 60: "n" * 60,
}
