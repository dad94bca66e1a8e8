"""The token of an instance, which Spark requires for every session, by Connect or Thrift.

Whoever can run a statement can run shell commands as the user of the stack. On a machine with
several users, listening on the loopback interface alone does not prevent that.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import subprocess
from pathlib import Path

from stack import jars
from stack.errors import StartError
from stack.java import Java

FILE = "token"
_SOURCE = Path(__file__).with_name("TokenAuthentication.scala")
THRIFT_CLASS = "lacustre.TokenAuthentication"


def read(directory: Path) -> str:
    """The token of the instance in ``directory``. Creates a missing one, readable only by its
    owner.
    """
    file = directory / FILE
    try:
        return file.read_text(encoding="ascii")
    except FileNotFoundError:
        # If two commands create it at once, the first one's token is used.
        draft = directory / f".{FILE}-{os.getpid()}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as output:
            output.write(secrets.token_urlsafe(32))
        try:
            os.link(draft, file)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
        return file.read_text(encoding="ascii")


def thrift_jar(directory: Path, java: Java) -> Path:
    """The jar with the class that checks passwords for the Thrift server; compiled if missing.

    Raises:
        StartError: the class cannot be compiled.
    """
    source = hashlib.sha256(_SOURCE.read_bytes()).hexdigest()[:12]
    jar = directory / "conf" / f"authentication-{source}.jar"
    if jar.exists():
        return jar
    draft = jar.with_suffix(f".{os.getpid()}.jar")
    # pyspark's jars include the Scala compiler, so a Java without a compiler is enough.
    answer = subprocess.run(
        [
            str(java.executable),
            "-Xmx512m",
            "-XX:TieredStopAtLevel=1",
            "-cp",
            str(jars.pyspark_home() / "jars" / "*"),
            "scala.tools.nsc.Main",
            "-usejavacp",
            "-d",
            str(draft),
            str(_SOURCE),
        ],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=120,
        check=False,
        umask=0o077,
    )
    if answer.returncode != 0 or not draft.exists():
        said = (answer.stdout + answer.stderr).strip()[-400:]
        raise StartError(f"The check of Thrift's passwords cannot be compiled: {said}")
    draft.replace(jar)
    return jar
