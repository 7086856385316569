"""Tells when somebody touches a file, by Linux's inotify: who waits for that sleeps, and looks at nothing meanwhile."""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_IN_ATTRIB = 0x4
"""Of ``inotify(7)``: its times changed, among others."""
_BUFFER_BYTES = 4096


class Touches:
    """Of one file, as long as the event loop that it was made in runs, or until it is closed."""

    def __init__(self, path: Path, touched: Callable[[], None]) -> None:
        """``touched`` is called in the event loop behind each touch, once for several that come together.

        Raises OSError where the system has no inotify, or no more of it for this user.
        """
        self._loop = asyncio.get_running_loop()
        self._touched = touched
        libc = ctypes.CDLL(None, use_errno=True)
        if not hasattr(libc, "inotify_init1"):
            message = "this system has no inotify"
            raise OSError(message)
        self._descriptor = _checked(libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC), path)
        try:
            _checked(libc.inotify_add_watch(self._descriptor, os.fsencode(path), _IN_ATTRIB), path)
            self._loop.add_reader(self._descriptor, self._read)
        except BaseException:
            os.close(self._descriptor)
            raise

    def _read(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._descriptor, _BUFFER_BYTES)
        self._touched()

    def close(self) -> None:
        """Watch no more; may be called twice."""
        if self._descriptor >= 0:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1


def _checked(answer: int, path: Path) -> int:
    """What a function of the C library answers. Raises OSError where it failed."""
    if answer < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(path))
    return answer
