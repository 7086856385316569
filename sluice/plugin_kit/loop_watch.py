"""How long the event loop was held while something ran."""

from __future__ import annotations

import asyncio
import time
from typing import Self

_TICK_SECONDS = 0.002


class LoopWatch:
    """Between ``with`` and its end: ``longest_seconds`` that nothing else could run."""

    def __init__(self) -> None:
        self.longest_seconds = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0

    def __enter__(self) -> Self:
        self._wait()
        return self

    def __exit__(self, *_error: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._note()

    def _wait(self) -> None:
        self._due = time.monotonic() + _TICK_SECONDS
        self._timer = asyncio.get_running_loop().call_later(_TICK_SECONDS, self._tick)

    def _tick(self) -> None:
        self._note()
        self._wait()

    def _note(self) -> None:
        self.longest_seconds = max(self.longest_seconds, time.monotonic() - self._due)
