"""The command line: `python -m simulator meters|matomo|play|park|report`."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import click

from simulator.dataset import read_manifest, write_file
from simulator.errors import SimulatorError
from simulator.matomo import MatomoSettings, write_matomo
from simulator.meters import (
    PROTOTYPE_END,
    PROTOTYPE_METERS,
    PROTOTYPE_ROWS,
    PROTOTYPE_START,
    MeterSettings,
    Shares,
    meter_park,
    write_meters,
)
from simulator.progress import progress_bar
from simulator.records import FORMATS, KEYS, Format, Key, Shape

# Clients and plots are imported by the commands that need them: the imports take longer than the
# generation of a small data set.

F = TypeVar("F", bound=Callable[..., Any])

OUT = click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the data set; replaces an existing data set.",
)
DAY = click.DateTime(["%Y-%m-%d"])
# No time before 1970 in any time zone, and room for clocks that are years ahead.
EARLIEST, LATEST = date(1971, 1, 1), date(2199, 12, 31)


def _in_range(
    _context: click.Context, _option: click.Parameter, value: datetime | None
) -> datetime | None:
    if value is not None and not EARLIEST <= value.date() <= LATEST:
        raise click.BadParameter(f"{value.date()} is not between {EARLIEST} and {LATEST}")
    return value


START = click.option(
    "--from",
    "start",
    required=True,
    type=DAY,
    callback=_in_range,
    help="First day, YYYY-MM-DD.",
)
TO = click.option(
    "--to", "end", type=DAY, callback=_in_range, help="Last day (inclusive); alternative to --days."
)
DAYS = click.option("--days", type=click.IntRange(1), help="How many days; 3 without --to.")
PROCESSES = click.option(
    "--processes",
    default=1,
    show_default=True,
    type=click.IntRange(1),
    help="Number of processes; does not change the output.",
)
SEED = click.option(
    "--seed",
    default=7,
    show_default=True,
    type=click.IntRange(0),
    help="The same seed and options give the same bytes.",
)


def _planted(name: str, default: int, what: str) -> Callable[[F], F]:
    return click.option(name, default=default, show_default=True, type=click.IntRange(0), help=what)


def _percent(name: str, default: int, what: str) -> Callable[[F], F]:
    return click.option(
        name, default=default, show_default=True, type=click.IntRange(0, 100), help=what
    )


def _share(name: str, destination: str, what: str) -> Callable[[F], F]:
    default = getattr(Shares(), destination) * 100
    return click.option(
        name,
        destination,
        type=click.FloatRange(0, 100),
        help=f"{what} [default: {default:g}]",
    )


def _last_day(first: date, end: datetime | None, days: int | None, usual: date) -> date:
    if end is not None and days is not None:
        raise click.UsageError("say --to or --days, not both")
    if end is not None:
        if end.date() < first:
            raise click.BadParameter(
                f"{end.date()} is before the first day, {first}", param_hint="--to"
            )
        return end.date()
    if days is not None and days > (LATEST - first).days + 1:
        raise click.BadParameter(f"{days:,} days end after {LATEST}", param_hint="--days")
    return usual if days is None else first + timedelta(days=days - 1)


@contextmanager
def _told(what: str, expected: int) -> Iterator[Callable[[int], None]]:
    """A progress bar that counts up to ``expected`` of ``what``; yields the function that advances
    it.
    """
    with progress_bar() as progress:
        task = progress.add_task(what, total=expected)
        yield lambda done: progress.update(task, advance=done)


class _Commands(click.Group):
    """Commands that report an unwritable folder or a full disk without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            raise SimulatorError(f"{where}{error.strerror or error}.") from None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Make realistic fake data, with the true answers, and play it to Kafka."""


@main.command()
@OUT
@click.option(
    "--from",
    "start",
    type=DAY,
    callback=_in_range,
    help="First day, YYYY-MM-DD; 2017-01-01 with --like-prototype.",
)
@TO
@DAYS
@SEED
@PROCESSES
@click.option(
    "--meters",
    type=click.IntRange(4),
    help="Number of delivery points; one concentrator per 47.  [default: 1000]",
)
@click.option(
    "--events-per-meter-day",
    type=click.FloatRange(0, min_open=True),
    help="Events per meter on a mean day; more in winter, evenings and storms.  [default: 1]",
)
@click.option(
    "--like-prototype",
    is_flag=True,
    help="The prototype's data: 25 meters, 8,640 events a day, 2017-01-01 to 2021-01-01, no "
    "defects unless asked for.",
)
@_share("--late", "late", "Per cent of the rows that come 1 to 7 days late.")
@_share("--duplicates", "duplicates", "Per cent that play sends twice.")
@_share("--malformed", "malformed", "Per cent that cannot be read.")
@_share("--wrong-clock", "wrong_clock", "Per cent that occur more than a year ahead.")
@_share("--unknown-equipment", "unknown_equipment", "Per cent of meters that no park file has.")
@_share("--unknown-type", "unknown_type", "Per cent with an unknown event type.")
@_share("--unplaced", "unplaced", "Per cent from meters without a place on that day.")
def meters(
    out: Path,
    start: datetime | None,
    end: datetime | None,
    days: int | None,
    seed: int,
    processes: int,
    meters: int | None,
    events_per_meter_day: float | None,
    like_prototype: bool,
    **percent: float | None,
) -> None:
    """Make events and park of smart meters.

    Writes events/event_YYYYMMDD.csv, park/*.csv, answers/*.csv and manifest.json.

    The shares of defects are in per cent. An event is in the file of the day on which it arrived.
    """
    if like_prototype and (meters is not None or events_per_meter_day is not None):
        raise click.UsageError(
            f"--like-prototype has {PROTOTYPE_METERS} meters and {PROTOTYPE_ROWS:,} events a day; "
            "leave --meters and --events-per-meter-day out"
        )
    first = start.date() if start else PROTOTYPE_START if like_prototype else None
    if first is None:
        raise click.UsageError("name the first day with --from, or ask for --like-prototype")
    usual = PROTOTYPE_END if like_prototype and start is None else first + timedelta(days=2)
    usual_shares = Shares.none() if like_prototype else Shares()
    given = {name: value / 100 for name, value in percent.items() if value is not None}
    settings = MeterSettings(
        seed=seed,
        start=first,
        end=_last_day(first, end, days, usual),
        meters=PROTOTYPE_METERS if like_prototype else meters or 1000,
        events_per_meter_day=events_per_meter_day or 1.0,
        shares=replace(usual_shares, **given),
        like_prototype=like_prototype,
    )
    per_day = settings.meters * settings.events_per_meter_day
    expected = settings.days * (PROTOTYPE_ROWS if like_prototype else round(per_day))
    with _told("events", expected) as tell:
        made = write_meters(out, settings, processes=processes, tell=tell)
    counts = made["counts"]
    click.echo(
        f"{out}: {counts['rows']:,} rows in {settings.days:,} days, {counts['events']:,} events "
        f"for the answers; {made['park']['meters']:,} meters, "
        f"{made['park']['concentrators']:,} concentrators"
    )


@main.command()
@OUT
@START
@TO
@DAYS
@SEED
@PROCESSES
@click.option("--sites", default=2, show_default=True, type=click.IntRange(1))
@click.option(
    "--visits-per-day",
    default=20,
    show_default=True,
    type=click.IntRange(1),
    help="Per site, on a mean day.",
)
@click.option(
    "--timezone",
    "timezones",
    multiple=True,
    default=("UTC",),
    show_default=True,
    help="Time zone; repeatable, assigned to the sites in turn.",
)
@_planted("--broken", 4, "Number of messages without a readable visit.")
@_planted("--duplicates", 2, "Visits that are exported twice, unchanged.")
@_planted("--midnight", 1, "Visits at midnight sharp, in the exports of two days.")
@_planted("--truncated", 0, "Visits with more actions than are exported.")
@click.option(
    "--max-actions",
    default=500,
    show_default=True,
    type=click.IntRange(10),
    help="Most exported actions per visit.",
)
@_percent("--active", 5, "Per cent of the visits that are also exported before they end.")
@_percent("--grown", 20, "Per cent of the visits that have grown in changes.jsonl.")
@_percent("--arrays", 5, "Per cent of the visits that start a message with an array of visits.")
@click.option("--catalogues", is_flag=True, help="Also messages that describe the sites.")
@click.option("--reports", is_flag=True, help="Also reports.jsonl, Matomo's own daily figures.")
def matomo(
    out: Path,
    start: datetime,
    end: datetime | None,
    days: int | None,
    seed: int,
    processes: int,
    sites: int,
    visits_per_day: int,
    timezones: tuple[str, ...],
    broken: int,
    duplicates: int,
    midnight: int,
    truncated: int,
    max_actions: int,
    active: int,
    grown: int,
    arrays: int,
    catalogues: bool,
    reports: bool,
) -> None:
    """Make exports of Matomo.

    Writes messages.jsonl, the later changes.jsonl, answers/*/*.csv and manifest.json.
    """
    for name in timezones:
        if name != "UTC":
            try:
                zoneinfo.ZoneInfo(name)
            except (zoneinfo.ZoneInfoNotFoundError, ValueError):
                raise click.BadParameter(
                    f"no time zone {name!r} on this machine; use an IANA name like Europe/Paris",
                    param_hint="--timezone",
                ) from None
    first = start.date()
    settings = MatomoSettings(
        seed=seed,
        start=first,
        days=(_last_day(first, end, days, first + timedelta(days=2)) - first).days + 1,
        sites=sites,
        visits_per_day=visits_per_day,
        timezones=timezones,
        broken=broken,
        duplicates=duplicates,
        midnight=midnight,
        truncated=truncated,
        max_actions=max_actions,
        active_percent=active,
        grown_percent=grown,
        array_percent=arrays,
        catalogues=catalogues,
        report_messages=reports,
    )
    with _told("visits", settings.days * sites * visits_per_day) as tell:
        made = write_matomo(out, settings, processes=processes, tell=tell)
    counts = made["counts"]
    click.echo(
        f"{out}: {counts['visits']:,} visits in {counts['messages']:,} messages, "
        f"{counts['changes']:,} changes"
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
@click.option(
    "--format",
    "format_",
    default="prototype",
    show_default=True,
    type=click.Choice(FORMATS),
    help="Of event days: an object with one member <file>_row<N>, or an object per event.",
)
@click.option(
    "--key",
    default="as-is",
    show_default=True,
    type=click.Choice(KEYS),
    help="as-is: of the message file; none for prototype, the equipment for object.",
)
@click.option(
    "--header",
    "headers",
    multiple=True,
    metavar="NAME=VALUE",
    help="Add a header to each record; give it again for more.",
)
@click.option("--no-headers", is_flag=True, help="Leave out the headers of message files.")
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="Records a second at most.")
@click.option(
    "--speed",
    type=click.FloatRange(0, min_open=True),
    help="Send at the records' own times, this many times as fast.",
)
@click.option(
    "--jitter",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0),
    help="Delay each record by up to this number of seconds of its own time.",
)
@click.option(
    "--disorder",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0, 100),
    help="Per cent of the records that come up to 1,000 records late.",
)
@click.option(
    "--resend",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0, 100),
    help="Per cent of the records that are sent twice.",
)
@click.option(
    "--timestamps",
    is_flag=True,
    help="Kafka's timestamps are the records' own times instead of now.",
)
@SEED
@click.option("--again", is_flag=True, help="Send also what the topic already has.")
def play(
    paths: tuple[Path, ...],
    topic: str,
    bootstrap_servers: str,
    create_topic: bool,
    partitions: int,
    format_: Format,
    key: Key,
    headers: tuple[str, ...],
    no_headers: bool,
    rate: float | None,
    speed: float | None,
    jitter: float,
    disorder: float,
    resend: float,
    timestamps: bool,
    seed: int,
    again: bool,
) -> None:
    """Send files of a data set to Kafka.

    Sends message files (*.jsonl) and event days (event_*.csv).

    The number of acknowledged records is kept in .played.json beside the files: an interrupted play
    resumes where it stopped, a finished one is not repeated, and a topic that was created again
    gets all records.
    """
    from simulator.play import Pace, Target, play_files

    pairs = []
    for header in headers:
        name, equals, content = header.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{header!r} is not NAME=VALUE", param_hint="--header")
        pairs.append((name, content))
    shape = Shape(
        format=format_,
        key=key,
        headers=tuple(pairs),
        keep_headers=not no_headers,
        disorder=disorder / 100,
        resends=resend / 100,
        jitter=jitter,
        seed=seed,
    )
    play_files(
        paths,
        Target(bootstrap_servers, topic, partitions if create_topic else None),
        shape=shape,
        pace=Pace(rate, speed),
        timestamps=timestamps,
        again=again,
    )


@main.command()
@click.argument("dataset", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("target", envvar="SIMULATOR_DATABASE_URL")
@click.option(
    "--as-of",
    type=DAY,
    help="The park as it was on that day; later changes are not there yet.",
)
@click.option("--events", is_flag=True, help="Fill a table `events` too (databases only).")
def park(dataset: Path, target: str, as_of: datetime | None, events: bool) -> None:
    """Fill a database or a folder with the park.

    The park of DATASET (made by `meters`) is written to TARGET, a database or a folder.

    TARGET is postgresql://user:password@host:port/database, mysql:// or mariadb:// likewise, or a
    folder for the nine CSV files; SIMULATOR_DATABASE_URL can replace it. Existing rows are
    replaced. A second run with a later --as-of changes the park as a real one changes.
    """
    manifest = read_manifest(dataset, "meters")
    made = meter_park(manifest)
    day = as_of.date() if as_of else None
    if "://" not in target:
        if events:
            raise click.UsageError(f"--events needs a database; {target} is a folder")
        folder = Path(target)
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in made.files(day):
            write_file(folder / f"{name}.csv", content.encode())
        click.echo(f"{folder}: the park{f' as of {day}' if day else ''}")
        return
    from simulator.databases import fill

    files = sorted((dataset / "events").glob("event_*.csv")) if events else []
    with progress_bar() as progress:
        task = progress.add_task("events", total=manifest["counts"]["readable"], visible=events)
        counts = fill(
            target,
            made,
            as_of=day,
            events=files,
            tell=lambda rows: progress.update(task, advance=rows),
        )
    told = ", ".join(f"{name} {count:,}" for name, count in counts.items())
    click.echo(f"rows{f' as of {day}' if day else ''}: {told}")


@main.command()
@click.argument("dataset", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The page to write.  [default: DATASET/report.html]",
)
def report(dataset: Path, out: Path | None) -> None:
    """Draw the distributions of DATASET.

    One HTML page, for people who check whether the data look realistic.
    """
    from simulator.report import write_report

    page = out or dataset / "report.html"
    write_report(dataset, page)
    click.echo(f"{page}: open it in a browser")
