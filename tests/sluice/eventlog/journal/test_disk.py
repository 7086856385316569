"""The seam between the journal and the operating system, on a real file system."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sluice.eventlog.journal.disk import FILE_MODE, Disk

DISK = Disk()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a segment may lie."""
    return tmp_path / "00000001.seg"


@pytest.fixture
def descriptor(path: Path) -> Iterator[int]:
    """A new file, open."""
    made = DISK.create(path)
    yield made
    os.close(made)


def test_a_new_file_is_for_its_user_alone(path: Path, descriptor: int) -> None:
    """Segments hold request and response bodies; programs that are started do not inherit them."""
    assert descriptor >= 0
    assert path.stat().st_mode & 0o777 == FILE_MODE == 0o600
    assert not os.get_inheritable(descriptor)


def test_what_an_earlier_attempt_left_is_thrown_away(path: Path) -> None:
    """Bytes of another segment behind a new head would be read as damage."""
    path.write_bytes(b"left behind")
    os.close(DISK.create(path))
    assert path.read_bytes() == b""


def test_every_write_is_at_the_end(path: Path, descriptor: int) -> None:
    """Also after a cut, and after somebody else has appended: nothing is ever overwritten and no hole is left."""
    DISK.write(descriptor, b"first")
    DISK.write(descriptor, b"second")
    DISK.truncate(descriptor, 5)
    with path.open("ab") as other:
        other.write(b" other ")
    DISK.write(descriptor, b"third")
    assert path.read_bytes() == b"first other third"


def test_a_full_device_is_an_error() -> None:
    """The kernel's own, with its number."""
    full = os.open("/dev/full", os.O_WRONLY)
    with pytest.raises(OSError, match="No space left") as error:
        DISK.write(full, b"data")
    os.close(full)
    assert error.value.errno == errno.ENOSPC


def test_a_short_write_is_a_full_disk(descriptor: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel wrote a part and said so only by its count: that is no success."""
    write = os.write
    monkeypatch.setattr(os, "write", lambda to, data: write(to, data[:3]))
    with pytest.raises(OSError, match="only 3 of 10 bytes were written") as error:
        DISK.write(descriptor, b"0123456789")
    assert error.value.errno == errno.ENOSPC


def test_a_closed_file_is_an_error(path: Path) -> None:
    """Every call says so instead of doing nothing."""
    descriptor = DISK.create(path)
    os.close(descriptor)
    with pytest.raises(OSError, match="Bad file descriptor"):
        DISK.write(descriptor, b"x")
    with pytest.raises(OSError, match="Bad file descriptor"):
        DISK.sync(descriptor)
    with pytest.raises(OSError, match="Bad file descriptor"):
        DISK.truncate(descriptor, 0)


def test_sync_waits_for_the_device(tmp_path: Path, descriptor: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """fsync of the file itself, and of the folder for its names; the folder is closed again, also when that fails."""
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda of: synced.append(str(Path(f"/proc/self/fd/{of}").readlink())))
    DISK.sync(descriptor)
    DISK.sync_directory(tmp_path)
    assert synced == [str(tmp_path / "00000001.seg"), str(tmp_path)]

    def broken(_: int) -> None:
        raise OSError(errno.EIO, "input/output error")

    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="input/output error"):
        DISK.sync_directory(tmp_path)
    assert len(os.listdir("/proc/self/fd")) <= before  # noqa: PTH208


def test_a_rename_replaces(tmp_path: Path) -> None:
    """A finished file gets its name at once; a missing one is an error."""
    source, target = tmp_path / "a.new", tmp_path / "a.seg"
    source.write_bytes(b"new")
    target.write_bytes(b"old")
    DISK.rename(source, target)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.seg"]
    assert target.read_bytes() == b"new"
    with pytest.raises(FileNotFoundError):
        DISK.rename(source, target)


def test_free_room_is_what_an_ordinary_user_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the blocks that are kept for root; in bytes, by the size that free blocks are counted in."""
    assert DISK.free_bytes(tmp_path) > 0
    counts = os.statvfs_result((4096, 512, 1000, 500, 400, 0, 0, 0, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda _: counts)
    assert DISK.free_bytes(tmp_path) == 400 * 512
    monkeypatch.undo()
    with pytest.raises(FileNotFoundError):
        DISK.free_bytes(tmp_path / "missing")


def test_a_folder_that_is_missing_is_an_error(tmp_path: Path) -> None:
    """Both for a new file and for its name."""
    for call in (DISK.sync_directory, DISK.create):
        with pytest.raises(FileNotFoundError):
            call(tmp_path / "missing" / "x")
