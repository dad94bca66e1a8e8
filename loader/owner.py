"""Who a process is, and whether it still runs: for the ledger's batches and for builds of dbt."""

from __future__ import annotations

import os
import platform
import uuid

import psutil

# The kernel counts a start in ticks since boot; as a time of day it varies by less than this.
_SAME_START_MS = 2000


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

    A wrong answer costs a sentence or some work twice, never a record: see ``land``.
    """
    if not is_here(owner):
        return False
    _, pid, start, _ = owner.split("/")
    try:
        process = psutil.Process(int(pid))
        if abs(process.create_time() * 1000 - int(start)) > _SAME_START_MS:
            return False  # the pid went round
        return bool(process.status() != psutil.STATUS_ZOMBIE)  # ended, but not collected
    except (psutil.Error, ValueError):
        return False
