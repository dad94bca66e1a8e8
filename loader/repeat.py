"""Rounds in a loop: until everything is loaded, or forever."""

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
    """A loader with two sessions on the configured Spark server; closes them at the end.

    A loop that opens a loader again passes the same ``owner``, so that it can finish its own
    batches.
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
    """One round; or, with ``again`` or a time limit, rounds until everything is loaded that Kafka
    had at the first one.

    Returns the last outcome with the errors of all rounds.
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
    """Run rounds: one, or ``until_caught_up``, or series of rounds every ``every`` seconds until
    ``stop`` is set.

    ``until_caught_up`` ends when everything is loaded that Kafka had at the start. A round that
    began is always finished. ``told`` gets each closed batch, ``noted`` each remark, ``ended`` the
    outcome of each round; ``working`` is a context around them.

    Returns all batches (none with ``every``, whose number is unlimited) with the errors of the last
    series. If a server goes away, the call ends; with ``every`` the next round tries again.
    """
    stop = stop or threading.Event()
    owner = new_owner()
    batches: list[Batch] = []

    def hear(outcome: Outcome) -> None:
        if every is None:  # an endless loop must not collect them
            batches.extend(outcome.batches)
        ended(outcome)

    def series(loader: Loader) -> Outcome:
        if every is not None:
            session.keep_alive(loader.spark)  # rounds with nothing new do not use this session
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
                opening.close()  # so that the next round opens new sessions
                loader = None
            if every is None or stop.wait(every):
                return Outcome(batches, outcome.errors)
