"""What a store is to retention: it finds what is due, and deletes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from collectors.retention.settings import Limit
from schemas.events import Kind

Progress = Callable[[int], None]
"""Told how many events more are deleted."""


@dataclass(frozen=True, slots=True)
class Due:
    """Something to delete."""

    name: str
    """An index, a file, a table."""
    events: int
    """Exactly."""
    size_bytes: int | None = None
    before_micros: int = 0
    """Of rows: those of exchanges before this."""


@dataclass(frozen=True, slots=True)
class Found:
    """What is due of a kind, oldest first."""

    due: tuple[Due, ...] = ()
    excess_bytes: int = 0
    """What remains beyond ``max_bytes``, because the log still keeps it."""

    @property
    def events(self) -> int:
        """In all of it."""
        return sum(each.events for each in self.due)


class Store(Protocol):
    """All raise Retryable or Halt."""

    async def find(self, kind: Kind, limit: Limit, floor_micros: int, now: int) -> Found:
        """What may go now; nothing younger than ``floor_micros``."""
        ...

    async def delete(self, kind: Kind, due: Due, progress: Progress) -> int:
        """Delete it; how many events that were. Twice is once."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
