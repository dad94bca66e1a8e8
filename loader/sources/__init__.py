"""Kinds of sources: what can be landed in raw.

``KINDS`` are those that a loader knows, in the order in which it looks at them. Another one is made
known by adding its class.
"""

from __future__ import annotations

from loader.sources.base import Kind
from loader.sources.files.source import ReferenceFiles
from loader.sources.jdbc.source import Databases
from loader.sources.kafka.source import Topics

KINDS: list[type[Kind]] = [Topics, Databases, ReferenceFiles]
