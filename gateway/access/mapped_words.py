"""64-bit words in a file, mapped into memory: shared by processes, kept through their ends."""

from __future__ import annotations

import mmap
import os
from pathlib import Path

WORD_BYTES = 8


class MappedWords:
    """A sparse file of 64-bit words, mapped."""

    def __init__(self, path: Path, words: int) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if os.fstat(self._descriptor).st_size < words * WORD_BYTES:
            os.ftruncate(self._descriptor, words * WORD_BYTES)
        self.map = mmap.mmap(self._descriptor, words * WORD_BYTES)
        self.words = memoryview(self.map).cast("q")

    def allocate(self, start: int, count: int) -> None:
        """Have the disk's room for some words. Raises OSError."""
        os.posix_fallocate(self._descriptor, start * WORD_BYTES, count * WORD_BYTES)

    def close(self) -> None:
        """Unmap; what is in the file stays."""
        self.words.release()
        self.map.close()
        os.close(self._descriptor)
