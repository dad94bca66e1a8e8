"""The error class of the simulator."""

from __future__ import annotations

import click


class SimulatorError(click.ClickException):
    """An error that the caller can fix, in one sentence: what happened, where, what to do.

    The command line prints the sentence without a traceback and exits with code 1.
    """
