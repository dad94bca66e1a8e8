from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from typing import Protocol

import pytest
from click.testing import CliRunner, Result

from stack.cli import cli, export_lines
from stack.instance import ENVIRONMENT


class Invoke(Protocol):
    """The fixture `run`."""

    def __call__(self, *arguments: str) -> Result: ...


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    monkeypatch.setenv("LACUSTRE_STACK_DIR", str(tmp_path / "an instance"))
    monkeypatch.setenv("LACUSTRE_CACHE", str(tmp_path / "cache"))

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(cli, arguments)

    return invoke


def test_env_lines_survive_the_shell_whatever_the_value() -> None:
    value = "a b'c\"d$HOME`x`;\\"
    script = "\n".join([*export_lines({"X_VALUE": value}), 'printf %s "$X_VALUE"'])
    answer = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert answer.stdout == value
    assert export_lines({"P": "127.0.0.1:9092"}) == [f"export P={shlex.quote('127.0.0.1:9092')}"]


@pytest.mark.parametrize("command", [("env",), ("sql", "select 1")])
def test_without_a_running_stack_a_sentence_says_how_to_start_it(
    run: Invoke, command: tuple[str, ...]
) -> None:
    result = run(*command)
    assert result.exit_code == 1 and "export" not in result.stdout
    assert "is not running" in result.stderr and "python -m stack up" in result.stderr


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_eval_of_a_stopped_stack_fails_and_leaves_no_address(run: Invoke, shell: str) -> None:
    names = list(ENVIRONMENT)
    script = f"eval {shlex.quote(run('env').stdout)} && echo went on; env"
    environ = {**os.environ, **dict.fromkeys(names, "an.earlier.one:1")}
    answer = subprocess.run(
        [shell, "-c", script], env=environ, capture_output=True, text=True, check=True
    )
    assert "went on" not in answer.stdout and "an.earlier.one" not in answer.stdout


def test_status_of_nothing_is_a_table_and_a_failure(run: Invoke) -> None:
    result = run("status")
    assert result.exit_code == 1 and result.output.count("not running") == 3


def test_down_of_nothing_succeeds(run: Invoke) -> None:
    result = run("down")
    assert result.exit_code == 0 and "Nothing was running." in result.output


@pytest.mark.parametrize("command", ["up", "install"])
def test_a_missing_java_is_one_sentence_and_code_2(
    run: Invoke, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    result = run(command)
    assert result.exit_code == 2
    assert "Error: The stack needs Java 17 or newer" in result.stderr
    assert "Traceback" not in result.output


def test_a_bad_variable_is_a_sentence(run: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LACUSTRE_KAFKA_PORT", "many")
    result = run("up")
    assert result.exit_code == 1 and "LACUSTRE_KAFKA_PORT='many' is not a port" in result.stderr
