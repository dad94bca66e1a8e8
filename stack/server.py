"""The common part of Kafka and Spark: start, health check, stop, and the cause of a death."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import psutil

from stack import jars
from stack.config import PortSpec, Settings
from stack.errors import NotRunningError, StackError, StartError
from stack.java import Java
from stack.ports import choose
from stack.state import ProcessRecord, State, StateFile

POLL_SECONDS = 0.25
STOP_SECONDS = 30.0


class Server(ABC):
    """One server process of an instance."""

    name: ClassVar[str]
    title: ClassVar[str]
    port_specs: ClassVar[Sequence[PortSpec]]

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.directory = settings.directory
        self.log = self.directory / "logs" / f"{self.name}.log"
        self._state = StateFile(self.directory)

    @abstractmethod
    def endpoint_problems(self) -> dict[str, str | None]:
        """Check the server: None or the problem for each of its services. Returns within a time
        limit.
        """

    @abstractmethod
    def address(self, service: str) -> str:
        """The address of a service for clients."""

    @abstractmethod
    def _command(self, java: Java, ports: Mapping[str, int]) -> list[str]:
        """Write the configuration and return the command, which runs in the instance's folder."""

    @property
    def pid(self) -> int | None:
        """The pid of the server; None if it does not run."""
        process = self._process()
        return process.pid if process else None

    @property
    def ports(self) -> dict[str, int]:
        """The server's ports by name, as chosen at the last start; empty before the first one."""
        remembered = self._state.read().ports
        return {s.name: remembered[s.name] for s in self.port_specs if s.name in remembered}

    def problem(self) -> str | None:
        """None if the server runs and answers, else a few words on the problem."""
        if self._process() is None:
            return "not running"
        problems = self.endpoint_problems().items()
        return "; ".join(f"{service}: {text}" for service, text in problems if text) or None

    def start(self, java: Java) -> None:
        """Start the process without waiting until it is healthy. The caller must hold the
        instance's lock.

        Raises:
            PortInUseError: a requested port is in use.
            StartError: the command cannot be prepared.
        """
        state = self._state.read()
        mine = {spec.name for spec in self.port_specs}
        ports = choose(
            self.port_specs,
            self.settings.ports,
            state.ports,
            reserved={port for name, port in state.ports.items() if name not in mine},
        )
        for folder in ("conf", "logs", "tmp"):
            (self.directory / folder).mkdir(parents=True, exist_ok=True)
        command = self._command(java, ports)
        if self.log.exists():
            os.replace(self.log, self.log.with_suffix(".log.1"))
        with self.log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=self.directory,
                env=self._environ(java),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C in the terminal must not reach the server, which outlives the command.
                start_new_session=True,
                # Files of a table are private, even if the warehouse is outside of the instance's
                # folder.
                umask=0o077,
            )
        # The process outlives this object on purpose; without a return code Python would warn.
        # `ProcessRecord.process` collects a dead child.
        process.returncode = 0
        record = ProcessRecord.of(process.pid)

        def remember(state: State) -> None:
            state.ports.update(ports)
            state.servers[self.name] = record

        self._state.update(remember)

    def check_ports(self) -> None:
        """Raise `StackError` if a variable requests another port than that of the
        running server.
        """
        for spec in self.port_specs:
            wanted, actual = self.settings.ports.get(spec.name), self.ports.get(spec.name)
            if wanted and actual and wanted != actual:
                raise StackError(
                    f"{self.title} already runs with port {actual}, but {spec.variable} requests "
                    f"{wanted}; run `python -m stack down` first."
                )

    def require_alive(self) -> None:
        """Raise `StartError` with the cause from the log if the process has ended."""
        if self._process() is None:
            cause = last_errors(self.log)
            raise StartError(
                f"{self.title} died while starting. "
                + ("Its last errors:\n" + "\n".join(f"  {line}" for line in cause) + "\n")
                + f"Its log: {self.log}"
            )

    def kill(self) -> None:
        """Kill the process immediately, like a crash; `up` starts it again.

        Raises:
            NotRunningError: there is no such process.
        """
        process = self._process()
        if process is None:
            raise NotRunningError(f"{self.title} of {self.directory} is not running.")
        process.kill()
        with contextlib.suppress(psutil.NoSuchProcess):
            process.wait(timeout=STOP_SECONDS)

    def _forget(self) -> None:
        def forget(state: State) -> None:
            state.servers.pop(self.name, None)

        self._state.update(forget)

    def _process(self) -> psutil.Process | None:
        record = self._state.read().servers.get(self.name)
        return record.process() if record else None

    @abstractmethod
    def _environ(self, java: Java) -> dict[str, str]:
        """The environment of the process."""

    def _class_path(self) -> str:
        return str(jars.folder(self.settings, self.name) / "*")


def stop(servers: Iterable[Server]) -> list[Server]:
    """Stop the processes of these servers only; returns the servers that ran.

    All get SIGTERM at once; those that still run after 30 seconds are killed.
    """
    running = {}
    for server in servers:
        process = server._process()
        if process is not None:
            running[server] = process
    for process in running.values():
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    deadline = time.monotonic() + STOP_SECONDS
    for server, process in running.items():
        try:
            process.wait(timeout=max(0.0, deadline - time.monotonic()))
        except psutil.TimeoutExpired:
            with contextlib.suppress(NotRunningError):
                server.kill()
        except psutil.NoSuchProcess:
            pass
        server._forget()
    return list(running)


def last_errors(log: Path, count: int = 3) -> list[str]:
    """The last `count` lines of a log that contain an error; if there are none, its last lines."""
    try:
        with log.open("rb") as handle:
            handle.seek(max(0, log.stat().st_size - 200_000))
            text = handle.read().decode("utf-8", errors="replace")
    except OSError:
        return ["(no log)"]
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    telling = [
        line
        for line in lines
        if re.search(
            r"\b(ERROR|FATAL)\b|^Caused by:|^Exception |^Error|^Could not|[a-z]Exception:", line
        )
        and not line.startswith(("\tat ", "    at "))
    ]
    found = list(dict.fromkeys(telling or lines))[-count:]
    return [line.strip()[:400] for line in found] or ["(the log is empty)"]
