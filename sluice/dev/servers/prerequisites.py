"""What must be installed before a real server can run, and where it is."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from sluice.dev.servers.errors import MissingPrerequisitesError

MINIMUM_JAVA = 17
"""Both Kafka 4's broker and Elasticsearch 8.19 ask for it."""

_JAVA_REMEDY = f"Java {MINIMUM_JAVA} or newer (Debian, Ubuntu: apt-get install openjdk-17-jre-headless)"
_MAVEN_REMEDY = "Maven (Debian, Ubuntu: apt-get install maven)"


def missing_prerequisites() -> list[str]:
    """What to install, one line each; empty when real servers can run."""
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


def find_java() -> Path:
    """The ``java`` to run servers with, symbolic links resolved so that its home is known."""
    return _find("java", _JAVA_REMEDY)


def find_maven() -> Path:
    """The ``mvn`` to fetch servers with."""
    return _find("mvn", _MAVEN_REMEDY)


def _find(program: str, remedy: str) -> Path:
    found = shutil.which(program)
    if found is None:
        raise MissingPrerequisitesError([f"no `{program}` on the PATH: install {remedy}"])
    return Path(found).resolve()
