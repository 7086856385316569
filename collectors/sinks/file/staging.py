"""A file that is not finished: chunks of packed events with their offsets, each durable or not there.

A chunk is ``length, checksum, head, body``. The first has no events: it says from where the file goes on, and in its
body what the file is. A torn chunk at the end is what a kill or a power cut left, and ends the file.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import zlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

_FRAME = struct.Struct("<II")
"""Bytes behind it, and their CRC-32."""
_HEAD = struct.Struct("<QQI")
"""Next offset behind the chunk, newest append time in milliseconds, and how many events it has."""
_MAX_CHUNK_BYTES = 1 << 31


class Chunk(NamedTuple):
    """What one write made durable."""

    next_offset: int
    newest_ms: int
    offsets: array[int]
    packed: bytes


@dataclass(slots=True)
class StagedFile:
    """One that is written to; opened by ``create``."""

    path: Path
    descriptor: int
    inode: int
    size_bytes: int = 0
    """Of the chunks that are durable."""
    events: int = 0

    @classmethod
    def create(cls, path: Path) -> StagedFile:
        """A new file, locked while we live; FileExistsError where another has the name."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o644)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return cls(path, descriptor, os.fstat(descriptor).st_ino)

    def is_ours(self) -> bool:
        """Whether the name still means this file: who takes a partition over removes it."""
        try:
            return self.path.stat().st_ino == self.inode
        except FileNotFoundError:
            return False

    def append(self, next_offset: int, newest_ms: int, offsets: array[int], packed: bytes) -> None:
        """Make a chunk durable, or leave the file as it was; raises OSError."""
        head = _HEAD.pack(next_offset, newest_ms, len(offsets)) + offsets.tobytes()
        lengths = _FRAME.pack(len(head) + len(packed), zlib.crc32(packed, zlib.crc32(head)))
        frame = memoryview(b"".join((lengths, head, packed)))
        size = len(frame)
        try:
            while frame:
                frame = frame[os.write(self.descriptor, frame) :]
            os.fdatasync(self.descriptor)
        except OSError:
            os.ftruncate(self.descriptor, self.size_bytes)
            raise
        self.size_bytes += size
        self.events += len(offsets)

    def close(self) -> None:
        """Let go of it."""
        with contextlib.suppress(OSError):
            os.close(self.descriptor)


def is_abandoned(path: Path) -> bool:
    """Whether nobody who lives writes to it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def read_chunks(path: Path) -> Iterator[Chunk]:
    """The chunks that are whole, in their order."""
    with path.open("rb") as file:
        while len(head := file.read(_FRAME.size)) == _FRAME.size:
            length, checksum = _FRAME.unpack(head)
            if not _HEAD.size <= length <= _MAX_CHUNK_BYTES:
                return
            content = file.read(length)
            if len(content) < length or zlib.crc32(content) != checksum:
                return
            yield _chunk(content)


def _chunk(content: bytes) -> Chunk:
    next_offset, newest_ms, count = _HEAD.unpack_from(content)
    offsets: array[int] = array("Q")
    end = _HEAD.size + count * offsets.itemsize
    offsets.frombytes(content[_HEAD.size : end])
    return Chunk(next_offset, newest_ms, offsets, content[end:])
