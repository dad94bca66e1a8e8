"""Rounds one after the other: until everything is loaded, or for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace

from pyspark.sql import SparkSession

from loader import sources
from loader.batch import Batch
from loader.errors import ConfigurationError, LoaderError, SourceUnavailable
from loader.lake import session
from loader.lake.ledger import Ledger
from loader.lake.spark_errors import is_gone, reason
from loader.process import new_owner
from loader.round import Landed, Loader, Outcome
from loader.settings import Settings, located


@contextmanager
def opened(settings: Settings, owner: str | None = None) -> Iterator[Loader]:
    """A loader on the configured Spark; closes the session that it opened.

    One that goes on where another of this process was is the same ``owner``.
    """
    settings = located(settings)
    small = session.connect(settings, small=True)
    spark = session.connect(settings)
    loader = Loader(settings, spark, Ledger(small, settings.ledger, owner), sources.KINDS)
    try:
        yield loader
    finally:
        loader.close()
        session.disconnect(small)
        session.disconnect(spark)


def _series(
    loader: Loader,
    told: Callable[[Landed], None],
    noted: Callable[[str], None],
    ended: Callable[[Outcome], None],
    *,
    again: bool,
    stop: threading.Event,
) -> Outcome:
    """One round, or with ``again`` or a limit of time rounds until everything is loaded that was
    there at the first one; the last outcome, with the errors of all.
    """
    start, limit = time.monotonic(), loader.settings.limits.max_seconds
    errors: dict[str, LoaderError] = {}
    again = again or limit is not None
    loader.release_ends()
    while True:
        left = None if limit is None else limit - (time.monotonic() - start)
        outcome = loader.round(told, noted, seconds=left, fix_ends=again)
        errors |= {str(error): error for error in outcome.errors}
        ended(outcome)
        is_over = limit is not None and time.monotonic() - start >= limit
        if not again or not outcome.is_behind or is_over or stop.is_set():
            return replace(outcome, errors=list(errors.values()))


def repeat(
    settings: Settings,
    told: Callable[[Landed], None],
    noted: Callable[[str], None],
    ended: Callable[[Outcome], None],
    *,
    working: Callable[[SparkSession], AbstractContextManager[object]] = nullcontext,
    until_caught_up: bool = False,
    every: float | None = None,
    stop: threading.Event | None = None,
) -> Outcome:
    """Run rounds: one, until everything is loaded that was there at the start, or ``every`` so many
    seconds until ``stop`` is set; ``ended`` is called after each, ``working`` holds while they go
    on. A round that began is finished.

    Returns all batches (with ``every`` none: there may be any number), with the errors of the last
    series of rounds. A server that goes away ends it, except with ``every``: then the next round
    tries again.
    """
    stop = stop or threading.Event()
    owner = new_owner()
    batches: list[Batch] = []

    def hear(outcome: Outcome) -> None:
        if every is None:  # a loop goes on for ever
            batches.extend(outcome.batches)
        ended(outcome)

    def series(loader: Loader) -> Outcome:
        if every is not None:
            session.keep_alive(loader.spark)  # which rounds with nothing new do not use
        again = until_caught_up or every is not None
        return _series(loader, told, noted, hear, again=again, stop=stop)

    with ExitStack() as opening:
        loader = None
        while True:
            try:
                loader = loader or opening.enter_context(opened(settings, owner))
                with working(loader.spark):
                    outcome = series(loader)
                is_lost = any(error.is_gone for error in outcome.errors)
            except Exception as error:
                if every is None or isinstance(error, ConfigurationError):
                    raise
                if not isinstance(error, LoaderError):
                    if not is_gone(error):
                        raise
                    error = SourceUnavailable(f"Spark went away: {reason(error)}.")
                outcome, is_lost = Outcome([], [error]), True
                ended(outcome)
            if is_lost:
                opening.close()  # the next round has new sessions
                loader = None
            if every is None or stop.wait(every):
                return Outcome(batches, outcome.errors)
