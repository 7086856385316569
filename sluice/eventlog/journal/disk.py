"""The few calls by which a journal touches its segment files: the seam where tests put a full or a broken disk."""

from __future__ import annotations

import errno
import os
from pathlib import Path

FILE_MODE = 0o600
"""Segments hold request and response bodies."""


class Disk:
    """The operating system's own calls. Every method raises ``OSError``."""

    def create(self, path: Path) -> int:
        """Open a new file for appending; what an earlier attempt left under this name is thrown away."""
        flags = os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_WRONLY | os.O_CLOEXEC
        return os.open(path, flags, FILE_MODE)

    def write(self, descriptor: int, data: bytes) -> None:
        """Append all of ``data``, in one call; a short write is a full disk that did not say so."""
        written = os.write(descriptor, data)
        if written != len(data):
            raise OSError(errno.ENOSPC, f"only {written} of {len(data)} bytes were written")

    def sync(self, descriptor: int) -> None:
        """Wait until the device has it."""
        os.fsync(descriptor)

    def truncate(self, descriptor: int, length: int) -> None:
        """Cut the file back to ``length`` bytes."""
        os.ftruncate(descriptor, length)

    def rename(self, source: Path, target: Path) -> None:
        """Give a finished file its name."""
        source.rename(target)

    def sync_directory(self, directory: Path) -> None:
        """Make names in ``directory`` survive power loss."""
        descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def free_bytes(self, directory: Path) -> int:
        """What an unprivileged process may still write there."""
        status = os.statvfs(directory)
        return status.f_bavail * status.f_frsize
