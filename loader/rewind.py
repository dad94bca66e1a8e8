"""What a person tells the loader about positions: land again, begin elsewhere, go on without.

Each command is a batch of its own in the ledger, planned and closed as every other, so it is
fenced, survives a kill, and stays as evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from loader import imports, land, verify
from loader.errors import ConfigurationError, DataLoss, LoaderError
from loader.kafka import TopicState
from loader.ledger import fenced_by, positions
from loader.plan import (
    ADOPT,
    COMMITTED,
    PLANNED,
    Acceptance,
    Batch,
    Position,
    Range,
    accepted,
    first_offsets,
    number,
    refuse_rewind,
    replayed,
    spelt,
    table_accepted,
    withdrawn,
)
from loader.process import is_alive
from loader.run import Key, Landed, Loader, Outcome, Survey
from loader.settings import Kafka

Told = Callable[[Landed], None]
Noted = Callable[[str], None]
Where = datetime | str | Mapping[int, int]


def replay(
    loader: Loader, key: Key, start: Where, end: Where | None, told: Told, noted: Noted
) -> Outcome:
    """Land what ``key`` (cluster, topic) holds from ``start`` to ``end`` once more, up to what was
    loaded: a time, ``earliest``, or offsets by partition (``end`` exclusive).

    The rows come in a batch of kind ``replay``. Readers that take each topic, partition and offset
    once, as the staging models do, see no record twice. Raises ``DataLoss`` when Kafka does not
    hold the range any more, ``ConfigurationError`` when it was never loaded.
    """
    survey = _survey(loader, key)
    state, last = survey.topics.get(key), survey.known(key)
    _raise_errors(survey, key)
    if state is None or last is None:
        message = f"Topic {key[1]} of [kafka.{key[0]}] was never loaded: nothing to replay."
        raise ConfigurationError(message, topic=key[1])
    _refuse_unfinished(survey.positions[last.table_name])
    first = _offsets(loader, key, state, start)
    if not isinstance(start, Mapping):
        # Of the partitions that were loaded; one may have nothing of so late a time that is.
        first = {
            partition: min(at, done)
            for partition, at in first.items()
            if (done := last.committed_offset(partition)) is not None
        }
    until = {} if end is None else _offsets(loader, key, state, end)
    batch = replayed(last, state, first, until)
    if not batch.ranges:
        return Outcome([], [])
    return _execute(loader, survey, last.table_name, [batch], told, noted)


def adopt(
    loader: Loader, cluster: str, group: str, topics: Sequence[str], told: Told, noted: Noted
) -> Outcome:
    """Let ``topics`` (all that were never loaded, when empty) begin where consumer group ``group``
    stopped. A partition that the group never committed begins where the configuration says.

    Raises ``ConfigurationError`` for a topic that was loaded before or is unknown to the group.
    """
    survey = loader.survey(cluster=cluster)
    if cluster not in survey.reached:
        raise survey.errors[0]
    keys = [(cluster, topic) for topic in topics] or [
        key for key in survey.topics if survey.known(key) is None
    ]
    batches: dict[str, list[Batch]] = {}
    for key in keys:
        state = survey.topics.get(key)
        if key in survey.unreadable:
            raise survey.unreadable[key]
        if state is None:
            message = f"Topic {key[1]} does not exist, or is not in loader.toml."
            raise ConfigurationError(message, topic=key[1])
        if survey.known(key) is not None:
            _refuse_unfinished(survey.positions[survey.tables[key]])
            message = (
                f"Topic {key[1]} was loaded before; only a topic that was never loaded can begin "
                "where a group stopped. To land records again, use replay."
            )
            raise ConfigurationError(message, topic=key[1])
        offsets = loader.cluster(cluster).group_offsets(group, state)
        if not offsets:
            if not topics:
                continue
            message = f"Consumer group {group} has no offsets of topic {key[1]}."
            raise ConfigurationError(message, topic=key[1], group=group)
        for partition, offset in offsets.items():
            if offset > state.end[partition]:
                message = (
                    f"Consumer group {group} is at offset {offset} of topic {key[1]} partition "
                    f"{partition}, which ends at {state.end[partition]}: another topic's."
                )
                raise ConfigurationError(message, topic=key[1], group=group)
        begin = {**state.begin, **survey.starts.get(key, {}), **offsets}
        batch = Batch(
            table_name=survey.tables[key],
            batch_id=0,
            source=f"kafka.{cluster}",
            topic=key[1],
            topic_id=state.topic_id,
            table_id="",
            ranges=tuple(Range(each, at, at) for each, at in sorted(begin.items())),
            kind=ADOPT,
        )
        batches.setdefault(batch.table_name, []).append(batch)
    if not batches:
        for table in survey.tables.values():
            _refuse_unfinished(survey.positions[table])
        message = f"Consumer group {group} has no offsets of a topic that was never loaded."
        raise ConfigurationError(message, group=group)
    outcome = Outcome([], [])
    for table, of_table in batches.items():
        _refuse_unfinished(survey.positions[table])
        done = _execute(loader, survey, table, of_table, told, noted)
        outcome = Outcome([*outcome.batches, *done.batches], [*outcome.errors, *done.errors])
    return outcome


def accept(loader: Loader, key: Key, what: Acceptance, told: Told, noted: Noted) -> Outcome:
    """Let the topic ``key`` (cluster, topic) go on without what is lost; the gap stays in the
    ledger. Raises ``ConfigurationError`` where that is not lost.
    """
    survey = _survey(loader, key)
    unfinished = survey.positions[survey.tables[key]].unfinished
    # An unfinished replay is the topic's, too, although it says nothing of where it stands.
    last = next((row for row in unfinished if row.topic == key[1]), survey.known(key))
    if last is None:
        message = f"Topic {key[1]} was never loaded: nothing of it can be lost."
        raise ConfigurationError(message, topic=key[1])
    what = spelt(last, survey.topics.get(key), what)
    row = accepted(last, survey.topics.get(key), what)
    if last.state == COMMITTED:
        for partition, offset in what.rewind.items():
            at = verify.rewound_at(loader, key, last, survey.topics[key], partition, offset)
            if at != offset:
                refuse_rewind(last, partition, offset, at)
    if last.state == PLANNED:
        if last.owner != loader.ledger.owner and is_alive(last.owner):
            raise fenced_by(last, last.owner)
        if land.holds(loader.spark, last):
            _refuse_unfinished(survey.positions[last.table_name])
        loader.ledger.amend(row)
        return Outcome([row], [])
    _refuse_unfinished(survey.positions[last.table_name])
    return _execute(loader, survey, last.table_name, [row], told, noted)


def accept_table(
    loader: Loader, table: str, lost: tuple[int, int], told: Told, noted: Noted
) -> Outcome:
    """Let everything that feeds ``table`` go on although its batches ``lost`` (first, last) are
    not in it any more. Raises ``ConfigurationError`` where they are.
    """
    survey = loader.survey()
    position = positions(survey.rows, [table])[table]
    if not position.newest:
        message = f"The ledger has no batch of {table}: nothing of it can be lost."
        raise ConfigurationError(message, table=table)
    if table not in land.existing_tables(loader.spark, [table]):
        is_topic = any(batch.topic for batch in position.newest.values())
        make = land.create_topic_table if is_topic else land.create_file_table
        if any(batch.source.startswith("jdbc.") for batch in position.newest.values()):
            make = imports.create_table
        make(loader.spark, table)
    table_id, newest = land.table_state(loader.spark, table)
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
        marked = not made_anew and land.was_written(loader.spark, position.unfinished[0])
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
        for row in _feeds(survey, table, position)
        if row.section in getattr(loader.settings, row.source.split(".")[0])
    ]
    if not rows:
        message = (
            f"Nothing that loader.toml has and that answers feeds {table}; put its section back, "
            "or start its server, and try this again."
        )
        raise ConfigurationError(message, table=table)
    ours, fenced = loader.ledger.propose(number(position, table_id, rows))
    errors: list[LoaderError] = [*fenced]
    return Outcome(loader.land(survey, ours, told, noted, errors), errors)


def withdraw(loader: Loader, table: str, batch_id: int, reason: str) -> tuple[list[Batch], bool]:
    """Take back the unfinished batch ``batch_id`` of ``table``, whatever has become of its source;
    one whose rows are in the table is closed instead. Its closed rows, and whether it was taken
    back. Raises ``ConfigurationError`` where there is no such batch.
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
    held = 0
    spark, first = loader.spark, rows[0]
    if table in land.existing_tables(spark, [table], make_schemas=False):
        if not land.holds(spark, first):
            land.mark(spark, first)
        held = spark.table(table).where(f"batch_id = {batch_id}").count()
    if held and first.topic is not None:
        # What is there is counted; nothing is read from the cluster.
        closing = land.land_topics(spark, Kafka(), rows, 0.0)
    elif held:
        size = sum(file.size for file in first.files)
        closing = [replace(first, records=held, bytes=size)]
    else:
        closing = [withdrawn(row, reason) for row in rows]
        for row in closing:
            loader.ledger.amend(row)
    closed, fenced = loader.ledger.close(closing, current)
    if fenced:
        raise fenced[0]
    return closed, not held


def _feeds(survey: Survey, table: str, position: Position) -> list[Batch]:
    """The newest row of each topic of ``table``, or of what else feeds it, under its source's name
    of today: the rows from before a section was renamed are of the same.
    """
    today = {
        state.topic_id: f"kafka.{key[0]}"
        for key, state in survey.topics.items()
        if survey.tables[key] == table
    }
    newest = {
        row.topic: replace(row, source=today.get(row.topic_id or "", row.source))
        for row in sorted(position.newest.values(), key=lambda row: row.batch_id)
    }
    return list(newest.values())


def _survey(loader: Loader, key: Key) -> Survey:
    if key[0] not in loader.settings.kafka:
        message = f"loader.toml has no section [kafka.{key[0]}]."
        raise ConfigurationError(message, cluster=key[0])
    survey = loader.survey(cluster=key[0])
    if key[0] not in survey.reached:
        raise survey.errors[0]
    if key not in survey.entries:
        message = f"Topic {key[1]} is not in [kafka.{key[0]}] of loader.toml."
        raise ConfigurationError(message, topic=key[1])
    if key in survey.unreadable:
        raise survey.unreadable[key]
    return survey


def _raise_errors(survey: Survey, key: Key) -> None:
    """What is wrong with the topic or its table stops a replay as it stops a load."""
    for error in survey.errors:
        if error.facts.get("topic") == key[1] or error.facts.get("table") == survey.tables[key]:
            if isinstance(error, DataLoss) and "earliest" in error.facts:
                continue  # what is lost further on does not matter here
            raise error


def _refuse_unfinished(position: Position) -> None:
    for batch in position.unfinished:
        if is_alive(batch.owner):
            raise fenced_by(batch, batch.owner)
        message = (
            f"Batch {batch.batch_id} of {batch.table_name} is unfinished; `python -m loader run` "
            "finishes it. Then try this again."
        )
        raise ConfigurationError(message, table=batch.table_name, batch_id=batch.batch_id)


def _offsets(loader: Loader, key: Key, state: TopicState, where: Where) -> dict[int, int]:
    if isinstance(where, datetime):
        return loader.cluster(key[0]).offsets_at(state, where)
    if isinstance(where, Mapping):
        for partition in where:
            if partition not in state.begin:
                first_offsets(state, {partition: 0})  # says so
        return dict(where)
    return dict(state.begin if where == "earliest" else state.end)


def _execute(
    loader: Loader, survey: Survey, table: str, batches: Sequence[Batch], told: Told, noted: Noted
) -> Outcome:
    position = survey.positions[table]
    survey.batches = number(position, loader.table_id(table, position), batches)
    errors: list[LoaderError] = []
    ours = loader.planned(survey, errors)
    return Outcome(loader.land(survey, ours, told, noted, errors), errors)
