"""A real schema registry, for the long run; in every run that its Java is looked for where Javas are."""

from __future__ import annotations

import urllib.request
from pathlib import Path

import pytest

from sluice.dev.servers import prerequisites
from sluice.dev.servers.errors import MissingPrerequisitesError
from sluice.dev.servers.registry import MINIMUM_JAVA, start_registry


@pytest.mark.long
def test_it_starts_and_lists_its_subjects() -> None:
    """None at first; it ends with its block."""
    try:
        prerequisites.find_java(MINIMUM_JAVA)
    except MissingPrerequisitesError as error:
        pytest.skip(str(error))
    with start_registry() as server:
        with urllib.request.urlopen(f"{server.url}/subjects") as answer:  # noqa: S310 - our own address
            assert answer.read() == b"[]"
        assert server.address == server.url
    assert not server.is_running


def test_without_a_java_that_is_new_enough_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is downloaded."""
    monkeypatch.setattr(prerequisites, "_JVM_FOLDER", tmp_path)
    monkeypatch.setattr(prerequisites, "java_version", lambda _: 17)
    with pytest.raises(MissingPrerequisitesError, match=f"no Java {MINIMUM_JAVA} or newer"):
        start_registry(cache_dir=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_newer_java_beside_the_one_on_the_path_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest folder first; one that is too old is passed over."""
    for name in ("java-17", "java-25"):
        (tmp_path / name / "bin").mkdir(parents=True)
        (tmp_path / name / "bin" / "java").touch()
    monkeypatch.setattr(prerequisites, "_JVM_FOLDER", tmp_path)
    monkeypatch.setattr(prerequisites, "java_version", lambda java: 25 if "java-25" in java else 17)
    assert prerequisites.find_java(MINIMUM_JAVA) == tmp_path / "java-25" / "bin" / "java"
