"""Tasks in several processes, with their results in the order of the tasks."""

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
    """`work(task)` for each task, in order; at most two results a process wait to be taken.

    With one process everything happens in this one. An error of a task is raised where its result
    would come, and the tasks that have not begun are dropped.
    """
    if processes == 1:
        yield from map(work, tasks)
        return
    # Forked children of a process with threads may hang, and macOS and Windows cannot fork.
    context = multiprocessing.get_context("spawn")
    waiting: deque[Future[R]] = deque()
    # Ctrl-C goes to every process; one tells of it.
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
