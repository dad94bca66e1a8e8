"""Send message files and event days to Kafka, once, and remember how far that came."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import click
import kafka  # type: ignore[import-untyped, unused-ignore]
import kafka.errors  # type: ignore[import-untyped, unused-ignore]
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from simulator.errors import SimulatorError
from simulator.messages import compact
from simulator.meters import RESEND

JOURNAL = ".played.json"

# How long to look for a broker, and how long one that was there may be silent.
_CONNECT_SECONDS = 10
_PATIENCE_SECONDS = 30
# Records sent and not yet acknowledged: enough to keep the connection busy, little memory.
_IN_FLIGHT = 20_000
_JOURNAL_EVERY_SECONDS = 1.0


@dataclass(frozen=True)
class Target:
    """A topic of a cluster. `partitions` None: the topic must exist; a number: it is created
    with so many partitions when it does not."""

    bootstrap_servers: str
    topic: str
    partitions: int | None = None


class Record(NamedTuple):
    """A Kafka record as it goes over the wire."""

    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


def play_files(paths: Iterable[Path], target: Target, *, again: bool = False) -> int:
    """Send every file in order and wait until every record is acknowledged; returns how many.

    A folder stands for its event_*.csv (also in `events/`) by name and its *.jsonl, messages.jsonl
    first. The journal beside each file holds how many of its records this very topic (cluster id,
    topic id) has acknowledged, by name and content of the file: those are not sent again unless
    `again`. It is written every second and at the end, Ctrl-C included: only a killed process or a
    broker that fell silent can leave records that the next play repeats, and none is left out.

    Raises SimulatorError when there is nothing to send, a file cannot be read, the cluster does not
    answer, or the topic is not there and not to be created.
    """
    files = [file for path in paths for file in _expand(path)]
    with _plainly(target):
        topic = _find_topic(target)
    jobs = [_Job.of(file, topic, again) for file in files]
    sent = 0
    with _progress() as progress, _Producer(target) as producer:
        task = progress.add_task("", total=sum(job.total - job.done for job in jobs))
        for job in jobs:
            if job.done == job.total:
                click.echo(f"{job.file}: already played, {job.total:,} records in {target.topic}")
                continue
            progress.update(task, description=job.file.name)
            started = time.monotonic()
            _send(producer, target, job, partial(_show, progress, task, sent - job.done))
            sent += job.total - job.done
            rate = (job.total - job.done) / max(time.monotonic() - started, 1e-9)
            already = f" ({job.done:,} were already)" if job.done else ""
            click.echo(
                f"{job.file}: {job.total - job.done:,} records acknowledged by {target.topic}"
                f"{already}, {rate:,.0f}/s"
            )
    if len(jobs) > 1:
        click.echo(f"{sent:,} records of {len(jobs)} files acknowledged, all that were to be sent")
    return sent


def records(path: Path) -> Iterator[Record]:
    """The records of a file, in order.

    A *.jsonl line gives the record it describes. Line N of an event day gives a record without key
    whose value is an object with one member, `<file>_row<N>`: the line as text; the header is row
    0. Rows named in resend.txt beside the file follow once more at its end.

    Raises SimulatorError with file and line when a line does not describe a message.
    """
    if path.suffix == ".jsonl":
        with path.open(encoding="utf-8", newline="\n") as lines:
            for number, line in enumerate(lines, 1):
                yield _message(path, number, line)
        return
    resend = set(_resend(path))
    kept = {}
    with path.open(encoding="utf-8", newline="\n") as lines:
        for row, line in enumerate(lines):
            name = f"{path.name}_row{row}"
            record = Record(None, compact({name: line.rstrip("\n")}).encode(), [])
            if name in resend:
                kept[name] = record
            yield record
    for name in _resend(path):
        if name not in kept:
            raise SimulatorError(f"{path.parent / Path(RESEND).name} names {name}; no such row.")
        yield kept[name]


def _count(path: Path) -> int:
    """How many records the file has; a message file is checked line by line on the way."""
    try:
        if path.suffix == ".jsonl":
            return sum(1 for _ in records(path))
        with path.open(encoding="utf-8", newline="\n") as lines:
            return sum(1 for _ in lines) + len(_resend(path))
    except UnicodeDecodeError as error:
        raise SimulatorError(f"{path} is not UTF-8 text ({error}); save it as UTF-8.") from None


def _resend(path: Path) -> list[str]:
    listed = path.parent / Path(RESEND).name
    if not listed.exists():
        return []
    names = listed.read_text(encoding="utf-8").split()
    return [name for name in names if name.startswith(f"{path.name}_row")]


def _message(path: Path, number: int, line: str) -> Record:
    try:
        entry = json.loads(line)
        key, headers = entry["key"], entry["headers"]
        value = entry["raw"] if "raw" in entry else entry["value"]
        text = value if "raw" in entry else None if value is None else compact(value)
        return Record(
            None if key is None else key.encode(),
            None if text is None else text.encode(),
            [(name, content.encode()) for name, content in headers.items()],
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SimulatorError(
            f"{path}, line {number}: not a message ({error!r}); a line is an object with key, "
            "headers and value or raw."
        ) from None


def _expand(path: Path) -> list[Path]:
    if not path.is_dir():
        if path.suffix not in (".jsonl", ".csv"):
            raise SimulatorError(
                f"{path} is neither a message file (.jsonl) nor an event day (.csv)."
            )
        return [path]
    days = sorted(path.glob("event_*.csv")) or sorted(path.glob("events/event_*.csv"))
    messages = sorted(
        path.glob("*.jsonl"), key=lambda file: (file.name != "messages.jsonl", file.name)
    )
    if not days and not messages:
        raise SimulatorError(f"{path} has neither event_*.csv nor *.jsonl files to play.")
    return days + messages


@dataclass(frozen=True)
class _Topic:
    """What tells a topic from one of the same name elsewhere or before."""

    cluster_id: str
    topic_id: str


class _Journal:
    """How many records of one file one topic has acknowledged, in .played.json beside the file."""

    def __init__(self, file: Path, topic: _Topic) -> None:
        self._path = file.parent / JOURNAL
        digest = hashlib.sha256()
        with file.open("rb") as content:
            while chunk := content.read(1 << 20):
                digest.update(chunk)
        digest.update("".join(_resend(file) if file.suffix == ".csv" else []).encode())
        self._key = "/".join((topic.cluster_id, topic.topic_id, file.name, digest.hexdigest()))

    def acknowledged(self) -> int:
        return int(self._read().get(self._key, 0))

    def _read(self) -> dict[str, int]:
        try:
            entries = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except ValueError:
            entries = None
        if not isinstance(entries, dict):
            raise SimulatorError(
                f"{self._path} is not a journal of play; delete it to play everything again."
            )
        return entries

    def save(self, acknowledged: int) -> None:
        beside = self._path.with_name(JOURNAL + ".part")
        text = json.dumps({**self._read(), self._key: acknowledged}, indent=1, sort_keys=True)
        beside.write_text(text + "\n", encoding="utf-8")
        os.replace(beside, self._path)


@dataclass(frozen=True)
class _Job:
    """A file to send: `done` of its `total` records need not be sent."""

    file: Path
    journal: _Journal
    done: int
    total: int

    @classmethod
    def of(cls, file: Path, topic: _Topic, again: bool) -> _Job:
        journal, total = _Journal(file, topic), _count(file)
        return cls(file, journal, 0 if again else min(journal.acknowledged(), total), total)


def _find_topic(target: Target) -> _Topic:
    admin = kafka.KafkaAdminClient(
        bootstrap_servers=target.bootstrap_servers.split(","),
        bootstrap_timeout_ms=_CONNECT_SECONDS * 1000,
    )
    try:
        cluster = str(admin.describe_cluster()["cluster_id"])
        found = _describe(admin, target.topic)
        if found is None and target.partitions is not None:
            wanted = {target.topic: {"num_partitions": target.partitions}}
            # Somebody else may be faster, which serves as well.
            with contextlib.suppress(kafka.errors.TopicAlreadyExistsError):
                admin.create_topics(wanted, wait_for_metadata=True)
            found = _describe(admin, target.topic)
        if found is None:
            raise SimulatorError(
                f"there is no topic {target.topic} on {target.bootstrap_servers}; "
                "create it with --create-topic."
            )
        return _Topic(cluster, str(found["topic_id"]))
    finally:
        admin.close()


def _describe(admin: Any, name: str) -> dict[str, Any] | None:
    (topic,) = admin.describe_topics([name])
    if topic["error_code"] == kafka.errors.UnknownTopicOrPartitionError.errno:
        return None
    if topic["error_code"]:
        raise kafka.errors.for_code(topic["error_code"])(f"topic {name}")
    found: dict[str, Any] = topic
    return found


class _QuietProducer(kafka.KafkaProducer):  # type: ignore[misc, unused-ignore]
    """kafka-python closes a forgotten producer once more, loudly when the broker is gone."""

    def __del__(self) -> None:
        with suppress(kafka.errors.KafkaError):
            super().__del__()


class _Producer:
    """A producer that connects when it is first needed and ends quietly when the broker is gone."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._client: Any = None

    def __enter__(self) -> _Producer:
        return self

    def send(self, record: Record) -> Any:
        """Hand over a record; returns the future of its acknowledgement."""
        if self._client is None:
            with _plainly(self._target):
                self._client = _QuietProducer(
                    bootstrap_servers=self._target.bootstrap_servers.split(","),
                    bootstrap_timeout_ms=_CONNECT_SECONDS * 1000,
                    acks="all",
                    enable_idempotence=True,
                    delivery_timeout_ms=_PATIENCE_SECONDS * 1000,
                    request_timeout_ms=_PATIENCE_SECONDS * 1000 // 2,
                    max_block_ms=_PATIENCE_SECONDS * 1000,
                    linger_ms=20,
                    batch_size=256 * 1024,
                    max_request_size=8 * 1024 * 1024,
                )
        return self._client.send(
            self._target.topic, value=record.value, key=record.key, headers=record.headers
        )

    def flush(self) -> None:
        """Send what is waiting, and wait for it."""
        if self._client is not None:
            self._client.flush(timeout=_PATIENCE_SECONDS)

    def __exit__(self, *error: object) -> None:
        if self._client is not None:
            # Nothing is left to wait for: either all is acknowledged or the broker is gone.
            with suppress(kafka.errors.KafkaError):
                self._client.close(timeout=1)


def _send(producer: _Producer, target: Target, job: _Job, tell: Callable[[int], None]) -> None:
    """Send the rest of a file, telling now and then how many of its records are acknowledged.

    The journal counts them from the start without a gap: going on after any failure loses nothing.
    """
    acknowledged = job.done
    in_flight: deque[Any] = deque()
    saved = time.monotonic()

    def settle(limit: int) -> None:
        """Take acknowledgements from the front until at most `limit` records are in flight."""
        nonlocal acknowledged
        while in_flight and (len(in_flight) > limit or in_flight[0].is_done):
            in_flight[0].get(timeout=_PATIENCE_SECONDS)
            in_flight.popleft()
            acknowledged += 1

    try:
        try:
            for record in islice(records(job.file), job.done, None):
                in_flight.append(producer.send(record))
                settle(_IN_FLIGHT)
                if time.monotonic() - saved > _JOURNAL_EVERY_SECONDS:
                    saved = time.monotonic()
                    job.journal.save(acknowledged)
                    tell(acknowledged)
        except KeyboardInterrupt:
            # What is on its way may well arrive, and the next play would repeat what it does not
            # know of.
            producer.flush()
            settle(0)
            raise
        producer.flush()
        settle(0)
    except kafka.errors.KafkaError as error:
        raise SimulatorError(
            f"{job.file}: {target.bootstrap_servers} acknowledged {acknowledged:,} of "
            f"{job.total:,} records, then no more ({_reason(error)}); play again to go on."
        ) from None
    finally:
        job.journal.save(acknowledged)
        tell(acknowledged)


def _show(progress: Progress, task: TaskID, before: int, acknowledged: int) -> None:
    progress.update(task, completed=before + acknowledged)


@contextmanager
def _plainly(target: Target) -> Iterator[None]:
    """Kafka's errors as a sentence."""
    try:
        yield
    except kafka.errors.BrokerResponseError as error:
        raise SimulatorError(
            f"Kafka at {target.bootstrap_servers} refused for topic {target.topic}: "
            f"{_reason(error)}."
        ) from None
    except (kafka.errors.KafkaError, OSError, ValueError) as error:
        raise SimulatorError(
            f"no answer from Kafka at {target.bootstrap_servers} ({_reason(error)}); "
            "is the broker running, and is the address right?"
        ) from None


def _reason(error: BaseException) -> str:
    return str(error) or type(error).__name__


class _RateColumn(ProgressColumn):
    """Records a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f}/s" if speed else "")


def _progress() -> Progress:
    """A bar with rate and time left on a terminal, nothing elsewhere."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,}/{task.total:,}"),
        _RateColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not sys.stderr.isatty(),
    )
