"""What can go wrong in a way the user can mend; each message says what, where and what to do."""

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
    """Root of the package's errors; the command line prints it without a traceback."""

    exit_code = 1


class ConfigurationError(StackError):
    """An environment variable or a folder cannot be used as given."""


class JavaError(StackError):
    """No Java that Spark and Kafka can run on was found."""

    exit_code = 2


class InstallError(StackError):
    """The jars are not in the cache and could not be fetched."""


class PortInUseError(ConfigurationError):
    """A port that an environment variable asks for belongs to somebody else."""


class StartError(StackError):
    """A server died, or did not become healthy in time."""


class NotRunningError(StackError):
    """The command needs a server that is not running."""


class StateError(StackError):
    """The instance's state file is damaged or was written by another version."""


class SqlError(StackError):
    """Spark refused a statement."""
