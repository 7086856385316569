"""What must be installed before a real server can run, and where it is."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from sluice.dev.servers.errors import MissingPrerequisitesError

MINIMUM_JAVA = 17
"""Both Kafka 4's broker and Elasticsearch 8.19 ask for it."""

_JAVA_REMEDY = f"Java {MINIMUM_JAVA} or newer (Debian, Ubuntu: apt-get install openjdk-17-jre-headless)"
_MAVEN_REMEDY = "Maven (Debian, Ubuntu: apt-get install maven)"
_POSTGRES_REMEDY = "install PostgreSQL's server (Debian, Ubuntu: apt-get install postgresql)"

_JVM_FOLDER = Path("/usr/lib/jvm")
"""Where Debian and others put every Java that is installed, whichever is the one on the PATH."""

# Debian keeps its programs off the PATH, because several versions may be installed.
_DEBIAN_POSTGRES = Path("/usr/lib/postgresql")


def missing_prerequisites() -> list[str]:
    """What to install for Kafka and Elasticsearch, one line each; empty when they can run."""
    missing = []
    java = shutil.which("java")
    if java is None:
        missing.append(f"no `java` on the PATH: install {_JAVA_REMEDY}")
    elif (version := java_version(java)) < MINIMUM_JAVA:
        missing.append(f"`{java}` is Java {version}: install {_JAVA_REMEDY}")
    if shutil.which("mvn") is None:
        missing.append(f"no `mvn` on the PATH: install {_MAVEN_REMEDY}")
    return missing


def java_version(java: str) -> int:
    """The major version that ``java -version`` prints; 0 where it cannot be understood (1.8 is 1: old enough)."""
    try:
        # The output goes to standard error by Java's own convention.
        printed = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=False).stderr  # noqa: S603 (found by which)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    match = re.search(r'version "(\d+)', printed)
    return int(match.group(1)) if match else 0


def find_java(minimum: int = MINIMUM_JAVA) -> Path:
    """The ``java`` to run servers with, symbolic links resolved so that its home is known.

    Where ``minimum`` is more than all servers ask for, the first that is new enough: on the PATH, or beside others.
    """
    if minimum <= MINIMUM_JAVA:
        return _find("java", _JAVA_REMEDY)
    on_path = shutil.which("java")
    for java in filter(None, (on_path, *map(str, sorted(_JVM_FOLDER.glob("*/bin/java"), reverse=True)))):
        if java_version(java) >= minimum:
            return Path(java).resolve()
    where = f"on the PATH or under {_JVM_FOLDER}"
    raise MissingPrerequisitesError([f"no Java {minimum} or newer {where}: install one beside the other"])


def find_maven() -> Path:
    """The ``mvn`` to fetch servers with."""
    return _find("mvn", _MAVEN_REMEDY)


def missing_postgres() -> list[str]:
    """What to install for PostgreSQL; empty when it can run."""
    try:
        find_postgres()
    except MissingPrerequisitesError as error:
        return list(error.missing)
    return []


def find_postgres() -> Path:
    """The folder of ``postgres`` and ``initdb``: the one on the PATH, else the newest of Debian's, else pg_config's."""
    for folder in _postgres_folders():
        if all((folder / program).is_file() for program in ("postgres", "initdb")):
            return folder
    where = f"on the PATH, under {_DEBIAN_POSTGRES} or where pg_config points"
    raise MissingPrerequisitesError([f"no `postgres` and `initdb` {where}: {_POSTGRES_REMEDY}"])


def _postgres_folders() -> Iterator[Path]:
    if initdb := shutil.which("initdb"):
        yield Path(initdb).resolve().parent
    yield from sorted(_DEBIAN_POSTGRES.glob("*/bin"), key=lambda folder: _number(folder.parent.name), reverse=True)
    if pg_config := shutil.which("pg_config"):
        yield Path(_printed([pg_config, "--bindir"]).strip())


def _number(version: str) -> float:
    return float(version) if re.fullmatch(r"\d+(\.\d+)?", version) else 0.0


def _printed(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False).stdout  # noqa: S603 (found by which)
    except (OSError, subprocess.TimeoutExpired):
        return ""


def postgres_version(folder: Path) -> str:
    """What ``postgres --version`` says, without the packager's remarks; empty where it cannot be asked."""
    match = re.search(r"\(PostgreSQL\) (\S+)", _printed([str(folder / "postgres"), "--version"]))
    return match.group(1) if match else ""


def _find(program: str, remedy: str) -> Path:
    found = shutil.which(program)
    if found is None:
        raise MissingPrerequisitesError([f"no `{program}` on the PATH: install {remedy}"])
    return Path(found).resolve()
