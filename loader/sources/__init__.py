"""The kinds of sources.

``KINDS`` lists them in the order in which a survey reads them. To add a kind, add its class.
"""

from __future__ import annotations

from loader.sources.base import Kind
from loader.sources.files.source import ReferenceFiles
from loader.sources.jdbc.source import Databases
from loader.sources.kafka.source import Topics

KINDS: list[type[Kind]] = [Topics, Databases, ReferenceFiles]
