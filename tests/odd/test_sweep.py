"""Every odd input in one load and one build: nothing stops, nothing is lost, the rest is as it was.

``LACUSTRE_ODD=field=value``, as a failure writes it, sends that one input only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.odd.conftest import CLEAN_SITES, Sweep

pytestmark = pytest.mark.stack

Sql = Callable[[str], Sequence[Sequence[Any]]]
SHOWN = 20  # of the failures of one kind


def shown(lines: Sequence[str]) -> str:
    rest = f"\n… and {len(lines) - SHOWN} more" if len(lines) > SHOWN else ""
    return "\n".join(line[:1000] for line in lines[:SHOWN]) + rest


def test_the_load_ends_well(sweep: Sweep) -> None:
    assert sweep.loaded.code == 0, sweep.loaded.text[-5000:]


def test_the_build_ends_well(sweep: Sweep) -> None:
    assert sweep.built.code == 0, sweep.built.text[-8000:]


def test_every_relation_can_be_read_whole(sweep: Sweep) -> None:
    assert not sweep.before.failed
    failed = [f"{name}: {why}" for name, why in sorted(sweep.after.failed.items())]
    assert not failed, shown(failed)
    assert set(sweep.before.count) <= set(sweep.after.count)


def test_clean_messages_give_what_they_give_alone(sweep: Sweep) -> None:
    assert sum(map(len, sweep.before.clean.values())) > 1000
    different = []
    for name, before in sorted(sweep.before.clean.items()):
        after = sweep.after.clean.get(name)
        if after is not None and after != before:
            lost = "; ".join(list(before - after)[:2])
            new = "; ".join(list(after - before)[:2])
            different.append(f"{name}:\n  without the odd ones {lost}\n  with them {new}")
    assert not different, shown(different)


@pytest.mark.parametrize(
    ("topic", "documents", "staged", "quarantine"),
    [
        (
            "matomo",
            "staging.stg_matomo__documents",
            {
                "visit": "staging.stg_matomo__visits",
                "goals": "staging.stg_matomo__goals",
                "custom_dimensions": "staging.stg_matomo__custom_dimensions",
                "sites": "staging.stg_matomo__sites",
                "report": "staging.stg_matomo__reports",
            },
            "quarantine.matomo_messages",
        ),
        ("meter-events", "staging.stg_meters__events", {}, "quarantine.meter_messages"),
    ],
    ids=["matomo", "meters"],
)
def test_each_input_is_staged_or_in_quarantine_with_its_reason(
    sweep: Sweep, sql: Sql, topic: str, documents: str, staged: dict[str, str], quarantine: str
) -> None:
    kind = "message_type" if staged else "cast(null as string)"
    found: dict[tuple[str, int, int], set[str]] = defaultdict(set)
    for partition, offset, good in sql(
        f"select partition, offset, if(reason is null, coalesce({kind}, 'event'), null) "
        f"from {documents} where topic = '{topic}'"
    ):
        found[topic, partition, offset].add(good)
    held: dict[tuple[str, int, int], bool] = {
        (topic, partition, offset): bool(reason)
        for partition, offset, reason in sql(
            f"select partition, offset, min(reason) from {quarantine} group by all"
        )
    }
    typed = {
        name: {
            (topic, partition, offset)
            for partition, offset in sql(f"select distinct partition, offset from {table}")
        }
        for name, table in staged.items()
    }
    lost = []
    for place, message in sweep.sent.items():
        if place[0] != topic:
            continue
        where = f"{message.name} at {place[1]}:{place[2]}, {message.value[:300]!r}"
        kinds = found.get(place)
        if kinds is None:
            lost.append(f"nowhere: {where}")
        elif None in kinds and not held.get(place):
            lost.append(f"not in quarantine, or without a reason: {where}")
        lost += [
            f"good and not in {staged[each]}: {where}"
            for each in (kinds or set()) - {None}
            if staged and place not in typed[each]
        ]
    assert not lost, shown(lost)


def test_the_clean_sites_have_visits_in_the_views(sweep: Sweep) -> None:
    """The comparison would hold, too, if no clean row were there."""
    assert len(CLEAN_SITES) == 2
    for view in ("views.matomo_visits_summary", "views.meter_arrival_delays"):
        assert sweep.before.clean[view], view
