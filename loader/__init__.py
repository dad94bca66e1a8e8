"""Lacustre's loader: lands Kafka records, database rows and reference files unchanged in raw Delta
tables.

The loader fixes each batch in a ledger before it writes, commits the data and its mark in one Delta
commit, and never parses a payload. Run it as ``python -m loader``. ``DESIGN.md`` has the invariants
that each module keeps.
"""

from __future__ import annotations

__version__ = "0.1.0"
