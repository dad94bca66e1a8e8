"""What a person sees: one line per batch, tables for ``status`` and ``plan``."""

from __future__ import annotations

from collections.abc import Iterable

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
    """Per topic and partition: where the lake is, where Kafka is, and what lies between."""
    table = Table("topic", "partition", "committed", "end", "lag", "last batch", "loaded at (UTC)")
    for column in table.columns[1:6]:
        column.justify = "right"
    newest = {
        key: batch for position in survey.positions.values() for key, batch in position.newest.items()
    }
    for (cluster, topic), state in sorted(survey.topics.items()):
        last = newest.get((f"kafka.{cluster}", topic))
        done = {}
        if last is not None:
            done = {
                each.partition: each.until_offset if last.committed_at else each.from_offset
                for each in last.ranges
            }
        for partition, end in sorted(state.end.items()):
            begin = state.begin[partition]
            committed = done.get(partition)
            table.add_row(
                topic,
                str(partition),
                "-" if committed is None else f"{committed:,}",
                f"{end:,}",
                f"{end - (begin if committed is None else committed):,}",
                "-" if last is None else f"{last.batch_id} ({last.state})",
                "-"
                if last is None or last.committed_at is None
                else f"{last.committed_at:%Y-%m-%d %H:%M:%S}",
            )
    for key, last in sorted(newest.items(), key=lambda item: str(item[0])):
        if last.files:
            table.add_row(
                f"{key[0]} → {last.table_name}",
                "",
                f"{last.records or 0:,}",
                "",
                "",
                f"{last.batch_id} ({last.state})",
                "-" if last.committed_at is None else f"{last.committed_at:%Y-%m-%d %H:%M:%S}",
            )
    return table


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
