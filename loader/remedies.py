"""The commands that resolve errors of batches, as the errors name them."""

from __future__ import annotations

from loader.batch import Batch
from loader.errors import Command


def of_topic(verb: str, last: Batch, *options: str) -> Command:
    """The command ``verb`` for the topic of ``last``."""
    cluster = [] if last.section == "default" else [f"--cluster {last.section}"]
    return Command(verb, (f"--topic {last.topic}", *cluster, *options))


def accept_of_topic(last: Batch, *options: str) -> Command:
    """The command with which the topic of ``last`` continues without what ``options`` name."""
    return of_topic("accept", last, *options)


def accept_of_table(table: str, first: int, last: int) -> Command:
    """The command that accepts the loss of the batches ``first`` to ``last`` (inclusive) of
    ``table``.
    """
    return Command("accept", (f"--table {table}", f"--batches {first}-{last}"))


def withdraw(batch: Batch) -> Command:
    """The command that cancels an unfinished ``batch``."""
    table, number = f"--table {batch.table_name}", f"--batch {batch.batch_id}"
    return Command("withdraw", (table, number, "--reason 'cannot be written'"))
