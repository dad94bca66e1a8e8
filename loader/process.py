"""Who a process is, and whether one that somebody wrote down still runs.

For the ledger's batches, the own stack's state, and the builds of dbt (``dbt_lacustre.py``).
"""

from __future__ import annotations

import os
import platform
import uuid

import psutil

# The kernel counts a process's start in ticks since boot; turning that into a time of day varies by
# less than this. The same pid cannot come round again so soon.
_SAME_START_SECONDS = 2.0


def is_running(pid: int, created: float) -> bool:
    """Whether process ``pid`` of this machine, created at ``created`` (seconds since 1970), runs.

    False also for a later process with the same pid, for one that ended and was not collected, and
    where the system does not tell. Raises ``ValueError`` for a negative ``pid``.
    """
    try:
        process = psutil.Process(pid)
        if abs(process.create_time() - created) > _SAME_START_SECONDS:
            return False
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def new_owner() -> str:
    """Who this process is: ``host/pid/start/random``, so that a reader can tell if it lives."""
    process = psutil.Process()
    start = int(process.create_time() * 1000)
    return f"{platform.node()}/{os.getpid()}/{start}/{uuid.uuid4().hex[:12]}"


def is_here(owner: str) -> bool:
    """Whether ``owner`` is or was a process of this machine, so that it can be told if it lives."""
    parts = owner.split("/")
    return len(parts) == 4 and parts[0] == platform.node()


def is_alive(owner: str) -> bool:
    """Whether ``owner`` is a running process of this machine (False when it cannot be told).

    A wrong answer costs a sentence or some work twice, never a record: see ``lake.tables``.
    """
    if not is_here(owner):
        return False
    _, pid, start, _ = owner.split("/")
    try:
        return is_running(int(pid), int(start) / 1000)
    except ValueError:
        return False
