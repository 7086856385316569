"""A file is seen whole or not at all; and what each error of the system asks for."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import BinaryIO

import pytest

from collectors.errors import Halt, Retryable
from collectors.sinks.file.folder import cause_of, publish, remove_leftovers, replace, translated


def test_a_name_that_is_taken_stays_as_it_is(tmp_path: Path) -> None:
    """Whoever was first keeps it: a process that was taken for dead changes nothing."""
    assert publish(tmp_path, "a", lambda file: file.write(b"first"))
    assert not publish(tmp_path, "a", lambda file: file.write(b"second"))
    assert (tmp_path / "a").read_bytes() == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    """Neither the name nor the file it was made from, nor is what was there touched."""

    def fail(file: BinaryIO) -> None:
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="space"):
        publish(tmp_path, "a", fail)
    assert list(tmp_path.iterdir()) == []


def test_a_replaced_file_is_old_or_new(tmp_path: Path) -> None:
    """A reader that has it open goes on reading what it had."""
    replace(tmp_path, "a", b"old")
    with (tmp_path / "a").open("rb") as file:
        replace(tmp_path, "a", b"new")
        assert file.read() == b"old"
    assert (tmp_path / "a").read_bytes() == b"new"


def test_leftovers_of_this_partition_go(tmp_path: Path) -> None:
    """Others' stay, and so do files that are finished."""
    names = [".t-0-1-5-9.jsonl.0a1b.tmp", ".t-0-11-5-9.jsonl.0a1b.tmp", "t-0-1-5-9.jsonl", ".t-0-1-3.part"]
    for name in names:
        (tmp_path / name).touch()
    remove_leftovers(tmp_path, "t-0-1")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names[1:])


@pytest.mark.parametrize(
    ("number", "kind"),
    [(errno.ENOSPC, Retryable), (errno.EDQUOT, Retryable), (errno.EIO, Retryable), (errno.EMFILE, Retryable),
     (errno.ESTALE, Retryable), (errno.EACCES, Halt), (errno.EPERM, Halt), (errno.EROFS, Halt), (errno.ENOTDIR, Halt),
     (errno.EISDIR, Halt), (errno.ENOENT, Halt)],
)  # fmt: skip
def test_what_an_error_asks_for(number: int, kind: type[Exception], tmp_path: Path) -> None:
    """A full disk is waited for; rights and a missing folder are somebody's to mend. The folder is named."""
    with pytest.raises(kind, match=str(tmp_path)), translated(tmp_path):
        raise OSError(number, "why")
    assert "why" in str(cause_of(OSError(number, "why"), tmp_path))
