"""The servers that a command uses if nothing configures them: this checkout's, or none."""

from __future__ import annotations

import json
import os
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from loader import cli, own_stack
from loader.configuration import load
from loader.errors import ConfigurationError, SourceUnavailable
from loader.settings import Settings, located

ROOT = Path(__file__).resolve().parents[2]
TOPIC = '[[kafka.default.topics]]\ntopic = "a"\ntable = "raw.a"\n'
ELSEWHERE = '[kafka.away]\nbootstrap_servers = "broker:1"\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an own stack that was never started."""
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "SPARK_REMOTE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "loader.toml").write_text(TOPIC + ELSEWHERE, encoding="utf-8")
    monkeypatch.setenv("LACUSTRE_STACK_DIR", str(tmp_path / "own"))
    return tmp_path / "own"


def remember(folder: Path, **servers: tuple[int, float]) -> None:
    """Write the state file as the stack does, with the processes in `servers`."""
    entries = {name: {"pid": pid, "created": at} for name, (pid, at) in servers.items()}
    ports = {"kafka": 1111, "thrift": 2222, "connect": 3333}
    folder.mkdir(exist_ok=True)
    state = {"version": 1, "ports": ports, "servers": entries}
    (folder / "state.json").write_text(json.dumps(state), encoding="utf-8")
    (folder / "token").write_text("hunter2", encoding="ascii")


def me(late: float = 0.0) -> tuple[int, float]:
    return os.getpid(), psutil.Process().create_time() + late


def read(folder: Path) -> Settings:
    return located(load(folder.parent / "loader.toml"))


def test_the_own_stack_is_used_where_nobody_names_a_server(folder: Path) -> None:
    remember(folder, kafka=me(), spark=me())
    settings = read(folder)
    assert settings.spark_remote == "sc://localhost:3333/;token=hunter2"
    assert settings.kafka["default"].bootstrap_servers == "127.0.0.1:1111"
    assert settings.kafka["away"].bootstrap_servers == "broker:1"


def test_a_variable_and_a_flag_win_over_the_own_stack(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember(folder, kafka=me(), spark=me())
    monkeypatch.setenv("SPARK_REMOTE", "sc://spark:2")
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "broker:2")
    settings = read(folder)
    assert settings.spark_remote == "sc://spark:2"
    assert settings.kafka["default"].bootstrap_servers == "broker:2"
    flags = {"spark_remote": "sc://flag:3", "kafka.default.bootstrap_servers": "flag:3"}
    settings = located(load(folder.parent / "loader.toml", flags))
    assert settings.spark_remote == "sc://flag:3"
    assert settings.kafka["default"].bootstrap_servers == "flag:3"
    # Set but empty: a local Spark session of the loader, with or without a stack.
    monkeypatch.setenv("SPARK_REMOTE", "")
    assert read(folder).spark_remote == ""


@pytest.mark.parametrize("which", ["never started", "stopped", "only kafka", "only spark", "died"])
@pytest.mark.parametrize("command", ["run", "status", "plan", "verify"])
def test_a_command_stops_with_a_sentence_while_the_own_stack_is_down(
    folder: Path, which: str, command: str
) -> None:
    # The pid of a dead process may now belong to another one.
    servers: dict[str, dict[str, tuple[int, float]]] = {
        "stopped": {},
        "only kafka": {"kafka": me()},
        "only spark": {"spark": me()},
        "died": {"kafka": me(late=-60), "spark": me(late=-60)},
    }
    if which in servers:
        remember(folder, **servers[which])
    done = CliRunner().invoke(cli.main, ["--config", str(folder.parent / "loader.toml"), command])
    said = " ".join((done.stdout + done.stderr).split())
    assert done.exit_code == SourceUnavailable.exit_code, said
    down = "Kafka" if which == "only spark" else "Spark Connect"
    assert f"{down} of the own stack in {folder} is not running" in said
    assert "python -m stack up" in said and "9092" not in said and "15002" not in said


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 2}', '{"version": 1, "servers": 1}'])
def test_a_state_that_cannot_be_read_is_a_sentence(folder: Path, text: str) -> None:
    folder.mkdir()
    (folder / "state.json").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"state\.json .*: set SPARK_REMOTE"):
        read(folder)


def test_outside_a_checkout_no_server_is_the_default(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LACUSTRE_STACK_DIR")
    assert own_stack.directory() == ROOT / ".stack"
    monkeypatch.setattr(own_stack, "__file__", str(tmp_path / "lib" / "loader" / "own_stack.py"))
    with pytest.raises(ConfigurationError, match="set SPARK_REMOTE"):
        read(folder)


def test_the_configuration_is_shown_while_the_own_stack_is_down(folder: Path) -> None:
    done = CliRunner().invoke(cli.main, ["--config", str(folder.parent / "loader.toml"), "config"])
    assert done.exit_code == 0
    assert json.loads(done.stdout)["kafka"]["away"]["bootstrap_servers"] == "broker:1"


@pytest.mark.parametrize("command", ["run", "status", "plan", "verify"])
def test_a_command_says_first_which_servers_and_schemas_it_uses(
    folder: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPARK_REMOTE", "sc://127.0.0.1:1/;token=hunter2")
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:2")
    done = CliRunner().invoke(cli.main, ["--config", str(folder.parent / "loader.toml"), command])
    assert done.stdout.splitlines()[0] == (
        "Kafka default at 127.0.0.1:2; Kafka away at broker:1; Spark at 127.0.0.1:1; schemas raw"
    )
    assert "hunter2" not in done.stdout + done.stderr
