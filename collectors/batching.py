"""Gathers frames of a kind into batches by count, bytes and age, whichever comes first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from collectors.deliveries import Batch, Frame, joined
from collectors.entries import BatchSettings
from schemas.events import Kind

_MAX_FRAMES = 64
"""Joined beyond it: a frame of one row costs as much memory as one of fifty, and a trickle makes many."""


@dataclass(slots=True)
class _Open:
    """A batch that is still gathered."""

    since: float
    frames: list[Frame] = field(default_factory=list)
    records: int = 0
    size_bytes: int = 0

    def add(self, frame: Frame) -> None:
        self.frames.append(frame)
        self.records += len(frame.delivery)
        self.size_bytes += frame.delivery.size_bytes()
        if len(self.frames) > _MAX_FRAMES:
            self.frames = [joined(self.frames)]


class Batching:
    """One open batch for each kind of event. ``clock`` is monotonic, in seconds."""

    def __init__(self, settings: BatchSettings, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._clock = clock
        self._open: dict[Kind, _Open] = {}

    def add(self, frame: Frame) -> list[Batch]:
        """Take a frame in; returns the batches that are full now."""
        full = []
        for part in self._slices(frame):
            current = self._open.setdefault(part.kind, _Open(self._clock()))
            current.add(part)
            if current.records >= self._settings.max_records or current.size_bytes >= self._settings.max_bytes:
                full.append(self._close(part.kind))
        return full

    def _slices(self, frame: Frame) -> list[Frame]:
        """The frame, cut where it would make a batch longer than ``max_records``."""
        size, limit = len(frame.delivery), self._settings.max_records
        current = self._open.get(frame.kind)
        first = limit - (current.records if current else 0)
        if size <= first:
            return [frame] if size else []
        starts = [0, *range(first, size, limit)]
        return [frame.slice(start, end) for start, end in zip(starts, [*starts[1:], size], strict=True)]

    def due(self) -> list[Batch]:
        """The batches whose age is up."""
        age, now = self._settings.max_age_seconds, self._clock()
        return [self._close(kind) for kind, current in list(self._open.items()) if current.since + age <= now]

    def flush(self) -> list[Batch]:
        """Every open batch, full or not."""
        return [self._close(kind) for kind in list(self._open)]

    def seconds_until_due(self) -> float | None:
        """When the oldest open batch is up; ``None`` where there is none."""
        if not self._open:
            return None
        oldest = min(current.since for current in self._open.values())
        return max(0.0, oldest + self._settings.max_age_seconds - self._clock())

    def _close(self, kind: Kind) -> Batch:
        return Batch(joined(self._open.pop(kind).frames))
