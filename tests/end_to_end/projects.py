"""A small dbt project for a test, with the macros of this project."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import ROOT, Answer, Run, Sql


class Project:
    """A dbt project in ``folder`` that writes to ``schema``; ``sql`` queries the same server."""

    def __init__(
        self,
        folder: Path,
        schema: str,
        profiles: Path,
        run: Run,
        sql: Sql,
    ) -> None:
        self.folder, self.schema, self.profiles = folder, schema, profiles
        self.run, self.sql = run, sql
        (folder / "macros").symlink_to(ROOT / "macros")

    def write(self, name: str, text: str) -> None:
        (self.folder / name).parent.mkdir(exist_ok=True)
        (self.folder / name).write_text(text, encoding="utf-8")

    def dbt(self, *words: str) -> Answer:
        return self.run(
            "dbt", *words, "--project-dir", self.folder, "--target", "test",
            "--profiles-dir", self.profiles, DBT_TEST_SCHEMA=self.schema,
            DBT_TARGET_PATH=self.folder / "target",
        )  # fmt: skip
