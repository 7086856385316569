"""Which exchanges are traced: decided once, when an exchange is opened, by what its client says or else by chance."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from gateway.tracing.trace import Trace

if TYPE_CHECKING:
    from gateway.tracing.settings import TracingSettings

_SAMPLED = 1
_SPACE = 1 << 64
_random = random.Random()  # seeded by the operating system; ids need to be unique, not secret


class Sampler:
    """Decides by the lower half of trace ids, as OpenTelemetry's own: services with one share choose the same."""

    def __init__(self, settings: TracingSettings, bits: Callable[[int], int] = _random.getrandbits) -> None:
        self._bound = round(settings.sample * _SPACE)
        self._follows = settings.parent == "follow"
        self._bits = bits

    def decide(self, traceparent: str) -> Trace | None:
        """The exchange in its trace; ``None`` where it is not traced. ``traceparent`` is well formed, or empty."""
        if not traceparent:
            low = self._bits(64)
            return self._begun(low) if low < self._bound else None
        flags = int(traceparent[53:55], 16)
        if not flags & _SAMPLED:
            return None
        if not self._follows and int(traceparent[19:35], 16) >= self._bound:
            return None
        return Trace(traceparent[3:35], self._span_id(), traceparent[36:52], flags)

    def _begun(self, low: int) -> Trace:
        trace_id = self._bits(64) << 64 | low
        return Trace(f"{trace_id or 1:032x}", self._span_id())

    def _span_id(self) -> str:
        return f"{self._bits(64) or 1:016x}"
