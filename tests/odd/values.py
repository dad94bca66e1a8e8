"""Odd values, and every field of a message set to each of them, one at a time, never at random.

A value is JSON text and no Python object, because some values have no Python object (a duplicate
key, a lone surrogate, a number that no float can represent).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

# Placeholder for the value under test while the rest of a document is written as JSON.
_MARK = "\ue000the odd value\ue000"


class Odd(NamedTuple):
    """One field of a document set to one odd value."""

    field: str
    value: str
    text: str

    @property
    def name(self) -> str:
        """The setting that reproduces the input: ``LACUSTRE_ODD=field=value``."""
        return f"{self.field}={self.value}"


def _texts() -> dict[str, str]:
    return {
        "empty": "",
        "blank": " ",
        "NaN": "NaN",
        "Infinity": "-Infinity",
        "thousands": "1,234",
        "spaced number": " 1 ",
        "hexadecimal": "0x1F",
        "exponent": "1e5",
        "decimal text": "1.5",
        "single quote": "it's",
        "double quote": 'say "no"',
        "backslash": "\\",
        "backslashes": "\\\\u0041\\d\\",
        "sql": "'; drop table lake.matomo_visits; --",
        "html": "<script>alert(1)</script>&amp;",
        "regex": "(a+)+$[^\\]{2,}",
        "jinja": "{{ ref('nothing') }}{% endraw %}",
        "dollar": "${env:HOME} $1 \\1",
        "NUL": "a\0b",
        "controls": "\x01\x1b[31m\x7f",
        "newlines": "one\ntwo\r\nthree\u2028four",
        "tab": "a\tb",
        "right to left": "\u202eabc \u05d0\u05d1\u05d2",
        "emoji": "\U0001f469\u200d\U0001f680",
        "combining": "e\u0301" * 20,
        "no-break space": "\u00a01\u00a0",
        "byte order mark": "\ufeff1",
        "arabic digits": "\u0661\u0662\u0663",
        "percent": "%",
        "percent zz": "https://example.org/%zz?q=%E9%",
        "address": "someone@example.org",
        "dots": "a." * 4096,
        "8 KB": "a" * 8192,
        "8 KB address": "a" * 8192 + "@example.org",
        "many slashes": "https://example.org" + "/" * 8192,
        "many parameters": "https://example.org/?" + "&".join(f"p{n}={n}" for n in range(500)),
        "wrong zone": "europe/paris",
        "no zone": "Mars/Olympus",
        "wrong code": "zz",
        "long code": "xx-yyyy-zzzz",
        "zero date": "0000-00-00",
        "zero time": "0000-00-00 00:00:00",
        "last date": "9999-12-31",
        "last time": "9999-12-31 23:59:59",
        "first time": "0001-01-01 00:00:00",
        "time before 1582": "1500-01-01 12:00:00",
        "beyond last date": "99999-12-31",
        "no such day": "2024-02-30",
        "leap second": "2016-12-31 23:59:60",
        "JSON in text": '{"a": [1]}',
        "broken JSON in text": '{"a": [1',
        "array in text": "[]",
        "true in text": "true",
        "null in text": "null",
    }


def _raw() -> dict[str, str]:
    """Values whose JSON is written by hand."""
    return {
        "null": "null",
        "true": "true",
        "false": "false",
        "zero": "0",
        "negative zero": "-0.0",
        "minus one": "-1",
        "one": "1",
        "fraction": "0.1",
        "third": "0.33333333333333333333333333333333",
        "2^31": "2147483648",
        "2^63-1": "9223372036854775807",
        "-2^63": "-9223372036854775808",
        "2^63": "9223372036854775808",
        "last second": "253402300799",
        "second beyond the last": "253402300800",
        "first second": "-62135596800",
        "1e12": "1000000000000",
        "1e12 as a float": "1e12",
        "1e18": "1e18",
        "1e308": "1e308",
        "1e999": "1e999",
        "1e-320": "1e-320",
        "40 digits": "1" * 40,
        "400 digits": "1" * 400,
        "array": "[]",
        "array of null": "[null]",
        "array of texts": '["a", "b"]',
        "array of arrays": "[[[]]]",
        "array of objects": '[{"a": 1}]',
        "object": "{}",
        "object of one": '{"a": 1}',
        "object by id": '{"1": {"a": 1}}',
        "duplicate keys": '{"a": 1, "a": 2}',
        "empty key": '{"": 1}',
        "lone surrogate": '"\\ud800"',
        "reversed surrogates": '"\\ude00\\ud83d"',
        "deep arrays": "[" * 200 + "]" * 200,
        "deep objects": '{"a":' * 200 + "1" + "}" * 200,
    }


def odd_values() -> dict[str, str]:
    """Every odd value as JSON text, by name."""
    return _raw() | {name: json.dumps(text) for name, text in _texts().items()}


def huge_values() -> dict[str, str]:
    """Texts of 1 MB in several alphabets; for a few fields only."""
    size = 1 << 20
    alphabets = {"a": "a", "dot": "a.", "at": "a@", "digit": "1", "percent": "%41", "slash": "/"}
    return {
        f"1 MB of {name}": json.dumps((alphabet * size)[:size])
        for name, alphabet in alphabets.items()
    }


FIELD_NAMES: Mapping[str, tuple[str, ...]] = {
    "dimension of a time": ("dimension20240507101500",),
    "dimension": ("dimension",),
    "dimension 0": ("dimension0",),
    "dimension -1": ("dimension-1",),
    "dimension of 2^63": ("dimension9223372036854775808",),
    "empty name": ("",),
    "unicode name": ("\u00e9t\u00e9 \U0001f680",),
    "quoted name": ("a'b\"c`d",),
    "dotted name": ("a.b.c",),
    "numeric name": ("1",),
    "10,000 names": tuple(f"field{number}" for number in range(10_000)),
}


def fields_of(document: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The path of every field in ``document``, also nested ones and elements of lists."""
    if isinstance(document, dict):
        inner: Iterator[tuple[str | int, Any]] = iter(document.items())
    elif isinstance(document, list):
        inner = iter(enumerate(document))
    else:
        return
    for key, value in inner:
        yield (*path, key)
        yield from fields_of(value, (*path, key))


def _written(path: tuple[str | int, ...]) -> str:
    return ".".join(str(part) for part in path)


def _holder(document: Any, path: tuple[str | int, ...]) -> Any:
    for part in path[:-1]:
        document = document[part]
    return document


def odd_documents(document: Any, values: Mapping[str, str] | None = None) -> Iterator[Odd]:
    """``document`` once for each field and value, and for each field left out or repeated.

    ``values`` are JSON texts by name, by default all odd ones. Everything but the field under test
    is unchanged, so that a failure names its cause.
    """
    chosen = odd_values() if values is None else values
    for path in fields_of(document):
        field = _written(path)
        copy = json.loads(json.dumps(document))
        _holder(copy, path)[path[-1]] = _MARK
        before, after = json.dumps(copy, ensure_ascii=False).split(
            json.dumps(_MARK, ensure_ascii=False)
        )
        for name, value in chosen.items():
            yield Odd(field, name, before + value + after)
        if values is not None:
            continue
        del _holder(copy, path)[path[-1]]
        yield Odd(field, "missing", json.dumps(copy))
        if isinstance(path[-1], str):
            key = json.dumps(path[-1])
            yield Odd(field, "twice", f'{before}1, {key}: "two"{after}')


def odd_names(document: Mapping[str, Any]) -> Iterator[Odd]:
    """``document`` with each of the odd field names as an additional field."""
    for name, added in FIELD_NAMES.items():
        yield Odd("(a field more)", name, json.dumps({**document, **dict.fromkeys(added, "1")}))
