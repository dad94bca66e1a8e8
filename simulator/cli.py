"""The command line: `python -m simulator meters|matomo|play`."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from simulator.errors import SimulatorError
from simulator.matomo import MatomoSettings, write_matomo
from simulator.meters import MeterSettings, write_meters
from simulator.play import Target, play_files

F = TypeVar("F", bound=Callable[..., Any])

OUT = click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the data set; a data set that is there is replaced.",
)
START = click.option(
    "--from",
    "start",
    required=True,
    type=click.DateTime(["%Y-%m-%d"]),
    help="First day, YYYY-MM-DD.",
)
DAYS = click.option("--days", default=3, show_default=True, type=click.IntRange(1))
SEED = click.option(
    "--seed",
    default=7,
    show_default=True,
    type=click.IntRange(0),
    help="The same seed and options give the same bytes.",
)


def _planted(name: str, default: int, what: str) -> Callable[[F], F]:
    return click.option(name, default=default, show_default=True, type=click.IntRange(0), help=what)


class _Commands(click.Group):
    """Commands that tell of an unwritable folder or a full disk without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            raise SimulatorError(f"{where}{error.strerror or error}.") from None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Make believable fake data, with the true answers in manifest.json, and play it to Kafka."""


@main.command()
@OUT
@START
@DAYS
@SEED
@click.option("--meters", default=25, show_default=True, type=click.IntRange(4))
@click.option("--events-per-day", default=8640, show_default=True, type=click.IntRange(1, 86400))
@_planted("--malformed", 3, "Rows with a wrong number of fields or an impossible date.")
@_planted("--duplicates", 5, "Rows that play sends twice (events/resend.txt).")
@_planted("--unplaced", 5, "Events of a meter after it was taken away.")
def meters(
    out: Path,
    start: datetime,
    days: int,
    seed: int,
    meters: int,
    events_per_day: int,
    malformed: int,
    duplicates: int,
    unplaced: int,
) -> None:
    """Smart meters: events/event_YYYYMMDD.csv, park/*.csv, manifest.json."""
    settings = MeterSettings(
        seed=seed,
        start=start.date(),
        days=days,
        meters=meters,
        events_per_day=events_per_day,
        malformed=malformed,
        duplicates=duplicates,
        unplaced=unplaced,
    )
    made = write_meters(out, settings)
    click.echo(f"{out}: {made['answers']['events']:,} readable events in {days} days")


@main.command()
@OUT
@START
@DAYS
@SEED
@click.option("--sites", default=2, show_default=True, type=click.IntRange(1))
@click.option(
    "--visits-per-day", default=20, show_default=True, type=click.IntRange(1), help="Per site."
)
@click.option(
    "--timezone",
    "timezones",
    multiple=True,
    default=("UTC",),
    show_default=True,
    help="Time zone of the sites; give it again for the second site and so on, in turns.",
)
@_planted("--broken", 4, "Messages that hold no visit.")
@_planted("--duplicates", 2, "Visits that are exported twice, unchanged.")
@click.option(
    "--grown",
    default=20,
    show_default=True,
    type=click.IntRange(0, 100),
    help="Per cent of the visits that have grown in changes.jsonl.",
)
def matomo(
    out: Path,
    start: datetime,
    days: int,
    seed: int,
    sites: int,
    visits_per_day: int,
    timezones: tuple[str, ...],
    broken: int,
    duplicates: int,
    grown: int,
) -> None:
    """Matomo: messages.jsonl, the later changes.jsonl, manifest.json."""
    for name in timezones:
        if name != "UTC":
            try:
                zoneinfo.ZoneInfo(name)
            except (zoneinfo.ZoneInfoNotFoundError, ValueError):
                raise click.BadParameter(
                    f"no time zone {name!r} on this machine; use an IANA name like Europe/Paris",
                    param_hint="--timezone",
                ) from None
    settings = MatomoSettings(
        seed=seed,
        start=start.date(),
        days=days,
        sites=sites,
        visits_per_day=visits_per_day,
        timezones=timezones,
        broken=broken,
        duplicates=duplicates,
        grown_percent=grown,
    )
    made = write_matomo(out, settings)
    click.echo(
        f"{out}: {made['counts']['messages']:,} messages, {made['counts']['changes']:,} changes"
    )


@main.command()
@click.argument(
    "paths",
    nargs=-1,
    required=True,
    metavar="FILE_OR_DIR...",
    type=click.Path(exists=True, path_type=Path),
)
@click.option("--topic", required=True)
@click.option(
    "--bootstrap-servers",
    envvar="KAFKA_BOOTSTRAP_SERVERS",
    required=True,
    show_envvar=True,
    help="host:port, several with commas.",
)
@click.option("--create-topic", is_flag=True, help="Create the topic when it does not exist.")
@click.option(
    "--partitions",
    default=1,
    show_default=True,
    type=click.IntRange(1),
    help="Partitions of a topic that is created.",
)
@click.option("--again", is_flag=True, help="Send also what the topic already has.")
def play(
    paths: tuple[Path, ...],
    topic: str,
    bootstrap_servers: str,
    create_topic: bool,
    partitions: int,
    again: bool,
) -> None:
    """Send message files (*.jsonl) and event days (event_*.csv) to a Kafka topic.

    What was acknowledged is kept in .played.json beside the files: an interrupted play goes on
    where it stopped, a finished one is not repeated, a topic made anew gets everything.
    """
    target = Target(bootstrap_servers, topic, partitions if create_topic else None)
    play_files(paths, target, again=again)
