"""The addresses of this checkout's local stack.

They apply if no flag, variable or file gives an address. They are read as data from the stack's
``state.json``, because the packages ``loader`` and ``stack`` do not import each other. There is no
default port: if the stack does not run, a lookup raises an error instead of connecting to a server
of somebody else.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from loader.errors import ConfigurationError, SourceUnavailable
from loader.process import is_running

_VERSION = 1
_TITLES = {"kafka": "Kafka", "connect": "Spark Connect", "thrift": "The Spark Thrift server"}


def directory() -> Path | None:
    """The stack's folder: LACUSTRE_STACK_DIR, else ``.stack`` of the checkout, else None.

    The folder need not exist yet.
    """
    chosen = os.environ.get("LACUSTRE_STACK_DIR")
    if chosen:
        return Path(chosen).expanduser().absolute()
    checkout = Path(__file__).resolve().parent.parent
    is_checkout = (checkout / "pyproject.toml").is_file() and (checkout / "stack").is_dir()
    return checkout / ".stack" if is_checkout else None


def kafka(variable: str) -> str:
    """``host:port`` of the stack's Kafka. ``variable`` is the environment variable that the errors
    name.

    As the two functions below, raises ``SourceUnavailable`` if the server does not run, and
    ``ConfigurationError`` if this is no checkout or the stack's state cannot be read.
    """
    return f"127.0.0.1:{_found('kafka', variable)[1]}"


def connect(variable: str) -> str:
    """The stack's Spark Connect as a value of SPARK_REMOTE, with its token; see ``kafka``."""
    folder, port = _found("connect", variable)
    # Without TLS, Spark's client sends a token only to a server that is called localhost.
    return f"sc://localhost:{port}/;token={_token(folder, variable)}"


def thrift(variable: str) -> tuple[str, int, str]:
    """Host, port and password of the stack's Spark Thrift server; see ``kafka``."""
    folder, port = _found("thrift", variable)
    return "127.0.0.1", port, _token(folder, variable)


def _found(service: str, variable: str) -> tuple[Path, int]:
    """The stack's folder and the port of ``service``, which runs."""
    title = _TITLES[service]
    folder = directory()
    if folder is None:
        message = f"{title} has no address: set {variable}."
        raise ConfigurationError(message, variable=variable)
    file = folder / "state.json"
    try:
        state = json.loads(file.read_text(encoding="utf-8"))
        if state["version"] != _VERSION:
            message = f"{file} is of a stack of another version: set {variable}."
            raise ConfigurationError(message, path=str(file), variable=variable)
        process = state["servers"].get("kafka" if service == "kafka" else "spark")
        port = state["ports"].get(service)
        runs = process is not None and is_running(int(process["pid"]), float(process["created"]))
    except FileNotFoundError:
        runs, port = False, None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"{file} cannot be read ({type(error).__name__}: {error}): set {variable}."
        raise ConfigurationError(message, path=str(file), variable=variable) from error
    if not runs or port is None:
        message = (
            f"{title} of the own stack in {folder} is not running, and no other is configured: "
            f"start it with `python -m stack up`, or set {variable}, and run again."
        )
        raise SourceUnavailable(message, path=str(folder), variable=variable)
    return folder, int(port)


def _token(folder: Path, variable: str) -> str:
    try:
        return (folder / "token").read_text(encoding="ascii")
    except (OSError, ValueError) as error:
        message = f"{folder / 'token'} cannot be read ({error}): set {variable}."
        raise ConfigurationError(message, path=str(folder), variable=variable) from error
