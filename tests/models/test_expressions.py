"""Regular expressions on long texts: none overflows the stack, none takes quadratic time.

A user's regular expression that could crash the Spark server is refused when it is compiled.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyspark
import pytest
from py4j.java_gateway import GatewayParameters, JavaGateway, JVMView, launch_gateway

from tests.conftest import ROOT
from tests.models.conftest import Render

POLICIES: list[dict[str, Any]] = [
    {"profile": "cnil_exempt"},
    {"profile": "cnil_exempt", "query_parameters": {"allow": ["id", "x*", "page"]}},
    {"query_parameters": {"deny": ["email", "tok_*"]}, "campaigns": "drop", "ip_mask_bytes": 1},
    {"referrer": "exclude_query", "ip_mask_bytes": 3, "patterns": ["phone"]},
]
# LACUSTRE_TEXT=1000000 also passes, in some minutes.
LENGTH = int(os.environ.get("LACUSTRE_TEXT", "100000"))
# Policies search texts up to this length; other expressions have no limit.
LONGEST_LOOKED_THROUGH = 65_536
ALPHABETS = [
    "a", "7", ".", "@", "%41", "%25", " ", '"', "[", "1,", "e\u0301", "/", "#", "&", "?", ":",
    "(/", "?x", "a@a", "a.", "06 ", "::", "=", "\\", "\n", "index/", "utm_[", "-", "%", "+",
    "\U0001f600",
]  # fmt: skip
BEGINNINGS = ["", "https://", "?utm_", "a@"] if LENGTH > 100_000 else ["", "https://"]
CALL = re.compile(r"(?:\brlike|\bregexp_\w+\(|\bsplit\()[^']*'((?:[^'\\]|\\.)*)'", re.DOTALL)


def read(literal: str) -> str:
    """The text of an SQL literal."""
    return re.sub(r"\\(u[0-9a-fA-F]{4}|.)", lambda found: (
        chr(int(found[1][1:], 16)) if len(found[1]) > 1 else found[1]
    ), literal, flags=re.DOTALL)  # fmt: skip


def of_files() -> Iterator[tuple[str, int]]:
    """The expressions that are written out in a model or macro, with the length of the longest
    text.
    """
    for folder in ("models", "macros"):
        for path in sorted((ROOT / folder).rglob("*.sql")):
            if path.parent.name == "privacy":
                continue  # These expressions are composed by macros: `of_policies` has them.
            for literal in CALL.findall(path.read_text(encoding="utf-8")):
                if "{{" not in literal and "{%" not in literal:
                    yield read(literal), LENGTH


def of_policies(macro: Render) -> Iterator[tuple[str, int]]:
    """The expressions that macros compose: those of policies, and names of fields."""
    for policy in POLICIES:
        for column in ("fields", "actions"):
            sql = macro("matomo_anonymised", column, variables={
                "matomo_privacy": {"default": policy}
            })  # fmt: skip
            for literal in literals(sql):
                yield read(literal), LONGEST_LOOKED_THROUGH
    for kind in ("visit", "action"):
        for literal in literals(macro("matomo_is_known_field", kind, "name")):
            yield read(literal), LENGTH


def literals(sql: str) -> Iterator[str]:
    """The string literals that look like regular expressions."""
    for literal in re.findall(r"'((?:[^'\\]|\\.)*)'", sql, flags=re.DOTALL):
        if re.search(r"[\[(*+^$|]", literal):
            yield literal


@pytest.fixture(scope="module")
def java() -> Iterator[JVMView]:
    """A Java process with small stacks for all threads."""
    jar = next(Path(pyspark.__file__).parent.glob("jars/py4j-*.jar"))
    port, process = launch_gateway(
        classpath=str(jar), javaopts=["-Xss256k", "-Xmx300m"], die_on_exit=True, return_proc=True
    )
    # Without memory management: its finalizers would run in the middle of other tests.
    parameters = GatewayParameters(port=port, enable_memory_management=False)
    gateway = JavaGateway(gateway_parameters=parameters)
    yield gateway.jvm
    gateway.close()
    process.kill()
    process.wait()


def test_no_expression_overflows_the_stack_or_takes_the_square_of_a_text(
    java: JVMView, macro: Render
) -> None:
    expressions = {**dict(of_files()), **dict(of_policies(macro))}
    assert len(expressions) > 40
    slow = []
    for length in set(expressions.values()):
        compiled = {
            expression: java.java.util.regex.Pattern.compile(expression)
            for expression, most in expressions.items()
            if most == length
        }
        for beginning in BEGINNINGS:
            for letters in ALPHABETS:
                text = java.java.lang.StringBuilder(beginning + letters * (length // len(letters)))
                for expression, pattern in compiled.items():
                    began = time.perf_counter()
                    pattern.matcher(text).results().count()
                    seconds = time.perf_counter() - began
                    if seconds > 5:
                        slow.append((expression, beginning, letters, round(seconds, 1)))
    assert slow == []


@pytest.mark.parametrize(
    "expression",
    [
        "(([.]|x)[a-z]+)+", "(a|bc)*", "(?:a+){2,}", "([a-z]{1,9}){1,50}", "((a{2}){1,3}b){0,9}",
        "x(y)+?", "[(]((a)*)[)]", r"\Q(\E(a)+",
    ],
)  # fmt: skip
def test_a_users_expression_with_a_group_that_may_repeat_for_ever_is_refused(
    expression: str, macro: Render
) -> None:
    privacy = {"default": {"patterns": [{"regex": expression}]}}
    problem = macro("matomo_privacy_problem", privacy)
    assert problem.startswith(f"matomo_privacy.default.patterns: '{expression}' ")


@pytest.mark.parametrize(
    "expression",
    [
        "[A-Z]{2}-[0-9]{6}", "(KD|AB)-[0-9]+", "(?:[.][a-z]+){1,5}", "(ab)++",
        r"\(a\)+", "[(a)]+", "[]()*]+", "(?i)jane[ ._-]{0,3}doe", "([.][a-z]+)?x",
    ],
)  # fmt: skip
def test_a_users_expression_without_one_is_taken(expression: str, macro: Render) -> None:
    privacy = {"default": {"patterns": [{"regex": expression}]}}
    assert macro("matomo_privacy_problem", privacy) is None
