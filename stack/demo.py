"""`python -m stack demo`: the whole path once, from Kafka to views, on simulated data.

It runs the commands that people run themselves, and prints each. A second run adds no duplicates:
the simulator remembers what it has played, and the ledger has what was landed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from stack.errors import StackError
from stack.instance import Stack
from stack.sql import Client

_ROOT = Path(__file__).resolve().parent.parent
# A node in dbt's log: "12 of 95 START sql view model staging.x .......... [RUN]".
_DBT_NODE = re.compile(r"(\d+) of (\d+) START .*?(\S+) \.*\s*\[RUN\]")

_LOADED = """
select table_name, max(batch_id) as batches, sum(records) as records
from raw.loader_batches where topic is not null group by table_name order by table_name
"""
_VISITS = """
select site_id, period_start as day, nb_visits, nb_uniq_visitors, nb_actions, bounce_rate
from views.matomo_visits_summary where period = 'day' order by site_id, day
"""
_EVENTS = """
select period_start as month, event_type, events
from views.meter_event_counts_by_type_monthly order by events desc, event_type limit 8
"""
_CHANGES = """
select 'visits that changed: versions closed by the snapshot' as what, count(*) as rows_found
from snapshots.snap_matomo__visits where dbt_valid_to is not null
union all
select 'goals that changed: versions closed', count(*)
from snapshots.snap_matomo__goals where dbt_valid_to is not null
union all
select concat('in quarantine: matomo, ', reason), count(*)
from quarantine.matomo_messages group by reason
union all
select concat('in quarantine: meters, ', reason), count(*)
from quarantine.meter_messages group by reason
"""


# Unit tests use rows of their own and do not test the data; they take a seventh of a build.
_NO_UNIT_TESTS = ("--exclude-resource-type", "unit_test")


def run(stack: Stack, console: Console) -> None:
    """Run the demo on ``stack``, whose servers must run.

    Raises ``StackError`` with the output of the first command that fails.
    """
    data = Path(stack.settings.environ.get("LACUSTRE_DEMO_DIR") or _ROOT / ".demo")
    demo = _Demo(stack, console, data)
    demo.step("Simulate two days of Matomo visits and of smart meter events")
    if not (data / "matomo" / "manifest.json").exists():
        demo.python("simulator", "matomo", "--out", data / "matomo", "--from", "2024-03-01",
                    "--days", "2")  # fmt: skip
    if not (data / "meters" / "manifest.json").exists():
        demo.python("simulator", "meters", "--out", data / "meters", "--from", "2024-03-01",
                    "--days", "2", "--meters", "500", "--events-per-meter-day", "8")  # fmt: skip
    demo.step("Play them into Kafka")
    demo.play("matomo", data / "matomo" / "messages.jsonl")
    demo.play("meter-events", data / "meters")
    demo.step("Land them in the raw tables")
    demo.load()
    demo.step("Build every model and snapshot, and test the data")
    demo.dbt("build", *_NO_UNIT_TESTS)
    demo.step("Play changed visits and a renamed goal, land them, and detect the changes")
    demo.play("matomo", data / "matomo" / "changes.jsonl")
    demo.load()
    demo.dbt("run", "--select", "tag:staging,tag:matomo", "tag:intermediate,tag:matomo")
    demo.dbt("snapshot")
    demo.dbt("build", "--select", "tag:lake,tag:matomo", *_NO_UNIT_TESTS)
    demo.step("Build the documentation")
    demo.dbt("docs", "generate")
    demo.summary()


class _Demo:
    def __init__(self, stack: Stack, console: Console, data: Path) -> None:
        self._stack = stack
        self._console = console
        self._step = 0
        self._environ = {
            **os.environ,
            **stack.env(),
            "PARK_DIR": str(data / "meters" / "park"),
            "PYTHONPATH": str(_ROOT),
            "DBT_SPARK_CODEGEN": "false",
            "COLUMNS": str(console.width),
        }

    def step(self, title: str) -> None:
        self._step += 1
        self._console.print(f"\n[bold]{self._step}. {title}[/bold]")

    def python(self, module: str, *arguments: str | Path) -> None:
        words = [str(argument) for argument in arguments]
        self._run([sys.executable, "-m", module, *words], f"python -m {module} {words[0]}")

    def play(self, topic: str, path: Path) -> None:
        self.python(
            "simulator", "play", "--topic", topic, "--create-topic", "--partitions", "2", path
        )

    def load(self) -> None:
        self.python("loader", "--config", _ROOT / "loader.toml.example", "run")

    def dbt(self, *words: str) -> None:
        """Run dbt with a progress bar instead of its log, which is printed only if dbt fails."""
        name = "dbt " + " ".join(words)
        command = [
            str(Path(sys.executable).parent / "dbt"), "--no-use-colors", *words,
            "--target", "local", "--profiles-dir", str(self._profiles()),
        ]  # fmt: skip
        started = time.monotonic()
        lines: list[str] = []
        with Progress(
            TextColumn("   {task.description}"),
            BarColumn(),
            TextColumn("{task.fields[node]}"),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
        ) as progress:
            task = progress.add_task(name, total=None, node="")
            process = subprocess.Popen(
                command,
                cwd=_ROOT,
                env=self._environ,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            assert process.stdout is not None  # noqa: S101 - it is piped
            for line in process.stdout:
                lines.append(line)
                found = _DBT_NODE.search(line)
                if found:
                    progress.update(
                        task, completed=int(found[1]), total=int(found[2]), node=found[3]
                    )
            code = process.wait()
        if code != 0:
            # Spark's errors contain pages of Java stack frames; drop them.
            told = [line for line in lines if not line.lstrip().startswith(("at ", "... "))]
            raise StackError(f"`{name}` failed:\n{''.join(told[-60:])}")
        done = [line for line in lines if "Done. " in line]
        result = done[-1].split("Done. ")[1].strip() if done else "done"
        self._console.print(
            f"   {name}: {result} ({time.monotonic() - started:.0f} s)",
            highlight=False,
            soft_wrap=True,
        )

    def summary(self) -> None:
        """Print a few numbers from the lake, and the next commands to try."""
        self._console.print("\n[bold]What is in the lake now[/bold]")
        endpoint = self._stack.endpoints
        client = Client(endpoint.thrift_host, endpoint.thrift_port, endpoint.thrift_password)
        with closing(client):
            for title, statement in (
                ("Loaded from Kafka (raw.loader_batches)", _LOADED),
                ("Visits a day (views.matomo_visits_summary)", _VISITS),
                ("Commonest meter events (views.meter_event_counts_by_type_monthly)", _EVENTS),
                ("Changes and quarantine", _CHANGES),
            ):
                answer = client.run(statement)
                self._console.print(f"\n   {title}", highlight=False)
                table = Table(*answer.columns, box=SIMPLE_HEAD)
                for row in answer.rows:
                    table.add_row(*[f"{each:,}" if isinstance(each, int) else str(each)
                                    for each in row])  # fmt: skip
                self._console.print(table)
        self._console.print(
            "\n[bold]Next[/bold]\n"
            "   make docs                      dbt docs serve: models, columns and lineage\n"
            "   .venv/bin/python -m stack sql  a SQL prompt on the lake\n"
            "   make down                      stop the servers (the data stays in .stack)\n"
            '\nFor python -m loader and dbt in your shell: eval "$(.venv/bin/python -m stack env)"',
            highlight=False,
            soft_wrap=True,
        )

    def _profiles(self) -> Path:
        """A folder with the shipped dbt profile, because the user's own may point
        to other servers.
        """
        folder = self._stack.directory / "demo-profile"
        folder.mkdir(exist_ok=True)
        text = (_ROOT / "profiles.yml.example").read_text(encoding="utf-8")
        (folder / "profiles.yml").write_text(text, encoding="utf-8")
        return folder

    def _run(self, command: Sequence[str], name: str) -> None:
        """Run ``command``; its output goes to the terminal, so that it can show progress there."""
        process = subprocess.run(command, cwd=_ROOT, env=self._environ, check=False)
        if process.returncode != 0:
            raise StackError(f"`{name}` failed with exit code {process.returncode}.")
