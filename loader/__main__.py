"""``python -m loader``, and ``spark-submit loader/__main__.py``."""

import os
import sys
from pathlib import Path

if not __package__:
    # spark-submit brings a session, and refuses to start where SPARK_REMOTE is set, even if empty.
    os.environ.setdefault("SPARK_REMOTE", "")
    # Run as a file, Python searches the file's folder and not the one that holds the package.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from loader.cli import main

if __name__ == "__main__":
    main(prog_name="python -m loader")
