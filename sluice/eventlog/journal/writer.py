"""The segment being written. Knows bytes and files; what is in them, and who waits for it, is the journal's."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from sluice.eventlog.journal.disk import Disk
from sluice.eventlog.journal.frames import SEAL_MARK, frame
from sluice.eventlog.journal.header import SegmentHeader, segment_head
from sluice.eventlog.journal.segment import segment_path

UNFINISHED = ".new"


class SegmentWriter:
    """Appends to one segment at a time; with ``sync`` each write waits for the device. Methods raise ``OSError``."""

    def __init__(self, directory: Path, disk: Disk, *, sync: bool) -> None:
        self._directory = directory
        self._disk = disk
        self._sync = sync
        self._descriptor = -1
        self._is_torn = False
        self.length = 0
        """Bytes of the present segment that are whole batches."""

    def start(self, header: SegmentHeader) -> None:
        """Go over to a new segment; it has its name only when its head is whole. On failure the old one stays."""
        self._mend()
        path = segment_path(self._directory, header.number)
        unfinished = path.with_suffix(UNFINISHED)
        head = segment_head(header)
        descriptor = self._disk.create(unfinished)
        try:
            self._disk.write(descriptor, head)
            if self._sync:
                self._disk.sync(descriptor)
            self._disk.rename(unfinished, path)
            if self._sync:
                self._disk.sync_directory(self._directory)
        except OSError:
            os.close(descriptor)
            unfinished.unlink(missing_ok=True)
            path.unlink(missing_ok=True)  # or readers would wait there while the old segment goes on
            raise
        self.close()
        self._descriptor, self.length = descriptor, len(head)

    def write(self, frames: Sequence[bytes]) -> None:
        """Append frames: all of them, or the segment is as before."""
        if self._is_torn:
            self._mend()
        data = b"".join(frames)
        try:
            self._disk.write(self._descriptor, data)
            if self._sync:
                self._disk.sync(self._descriptor)
        except OSError:
            self._is_torn = True
            self._mend_if_possible()
            raise
        self.length += len(data)

    def seal(self, header: SegmentHeader) -> None:
        """Mark the segment as ended on purpose."""
        self.write([frame(header.seed, SEAL_MARK)])

    def _mend(self) -> None:
        """Cut what a failed write left. While that fails too nothing may be appended: it would hide behind damage, and
        whole entries of the failed batch would count as written."""
        if self._is_torn:
            self._disk.truncate(self._descriptor, self.length)
            self._is_torn = False

    def _mend_if_possible(self) -> None:
        try:
            self._mend()
        except OSError:
            self._is_torn = True  # the next write tries again before anything else

    def close(self) -> None:
        """Close the file; twice is once."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def remove_unfinished(directory: Path) -> None:
    """Remove segments that a crash left without their name: nothing was ever appended to them."""
    for path in directory.glob(f"*{UNFINISHED}"):
        path.unlink()
