"""Unreadable messages are in quarantine with reason and coordinates, and hold up no others."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conftest import Sql
from tests.end_to_end.conftest import Rounds, Send

pytestmark = pytest.mark.stack


VISIT = {
    "idSite": "900",
    "idVisit": 1,
    "visitorId": "00112233445566aa",
    "firstActionTimestamp": 1709300000,
    "lastActionTimestamp": "1709300060",
    "visitDuration": "61",
    "actions": 1,
    "visitConverted": 0,
    "actionDetails": [
        {"type": "action", "url": "https://example.org/", "pageId": 1, "timestamp": 1709300000}
    ],
}


def visit(number: int, **changes: Any) -> dict[str, Any]:
    return {**VISIT, "idVisit": number, **changes}


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


BAD_MESSAGES: list[tuple[str, bytes | None, str]] = [
    ("no JSON", b"Fatal error: out of memory", "invalid_json"),
    ("truncated", encoded(visit(2))[:-20], "invalid_json"),
    ("empty value", b"", "invalid_json"),
    ("two objects", encoded(visit(2)) + encoded(visit(3)), "invalid_json"),
    ("invalid UTF-8", b"\xff\xfe{", "invalid_json"),
    ("a number", b"42", "invalid_json"),
    ("null", b"null", "not_an_object"),
    ("error", encoded({"result": "error", "message": "token_auth is wrong"}), "matomo_error"),
    ("tombstone", None, "tombstone"),
    ("no known shape", encoded({"hello": "world", "idSite": 900}), "unknown_type"),
    ("a site that is no number", encoded({**VISIT, "idSite": "one"}), "wrong_type"),
    ("visit id is text", encoded(visit(4) | {"idVisit": "abc"}), "wrong_type"),
    ("no times", encoded(visit(5, lastActionTimestamp="yesterday")), "wrong_type"),
    ("a time beyond all calendars", encoded(visit(5, lastActionTimestamp=2**63 - 1)), "wrong_type"),
    ("times in milliseconds", encoded(visit(5, firstActionTimestamp=1709300000000)), "wrong_type"),
    ("actions are text", encoded(visit(6, actionDetails="none")), "wrong_type"),
    ("goal without id", encoded({"1": {"idsite": 900, "idgoal": None}}), "wrong_type"),
]

GOOD_MESSAGES = [
    encoded(visit(10)),
    encoded([visit(11), visit(12)]),
    b"\n " + encoded(visit(13, firstActionTimestamp="1709300000")) + b"\n",
    encoded(visit(14, actionDetails=[], actions=0)),
    encoded(visit(15, title='with "quotes", \n and \\ and 😀', actionDetails=None, actions=0)),
    b"\n\t" + encoded([visit(16)]),
    encoded(visit(17, actionDetails=[{"type": "action", "url": "x", "timestamp": -(2**63)}])),
    b"\xef\xbb\xbf" + encoded(visit(18)),
    b"[]",
]

LINE = "20230310000000,2023-03-10 00:00:00,2023-03-10 12:00:00,ev_C,C,7,"
BAD_LINES = [
    ("20230310000010,2023-03-10 00:00:10,2023-03-10 12:00:00,ev_C,C", "wrong_field_count"),
    (LINE + ",one,more", "wrong_field_count"),
    (LINE.replace("2023-03-10 00:00:00", "10/03/2023"), "wrong_occurrence_time"),
    (LINE.replace("2023-03-10 00:00:00", "+300000-01-01 00:00:00"), "wrong_occurrence_time"),
    (LINE.replace("2023-03-10 12:00:00", ""), "wrong_arrival_time"),
    (LINE.replace(",C,7,", ",X,7,"), "unknown_equipment_type"),
    (LINE.replace(",C,7,", ",C,seven,"), "wrong_equipment_id"),
    (LINE.replace("ev_C", ""), "no_event_type"),
    ("", "wrong_field_count"),
]


def send_round(number: int, send: Send, *_: object) -> dict[str, list[tuple[int, int]]]:
    """Bad and good messages of both domains, mixed in one batch; returns where each was written."""
    if number > 0:
        return {}
    bad = send("matomo", [(b"900:0", value, None) for _, value, _ in BAD_MESSAGES])
    send("matomo", [(None, value, None) for value in GOOD_MESSAGES])
    broken = send(
        "meter-events",
        [
            (None, encoded({f"broken.csv_row{row}": line}), None)
            for row, (line, _) in enumerate(BAD_LINES)
        ],
    )
    other = send(
        "meter-events",
        [
            (None, b"{", None),
            (b"x", None, None),
            (None, encoded({"good.csv_row1": LINE}), None),
            # Several members, escapes, spaces: all ways in which JSON can contain lines.
            (None, json.dumps({
                "good.csv_row2": LINE.replace("00:00:00", "00:00:10"),
                "good.csv_row3": LINE.replace("00:00:00", "00:00:20") + 'said "hello"',
            }, indent=1).encode(), None),
        ],
    )  # fmt: skip
    return {"matomo": bad, "lines": broken, "other": other}


@pytest.fixture(scope="module")
def coordinates(rounds: Rounds) -> dict[str, list[tuple[int, int]]]:
    found: dict[str, list[tuple[int, int]]] = rounds["test_quarantine"][0]
    return found


@pytest.mark.parametrize("case", range(len(BAD_MESSAGES)), ids=[name for name, *_ in BAD_MESSAGES])
def test_an_unusable_matomo_message_is_kept_with_its_reason_and_coordinates(
    case: int, coordinates: dict[str, list[tuple[int, int]]], sql: Sql
) -> None:
    partition, offset = coordinates["matomo"][case]
    found = sql(
        "select reason from quarantine.matomo_messages where topic = 'matomo' "
        f"and partition = {partition} and offset = {offset}"
    )
    assert [row[0] for row in found] == [BAD_MESSAGES[case][2]]


def test_the_error_of_matomo_is_told(
    coordinates: dict[str, list[tuple[int, int]]], sql: Sql
) -> None:
    found = sql("select detail from quarantine.matomo_messages where detail like 'token_auth%'")
    assert [row[0] for row in found] == ["token_auth is wrong"]


def test_good_visits_of_the_same_batch_are_loaded(
    coordinates: dict[str, list[tuple[int, int]]], sql: Sql
) -> None:
    found = sql(
        "select visit_id, visit_duration_seconds, cast(last_action_at as string) "
        "from lake.matomo_visits where site_id = 900 order by visit_id"
    )
    assert [tuple(row) for row in found] == [
        (number, 61, "2024-03-01 13:34:20") for number in range(10, 19)
    ]
    found = sql("select visit_id from lake.matomo_actions where site_id = 900 order by visit_id")
    assert [row[0] for row in found] == [10, 11, 12, 13, 16, 17, 18]


@pytest.mark.parametrize("case", range(len(BAD_LINES)), ids=[reason for _, reason in BAD_LINES])
def test_an_unusable_line_is_kept_with_its_reason_and_coordinates(
    case: int, coordinates: dict[str, list[tuple[int, int]]], sql: Sql
) -> None:
    partition, offset = coordinates["lines"][case]
    found = sql(
        "select reason, rejected_line from quarantine.meter_messages "
        f"where topic = 'meter-events' and partition = {partition} and offset = {offset}"
    )
    assert [tuple(row) for row in found] == [(BAD_LINES[case][1], BAD_LINES[case][0])]


def test_messages_without_lines_are_kept_too(
    coordinates: dict[str, list[tuple[int, int]]], sql: Sql
) -> None:
    for case, reason in ((0, "invalid_json"), (1, "tombstone")):
        partition, offset = coordinates["other"][case]
        found = sql(
            "select reason from quarantine.meter_messages "
            f"where partition = {partition} and offset = {offset}"
        )
        assert [row[0] for row in found] == [reason]


def test_good_lines_of_the_same_batch_are_loaded(
    coordinates: dict[str, list[tuple[int, int]]], sql: Sql
) -> None:
    found = sql(
        "select cast(occurred_at_local as string), info from lake.meter_events "
        "where occurred_on = '2023-03-10' order by occurred_at_local"
    )
    assert [tuple(row) for row in found] == [
        ("2023-03-10 00:00:00", None),
        ("2023-03-10 00:00:10", None),
        ("2023-03-10 00:00:20", 'said "hello"'),
    ]
