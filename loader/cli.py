"""The command line, ``python -m loader``; bare, it runs once.

Exit codes are those of ``loader.errors``; 0 means that everything new is in the lake.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from functools import wraps
from typing import Any

import click
from grpc import RpcError
from pyspark.errors import PySparkException

from loader import __version__, land, run, telling
from loader.errors import LoaderError, SourceUnavailable
from loader.settings import DEFAULT_FILE, Settings, load


def _guarded(command: Callable[..., None]) -> Callable[..., None]:
    """Show the loader's own errors as a sentence and exit with their code."""

    @wraps(command)
    def guarded(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except LoaderError as error:
            telling.error(error)
            sys.exit(error.exit_code)
        except (PySparkException, RpcError) as error:
            problem = SourceUnavailable(f"Spark: {land.reason(error)}.")
            telling.error(problem)
            sys.exit(problem.exit_code)

    return guarded


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config", default=DEFAULT_FILE, show_default=True, help="The configuration file to read."
)
@click.version_option(__version__)
@click.pass_context
def main(context: click.Context, config: str) -> None:
    """Land Kafka topics and reference files in the raw tables of the lake, exactly once."""
    context.obj = config
    # Spark Connect logs each error of its own with the server's stack trace; ours say it in a line.
    logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL)
    if context.invoked_subcommand is None:
        context.invoke(run_command)


@main.command("run")
@click.pass_obj
@_guarded
def run_command(config: str) -> None:
    """Load everything that is new (also the default)."""
    settings = load(config)
    started = time.monotonic()
    with run.opened(settings) as loader, telling.err.status("loading"):
        outcome = loader.run(
            told=lambda batch: telling.out.print(telling.batch_line(batch)),
            noted=telling.note,
        )
    records = sum(batch.records or 0 for batch in outcome.batches)
    telling.out.print(
        f"{records:,} records in {len(outcome.batches)} batches, {time.monotonic() - started:.1f} s"
    )
    for error in outcome.errors:
        telling.error(error)
    if outcome.errors:
        sys.exit(outcome.errors[0].exit_code)


@main.command()
@click.pass_obj
@_guarded
def status(config: str) -> None:
    """Per topic and partition: committed offset, end offset, lag, last batch."""
    survey = _survey(load(config))
    for table in telling.status_tables(survey):
        telling.out.print(table, "")
    _tell_errors(survey)


@main.command()
@click.pass_obj
@_guarded
def plan(config: str) -> None:
    """What a run would do, without doing it."""
    survey = _survey(load(config))
    for line in telling.plan_lines(survey):
        telling.out.print(line)
    for note in survey.notes:
        telling.note(note)
    _tell_errors(survey)


def _survey(settings: Settings) -> run.Survey:
    with run.opened(settings) as loader:
        return loader.survey(make_tables=False)


def _tell_errors(survey: run.Survey) -> None:
    for error in survey.errors:
        telling.error(error)
    if survey.errors:
        sys.exit(survey.errors[0].exit_code)
