"""Helpers for Spark data frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyspark.sql import DataFrame


def united(frames: Sequence[DataFrame], *, by_name: bool = False) -> DataFrame:
    """The rows of all ``frames``, which have one schema, or with ``by_name`` the columns of all.

    The unions form a balanced tree, because clients and servers refuse plans that are nested about
    a hundred levels deep.
    """

    def both(first: DataFrame, second: DataFrame) -> DataFrame:
        if by_name:
            return first.unionByName(second, allowMissingColumns=True)
        return first.unionAll(second)

    while len(frames) > 1:
        pairs = [frames[at : at + 2] for at in range(0, len(frames), 2)]
        frames = [both(pair[0], pair[1]) if len(pair) > 1 else pair[0] for pair in pairs]
    return frames[0]


def held(rows: DataFrame) -> DataFrame:
    """``rows``, computed once and kept by Spark, so that every later read gets the same rows."""
    checkpointed = rows.localCheckpoint()
    if is_connect(rows):
        # pyspark assigns the checkpoint to the session that the thread used last; the loader has
        # two.
        relation: Any = checkpointed._plan
        relation._spark_session = rows.sparkSession
        return type(rows)(relation, rows.sparkSession)
    return checkpointed


def is_connect(rows: DataFrame) -> bool:
    """Whether ``rows`` belong to a Spark Connect session."""
    # A classic session also has the client's attribute, but reading it raises an error.
    return type(rows.sparkSession).__module__.startswith("pyspark.sql.connect")
