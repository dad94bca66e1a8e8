"""What an instance remembers between commands: its ports, and which processes are its own."""

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

# The kernel counts a process's start in ticks since boot; turning that into a time of day varies
# by less than this. The same pid cannot come round again so soon.
_SAME_START_SECONDS = 2.0


@dataclass(frozen=True)
class ProcessRecord:
    """One process, told apart from a later one with the same pid by its time of creation."""

    pid: int
    created: float

    @classmethod
    def of(cls, pid: int) -> ProcessRecord:
        """Record a process that was just started."""
        try:
            return cls(pid, psutil.Process(pid).create_time())
        except psutil.NoSuchProcess:
            # Gone already; a record that matches nothing says just that.
            return cls(pid, 0.0)

    def process(self) -> psutil.Process | None:
        """The process, or None when it ended or its pid now belongs to another one."""
        try:
            process = psutil.Process(self.pid)
            if abs(process.create_time() - self.created) > _SAME_START_SECONDS:
                return None
            if process.status() == psutil.STATUS_ZOMBIE:
                # A dead child of this very process: nobody else will collect it.
                with contextlib.suppress(psutil.TimeoutExpired):
                    process.wait(timeout=0)
                return None
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            # Access is denied on some systems to processes of other users, hence not ours.
            return None
        return process


@dataclass
class State:
    """The content of the state file."""

    ports: dict[str, int] = field(default_factory=dict)
    servers: dict[str, ProcessRecord] = field(default_factory=dict)


class StateFile:
    """The state of one instance on disk; written as a whole or not at all."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "state.json"

    def read(self) -> State:
        """The last written state; an empty one when there is none.

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
        """Read, change and write; callers hold `lock`."""
        state = self.read()
        change(state)
        document = {"version": STATE_VERSION, **asdict(state)}
        unfinished = self.path.with_suffix(".json.tmp")
        unfinished.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        os.replace(unfinished, self.path)
        return state


def make_private(directory: Path) -> None:
    """Make the folder of an instance, which nobody but its owner can enter.

    Raises:
        PermissionError: it is somebody else's.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    if directory.stat().st_mode & 0o077:
        directory.chmod(0o700)


@contextlib.contextmanager
def lock(path: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the file's lock; calls `waiting` first when another process has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
