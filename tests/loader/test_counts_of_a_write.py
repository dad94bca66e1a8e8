"""The counts that Spark observed in a write are used only if they determine every partition's
count.
"""

from __future__ import annotations

from typing import Any

import pytest

from loader.batch import Batch
from loader.content import Gap, Offsets, Range
from loader.sources.kafka.landing import wholly_counted


@pytest.mark.parametrize(
    ("observed", "records"),
    [
        ({"records_0": 15, "bytes_0": 40, "records_1": 7, "bytes_1": None}, [15, 7]),
        ({"records_0": 14, "bytes_0": 40, "records_1": 7, "bytes_1": 9}, []),  # a hole: where?
        ({"records_0": 15, "bytes_0": 40}, []),
        ({}, []),  # Delta skipped the write
        (None, []),  # the session cannot count
    ],
)
def test_only_a_row_for_every_offset_spares_the_count_in_the_table(
    observed: dict[str, Any] | None, records: list[int]
) -> None:
    ranges = (Range(0, 5, 15), Range(1, 0, 10), Range(2, 3, 3))
    lost = (Gap(1, 0, 5, "retention"),)
    one = Batch("raw.t", 2, "kafka.c", Offsets("one", "id", ranges), "d", gaps=lost)
    two = Batch("raw.t", 2, "kafka.c", Offsets("two", "id", (Range(0, 0, 7),)), "d")
    counted = wholly_counted([one, two], observed)
    assert [batch.records for batch in counted] == records
    if counted:
        assert [each.records for each in counted[0].ranges] == [10, 5, 0]
        assert [batch.bytes for batch in counted] == [40, 0]
