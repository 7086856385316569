"""What is counted of one hook of one plugin, for a few nanoseconds a call."""

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
        "_recent",
        "blocked_loop",
        "calls",
        "failures",
        "max_micros",
        "micros",
        "not_called",
        "oversized",
        "skipped_streams",
    )

    def __init__(self) -> None:
        self.calls = 0
        self.failures = 0
        self.not_called = 0
        self.oversized = 0
        self.skipped_streams = 0
        self.blocked_loop = 0
        self.micros = 0
        self.max_micros = 0
        self._recent = [0] * _REMEMBERED

    def add(self, micros: int) -> None:
        """A call took so long."""
        self._recent[self.calls % _REMEMBERED] = micros
        self.calls += 1
        self.micros += micros
        if micros > self.max_micros:  # noqa: PLR1730 - a call of max() is a fifth of what all of this costs
            self.max_micros = micros

    def figures(self) -> HookFigures:
        """As they are now."""
        recent = sorted(self._recent[: min(self.calls, _REMEMBERED)])
        return HookFigures(
            calls=self.calls,
            failures=self.failures,
            not_called=self.not_called,
            oversized=self.oversized,
            skipped_streams=self.skipped_streams,
            blocked_loop=self.blocked_loop,
            mean_micros=round(self.micros / self.calls, 1) if self.calls else 0.0,
            p50_micros=recent[len(recent) // 2] if recent else 0,
            p99_micros=recent[len(recent) * 99 // 100] if recent else 0,
            max_micros=self.max_micros,
        )
