from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stack import Stack
from stack.errors import NotRunningError, StateError
from stack.server import last_errors
from stack.state import ProcessRecord, State, StateFile, make_private


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    with subprocess.Popen(command) as process:
        yield process
        process.kill()


def recorded(directory: Path, record: ProcessRecord) -> Stack:
    def change(state: State) -> None:
        state.servers["spark"] = record
        state.ports.update(kafka=19092, thrift=20000, connect=25002)

    StateFile(directory).update(change)
    return Stack(directory, {})


def test_a_folder_of_an_earlier_version_is_closed_to_others(tmp_path: Path) -> None:
    folder = tmp_path / "made long ago"
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    Stack(folder, {}).down()
    assert folder.stat().st_mode & 0o777 == 0o700
    make_private(tmp_path / "a" / "new one")
    assert (tmp_path / "a" / "new one").stat().st_mode & 0o777 == 0o700


def test_state_survives_writing_and_reading(tmp_path: Path) -> None:
    recorded(tmp_path, ProcessRecord(7, 1.5))
    state = StateFile(tmp_path).read()
    assert state.servers == {"spark": ProcessRecord(7, 1.5)} and state.ports["thrift"] == 20000
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


def test_a_process_of_ours_is_stopped(tmp_path: Path, bystander: subprocess.Popen[bytes]) -> None:
    stack = recorded(tmp_path, ProcessRecord.of(bystander.pid))
    assert stack.spark.pid == bystander.pid
    assert stack.down() == ["spark"]
    assert stack.spark.pid is None and stack.down() == []


def test_a_process_that_inherited_the_pid_is_never_touched(
    tmp_path: Path, bystander: subprocess.Popen[bytes]
) -> None:
    record = ProcessRecord.of(bystander.pid)
    stack = recorded(tmp_path, ProcessRecord(record.pid, record.created - 3600))
    assert stack.spark.pid is None
    assert stack.down() == []
    with pytest.raises(NotRunningError):
        stack.spark.kill()
    assert bystander.poll() is None


def test_a_killed_child_does_not_count_as_running(
    tmp_path: Path, bystander: subprocess.Popen[bytes]
) -> None:
    stack = recorded(tmp_path, ProcessRecord.of(bystander.pid))
    os.kill(bystander.pid, signal.SIGKILL)
    os.waitid(os.P_PID, bystander.pid, os.WEXITED | os.WNOWAIT)
    assert stack.spark.pid is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"version": 1, "ports": 3}'])
def test_a_damaged_state_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "state.json").write_text(text)
    with pytest.raises(StateError, match=r"state\.json is damaged"):
        StateFile(tmp_path).read()


def test_a_state_file_of_another_version_is_not_guessed_at(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text('{"version": 99}')
    with pytest.raises(StateError, match="format 99"):
        StateFile(tmp_path).read()


def test_asking_about_an_instance_creates_nothing(tmp_path: Path) -> None:
    stack = Stack(tmp_path / "none", {})
    assert [line.problem for line in stack.status()] == ["not running"] * 3
    assert stack.down() == []
    assert not (tmp_path / "none").exists()


def test_the_cause_of_death_is_found_among_stack_frames(tmp_path: Path) -> None:
    log = tmp_path / "spark.log"
    log.write_text(
        "2026-01-01 WARN X: nothing\n2026-01-01 ERROR Server: failed\n"
        "java.lang.IllegalStateException: outer\n\tat a.ErrorHandler.b(C.java:1)\n"
        "Caused by: java.net.BindException: Address already in use\n\tat a.b.C\n"
    )
    assert last_errors(log)[-1] == "Caused by: java.net.BindException: Address already in use"
    assert not any("at a." in line for line in last_errors(log))
