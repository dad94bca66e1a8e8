"""What a person sees: one line per batch, tables for ``status`` and ``plan``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from datetime import timezone

from rich.console import Console
from rich.table import Table

from loader.errors import LoaderError
from loader.plan import Batch
from loader.run import Survey

# A file or a pipe has no width that a table would have to fit.
_WIDTH = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 160
out = Console(highlight=False, markup=False, soft_wrap=True, width=_WIDTH)
err = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)


def note(text: str) -> None:
    """A remark that is no error."""
    out.print(f"note: {text}", style="dim")


def error(problem: LoaderError) -> None:
    """An error's sentence, on stderr."""
    err.print(f"error: {problem}", style="red")


def batch_line(batch: Batch) -> str:
    """``raw.matomo batch 3: matomo 0:10-25, 15 records, 61.2 kB``; last offsets are inclusive."""
    if batch.files:
        what = ", ".join(file.path.rsplit("/", 1)[-1] for file in batch.files)
    else:
        moved = [
            f"{each.partition}:{each.from_offset}-{each.until_offset - 1}"
            for each in batch.ranges
            if each.span
        ]
        what = f"{batch.topic} {' '.join(moved) or 'nothing new'}"
    line = f"{batch.table_name} batch {batch.batch_id}: {what}"
    if batch.records is not None:
        line += f", {batch.records:,} records, {_size(batch.bytes or 0)}"
        changed = [file.path.rsplit("/", 1)[-1] for file in batch.files if not file.checksum]
        if changed:
            line += f"; {', '.join(changed)} changed meanwhile and will be loaded again"
        if batch.ranges and batch.records < batch.span:
            line += f", {batch.span - batch.records:,} offsets without a record"
    return line


def status_tables(survey: Survey) -> list[Table]:
    """Where the lake is, where the sources are, and what lies between.

    One table with a row per topic and partition, and one with the newest import of each file
    table, where there is any.
    """
    topics = _table("table", "topic", "part.", "committed", "end", "lag", "batch", "loaded (UTC)")
    imports = _table("table", "source", "rows", "batch", "loaded (UTC)")
    for (cluster, topic), state in sorted(survey.topics.items()):
        name = survey.tables[cluster, topic]
        last = survey.positions[name].last(f"kafka.{cluster}", topic, state.topic_id)
        for partition, end in sorted(state.end.items()):
            committed = last.committed_offset(partition) if last else None
            left = end - (state.begin[partition] if committed is None else committed)
            topics.add_row(
                name,
                topic,
                str(partition),
                "-" if committed is None else f"{committed:,}",
                f"{end:,}",
                f"{left:,}",
                *_last_batch(last),
            )
    for name, position in sorted(survey.positions.items()):
        for last in position.newest.values():
            if last.files:
                imports.add_row(name, last.source, f"{last.records or 0:,}", *_last_batch(last))
    return [table for table in (topics, imports) if table.rows]


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for name in columns:
        if name in ("table", "topic", "source"):
            table.add_column(name, overflow="fold")
        elif name == "loaded (UTC)":
            table.add_column(name, no_wrap=True)
        else:
            table.add_column(name, justify="right", no_wrap=True)
    return table


def _last_batch(last: Batch | None) -> tuple[str, str]:
    if last is None:
        return "-", "not yet"
    if last.committed_at is None:
        return str(last.batch_id), "not finished"
    # Spark hands out times without a zone, in that of this machine.
    return str(last.batch_id), f"{last.committed_at.astimezone(timezone.utc):%Y-%m-%d %H:%M}"


def plan_lines(survey: Survey) -> Iterable[str]:
    """What a run would do, a line each."""
    for batch in survey.unfinished:
        yield "finish " + batch_line(batch)
    for batch in survey.batches:
        yield "load " + batch_line(batch)
    if not survey.batches and not survey.unfinished:
        yield "nothing new"


def _size(count: int) -> str:
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
