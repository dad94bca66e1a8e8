"""The loader's errors, grouped by what the caller should do about them.

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

With several errors, the first of bug, data loss, configuration, source, fenced decides the code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

PROGRAM = "python -m loader"


@dataclass(frozen=True)
class Command:
    """A command of the loader that resolves an error: ``verb`` and its ``options``.

    Each option contains its value, quoted for a shell where necessary. ``flags`` go before the
    verb.
    """

    verb: str
    options: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()

    def line(self, program: str = PROGRAM) -> str:
        """The command line to type if the loader is called ``program``."""
        return " ".join([program, *self.flags, self.verb, *self.options])

    def __str__(self) -> str:
        return f"`{self.line()}`"


class Remark(str):
    """A sentence that is not an error, with the command that it names."""

    remedy: Command

    def __new__(cls, sentence: str, remedy: Command) -> Remark:  # noqa: D102
        remark = super().__new__(cls, sentence)
        remark.remedy = remedy
        return remark


def rendered(sentence: str, remedy: Command | None, program: str) -> str:
    """``sentence`` with ``remedy``'s command line for a loader that is called ``program``."""
    return sentence if remedy is None else sentence.replace(remedy.line(), remedy.line(program))


class LoaderError(Exception):
    """Base class of the loader's errors: one sentence with what happened, where, and what to do.

    ``remedy`` is the command that the sentence names, if any. ``topic``, ``table`` and ``relation``
    (of a database) say where the error occurred. ``is_gone`` is true if a server, or the loader's
    session there, no longer exists. ``facts`` has the values of the sentence by name, for logs and
    tests; no code branches on them. Errors can be pickled.
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
        """The sentence with its command, if the loader is called ``program``; see ``rendered``."""
        return rendered(self.sentence, self.remedy, program)

    def as_remark(self) -> str:
        """The sentence as a remark, for output that is not an error."""
        return Remark(self.sentence, self.remedy) if self.remedy else self.sentence

    def reworded(self, sentence: str, **facts: object) -> LoaderError:
        """The same error with another ``sentence`` and additional ``facts``.

        If the error has a remedy, ``sentence`` must contain its command line.
        """
        other = _rebuild(type(self), sentence)
        other.__dict__ |= {**self.__dict__, **facts, "sentence": sentence}
        other.facts = self.facts | facts
        return other


def _rebuild(kind: type[LoaderError], sentence: str) -> LoaderError:
    # The constructors of subclasses take different arguments, so only the attributes are copied.
    error = kind.__new__(kind)
    Exception.__init__(error, sentence)
    return error


class ConfigurationError(LoaderError):
    """The configuration cannot be used; correct it."""

    exit_code = 2


class DataLoss(LoaderError):
    """Records are missing from Kafka or raw, or are other records than before; a person must
    decide.

    If retention deleted records, ``earliest`` is the first offset that Kafka still has.
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
    """Another loader planned or finished the same batch; nothing needs to be done."""

    exit_code = 4


class SourceUnavailable(LoaderError):
    """A server (Kafka, Spark, a database) or a file cannot be reached; run again when it can."""

    exit_code = 5


class Bug(LoaderError):
    """An invariant of the loader does not hold; nothing was closed in the ledger."""

    exit_code = 6


def some(items: Sequence[object], separator: str = ", ", most: int = 10) -> str:
    """At most ``most`` of ``items`` as text, followed by the number of the others."""
    shown = separator.join(str(item) for item in items[:most])
    return shown if len(items) <= most else f"{shown}{separator}and {len(items) - most:,} more"


# Errors that need a person outrank errors that a rerun resolves.
_GRAVITY = (Bug, DataLoss, ConfigurationError, SourceUnavailable, Fenced)


def gravest(errors: Sequence[LoaderError]) -> LoaderError:
    """The error that decides the exit code."""
    return min(errors, key=lambda error: _GRAVITY.index(type(error)))
