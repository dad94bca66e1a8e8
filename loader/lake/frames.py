"""What pyspark's own data frames do not offer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyspark.sql import DataFrame


def united(frames: Sequence[DataFrame], *, by_name: bool = False) -> DataFrame:
    """The rows of all ``frames``, of one schema, or ``by_name`` with the columns of all; nested no
    deeper than it must be, since clients and servers refuse what is nested a hundred times.
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
    """``rows`` computed once and held by Spark, so that what is read of them stays the same."""
    checkpointed = rows.localCheckpoint()
    if is_connect(rows):
        # pyspark gives it to the session that the thread used last, and we have two.
        relation: Any = checkpointed._plan
        relation._spark_session = rows.sparkSession
        return type(rows)(relation, rows.sparkSession)
    return checkpointed


def is_connect(rows: DataFrame) -> bool:
    """Whether ``rows`` are those of a session of Spark Connect."""
    # A classic session has the attribute too, and raises an error of its own when it is read.
    return type(rows.sparkSession).__module__.startswith("pyspark.sql.connect")
