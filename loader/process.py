"""The identity of a process, and whether a recorded process still runs.

Used for the owners of batches, the state of the own stack, and the builds of dbt
(``dbt_lacustre.py``).
"""

from __future__ import annotations

import os
import platform
import uuid

import psutil

# The kernel counts a process's start in clock ticks since boot; converted to a time of day it
# varies by less than this. No pid is used again within that time.
_SAME_START_SECONDS = 2.0


def is_running(pid: int, created: float) -> bool:
    """Whether process ``pid`` of this machine, created at ``created`` (seconds since 1970), runs.

    False also for a later process with the same pid, for a zombie, and if the system does not give
    the information. Raises ``ValueError`` for a negative ``pid``.
    """
    try:
        process = psutil.Process(pid)
        if abs(process.create_time() - created) > _SAME_START_SECONDS:
            return False
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def new_owner() -> str:
    """A new owner for this process: ``host/pid/start/random``; ``start`` is in ms since 1970."""
    process = psutil.Process()
    start = int(process.create_time() * 1000)
    return f"{platform.node()}/{os.getpid()}/{start}/{uuid.uuid4().hex[:12]}"


def is_here(owner: str) -> bool:
    """Whether ``owner`` is or was a process of this machine, so that ``is_alive`` can check it."""
    parts = owner.split("/")
    return len(parts) == 4 and parts[0] == platform.node()


def is_alive(owner: str) -> bool:
    """Whether ``owner`` is a running process of this machine; False if that is unknown.

    A wrong result causes a superfluous message or repeated work, never a lost or duplicate record:
    see ``lake.tables``.
    """
    if not is_here(owner):
        return False
    _, pid, start, _ = owner.split("/")
    try:
        return is_running(int(pid), int(start) / 1000)
    except ValueError:
        return False
