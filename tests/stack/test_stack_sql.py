from __future__ import annotations

import pytest

from stack.sql import shorten, split


@pytest.mark.parametrize(
    ("text", "statements", "rest"),
    [
        ("select 1; select 2", ["select 1"], "select 2"),
        ("select ';', \";\", `;`; x", ["select ';', \";\", `;`"], "x"),
        (r"select 'it\'s;'; ", [r"select 'it\'s;'"], ""),
        ("select 1 -- one; two\n;", ["select 1 -- one; two"], ""),
        ("/* a;b */ select 1; -- end", ["/* a;b */ select 1"], ""),
        (";;\n;", [], ""),
        ("", [], ""),
    ],
)
def test_statements_end_at_semicolons_outside_quotes_and_comments(
    text: str, statements: list[str], rest: str
) -> None:
    assert split(text) == (statements, rest)


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (
            "org.apache.hive.service.cli.HiveSQLException: Error running query: "
            "[TABLE_OR_VIEW_NOT_FOUND] org.apache.spark.sql.catalyst.ExtendedAnalysisException: "
            "[TABLE_OR_VIEW_NOT_FOUND] The table or view `x` cannot be found. Verify the "
            "spelling. SQLSTATE: 42P01; line 1 pos 14;\n'Project [*]\n\tat a.b.C",
            "[TABLE_OR_VIEW_NOT_FOUND] The table or view `x` cannot be found "
            "(line 1, position 14).",
        ),
        (
            "Error running query: [PARSE_SYNTAX_ERROR] org.apache.spark.ParseException: \n"
            "[PARSE_SYNTAX_ERROR] Syntax error at or near 'selct'. SQLSTATE: 42601 "
            "(line 1, pos 0)\n\n== SQL ==\nselct 1",
            "[PARSE_SYNTAX_ERROR] Syntax error at or near 'selct' (line 1, position 0).",
        ),
        ("java.lang.RuntimeException: java.io.IOException: No space left", "No space left."),
        ("", "unknown error."),
    ],
)
def test_an_error_is_shortened_to_its_first_sentence(message: str, sentence: str) -> None:
    assert shorten(message) == sentence
