"""Message files (*.jsonl): one Kafka message a line.

A line is an object with `key` (string or null), `headers` (name to string) and either `value`
(the JSON document that is the message's value; null is a tombstone) or `raw` (a string that is
sent as it stands, for payloads that are not JSON); `at`, where it is there, says in epoch seconds
when the source sent it.
"""

from __future__ import annotations

import json
from typing import Any


def compact(value: Any) -> str:
    """JSON as it goes over the wire: no spaces, text unescaped, members in their order."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def message(key: str | None, kind: str, value: Any) -> dict[str, Any]:
    """A message whose header `type` says what its value is."""
    return {"key": key, "headers": {"type": kind}, "value": value}


def raw_message(key: str | None, kind: str, text: str) -> dict[str, Any]:
    """A message whose value is `text` itself, JSON or not."""
    return {"key": key, "headers": {"type": kind}, "raw": text}
