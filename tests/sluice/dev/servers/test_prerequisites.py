"""What must be installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.dev.servers.errors import MissingPrerequisitesError
from sluice.dev.servers.prerequisites import find_maven, java_version, missing_prerequisites


def test_an_unknown_java_counts_as_too_old(tmp_path: Path) -> None:
    """What cannot be asked for its version is not relied on."""
    assert java_version(str(tmp_path / "java")) == 0


@pytest.mark.parametrize(
    ("printed", "major"),
    [('openjdk version "17.0.2" 2022-01-18', 17), ('java version "1.8.0_301"', 1), ("nothing of the kind", 0)],
)
def test_the_version_is_read_from_what_java_prints(tmp_path: Path, printed: str, major: int) -> None:
    """It goes to standard error; 1.8 is old enough to be refused."""
    java = tmp_path / "java"
    java.write_text(f"#!/bin/sh\necho '{printed}' >&2\n")
    java.chmod(0o755)
    assert java_version(str(java)) == major


def test_what_is_missing_is_said_with_its_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A line for each."""
    monkeypatch.setenv("PATH", str(tmp_path))
    missing = missing_prerequisites()
    assert [line.split(":")[0] for line in missing] == ["no `java` on the PATH", "no `mvn` on the PATH"]
    assert all("apt-get install" in line for line in missing)
    with pytest.raises(MissingPrerequisitesError, match="Maven"):
        find_maven()
