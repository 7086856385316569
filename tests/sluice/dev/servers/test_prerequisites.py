"""What must be installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.dev.servers import prerequisites
from sluice.dev.servers.errors import MissingPrerequisitesError
from sluice.dev.servers.prerequisites import (
    find_maven,
    find_postgres,
    java_version,
    missing_postgres,
    missing_prerequisites,
    postgres_version,
)


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


def programs_in(folder: Path, *names: str) -> Path:
    """Programs that print their own folder."""
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_text(f"#!/bin/sh\necho {folder}\n")
        (folder / name).chmod(0o755)
    return folder


def test_postgres_is_found_where_it_may_be(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The one on the PATH wins, links resolved, then the newest of Debian's by number, then the one of pg_config."""
    monkeypatch.setattr(prerequisites, "_DEBIAN_POSTGRES", tmp_path / "debian")
    monkeypatch.setenv("PATH", str(programs_in(tmp_path / "built", "postgres", "initdb", "pg_config")))
    (tmp_path / "built" / "initdb").rename(tmp_path / "built" / "not-initdb")
    (missing,) = missing_postgres()
    assert f"on the PATH, under {tmp_path}/debian or where pg_config points: install PostgreSQL's server" in missing
    (tmp_path / "built" / "not-initdb").rename(tmp_path / "built" / "initdb")
    for version in ("9.6", "15", "16", "oddly-named"):
        programs_in(tmp_path / "debian" / version / "bin", "postgres", "initdb")
    programs_in(tmp_path / "debian" / "17" / "bin", "psql")  # a client alone
    assert find_postgres() == tmp_path / "built"
    monkeypatch.setenv("PATH", str(programs_in(tmp_path / "empty")))
    assert find_postgres() == tmp_path / "debian" / "16" / "bin"
    (tmp_path / "empty" / "initdb").symlink_to(tmp_path / "debian" / "15" / "bin" / "initdb")
    assert find_postgres() == tmp_path / "debian" / "15" / "bin"
    (tmp_path / "empty" / "initdb").unlink()
    (tmp_path / "debian").rename(tmp_path / "elsewhere")
    (tmp_path / "empty" / "pg_config").symlink_to(tmp_path / "built" / "pg_config")
    assert find_postgres() == tmp_path / "built"


@pytest.mark.parametrize(
    ("printed", "version"), [("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", "15.18"), ("something else", "")]
)
def test_the_version_of_postgres_is_read_without_its_packager_s(tmp_path: Path, printed: str, version: str) -> None:
    """It is shown in every run; where there is none, nothing fails."""
    programs_in(tmp_path / "bin", "postgres")
    (tmp_path / "bin" / "postgres").write_text(f"#!/bin/sh\necho '{printed}'\n")
    assert postgres_version(tmp_path / "bin") == version
    assert postgres_version(tmp_path / "nowhere") == ""
