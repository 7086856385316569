"""Where lines of the access log go: standard output, or a file that several workers share and that is rotated by size.

A file is opened for appending, and again whenever its name is another file: so it may be moved away or cut
(``copytruncate``) by whoever rotates logs, without a signal, and workers may rotate it themselves.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.access_log import Target
    from gateway.settings import AccessLogSettings

_STANDARD_OUTPUT = 1


def open_target(settings: AccessLogSettings) -> Target:
    """As the settings say; a file is made with the first lines."""
    if settings.to == "stdout":
        return StandardOutput()
    return LogFile(Path(settings.file), settings.max_file_bytes, settings.keep_files)


class StandardOutput:
    """The process's own; of several workers lines may mix, but not within a line of a pipe's atomic size."""

    def __init__(self, descriptor: int = _STANDARD_OUTPUT) -> None:
        self._descriptor = descriptor

    def write(self, data: bytes) -> None:
        """Waits for a reader that is slow; raises OSError where there is none."""
        _write_all(self._descriptor, data)


class LogFile:
    """A file that other processes append to as well. ``max_bytes`` 0 leaves its rotation to others."""

    def __init__(self, path: Path, max_bytes: int, keep: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._keep = keep
        self._descriptor = -1
        self._is_torn = False

    def write(self, data: bytes) -> None:
        """Append whole lines; raises OSError. What a full disk cut off does not stand before the next line."""
        self._open()
        if self._is_torn:
            data = b"\n" + data
        if self._max_bytes and os.fstat(self._descriptor).st_size + len(data) > self._max_bytes:
            self._rotate(len(data))
        self._is_torn = True
        _write_all(self._descriptor, data)
        self._is_torn = False

    def _open(self) -> None:
        """Unless what is open is what has the name."""
        if self._descriptor >= 0:
            with suppress(FileNotFoundError):
                if os.path.samestat(self._path.stat(), os.fstat(self._descriptor)):
                    return
            os.close(self._descriptor)
            self._descriptor = -1
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)

    def _rotate(self, coming: int) -> None:
        """``access.log`` becomes ``access.log.1``, that ``.2``, and the last one goes; one worker at a time."""
        lock = os.open(f"{self._path}.lock", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._open()
            size = os.fstat(self._descriptor).st_size
            if size == 0 or size + coming <= self._max_bytes:
                return  # another worker was faster
            for number in range(self._keep, 0, -1):
                older = self._numbered(number - 1) if number > 1 else self._path
                with suppress(FileNotFoundError):
                    older.replace(self._numbered(number))
            if not self._keep:
                self._path.unlink(missing_ok=True)
            self._open()
        finally:
            os.close(lock)

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
