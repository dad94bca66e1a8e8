"""How SIGTERM and SIGINT end a command."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

# How long a command that a signal ends may take to leave its servers, and a loop for its batch.
_LEAVE_SECONDS, _FINISH_SECONDS = 3.0, 10.0


_Handler = Callable[[int, FrameType | None], object] | int | None


class EndedError(BaseException):
    """A signal ends the command; no handler of errors is to catch it."""


class Signals:
    """SIGTERM and SIGINT end a command within seconds: at once, or with ``finish`` when the batch
    that it writes is closed. Whatever is left undone then, the next run finishes.

    ``stop`` is set by the first signal, ``code`` is then the command's exit code.
    """

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.finish = False
        self.code = 0
        self._before: dict[int, _Handler] = {}

    def heed(self) -> None:
        """Take the signals; no-op in a thread, which gets none."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._heard)

    def leave(self) -> None:
        """Give the signals back."""
        for number, before in self._before.items():
            signal.signal(number, before)

    def _heard(self, number: int, _: object) -> None:
        if self.code:
            self._end()
        self.code = 128 + number
        # Servers that do not answer hold threads up that cannot be ended.
        last = threading.Timer(_FINISH_SECONDS if self.finish else _LEAVE_SECONDS, self._end)
        last.daemon = True
        last.start()
        self.stop.set()
        if not self.finish:
            raise EndedError

    def _end(self) -> None:
        with suppress(Exception):
            if sys.stderr.isatty():
                sys.stderr.write("\x1b[?25h")  # a progress bar hides the cursor
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(self.code)
