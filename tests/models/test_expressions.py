"""A user's regular expression that could end the Spark server is refused when it is compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


@pytest.mark.parametrize(
    "expression",
    [
        "(([.]|x)[a-z]+)+", "(a|bc)*", "(?:a+){2,}", "([a-z]{1,9}){1,50}", "((a{2}){1,3}b){0,9}",
        "x(y)+?", "[(]((a)*)[)]", r"\Q(\E(a)+",
    ],
)  # fmt: skip
def test_a_users_expression_with_a_group_that_may_repeat_for_ever_is_refused(
    expression: str, macro: Callable[..., Any]
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
def test_a_users_expression_without_one_is_taken(
    expression: str, macro: Callable[..., Any]
) -> None:
    privacy = {"default": {"patterns": [{"regex": expression}]}}
    assert macro("matomo_privacy_problem", privacy) is None
