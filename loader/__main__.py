"""``python -m loader``, and ``spark-submit loader/__main__.py``."""

import sys
from pathlib import Path

if not __package__:
    # Run as a file, its folder would be searched first, and its `kafka` hide the client's.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from loader.cli import main

if __name__ == "__main__":
    main(prog_name="python -m loader")
