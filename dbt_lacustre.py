"""Functions that dbt's templates lack: the own stack's address, and the process of a build.

dbt imports every module whose name begins with ``dbt_`` before it parses a project. ``make
install`` puts this folder on the path of its Python. Without this module a build needs THRIFT_HOST.
Builds still exclude each other, but a dead process is not recognised (``macros/builds``).
"""

from __future__ import annotations

import getpass
import os
from typing import Any

from dbt.adapters.contracts.connection import Connection
from dbt.adapters.events.logging import AdapterLogger
from dbt.adapters.exceptions.connection import FailedToConnectError
from dbt.adapters.spark.connections import SparkConnectionManager
from dbt.adapters.spark.impl import SparkAdapter
from dbt.context import base

from loader import own_stack
from loader.errors import LoaderError
from loader.process import is_alive, is_here, new_owner

_OWNER = new_owner()
_modules = base.get_context_modules


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a numeric user id of a container, without a name
        return str(os.getuid())


def _with_ours() -> dict[str, dict[str, Any]]:
    """dbt's ``modules``, with ``modules.lacustre``."""
    ours = {"owner": _OWNER, "user": _user(), "is_alive": is_alive, "is_here": is_here}
    return {**_modules(), "lacustre": ours}


base.get_context_modules = _with_ours


# --- The server of a build

_UNSET_HOST = "THRIFT_HOST-is-not-set"  # beginning of the host in `profiles.yml.example`


class Connections(SparkConnectionManager):
    """dbt-spark's connections. If the profile has no THRIFT_HOST, they go to the own stack
    (``loader.own_stack``), and the first connection of a process reports it.
    """

    @classmethod
    def open(cls, connection: Connection) -> Connection:
        """See dbt-spark; raises ``FailedToConnectError`` if the own stack does not run."""
        credentials: Any = connection.credentials
        if not credentials.host or credentials.host.startswith(_UNSET_HOST):
            try:
                found = own_stack.thrift("THRIFT_HOST")
            except LoaderError as error:
                raise FailedToConnectError(str(error)) from error
            # All connections of a process share these credentials.
            credentials.host, credentials.port, credentials.password = found
            AdapterLogger("Lacustre").info(
                f"THRIFT_HOST is not set: dbt uses this checkout's stack in {own_stack.directory()}"
            )
        return super().open(connection)


SparkAdapter.ConnectionManager = Connections
