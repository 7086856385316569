"""Locks that die with their holder."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from sluice.eventlog.interface import EventLogError

LOCK_FILE = "lock"
_LOOK_SECONDS = 0.01


class JournalBusyError(EventLogError):
    """Another process holds it; ``pid`` is that process, where it is known."""

    def __init__(self, path: Path, pid: str, remedy: str) -> None:
        super().__init__(f"{path} is held by process {pid or 'unknown'}; {remedy}")
        self.pid = pid


class FileLock:
    """An exclusive ``flock`` with the holder's pid in it. Never unlinked: that would let two hold it."""

    def __init__(self, path: Path, remedy: str) -> None:
        """Take it or raise JournalBusyError; ``remedy`` tells people what to do then."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _take(self._descriptor)
        except OSError as error:
            pid = os.pread(self._descriptor, 32, 0).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            raise JournalBusyError(path, pid, remedy) from error
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let others have it; twice is once."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _take(descriptor: int) -> None:
    """Try twice: whoever looks with ``is_held`` has the lock for an instant."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        time.sleep(_LOOK_SECONDS)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_held(path: Path) -> bool:
    """Whether a process holds the lock at ``path``. Any number may look at once: they do not take each other for it."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False
