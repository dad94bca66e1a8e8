"""Sends message files and event days to Kafka once, and stores how many records
were acknowledged.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import click
from confluent_kafka import KafkaError, KafkaException, Producer, TopicCollection
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]
from rich.progress import Progress, TaskID

from simulator.errors import SimulatorError
from simulator.progress import progress_bar
from simulator.records import Record, Shape, count, records, resend

JOURNAL = ".played.json"

# Seconds to find a broker, and seconds without an answer after which a broker counts as lost.
CONNECT_SECONDS = 10
_PATIENCE_SECONDS = 30
# Records sent and not yet acknowledged: enough to keep the connection busy with little memory.
_IN_FLIGHT = 100_000
_JOURNAL_EVERY_SECONDS = 1.0
_SERVE_EVERY = 500


@dataclass(frozen=True)
class Target:
    """A topic of a cluster. With `partitions` None it must exist; otherwise it is created with this
    number of partitions if it does not exist.
    """

    bootstrap_servers: str
    topic: str
    partitions: int | None = None


@dataclass(frozen=True)
class Pace:
    """The speed: at most `rate` records per second; with `speed` each record waits for its own
    time, on a clock that runs `speed` times as fast. None means as fast as possible.
    """

    rate: float | None = None
    speed: float | None = None


def play_files(
    paths: Iterable[Path],
    target: Target,
    *,
    shape: Shape | None = None,
    pace: Pace | None = None,
    timestamps: bool = False,
    again: bool = False,
) -> int:
    """Send every file in order and wait until all records are acknowledged; returns their number.

    A folder means its event_*.csv (also in `events/`) by name and its *.jsonl, messages.jsonl
    first. The journal beside each file has the number of records that this very topic (cluster id,
    topic id) has acknowledged, by name and content of the file and by shape. These are not sent
    again unless `again`. The journal is written every second and at the end, also after Ctrl-C:
    only after a killed process or a broker that stopped answering may the next play repeat records,
    and none is ever left out. With `timestamps` Kafka's timestamps are the records' own times.

    Raises SimulatorError if there is nothing to send, a file cannot be read, the cluster does not
    answer, or the topic does not exist and may not be created.
    """
    pace = pace or Pace()
    shape = replace(shape or Shape(), timed=timestamps or pace.speed is not None)
    files = [file for path in paths for file in _expand(path)]
    topic = _find_topic(target)
    journal = _Journal(topic, shape)
    jobs = [_Job.of(file, journal, shape, again) for file in files]
    started = time.monotonic()
    sent = 0
    with progress_bar() as progress:
        task = progress.add_task("", total=sum(job.total - job.done for job in jobs))
        sender = _Sender(target, pace, timestamps, journal)
        for job in jobs:
            if job.done == job.total:
                if len(jobs) < 20:
                    click.echo(
                        f"{job.file}: already played, {job.total:,} records in {target.topic}"
                    )
                continue
            progress.update(task, description=job.file.name)
            begun = time.monotonic()
            sender.send(job, records(job.file, shape), partial(_show, progress, task, sent))
            sent += job.total - job.done
            if len(jobs) < 20:
                already = f" ({job.done:,} were already)" if job.done else ""
                rate = (job.total - job.done) / max(time.monotonic() - begun, 1e-9)
                click.echo(
                    f"{job.file}: {job.total - job.done:,} records acknowledged by {target.topic}"
                    f"{already}, {rate:,.0f}/s"
                )
    if len(jobs) > 1:
        rate = sent / max(time.monotonic() - started, 1e-9)
        click.echo(
            f"{sent:,} records of {len(jobs)} files acknowledged by {target.topic}, all that were "
            f"to be sent, {rate:,.0f}/s"
        )
    return sent


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
    """The identity of a topic: differs for one of the same name in another cluster, or created
    again.
    """

    cluster_id: str
    topic_id: str


class _Journal:
    """The number of records of each file that a topic has acknowledged, in .played.json."""

    def __init__(self, topic: _Topic, shape: Shape) -> None:
        self._topic = topic
        # Records of another shape are other records, so the shape is part of the key.
        given = {name: value for name, value in asdict(shape).items() if name != "timed"}
        self._shape = "" if shape == Shape() else json.dumps(given, sort_keys=True)
        self._folders: dict[Path, dict[str, int]] = {}
        self._saved = time.monotonic()

    def key(self, file: Path) -> str:
        """The key of a file's entry."""
        digest = hashlib.sha256()
        with file.open("rb") as content:
            while chunk := content.read(1 << 20):
                digest.update(chunk)
        digest.update(json.dumps([resend(file), self._shape]).encode())
        topic = self._topic
        return "/".join((topic.cluster_id, topic.topic_id, file.name, digest.hexdigest()))

    def acknowledged(self, file: Path, key: str) -> int:
        """The number of records at the beginning of a file that need not be sent."""
        return self._entries(file.parent).get(key, 0)

    def note(self, file: Path, key: str, acknowledged: int, *, save: bool = False) -> bool:
        """Store a count, and write the journal with `save` or if a second has passed since the last
        write; returns whether it was written.
        """
        self._entries(file.parent)[key] = acknowledged
        if not save and time.monotonic() - self._saved < _JOURNAL_EVERY_SECONDS:
            return False
        self._saved = time.monotonic()
        path = file.parent / JOURNAL
        beside = path.with_name(JOURNAL + ".part")
        text = json.dumps(self._entries(file.parent), indent=1, sort_keys=True)
        beside.write_text(text + "\n", encoding="utf-8")
        os.replace(beside, path)
        return True

    def _entries(self, folder: Path) -> dict[str, int]:
        if folder not in self._folders:
            self._folders[folder] = self._read(folder / JOURNAL)
        return self._folders[folder]

    @staticmethod
    def _read(path: Path) -> dict[str, int]:
        try:
            entries = json.loads(path.read_bytes())
        except FileNotFoundError:
            return {}
        except ValueError:
            entries = None
        if not isinstance(entries, dict):
            raise SimulatorError(
                f"{path} is not a journal of play; delete it to play everything again."
            )
        return entries


@dataclass(frozen=True)
class _Job:
    """A file to send; `done` of its `total` records need not be sent."""

    file: Path
    key: str
    done: int
    total: int

    @classmethod
    def of(cls, file: Path, journal: _Journal, shape: Shape, again: bool) -> _Job:
        key, total = journal.key(file), count(file, shape)
        return cls(file, key, 0 if again else min(journal.acknowledged(file, key), total), total)


def _find_topic(target: Target) -> _Topic:
    # The first request ends at the timeout, so a wrong host name is reported then, too.
    admin = AdminClient({"bootstrap.servers": target.bootstrap_servers, "log_level": 0})
    try:
        described = admin.describe_cluster(request_timeout=CONNECT_SECONDS).result()
        topic_id = _topic_id(admin, target.topic)
        if topic_id is None and target.partitions is not None:
            wanted = NewTopic(target.topic, num_partitions=target.partitions)
            try:
                admin.create_topics([wanted])[target.topic].result()
            except KafkaException as error:
                # Another process may have created the topic at the same time.
                if _code(error) != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise
            deadline = time.monotonic() + CONNECT_SECONDS
            while topic_id is None and time.monotonic() < deadline:
                topic_id = _topic_id(admin, target.topic)
        if topic_id is None:
            raise SimulatorError(
                f"there is no topic {target.topic} on {target.bootstrap_servers}; "
                "create it with --create-topic."
            )
        return _Topic(str(described.cluster_id), topic_id)
    except KafkaException as error:
        if _code(error) in (KafkaError._TIMED_OUT, KafkaError._TRANSPORT, KafkaError._RESOLVE):
            raise SimulatorError(
                f"no answer from Kafka at {target.bootstrap_servers} ({_reason(error)}); "
                "is the broker running, and is the address right?"
            ) from None
        raise SimulatorError(
            f"Kafka at {target.bootstrap_servers} refused for topic {target.topic}: "
            f"{_reason(error)}."
        ) from None


def _topic_id(admin: AdminClient, name: str) -> str | None:
    found = admin.describe_topics(TopicCollection([name]), request_timeout=CONNECT_SECONDS)
    try:
        return str(found[name].result().topic_id)
    except KafkaException as error:
        if _code(error) == KafkaError.UNKNOWN_TOPIC_OR_PART:
            return None
        raise


class _Sender:
    """Sends files one after the other, with one producer and one pace."""

    def __init__(self, target: Target, pace: Pace, timestamps: bool, journal: _Journal) -> None:
        self._target = target
        self._timestamps = timestamps
        self._journal = journal
        self._clock = Clock(pace)
        self._producer = Producer(
            {
                "bootstrap.servers": target.bootstrap_servers,
                "acks": "all",
                "enable.idempotence": True,
                "delivery.timeout.ms": _PATIENCE_SECONDS * 1000,
                "socket.connection.setup.timeout.ms": CONNECT_SECONDS * 1000,
                "linger.ms": 20,
                "message.max.bytes": 8 * 1024 * 1024,
                "queue.buffering.max.messages": _IN_FLIGHT,
                # The default of Java's producers, so that a key stays in its partition.
                "partitioner": "murmur2_random",
                "log_level": 0,
            }
        )

    def send(self, job: _Job, found: Iterator[Record], tell: Callable[[int], None]) -> None:
        """Send the rest of a file; calls `tell` from time to time with the number of newly
        acknowledged records.

        The journal counts the acknowledged records from the beginning of the file without a gap, so
        a play that resumes after any failure loses none.
        """
        acknowledged = _Acknowledged(job.done)
        producer, clock, topic = self._producer, self._clock, self._target.topic

        def serve(seconds: float) -> None:
            producer.poll(seconds)
            if acknowledged.error is not None:
                raise KafkaException(acknowledged.error)
            if self._journal.note(job.file, job.key, acknowledged.count):
                tell(acknowledged.count - job.done)

        try:
            try:
                for number, record in enumerate(islice(found, job.done, None), job.done):
                    clock.wait(record, serve)
                    more: dict[str, Any] = {}
                    if self._timestamps and record.at is not None:
                        more["timestamp"] = int(record.at * 1000)
                    if record.headers:
                        more["headers"] = record.headers
                    while True:
                        try:
                            producer.produce(
                                topic,
                                value=record.value,
                                key=record.key,
                                on_delivery=partial(acknowledged, number),
                                **more,
                            )
                            break
                        except BufferError:
                            serve(0.1)
                    if number % _SERVE_EVERY == 0:
                        serve(0)
            finally:
                # Also after Ctrl-C: records in flight may still arrive. Wait for their
                # acknowledgements, or the next play would repeat them.
                while acknowledged.error is None and len(producer):
                    serve(0.05)
            serve(0)
        except KafkaException as error:
            producer.purge()
            raise SimulatorError(
                f"{job.file}: {self._target.bootstrap_servers} acknowledged "
                f"{acknowledged.count:,} of {job.total:,} records, then no more "
                f"({_reason(error)}); play again to go on."
            ) from None
        finally:
            self._journal.note(job.file, job.key, acknowledged.count, save=True)
            tell(acknowledged.count - job.done)


class _Acknowledged:
    """Counts the acknowledged records of a file from its beginning without a gap.

    Partitions acknowledge in any order; records after a gap wait in a set.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.error: KafkaError | None = None
        self._ahead: set[int] = set()

    def __call__(self, number: int, error: KafkaError | None, _message: object) -> None:
        if error is not None:
            self.error = self.error or error
            return
        if number != self.count:
            self._ahead.add(number)
            return
        self.count += 1
        while self.count in self._ahead:
            self._ahead.remove(self.count)
            self.count += 1


class Clock:
    """Delays records as `Pace` says; `now` returns the seconds of a clock."""

    def __init__(self, pace: Pace, now: Callable[[], float] = time.monotonic) -> None:
        self._pace = pace
        self._now = now
        self._started: float | None = None
        self._first: float | None = None
        self._sent = 0

    def wait(self, record: Record, serve: Callable[[float], None]) -> None:
        """Call `serve` with the seconds to wait until the record may be sent."""
        pace = self._pace
        if pace.rate is None and pace.speed is None:
            return
        if self._started is None:
            self._started = self._now()
        due = self._started
        if pace.rate is not None:
            due = self._started + self._sent / pace.rate
        if pace.speed is not None and record.at is not None:
            if self._first is None:
                self._first = record.at
            due = max(due, self._started + (record.at - self._first) / pace.speed)
        self._sent += 1
        while (left := due - self._now()) > 0:
            serve(min(left, 0.2))


def _show(progress: Progress, task: TaskID, before: int, acknowledged: int) -> None:
    progress.update(task, completed=before + acknowledged)


def _code(error: KafkaException) -> int:
    code: int = error.args[0].code()
    return code


def _reason(error: KafkaException) -> str:
    return str(error.args[0].str())
