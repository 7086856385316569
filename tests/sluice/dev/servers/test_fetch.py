"""Fetching, with a script in the place of Maven; the fixtures of the integration tests use the real one."""

from __future__ import annotations

from pathlib import Path

import pytest

from sluice.dev.servers import FetchError, Step
from sluice.dev.servers.fetch import Fetcher, folder_bytes

_MAVEN = """#!/bin/sh
echo run >> "$COUNTER"
for argument in "$@"; do case "$argument" in
  -Dmdep.outputFile=*) printf '%s' "$JAR" > "${argument#*=}";;
  -DoutputDirectory=*) mkdir -p "${argument#*=}/server-1/bin"; echo run > "${argument#*=}/server-1/bin/start";;
esac; done
exit "$STATUS"
"""


@pytest.fixture
def maven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Counts its runs in the file that is returned; the jar it names exists."""
    program, counter, jar = tmp_path / "bin" / "mvn", tmp_path / "runs", tmp_path / "a.jar"
    program.parent.mkdir()
    program.write_text(_MAVEN)
    program.chmod(0o755)
    counter.touch()
    jar.touch()
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    for name, value in {"COUNTER": counter, "JAR": jar, "STATUS": 0}.items():
        monkeypatch.setenv(name, str(value))
    return counter


def test_a_class_path_is_fetched_once_and_again_when_a_jar_is_gone(tmp_path: Path, maven: Path) -> None:
    """A cache that was swept is not believed."""
    fetcher = Fetcher(tmp_path / "cache", "a server", 0, lambda _: None)
    for _ in range(2):
        assert fetcher.class_path("server-1", ["a:b:1"]) == str(tmp_path / "a.jar")
    assert maven.read_text().count("run") == 1
    (tmp_path / "a.jar").unlink()
    fetcher.class_path("server-1", ["a:b:1"])
    assert maven.read_text().count("run") == 2


def test_an_archive_is_unpacked_once_and_again_when_something_of_it_is_gone(tmp_path: Path, maven: Path) -> None:
    """A half-deleted distribution is not started."""
    fetcher = Fetcher(tmp_path / "cache", "a server", 0, lambda _: None)
    home = fetcher.unpacked("server-1", "a:b:1:zip")
    assert fetcher.unpacked("server-1", "a:b:1:zip") == home
    assert maven.read_text().count("run") == 1
    (home / "bin" / "start").unlink()
    assert (fetcher.unpacked("server-1", "a:b:1:zip") / "bin" / "start").exists()


def test_a_failing_maven_is_an_error_with_its_log(tmp_path: Path, maven: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And with where to tell Maven of a proxy; progress was told meanwhile."""
    steps: list[Step] = []
    monkeypatch.setenv("STATUS", "1")
    fetcher = Fetcher(tmp_path / "cache", "a server", 0, steps.append)
    with pytest.raises(FetchError, match=r"settings\.xml"):
        fetcher.class_path("server-1", ["a:b:1"])
    assert maven.read_text().count("run") == 1
    assert all(step.server == "a server" for step in steps)


def test_the_size_of_a_folder_is_that_of_its_files(tmp_path: Path) -> None:
    """However deep; a folder that is not there has none."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c").write_bytes(b"12345")
    assert folder_bytes(tmp_path) == 5
    assert folder_bytes(tmp_path / "none") == 0
