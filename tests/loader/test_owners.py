"""Whether the owner of an unfinished batch, a process of any machine, still runs."""

from __future__ import annotations

import os
import subprocess
import sys

import psutil
import pytest

from loader.process import is_alive, new_owner


def test_this_process_is_alive() -> None:
    assert is_alive(new_owner())
    assert new_owner() != new_owner()


def test_a_process_that_ended_is_not_alive() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    host, _, _, rest = new_owner().split("/")
    start = int(psutil.Process(child.pid).create_time() * 1000)
    owner = f"{host}/{child.pid}/{start}/{rest}"
    assert is_alive(owner)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    # Killed, but not collected by its parent, as in a container without an init process.
    assert psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE
    assert not is_alive(owner)
    child.communicate()
    assert not is_alive(owner)


def test_a_recycled_pid_is_not_its_owner() -> None:
    host, pid, start, rest = new_owner().split("/")
    assert not is_alive(f"{host}/{pid}/{int(start) - 60_000}/{rest}")
    # The clock of a running machine may be adjusted by less than a second.
    assert is_alive(f"{host}/{pid}/{int(start) - 900}/{rest}")


@pytest.mark.parametrize("owner", ["", "someone", "elsewhere/1/1/x", "//x/y"])
def test_an_owner_that_cannot_be_looked_up_is_not_alive(owner: str) -> None:
    assert not is_alive(owner)
