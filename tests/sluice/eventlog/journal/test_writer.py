"""The segment being written: all of a write or nothing of it, and a name only when its head is whole."""

from __future__ import annotations

import dataclasses
import errno
import os
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from schemas.topics import Topics
from sluice.eventlog.interface import Boot
from sluice.eventlog.journal.disk import Disk
from sluice.eventlog.journal.frames import ENTRY_MARK, frame
from sluice.eventlog.journal.header import SegmentHeader, event_topics, segment_head
from sluice.eventlog.journal.recovery import no_sequences
from sluice.eventlog.journal.segment import SegmentReader, segment_numbers, segment_path
from sluice.eventlog.journal.writer import UNFINISHED, SegmentWriter, remove_unfinished
from tests.sluice.eventlog.journal.making import FailingDisk

FULL = OSError(errno.ENOSPC, "no space left on device")
HEADER = SegmentHeader(1, Boot("g", "w", "b"), no_sequences(), 0, 0, event_topics(Topics()), id=bytes(range(16)))
SECOND = dataclasses.replace(HEADER, number=2, id=bytes(16))
HEAD_BYTES = len(segment_head(HEADER))


class RecordingDisk(FailingDisk):
    """Remembers the calls, and fails at those named."""

    def __init__(self, *failing: str) -> None:
        super().__init__()
        self.calls: list[str] = []
        self.failing = set(failing)
        self.fail = self._look

    def _look(self, call: str) -> OSError | None:
        self.calls.append(call)
        return FULL if call in self.failing else None

    def rename(self, source: Path, target: Path) -> None:
        self._check("rename")
        super().rename(source, target)

    def sync_directory(self, directory: Path) -> None:
        self._check("sync_directory")
        super().sync_directory(directory)


def writer_of(directory: Path, disk: Disk | None = None, *, sync: bool = False) -> SegmentWriter:
    """One that has begun segment 1."""
    writer = SegmentWriter(directory, disk or Disk(), sync=sync)
    writer.start(HEADER)
    return writer


def content(directory: Path, number: int = 1) -> bytes:
    """What lies behind the head."""
    return segment_path(directory, number).read_bytes()[HEAD_BYTES:]


def open_files() -> int:
    """Descriptors of this process."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def test_frames_are_appended_as_they_are(tmp_path: Path) -> None:
    """Behind the head, in order; the length counts what is whole."""
    writer = writer_of(tmp_path)
    assert writer.length == HEAD_BYTES == segment_path(tmp_path, 1).stat().st_size
    writer.write([b"one", b"two"])
    writer.write([])
    writer.write([b"three"])
    assert content(tmp_path) == b"onetwothree"
    assert writer.length == HEAD_BYTES + 11
    writer.close()
    writer.close()


def test_a_new_segment_leaves_the_old_one_alone(tmp_path: Path) -> None:
    """Whole and closed; what is written goes to the new one."""
    before = open_files()
    writer = writer_of(tmp_path)
    writer.write([b"old"])
    writer.start(SECOND)
    assert writer.length == HEAD_BYTES
    writer.write([b"new"])
    assert (content(tmp_path, 1), content(tmp_path, 2)) == (b"old", b"new")
    writer.close()
    assert open_files() <= before


def test_a_seal_is_a_frame_of_the_segment(tmp_path: Path) -> None:
    """A reader sees a clean end."""
    writer = writer_of(tmp_path)
    entry = ENTRY_MARK + b"entry"
    writer.write([frame(HEADER.seed, entry)])
    writer.seal(HEADER)
    reader = SegmentReader(segment_path(tmp_path, 1))
    assert reader.next_entry(final=False) == entry
    assert reader.next_entry(final=False) is None
    assert reader.sealed
    reader.close()


def test_with_sync_everything_waits_for_the_device(tmp_path: Path) -> None:
    """A head before it gets its name, the name before anything is appended, each write; without it nothing does."""
    disk = RecordingDisk()
    writer_of(tmp_path, disk, sync=True).write([b"x"])
    assert disk.calls == ["create", "write", "sync", "rename", "sync_directory", "write", "sync"]
    disk = RecordingDisk()
    writer_of(tmp_path, disk).write([b"x"])
    assert disk.calls == ["create", "write", "rename", "write"]


@pytest.mark.parametrize("call", ["create", "write", "sync", "rename", "sync_directory"])
def test_a_start_that_fails_leaves_the_old_segment_going_on(tmp_path: Path, call: str) -> None:
    """No new name and no half file: readers would wait there. The old one takes writes, and a later start works."""
    disk = RecordingDisk()
    writer = writer_of(tmp_path, disk, sync=True)
    writer.write([b"one"])
    before = open_files()
    disk.failing = {call}
    with pytest.raises(OSError, match="no space left"):
        writer.start(SECOND)
    disk.failing = set()
    assert [path.name for path in tmp_path.iterdir()] == ["00000001.seg"]
    assert open_files() <= before
    writer.write([b"two"])
    assert content(tmp_path) == b"onetwo"
    writer.start(SECOND)
    writer.write([b"three"])
    assert (content(tmp_path, 1), content(tmp_path, 2)) == (b"onetwo", b"three")


@pytest.mark.parametrize("call", ["create", "write", "rename"])
def test_a_first_start_that_fails_leaves_nothing(tmp_path: Path, call: str) -> None:
    """And may be tried again."""
    disk = RecordingDisk(call)
    writer = SegmentWriter(tmp_path, disk, sync=False)
    with pytest.raises(OSError, match="no space left"):
        writer.start(HEADER)
    assert list(tmp_path.iterdir()) == []
    disk.failing = set()
    writer.start(HEADER)
    assert segment_numbers(tmp_path) == [1]


@pytest.mark.parametrize("short_bytes", [None, 0, 1, 5])
@pytest.mark.parametrize("call", ["write", "sync"])
def test_a_failed_write_is_taken_back(tmp_path: Path, call: str, short_bytes: int | None) -> None:
    """However much of it reached the file: the segment is as before, and the next write follows the last whole one."""
    disk = RecordingDisk()
    writer = writer_of(tmp_path, disk, sync=True)
    writer.write([b"one"])
    disk.failing, disk.short_bytes = {call}, short_bytes if call == "write" else None
    with pytest.raises(OSError, match="no space left"):
        writer.write([b"broken"])
    assert (content(tmp_path), writer.length) == (b"one", HEAD_BYTES + 3)
    disk.failing, disk.short_bytes = set(), None
    writer.write([b"two"])
    assert content(tmp_path) == b"onetwo"


def test_nothing_is_appended_while_a_torn_end_cannot_be_cut(tmp_path: Path) -> None:
    """It would hide behind damage: each write tries to cut first, fails where that fails, and then goes on."""
    disk = RecordingDisk()
    writer = writer_of(tmp_path, disk)
    disk.failing, disk.short_bytes = {"write", "truncate"}, 4
    with pytest.raises(OSError, match="no space left"):
        writer.write([b"broken"])
    disk.failing, disk.short_bytes = {"truncate"}, None
    with pytest.raises(OSError, match="no space left"):
        writer.write([b"two"])
    with pytest.raises(OSError, match="no space left"):
        writer.seal(HEADER)
    with pytest.raises(OSError, match="no space left"):
        writer.start(SECOND)
    assert content(tmp_path) == b"brok"
    assert segment_numbers(tmp_path) == [1]
    disk.failing = set()
    writer.write([b"two"])
    assert content(tmp_path) == b"two"


def test_unfinished_segments_are_removed_and_nothing_else(tmp_path: Path) -> None:
    """A crash between a head and its name leaves them; an empty or missing folder has none."""
    remove_unfinished(tmp_path / "missing")
    writer_of(tmp_path).close()
    (tmp_path / "groups").mkdir()
    kept = sorted(tmp_path.iterdir())
    for number in (2, 3):
        segment_path(tmp_path, number).with_suffix(UNFINISHED).write_bytes(b"head")
    remove_unfinished(tmp_path)
    assert sorted(tmp_path.iterdir()) == kept


def test_what_an_earlier_start_left_does_not_disturb(tmp_path: Path) -> None:
    """The unfinished file of another process is thrown away and made anew."""
    segment_path(tmp_path, 1).with_suffix(UNFINISHED).write_bytes(b"x" * 100_000)
    writer_of(tmp_path).write([b"one"])
    assert content(tmp_path) == b"one"
    assert [path.name for path in tmp_path.iterdir()] == ["00000001.seg"]


class Writers(RuleBasedStateMachine):
    """Any order of writes and failures: the file is the writes that returned, or nothing was appended since."""

    directory: Path

    def __init__(self) -> None:
        super().__init__()
        self.disk = RecordingDisk()
        self.whole = b""
        self.is_torn = False

    @initialize()
    def start(self) -> None:
        for path in self.directory.iterdir():
            path.unlink()
        self.writer = writer_of(self.directory, self.disk, sync=True)

    @rule(data=st.binary(min_size=1, max_size=8))
    def write(self, data: bytes) -> None:
        self.disk.failing, self.disk.short_bytes = set(), None
        self.writer.write([data])
        self.whole += data
        self.is_torn = False

    @rule(
        failing=st.sets(st.sampled_from(["write", "sync", "truncate"]), min_size=1).filter(
            lambda calls: len(calls) > 1
        ),
        short_bytes=st.none() | st.integers(0, 8),
    )
    def fail(self, failing: set[str], short_bytes: int | None) -> None:
        self.disk.failing, self.disk.short_bytes = failing, short_bytes
        with pytest.raises(OSError, match="no space left"):
            self.writer.write([b"failing!"])
        self.is_torn = "truncate" in failing

    @invariant()
    def file_is_whole(self) -> None:
        found = content(self.directory)
        assert found.startswith(self.whole)
        assert self.is_torn or found == self.whole
        assert len(found) <= len(self.whole) + 16
        assert self.writer.length == HEAD_BYTES + len(self.whole)


def test_any_order_of_failures(tmp_path: Path) -> None:
    """What returned is there, in order, whatever failed between."""
    Writers.directory = tmp_path
    run_state_machine_as_test(Writers, settings=settings(deadline=None, max_examples=30, stateful_step_count=15))
