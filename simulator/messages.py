"""Message files (*.jsonl): one Kafka message per line.

A line is an object with `key` (string or null), `headers` (name to string) and either `value` (the
JSON document of the message's value; null is a tombstone) or `raw` (a string that is sent
unchanged, for payloads that are not JSON). The optional `at` is the time at which the source sent
the message, in seconds since 1970.
"""

from __future__ import annotations

import json
from typing import Any


def compact(value: Any) -> str:
    """JSON without spaces, with unescaped text and members in their order."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def message(key: str | None, kind: str, value: Any) -> dict[str, Any]:
    """A message whose header `type` is `kind`, the type of the value."""
    return {"key": key, "headers": {"type": kind}, "value": value}


def raw_message(key: str | None, kind: str, text: str) -> dict[str, Any]:
    """A message whose value is `text` itself, JSON or not."""
    return {"key": key, "headers": {"type": kind}, "raw": text}
