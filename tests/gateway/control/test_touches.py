"""Touches of a file, told by a real inotify."""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.control.touches import Touches
from tests.integration.waiting import until

SECONDS = 5.0


async def test_each_touch_is_told(tmp_path: Path) -> None:
    """Of whoever touches it; behind the end of the watch nothing is."""
    path, told = tmp_path / "file", list[int]()
    path.touch()
    touches = Touches(path, lambda: told.append(1))
    os.utime(path)
    await until(lambda: len(told) == 1, SECONDS, "it is told")
    os.utime(path)
    await until(lambda: len(told) == 2, SECONDS, "the second too")
    touches.close()
    touches.close()
    os.utime(path)
    await asyncio.sleep(0.05)  # real time: nothing comes
    assert len(told) == 2


async def test_many_that_come_together_are_told_once(tmp_path: Path) -> None:
    """And however many they were, none is left to be told for ever."""
    path, told = tmp_path / "file", list[int]()
    path.touch()
    touches = Touches(path, lambda: told.append(1))
    for _ in range(100):
        os.utime(path)
    await until(lambda: bool(told), SECONDS, "it is told")
    await asyncio.sleep(0.05)  # real time: nothing more comes
    assert len(told) == 1
    touches.close()


async def test_a_file_that_is_gone_is_an_error(tmp_path: Path) -> None:
    """With its name, and nothing is left open."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(FileNotFoundError, match="nowhere"):
        Touches(tmp_path / "nowhere", lambda: None)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


async def test_a_system_without_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that has no more of it does."""
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: object())
    with pytest.raises(OSError, match="no inotify"):
        Touches(tmp_path, lambda: None)
    full: Callable[..., Any] = lambda *_, **__: NoMore  # noqa: E731
    monkeypatch.setattr(ctypes, "CDLL", full)
    monkeypatch.setattr(ctypes, "get_errno", lambda: 24)
    with pytest.raises(OSError, match="Too many open files"):
        Touches(tmp_path, lambda: None)


class NoMore:
    """A C library whose system has no watch left for this user."""

    @staticmethod
    def inotify_init1(_flags: int) -> int:
        return -1
