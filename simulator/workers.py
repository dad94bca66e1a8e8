"""Runs tasks in several processes, with the results in the order of the tasks."""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from simulator.errors import SimulatorError

T = TypeVar("T")
R = TypeVar("R")


def in_order(work: Callable[[T], R], tasks: Iterable[T], processes: int) -> Iterator[R]:
    """`work(task)` for each task, in order; at most two results per process wait to be taken.

    With one process all work is done in the calling process. An error of a task is raised in place
    of its result, and tasks that have not begun are dropped.
    """
    if processes == 1:
        yield from map(work, tasks)
        return
    # Forked children of a process with threads may hang. Fork is unsafe on macOS, and Windows has
    # none.
    context = multiprocessing.get_context("spawn")
    waiting: deque[Future[R]] = deque()
    # Ctrl-C signals every process; only the parent reports it.
    pool = ProcessPoolExecutor(
        processes,
        mp_context=context,
        initializer=signal.signal,
        initargs=(signal.SIGINT, signal.SIG_IGN),
    )
    try:
        for task in tasks:
            waiting.append(pool.submit(work, task))
            if len(waiting) > 2 * processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool:
        raise SimulatorError(
            "a process of the simulator was killed, perhaps for want of memory; ask for fewer "
            "--processes and run again."
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)
