"""Errors that the user can fix; each message says what happened, where, and what to do."""

from __future__ import annotations

__all__ = [
    "ConfigurationError",
    "InstallError",
    "JavaError",
    "NotRunningError",
    "PortInUseError",
    "SqlError",
    "StackError",
    "StartError",
    "StateError",
]


class StackError(Exception):
    """Base class of the package's errors; the command line prints them without a traceback."""

    exit_code = 1


class ConfigurationError(StackError):
    """The value of an environment variable, or a folder, cannot be used."""


class JavaError(StackError):
    """There is no Java that is new enough for Spark and Kafka."""

    exit_code = 2


class InstallError(StackError):
    """The jars are not in the cache and could not be fetched, or are not the locked ones."""


class PortInUseError(ConfigurationError):
    """A port that an environment variable requests is in use."""


class StartError(StackError):
    """A server died, or was not healthy in time."""


class NotRunningError(StackError):
    """The command needs a server that is not running."""


class StateError(StackError):
    """The instance's state file is damaged or was written by another version."""


class SqlError(StackError):
    """Spark refused a statement."""
