from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from stack.config import PortSpec, Settings
from stack.errors import ConfigurationError, PortInUseError
from stack.ports import choose, is_free


@pytest.fixture
def busy() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(1)
        yield server.getsockname()[1]


@pytest.fixture
def idle() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def spec(default: int, name: str = "a") -> PortSpec:
    return PortSpec(name, f"PORT_{name.upper()}", default)


def test_a_listening_port_is_not_free(busy: int, idle: int) -> None:
    assert not is_free(busy) and is_free(idle)


def test_the_usual_port_is_taken_when_free(idle: int) -> None:
    assert choose([spec(idle)], {}, {}) == {"a": idle}


def test_a_busy_usual_port_is_replaced_by_a_free_one(busy: int) -> None:
    port = choose([spec(busy)], {}, {})["a"]
    assert port != busy and is_free(port)


def test_a_port_asked_for_is_taken_exactly_or_refused_by_name(busy: int, idle: int) -> None:
    assert choose([spec(busy)], {"a": idle}, {"a": busy}) == {"a": idle}
    with pytest.raises(PortInUseError, match=rf"Port {busy}, which PORT_A requests, is in use"):
        choose([spec(idle)], {"a": busy}, {})


def test_the_same_port_asked_for_twice_is_refused(idle: int) -> None:
    with pytest.raises(PortInUseError, match="PORT_B"):
        choose([spec(1, "a"), spec(2, "b")], {"a": idle, "b": idle}, {})


@pytest.mark.parametrize("asked", [None, 0])
def test_a_port_once_chosen_comes_back_while_it_is_free(asked: int | None, idle: int) -> None:
    assert choose([spec(1)], {"a": asked}, {"a": idle}) == {"a": idle}


def test_a_remembered_port_that_became_busy_is_replaced(busy: int, idle: int) -> None:
    assert choose([spec(idle)], {}, {"a": busy}) == {"a": idle}


def test_zero_means_a_free_port_that_is_not_the_usual_one(idle: int) -> None:
    assert choose([spec(idle)], {"a": 0}, {})["a"] != idle


def test_ports_of_the_other_server_are_left_alone(idle: int) -> None:
    assert choose([spec(idle)], {}, {}, reserved={idle})["a"] != idle
    assert choose([spec(idle)], {"later": idle}, {})["a"] != idle


def test_all_ports_differ(idle: int) -> None:
    specs = [spec(idle, name) for name in "abcdef"]
    assert len(set(choose(specs, dict.fromkeys("abcdef", 0), {}).values())) == 6


@pytest.mark.parametrize("value", ["x", "-1", "65536", "1e3", "９０９２"])
def test_a_port_variable_that_is_no_port_is_refused(value: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="LACUSTRE_THRIFT_PORT"):
        Settings.read(tmp_path, {"LACUSTRE_THRIFT_PORT": value})


def test_a_folder_that_no_class_path_can_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="LACUSTRE_STACK_DIR"):
        Settings.read(tmp_path / "a:b", {})


def test_java_options_that_cannot_be_split_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="LACUSTRE_SPARK_JAVA_OPTIONS"):
        Settings.read(tmp_path, {"LACUSTRE_SPARK_JAVA_OPTIONS": "-Da='b"})
