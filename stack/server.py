"""What Kafka and Spark have in common: being started, asked, stopped, and explained when dead."""

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
        """Ask the server; for each of its services None, or why it does not work. Bounded."""

    @abstractmethod
    def address(self, service: str) -> str:
        """Where clients of one of the services connect."""

    @abstractmethod
    def _command(self, java: Java, ports: Mapping[str, int]) -> list[str]:
        """Write the configuration and return the command; it runs in the instance's folder."""

    @property
    def pid(self) -> int | None:
        """The pid of the server while it runs."""
        process = self._process()
        return process.pid if process else None

    @property
    def ports(self) -> dict[str, int]:
        """The server's ports as last chosen; empty before the first start."""
        remembered = self._state.read().ports
        return {s.name: remembered[s.name] for s in self.port_specs if s.name in remembered}

    def problem(self) -> str | None:
        """None when the server runs and answers, otherwise a few words on what is wrong."""
        if self._process() is None:
            return "not running"
        problems = self.endpoint_problems().items()
        return "; ".join(f"{service}: {text}" for service, text in problems if text) or None

    def start(self, java: Java) -> None:
        """Launch the process; does not wait until it is healthy. Callers hold the lock."""
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
                # Ctrl-C in the terminal must not reach a server that outlives the command.
                start_new_session=True,
                # A table is its owner's, also where the warehouse lies outside the instance.
                umask=0o077,
            )
        # The process outlives this object on purpose; left unset, Python would warn about that.
        # A dead child is collected by `ProcessRecord.process`.
        process.returncode = 0
        record = ProcessRecord.of(process.pid)

        def remember(state: State) -> None:
            state.ports.update(ports)
            state.servers[self.name] = record

        self._state.update(remember)

    def check_ports(self) -> None:
        """Refuse environment variables that contradict the ports of the running server."""
        for spec in self.port_specs:
            wanted, actual = self.settings.ports.get(spec.name), self.ports.get(spec.name)
            if wanted and actual and wanted != actual:
                raise StackError(
                    f"{self.title} already runs with port {actual}, but {spec.variable} asks for "
                    f"{wanted}; run `python -m stack down` first."
                )

    def require_alive(self) -> None:
        """Raise a `StartError` with the cause from the log if the process is gone."""
        if self._process() is None:
            cause = last_errors(self.log)
            raise StartError(
                f"{self.title} died while starting. "
                + ("Its last errors:\n" + "\n".join(f"  {line}" for line in cause) + "\n")
                + f"Its log: {self.log}"
            )

    def kill(self) -> None:
        """End the process at once, as a crash would; `up` starts it again.

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
    """Stop the processes of these servers and no others; returns those that were running.

    All are asked to end together; what has not ended after 30 seconds is killed.
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
    """The last lines of a log that name an error; its last lines where none does."""
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
