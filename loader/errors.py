"""What can go wrong, grouped by what the caller should do about it.

Each class maps to one exit code of ``python -m loader``:

====================  =========  =========================================================
class                 exit code  what to do
====================  =========  =========================================================
``ConfigurationError``        2  fix ``loader.toml`` or the environment
``DataLoss``                  3  decide: find the data, or accept the gap
``Fenced``                    4  nothing: another loader did or does this work
``SourceUnavailable``         5  start or reach the server, then run again
``Bug``                       6  report it: an invariant of the loader does not hold
====================  =========  =========================================================

With several errors, the first of bug, data loss, configuration, source, fenced decides.
"""

from __future__ import annotations

from collections.abc import Sequence


class LoaderError(Exception):
    """Root of the loader's errors: one sentence that says what, where and what to do.

    ``facts`` are the values of the sentence by name, for logs and tests. Errors are picklable.
    """

    exit_code = 1

    def __init__(self, sentence: str, **facts: object) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.facts = facts

    def __str__(self) -> str:
        return self.sentence

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.sentence, self.facts))


def _rebuild(kind: type[LoaderError], sentence: str, facts: dict[str, object]) -> LoaderError:
    return kind(sentence, **facts)


class ConfigurationError(LoaderError):
    """The configuration cannot be used as it is; fix it."""

    exit_code = 2


class DataLoss(LoaderError):
    """Records that should be there are not, or are not the same; a person must decide."""

    exit_code = 3


class Fenced(LoaderError):
    """Another loader planned or finished the same batch; leave it alone."""

    exit_code = 4


class SourceUnavailable(LoaderError):
    """A server (Kafka, Spark) or a file cannot be reached; run again when it can."""

    exit_code = 5


class Bug(LoaderError):
    """An invariant of the loader does not hold; nothing was marked as done."""

    exit_code = 6


def some(items: Sequence[object], separator: str = ", ", most: int = 10) -> str:
    """The first of ``items``, and how many more there are: a sentence is for people."""
    shown = separator.join(str(item) for item in items[:most])
    return shown if len(items) <= most else f"{shown}{separator}and {len(items) - most:,} more"


# What asks for a person goes before what goes by itself.
_GRAVITY = (Bug, DataLoss, ConfigurationError, SourceUnavailable, Fenced)


def gravest(errors: Sequence[LoaderError]) -> LoaderError:
    """The one of ``errors`` that decides on the exit code."""
    return min(errors, key=lambda error: _GRAVITY.index(type(error)))
