"""``python -m loader``, and ``spark-submit loader/__main__.py``."""

import os

if not __package__:
    # spark-submit brings a session, and refuses to start where SPARK_REMOTE is set, even if empty.
    os.environ.setdefault("SPARK_REMOTE", "")

from loader.cli import main

if __name__ == "__main__":
    main(prog_name="python -m loader")
