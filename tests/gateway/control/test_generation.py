"""The generation file: what one process tells, all of the host see at once, without a system call."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.control.generation import FILE_NAME, GenerationFile


@pytest.fixture(name="path")
def file_path(tmp_path: Path) -> Path:
    """In a folder that is not there yet."""
    return tmp_path / "data" / FILE_NAME


@pytest.fixture(name="views")
def two_views(path: Path) -> Iterator[tuple[GenerationFile, GenerationFile]]:
    """Of one file."""
    made = GenerationFile(path), GenerationFile(path)
    yield made
    for view in made:
        view.close()


def test_what_one_tells_all_see(views: tuple[GenerationFile, GenerationFile]) -> None:
    """At once; at first there is nothing."""
    one, other = views
    assert (one.value, other.value) == (0, 0)
    one.bump(7)
    assert other.value == 7


def test_an_older_generation_changes_nothing(views: tuple[GenerationFile, GenerationFile]) -> None:
    """Of two commits the later may be told first."""
    one, other = views
    one.bump(8)
    other.bump(7)
    assert (one.value, other.value) == (8, 8)


def test_a_reset_is_believed(views: tuple[GenerationFile, GenerationFile]) -> None:
    """The database may have been replaced by one with fewer changes: then they count from there."""
    one, other = views
    one.bump(100)
    other.reset(3)
    one.bump(4)
    assert other.value == 4


def test_a_word_that_cannot_be_told_is_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it says is committed: a disk that takes no more makes no change fail, and others look by themselves."""

    def fail(_file: int) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(os, "utime", fail)
    view = GenerationFile(path)
    view.bump(7)
    assert view.value == 7
    view.close()


def test_it_outlives_its_processes(path: Path) -> None:
    """Whoever opens it next sees the last word; nobody else may read or write it."""
    first = GenerationFile(path)
    first.bump(1 << 63)
    first.close()
    first.close()
    again = GenerationFile(path)
    assert again.value == 1 << 63
    again.close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_was_cut_is_made_whole(path: Path) -> None:
    """A crash between its making and its first word."""
    path.parent.mkdir()
    path.write_bytes(b"\x01")
    view = GenerationFile(path)
    view.bump(5)
    assert view.value == 5
    view.close()


def test_processes_that_tell_at_once_lose_nothing(path: Path, views: tuple[GenerationFile, GenerationFile]) -> None:
    """The highest of all stands at the end, whatever the order."""
    script = (
        "import sys; from pathlib import Path; from gateway.control.generation import GenerationFile\n"
        "view = GenerationFile(Path(sys.argv[1]))\n"
        "for at in range(int(sys.argv[2]), 4001, 4): view.bump(at)"
    )
    command = [sys.executable, "-c", script, str(path)]
    processes = [subprocess.Popen([*command, str(start)]) for start in range(1, 5)]
    assert [process.wait() for process in processes] == [0, 0, 0, 0]
    assert views[0].value == 4000
