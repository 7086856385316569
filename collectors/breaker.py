"""Leaves a sink alone that keeps failing: open after so many failures in a row, then tried by one write at a time."""

from __future__ import annotations

from collections.abc import Callable

from collectors.entries import BreakerSettings


class Breaker:
    """Of one sink. ``clock`` is monotonic, in seconds; ``observe`` is told when it opens (True) and closes."""

    def __init__(
        self,
        settings: BreakerSettings,
        clock: Callable[[], float],
        observe: Callable[[bool], None] = lambda _is_open: None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._observe = observe
        self._failures = 0
        self._opened_at: float | None = None

    @property
    def is_open(self) -> bool:
        """From the failure that was one too many until a write goes through: meanwhile one write tries at a time."""
        return self._opened_at is not None

    @property
    def seconds_left(self) -> float:
        """Until the next write may try; 0 where one may now."""
        if self._opened_at is None:
            return 0.0
        return max(0.0, self._opened_at + self._settings.open_seconds - self._clock())

    def succeeded(self) -> None:
        """The sink answered: closed, and the next failure is the first."""
        self._failures = 0
        if self._opened_at is not None:
            self._opened_at = None
            self._observe(False)

    def failed(self) -> None:
        """Nothing of a write went through."""
        self._failures += 1
        if self._opened_at is not None:
            self._opened_at = self._clock()
        elif 0 < self._settings.max_failures <= self._failures:
            self._opened_at = self._clock()
            self._observe(True)
