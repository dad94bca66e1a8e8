"""``python -m loader``, and ``spark-submit loader/__main__.py``."""

import os
import sys
from pathlib import Path

if not __package__:
    # spark-submit provides a session. It refuses to start if SPARK_REMOTE is set, even if it is
    # empty.
    os.environ.setdefault("SPARK_REMOTE", "")
    # If a file is run as a script, sys.path has the file's folder; the package is in its parent.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from loader.cli import main

if __name__ == "__main__":
    main(prog_name="python -m loader")
