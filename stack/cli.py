"""The command line: `python -m stack …`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import NoReturn, ParamSpec, TypeVar

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from stack.errors import StackError
from stack.instance import ENVIRONMENT, START_SECONDS, Progress, Stack

P = ParamSpec("P")
T = TypeVar("T")

_SERVERS = click.argument("servers", nargs=-1, type=click.Choice(["kafka", "spark"]))


def _user_errors(command: Callable[P, T]) -> Callable[P, T]:
    """Print errors that the user can fix as a sentence, and exit with their code."""

    @wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return command(*args, **kwargs)
        except StackError as error:
            _fail(str(error), error.exit_code)
        except KeyboardInterrupt:
            _fail("Interrupted.", 130)
        except OSError as error:
            # A full disk or a folder without write permission, for example; the text has file and
            # cause.
            _fail(f"The operating system refused: {error}.", 1)

    return wrapped


def _fail(message: str, code: int) -> NoReturn:
    click.echo(f"Error: {message}", err=True)
    sys.exit(code)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """A local Kafka and Spark (Thrift and Connect, with Delta Lake) for people and tests.

    All files of an instance are in one folder: `.stack` in the project, or LACUSTRE_STACK_DIR.
    """


@cli.command()
@click.option(
    "--accept-jars", is_flag=True,
    help="For maintainers, after a change of versions: lock the SHA-256 of the present jars.",
)  # fmt: skip
@_user_errors
def install(accept_jars: bool) -> None:
    """Fetch the jars and check their hashes; afterwards the stack needs no network."""
    with _progress() as progress:
        stack = Stack()
        fetched = stack.install(progress, accept_jars=accept_jars)
    folder = stack.settings.cache / "jars"
    click.echo(f"Jars fetched into {folder}." if fetched else f"All jars are in {folder}.")


@cli.command()
@_SERVERS
@click.option(
    "--timeout", type=click.FloatRange(min=1), default=START_SECONDS, show_default=True,
    help="Seconds until a server that does not answer counts as failed.",
)  # fmt: skip
@_user_errors
def up(servers: tuple[str, ...], timeout: float) -> None:
    """Start the servers (or only those named) and wait until they answer."""
    with _progress() as progress:
        stack = Stack()
        started = stack.up(servers, timeout=timeout, progress=progress)
    for server in stack.servers:
        if not servers or server.name in servers:
            done = "started" if server.name in started else "already running and healthy"
            services = [name for name in ("kafka", "thrift", "connect") if name in server.ports]
            where = ", ".join(f"{name} {server.address(name)}" for name in services)
            click.echo(f"{server.title} {done}: {where}")
    click.echo('Let clients find them: eval "$(python -m stack env)"', err=True)


@cli.command()
@_SERVERS
@_user_errors
def down(servers: tuple[str, ...]) -> None:
    """Stop the servers that `up` started (or only those named); the data stays."""
    with _progress() as progress:
        progress("stopping")
        stack = Stack()
        stopped = stack.down(servers, progress)
    titles = [server.title for server in stack.servers if server.name in stopped]
    click.echo(f"Stopped {' and '.join(titles)}." if titles else "Nothing was running.")


@cli.command()
@_user_errors
def status() -> None:
    """Check every server; exit code 1 unless all are healthy."""
    lines = Stack().status()
    table = Table(show_edge=False)
    here = Path.cwd()
    for column in ("server", "pid", "address", "healthy", "log"):
        table.add_column(column, overflow="fold")
    for line in lines:
        health = Text("yes", "green") if line.problem is None else Text(line.problem, "red")
        log = line.log.relative_to(here) if line.log.is_relative_to(here) else line.log
        pid = str(line.pid) if line.pid else "-"
        table.add_row(line.service, pid, line.address or "-", health, Text(str(log)))
    console = Console()
    if not console.is_terminal:
        # A file or a pipe has no width of its own, so do not fold long paths.
        console = Console(width=1000)
    console.print(table)
    if any(line.problem for line in lines):
        sys.exit(1)


@cli.command()
@_user_errors
def env() -> None:
    """Print the servers' addresses, for `eval "$(python -m stack env)"`.

    Unless all servers run, the printed line unsets the variables and makes `eval` fail, so that the
    next command does not connect to servers of an earlier start or of somebody else.
    """
    try:
        lines = export_lines(Stack().env())
    except StackError:
        click.echo(f"unset {' '.join(ENVIRONMENT)}; false")
        raise
    click.echo("\n".join(lines))


@cli.command()
@_user_errors
def demo() -> None:
    """Run the whole path once, from Kafka to views, on simulated data; then print a summary.

    Starts servers that do not run. A second run adds no duplicates.
    """
    from stack import demo

    with _progress() as progress:
        stack = Stack()
        stack.up(progress=progress)
    demo.run(stack, Console())


@cli.command()
@click.argument("statement", required=False)
@_user_errors
def sql(statement: str | None) -> None:
    """Run STATEMENT on Spark. Without it, open a prompt, or run the statements of standard input.

    Prints tables on a terminal, else tab-separated lines.
    """
    from stack.sql import Client, prompt, run_all

    stack = Stack()
    endpoint = stack.spark.thrift_endpoint()
    console = Console()
    client = Client(*endpoint)
    try:
        if statement is not None:
            run_all(client, statement, console)
        elif sys.stdin.isatty():
            prompt(client, console, stack.directory / "sql_history")
        else:
            run_all(client, sys.stdin.read(), console)
    finally:
        client.close()


def export_lines(variables: dict[str, str]) -> list[str]:
    """Lines of a shell that export the variables; values are quoted."""
    return [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]


class _progress:
    """Shows the latest message on stderr: as a spinner on a terminal, else as one
    line per message.
    """

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._status = console.status("…") if console.is_terminal else None
        self._last = ""

    def __enter__(self) -> Progress:
        if self._status:
            self._status.start()
        return self._show

    def __exit__(self, *_: object) -> None:
        if self._status:
            self._status.stop()

    def _show(self, message: str) -> None:
        if message == self._last:
            return
        self._last = message
        if self._status:
            self._status.update(Text(message))
        else:
            click.echo(message, err=True)


def main() -> None:
    """Run the command line."""
    cli(prog_name="python -m stack")
