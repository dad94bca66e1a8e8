"""An error has a kind, an exit code and one readable sentence."""

from __future__ import annotations

import pickle

import pytest

from loader import errors
from loader.errors import ConfigurationError, DataLoss, Fenced, LoaderError, SourceUnavailable, some
from loader.lake.spark_errors import reason

KINDS: list[type[LoaderError]] = [
    ConfigurationError,
    DataLoss,
    Fenced,
    SourceUnavailable,
    errors.Bug,
]


@pytest.mark.parametrize("kind", KINDS)
def test_errors_survive_pickling(kind: type[LoaderError]) -> None:
    error = pickle.loads(pickle.dumps(kind("One sentence.", topic="t", partition=3)))
    assert type(error) is kind
    assert str(error) == "One sentence."
    assert error.facts == {"topic": "t", "partition": 3}


def test_exit_codes_tell_the_kinds_apart() -> None:
    codes = [kind.exit_code for kind in KINDS]
    assert sorted(set(codes)) == sorted(codes) == [2, 3, 4, 5, 6]


def test_the_reason_of_an_error_is_one_line() -> None:
    assert reason(ValueError("\nfirst.\nsecond")) == "first"
    assert reason(ValueError("")) == "ValueError"
    # Python's own errors say little without their class.
    assert reason(KeyError("topic_id")) == "KeyError: 'topic_id'"
    rpc = '<_MultiThreadedRendezvous of RPC that terminated with:\n\tdetails = "Socket closed"\n>'
    assert reason(Exception(rpc)) == "Socket closed"


def test_a_sentence_names_some_and_says_how_many_more() -> None:
    assert some(["a", "b"]) == "a, b"
    assert some(list(range(2000)), " ") == "0 1 2 3 4 5 6 7 8 9 and 1,990 more"
