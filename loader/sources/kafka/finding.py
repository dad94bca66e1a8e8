"""The survey of the clusters: topics, their raw tables, and where new topics begin."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from loader.errors import ConfigurationError, SourceUnavailable
from loader.lake.spark_errors import as_ours
from loader.settings import Topic
from loader.sources.base import Kind, Survey
from loader.sources.kafka.cluster import Cluster
from loader.sources.kafka.clusters import Clusters
from loader.sources.kafka.found import Found
from loader.sources.kafka.offsets import first_offsets
from loader.sources.kafka.topic import TopicState


def look(kind: Kind, clusters: Clusters, name: str, found: Found, survey: Survey) -> None:
    """Add the configured topics of cluster ``name`` to ``found``, and the tables that ``kind``
    feeds from them to ``survey``.
    """
    config = clusters.sections[name]
    if not config.topics:
        return
    source = f"kafka.{name}"
    # A topic that only a pattern matched must be reported when it is deleted, so look for it too.
    known = {row.topic for row in survey.rows if row.source == source and row.topic}
    try:
        cluster = clusters.get(name)
        listed = cluster.names() if any(entry.pattern for entry in config.topics) else []
        names = {entry.topic for entry in config.topics if entry.topic} | known | set(listed)
        for topic in sorted(names):
            # An entry that names the topic has priority over patterns; of these the first match
            # counts.
            entries = sorted(config.topics, key=lambda entry: entry.topic is None)
            entry = next((each for each in entries if each.matches(topic)), None)
            if entry is not None:
                _claim(kind, name, topic, entry, found, survey)
        asked = [topic for cluster_name, topic in found.entries if cluster_name == name]
        states, unreadable = cluster.topics(asked)
        survey.errors += unreadable.values()
        found.unreadable |= {(name, topic): error for topic, error in unreadable.items()}
        found.topics |= {(name, topic): state for topic, state in states.items()}
        _begin(cluster, states, found, survey)
    except Exception as error:
        # No error of one cluster may stop the others.
        problem = as_ours(error, f"[kafka.{name}] gave an unusable answer", cluster=name)
        if isinstance(problem, SourceUnavailable):
            clusters.drop(name)  # the next round opens a new connection
        survey.errors.append(problem)
        return
    for entry in config.topics:
        if not any(entry.matches(topic) for topic in (*states, *unreadable)):
            what = f"topic {entry.topic}" if entry.topic else f"a topic like {entry.pattern}"
            survey.notes.append(f"{what} of [kafka.{name}] does not exist yet")
    found.reached.add(name)


def _claim(kind: Kind, name: str, topic: str, entry: Topic, found: Found, survey: Survey) -> None:
    """Register ``topic`` as a source of its ``entry``'s table, unless another cluster feeds that
    table.
    """
    table = entry.table_of(topic)
    others = {key[0] for key, each in found.tables.items() if each == table} - {name}
    if others or table == kind.ledger.name:
        feeders = ", ".join(f"[kafka.{each}]" for each in sorted(others))
        owner = f"which {feeders} already feeds" if others else "the table of the ledger"
        message = (
            f"[kafka.{name}] would load topic {topic} into {table}, {owner}; name another table."
        )
        survey.errors.append(ConfigurationError(message, topic=topic, table=table))
        return
    found.entries[name, topic] = entry
    found.tables[name, topic] = table
    survey.feed(table, kind)


def _begin(
    cluster: Cluster, states: Mapping[str, TopicState], found: Found, survey: Survey
) -> None:
    """Add to ``found`` the first offsets of new topics, and the record sizes."""
    unknown = []
    for topic, state in states.items():
        key = (cluster.name, topic)
        last = found.last(key)
        if last is not None and last.records and last.bytes:
            found.sizes[key] = last.bytes / last.records
        else:
            unknown.append(state)
        if last is not None:
            continue  # only a new topic may begin elsewhere than at its first offset
        start = found.entries[key].start
        try:
            if isinstance(start, datetime):
                found.starts[key] = cluster.offsets_at(state, start)
            elif isinstance(start, dict):
                found.starts[key] = first_offsets(state, start)
            elif start == "latest":
                found.starts[key] = dict(state.end)
        except Exception as error:
            what = f"Topic {topic} of [kafka.{cluster.name}] gave an unusable answer"
            survey.errors.append(as_ours(error, what, topic=topic))
            del found.topics[key]
    if unknown:
        sizes = cluster.mean_sizes(unknown)
        found.sizes |= {(cluster.name, topic): size for topic, size in sizes.items()}
