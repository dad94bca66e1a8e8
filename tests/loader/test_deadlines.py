"""Every wait has an end: a server that accepts connections and does not answer is an error, and a
signal ends any command within seconds.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from typing import Any

import pytest
from pydantic import SecretStr

from loader.errors import SourceUnavailable
from loader.settings import Jdbc
from loader.sources.jdbc.database import Database
from tests.conftest import DATABASES, PLANTED, ROOT
from tests.loader.conftest import Kill, Lake, every, text_of

pytestmark = pytest.mark.stack

# Seconds after which a command counts as hanging; a first load takes a minute on a busy machine.
_HANGS = 180


class Silent:
    """A server that accepts connections and never answers. With ``beyond`` it forwards the traffic
    to that port until a client sends ``last``.
    """

    def __init__(self, beyond: int = 0, last: bytes = b"") -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.accepted = threading.Event()
        self._held: list[socket.socket] = []
        self._beyond, self._last = beyond, last
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for each in (self._listener, *self._held):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._held.append(client)
                if self._beyond:
                    server = socket.create_connection(("127.0.0.1", self._beyond))
                    self._held.append(server)
                    threading.Thread(target=self._pass, args=(client, server), daemon=True).start()
                else:
                    self.accepted.set()

    def _pass(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError, ValueError):
            while True:
                for ready in select.select([client, server], [], [])[0]:
                    data = ready.recv(1 << 16)
                    if not data:
                        return
                    if ready is client and self._last in data:
                        self.accepted.set()
                        return
                    (server if ready is client else client).sendall(data)


@pytest.fixture
def silent() -> Iterator[Silent]:
    with closing(Silent()) as server:
        yield server


@contextmanager
def _running(lake: Lake, *words: str, **environ: str) -> Iterator[Any]:
    """A loader in its own process."""
    command = [sys.executable, "-m", "loader", "--config", str(lake.config), *words]
    process = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **environ}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _other(server: Silent, lake: Lake, body: str) -> str:
    return (
        f'[kafka.other]\nbootstrap_servers = "127.0.0.1:{server.port}"\n{body}\n'
        f'[[kafka.other.topics]]\ntopic = "x"\ntable = "{lake.table("x")}"\n'
    )


_TLS = '[kafka.other.properties]\n"security.protocol" = "SSL"'


@pytest.mark.parametrize(
    "properties",
    [pytest.param("", id="plain", marks=pytest.mark.exhaustive), pytest.param(_TLS, id="tls")],
)
def test_a_silent_cluster_is_an_error_and_the_others_load(
    lake: Lake, silent: Silent, properties: str
) -> None:
    lake.make("a")
    lake.produce("a", 5)
    tail = _other(silent, lake, f"request_timeout_seconds = 3\n{properties}")
    lake.configure("a", tail=tail)
    started = time.monotonic()
    answer = lake.load()
    assert answer.code == 5, answer.text
    assert f"[kafka.other] at 127.0.0.1:{silent.port} does not answer" in text_of(answer)
    assert time.monotonic() - started < _HANGS
    assert lake.offsets("a") == every(5)


def test_a_silent_spark_is_an_error(lake: Lake, silent: Silent) -> None:
    lake.configure("a")
    for command in ("run", "status", "plan", "verify"):
        answer = lake.load(
            "--set", "spark_timeout_seconds=1",
            "--set", f"spark_remote=sc://127.0.0.1:{silent.port}", command,
        )  # fmt: skip
        assert answer.code == 5, answer.text
        assert f"127.0.0.1:{silent.port} does not answer (nothing within 1 s)" in text_of(answer)


@pytest.mark.parametrize(
    "kind", ["postgresql", pytest.param("mariadb", marks=pytest.mark.exhaustive)]
)
def test_a_silent_database_is_an_error_and_the_others_load(
    lake: Lake, silent: Silent, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARC_PASSWORD", PLANTED)
    lake.make("a")
    lake.produce("a", 5)
    lake.configure(
        "a",
        tail=f'[jdbc.src]\nurl = "jdbc:{kind}://127.0.0.1:{silent.port}/parc"\nuser = "loader"\n'
        f'password = "${{PARC_PASSWORD}}"\ninclude = ["*"]\ntable = "{lake.schema}.{{table}}"\n',
    )
    started = time.monotonic()
    answer = lake.load()
    assert answer.code == 5, answer.text
    assert "[jdbc.src]" in text_of(answer)
    assert time.monotonic() - started < _HANGS
    assert lake.offsets("a") == every(5)


@pytest.mark.parametrize("name", DATABASES)
def test_a_database_that_falls_silent_is_an_error(
    request: pytest.FixtureRequest, name: str
) -> None:
    source = request.getfixturevalue(name)
    port = int(source.url.rpartition(":")[2].partition("/")[0])
    with closing(Silent(port, b"fall silent")) as proxy:
        config = Jdbc(
            url=source.url.replace(f":{port}/", f":{proxy.port}/"), user=source.user,
            password=SecretStr(PLANTED), table="raw.{table}", statement_timeout_seconds=3,
        )  # fmt: skip
        database = Database("src", config)
        assert len(database.ask("select 1 as a")) == 1
        started = time.monotonic()
        with pytest.raises(SourceUnavailable, match=r"\[jdbc\.src\] .* does not answer or gave up"):
            database.ask("select 'fall silent' as a")
        assert proxy.accepted.is_set()
        assert time.monotonic() - started < _HANGS
        database.close()


_ENDINGS = [
    (signal.SIGTERM, ["run"], 143),
    (signal.SIGINT, ["run", "--every", "1s"], 130),
    *(
        pytest.param(*case, marks=pytest.mark.exhaustive)
        for case in (
            (signal.SIGINT, ["run"], 130),
            (signal.SIGTERM, ["status"], 143),
            (signal.SIGTERM, ["run", "--until-caught-up"], 143),
        )
    ),
]


@pytest.mark.parametrize(("number", "words", "code"), _ENDINGS)
def test_a_signal_ends_a_command_that_waits_within_seconds_and_quietly(
    lake: Lake, silent: Silent, number: signal.Signals, words: Sequence[str], code: int
) -> None:
    lake.configure(tail=_other(silent, lake, f"request_timeout_seconds = 600\n{_TLS}"))
    with _running(lake, *words) as process:
        assert silent.accepted.wait(60)
        started = time.monotonic()
        process.send_signal(number)
        assert process.wait(30) == code
        assert time.monotonic() - started < 15
        out, err = process.communicate()
    assert err == ""
    assert out.startswith("Kafka default at"), out


def test_a_signal_while_a_batch_is_written_leaves_a_ledger_that_the_next_run_finishes(
    lake: Lake, killed: Kill
) -> None:
    lake.make("a", partitions=2)
    lake.configure("a")
    for partition in (0, 1):
        lake.produce("a", 50_000, partition=partition)
    with _running(lake, "run") as process:
        deadline = time.monotonic() + 60
        while not lake.sql(f"show tables in {lake.schema} like 'batches'") or not lake.states():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) in (143, 0)
        _, err = process.communicate()
    assert err == ""
    answer = lake.load()
    assert answer.code == 0, answer.text
    assert lake.offsets("a") == [*every(50_000), *every(50_000, partition=1)]
