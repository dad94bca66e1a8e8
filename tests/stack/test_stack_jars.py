from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from stack import jars
from stack.config import Settings
from stack.errors import InstallError
from stack.java import Java

# Stands in for `java -jar ivy.jar`: does what the test writes into its file.
FAKE_JAVA = "#!/bin/sh\n{script}\n"
DELIVER = "\n".join(
    f"printf jar > '{jar.module}-{jar.revision}.jar'"
    for group in jars.GROUPS.values()
    for jar in group
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    environ = {"LACUSTRE_CACHE": str(tmp_path / "a cache"), "PATH": os.environ["PATH"]}
    return Settings.read(tmp_path, environ)


def java(tmp_path: Path, script: str) -> Java:
    executable = tmp_path / "java"
    executable.write_text(FAKE_JAVA.format(script=script))
    executable.chmod(0o755)
    return Java(executable, 17)


def no_java() -> Java:
    raise AssertionError("nothing had to be fetched")


def install(settings: Settings, tmp_path: Path, script: str = DELIVER) -> list[str]:
    return jars.install(settings, lambda: java(tmp_path, script))


def test_what_is_installed_needs_neither_java_nor_network(
    settings: Settings, tmp_path: Path
) -> None:
    assert install(settings, tmp_path) == ["kafka", "spark"]
    assert jars.install(settings, no_java) == []


def test_a_failed_fetch_leaves_no_folder_and_the_next_run_completes(
    settings: Settings, tmp_path: Path
) -> None:
    with pytest.raises(InstallError, match=r"host h\.example is not reachable.*LACUSTRE_CACHE"):
        install(settings, tmp_path, "echo half > x.jar; echo 'Host h.example not found.'; exit 1")
    assert not jars.folder(settings, "kafka").exists()
    assert install(settings, tmp_path) == ["kafka", "spark"]
    left = {path.name for path in (settings.cache / "jars").iterdir()}
    assert left == {"kafka", "spark", ".lock", "ivy-kafka.log", "ivy-spark.log"}


def test_a_jar_that_was_not_delivered_is_named(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(InstallError, match=r"kafka_2\.13-.*\.jar"):
        install(settings, tmp_path, "true")


def test_another_version_in_the_code_fetches_that_group_again(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(settings, tmp_path)
    newer = (*jars.SPARK_JARS, jars.Jar("org.example", "more", "1"))
    monkeypatch.setitem(jars.GROUPS, "spark", newer)
    assert install(settings, tmp_path, DELIVER + "\nprintf x > more-1.jar") == ["spark"]


def test_a_removed_or_cut_jar_is_noticed(settings: Settings, tmp_path: Path) -> None:
    install(settings, tmp_path)
    next(jars.folder(settings, "kafka").glob("*.jar")).unlink()
    next(jars.folder(settings, "spark").glob("*.jar")).write_bytes(b"")
    assert install(settings, tmp_path) == ["kafka", "spark"]


def test_only_jars_and_the_marker_reach_the_class_path_folder(
    settings: Settings, tmp_path: Path
) -> None:
    install(settings, tmp_path)
    folder = jars.folder(settings, "spark")
    marker = json.loads((folder / "installed.json").read_text())
    assert {path.name for path in folder.iterdir()} == {*marker["files"], "installed.json"}


def test_nothing_that_pyspark_has_is_put_before_it() -> None:
    assert not any(jar.with_dependencies for jar in jars.SPARK_JARS)
    bundled = {path.name.rsplit("-", 1)[0] for path in (jars.pyspark_home() / "jars").iterdir()}
    assert not bundled & {jar.module for jar in jars.SPARK_JARS}
