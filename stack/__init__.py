"""The local stack: a real Kafka broker and one Spark with Delta Lake, for people and tests.

Example:
    from stack import Stack

    stack = Stack("a/folder")
    stack.up()
    stack.endpoints.spark_remote
    stack.down()
"""

from __future__ import annotations

from stack.errors import StackError
from stack.instance import Endpoints, ServiceStatus, Stack

__all__ = ["Endpoints", "ServiceStatus", "Stack", "StackError"]
