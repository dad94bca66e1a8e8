"""What dbt's templates cannot ask: which process a build is, and whether another one still runs.

dbt imports every module whose name begins with ``dbt_`` before it parses a project. ``make
install`` puts this folder on the path of its Python. Without it builds still keep out of each
other's way, but nobody sees that the process of one is dead (``macros/builds``).
"""

from __future__ import annotations

import getpass
import os
from typing import Any

from dbt.context import base

from loader.process import is_alive, is_here, new_owner

_OWNER = new_owner()
_modules = base.get_context_modules


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container's number without a name
        return str(os.getuid())


def _with_ours() -> dict[str, dict[str, Any]]:
    """dbt's ``modules``, with ``modules.lacustre``."""
    ours = {"owner": _OWNER, "user": _user(), "is_alive": is_alive, "is_here": is_here}
    return {**_modules(), "lacustre": ours}


base.get_context_modules = _with_ours
