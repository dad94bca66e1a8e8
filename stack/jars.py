"""The jars of both servers: fetched once into a cache folder, and compared with locked hashes."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import quoteattr

from stack.config import CACHE_VARIABLE, IVY_SETTINGS_VARIABLE, Settings
from stack.errors import InstallError
from stack.java import Java
from stack.state import lock

DELTA = "4.4.0"
KAFKA = "4.3.1"
KAFKA_CLIENTS_OF_SPARK = "3.9.2"
SPARK = "4.2.0"
UNITY_CATALOG = "0.6.0"

# SHA-256 of every jar, one per line; `python -m stack install --accept-jars` writes it.
LOCK = Path(__file__).with_name("jars.sha256")

_MARKER = "installed.json"
_TIMEOUT_SECONDS = 1800


@dataclass(frozen=True)
class Jar:
    """One Maven module; `with_dependencies` also fetches all dependencies of its pom."""

    organisation: str
    module: str
    revision: str
    with_dependencies: bool = False


# The broker has its own JVM, and these are all its jars. They include slf4j-api 1.7, so the binding
# must be of the same version; without a binding the broker logs nothing.
KAFKA_JARS = (
    Jar("org.apache.kafka", "kafka_2.13", KAFKA, with_dependencies=True),
    Jar("org.slf4j", "slf4j-simple", "1.7.36"),
)

# Listed one by one without dependencies, because pyspark has the rest. Second copies of Hadoop,
# Parquet, log4j or Jackson earlier on the class path would break Spark.
SPARK_JARS = (
    Jar("io.delta", "delta-spark_4.2_2.13", DELTA),
    Jar("io.delta", "delta-storage", DELTA),
    Jar("io.delta", "delta-kernel-api", DELTA),
    Jar("io.delta", "delta-kernel-defaults", DELTA),
    Jar("io.delta", "delta-kernel-unitycatalog", DELTA),
    Jar("io.unitycatalog", "unitycatalog-client", UNITY_CATALOG),
    Jar("io.unitycatalog", "unitycatalog-hadoop", UNITY_CATALOG),
    Jar("org.apache.spark", "spark-sql-kafka-0-10_2.13", SPARK),
    Jar("org.apache.spark", "spark-token-provider-kafka-0-10_2.13", SPARK),
    Jar("org.apache.kafka", "kafka-clients", KAFKA_CLIENTS_OF_SPARK),
    Jar("org.apache.commons", "commons-pool2", "2.13.1"),
    Jar("org.postgresql", "postgresql", "42.7.8"),
    Jar("org.mariadb.jdbc", "mariadb-java-client", "3.5.6"),
)

GROUPS = {"kafka": KAFKA_JARS, "spark": SPARK_JARS}


def pyspark_home() -> Path:
    """The folder of the installed pyspark, which is a complete Spark.

    Raises:
        InstallError: pyspark is not in this Python environment.
    """
    spec = importlib.util.find_spec("pyspark")
    if spec is None or spec.origin is None:
        raise InstallError(
            "pyspark is not in this Python environment; install the project's requirements first."
        )
    return Path(spec.origin).parent


def folder(settings: Settings, group: str) -> Path:
    """The folder of the jars of a group ("kafka" or "spark"); it may not exist yet."""
    return settings.cache / "jars" / group


def is_installed(settings: Settings, group: str) -> bool:
    """Whether the group's jars are complete and have the versions of this module."""
    target = folder(settings, group)
    try:
        marker = json.loads((target / _MARKER).read_text(encoding="utf-8"))
        return bool(marker["jars"] == _versions(group)) and all(
            (target / name).stat().st_size == size for name, size in marker["files"].items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def verify(settings: Settings) -> None:
    """Compare every jar on the servers' class paths with its locked SHA-256.

    Raises:
        InstallError: a jar has another hash, is not locked, or is missing.
    """
    locked = _locked()
    for group in GROUPS:
        target = folder(settings, group)
        _compare(group, _hashes(target), locked.get(group, {}), f"in {target}")


def accept(settings: Settings) -> None:
    """Lock the present jars after an intended change of versions."""
    lines = [
        f"{digest}  {group}/{name}\n"
        for group in GROUPS
        for name, digest in _hashes(folder(settings, group)).items()
    ]
    LOCK.write_text("".join(lines), encoding="utf-8")


def _locked() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for line in LOCK.read_text(encoding="utf-8").splitlines():
        digest, _, path = line.partition("  ")
        group, _, name = path.partition("/")
        found.setdefault(group, {})[name] = digest
    return found


def _hashes(target: Path) -> dict[str, str]:
    # The files that `*` in a class path includes, whatever the case of the extension.
    paths = [path for path in target.iterdir() if path.suffix.lower() == ".jar"]
    return {path.name: _sha256(path) for path in sorted(paths)}


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        for block in iter(lambda: handle.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def _compare(group: str, found: dict[str, str], locked: dict[str, str], where: str) -> None:
    problems = [f"{name} is not in {LOCK.name}" for name in sorted(found.keys() - locked.keys())]
    problems += [f"{name} is missing" for name in sorted(locked.keys() - found.keys())]
    problems += [
        f"{name} has SHA-256 {found[name]} instead of {locked[name]}"
        for name in sorted(found.keys() & locked.keys())
        if found[name] != locked[name]
    ]
    if problems:
        raise InstallError(
            f"The jars of {group.capitalize()} {where} are not those that were tested: "
            f"{'; '.join(problems)}. None of them is used. If a file was changed, remove the "
            "folder and run `python -m stack install`; if a version was changed on purpose, look "
            "at the new jars and run `python -m stack install --accept-jars`."
        )


def install(
    settings: Settings,
    java: Callable[[], Java],
    progress: Callable[[str], None] = lambda _: None,
    *,
    accepted: bool = False,
) -> list[str]:
    """Fetch the missing jars; returns the names of the groups that were fetched.

    Every jar is compared with its locked SHA-256, even if nothing was fetched; `accepted` locks the
    present jars instead.

    The folder of a group is renamed into place when it is complete, so an interrupted run needs no
    repair: the next one continues from Ivy's cache. `java` is called only if something is missing.

    Raises:
        InstallError: a module cannot be fetched, for example without a network, or a jar is not
            the locked one.
    """
    fetched = _fetch_missing(settings, java, progress, accepted)
    if accepted:
        accept(settings)
    else:
        verify(settings)
    return fetched


def _fetch_missing(
    settings: Settings, java: Callable[[], Java], progress: Callable[[str], None], accepted: bool
) -> list[str]:
    if all(is_installed(settings, group) for group in GROUPS):
        return []
    fetched = []
    jars = settings.cache / "jars"
    waiting = "another process is fetching the jars; waiting for it"
    with lock(jars / ".lock", lambda: progress(waiting)):
        for group in GROUPS:
            if not is_installed(settings, group):
                progress(f"fetching the jars of {group.capitalize()}")
                _fetch(settings, group, java(), accepted)
                fetched.append(group)
        # It is only needed to continue an interrupted run.
        shutil.rmtree(jars / ".ivy", ignore_errors=True)
    return fetched


def _versions(group: str) -> list[str]:
    return [f"{jar.organisation}:{jar.module}:{jar.revision}" for jar in GROUPS[group]]


def _fetch(settings: Settings, group: str, java: Java, accepted: bool) -> None:
    jars = settings.cache / "jars"
    with _staging(jars, group) as staging:
        _run_ivy(settings, group, java, staging)
        files = {path.name: path.stat().st_size for path in sorted(staging.glob("*.jar"))}
        missing = [
            f"{jar.module}-{jar.revision}.jar"
            for jar in GROUPS[group]
            if f"{jar.module}-{jar.revision}.jar" not in files
        ]
        if missing:
            raise InstallError(
                f"Ivy reported success but did not deliver {', '.join(missing)}; "
                f"its log is {_log(settings, group)}."
            )
        if not accepted:
            _compare(group, _hashes(staging), _locked().get(group, {}), "that were fetched")
        for path in staging.iterdir():
            if path.name not in files:
                path.unlink()
        marker = {"jars": _versions(group), "files": files}
        (staging / _MARKER).write_text(json.dumps(marker, indent=2) + "\n", encoding="utf-8")
        target = folder(settings, group)
        if target.exists():
            shutil.rmtree(target)
        # mkdtemp makes private folders; other users may share this one.
        staging.chmod(0o755)
        os.replace(staging, target)


@contextmanager
def _staging(jars: Path, group: str) -> Iterator[Path]:
    for abandoned in jars.glob(f".{group}-*"):
        shutil.rmtree(abandoned, ignore_errors=True)
    # A new name each time: an Ivy whose parent was killed may still write to the previous folder.
    path = Path(tempfile.mkdtemp(prefix=f".{group}-", dir=jars))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _log(settings: Settings, group: str) -> Path:
    return settings.cache / "jars" / f"ivy-{group}.log"


def _run_ivy(settings: Settings, group: str, java: Java, staging: Path) -> None:
    own = settings.cache / "jars" / ".ivy"
    own.mkdir(parents=True, exist_ok=True)
    (staging / "ivy.xml").write_text(_ivy_module(group), encoding="utf-8")
    (staging / "ivysettings.xml").write_text(_IVY_SETTINGS, encoding="utf-8")
    ivy = next(iter(sorted((pyspark_home() / "jars").glob("ivy-*.jar"))), None)
    if ivy is None:
        raise InstallError(f"{pyspark_home() / 'jars'} has no Ivy; reinstall pyspark.")
    command = [
        str(java.executable),
        # Ivy keeps all its files in the cache, not in ~/.ivy2.
        f"-Divy.default.ivy.user.dir={own}",
        "-jar",
        str(ivy),
        "-settings",
        str(settings.ivy_settings or "ivysettings.xml"),
        "-cache",
        str(own),
        "-ivy",
        "ivy.xml",
        "-confs",
        "default",
        "-retrieve",
        # A relative pattern: brackets in the folder's name would be parsed as part of it.
        "[artifact]-[revision](-[classifier]).[ext]",
    ]
    log = _log(settings, group)
    with log.open("w", encoding="utf-8") as output:
        try:
            # The caller's whole environment: JAVA_TOOL_OPTIONS may set a proxy or certificates.
            code = subprocess.run(
                command,
                cwd=staging,
                env=dict(settings.environ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=_TIMEOUT_SECONDS,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            code = -1
    if code != 0:
        raise InstallError(
            f"The jars of {group.capitalize()} are not in {settings.cache} and could not be "
            f"fetched{_reason(log)}. They are needed once: run `python -m stack install` with a "
            f"network (through a mirror: {IVY_SETTINGS_VARIABLE}=an Ivy settings file), or copy "
            f"the cache of another machine and name it with {CACHE_VARIABLE}. "
            f"Ivy's log is {log}."
        )


def _reason(log: Path) -> str:
    text = log.read_text(encoding="utf-8", errors="replace")
    host = re.search(r"Host (\S+) not found", text)
    if host:
        return f" (the host {host[1]} is not reachable)"
    unresolved = re.search(r"UNRESOLVED DEPENDENCY: (\S+)|unresolved dependency: (\S+?):", text)
    if unresolved:
        return f" ({unresolved[1] or unresolved[2]} was not found)"
    failed = re.search(r"\[FAILED\s*\] (\S+)", text)
    return f" ({failed[1]} could not be downloaded)" if failed else ""


def _ivy_module(group: str) -> str:
    dependencies = "\n".join(
        f"    <dependency org={quoteattr(jar.organisation)} name={quoteattr(jar.module)}"
        f" rev={quoteattr(jar.revision)}"
        # Ivy's configuration "master" is the jar alone, "default" the jar with its runtime
        # dependencies.
        f' conf="default->{"default" if jar.with_dependencies else "master"}"/>'
        for jar in GROUPS[group]
    )
    return f"""<ivy-module version="2.0">
  <info organisation="lacustre" module="stack-{group}" revision="1"/>
  <configurations><conf name="default"/></configurations>
  <dependencies>
{dependencies}
  </dependencies>
</ivy-module>
"""


# Only the public repository, at Ivy's default address. The local Maven repository is excluded,
# because a pom without its jar would break the resolution.
_IVY_SETTINGS = """<ivysettings>
  <settings defaultResolver="public"/>
  <timeout-constraints>
    <timeout-constraint name="patient" connectionTimeout="15000" readTimeout="60000"/>
  </timeout-constraints>
  <resolvers>
    <ibiblio name="public" m2compatible="true" timeoutConstraint="patient"/>
  </resolvers>
</ivysettings>
"""
