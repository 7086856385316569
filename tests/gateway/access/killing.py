"""Kills in the middle: a table whose owner dies at its n-th store, as a kill -9 would have it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from gateway.access.shared_table import SharedTable


class Killed(BaseException):
    """The process is no more: nothing catches this, nothing after it happens."""


class _Dying:
    """Words of which only so many are stored any more, of all views together."""

    def __init__(self, words: Any, left: list[int]) -> None:
        self._words = words
        self._left = left

    def __getitem__(self, at: int) -> int:
        value: int = self._words[at]
        return value

    def __setitem__(self, at: int, value: int) -> None:
        _step(self._left)
        self._words[at] = value

    def __len__(self) -> int:
        return len(self._words)


def _step(left: list[int]) -> None:
    if not left[0]:
        raise Killed
    left[0] -= 1


@contextmanager
def dying_after(table: SharedTable, stores: int) -> Iterator[Callable[[], None]]:
    """Let the process die at its next store but so many; it may also live.

    What is yielded is called where something else is stored, such as in the in-flight file.
    """
    views: dict[str, Any] = {name: getattr(table, name) for name in ("own", "words", "redo")}
    left = [stores]
    for name, view in views.items():
        setattr(table, name, _Dying(view, left))
    try:
        yield partial(_step, left)
    finally:
        for name, view in views.items():
            setattr(table, name, view)
