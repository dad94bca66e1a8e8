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
from dataclasses import dataclass

PROGRAM = "python -m loader"


@dataclass(frozen=True)
class Command:
    """A command of the loader that mends something: ``verb`` and its ``options``, each with its
    value and quoted where a shell needs it. ``flags`` go before the verb.
    """

    verb: str
    options: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()

    def line(self, program: str = PROGRAM) -> str:
        """The line to type where the loader is called ``program``."""
        return " ".join([program, *self.flags, self.verb, *self.options])

    def __str__(self) -> str:
        return f"`{self.line()}`"


class Remark(str):
    """A sentence that is no error, with the command that it names."""

    remedy: Command

    def __new__(cls, sentence: str, remedy: Command) -> Remark:  # noqa: D102
        remark = super().__new__(cls, sentence)
        remark.remedy = remedy
        return remark


def rendered(sentence: str, remedy: Command | None, program: str) -> str:
    """``sentence`` with its command as it is typed where the loader is called ``program``."""
    return sentence if remedy is None else sentence.replace(remedy.line(), remedy.line(program))


class LoaderError(Exception):
    """Root of the loader's errors: one sentence that says what, where and what to do.

    ``remedy`` is the command that the sentence names, if any. ``topic``, ``table`` and ``relation``
    (of a database) say which one is meant, and ``is_gone`` whether a server, or our session in it,
    is no more. ``facts`` are the values of the sentence by name, for logs and tests; no code
    decides by them. Errors are picklable.
    """

    exit_code = 1

    def __init__(
        self,
        sentence: str,
        *,
        remedy: Command | None = None,
        is_gone: bool = False,
        topic: str | None = None,
        table: str | None = None,
        relation: str | None = None,
        **facts: object,
    ) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.remedy = remedy
        self.is_gone = is_gone
        self.topic = topic
        self.table = table
        self.relation = relation
        named = {"table": table, "topic": topic, "relation": relation}
        self.facts = {key: value for key, value in named.items() if value is not None} | facts

    def __str__(self) -> str:
        return self.sentence

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.sentence), self.__dict__)

    def told(self, program: str = PROGRAM) -> str:
        """The sentence as ``rendered`` says."""
        return rendered(self.sentence, self.remedy, program)

    def as_remark(self) -> str:
        """The sentence where it is to be no error."""
        return Remark(self.sentence, self.remedy) if self.remedy else self.sentence

    def reworded(self, sentence: str, **facts: object) -> LoaderError:
        """The same error in another ``sentence``, which holds the remedy's command where it has
        one; ``facts`` are added.
        """
        other = _rebuild(type(self), sentence)
        other.__dict__ |= {**self.__dict__, **facts, "sentence": sentence}
        other.facts = self.facts | facts
        return other


def _rebuild(kind: type[LoaderError], sentence: str) -> LoaderError:
    # Kinds have arguments of their own; their attributes are copied.
    error = kind.__new__(kind)
    Exception.__init__(error, sentence)
    return error


class ConfigurationError(LoaderError):
    """The configuration cannot be used as it is; fix it."""

    exit_code = 2


class DataLoss(LoaderError):
    """Records that should be there are not, or are not the same; a person must decide.

    ``earliest`` is the first offset that Kafka still holds, where retention took those before it.
    """

    exit_code = 3

    def __init__(
        self,
        sentence: str,
        *,
        earliest: int | None = None,
        remedy: Command | None = None,
        topic: str | None = None,
        table: str | None = None,
        **facts: object,
    ) -> None:
        super().__init__(sentence, remedy=remedy, topic=topic, table=table)
        self.earliest = earliest
        kept = {} if earliest is None else {"earliest": earliest}
        self.facts |= {**kept, **facts}


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


# Errors that need a person outrank errors that a rerun resolves.
_GRAVITY = (Bug, DataLoss, ConfigurationError, SourceUnavailable, Fenced)


def gravest(errors: Sequence[LoaderError]) -> LoaderError:
    """The one of ``errors`` that decides on the exit code."""
    return min(errors, key=lambda error: _GRAVITY.index(type(error)))
