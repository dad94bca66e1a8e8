"""Whether a process that somebody wrote down still runs."""

from __future__ import annotations

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
