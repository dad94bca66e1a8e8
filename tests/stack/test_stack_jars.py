from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from stack import jars
from stack.config import Settings
from stack.errors import InstallError
from stack.java import Java

# Replaces `java -jar ivy.jar`: runs the script of the test.
FAKE_JAVA = "#!/bin/sh\n{script}\n"
# What Ivy would deliver: the jars of the group in its module file.
DELIVER = "\n".join(
    f"grep -q stack-{group} ivy.xml && printf jar > '{jar.module}-{jar.revision}.jar'"
    for group, members in jars.GROUPS.items()
    for jar in members
)
DELIVER += "\ntrue"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    digest = hashlib.sha256(b"jar").hexdigest()
    locked = [
        f"{digest}  {group}/{jar.module}-{jar.revision}.jar\n"
        for group, members in jars.GROUPS.items()
        for jar in members
    ]
    monkeypatch.setattr(jars, "LOCK", tmp_path / "jars.sha256")
    jars.LOCK.write_text("".join(locked), encoding="utf-8")
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
    script = DELIVER + "\nprintf x > more-1.jar"
    with pytest.raises(InstallError, match=r"more-1\.jar is not in jars\.sha256"):
        install(settings, tmp_path, script)
    # A maintainer checks the jar and locks it.
    fetched = jars.install(settings, lambda: java(tmp_path, script), accepted=True)
    assert fetched == ["spark"]
    assert jars.install(settings, no_java) == []
    assert "spark/more-1.jar" in jars.LOCK.read_text()


def test_a_removed_or_cut_jar_is_noticed(settings: Settings, tmp_path: Path) -> None:
    install(settings, tmp_path)
    next(jars.folder(settings, "kafka").glob("*.jar")).unlink()
    next(jars.folder(settings, "spark").glob("*.jar")).write_bytes(b"")
    assert install(settings, tmp_path) == ["kafka", "spark"]


@pytest.mark.parametrize("group", ["kafka", "spark"])
def test_a_jar_that_was_exchanged_is_refused_at_each_start(
    settings: Settings, tmp_path: Path, group: str
) -> None:
    install(settings, tmp_path)
    jar = next(jars.folder(settings, group).glob("*.jar"))
    jar.write_bytes(b"RAJ")  # same length as before
    with pytest.raises(InstallError, match=rf"{jar.name} has SHA-256"):
        jars.install(settings, no_java)


@pytest.mark.parametrize("name", ["more.jar", "MORE.JAR"])
def test_a_jar_that_nobody_locked_is_refused_at_each_start(
    settings: Settings, tmp_path: Path, name: str
) -> None:
    install(settings, tmp_path)
    (jars.folder(settings, "spark") / name).write_bytes(b"jar")
    with pytest.raises(InstallError, match=rf"{name} is not in jars\.sha256"):
        jars.install(settings, no_java)


def test_a_fetched_jar_that_is_another_one_never_reaches_the_class_path(
    settings: Settings, tmp_path: Path
) -> None:
    jar = jars.SPARK_JARS[0]
    name = f"{jar.module}-{jar.revision}.jar"
    script = f"{DELIVER}\ntest ! -e {name} || printf x >> {name}"
    with pytest.raises(InstallError, match=rf"fetched .* {jar.module}-.* has SHA-256"):
        install(settings, tmp_path, script)
    assert not jars.folder(settings, "spark").exists()


def test_every_jar_of_the_code_is_locked() -> None:
    locked = set(jars.LOCK.read_text(encoding="utf-8").split())
    for group, members in jars.GROUPS.items():
        assert {f"{group}/{jar.module}-{jar.revision}.jar" for jar in members} <= locked


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
