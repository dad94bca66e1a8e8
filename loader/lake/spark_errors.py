"""One-sentence reasons from Spark's errors, whose texts contain pages of Java frames."""

from __future__ import annotations

import re
from contextlib import suppress

from pyspark.errors import PySparkException

from loader.errors import LoaderError, SourceUnavailable

# Texts of errors when the Spark server, or the loader's session there, no longer exists.
_GONE = (
    "UNAVAILABLE",
    "INVALID_HANDLE.",
    "RETRIES_EXCEEDED",
    "Channel closed",
    "Answer from Java side is empty",
    "An error occurred while trying to connect to the Java server",
)
# Python's own errors, when a server's answer does not have the expected form.
_PYTHON = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
)


def reason(error: Exception) -> str:
    """The line of a Spark error that names its condition, and its last cause."""
    details = getattr(error, "details", None)  # gRPC's own text is a multi-line block
    lines = str(details() if callable(details) else error).strip().splitlines()
    first = lines[0].rstrip(".") if lines else ""
    if first.startswith("<_") and (said := re.search(r'(?m)^\s*details = "(.+)"$', str(error))):
        first = said[1].rstrip(".")  # gRPC's text inside an error of Spark's client
    if not first or (isinstance(error, _PYTHON) and not isinstance(error, PySparkException)):
        # Python's errors say little without their class: KeyError: 'topic_id'.
        first = f"{type(error).__name__}: {first}".rstrip(": ")
    causes = _causes(error)
    return f"{first} (caused by {causes[-1]})" if causes else first


def cause(error: Exception) -> str:
    """The last cause in a Spark error without its Java class, which for a file says what is wrong
    with it; ``reason`` if the error has no cause.
    """
    causes = _causes(error)
    if not causes:
        return reason(error)
    return re.sub(r"^[\w.$]+(?:Exception|Error): (?=.)", "", causes[-1])


def _causes(error: Exception) -> list[str]:
    found = re.findall(r"(?m)^\s*Caused by: (.+)$", trace(error) or str(error))
    return [str(each).strip().rstrip(".")[:500] for each in found]


def trace(error: Exception) -> str:
    """The server's stack trace of a Spark error; empty if it has none."""
    with suppress(Exception):  # other errors have no such method
        return str(error.getStackTrace() or "")  # type: ignore[attr-defined]
    return ""


def is_gone(error: Exception) -> bool:
    """Whether ``error`` means that the Spark server, or the loader's session there, no longer
    exists.
    """
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
    """``error`` if it is a ``LoaderError``, else a ``SourceUnavailable``: ``what`` failed, and the
    reason.
    """
    if isinstance(error, LoaderError):
        return error
    message = f"{what}: {reason(error)}."
    ours = SourceUnavailable(message, is_gone=is_gone(error), topic=topic, table=table)
    ours.facts |= facts
    return ours
