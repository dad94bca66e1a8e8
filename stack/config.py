"""The settings of an instance: folders, ports and memory, from environment variables."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from stack.errors import ConfigurationError

DIRECTORY_VARIABLE = "LACUSTRE_STACK_DIR"
CACHE_VARIABLE = "LACUSTRE_CACHE"
MASTER_VARIABLE = "LACUSTRE_SPARK_MASTER"
MEMORY_VARIABLE = "LACUSTRE_SPARK_MEMORY"
JAVA_OPTIONS_VARIABLE = "LACUSTRE_SPARK_JAVA_OPTIONS"
IVY_SETTINGS_VARIABLE = "LACUSTRE_IVY_SETTINGS"

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class PortSpec:
    """One port of the stack: its name in the state file, its variable and its default number."""

    name: str
    variable: str
    default: int


KAFKA_PORTS = (
    PortSpec("kafka", "LACUSTRE_KAFKA_PORT", 9092),
    PortSpec("kafka_controller", "LACUSTRE_KAFKA_CONTROLLER_PORT", 9093),
)
SPARK_PORTS = (
    PortSpec("thrift", "LACUSTRE_THRIFT_PORT", 10000),
    PortSpec("connect", "LACUSTRE_CONNECT_PORT", 15002),
    PortSpec("spark_ui", "LACUSTRE_SPARK_UI_PORT", 4040),
)


@dataclass(frozen=True)
class Settings:
    """The settings of one instance.

    Attributes:
        directory: The folder of the instance: state, logs, data, configuration.
        cache: The folder with the jars; several instances may share it.
        ports: For each port name the requested number; 0 = any free one, None = not requested.
        spark_master: Spark's master URL.
        spark_memory: Heap of the Spark JVM in Java's notation ("3g").
        spark_java_options: Further options of the Spark JVM.
        ivy_settings: An Ivy settings file of the user (for a mirror), or None.
        environ: The environment of all settings; the servers get an allow-list of it.
    """

    directory: Path
    cache: Path
    ports: Mapping[str, int | None]
    spark_master: str
    spark_memory: str
    spark_java_options: tuple[str, ...]
    ivy_settings: Path | None
    environ: Mapping[str, str]

    @classmethod
    def read(
        cls, directory: Path | str | None = None, environ: Mapping[str, str] | None = None
    ) -> Settings:
        """Read the settings. `directory` overrides its environment variable.

        Raises:
            ConfigurationError: the value of a variable cannot be used.
        """
        environ = MappingProxyType(dict(os.environ if environ is None else environ))
        project = project_directory()
        chosen = directory or environ.get(DIRECTORY_VARIABLE) or project / ".stack"
        cache = environ.get(CACHE_VARIABLE) or project / ".cache"
        ivy_settings = environ.get(IVY_SETTINGS_VARIABLE)
        return cls(
            directory=_usable_folder(chosen, DIRECTORY_VARIABLE),
            cache=_usable_folder(cache, CACHE_VARIABLE),
            ports={spec.name: _port(environ, spec) for spec in KAFKA_PORTS + SPARK_PORTS},
            spark_master=environ.get(MASTER_VARIABLE) or default_master(os.cpu_count() or 2),
            spark_memory=_memory(environ),
            spark_java_options=_java_options(environ),
            ivy_settings=Path(ivy_settings).expanduser().resolve() if ivy_settings else None,
            environ=environ,
        )


def project_directory() -> Path:
    """The checkout that contains this package; the current folder if the package is installed."""
    checkout = Path(__file__).resolve().parent.parent
    return checkout if (checkout / "pyproject.toml").is_file() else Path.cwd()


def default_master(cores: int) -> str:
    """Spark's master URL with all cores up to eight; more tasks only cost time on
    small local data.
    """
    return f"local[{min(max(cores, 2), 8)}]"


def _usable_folder(value: Path | str, variable: str) -> Path:
    path = Path(value).expanduser().absolute()
    # A colon separates the entries of a Java class path and cannot be escaped.
    if os.pathsep in str(path) or "\n" in str(path):
        raise ConfigurationError(
            f"The folder {str(path)!r} has a {os.pathsep!r} or a line break in its name, which "
            f"Java's class path cannot hold; choose another folder with {variable}."
        )
    if path.exists() and not path.is_dir():
        raise ConfigurationError(f"{path} is not a folder; choose one with {variable}.")
    return path


def _port(environ: Mapping[str, str], spec: PortSpec) -> int | None:
    text = environ.get(spec.variable, "").strip()
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise ConfigurationError(
            f"{spec.variable}={text!r} is not a port; give a number from 1 to 65535, "
            "or 0 for any free port."
        )
    return int(text)


def _memory(environ: Mapping[str, str]) -> str:
    text = environ.get(MEMORY_VARIABLE, "").strip() or "3g"
    if not re.fullmatch(r"[1-9][0-9]*[mgMG]", text):
        raise ConfigurationError(
            f"{MEMORY_VARIABLE}={text!r} is not an amount of memory; write for example 3g or 2500m."
        )
    return text.lower()


def _java_options(environ: Mapping[str, str]) -> tuple[str, ...]:
    text = environ.get(JAVA_OPTIONS_VARIABLE, "")
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise ConfigurationError(
            f"{JAVA_OPTIONS_VARIABLE}={text!r} cannot be split into options ({error}); quote it as "
            "in a shell."
        ) from None
