"""The generator of odd inputs reaches every field and value, and changes nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.odd.values import FIELD_NAMES, huge_values, odd_documents, odd_names, odd_values

DOCUMENT: dict[str, Any] = {
    "idSite": "1",
    "goals": [{"name": "a", "revenue": 1.5}],
    "actionDetails": [{"type": "action", "customVariables": {"1": {"name": "n"}}}],
}
FIELDS = {
    "idSite", "goals", "goals.0", "goals.0.name", "goals.0.revenue", "actionDetails",
    "actionDetails.0", "actionDetails.0.type", "actionDetails.0.customVariables",
    "actionDetails.0.customVariables.1", "actionDetails.0.customVariables.1.name",
}  # fmt: skip


def test_every_field_gets_every_value_once() -> None:
    found = [(odd.field, odd.value) for odd in odd_documents(DOCUMENT)]
    assert len(found) == len(set(found))
    assert {field for field, _ in found} == FIELDS
    for field in FIELDS:
        assert {value for of, value in found if of == field} >= {*odd_values(), "missing"}, field


@pytest.mark.parametrize("name", sorted(odd_values()))
def test_every_value_is_json(name: str) -> None:
    json.loads(odd_values()[name])


def test_only_the_field_under_test_differs() -> None:
    for odd in odd_documents(DOCUMENT):
        found = json.loads(odd.text)
        if odd.field == "idSite":
            found.pop("idSite", None)
            assert found == {k: v for k, v in DOCUMENT.items() if k != "idSite"}, odd.name
        else:
            assert found["idSite"] == "1", odd.name


def test_chosen_values_are_the_only_ones() -> None:
    huge = huge_values()
    found = list(odd_documents({"url": "x"}, huge))
    assert [odd.value for odd in found] == list(huge)
    assert all(len(json.loads(odd.text)["url"]) == 1 << 20 for odd in found)


def test_odd_names_stand_beside_the_others() -> None:
    found = list(odd_names(DOCUMENT))
    assert [odd.value for odd in found] == list(FIELD_NAMES)
    assert all(json.loads(odd.text).keys() >= DOCUMENT.keys() for odd in found)


def test_the_inputs_are_the_same_each_time() -> None:
    assert list(odd_documents(DOCUMENT)) == list(odd_documents(DOCUMENT))
