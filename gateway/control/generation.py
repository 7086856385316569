"""The newest generation of a host, in a file that all its processes map: to look at it is to read memory.

Whoever commits a change tells it here. It is a hint: what counts is the database, at which everybody looks now and then
anyway, so a hint that is lost with a killed process delays a change and loses none.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from gateway.control.touches import Touches

FILE_NAME = "control.generation"
_BYTES = 8
"""One aligned 64-bit word: it is read and written whole."""


class GenerationFile:
    """One process's view of the file; made where it is missing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(self._file).st_size < _BYTES:
                os.ftruncate(self._file, _BYTES)  # of two that do this the second changes nothing
            self._map = mmap.mmap(self._file, _BYTES)
        except BaseException:
            os.close(self._file)
            raise
        self._words = memoryview(self._map).cast("Q")

    @property
    def value(self) -> int:
        """What was told last; no system call."""
        return self._words[0]

    def bump(self, generation: int) -> None:
        """Tell a generation that was committed; an older one than the last changes nothing."""
        self._write(lambda told: max(told, generation))

    def reset(self, generation: int) -> None:
        """Say what the database has, once, at the start: it may be another one than the last time."""
        self._write(lambda _: generation)

    def touches(self, told: Callable[[], None]) -> Touches:
        """Calls ``told`` behind each word of whichever process, until it is closed. Raises OSError where the system
        does not say such things."""
        return Touches(self._path, told)

    def _write(self, next_value: Callable[[int], int]) -> None:
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            self._words[0] = next_value(self._words[0])
            with suppress(OSError):  # a disk that takes no more: who is not told looks by himself
                os.utime(self._file)  # memory that is written touches no file
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let the file go; may be called twice."""
        if self._file >= 0:
            self._words.release()
            self._map.close()
            os.close(self._file)
            self._file = -1
