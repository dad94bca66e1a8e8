"""Entry point of ``python -m stack``."""

from __future__ import annotations

from stack.cli import main

main()
