"""The commands that mend something about a batch, as errors name them."""

from __future__ import annotations

from loader.batch import Batch
from loader.errors import Command


def of_topic(verb: str, last: Batch, *options: str) -> Command:
    """The command that does ``verb`` to the topic of ``last``."""
    cluster = [] if last.section == "default" else [f"--cluster {last.section}"]
    return Command(verb, (f"--topic {last.topic}", *cluster, *options))


def accept_of_topic(last: Batch, *options: str) -> Command:
    """The command by which the topic of ``last`` goes on without what ``options`` name."""
    return of_topic("accept", last, *options)


def accept_of_table(table: str, first: int, last: int) -> Command:
    """The command by which the batches ``first`` to ``last`` of ``table`` are given up."""
    return Command("accept", (f"--table {table}", f"--batches {first}-{last}"))


def withdraw(batch: Batch) -> Command:
    """The command by which an unfinished ``batch`` that can never be written is taken back."""
    table, number = f"--table {batch.table_name}", f"--batch {batch.batch_id}"
    return Command("withdraw", (table, number, "--reason 'cannot be written'"))
