"""Lacustre's loader: lands Kafka records and reference files, as they are, in raw Delta tables.

It plans offset ranges in a ledger before it writes, commits data and its mark in one Delta
commit, and never parses a payload. Use it as ``python -m loader``; see ``DESIGN.md`` for the
invariants that each module keeps.
"""

from __future__ import annotations

__version__ = "0.1.0"
