from __future__ import annotations

from pathlib import Path

import pytest

from stack.errors import JavaError
from stack.java import find_java, parse_version, server_environ
from tests.stack.conftest import JavaAt


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15\nOpenJDK Runtime Environment', 17),
        ('openjdk version "21" 2023-09-19', 21),
        ('java version "1.8.0_402"', 8),
        ('openjdk version "25-ea" 2025-09-16', 25),
        ('Picked up JAVA_TOOL_OPTIONS: -Dx=1\nopenjdk version "17.0.9"', 17),
        ("The operation couldn't be completed. Unable to locate a Java Runtime.", None),
        ("", None),
    ],
)
def test_the_feature_version_is_read_from_any_vendors_answer(
    text: str, version: int | None
) -> None:
    assert parse_version(text) == version


def test_java_home_wins_over_path(java_at: JavaAt) -> None:
    home, other = java_at("home", "21.0.1"), java_at("other", "17.0.1")
    java = find_java({"JAVA_HOME": str(home), "PATH": str(other / "bin") + ":/usr/bin:/bin"})
    assert (java.version, java.home) == (21, home.resolve())


def test_a_java_home_that_is_too_old_does_not_hide_a_good_java_on_path(java_at: JavaAt) -> None:
    home, other = java_at("home", "11.0.1"), java_at("other", "17.0.1")
    java = find_java({"JAVA_HOME": str(home), "PATH": str(other / "bin") + ":/usr/bin:/bin"})
    assert java.version == 17


def test_without_java_one_sentence_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(JavaError) as caught:
        find_java({"PATH": str(tmp_path)})
    message = str(caught.value)
    assert "Java 17 or newer" in message and "none on PATH" in message
    assert "apt-get install" in message and "brew install" in message and "JAVA_HOME" in message
    assert "\n" not in message and caught.value.exit_code == 2


def test_an_old_or_broken_java_is_named_with_its_place(java_at: JavaAt, tmp_path: Path) -> None:
    old = java_at("old one", "1.8.0_402")
    with pytest.raises(JavaError, match=r"JAVA_HOME has Java 8 at .*old one"):
        find_java({"JAVA_HOME": str(old), "PATH": str(tmp_path)})
    broken = java_at("broken", "17.0.1", code=1)
    with pytest.raises(JavaError, match="JAVA_HOME has no working Java at"):
        find_java({"JAVA_HOME": str(broken), "PATH": str(tmp_path)})
    with pytest.raises(JavaError, match="JAVA_HOME=/nowhere has no bin/java"):
        find_java({"JAVA_HOME": "/nowhere", "PATH": str(tmp_path)})


def test_the_servers_see_nothing_of_another_installation() -> None:
    foreign = [
        "SPARK_HOME",
        "SPARK_CONF_DIR",
        "SPARK_DAEMON_MEMORY",
        "PYSPARK_SUBMIT_ARGS",
        "HADOOP_CONF_DIR",
        "YARN_CONF_DIR",
        "HIVE_CONF_DIR",
        "KAFKA_HEAP_OPTS",
        "JAVA_TOOL_OPTIONS",
        "JDK_JAVA_OPTIONS",
        "_JAVA_OPTIONS",
        "CLASSPATH",
    ]
    environ = server_environ({**dict.fromkeys(foreign, "x"), "HOME": "/h", "PATH": "/bin"})
    assert not set(foreign) & set(environ)
    assert environ["HOME"] == "/h" and environ["PATH"] == "/bin"


def test_the_servers_see_no_secret_of_the_caller_unless_it_is_named() -> None:
    secrets = ["PARK_PASSWORD", "AWS_SECRET_ACCESS_KEY", "DBT_ENV_SECRET_TOKEN", "PGPASSWORD", "X"]
    caller = {**dict.fromkeys(secrets, "hunter2"), "LC_CTYPE": "C", "TZ": "UTC"}
    environ = server_environ(caller)
    assert "hunter2" not in environ.values() and environ["TZ"] == "UTC"
    named = server_environ({**caller, "LACUSTRE_SERVER_ENVIRONMENT": "AWS_SECRET_ACCESS_KEY, X"})
    assert set(named) - set(environ) == {"AWS_SECRET_ACCESS_KEY", "X"}
