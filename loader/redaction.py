"""Secrets of the configuration: how they are read, and how they are kept out of output."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import BaseModel

from loader.errors import ConfigurationError

SECRET = re.compile(r"password|secret|token|jaas|credential|private|(^|\.)key$", re.IGNORECASE)
_TOKEN = re.compile(r"((?:token|user_id|password)=)[^;]*", re.IGNORECASE)
_WRITTEN = re.compile(r'password\s*=\s*"[^"$]', re.IGNORECASE)
_VARIABLE = re.compile(r"\$\{(file:[^}]+|credential:[^}]+|\w+)\}")


def unset_variables(text: str) -> list[str]:
    """Names of the ``${NAME}`` references that are left in ``text`` after ``expanded``."""
    return _VARIABLE.findall(text)


def shown_remote(remote: str) -> str:
    """``host:port`` of a Spark Connect address, without the parameters (``/;token=…``), which may
    be secret.
    """
    return re.split(r"[/;?]", remote.partition("://")[2], maxsplit=1)[0]


def redacted(settings: BaseModel) -> dict[str, object]:
    """``settings`` as nested plain values, with every secret as ``***``."""

    def hide(key: str, value: object) -> object:
        if isinstance(value, dict):
            return {name: hide(str(name), item) for name, item in value.items()}
        if isinstance(value, list):
            return [hide(key, item) for item in value]
        if key == "spark_remote" and isinstance(value, str):
            return _TOKEN.sub(r"\1***", value)  # sc://host:port/;token=…
        return "***" if SECRET.search(key) and value else value

    plain = settings.model_dump(mode="json", exclude_none=True)
    return {name: hide(name, value) for name, value in plain.items()}


def is_secret(key: str, text: str) -> bool:
    """Whether ``key`` is a secret property of Kafka's client, or a Spark address with a token."""
    if key == "spark_remote":
        return "token=" in text.lower()
    return ".properties." in key and bool(SECRET.search(key))


def refuse_written_secrets(content: object, file: Path) -> None:
    """Raise ``ConfigurationError`` for a secret in clear text in ``file``."""
    for key, text in texts(content):
        is_password = re.fullmatch(r"jdbc\.[^.]*\.password", key)
        if not is_password and not is_secret(key, text):
            continue
        if is_password and _VARIABLE.fullmatch(text):
            continue
        if not _VARIABLE.search(text) or _WRITTEN.search(text):
            message = (
                f"{file}: {key} is a secret and must not be written into the file: give it as "
                '"${NAME}", an environment variable, or "${file:/path}".'
            )
            raise ConfigurationError(message, path=str(file), key=key)


def expanded(content: Mapping[str, object], file: Path) -> dict[str, object]:
    """``content`` with the values of its ``${…}``; the reference to an unset variable stays as it
    is.

    Raises ``ConfigurationError`` if a file or a credential provider cannot be read.
    """
    return {key: _expanded(value, file) for key, value in content.items()}


def _expanded(value: object, file: Path) -> object:
    if isinstance(value, str):

        def known(match: re.Match[str]) -> str:
            name = match[1]
            if name.startswith("credential:"):
                return _credential(name.removeprefix("credential:"), file)
            if not name.startswith("file:"):
                return os.environ.get(name) or match[0]
            try:
                return Path(name.removeprefix("file:")).read_text(encoding="utf-8").rstrip("\r\n")
            except (OSError, UnicodeDecodeError) as error:
                message = f"{file}: {match[0]} cannot be read: {error}."
                raise ConfigurationError(message, path=str(file)) from error

        return _VARIABLE.sub(known, value)
    if isinstance(value, dict):
        return {key: _expanded(item, file) for key, item in value.items()}
    if isinstance(value, list):
        return [_expanded(item, file) for item in value]
    return value


def _credential(reference: str, file: Path) -> str:
    """The secret ``provider#alias`` of a Hadoop credential provider (``jceks://file/path#alias``).

    Hadoop's own classes read it, with the keystore's password from ``HADOOP_CREDSTORE_PASSWORD``.
    """
    from pyspark.java_gateway import launch_gateway  # starts a JVM, about a second

    provider, _, alias = reference.rpartition("#")
    gateway = launch_gateway()  # type: ignore[no-untyped-call]
    try:
        configuration = gateway.jvm.org.apache.hadoop.conf.Configuration()
        configuration.set("hadoop.security.credential.provider.path", provider)
        found = configuration.getPassword(alias) if provider else None
        secret = "".join(found) if found else None
    except Exception as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        message = f"{file}: the credential provider {provider} cannot be read: {first}."
        raise ConfigurationError(message, path=str(file)) from None
    finally:
        gateway.shutdown()
        gateway.proc.stdin.close()
        gateway.proc.wait(timeout=30)
    if secret is None:
        message = (
            f"{file}: the credential provider {provider or reference} has no alias {alias!r}; "
            'write "${credential:jceks://file/path/to.jceks#alias}" and make it with `hadoop '
            "credential create`."
        )
        raise ConfigurationError(message, path=str(file))
    return secret


def texts(value: object, key: str = "") -> Iterator[tuple[str, str]]:
    """Each string in ``value`` with its dotted key."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from texts(item, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from texts(item, f"{key}.{index}")
