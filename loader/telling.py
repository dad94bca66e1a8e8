"""What a person sees: one line per batch, tables for ``status`` and ``plan``."""

from __future__ import annotations

from collections.abc import Iterable

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from loader.errors import LoaderError
from loader.plan import Batch
from loader.run import Survey

out = Console(highlight=False, markup=False, soft_wrap=True)
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
        if batch.ranges and batch.records < batch.span:
            line += f", {batch.span - batch.records:,} offsets without a record"
    return line


def status_table(survey: Survey) -> Table:
    """Per topic and partition: where the lake is, where Kafka is, and what lies between.

    Files have a row for each table, with the rows of its newest import.
    """
    table = Table(box=SIMPLE, pad_edge=False)
    for name in (
        "table",
        "source",
        "partition",
        "committed",
        "end",
        "lag",
        "batch",
        "loaded (UTC)",
    ):
        right = name in ("partition", "committed", "end", "lag", "batch")
        table.add_column(name, justify="right" if right else "left", no_wrap=True)
    newest = {
        (batch.source, batch.topic): batch
        for position in survey.positions.values()
        for batch in position.newest.values()
        if batch.topic is not None
    }
    for (cluster, topic), state in sorted(survey.topics.items()):
        last = newest.get((f"kafka.{cluster}", topic))
        for partition, end in sorted(state.end.items()):
            committed = last.committed_offset(partition) if last else None
            left = end - (state.begin[partition] if committed is None else committed)
            table.add_row(
                last.table_name if last else "-",
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
                table.add_row(
                    name, last.source, "", f"{last.records or 0:,}", "", "", *_last_batch(last)
                )
    return table


def _last_batch(last: Batch | None) -> tuple[str, str]:
    if last is None:
        return "-", "not yet"
    if last.committed_at is None:
        return str(last.batch_id), "planned, not finished"
    return str(last.batch_id), f"{last.committed_at:%Y-%m-%d %H:%M:%S}"


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
