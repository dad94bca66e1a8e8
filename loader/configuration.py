"""Reading the configuration: ``loader.toml``, the environment and flags.

A flag (``--set limits.max_records=1000``) overrides an environment variable
(``LOADER_LIMITS__MAX_RECORDS=1000``), which overrides the file. A string of the file may contain
``${NAME}``, an environment variable, or ``${file:/path}``, the content of a file.
``KAFKA_BOOTSTRAP_SERVERS`` and ``SPARK_REMOTE`` give the two addresses if neither flag,
``LOADER_…`` variable nor file does; without them too, the addresses are those of this checkout's
stack (``loader.own_stack``). Unknown keys are errors that name the nearest known key.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from loader.errors import ConfigurationError
from loader.redaction import expanded, is_secret, refuse_written_secrets, texts, unset_variables
from loader.settings import DEFAULT_FILE, Files, Jdbc, JdbcTable, Kafka, Limits, Settings, Topic

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_SECTIONS: dict[str, type[BaseModel]] = {
    "kafka": Kafka,
    "files": Files,
    "jdbc": Jdbc,
    "limits": Limits,
}


class _Environment(BaseSettings):
    """The ``LOADER_…`` variables as nested text: read by pydantic-settings, validated by
    ``Settings``.
    """

    model_config = SettingsConfigDict(
        extra="ignore", env_prefix="LOADER_", env_nested_delimiter="__"
    )
    spark_remote: object = None
    spark_timeout_seconds: object = None
    ledger: object = None
    limits: dict[str, object] = {}
    kafka: dict[str, object] = {}
    files: dict[str, object] = {}
    jdbc: dict[str, object] = {}


def load(path: str | Path = DEFAULT_FILE, flags: Mapping[str, str] | None = None) -> Settings:
    """The configuration from ``path``, the environment and ``flags`` (dotted keys).

    Raises ``ConfigurationError``, which names the key, for a missing or unreadable file, an unknown
    key, a wrong value, or a secret in clear text in the file.
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
    refuse_written_secrets(content, file)
    content = expanded(content, file)
    for key, text in texts(content):
        missing = unset_variables(text)
        if missing and not _is_skipped(key, content):
            message = f"{file}: {key} needs the environment variable {missing[0]}; set it."
            raise ConfigurationError(message, path=str(file), key=key, variable=missing[0])
    for name in os.environ:
        field = name.removeprefix("LOADER_").split("__")[0].lower()
        if name.startswith("LOADER_") and field not in Settings.model_fields:
            close = difflib.get_close_matches(field, list(Settings.model_fields), n=1)
            hint = f"; did you mean LOADER_{close[0].upper()}?" if close else ""
            message = f"The environment variable {name} is none of the loader{hint}."
            raise ConfigurationError(message, variable=name)
    try:
        environment = _Environment().model_dump(exclude_unset=True)
    except Exception as error:  # any error of pydantic-settings; it names the variable
        message = f"The environment's LOADER_ variables cannot be read: {error}."
        raise ConfigurationError(message) from error
    content = _merged(content, environment)
    content = _merged(content, _from_flags(flags or {}))
    try:
        return Settings.model_validate(content)
    except ValidationError as error:
        # A misspelt key causes two errors, an unknown and a missing key; report the unknown one.
        first = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
        key = ".".join(str(part) for part in first["loc"]) or "the file"
        if first["type"] == "extra_forbidden":
            reason = "unknown key" + _nearest(first["loc"])
        else:
            reason = first["msg"].removeprefix("Value error, ")
        message = f"{file}: {key}: {reason}."
        raise ConfigurationError(message, path=str(file), key=key) from None


def _from_flags(flags: Mapping[str, str]) -> dict[str, object]:
    """``flags`` (dotted keys) as nested values."""
    content: dict[str, object] = {}
    for key, value in flags.items():
        if is_secret(key, value) or re.fullmatch(r"jdbc\..*password", key):
            message = (
                f"--set {key} would show the password or token to everyone here; set it in the "
                "environment, or name a file or a credential provider in the configuration."
            )
            raise ConfigurationError(message, key=key)
        # The name of a Kafka property contains dots.
        path, _, name = key.partition(".properties.")
        *parents, last = [*path.split("."), "properties", name] if name else path.split(".")
        nested: dict[str, object] = {last: value}
        for parent in reversed(parents):
            nested = {parent: nested}
        content = _merged(content, nested)
    return content


def _is_skipped(key: str, content: Mapping[str, object]) -> bool:
    """Whether ``key`` may contain an unset variable, because its section is
    skipped in that case.
    """
    if re.fullmatch(r"files\.[^.]*\.path", key):
        return True
    kind, name = [*key.split("."), ""][:2]
    url = _part(_part(_part(content, "jdbc"), name), "url")
    return kind == "jdbc" and bool(unset_variables(str(url)))


def _part(content: object, name: str) -> object:
    """The value ``name`` of a TOML table; empty if there is none."""
    return content.get(name, "") if isinstance(content, dict) else ""


def _merged(below: Mapping[str, object], above: Mapping[str, object]) -> dict[str, object]:
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        if isinstance(value, dict) and isinstance(under, dict):
            merged[key] = _merged(under, value)
        else:
            merged[key] = value
    return merged


def _nearest(place: Sequence[int | str]) -> str:
    """A hint with the known key most similar to the unknown one at ``place``; empty without one."""
    path = [part for part in place if isinstance(part, str)]
    model: type[BaseModel] = Settings
    if len(path) > 1:
        model = _SECTIONS[path[0]]
        model = Topic if "topics" in path[:-1] else model
        model = JdbcTable if "tables" in path[:-1] else model
    close = difflib.get_close_matches(str(path[-1]), list(model.model_fields), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
