"""OpenMetrics output for monitoring."""

from __future__ import annotations

import os
from pathlib import Path

from loader.round import Outcome


class Metrics:
    """Writes OpenMetrics text to ``file`` after every round.

    Counters start at zero with this process; lag and errors are those of the last round.
    """

    def __init__(self, file: Path) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge

        self._file = file
        self._registry = CollectorRegistry()
        labels = ("table", "topic")

        def gauge(name: str, text: str, *names: str) -> Gauge:
            return Gauge(f"lacustre_loader_{name}", text, names, registry=self._registry)

        def counter(name: str, text: str) -> Counter:
            return Counter(f"lacustre_loader_{name}", text, labels, registry=self._registry)

        self._records = counter("records", "Rows landed in raw tables")
        self._bytes = counter("bytes", "Bytes of keys and values landed in raw tables")
        self._batches = counter("batches", "Batches closed in the ledger")
        self._lag = gauge("lag_records", "Offsets not loaded yet", "cluster", "topic", "partition")
        self._errors = gauge("errors", "Errors of the last round by kind", "kind")
        self._round = gauge("last_round_timestamp_seconds", "When the last round ended")
        self._good = gauge(
            "last_success_timestamp_seconds", "When the last round without an error ended"
        )

    def ended(self, outcome: Outcome) -> None:
        """Update the metrics with ``outcome``, the result of a round, and replace the file."""
        for batch in outcome.batches:
            labels = (batch.table_name, batch.topic or "")
            self._records.labels(*labels).inc(batch.records or 0)
            self._bytes.labels(*labels).inc(batch.bytes or 0)
            self._batches.labels(*labels).inc()
        self._lag.clear()  # the lag of a deleted or unreadable topic is unknown
        for (cluster, topic), partitions in outcome.lag.items():
            for partition, lag in partitions.items():
                self._lag.labels(cluster, topic, str(partition)).set(lag)
        self._errors.clear()
        for error in outcome.errors:
            self._errors.labels(type(error).__name__).inc()
        self._round.set_to_current_time()
        if not outcome.errors:
            self._good.set_to_current_time()
        from prometheus_client.openmetrics.exposition import generate_latest

        # Replace the file atomically, so that a reader never finds half of it.
        part = self._file.with_name(f".{self._file.name}.{os.getpid()}")
        part.write_bytes(generate_latest(self._registry))  # type: ignore[no-untyped-call]
        part.replace(self._file)
