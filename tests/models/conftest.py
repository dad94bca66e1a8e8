"""Macros of the project, called as dbt calls them but without a run of dbt."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, Protocol

import pytest
import yaml
from dbt_common.clients.jinja import BaseMacroGenerator, get_environment
from dbt_common.exceptions.macros import MacroReturn

from tests.conftest import ROOT


class Refused(Exception):
    """The message of `exceptions.raise_compiler_error`."""


class Macro(BaseMacroGenerator):
    """A macro of the project in a context of other macros and variables."""

    def __init__(self, name: str, template: Any, context: dict[str, Any]) -> None:
        super().__init__(context)
        self._name, self._template = name, template

    def get_name(self) -> str:
        return self._name

    def get_template(self) -> Any:
        return self._template

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self.call_macro(*arguments, **named)


class Render(Protocol):
    """The fixture `macro`; the result of a macro is its text or its return value."""

    def __call__(
        self, name: str, *arguments: object, variables: Mapping[str, Any] | None = None
    ) -> Any: ...


@pytest.fixture(scope="session")
def macro() -> Render:
    """Render a macro: ``macro("matomo_masked_ip", "ip", 2)``.

    dbt's `var` has the variables of ``dbt_project.yml``, overridden by ``variables``.
    """
    project = yaml.safe_load((ROOT / "dbt_project.yml").read_text(encoding="utf-8"))
    environment, templates = get_environment(), {}
    for path in sorted((ROOT / "macros").rglob("*.sql")):
        source = path.read_text(encoding="utf-8")
        template = environment.from_string(source)
        templates.update(dict.fromkeys(re.findall(r"{%-? macro (\w+)", source), template))

    def call(name: str, *arguments: object, variables: Mapping[str, Any] | None = None) -> Any:
        def refuse(message: str) -> None:
            raise Refused(message)

        def leave(value: Any = None) -> None:
            raise MacroReturn(value)

        known = {**project["vars"], **(variables or {})}
        context: dict[str, Any] = {
            "var": known.get,
            "modules": SimpleNamespace(re=re),
            "exceptions": SimpleNamespace(raise_compiler_error=refuse),
            "return": leave,
            "execute": False,
            "api": SimpleNamespace(
                Relation=SimpleNamespace(create=lambda schema, identifier: f"{schema}.{identifier}")
            ),
            "target": SimpleNamespace(name="local", schema="default", user="me"),
            "generate_schema_name": lambda layer, node: layer,
        }
        for each, template in templates.items():
            context[each] = Macro(each, template, context)
        return context[name](*arguments)

    return call
