"""Output for people and logs: a line per batch, and tables for ``status`` and ``verify``."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Protocol

from pyspark.sql import SparkSession
from pythonjsonlogger.json import JsonFormatter
from rich.console import Console
from rich.table import Table

from loader.batch import Batch, Position, TopicKey
from loader.content import ACCEPT, ADOPT, SKIPPED
from loader.errors import PROGRAM, LoaderError, Remark, rendered, some
from loader.redaction import shown_remote
from loader.round import Landed
from loader.settings import Settings
from loader.sources.base import Explanation
from loader.sources.kafka.found import Found

# Modules that only some commands need are imported there. Imports are most of the time of a run
# with nothing new.
if TYPE_CHECKING:
    from loader.verify import Finding

# A file or a pipe has no width of its own.
_WIDTH = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 160
_out = Console(highlight=False, markup=False, soft_wrap=True, width=_WIDTH)
ERRORS = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
STATUS = {
    "table": "table",
    "topic": "topic",
    "partition": "part.",
    "committed": "committed",
    "end": "end",
    "lag": "lag",
    "behind": "behind",
    "batch_id": "batch",
    "loaded_at": "loaded (UTC)",
}
IMPORTS = {
    "table": "table",
    "source": "source",
    "records": "rows",
    "batch_id": "batch",
    "loaded_at": "loaded (UTC)",
}
FINDINGS = {
    "table": "table",
    "topic": "topic",
    "batches": "batches",
    "rows": "rows",
    "recorded": "in ledger",
    "holes": "holes",
    "compared": "compared",
    "missing": "missing",
    "changed": "changed",
    "extra": "extra",
    "verdict": "verdict",
}


class _Stage(Protocol):
    """A stage of a statement, as Spark Connect's progress reports it."""

    num_tasks: int
    num_completed_tasks: int


class Teller:
    """Prints to the terminal, or with ``json`` one JSON object per line to stdout.

    ``config`` is the path of the configuration if it is not the default; commands in sentences then
    contain it.
    """

    def __init__(self, *, json: bool = False, config: str | None = None) -> None:
        self.json = json
        self._program = f"{PROGRAM} --config {config}" if config else PROGRAM
        self._log = logging.getLogger("lacustre.loader")
        if json:
            handler = logging.StreamHandler(sys.stdout)
            handler.setFormatter(
                JsonFormatter(
                    ["levelname", "event"],
                    rename_fields={"levelname": "level"},
                    timestamp="time",
                )
            )
            self._log.handlers = [handler]
            self._log.setLevel(logging.INFO)
            self._log.propagate = False

    def servers(self, settings: Settings) -> None:
        """Print the Kafka clusters, the Spark server and the schemas that a command will use."""
        remote = settings.spark_remote or ""
        spark = shown_remote(remote) or "a session of its own"
        kafka = {name: each.bootstrap_servers for name, each in settings.kafka.items()}
        schemas = sorted(settings.schemas)
        if self.json:
            facts = {"spark": spark, "kafka": kafka, "schemas": schemas}
            self._log.info(None, extra={"event": "servers", **facts})
        else:
            parts = [f"Kafka {name} at {servers}" for name, servers in kafka.items()]
            parts += [f"Spark at {spark}" if remote else f"Spark: {spark}"]
            parts += [f"schemas {', '.join(schemas)}"]
            _out.print("; ".join(parts), style="dim")

    def note(self, text: str) -> None:
        """Print a remark, which is not an error."""
        if isinstance(text, Remark):
            text = rendered(text, text.remedy, self._program)
        if self.json:
            self._log.info(None, extra={"event": "note", "text": text})
        else:
            _out.print(f"note: {text}", style="dim")

    def error(self, problem: LoaderError) -> None:
        """Print an error's sentence to stderr (with ``json``, as an event on stdout)."""
        sentence = problem.told(self._program)
        if self.json:
            extra = {"event": "error", "kind": type(problem).__name__, "text": sentence}
            facts = {key: str(value) for key, value in problem.facts.items() if value is not None}
            self._log.error(None, extra={**extra, "exit_code": problem.exit_code, "facts": facts})
        else:
            ERRORS.print(f"error: {sentence}", style="red")

    def landed(self, landed: Landed) -> None:
        """Print a batch that was closed."""
        if self.json:
            facts = {"seconds": round(landed.seconds, 3), "lag": landed.lag}
            self._log.info(None, extra={"event": "batch", **_facts(landed.batch), **facts})
        else:
            line = batch_line(landed.batch)
            if landed.batch.has_data:
                line += f", {landed.seconds:.1f} s"
                line += f", lag {landed.lag:,}" if landed.batch.topic else ""
            _out.print(line)

    def planned(self, verb: str, batch: Batch) -> None:
        """Print a batch that a run would finish or load."""
        if self.json:
            self._log.info(None, extra={"event": verb, **_facts(batch)})
        else:
            _out.print(f"{verb} {batch_line(batch)}")

    def explained(self, explanation: Explanation) -> None:
        """Print how a run would read a batch."""
        if self.json:
            self._log.info(None, extra={"event": "import", **explanation.facts})
            return
        for line in explanation.lines:
            _out.print(line)

    def done(self, records: int, batches: int, seconds: float) -> None:
        """Report the end of a run, with the ``records`` and ``batches`` that it landed."""
        if self.json:
            facts = {"records": records, "batches": batches, "seconds": round(seconds, 3)}
            self._log.info(None, extra={"event": "done", **facts})
        else:
            _out.print(f"{records:,} records in {batches} batches, {seconds:.1f} s")

    def text(self, text: str) -> None:
        """Print the result of a command."""
        _out.print(text)

    def rows(self, event: str, columns: Mapping[str, str], rows: list[dict[str, object]]) -> None:
        """Print a table: ``columns`` maps keys of ``rows`` to headings. With ``json``, an event per
        row.
        """
        if self.json:
            for row in rows:
                self._log.info(None, extra={"event": event, **row})
            return
        table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
        for key, heading in columns.items():
            is_name = key in ("table", "topic", "source", "verdict")
            numeric = not is_name and key != "loaded_at"
            table.add_column(
                heading,
                justify="right" if numeric else "left",
                overflow="fold" if is_name else "ellipsis",
                no_wrap=not is_name,
            )
        for row in rows:
            table.add_row(*(_cell(row[key]) for key in columns))
        if rows:
            _out.print(table, "")

    @contextmanager
    def working(self, spark: SparkSession | None = None) -> Iterator[None]:
        """Show a progress bar on a terminal: that a statement runs, and how many of its tasks are
        done.
        """
        if self.json or not ERRORS.is_terminal:
            yield
            return
        from rich import progress

        bar = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.TextColumn("{task.completed}/{task.total} tasks"),
            progress.TimeElapsedColumn(),
            progress.TimeRemainingColumn(),
            console=ERRORS,
            transient=True,
        )
        operations: dict[str, progress.TaskID] = {}

        def progressed(
            *, stages: Iterable[_Stage] | None, operation_id: str | None, done: bool, **_: object
        ) -> None:
            parts = list(stages or ())
            if operation_id is None:
                return
            total = sum(stage.num_tasks for stage in parts)
            # A bar for a short statement would only flicker.
            if operation_id not in operations and total > 2 and not done:
                operations[operation_id] = bar.add_task("writing", total=total)
            if operation_id in operations:
                at = sum(stage.num_completed_tasks for stage in parts)
                bar.update(operations[operation_id], completed=at, total=total, visible=not done)

        register = getattr(spark, "registerProgressHandler", None)
        with bar if register else ERRORS.status("loading"):
            if register:
                register(progressed)
            try:
                yield
            finally:
                if register and spark is not None:
                    spark.removeProgressHandler(progressed)  # type: ignore[arg-type]


def batch_line(batch: Batch) -> str:
    """``raw.matomo batch 3: matomo 0:10-25, 15 records, 61.2 kB``; last offsets are inclusive."""
    name = f"{batch.table_name} batch {batch.batch_id}"
    if batch.kind in (ADOPT, ACCEPT):
        at = some([f"{each.partition}:{each.from_offset}" for each in batch.ranges], " ")
        lost = some(
            [_gap(e.partition, e.from_offset, e.until_offset, e.reason) for e in batch.gaps], "; "
        )
        what = f"accepted, {lost}" if lost else "adopted"
        source = batch.topic or batch.content.text(batch.kind)
        return f"{name}: {source} {what}" + (f"; continues at {at}" if at else "")
    what = batch.content.text(batch.kind)
    line = f"{name}: {what}"
    if batch.records is not None:
        line += f", {batch.records:,} records, {_size(batch.bytes or 0)}"
        changed = [file.path.rsplit("/", 1)[-1] for file in batch.files if not file.checksum]
        if changed:
            line += f"; {some(changed)} changed meanwhile and will be loaded again"
        if batch.ranges and batch.records < batch.span:
            line += f", {batch.span - batch.records:,} offsets without a record"
    return line


def _gap(partition: int | None, begin: int, end: int, reason: str) -> str:
    why = reason.replace("_", " ")
    if partition is not None:
        what = f"partition {partition} offsets {begin}-{end - 1}"
        return f"{what} {reason}" if reason.startswith(SKIPPED) else f"{what} lost ({why})"
    return f"batches {begin}-{end - 1} lost ({why})" if end else why


def _facts(batch: Batch) -> dict[str, object]:
    facts: dict[str, object] = {
        "table": batch.table_name,
        "batch_id": batch.batch_id,
        "kind": batch.kind,
        "source": batch.source,
    }
    facts |= batch.content.facts()
    if batch.gaps:
        facts["gaps"] = [
            {
                "partition": g.partition,
                "from": g.from_offset,
                "until": g.until_offset,
                "reason": g.reason,
            }
            for g in batch.gaps
        ]
    if batch.records is not None:
        facts |= {"records": batch.records, "bytes": batch.bytes}
    return facts


def status_rows(
    found: Found, oldest: Mapping[TopicKey, Mapping[int, int]], now: datetime
) -> list[dict[str, object]]:
    """Rows of ``status``: per topic and partition the committed offset, the end offset and the lag.

    ``oldest`` are the timestamps (ms since 1970, UTC) of the first records that are not loaded;
    ``behind`` is their age in seconds at ``now``.
    """
    rows = []
    for key, state in sorted(found.topics.items()):
        last, lag = found.last(key), found.lag(key)
        for partition, end in sorted(state.end.items()):
            first = oldest.get(key, {}).get(partition)
            rows.append(
                {
                    "table": found.tables[key],
                    "topic": key[1],
                    "partition": partition,
                    "committed": last.committed_offset(partition) if last else None,
                    "end": end,
                    "lag": lag[partition],
                    "behind": Age(max(0.0, now.timestamp() - first / 1000))
                    if first is not None and lag[partition] > 0
                    else None,
                    **last_batch(last),
                }
            )
    return rows


def import_rows(positions: Mapping[str, Position]) -> list[dict[str, object]]:
    """Rows of ``status``: the newest batch of each table of files or imports."""
    return [
        {
            "table": name,
            "source": f"{last.source} {last.content.name}".rstrip(),
            "records": last.records or 0,
            **last_batch(last),
        }
        for name, position in sorted(positions.items())
        for last in position.newest.values()
        if last.content.is_import
    ]


def finding_row(finding: Finding) -> dict[str, object]:
    """A row of ``verify``."""
    row = {key: getattr(finding, key) for key in FINDINGS if key != "verdict"}
    return {**row, "verdict": "DAMAGED" if finding.damages else "true"}


class Age(float):
    """A number of seconds that prints as days, hours, minutes or seconds."""

    def __str__(self) -> str:
        for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
            if self >= size:
                return f"{self / size:.1f}{unit}"
        return f"{self:.0f}s"


def last_batch(last: Batch | None) -> dict[str, object]:
    """Number and close time (UTC) of the last batch of a topic or import, as two
    columns of a row.
    """
    if last is None:
        return {"batch_id": None, "loaded_at": "not yet"}
    if last.committed_at is None:
        return {"batch_id": last.batch_id, "loaded_at": "not finished"}
    # Spark returns times without a zone, in this machine's local time.
    at = last.committed_at.astimezone(timezone.utc)
    return {"batch_id": last.batch_id, "loaded_at": f"{at:%Y-%m-%d %H:%M}"}


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if type(value) is int else str(value)


def _size(count: int) -> str:
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
