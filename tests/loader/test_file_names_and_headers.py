"""File names are taken literally; headers give the columns of the raw table."""

from __future__ import annotations

import csv

import pytest

from loader.errors import ConfigurationError
from loader.sources.files.listing import as_literal
from loader.sources.files.rows import column_names


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ("Code INSEE;Straße;n°", ["code_insee", "straße", "n"]),
        ('\ufeff"A";"b;c"', ["a", "b_c"]),
        ('"say ""hi""";x', ["say_hi", "x"]),
    ],
)
def test_a_header_names_the_columns(header: str, names: list[str]) -> None:
    cells = next(csv.reader([header.lstrip("\ufeff")], delimiter=";"))
    assert column_names(cells, "f.csv") == names


@pytest.mark.parametrize(
    ("header", "named"),
    [("a;A", "'a'"), ("a;;b", "''"), ("a;Batch ID", "'batch_id'"), ("", "''"), ("!;a", "''")],
)
def test_a_header_that_cannot_name_columns_is_refused(header: str, named: str) -> None:
    with pytest.raises(ConfigurationError, match=f"header of f.csv .*{named}"):
        column_names(header.split(";"), "f.csv")


def test_globs_in_a_file_name_are_taken_literally() -> None:
    assert as_literal("/a[1]{b}*?.csv") == r"/a\[1\]\{b\}\*\?.csv"
