"""What errors of Spark say, in a sentence: their text is a block, with pages of Java frames."""

from __future__ import annotations

import re
from contextlib import suppress

from pyspark.errors import PySparkException

from loader.errors import LoaderError, SourceUnavailable

# How it reads when the Spark server, or our session in it, is no more.
_GONE = (
    "UNAVAILABLE",
    "INVALID_HANDLE.",
    "RETRIES_EXCEEDED",
    "Channel closed",
    "Answer from Java side is empty",
    "An error occurred while trying to connect to the Java server",
)
# Errors of Python that mean that an answer was not what the code takes it for.
_PYTHON = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
)


def reason(error: Exception) -> str:
    """The line of a Spark error that names its condition, and what caused it; what follows goes on
    for pages.
    """
    details = getattr(error, "details", None)  # of gRPC, whose own text is a block
    lines = str(details() if callable(details) else error).strip().splitlines()
    first = lines[0].rstrip(".") if lines else ""
    if first.startswith("<_") and (said := re.search(r'(?m)^\s*details = "(.+)"$', str(error))):
        first = said[1].rstrip(".")  # gRPC's text as Spark's client passes it on
    if not first or (isinstance(error, _PYTHON) and not isinstance(error, PySparkException)):
        # Python's own say little without their name: KeyError: 'topic_id'.
        first = f"{type(error).__name__}: {first}".rstrip(": ")
    causes = _causes(error)
    return f"{first} (caused by {causes[-1]})" if causes else first


def cause(error: Exception) -> str:
    """The last cause that a Spark error names, without its Java class: it says what is wrong with
    a file. The ``reason`` where there is none.
    """
    causes = _causes(error)
    if not causes:
        return reason(error)
    return re.sub(r"^[\w.$]+(?:Exception|Error): (?=.)", "", causes[-1])


def _causes(error: Exception) -> list[str]:
    found = re.findall(r"(?m)^\s*Caused by: (.+)$", trace(error) or str(error))
    return [str(each).strip().rstrip(".")[:500] for each in found]


def trace(error: Exception) -> str:
    """The server's stack trace of a Spark error; empty where there is none."""
    with suppress(Exception):  # as it is with an error of another kind
        return str(error.getStackTrace() or "")  # type: ignore[attr-defined]
    return ""


def is_gone(error: Exception) -> bool:
    """Whether ``error`` says that the Spark server, or our session in it, is no more."""
    text = str(error)
    return any(sign in text for sign in _GONE)


def as_ours(
    error: Exception,
    what: str,
    *,
    topic: str | None = None,
    table: str | None = None,
    **facts: object,
) -> LoaderError:
    """``error`` where it is a ``LoaderError``, else one that says that ``what`` failed, and why."""
    if isinstance(error, LoaderError):
        return error
    message = f"{what}: {reason(error)}."
    ours = SourceUnavailable(message, is_gone=is_gone(error), topic=topic, table=table)
    ours.facts |= facts
    return ours
