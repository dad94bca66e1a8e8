"""The connections to the configured clusters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress

from loader.settings import Kafka
from loader.sources.kafka import fetching
from loader.sources.kafka.cluster import Cluster
from loader.sources.kafka.reading import Reader
from loader.sources.kafka.topic import Record


class Clusters:
    """One connection per cluster, opened at its first use; ``close`` closes all."""

    def __init__(self, sections: Mapping[str, Kafka]) -> None:
        self.sections = sections
        self._open: dict[str, Cluster] = {}

    def get(self, name: str) -> Cluster:
        """The connection to ``[kafka.<name>]``; raises ``SourceUnavailable``."""
        if name not in self._open:
            self._open[name] = Cluster(name, self.sections[name])
        return self._open[name]

    def reader(self, name: str) -> Reader:
        """A function that reads records of cluster ``name`` one by one."""

        def read(topic: str, partition: int, begin: int, until: int) -> Iterator[Record]:
            yield from fetching.records(self.get(name), topic, partition, begin, until)

        return read

    def drop(self, name: str) -> None:
        """Close the connection to a cluster that failed; the next use opens a new one."""
        with suppress(Exception):
            if name in self._open:
                self._open.pop(name).close()

    def close(self) -> None:
        """Close all connections."""
        for cluster in self._open.values():
            cluster.close()
        self._open = {}
