"""The command line, ``python -m loader``; without a command it does one run.

``loader.errors`` has the exit codes; 0 means that everything new is in the lake.
"""

from __future__ import annotations

import json
import logging
import re
import shlex
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, ParamSpec

import click
from grpc import RpcError
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException

from loader import __version__, arguments
from loader.arguments import ALL, At, Gone, Lost, Seconds
from loader.configuration import load
from loader.content import ACCEPT
from loader.errors import (
    Command,
    ConfigurationError,
    LoaderError,
    Remark,
    SourceUnavailable,
    gravest,
    some,
)
from loader.lake import tables as raw
from loader.lake.spark_errors import is_gone, reason
from loader.metrics import Metrics
from loader.output import FINDINGS, IMPORTS, STATUS, Teller, finding_row, import_rows, status_rows
from loader.redaction import redacted
from loader.repeat import opened, repeat
from loader.round import Outcome
from loader.settings import DEFAULT_FILE, Settings, located
from loader.signals import EndedError, Signals
from loader.sources.kafka.losses import Acceptance
from loader.sources.kafka.source import Topics

_CLUSTER = click.option(
    "--cluster", default="default", show_default=True, help="Section [kafka.<name>]."
)


# Modules that only some commands need are imported there. Imports are most of the time of a run
# with nothing new.
if TYPE_CHECKING:
    from loader.rewind import Where

_Options = ParamSpec("_Options")


@dataclass(frozen=True)
class _Context:
    """The output, the configuration and the signals of every command."""

    teller: Teller
    config: str
    flags: dict[str, str]
    signals: Signals

    def settings(self, **limits: float | str | None) -> Settings:
        """The configuration with all addresses; reports them first. ``limits`` are options of the
        command.
        """
        flags = {f"limits.{key}": str(value) for key, value in limits.items() if value is not None}
        settings = located(load(self.config, {**self.flags, **flags}))
        self.teller.servers(settings)
        return settings


def _guarded(
    command: Callable[Concatenate[_Context, _Options], None],
) -> Callable[Concatenate[_Context, _Options], None]:
    """Print the loader's errors as sentences and exit with their code."""

    @wraps(command)
    def guarded(context: _Context, /, *args: _Options.args, **kwargs: _Options.kwargs) -> None:
        try:
            command(context, *args, **kwargs)
        except EndedError:
            sys.exit(context.signals.code)
        except LoaderError as error:
            _exit(context, [error])
        except (PySparkException, RpcError, Py4JError) as error:
            what = "Spark went away" if is_gone(error) else "Spark"
            _exit(context, [SourceUnavailable(f"{what}: {reason(error)}.")])

    return guarded


def _exit(context: _Context, errors: Iterable[LoaderError]) -> None:
    """Print ``errors``; exit with the code of the gravest one if there is any."""
    told = list(errors)
    for error in told:
        context.teller.error(error)
    if told:
        sys.exit(gravest(told).exit_code)


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config", default=DEFAULT_FILE, show_default=True, help="The configuration file to read."
)
@click.option(
    "--set",
    "flags",
    multiple=True,
    metavar="KEY=VALUE",
    help="Overrides file and environment, for example limits.max_records=1000.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object per line instead of text."
)
@click.version_option(__version__)
@click.pass_context
def main(context: click.Context, config: str, flags: tuple[str, ...], as_json: bool) -> None:
    """Land Kafka topics, tables of databases and files in the raw tables of the lake, exactly once.

    Exit codes: 0 done, 2 configuration, 3 data loss, 4 another loader works there, 5 a server does
    not answer, 6 a bug; with several errors, the gravest decides. 143 or 130: ended by SIGTERM or
    SIGINT; the next run finishes an unfinished batch.
    """
    pairs = dict(flag.partition("=")[::2] for flag in flags)
    teller = Teller(json=as_json, config=shlex.quote(config) if config != DEFAULT_FILE else None)
    signals = Signals()
    signals.heed()
    context.call_on_close(signals.leave)
    context.obj = _Context(teller, config, pairs, signals)
    # Spark Connect logs each of its errors with the server's stack trace; ours report them in a
    # line.
    for name in ("SQLQueryContextLogger", "pyspark.sql.connect.logging"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    if context.invoked_subcommand is None:
        context.invoke(run_command)


class _Run:
    """Output and totals of the rounds of a run. A loop prints an error or remark when it first
    occurs, and again when it returns after a round without it.
    """

    def __init__(self, teller: Teller, metrics: Metrics | None, *, is_loop: bool) -> None:
        self.records = self.batches = 0
        self._teller = teller
        self._metrics = metrics
        self._is_loop = is_loop
        self._errors: set[str] = set()
        self._noted_before: set[str] = set()
        self._noted_now: set[str] = set()

    def noted(self, text: str) -> None:
        """Print a remark."""
        if not self._is_loop or text not in self._noted_before | self._noted_now:
            self._teller.note(text)
        self._noted_now.add(text)

    def ended(self, outcome: Outcome) -> None:
        """Add a round's batches and errors to the totals."""
        self.records += sum(batch.records or 0 for batch in outcome.batches)
        self.batches += len(outcome.batches)
        if self._metrics is not None:
            try:
                self._metrics.ended(outcome)
            except OSError as problem:
                self.noted(f"the metrics were not written: {problem}")
        if self._is_loop:
            for error in outcome.errors:
                if str(error) not in self._errors:
                    self._teller.error(error)
            self._errors = {str(error) for error in outcome.errors}
            self._noted_before, self._noted_now = self._noted_now, set()


@main.command("run")
@click.option(
    "--until-caught-up",
    is_flag=True,
    help="Run rounds until everything is loaded that Kafka had at the start.",
)
@click.option(
    "--every", type=Seconds(), help="Run forever, with this pause between rounds (30s, 5m)."
)
@click.option("--max-records", type=click.IntRange(1), help="Most offsets per round.")
@click.option("--max-bytes", help="Approximate number of bytes per round, for example 2GB.")
@click.option("--max-seconds", type=Seconds(), help="Begin no round after this time (10m).")
@click.option(
    "--metrics-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File for OpenMetrics, replaced after every round.",
)
@click.pass_obj
@_guarded
def run_command(
    context: _Context,
    until_caught_up: bool = False,
    every: float | None = None,
    max_records: int | None = None,
    max_bytes: str | None = None,
    max_seconds: float | None = None,
    metrics_file: Path | None = None,
) -> None:
    """Load everything that is new (default)."""
    settings = context.settings(
        max_records=max_records, max_bytes=max_bytes, max_seconds=max_seconds
    )
    if metrics_file is not None and not metrics_file.absolute().parent.is_dir():
        message = f"There is no folder {metrics_file.absolute().parent} for --metrics-file."
        raise ConfigurationError(message, path=str(metrics_file))
    metrics = Metrics(metrics_file) if metrics_file else None
    started, run = time.monotonic(), _Run(context.teller, metrics, is_loop=every is not None)
    context.signals.finish = until_caught_up or every is not None
    outcome = repeat(
        settings,
        context.teller.landed,
        run.noted,
        run.ended,
        working=context.teller.working,
        until_caught_up=until_caught_up,
        every=every,
        stop=context.signals.stop,
    )
    context.teller.done(run.records, run.batches, time.monotonic() - started)
    if every is None:
        _exit(context, outcome.errors)
        if context.signals.code:  # the unloaded rest is no error, but the run is not complete
            sys.exit(context.signals.code)
    elif outcome.errors:
        sys.exit(gravest(outcome.errors).exit_code)


@main.command()
@click.pass_obj
@_guarded
def status(context: _Context) -> None:
    """Show offsets, lag and last batches.

    Per topic and partition: committed offset, end offset, lag in records, age of the oldest record
    that is not loaded, last batch. Per table of files or imports: the last batch.
    """
    settings = context.settings()
    with opened(settings) as loader:
        survey = loader.survey(make_tables=False)
        now = datetime.now(timezone.utc)
        topics = loader.kind(Topics)
        oldest = topics.oldest_unread()
    context.teller.rows("partition", STATUS, status_rows(topics.found, oldest, now))
    context.teller.rows("import", IMPORTS, import_rows(survey.positions))
    _exit(context, survey.errors)


@main.command()
@click.pass_obj
@_guarded
def plan(context: _Context) -> None:
    """Show what a run would do."""
    with opened(context.settings()) as loader:
        survey = loader.survey(make_tables=False)
        loader.estimate(survey, survey.notes.append, survey.errors)
        for batch in survey.unfinished:
            context.teller.planned("finish", batch)
        for batch in survey.batches:
            context.teller.planned("load", batch)
            explanation = survey.fed[batch.table_name].explain(batch)
            if explanation is not None:
                context.teller.explained(explanation)
    if not survey.batches and not survey.unfinished and not context.teller.json:
        context.teller.text("nothing new")
    for note in survey.notes:
        context.teller.note(note)
    _exit(context, survey.errors)


@main.command()
@click.pass_obj
@_guarded
def config(context: _Context) -> None:
    """Show the effective configuration.

    The values that file, environment and flags set together, as JSON with secrets hidden.
    """
    settings = load(context.config, context.flags)
    with suppress(SourceUnavailable):  # this stack may be down
        settings = located(settings)
    context.teller.text(json.dumps(redacted(settings), indent=2, ensure_ascii=False))


@main.command()
@click.option("--topic", required=True)
@_CLUSTER
@click.option(
    "--from", "start", type=arguments.Where(), required=True, help="Time, earliest, or 0:120,1:99."
)
@click.option(
    "--until",
    "end",
    type=arguments.Where(),
    help="End (exclusive), in the form of --from; default: the committed offsets.",
)
@click.pass_obj
@_guarded
def replay(context: _Context, topic: str, cluster: str, start: Where, end: Where | None) -> None:
    """Land a range of offsets again.

    Readers that take each topic, partition and offset once, as the staging models do, see no record
    twice. Rows that the table had lost are in it again.
    """
    from loader import rewind

    started = time.monotonic()
    with opened(context.settings()) as loader, context.teller.working(loader.spark):
        outcome = rewind.replay(
            loader, (cluster, topic), start, end, context.teller.landed, context.teller.note
        )
    records = sum(batch.records or 0 for batch in outcome.batches)
    context.teller.done(records, len(outcome.batches), time.monotonic() - started)
    _exit(context, outcome.errors)


@main.command()
@click.option(
    "--group", required=True, help="Consumer group whose committed offsets are the first ones."
)
@click.option("--topic", "topics", multiple=True, help="Only this topic; repeatable.")
@_CLUSTER
@click.pass_obj
@_guarded
def adopt(context: _Context, group: str, topics: tuple[str, ...], cluster: str) -> None:
    """Begin at the offsets that a consumer group committed.

    Only for topics that were never loaded.
    """
    from loader import rewind

    settings = context.settings()
    if cluster not in settings.kafka:
        raise ConfigurationError(f"{context.config} has no section [kafka.{cluster}].")
    with opened(settings) as loader:
        outcome = rewind.adopt(
            loader, cluster, group, topics, context.teller.landed, context.teller.note
        )
    _exit(context, outcome.errors)


@main.command()
@click.option("--topic", help="Topic that continues without the lost records.")
@_CLUSTER
@click.option(
    "--lost", type=Lost(), multiple=True, help="Lost offsets, partition:first-last, or all."
)
@click.option(
    "--rewind",
    "back",
    type=At(),
    multiple=True,
    help="Offset to continue from, partition:offset, or all.",
)
@click.option(
    "--gone", type=Gone(), multiple=True, help="A partition that does not exist any more; or all."
)
@click.option("--new-id", help="Id of the topic that was created again.")
@click.option("--deleted", is_flag=True, help="The topic does not exist any more.")
@click.option("--skip", type=Lost(), multiple=True, help="Records to skip, partition:first-last.")
@click.option("--reason", help="Reason for --skip; stored in the ledger.")
@click.option("--table", help="The raw table that has lost batches.")
@click.option("--batches", help="Its lost batches, first-last.")
@click.pass_obj
@_guarded
def accept(
    context: _Context,
    topic: str | None,
    cluster: str,
    lost: tuple[tuple[int, int, int] | str, ...],
    back: tuple[tuple[int, int] | str, ...],
    gone: tuple[int | str, ...],
    new_id: str | None,
    deleted: bool,
    skip: tuple[tuple[int, int, int], ...],
    reason: str | None,
    table: str | None,
    batches: str | None,
) -> None:
    """Continue without records that are lost or cannot be landed.

    The error of a run names the options; the ledger keeps the gap.
    """
    from loader import rewind

    given: dict[str, tuple[object, ...]] = {"lost": lost, "rewind": back, "gone": gone}
    what = Acceptance(
        lost={each[0]: (each[1], each[2]) for each in lost if not isinstance(each, str)},
        rewind=dict(each for each in back if not isinstance(each, str)),
        gone=frozenset(each for each in gone if not isinstance(each, str)),
        all_of=frozenset(name for name, values in given.items() if ALL in values),
        new_id=new_id,
        deleted=deleted,
        skip=skip,
        reason=" ".join((reason or "").split()),
    )
    if bool(what.skip) != bool(what.reason):
        raise ConfigurationError("--skip and --reason go together: say why records are set aside.")
    if (topic is None) == (table is None):
        raise ConfigurationError("Give either --topic or --table, as the error of the run does.")
    span = re.fullmatch(r"(\d+)-(\d+)", batches or "")
    if table is not None and (span is None or not what.is_empty):
        raise ConfigurationError("--table takes --batches first-last and nothing else.")
    with opened(context.settings()) as loader:
        if table is not None and span is not None:
            outcome = rewind.accept_table(
                loader,
                table.lower(),
                (int(span[1]), int(span[2])),
                context.teller.landed,
                context.teller.note,
            )
        else:
            outcome = rewind.accept(
                loader, (cluster, topic or ""), what, context.teller.landed, context.teller.note
            )
    for batch in outcome.batches:
        if batch.kind != ACCEPT:  # the gap is in the unfinished batch, not in a batch of its own
            remedy = Command("run")
            text = (
                f"batch {batch.batch_id} of {batch.table_name} will be finished without what is "
                f"lost: {remedy.line()}"
            )
            context.teller.note(Remark(text, remedy))
    _exit(context, outcome.errors)


@main.command()
@click.option("--table", required=True, help="The raw table.")
@click.option(
    "--batch",
    "batch_id",
    type=click.IntRange(1),
    required=True,
    help="Number of the unfinished batch.",
)
@click.option("--reason", required=True, help="Reason; stored in the ledger.")
@click.pass_obj
@_guarded
def withdraw(context: _Context, table: str, batch_id: int, reason: str) -> None:
    """Cancel a planned batch that can never be written.

    It keeps its number and has no rows. Its source continues where the batch began. If the rows of
    the batch are already in the table, it is closed instead.
    """
    from loader import rewind

    with opened(context.settings()) as loader, context.teller.working(loader.spark):
        closed, is_back = rewind.withdraw(loader, table.lower(), batch_id, reason)
    for batch in closed:
        said = "was withdrawn" if is_back else f"is in the table and was closed: {batch.records:,}"
        context.teller.note(
            f"batch {batch.batch_id} of {batch.table_name} {said}" + ("" if is_back else " records")
        )


@main.command()
@click.option("--topic", "topics", multiple=True, help="Only this topic; repeatable.")
@click.option(
    "--sample",
    default=10_000,
    show_default=True,
    type=click.IntRange(1),
    help="Number of offsets per partition to compare with Kafka.",
)
@click.option("--full", is_flag=True, help="Compare everything that Kafka still holds.")
@click.option(
    "--seed",
    default=0,
    show_default=True,
    help="Seed of the sample; another value compares other offsets.",
)
@click.pass_obj
@_guarded
def verify(context: _Context, topics: tuple[str, ...], sample: int, full: bool, seed: int) -> None:
    """Compare raw tables with the ledger and with Kafka.

    Checks the counts per batch and partition, the order of the batches, and checksums of a sample
    of the records that Kafka still has. Each difference is an error that names the remedy.
    """
    from loader import verify as verification

    with opened(context.settings()) as loader, context.teller.working(loader.spark):
        findings, errors = verification.verify(loader, topics, sample=sample, full=full, seed=seed)
    context.teller.rows("verified", FINDINGS, [finding_row(each) for each in findings])
    if not findings:
        context.teller.note("nothing was loaded yet")
    _exit(context, [*errors, *(damage for finding in findings for damage in finding.damages)])


@main.command()
@click.option("--table", "tables", multiple=True, help="Only this table; repeatable.")
@click.option("--target-size", default="128MB", show_default=True, help="Target size of a file.")
@click.option(
    "--vacuum", is_flag=True, help="Also delete files that were replaced more than seven days ago."
)
@click.pass_obj
@_guarded
def compact(context: _Context, tables: tuple[str, ...], target_size: str, vacuum: bool) -> None:
    """Merge small files into large ones.

    Loads and reads may go on meanwhile.
    """
    with opened(context.settings()) as loader, context.teller.working(loader.spark):
        survey = loader.survey(make_tables=False)
        known = sorted({row.table_name for row in survey.rows} | {loader.ledger.name})
        unknown = sorted(set(tables) - set(known))
        if unknown:
            message = f"The ledger knows no table {unknown[0]}; it knows {some(known)}."
            raise ConfigurationError(message, table=unknown[0])
        rows = [
            raw.compact(loader.spark, table, target_size, vacuum=vacuum)
            for table in raw.existing_tables(loader.spark, tables or known)
        ]
    headings = {"table": "table", "files_before": "files before", "files_after": "after"}
    context.teller.rows("compacted", headings, sorted(rows, key=lambda row: str(row["table"])))
