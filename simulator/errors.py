"""The one error of the simulator."""

from __future__ import annotations

import click


class SimulatorError(click.ClickException):
    """Something the caller can put right, in one sentence: what, where, what to do.

    The command line prints the sentence without a traceback and ends with exit code 1.
    """
