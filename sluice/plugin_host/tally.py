"""What is counted of one hook of one plugin, for a few nanoseconds a call: times are kept as they come, and summed up
when there are many of them or somebody asks."""

from __future__ import annotations

import msgspec

_REMEMBERED = 256
"""Calls whose times are kept: of so many the third longest is the 99th percentile."""


class HookFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What one hook of one plugin did since it was loaded; times in micros, percentiles of the last 256 calls."""

    calls: int = 0
    failures: int = 0
    not_called: int = 0
    """Exchanges that found the breaker open or too many calls under way."""
    oversized: int = 0
    """Bodies that the plugin's protocol cannot carry."""
    skipped_streams: int = 0
    blocked_loop: int = 0
    """Calls that kept every other exchange of the worker waiting for more than 100 ms."""
    mean_micros: float = 0.0
    p50_micros: int = 0
    p99_micros: int = 0
    max_micros: int = 0


class Tally:
    """Counts; ``figures`` are made when somebody asks."""

    __slots__ = (
        "_calls",
        "_max_micros",
        "_micros",
        "_new",
        "_recent",
        "blocked_loop",
        "failures",
        "not_called",
        "oversized",
        "skipped_streams",
    )

    def __init__(self) -> None:
        self.failures = 0
        self.not_called = 0
        self.oversized = 0
        self.skipped_streams = 0
        self.blocked_loop = 0
        self._calls = 0
        self._micros = 0
        self._max_micros = 0
        self._recent: list[int] = []
        self._new: list[int] = []
        """Times that are in none of the others yet."""

    def add(self, micros: int) -> None:
        """A call took so long."""
        new = self._new
        new.append(micros)
        if len(new) >= _REMEMBERED:
            self._sum_up()

    def _sum_up(self) -> None:
        self._calls += len(self._new)
        self._micros += sum(self._new)
        self._max_micros = max(self._max_micros, *self._new)
        self._recent = [*self._recent, *self._new][-_REMEMBERED:]
        self._new.clear()

    def figures(self) -> HookFigures:
        """As they are now."""
        if self._new:
            self._sum_up()
        recent = sorted(self._recent)
        return HookFigures(
            calls=self._calls,
            failures=self.failures,
            not_called=self.not_called,
            oversized=self.oversized,
            skipped_streams=self.skipped_streams,
            blocked_loop=self.blocked_loop,
            mean_micros=round(self._micros / self._calls, 1) if self._calls else 0.0,
            p50_micros=recent[len(recent) // 2] if recent else 0,
            p99_micros=recent[len(recent) * 99 // 100] if recent else 0,
            max_micros=self._max_micros,
        )
