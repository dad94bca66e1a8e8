"""A SQL prompt on the Thrift server."""

from __future__ import annotations

import contextlib
import re
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from stack.errors import SqlError

_EXIT_WORDS = {"exit", "quit"}

# A comment, a quoted identifier or text, or the end of a statement.
_TOKEN = re.compile(
    r"--[^\n]*|/\*.*?\*/|`(?:[^`]|``)*`|'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.|\"\")*\"|;",
    re.DOTALL,
)
_CLASS_NAMES = re.compile(r"^(?:(?:[\w$]+\.)+[\w$]+: )+")
_CONDITION = re.compile(r"(\[[A-Z][A-Z0-9_.]+\] (?!(?:[\w$]+\.)+[\w$]+:).*)")
_COMMENT = re.compile(r"--[^\n]*(?:\n|$)|/\*.*?\*/", re.DOTALL)


@dataclass(frozen=True)
class Result:
    """The result of a statement; without columns if the statement has no result."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    seconds: float


def split(text: str) -> tuple[list[str], str]:
    """Split `text` at the semicolons outside of quotes and comments.

    Returns:
        The complete statements, and the text after the last semicolon ("" if it is only blanks
        and comments).
    """
    statements, begin = [], 0
    for token in _TOKEN.finditer(text):
        if token[0] == ";":
            statements.append(text[begin : token.start()])
            begin = token.end()
    return [s.strip() for s in statements if not _is_blank(s)], _remainder(text[begin:])


def shorten(message: str) -> str:
    """The first sentence of a Spark error without the class names around it, and the position of a
    syntax error.
    """
    lines = [line.strip() for line in message.splitlines() if line.strip()] or ["unknown error"]
    # Every layer repeats the condition before its own class name; take the one before a sentence.
    conditions = (match[1] for line in lines for match in _CONDITION.finditer(line))
    sentence = next(conditions, None) or _CLASS_NAMES.sub("", lines[0])
    end = re.search(r"(?<=[^.\s]{2})\. (?=[A-Z])|; line \d| SQLSTATE: |\.$", sentence)
    short = (sentence[: end.start()] if end else sentence).rstrip(". ")
    # A syntax error is only useful with its position.
    place = re.search(r"\bline (\d+),? pos (\d+)", message)
    return f"{short} (line {place[1]}, position {place[2]})." if place else f"{short}."


class Client:
    """A Thrift session that runs one statement at a time. Raises `SqlError` if it
    cannot be opened.
    """

    def __init__(self, host: str, port: int, password: str) -> None:
        from pyhive import hive

        try:
            self._connection = hive.Connection(
                host=host, port=port, auth="CUSTOM", username="stack", password=password
            )
        except Exception as error:  # thrift, sasl and socket have different error classes
            raise SqlError(f"No session with {host}:{port}: {_message(error)}") from error

    def run(self, statement: str) -> Result:
        """Run a statement and fetch its rows; Ctrl-C cancels it on the server.

        Raises:
            SqlError: Spark rejected it; the message is the first sentence of Spark's error.
        """
        from TCLIService.ttypes import TOperationState as Operation

        begin = time.monotonic()
        cursor = self._connection.cursor()
        try:
            # Asynchronous, because a synchronous statement cannot be cancelled.
            cursor.execute(statement, async_=True)
            pause = 0.01
            while True:
                status = cursor.poll()
                if status.operationState not in (
                    Operation.INITIALIZED_STATE,
                    Operation.PENDING_STATE,
                    Operation.RUNNING_STATE,
                ):
                    break
                time.sleep(pause)
                pause = min(pause * 1.5, 0.5)
            if status.operationState != Operation.FINISHED_STATE:
                raise SqlError(shorten(status.errorMessage or "the statement was cancelled"))
            columns = [column[0] for column in cursor.description or ()]
            rows = cursor.fetchall() if columns else []
            if columns == ["Result"] and not rows:
                # Thrift returns one empty column for a statement without a result.
                columns = []
        except KeyboardInterrupt:
            with contextlib.suppress(Exception):
                cursor.cancel()
            raise
        except SqlError:
            raise
        except Exception as error:  # thrift, sasl and socket have different error classes
            raise SqlError(_message(error)) from error
        finally:
            with contextlib.suppress(Exception):
                cursor.close()
        return Result(columns, rows, time.monotonic() - begin)

    def close(self) -> None:
        """End the session."""
        with contextlib.suppress(Exception):
            self._connection.close()


def show(result: Result, console: Console) -> None:
    """Print a table on a terminal, else tab-separated lines with a header."""
    if not console.is_terminal:
        if result.columns:
            lines = [result.columns, *([_cell(value) for value in row] for row in result.rows)]
            for line in lines:
                console.file.write("\t".join(map(_one_line, line)) + "\n")
        return
    if result.columns:
        table = Table(show_edge=False)
        for column in result.columns:
            table.add_column(Text(column), overflow="fold")
        for row in result.rows:
            table.add_row(*(Text(_cell(value)) for value in row))
        console.print(table)
    count = f"{len(result.rows)} row{'' if len(result.rows) == 1 else 's'}, "
    console.print(f"[dim]{count if result.columns else ''}{result.seconds:.2f} s[/dim]")


def run_all(client: Client, text: str, console: Console) -> None:
    """Run all statements of a text; stop at the first error.

    Raises:
        SqlError: Spark rejected a statement.
    """
    statements, rest = split(text)
    for statement in [*statements, *([rest] if rest else [])]:
        show(client.run(statement), console)


def prompt(client: Client, console: Console, history: Path) -> None:
    """Read and run statements, each ended by a semicolon, until Ctrl-D, `exit` or `quit`."""
    console.print("[dim]End a statement with ; and the prompt with Ctrl-D.[/dim]")
    with _line_history(history):
        for statement in _typed():
            try:
                show(client.run(statement), console)
            except SqlError as error:
                console.print(Text(str(error), style="red"))
            except KeyboardInterrupt:
                console.print("[dim]cancelled[/dim]")


def _typed() -> Iterator[str]:
    pending = ""
    while True:
        try:
            line = input("...> " if pending else "sql> ")
        except EOFError:
            sys.stdout.write("\n")
            return
        except KeyboardInterrupt:
            sys.stdout.write("\n")
            pending = ""
            continue
        if not pending and line.strip().rstrip(";").lower() in _EXIT_WORDS:
            return
        statements, pending = split(pending + "\n" + line)
        yield from statements


@contextlib.contextmanager
def _line_history(path: Path) -> Iterator[None]:
    try:
        import readline
    except ImportError:  # this Python has no readline; input() works without it
        yield
        return
    with contextlib.suppress(OSError):
        readline.read_history_file(path)
    readline.set_history_length(1000)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            readline.write_history_file(path)


def _is_blank(text: str) -> bool:
    return not _COMMENT.sub("", text).strip()


def _remainder(text: str) -> str:
    return "" if _is_blank(text) else text.strip()


def _cell(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def _one_line(text: str) -> str:
    for character, written in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r")):
        text = text.replace(character, written)
    return text


def _message(error: Exception) -> str:
    """The server's message from PyHive's error object."""
    answers: Iterable[object] = error.args
    for answer in answers:
        said = getattr(getattr(answer, "status", None), "errorMessage", None)
        if said:
            return shorten(said)
    return shorten(f"{type(error).__name__}: {error}")
