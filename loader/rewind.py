"""Commands that change positions: replay, adopt, accept and withdraw.

``replay``, ``adopt`` and ``accept`` are ledger batches of their own kind, planned and closed like
every batch. So they are fenced, survive a kill and remain as evidence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from loader import verify
from loader.batch import (
    COMMITTED,
    PLANNED,
    Batch,
    Position,
    TopicKey,
    number,
    positions,
    table_accepted,
    withdrawn,
)
from loader.content import ADOPT, Offsets, Range
from loader.errors import Command, ConfigurationError, DataLoss, LoaderError
from loader.lake import tables
from loader.lake.ledger import fenced_by
from loader.process import is_alive
from loader.round import Loader, Outcome, Told
from loader.sources.base import Noted, Survey
from loader.sources.kafka.losses import Acceptance, accepted, refuse_rewind, spelt
from loader.sources.kafka.offsets import first_offsets, replayed
from loader.sources.kafka.source import Topics
from loader.sources.kafka.topic import TopicState

Where = datetime | str | Mapping[int, int]


def replay(
    loader: Loader, key: TopicKey, start: Where, end: Where | None, told: Told, noted: Noted
) -> Outcome:
    """Land the records of topic ``key`` (cluster, topic) from ``start`` to ``end`` again.

    Both are a time, ``earliest``, or offsets by partition (``end`` is exclusive). The replay ends
    at the committed offset. The rows land in a batch of kind ``replay``; readers that take each
    topic, partition and offset once, as the staging models do, see no record twice. Raises
    ``DataLoss`` if Kafka no longer has the range, ``ConfigurationError`` if it was never loaded.
    """
    survey, topics = _survey(loader, key)
    state, last = topics.found.topics.get(key), topics.found.known(key)
    _raise_errors(survey, key, topics.found.tables[key])
    if state is None or last is None:
        message = f"Topic {key[1]} of [kafka.{key[0]}] was never loaded: nothing to replay."
        raise ConfigurationError(message, topic=key[1])
    _refuse_unfinished(survey.positions[last.table_name])
    first = _offsets(topics, key, state, start)
    if not isinstance(start, Mapping):
        # Only partitions that were loaded. A partition may have no loaded record as late as
        # ``start``; then it has nothing to replay.
        first = {
            partition: min(at, done)
            for partition, at in first.items()
            if (done := last.committed_offset(partition)) is not None
        }
    until = {} if end is None else _offsets(topics, key, state, end)
    batch = replayed(last, state, first, until)
    if not batch.ranges:
        return Outcome([], [])
    return _execute(loader, survey, last.table_name, [batch], told, noted)


def adopt(
    loader: Loader, cluster: str, group: str, names: Sequence[str], told: Told, noted: Noted
) -> Outcome:
    """Let topics begin at the offsets that consumer group ``group`` committed.

    ``names`` are the topics; if empty, all that were never loaded. A partition without an offset of
    the group begins where the configuration says. Raises ``ConfigurationError`` for a topic that
    was loaded before, or for which the group has no offsets.
    """
    topics, survey = loader.kind(Topics), loader.survey(only=(Topics, cluster))
    found = topics.found
    if cluster not in found.reached:
        raise survey.errors[0]
    keys = [(cluster, name) for name in names] or [
        key for key in found.topics if found.known(key) is None
    ]
    batches: dict[str, list[Batch]] = {}
    for key in keys:
        batch = _adopted(topics, survey, key, group, is_named=bool(names))
        if batch is not None:
            batches.setdefault(batch.table_name, []).append(batch)
    if not batches:
        for table in found.tables.values():
            _refuse_unfinished(survey.positions[table])
        message = f"Consumer group {group} has no offsets of a topic that was never loaded."
        raise ConfigurationError(message, group=group)
    outcome = Outcome([], [])
    for table, of_table in batches.items():
        _refuse_unfinished(survey.positions[table])
        done = _execute(loader, survey, table, of_table, told, noted)
        outcome = Outcome([*outcome.batches, *done.batches], [*outcome.errors, *done.errors])
    return outcome


def _adopted(
    topics: Topics, survey: Survey, key: TopicKey, group: str, *, is_named: bool
) -> Batch | None:
    """The ``adopt`` batch of the topic ``key``. None if the group has no offsets of a topic that
    was not named.
    """
    found, (cluster, topic) = topics.found, key
    state = found.topics.get(key)
    if key in found.unreadable:
        raise found.unreadable[key]
    if state is None:
        message = f"Topic {topic} does not exist, or is not in loader.toml."
        raise ConfigurationError(message, topic=topic)
    if found.known(key) is not None:
        _refuse_unfinished(survey.positions[found.tables[key]])
        message = (
            f"Topic {topic} was loaded before; only a topic that was never loaded can begin "
            "where a group stopped. To land records again, use replay."
        )
        raise ConfigurationError(message, topic=topic)
    offsets = topics.clusters.get(cluster).group_offsets(group, state)
    if not offsets:
        if not is_named:
            return None
        message = f"Consumer group {group} has no offsets of topic {topic}."
        raise ConfigurationError(message, topic=topic, group=group)
    for partition, offset in offsets.items():
        if offset > state.end[partition]:
            message = (
                f"Consumer group {group} is at offset {offset} of topic {topic} partition "
                f"{partition}, which ends at {state.end[partition]}: these offsets belong to "
                "another topic."
            )
            raise ConfigurationError(message, topic=topic, group=group)
    begin = {**state.begin, **found.starts.get(key, {}), **offsets}
    ranges = tuple(Range(each, at, at) for each, at in sorted(begin.items()))
    content = Offsets(topic, state.topic_id, ranges)
    return Batch(found.tables[key], 0, f"kafka.{cluster}", content, kind=ADOPT)


def accept(loader: Loader, key: TopicKey, what: Acceptance, told: Told, noted: Noted) -> Outcome:
    """Let the topic ``key`` (cluster, topic) continue without ``what``; the ledger keeps the gap.

    Raises ``ConfigurationError`` if ``what`` is not lost, ``Fenced`` if another loader is at work
    on the topic's batch.
    """
    survey, topics = _survey(loader, key)
    found = topics.found
    state, unfinished = found.topics.get(key), survey.positions[found.tables[key]].unfinished
    # An unfinished replay can lose records too, although it is not the topic's position.
    last = next((row for row in unfinished if row.topic == key[1]), found.known(key))
    if last is None:
        message = f"Topic {key[1]} was never loaded: nothing of it can be lost."
        raise ConfigurationError(message, topic=key[1])
    what = spelt(last, state, what)
    row = accepted(last, state, what)
    if last.state == COMMITTED and state is not None:
        for partition, offset in what.rewind.items():
            at = verify.rewound_at(topics, key, last, state, partition, offset)
            if at != offset:
                refuse_rewind(last, partition, offset, at)
    if last.state == PLANNED:
        if last.owner != loader.ledger.owner and is_alive(last.owner):
            raise fenced_by(last, last.owner)
        if tables.holds(loader.spark, last):
            _refuse_unfinished(survey.positions[last.table_name])
        loader.ledger.amend(row)
        return Outcome([row], [])
    _refuse_unfinished(survey.positions[last.table_name])
    return _execute(loader, survey, last.table_name, [row], told, noted)


def accept_table(
    loader: Loader, table: str, lost: tuple[int, int], told: Told, noted: Noted
) -> Outcome:
    """Let every source of ``table`` continue although the table lost the batches ``lost`` (first,
    last).

    Raises ``ConfigurationError`` if the table holds them, or lost others.
    """
    survey = loader.survey()
    position = positions(survey.rows, [table])[table]
    if not position.newest:
        message = f"The ledger has no batch of {table}: nothing of it can be lost."
        raise ConfigurationError(message, table=table)
    if table not in tables.existing_tables(loader.spark, [table]):
        newest_row = max(position.newest.values(), key=lambda row: row.batch_id)
        loader.kind_of(newest_row).make_table(loader.spark, table)
    table_id, newest = tables.table_state(loader.spark, table)
    made_anew = bool(position.table_ids - {table_id})
    first = 1 if made_anew else newest + 1
    whole = not made_anew and newest >= position.last_batch_with_data
    if whole and not position.unfinished:
        message = f"Table {table} holds every batch that the ledger knows; nothing was changed."
        raise ConfigurationError(message, table=table)
    if lost != (first, position.last_batch_id):
        message = (
            f"Table {table} has lost the batches {first} to {position.last_batch_id}, not "
            f"{lost[0]} to {lost[1]}; nothing was changed."
        )
        raise ConfigurationError(message, table=table)
    if position.unfinished:
        marked = not made_anew and tables.was_written(loader.spark, position.unfinished[0])
        if whole and not marked:
            _refuse_unfinished(position)
        rows = [
            table_accepted(row, lost, table_id, is_marked=marked) for row in position.unfinished
        ]
        for row in rows:
            if row.owner != loader.ledger.owner and is_alive(row.owner):
                raise fenced_by(row, row.owner)
            loader.ledger.amend(row)
        return Outcome(rows, [])
    rows = [
        table_accepted(row, lost, table_id)
        for row in _feeds(loader, position)
        if row.section in loader.kind_of(row).sections
    ]
    if not rows:
        message = (
            f"No source of {table} is both configured in loader.toml and reachable; put its "
            "section back, or start its server, and try this again."
        )
        raise ConfigurationError(message, table=table)
    ours, fenced = loader.ledger.propose(number(position, table_id, rows))
    errors: list[LoaderError] = [*fenced]
    return Outcome(loader.land(survey, ours, told, noted, errors), errors)


def withdraw(loader: Loader, table: str, batch_id: int, reason: str) -> tuple[list[Batch], bool]:
    """Cancel the unfinished batch ``batch_id`` of ``table`` for ``reason``; its source is not
    needed.

    If the rows of the batch are in the table, the batch is closed instead. Returns the closed
    ledger rows, and whether they were withdrawn. Raises ``ConfigurationError`` if there is no such
    batch.
    """
    current = loader.ledger.current()
    rows = [
        row
        for row in current
        if (row.table_name, row.batch_id, row.state) == (table, batch_id, PLANNED)
    ]
    if not rows:
        message = f"The ledger has no unfinished batch {batch_id} of {table}; nothing was changed."
        raise ConfigurationError(message, table=table, batch_id=batch_id)
    for row in rows:
        if row.owner != loader.ledger.owner and is_alive(row.owner):
            raise fenced_by(row, row.owner)
    held = False
    spark, first = loader.spark, rows[0]
    if table in tables.existing_tables(spark, [table], make_schemas=False):
        if not tables.holds(spark, first):
            tables.mark(spark, first)
        held = tables.holds(spark, first)
    if held:
        closing = loader.kind_of(first).count(rows)
    else:
        closing = [withdrawn(row, reason) for row in rows]
        for row in closing:
            loader.ledger.amend(row)
    closed, fenced = loader.ledger.close(closing, current)
    if fenced:
        raise fenced[0]
    return closed, not held


def _feeds(loader: Loader, position: Position) -> list[Batch]:
    """The newest row of each topic of a table, or of its other source, under the source's present
    name.
    """
    newest = {
        row.topic: loader.kind_of(row).as_found(row)
        for row in sorted(position.newest.values(), key=lambda row: row.batch_id)
    }
    return list(newest.values())


def _survey(loader: Loader, key: TopicKey) -> tuple[Survey, Topics]:
    """A survey of the cluster of ``key``; raises the error that keeps the topic from being read."""
    cluster, topic = key
    if cluster not in loader.settings.kafka:
        message = f"loader.toml has no section [kafka.{cluster}]."
        raise ConfigurationError(message, cluster=cluster)
    topics, survey = loader.kind(Topics), loader.survey(only=(Topics, cluster))
    if cluster not in topics.found.reached:
        raise survey.errors[0]
    if key not in topics.found.entries:
        message = f"Topic {topic} is not in [kafka.{cluster}] of loader.toml."
        raise ConfigurationError(message, topic=topic)
    if key in topics.found.unreadable:
        raise topics.found.unreadable[key]
    return survey, topics


def _raise_errors(survey: Survey, key: TopicKey, table: str) -> None:
    """Raise an error of the topic or its table, as a load would."""
    for error in survey.errors:
        if error.topic == key[1] or error.table == table:
            if isinstance(error, DataLoss) and error.earliest is not None:
                continue  # retention beyond the position does not affect a replay
            raise error


def _refuse_unfinished(position: Position) -> None:
    for batch in position.unfinished:
        if is_alive(batch.owner):
            raise fenced_by(batch, batch.owner)
        remedy = Command("run")
        message = (
            f"Batch {batch.batch_id} of {batch.table_name} is unfinished; {remedy} finishes it. "
            "Then try this again."
        )
        table, batch_id = batch.table_name, batch.batch_id
        raise ConfigurationError(message, remedy=remedy, table=table, batch_id=batch_id)


def _offsets(topics: Topics, key: TopicKey, state: TopicState, where: Where) -> dict[int, int]:
    if isinstance(where, datetime):
        return topics.clusters.get(key[0]).offsets_at(state, where)
    if isinstance(where, Mapping):
        for partition in where:
            if partition not in state.begin:
                first_offsets(state, {partition: 0})  # raises the error
        return dict(where)
    return dict(state.begin if where == "earliest" else state.end)


def _execute(
    loader: Loader, survey: Survey, table: str, batches: Sequence[Batch], told: Told, noted: Noted
) -> Outcome:
    position = survey.positions[table]
    survey.batches = number(position, loader.table_id(table, position), batches)
    errors: list[LoaderError] = []
    ours = loader.planned(survey, noted, errors)
    return Outcome(loader.land(survey, ours, told, noted, errors), errors)
