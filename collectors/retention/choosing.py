"""Which whole pieces of a store (daily indices, finished files) may go. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from collectors.retention.settings import Limit

DAY_MICROS = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Piece:
    """Something that is deleted whole or not at all."""

    name: str
    ends_at: int
    """When the last day that has events in it ended, in microseconds: before that it is not old."""
    size_bytes: int
    events: int | None = None
    """Where it is known; ``None`` is to be counted."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What may go, oldest first, and by how many bytes the rest is still too much: the log keeps all of that too."""

    pieces: Sequence[Piece]
    excess_bytes: int = 0


def end_of_day(micros: int) -> int:
    """When the UTC day of a moment ends."""
    return (micros // DAY_MICROS + 1) * DAY_MICROS


def choose(pieces: Iterable[Piece], limit: Limit, floor_micros: int, now: int) -> Chosen:
    """By age, and by bytes the oldest first; ``floor_micros`` is the age below which nothing goes."""
    oldest_kept = now - floor_micros
    aged = None if limit.max_age is None else min(oldest_kept, now - int(limit.max_age * 1_000_000))
    due: list[Piece] = []
    total, is_beyond = 0, False
    for piece in sorted(pieces, key=lambda each: (each.ends_at, each.name), reverse=True):
        is_old = aged is not None and piece.ends_at <= aged
        # whatever is older than the first that is too much is too much as well
        is_beyond = is_beyond or (limit.max_bytes is not None and total + piece.size_bytes > limit.max_bytes)
        if is_old or (is_beyond and piece.ends_at <= oldest_kept):
            due.append(piece)
        else:
            total += piece.size_bytes
    excess = 0 if limit.max_bytes is None else max(0, total - limit.max_bytes)
    return Chosen(due[::-1], excess)
