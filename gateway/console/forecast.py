"""Where a budget will stand at its period's end, at the pace of the period so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.control.api.services import BudgetStatus

_TOO_EARLY = 0.01
"""Before this part of a period a pace says nothing: one request in the first minute would be a fortune a month."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Of one budget."""

    elapsed: float
    """How much of the period is over, 0 to 1."""
    end_nanos: int | None
    """What will have been spent; ``None`` where it is too early to say."""
    exhausted_at: int | None
    """Micros of the epoch when nothing will be left; ``None`` where that is not within the period."""


def forecast(status: BudgetStatus, now: int) -> Forecast:
    """By whole nanos, rounded down; what hosts hold for exchanges under way is not spent."""
    length = status.period_end - status.period_start
    passed = min(max(now - status.period_start, 0), length)
    elapsed = passed / length if length > 0 else 1.0
    if elapsed < _TOO_EARLY or passed == 0:
        return Forecast(elapsed, None, None)
    end_nanos = status.spent_nanos * length // passed
    if not 0 < status.limit_nanos <= end_nanos:
        return Forecast(elapsed, end_nanos, None)
    exhausted_at = status.period_start + status.limit_nanos * passed // status.spent_nanos
    return Forecast(elapsed, end_nanos, max(exhausted_at, now) if status.spent_nanos < status.limit_nanos else now)
