"""Converts the files of a data set to Kafka records, in the order and shape in
which they are sent.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from simulator.errors import SimulatorError
from simulator.messages import compact
from simulator.meters import HEADER
from simulator.streams import Stream

Format = Literal["prototype", "object"]
Key = Literal["as-is", "none", "equipment", "file"]
FORMATS: tuple[Format, ...] = get_args(Format)
KEYS: tuple[Key, ...] = get_args(Key)

# Number of records by which a record may be late if the order is disturbed.
_WINDOW = 1000
_NAMES = HEADER.split(",")


class Record(NamedTuple):
    """A Kafka record as it is sent; `at` is its time at the source in seconds since 1970 (meter
    times are read as UTC), None if the file has no time.
    """

    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]
    at: float | None = None


@dataclass(frozen=True)
class Shape:
    """The form of records and how their order is disturbed; the same shape gives the same records.

    `format` makes event days either the prototype's object with one member `<file>_row<N>`, header
    included, or an object per event with a member per column. `key` "as-is" is the key in a message
    file, none for the prototype's format, and the equipment (`C:17`) for objects. `headers` are
    added to each record, `keep_headers` keeps those of message files. A share `disorder` of the
    records is up to 1,000 records late, a share `resends` is sent again within as many; `jitter`
    delays each record by up to that number of seconds of its own time.
    """

    format: Format = "prototype"
    key: Key = "as-is"
    headers: tuple[tuple[str, str], ...] = ()
    keep_headers: bool = True
    disorder: float = 0.0
    resends: float = 0.0
    jitter: float = 0.0
    seed: int = 7
    timed: bool = field(default=False, compare=False)


def records(path: Path, shape: Shape | None = None) -> Iterator[Record]:
    """The records of a file, in order.

    A *.jsonl line gives the record that it describes. Line N of an event day gives a record in
    `Shape.format`; the header is row 0. Rows listed in event_YYYYMMDD.resend follow again at the
    end. Without `Shape.timed` and jitter, `at` of meter events is None.

    Raises SimulatorError with file and line if a line does not describe a message.
    """
    shape = shape or Shape()
    found = _plain(path, shape)
    if shape.jitter:
        found = _jittered(found, shape, path)
    if shape.disorder or shape.resends:
        found = _disturbed(found, shape, path)
    return found


def count(path: Path, shape: Shape) -> int:
    """The number of records of `records`; checks message files line by line."""
    try:
        if path.suffix == ".jsonl":
            total = sum(1 for _ in _messages(path, shape))
        else:
            with path.open("rb") as content:
                lines = sum(
                    chunk.count(b"\n") for chunk in iter(lambda: content.read(1 << 20), b"")
                )
            total = lines + len(resend(path)) - (shape.format == "object")
    except UnicodeDecodeError as error:
        raise SimulatorError(f"{path} is not UTF-8 text ({error}); save it as UTF-8.") from None
    if shape.resends:
        stream = Stream(shape.seed, f"play.resends {path.name}")
        total += sum(stream.chance(shape.resends) for _ in range(total))
    return total


def resend(path: Path) -> list[int]:
    """The rows of an event day that are sent twice."""
    listed = path.with_suffix(".resend")
    if path.suffix != ".csv" or not listed.exists():
        return []
    try:
        return [int(row) for row in listed.read_text(encoding="utf-8").split()]
    except ValueError as error:
        raise SimulatorError(f"{listed} holds something else than row numbers: {error}.") from None


def _plain(path: Path, shape: Shape) -> Iterator[Record]:
    return _messages(path, shape) if path.suffix == ".jsonl" else _events(path, shape)


def _events(path: Path, shape: Shape) -> Iterator[Record]:
    wanted = set(resend(path))
    kept: dict[int, Record] = {}
    added = [(name, content.encode()) for name, content in shape.headers]
    file_key = path.stem.encode() if shape.key == "file" else None
    by_equipment = shape.key == "equipment" or (shape.key == "as-is" and shape.format == "object")
    timed = shape.timed or shape.jitter > 0
    as_object, name, at = shape.format == "object", path.name, None
    with path.open(encoding="utf-8", newline="\n") as lines:
        for row, text in enumerate(lines):
            line = text.rstrip("\n")
            if as_object:
                if row == 0 and line == HEADER:
                    continue
                value = compact(_object(line))
            # A usual line needs no JSON escapes.
            elif line.isprintable() and '"' not in line and "\\" not in line:
                value = f'{{"{name}_row{row}":"{line}"}}'
            else:
                value = compact({f"{name}_row{row}": line})
            key = file_key
            if by_equipment:
                parts = line.split(",")
                key = f"{parts[4]}:{parts[5]}".encode() if len(parts) > 5 and row else None
            if timed:
                at = _arrival(line) or at
            record = Record(key, value.encode(), added, at)
            if row in wanted:
                kept[row] = record
            yield record
    for row in sorted(wanted):
        if row not in kept:
            listed = path.with_suffix(".resend")
            raise SimulatorError(f"{listed} names row {row}; {path.name} has none.")
        yield kept[row]


def _object(line: str) -> dict[str, Any]:
    parts = line.split(",")
    event: dict[str, Any] = dict(zip(_NAMES, parts, strict=False))
    if event.get("id_equipement", "").isdecimal():
        event["id_equipement"] = int(event["id_equipement"])
    if len(parts) > len(_NAMES):
        event["rest"] = parts[len(_NAMES) :]
    return event


def _arrival(line: str) -> float | None:
    parts = line.split(",")
    try:
        arrived = datetime.strptime(parts[2], "%Y-%m-%d %H:%M:%S")
    except (ValueError, IndexError):
        return None
    return arrived.replace(tzinfo=timezone.utc).timestamp()


def _messages(path: Path, shape: Shape) -> Iterator[Record]:
    added = [(name, content.encode()) for name, content in shape.headers]
    with path.open(encoding="utf-8", newline="\n") as lines:
        for number, line in enumerate(lines, 1):
            record = _message(path, number, line)
            yield record._replace(
                key=path.stem.encode()
                if shape.key == "file"
                else record.key
                if shape.key == "as-is"
                else None,
                headers=(record.headers if shape.keep_headers else []) + added,
            )


def _message(path: Path, number: int, line: str) -> Record:
    try:
        entry = json.loads(line)
        key, headers = entry["key"], entry["headers"]
        value = entry["raw"] if "raw" in entry else entry["value"]
        text = value if "raw" in entry else None if value is None else compact(value)
        at = entry.get("at")
        return Record(
            None if key is None else key.encode(),
            None if text is None else text.encode(),
            [(name, content.encode()) for name, content in headers.items()],
            None if at is None else float(at),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SimulatorError(
            f"{path}, line {number}: not a message ({error!r}); a line is an object with key, "
            "headers and value or raw."
        ) from None


def _jittered(found: Iterable[Record], shape: Shape, path: Path) -> Iterator[Record]:
    """Each record, delayed by up to `jitter` seconds of its own time."""
    stream = Stream(shape.seed, f"play.jitter {path.name}")
    waiting: list[tuple[float, int, Record]] = []
    now = 0.0
    for number, record in enumerate(found):
        at = now if record.at is None else record.at
        now = max(now, at)
        heapq.heappush(waiting, (at + stream.uniform() * shape.jitter, number, record))
        while waiting and waiting[0][0] <= now:
            yield heapq.heappop(waiting)[2]
    while waiting:
        yield heapq.heappop(waiting)[2]


def _disturbed(found: Iterable[Record], shape: Shape, path: Path) -> Iterator[Record]:
    """Some records are some places late, and some are repeated."""
    where = Stream(shape.seed, f"play.disorder {path.name}")
    again = Stream(shape.seed, f"play.resends {path.name}")
    delays = Stream(shape.seed, f"play.delays {path.name}")
    waiting: list[tuple[int, int, Record]] = []
    for number, record in enumerate(found):
        place = number + delays.between(1, _WINDOW) if where.chance(shape.disorder) else number
        heapq.heappush(waiting, (place, 2 * number, record))
        if again.chance(shape.resends):
            later = place + delays.between(1, _WINDOW)
            heapq.heappush(waiting, (later, 2 * number + 1, record))
        while waiting and waiting[0][0] <= number:
            yield heapq.heappop(waiting)[2]
    while waiting:
        yield heapq.heappop(waiting)[2]
