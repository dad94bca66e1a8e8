"""How SIGTERM and SIGINT end a command."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

# Seconds after a signal until the process ends: to disconnect, and for a loop to close its batch.
_LEAVE_SECONDS, _FINISH_SECONDS = 3.0, 10.0


_Handler = Callable[[int, FrameType | None], object] | int | None


class EndedError(BaseException):
    """A signal ends the command. A BaseException, so that no handler of errors catches it."""


class Signals:
    """Ends a command a few seconds after SIGTERM or SIGINT: at once, or with ``finish`` after the
    batch that is being written is closed. The next run finishes an unfinished batch.

    The first signal sets ``stop``, and ``code`` to the command's exit code (128 + signal); a second
    one ends the process immediately.
    """

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.finish = False
        self.code = 0
        self._before: dict[int, _Handler] = {}

    def heed(self) -> None:
        """Install the signal handlers; no-op outside of the main thread."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._heard)

    def leave(self) -> None:
        """Restore the previous handlers."""
        for number, before in self._before.items():
            signal.signal(number, before)

    def _heard(self, number: int, _: object) -> None:
        if self.code:
            self._end()
        self.code = 128 + number
        # Threads that wait for a dead server cannot be ended, so a timer ends the process.
        last = threading.Timer(_FINISH_SECONDS if self.finish else _LEAVE_SECONDS, self._end)
        last.daemon = True
        last.start()
        self.stop.set()
        if not self.finish:
            raise EndedError

    def _end(self) -> None:
        with suppress(Exception):
            if sys.stderr.isatty():
                sys.stderr.write("\x1b[?25h")  # show the cursor, which a progress bar hides
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(self.code)
