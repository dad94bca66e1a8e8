"""Entry point of ``python -m loader``."""

from __future__ import annotations

from loader.cli import main

if __name__ == "__main__":
    main()
