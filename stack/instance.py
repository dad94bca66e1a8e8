"""An instance of the stack: both servers with one folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from stack import jars
from stack.config import Settings
from stack.errors import NotRunningError, StartError
from stack.java import Java, find_java
from stack.kafka import KafkaServer
from stack.server import POLL_SECONDS, Server, stop
from stack.spark import SparkServer
from stack.state import lock, make_private

Progress = Callable[[str], None]

START_SECONDS = 180.0

# The variables of `Stack.env`, in its order.
ENVIRONMENT = (
    "KAFKA_BOOTSTRAP_SERVERS",
    "SPARK_REMOTE",
    "THRIFT_HOST",
    "THRIFT_PORT",
    # dbt hides the values of variables with the prefix DBT_ENV_SECRET_.
    "DBT_ENV_SECRET_THRIFT_PASSWORD",
)


@dataclass(frozen=True)
class Endpoints:
    """The servers' addresses for clients, with Spark's token."""

    kafka_bootstrap_servers: str
    spark_remote: str = field(repr=False)  # contains the token
    thrift_host: str
    thrift_port: int
    thrift_password: str = field(repr=False)


@dataclass(frozen=True)
class ServiceStatus:
    """One line of `status`.

    Attributes:
        service: Its name, for people.
        pid: The process of the service, or None.
        address: The address for clients; "" before the first start.
        problem: None if the service answered, else the problem.
        log: The log of the process.
    """

    service: str
    pid: int | None
    address: str
    problem: str | None
    log: Path


class Stack:
    """A local Kafka and Spark whose state, logs and data are in one folder.

    Args:
        directory: The folder; by default LACUSTRE_STACK_DIR, or `.stack` in the project.
        environ: The variables to read; by default this process's environment.

    Raises:
        ConfigurationError: the value of a variable cannot be used.
    """

    def __init__(
        self, directory: Path | str | None = None, environ: Mapping[str, str] | None = None
    ) -> None:
        self.settings = Settings.read(directory, environ)
        self.directory = self.settings.directory
        self.kafka = KafkaServer(self.settings)
        self.spark = SparkServer(self.settings)
        self.servers: tuple[Server, ...] = (self.spark, self.kafka)

    def install(
        self, progress: Progress = lambda _: None, *, accept_jars: bool = False
    ) -> list[str]:
        """Fetch missing jars, and compare all jars with their locked SHA-256; returns the names of
        the fetched groups. With `accept_jars`, lock the present jars instead.

        Raises:
            InstallError: the jars cannot be fetched, or are not the locked ones.
            JavaError: there is no Java to fetch them with.
        """
        return jars.install(self.settings, self._java, progress, accepted=accept_jars)

    def up(
        self,
        only: Collection[str] = (),
        *,
        timeout: float = START_SECONDS,
        progress: Progress = lambda _: None,
    ) -> list[str]:
        """Start the servers that do not run, and wait until all answer.

        Args:
            only: Names of servers ("kafka", "spark"); empty means all.
            timeout: Seconds after which a server without an answer counts as failed.
            progress: Called with a short text at every change.

        Returns:
            The names of the servers that were started; empty if all ran already.

        Raises:
            StartError: a server died or did not answer in time; the message has the cause.
            PortInUseError: a variable requests a port that is in use.
            InstallError: the jars are not in the cache and cannot be fetched.
            JavaError: there is no usable Java.
        """
        servers = self._select(only)
        with self._locked(progress):
            java = self._java()
            jars.install(self.settings, lambda: java, progress)
            started: list[Server] = []
            waiting = list(servers)
            try:
                for server in servers:
                    if server.pid is None:
                        server.start(java)
                        started.append(server)
                    else:
                        server.check_ports()
                _wait(waiting, started, timeout, progress)
            except BaseException:
                # Also on Ctrl-C: stop the servers that are not ready, because half-started ones
                # must not stay. Keep the ready ones for the next `up`.
                stop(server for server in started if server in waiting)
                raise
        return [server.name for server in started]

    def down(self, only: Collection[str] = (), progress: Progress = lambda _: None) -> list[str]:
        """Stop the servers that this instance started, and keep their data; returns the names of
        those that ran.
        """
        servers = self._select(only)
        if not self.directory.exists():
            return []
        with self._locked(progress):
            return [server.name for server in stop(servers)]

    def status(self) -> list[ServiceStatus]:
        """Check every service; takes one or two seconds."""
        titles = {"kafka": "Kafka", "connect": "Spark Connect", "thrift": "Spark Thrift"}
        lines = []
        for server in (self.kafka, self.spark):
            pid, ports = server.pid, server.ports
            services: dict[str, str | None]
            if pid is None:
                names = ("kafka",) if server is self.kafka else ("connect", "thrift")
                services = dict.fromkeys(names, "not running")
            else:
                services = server.endpoint_problems()
            for service, problem in services.items():
                address = server.address(service) if service in ports else ""
                lines.append(ServiceStatus(titles[service], pid, address, problem, server.log))
        return lines

    @property
    def endpoints(self) -> Endpoints:
        """The servers' addresses.

        Raises:
            NotRunningError: a server does not run.
        """
        for server in self.servers:
            if server.pid is None:
                raise NotRunningError(
                    f"{server.title} of {self.directory} is not running; "
                    "start it with `python -m stack up`."
                )
        return Endpoints(self.kafka.address(), self.spark.remote(), *self.spark.thrift_endpoint())

    def env(self) -> dict[str, str]:
        """The endpoints as the environment variables that clients read.

        Raises:
            NotRunningError: a server does not run.
        """
        endpoints = self.endpoints
        values = (
            endpoints.kafka_bootstrap_servers,
            endpoints.spark_remote,
            endpoints.thrift_host,
            str(endpoints.thrift_port),
            endpoints.thrift_password,
        )
        return dict(zip(ENVIRONMENT, values, strict=True))

    def _select(self, only: Collection[str]) -> tuple[Server, ...]:
        return tuple(server for server in self.servers if not only or server.name in only)

    def _java(self) -> Java:
        return find_java(self.settings.environ)

    def _locked(self, progress: Progress) -> AbstractContextManager[None]:
        make_private(self.directory)
        waiting = "another stack command works on this instance; waiting for it"
        return lock(self.directory / ".lock", lambda: progress(waiting))


def _wait(waiting: list[Server], started: list[Server], timeout: float, progress: Progress) -> None:
    """Poll until all servers answer; removes those that do from `waiting`. Raises `StartError` if
    one dies or `timeout` (seconds) passes.
    """
    begin = time.monotonic()
    # One thread per server: a starting server may accept a request early and answer it late.
    # Meanwhile the other server is checked, and a dead process is noticed.
    pool = ThreadPoolExecutor(max_workers=len(waiting) or 1)
    questions = {server: pool.submit(server.problem) for server in waiting}
    try:
        while waiting:
            progress("waiting for " + " and ".join(server.title for server in waiting))
            wait(questions.values(), timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
            for server in list(waiting):
                server.require_alive()
                if not questions[server].done():
                    problem: str | None = "is still busy with the first question"
                else:
                    problem = questions.pop(server).result()
                    if problem is None:
                        waiting.remove(server)
                        seconds = time.monotonic() - begin
                        progress(f"{server.title} is ready after {seconds:.0f} s")
                        continue
                    questions[server] = pool.submit(_ask_later, server)
                if time.monotonic() - begin > timeout:
                    advice = (
                        "it was stopped"
                        if server in started
                        else "it was running already: try `python -m stack down`, then `up`"
                    )
                    raise StartError(
                        f"{server.title} did not answer within {timeout:.0f} s ({problem}); "
                        f"{advice}. Its log: {server.log}"
                    )
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _ask_later(server: Server) -> str | None:
    time.sleep(POLL_SECONDS)
    return server.problem()
