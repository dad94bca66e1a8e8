"""The configuration: accepted values, and the errors for others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from loader.configuration import load
from loader.errors import ConfigurationError
from loader.redaction import redacted
from loader.settings import Settings
from loader.sources.kafka.client import python_properties

ROOT = Path(__file__).resolve().parents[2]
Read = Callable[[str], Settings]
Write = Callable[[str], Path]


@pytest.fixture
def toml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Read:
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "SPARK_REMOTE", "PARK_DIR", "SOME_HOST"):
        monkeypatch.delenv(name, raising=False)

    def read(text: str) -> Settings:
        path = tmp_path / "my loader.toml"
        path.write_text(text, encoding="utf-8")
        return load(path)

    return read


@pytest.fixture
def written(tmp_path: Path) -> Write:
    def write(text: str) -> Path:
        path = tmp_path / "loader.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def refused(toml: Read, text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        toml(text)
    assert "my loader.toml" in str(caught.value)
    return str(caught.value)


TOPIC = '[[kafka.default.topics]]\ntopic = "a"\ntable = "raw.a"\n'


def test_the_example_is_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PARK_DIR", raising=False)
    example = load(ROOT / "loader.toml.example")
    assert {topic.topic for topic in example.kafka["default"].topics} == {"matomo", "meter-events"}
    assert example.files["park"].path == "${PARK_DIR}/*.csv"


def test_the_environment_gives_the_addresses(toml: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    assert toml(TOPIC).kafka["default"].bootstrap_servers == ""
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "")
    assert toml(TOPIC).kafka["default"].bootstrap_servers == ""
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "broker:1")
    monkeypatch.setenv("SPARK_REMOTE", "sc://spark:2")
    settings = toml(TOPIC)
    assert settings.kafka["default"].bootstrap_servers == "broker:1"
    assert settings.spark_remote == "sc://spark:2"


def test_a_variable_stands_for_its_value_anywhere(
    toml: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_HOST", "broker")
    settings = toml('[kafka.default]\nbootstrap_servers = "${SOME_HOST}:1,${SOME_HOST}:2"\n')
    assert settings.kafka["default"].bootstrap_servers == "broker:1,broker:2"


@pytest.mark.parametrize(
    "text",
    [
        '[kafka.default]\nbootstrap_servers = "${SOME_HOST}:1"\n',
        'spark_remote = "sc://${SOME_HOST}"\n',
        TOPIC.replace('"a"', '"${SOME_HOST}"'),
    ],
)
def test_an_unset_variable_is_named(toml: Read, text: str) -> None:
    assert "needs the environment variable SOME_HOST; set it" in refused(toml, text)


def test_an_unset_variable_of_a_path_is_left_to_the_run(toml: Read) -> None:
    settings = toml('[files.park]\npath = "${PARK_DIR}/*.csv"\ntable = "raw.park_{name}"\n')
    assert settings.files["park"].path == "${PARK_DIR}/*.csv"


@pytest.mark.parametrize(
    ("text", "key", "nearest"),
    [
        ('spark_remot = "sc://x"', "spark_remot", "spark_remote"),
        ('[kafka.default]\nbootstrap_server = "x:1"', "bootstrap_server", "bootstrap_servers"),
        ('[[kafka.default.topics]]\ntopic = "a"\ntabel = "raw.a"', "tabel", "table"),
        ('[files.f]\npath = "x"\ntable = "raw.f"\ndelimeter = ";"', "delimeter", "delimiter"),
    ],
)
def test_an_unknown_key_names_the_nearest(toml: Read, text: str, key: str, nearest: str) -> None:
    assert f"{key}: unknown key; did you mean '{nearest}'?" in refused(toml, text)


def test_a_key_like_no_other_is_just_unknown(toml: Read) -> None:
    assert refused(toml, "zzz = 1").endswith("zzz: unknown key.")


@pytest.mark.parametrize("table", ["a", "raw.a.b", "raw.a;b", "raw.`a`", "raw. a", ""])
def test_a_bad_table_name_is_refused(toml: Read, table: str) -> None:
    assert "kafka.default.topics.0.table" in refused(toml, TOPIC.replace("raw.a", table))


def test_a_topic_listed_twice_is_refused(toml: Read) -> None:
    assert "[kafka.default] lists topic 'a' twice" in refused(toml, TOPIC + TOPIC)


def test_topics_of_a_cluster_may_share_a_table(toml: Read) -> None:
    settings = toml(TOPIC + TOPIC.replace('"a"', '"b"'))
    assert [topic.table for topic in settings.kafka["default"].topics] == ["raw.a", "raw.a"]


def test_names_that_differ_in_case_are_one_table(toml: Read) -> None:
    # Otherwise two batches of the same number would go to one table, and Delta would skip one.
    other = '[[kafka.default.topics]]\ntopic = "b"\ntable = "RAW.A"\n'
    assert {topic.table for topic in toml(TOPIC + other).kafka["default"].topics} == {"raw.a"}


@pytest.mark.parametrize(
    "other",
    [
        '[[kafka.other.topics]]\ntopic = "a"\ntable = "raw.A"\n',
        '[files.f]\npath = "x"\ntable = "raw.a"\n',
        'ledger = "raw.a"\n',
    ],
)
def test_a_table_of_two_sources_is_refused(toml: Read, other: str) -> None:
    assert "table raw.a is used by both" in refused(toml, other + TOPIC)


@pytest.mark.parametrize("text", ["[kafka", 'a = "\\q"'])
def test_a_file_that_is_no_toml_is_refused(toml: Read, text: str) -> None:
    assert "Cannot read the configuration" in refused(toml, text)


def test_a_missing_file_says_what_to_copy(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"copy loader\.toml\.example"):
        load(tmp_path / "none.toml")


# --- layers, secrets, what the loader owns


def test_flags_go_before_the_environment_and_that_before_the_file(
    written: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written("[limits]\nmax_records = 1\nmin_records = 1\nmax_bytes = '1kB'\n")
    monkeypatch.setenv("LOADER_LIMITS__MAX_RECORDS", "2")
    monkeypatch.setenv("LOADER_LIMITS__MIN_RECORDS", "2")
    monkeypatch.setenv("LOADER_KAFKA__DEFAULT__GROUP_ID", "123")
    found = load(path, {"limits.max_records": "3"})
    assert (found.limits.max_records, found.limits.min_records) == (3, 2)
    assert found.limits.max_bytes == 1000
    assert found.kafka["default"].group_id == "123"


def test_an_unknown_variable_of_the_loader_names_the_nearest(
    written: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOADER_LIMIT__MAX_RECORDS", "2")
    with pytest.raises(ConfigurationError, match=r"LOADER_LIMIT__MAX_RECORDS.*LOADER_LIMITS"):
        load(written(""))


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("group.id", "set group_id"),
        ("kafka.group.id", "set group_id"),
        ("isolation.level", "set isolation_level"),
        ("enable.auto.commit", "the ledger holds"),
        ("bootstrap.servers", "set bootstrap_servers"),
        ("value.deserializer", "values are landed"),
    ],
)
def test_an_option_that_the_loader_owns_is_refused(written: Write, key: str, why: str) -> None:
    path = written(f"[kafka.default.properties]\n'{key}' = 'x'\n")
    with pytest.raises(ConfigurationError, match=f"{key} is the loader's own: {why}"):
        load(path)


JAAS = "org.apache.kafka.common.security.plain.PlainLoginModule required"


@pytest.mark.parametrize(
    "line",
    [
        "'ssl.key.password' = 'hunter2'",
        f"""'sasl.jaas.config' = '{JAAS} username="u" password="hunter2";'""",
        f"""'sasl.jaas.config' = '{JAAS} username="${{HOME}}" password="hunter2";'""",
    ],
)
def test_a_secret_written_into_the_file_is_refused_and_not_shown(written: Write, line: str) -> None:
    with pytest.raises(ConfigurationError, match="is a secret") as caught:
        load(written(f"[kafka.default.properties]\n{line}\n"))
    assert "hunter2" not in str(caught.value)


def test_a_token_written_into_the_file_is_refused_and_not_shown(written: Write) -> None:
    with pytest.raises(ConfigurationError, match="spark_remote is a secret") as caught:
        load(written('spark_remote = "sc://h:1/;token=hunter2"\n'))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("kafka.default.properties.ssl.key.password", "hunter2"),
        ("spark_remote", "sc://h:1/;token=hunter2"),
    ],
)
def test_a_secret_in_a_flag_is_refused_and_not_shown(written: Write, key: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"--set {key} would show") as caught:
        load(written(""), {key: value})
    assert "hunter2" not in str(caught.value)


def test_secrets_come_from_the_environment_or_a_file_and_are_never_shown(
    written: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pass").write_text("hunter2\n")
    monkeypatch.setenv("KAFKA_USER", "u")
    monkeypatch.setenv("SPARK_REMOTE", "sc://h:15002/;use_ssl=true;token=hunter3;x=y")
    path = written(
        "[kafka.default.properties]\n'security.protocol' = 'SASL_SSL'\n"
        "'sasl.mechanism' = 'PLAIN'\n'sasl.jaas.config' = "
        f"""'{JAAS} username="${{KAFKA_USER}}" password="${{file:{tmp_path}/pass}}";'\n"""
    )
    found = load(path)
    assert python_properties("default", found.kafka["default"].properties) == {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "PLAIN",
        "sasl_plain_username": "u",
        "sasl_plain_password": "hunter2",
    }
    shown = str(redacted(found))
    assert "hunter" not in shown
    assert "sc://h:15002/;use_ssl=true;token=***;x=y" in shown


def test_a_key_store_that_only_java_reads_is_refused(written: Write) -> None:
    path = written("[kafka.default.properties]\n'ssl.truststore.location' = '/a.jks'\n")
    with pytest.raises(ConfigurationError, match=r"ssl\.truststore\.location must be a PEM file"):
        python_properties("default", load(path).kafka["default"].properties)


def test_a_pattern_names_its_tables(written: Write) -> None:
    path = written(
        "[[kafka.default.topics]]\npattern = 'meters[.].*'\ntable = 'raw.{topic}'\n"
        "[[kafka.default.topics]]\npattern = '[0-9].*'\ntable = 'raw.{topic}'\n"
    )
    entries = load(path).kafka["default"].topics
    assert entries[0].matches("meters.north-1")
    assert not entries[0].matches("old.meters.north")
    assert entries[0].table_of("meters.North-1") == "raw.meters_north_1"
    assert entries[1].table_of("1st") == "raw.t_1st"
    with pytest.raises(ConfigurationError, match="no regular expression"):
        load(written("[[kafka.default.topics]]\npattern = '('\ntable = 'raw.t'\n"))
    with pytest.raises(ConfigurationError, match="either topic or pattern"):
        load(written("[[kafka.default.topics]]\ntable = 'raw.t'\n"))
