"""The state that an instance keeps between commands: its ports and the processes of its servers."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

from stack.errors import StateError

STATE_VERSION = 1

# The kernel counts a process's start in clock ticks since boot; converted to a time of day it
# varies by less than this. No pid is used again within that time.
_SAME_START_SECONDS = 2.0


@dataclass(frozen=True)
class ProcessRecord:
    """A process: its pid and its creation time (seconds since 1970), which tells it from a later
    process with the same pid.
    """

    pid: int
    created: float

    @classmethod
    def of(cls, pid: int) -> ProcessRecord:
        """The record of a process that was just started."""
        try:
            return cls(pid, psutil.Process(pid).create_time())
        except psutil.NoSuchProcess:
            # The process has already ended; this record matches no process.
            return cls(pid, 0.0)

    def process(self) -> psutil.Process | None:
        """The process; None if it has ended or its pid now belongs to another one."""
        try:
            process = psutil.Process(self.pid)
            if abs(process.create_time() - self.created) > _SAME_START_SECONDS:
                return None
            if process.status() == psutil.STATUS_ZOMBIE:
                # A dead child of this process; no other process can collect it.
                with contextlib.suppress(psutil.TimeoutExpired):
                    process.wait(timeout=0)
                return None
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            # Some systems deny access to other users' processes; these are not ours.
            return None
        return process


@dataclass
class State:
    """The content of the state file."""

    ports: dict[str, int] = field(default_factory=dict)
    servers: dict[str, ProcessRecord] = field(default_factory=dict)


class StateFile:
    """The state of one instance on disk; written atomically."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "state.json"

    def read(self) -> State:
        """The last written state; an empty one without a file.

        Raises:
            StateError: the file is damaged or of another version.
        """
        try:
            document = json.loads(self.path.read_text(encoding="utf-8"))
            if document["version"] != STATE_VERSION:
                raise StateError(
                    f"{self.path} has format {document['version']}, this version of the stack "
                    f"reads format {STATE_VERSION}; stop the servers with the version that "
                    "started them, then remove the file."
                )
            return State(
                ports={str(name): int(port) for name, port in document["ports"].items()},
                servers={
                    str(name): ProcessRecord(int(entry["pid"]), float(entry["created"]))
                    for name, entry in document["servers"].items()
                },
            )
        except FileNotFoundError:
            return State()
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StateError(
                f"{self.path} is damaged ({type(error).__name__}: {error}); end this instance's "
                "java processes, if any, and remove the file."
            ) from error

    def update(self, change: Callable[[State], None]) -> State:
        """Read, change and write the state; the caller must hold `lock`."""
        state = self.read()
        change(state)
        document = {"version": STATE_VERSION, **asdict(state)}
        unfinished = self.path.with_suffix(".json.tmp")
        unfinished.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        os.replace(unfinished, self.path)
        return state


def make_private(directory: Path) -> None:
    """Create the folder of an instance, and deny all access to other users.

    Raises:
        PermissionError: the folder belongs to another user.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    if directory.stat().st_mode & 0o077:
        directory.chmod(0o700)


@contextlib.contextmanager
def lock(path: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold an exclusive lock on the file; calls `waiting` once if another process holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
