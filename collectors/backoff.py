"""How long to wait before the next attempt."""

from __future__ import annotations

import random
from collections.abc import Callable

from collectors.entries import RetrySettings

MAX_RETRY_AFTER_SECONDS = 300.0
"""A server that asks for more is asked again after this."""

_MAX_DOUBLINGS = 30


class Backoff:
    """Full jitter: anywhere below ``base · 2ⁿ``, capped, so that many who failed together do not come back together."""

    def __init__(self, settings: RetrySettings, draw: Callable[[], float] = random.random) -> None:
        self._settings = settings
        self._draw = draw

    def seconds(self, attempts: int, retry_after_seconds: float | None = None) -> float:
        """The wait after ``attempts`` failures in a row; never less than what the server asked for."""
        doublings = min(max(attempts - 1, 0), _MAX_DOUBLINGS)
        ceiling: float = min(self._settings.max_seconds, self._settings.base_seconds * 2**doublings)
        least = min(retry_after_seconds or 0.0, MAX_RETRY_AFTER_SECONDS)
        return least + ceiling * self._draw()
