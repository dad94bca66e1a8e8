"""Finds a Java, and builds the environment of the servers."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from stack.errors import JavaError

MINIMUM_VERSION = 17

_HOW_TO_INSTALL = (
    "install one (Debian or Ubuntu: apt-get install openjdk-17-jre-headless; macOS: brew install "
    "openjdk@17), and point JAVA_HOME at it if it is not found on PATH"
)

# The variables that the servers get from the caller. Whoever can run a statement on Spark can read
# its environment, so passwords, keys and settings of other installations are left out.
_PASSED = {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR"}
_PASSED |= {"LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "KRB5_CONFIG", "KRB5CCNAME"}
# Names of further variables for the servers, separated by commas.
MORE_VARIABLE = "LACUSTRE_SERVER_ENVIRONMENT"


@dataclass(frozen=True)
class Java:
    """A Java of a sufficient version."""

    executable: Path
    version: int

    @property
    def home(self) -> Path:
        """The folder for JAVA_HOME."""
        return self.executable.resolve().parent.parent


def parse_version(text: str) -> int | None:
    """The feature version in the output of `java -version`: 8 for "1.8.0_402", 17 for "17.0.15";
    None if there is none.
    """
    match = re.search(r'version "(\d+)(?:\.(\d+))?', text)
    if match is None:
        return None
    major = int(match[1])
    return int(match[2]) if major == 1 and match[2] else major


def find_java(environ: Mapping[str, str]) -> Java:
    """The first Java of JAVA_HOME and PATH that is new enough.

    Raises:
        JavaError: there is none; the sentence lists what was found and how to install one.
    """
    found = []
    for origin, executable in _candidates(environ):
        version = _version_of(executable)
        if version is not None and version >= MINIMUM_VERSION:
            return Java(executable, version)
        what = f"Java {version}" if version is not None else "no working Java"
        found.append(f"{origin} has {what} at {executable}")
    if environ.get("JAVA_HOME") and not any(f.startswith("JAVA_HOME") for f in found):
        found.insert(0, f"JAVA_HOME={environ['JAVA_HOME']} has no bin/java")
    raise JavaError(
        f"The stack needs Java {MINIMUM_VERSION} or newer, but "
        f"{' and '.join(found) or 'there is none on PATH'}: {_HOW_TO_INSTALL}."
    )


def server_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """The part of the environment that the servers get: an allow-list of names, and LC_*.

    LACUSTRE_SERVER_ENVIRONMENT adds names, for example the keys of an object store.
    """
    passed = _PASSED | {name.strip() for name in environ.get(MORE_VARIABLE, "").split(",")}
    cleaned = {
        name: value for name, value in environ.items() if name in passed or name.startswith("LC_")
    }
    if sys.platform.startswith("linux"):
        # Before Java 18 the locale decides the encoding of file names; under LANG=C, Java would not
        # find a folder with an accent in its name.
        cleaned["LC_ALL"] = "C.UTF-8"
    return cleaned


def _candidates(environ: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    home = environ.get("JAVA_HOME")
    if home:
        executable = Path(home).expanduser() / "bin" / "java"
        if os.access(executable, os.X_OK):
            yield "JAVA_HOME", executable.absolute()
    on_path = shutil.which("java", path=environ.get("PATH", ""))
    if on_path:
        yield "PATH", Path(on_path).absolute()


def _version_of(executable: Path) -> int | None:
    try:
        answer = subprocess.run(
            [str(executable), "-version"], capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    # macOS has a /usr/bin/java that only prints that no Java is installed.
    return parse_version(answer.stderr + answer.stdout) if answer.returncode == 0 else None
