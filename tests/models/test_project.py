"""Properties of the dbt project that need no server."""

from __future__ import annotations

import configparser
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dbt_common.clients.jinja import get_environment
from jinja2 import nodes

from tests.conftest import ROOT


def parsed(target: str, profiles: Path, folder: Path) -> dict[str, Any]:
    """The manifest of the project, parsed for a target of the shipped profile."""
    done = subprocess.run(
        [
            str(Path(sys.executable).parent / "dbt"), "parse", "--no-partial-parse", "--target",
            target, "--profiles-dir", str(profiles), "--target-path", str(folder / "target"),
            "--log-path", str(folder / "logs"),
        ],
        cwd=ROOT,
        env={**os.environ, "USER": "ada"},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    manifest: dict[str, Any] = json.loads((folder / "target" / "manifest.json").read_text())
    return manifest


@pytest.fixture(scope="module")
def manifests(
    profiles: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Any]]:
    return {
        target: parsed(target, profiles, tmp_path_factory.mktemp(target))
        for target in ("local", "dev")
    }


def relations(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    kinds = ("model", "snapshot", "seed")
    return [node for node in manifest["nodes"].values() if node["resource_type"] in kinds]


def test_layers_have_their_plain_names_on_the_local_stack(
    manifests: dict[str, dict[str, Any]],
) -> None:
    schemas = {node["schema"] for node in relations(manifests["local"])}
    assert schemas == {"staging", "quarantine", "snapshots", "lake", "views", "alarms"}


def test_two_developers_never_collide(manifests: dict[str, dict[str, Any]]) -> None:
    assert all(node["schema"].startswith("dev_ada_") for node in relations(manifests["dev"]))


def test_every_model_and_column_has_a_description(manifests: dict[str, dict[str, Any]]) -> None:
    manifest = manifests["local"]
    documented = [*relations(manifest), *manifest["sources"].values()]
    missing = [node["name"] for node in documented if not node["description"].strip()]
    missing += [
        f"{node['name']}.{column['name']}"
        for node in documented
        for column in node["columns"].values()
        if not column["description"].strip()
    ]
    missing += [node["name"] for node in documented if not node["columns"]]
    assert missing == []


def test_every_macro_has_a_description(manifests: dict[str, dict[str, Any]]) -> None:
    macros = [
        macro for macro in manifests["local"]["macros"].values()
        if macro["package_name"] == "lacustre"
    ]  # fmt: skip
    assert len(macros) > 10
    assert [macro["name"] for macro in macros if not macro["description"].strip()] == []


@pytest.mark.parametrize(
    ("view", "source"),
    [
        ("matomo_visits_summary", "matomo"),
        ("matomo_actions_summary", "matomo"),
        ("meter_event_counts_by_type_daily", "meter_events"),
        ("meter_event_counts_by_region_monthly", "meter_events"),
        ("meter_event_counts_by_region_monthly", "park_installation_c"),
        ("meter_event_counts_by_region_monthly", "parc_installation_c"),
    ],
)
def test_the_lineage_leads_from_a_raw_source_to_each_view(
    view: str, source: str, manifests: dict[str, dict[str, Any]]
) -> None:
    manifest = manifests["local"]
    todo, seen = [f"model.lacustre.{view}"], set()
    while todo:
        node = todo.pop()
        if node not in seen:
            seen.add(node)
            todo += manifest["parent_map"].get(node, [])
    assert f"source.lacustre.raw.{source}" in seen


def test_there_are_24_statistics_of_meter_events(manifests: dict[str, dict[str, Any]]) -> None:
    found = {
        node["name"]: list(node["columns"])
        for node in manifests["local"]["nodes"].values()
        if node["name"].startswith("meter_event_counts_by_") and node["resource_type"] == "model"
    }
    for by in ("type", "equipment", "commune", "departement", "region", "pdk"):
        for period in ("annual", "monthly", "weekly", "daily"):
            columns = found[f"meter_event_counts_by_{by}_{period}"]
            assert columns[0] == "period_start"
            assert columns[-1] == "events"


def test_only_staging_reads_raw(manifests: dict[str, dict[str, Any]]) -> None:
    manifest = manifests["local"]
    readers = {
        node["name"]
        for node in relations(manifest)
        if any(parent.startswith("source.") for parent in node["depends_on"].get("nodes", []))
        and node["schema"] not in ("staging", "quarantine")
    }
    assert readers == set()


def parsed_jinja(text: str) -> nodes.Template:
    """The result of dbt's own parser for a template."""
    return get_environment().parse(text)


def signatures(text: str) -> Iterator[tuple[str, tuple[list[str], list[str]]]]:
    """The macros of a template: names, arguments and defaults."""
    for macro in parsed_jinja(text).find_all(nodes.Macro):
        if macro.name.startswith("dbt_macro__"):
            arguments = [argument.name for argument in macro.args]
            yield macro.name[11:], (arguments, [repr(default) for default in macro.defaults])


def test_sqlfluff_has_a_stand_in_with_the_same_arguments_for_each_macro_that_sql_calls() -> None:
    """sqlfluff's jinja templater runs without dbt, so it does not have the project's macros."""
    config = configparser.RawConfigParser()
    config.read(ROOT / ".sqlfluff", encoding="utf-8")
    section = dict(config["sqlfluff:templater:jinja:macros"])
    stand_ins = dict(pair for text in section.values() for pair in signatures(text))
    assert sorted(section) == sorted(f"dbt_{name}" for name in stand_ins)
    ours = dict(
        pair
        for path in (ROOT / "macros").rglob("*.sql")
        for pair in signatures(path.read_text(encoding="utf-8"))
    )
    called = {
        call.node.name
        for folder in ("models", "tests/data")
        for path in (ROOT / folder).rglob("*.sql")
        for call in parsed_jinja(path.read_text(encoding="utf-8")).find_all(nodes.Call)
        if isinstance(call.node, nodes.Name) and call.node.name in ours
    }
    assert stand_ins == {name: ours[name] for name in called}


def test_a_macro_stands_in_a_file_of_its_name_or_beside_the_only_one_that_uses_it(
    manifests: dict[str, dict[str, Any]],
) -> None:
    ours = {
        name: macro
        for name, macro in manifests["local"]["macros"].items()
        if macro["package_name"] == "lacustre" and macro["original_file_path"].startswith("macros/")
    }
    files: dict[str, set[str]] = {}
    for macro in ours.values():
        name = macro["name"].removeprefix("test_")  # the prefix of generic tests
        files.setdefault(macro["original_file_path"], set()).add(name)
    assert [path for path, names in files.items() if Path(path).stem not in names] == []
    # Other macros in the file of a macro are used in that file only.
    inner = {
        name
        for name, macro in ours.items()
        if macro["name"].removeprefix("test_") != Path(macro["original_file_path"]).stem
    }
    users = [
        (user["original_file_path"], used)
        for kind in ("macros", "nodes")
        for user in manifests["local"][kind].values()
        for used in user["depends_on"].get("macros", [])
        if used in inner
    ]
    assert [used for path, used in users if path != ours[used]["original_file_path"]] == []
    assert {used for _, used in users} == inner


def test_no_macro_has_the_name_of_a_model(manifests: dict[str, dict[str, Any]]) -> None:
    ours = {
        macro["name"] for macro in manifests["local"]["macros"].values()
        if macro["package_name"] == "lacustre"
    }  # fmt: skip
    assert ours & {node["name"] for node in relations(manifests["local"])} == set()
