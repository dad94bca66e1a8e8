"""The configuration of the loader: ``loader.toml``, with the environment for hosts and secrets.

Every host, port and credential can come from the environment: a string may hold ``${NAME}``, and
the two addresses that nearly everyone sets have variables of their own,
``KAFKA_BOOTSTRAP_SERVERS`` and ``SPARK_REMOTE``. Unknown keys are refused.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from loader.errors import ConfigurationError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DEFAULT_FILE = "loader.toml"
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_TABLE = r"^[A-Za-z_][A-Za-z0-9_]*\.[A-Za-z_][A-Za-z0-9_]*$"
_TABLE_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*\.[A-Za-z_][A-Za-z0-9_]*(\{name\})?[A-Za-z0-9_]*$"
# In lower case, as the metastore has them: raw.A and raw.a are one table and need one ledger.
_Table = Annotated[str, Field(pattern=_TABLE), AfterValidator(str.lower)]
_TablePattern = Annotated[str, Field(pattern=_TABLE_PATTERN), AfterValidator(str.lower)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Topic(_Section):
    """One Kafka topic and the raw table that its records land in.

    Several topics may share a table; a table must not be fed by two clusters.
    """

    topic: str = Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")
    table: _Table


class Kafka(_Section):
    """One Kafka cluster: ``[kafka.<name>]``."""

    bootstrap_servers: str = Field(
        default_factory=lambda: os.environ.get("KAFKA_BOOTSTRAP_SERVERS") or "127.0.0.1:9092",
        min_length=1,
    )
    topics: tuple[Topic, ...] = ()
    request_timeout_seconds: float = Field(default=30.0, gt=0)


class Files(_Section):
    """One set of reference files: ``[files.<name>]``.

    ``path`` is a path or glob that Spark reads (local, ``hdfs://``, ``s3a://``). Each file lands
    in ``table``, where ``{name}`` stands for the file's name without its extension. Files are CSV
    with a header line; every column lands as text. A section whose path names an environment
    variable that is not set is skipped, and the run says so.
    """

    path: str = Field(min_length=1)
    table: _TablePattern
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    encoding: str = "UTF-8"


class Settings(_Section):
    """The whole configuration. ``spark_remote`` empty means: use a Spark session of our own."""

    spark_remote: str = Field(
        default_factory=lambda: os.environ.get("SPARK_REMOTE", "sc://127.0.0.1:15002")
    )
    ledger: _Table = "raw.loader_batches"
    kafka: dict[str, Kafka] = {}
    files: dict[str, Files] = {}

    @model_validator(mode="after")
    def _one_source_per_table(self) -> Settings:
        owners = {self.ledger: "ledger"}
        for cluster, kafka in self.kafka.items():
            topics = [topic.topic for topic in kafka.topics]
            repeated = {topic for topic in topics if topics.count(topic) > 1}
            if repeated:
                message = f"[kafka.{cluster}] lists topic {min(repeated)!r} twice"
                raise ValueError(message)
            for topic in kafka.topics:
                owner = owners.setdefault(topic.table, f"kafka.{cluster}")
                if owner != f"kafka.{cluster}":
                    message = f"table {topic.table} is used by both {owner} and kafka.{cluster}"
                    raise ValueError(message)
        for name, files in self.files.items():
            owner = owners.setdefault(files.table, f"files.{name}")
            if owner != f"files.{name}":
                message = f"table {files.table} is used by both {owner} and files.{name}"
                raise ValueError(message)
        return self


def unset_variables(text: str) -> list[str]:
    """Names of the ``${NAME}`` references in ``text`` that still stand for nothing."""
    return _VARIABLE.findall(text)


def _expand(value: Any, environment: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _VARIABLE.sub(lambda match: environment.get(match[1]) or match[0], value)
    if isinstance(value, dict):
        return {key: _expand(item, environment) for key, item in value.items()}
    if isinstance(value, list):
        return [_expand(item, environment) for item in value]
    return value


def _nearest(error: Mapping[str, Any]) -> str:
    """The key that a person probably meant, for an unknown key's message."""
    path = [part for part in error["loc"] if isinstance(part, str)]
    model: type[BaseModel] = Settings
    if len(path) > 1:
        model = Kafka if path[0] == "kafka" else Files
        if "topics" in path[:-1]:
            model = Topic
    close = difflib.get_close_matches(str(path[-1]), list(model.model_fields), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def load(path: str | Path = DEFAULT_FILE) -> Settings:
    """Read ``path`` and the environment.

    Raises ``ConfigurationError`` for a missing or unreadable file, an unknown key or a bad value,
    naming the key.
    """
    file = Path(path)
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        message = f"No configuration at {file}; copy loader.toml.example there, or use --config."
        raise ConfigurationError(message, path=str(file)) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        message = f"Cannot read the configuration {file}: {error}."
        raise ConfigurationError(message, path=str(file)) from error
    content = _expand(content, os.environ)
    for key, text in _texts(content):
        missing = unset_variables(text)
        if missing and not re.fullmatch(r"files\.[^.]*\.path", key):
            message = f"{file}: {key} needs the environment variable {missing[0]}; set it."
            raise ConfigurationError(message, path=str(file), key=key, variable=missing[0])
    try:
        settings = Settings.model_validate(content)
    except ValidationError as error:
        # A misspelt key is also a missing one; the former says more.
        first = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
        key = ".".join(str(part) for part in first["loc"]) or "the file"
        if first["type"] == "extra_forbidden":
            reason = "unknown key" + _nearest(first)
        else:
            reason = first["msg"].removeprefix("Value error, ")
        message = f"{file}: {key}: {reason}."
        raise ConfigurationError(message, path=str(file), key=key) from error
    return settings


def _texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Each string within ``value``, with its dotted key."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _texts(item, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, f"{key}.{index}")
