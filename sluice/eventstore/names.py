"""The names of indices: daily ones that are written, and the alias that is read."""

from __future__ import annotations

from typing import Literal

from schemas.events import Kind
from sluice.clock import at_micros

Period = Literal["day", "month", "year"]
"""How much time the events of one index span."""

PERIOD_FORMS: dict[Period, str] = {"day": "%Y.%m.%d", "month": "%Y.%m", "year": "%Y"}
"""What stands behind the stem and a dash, as ``strftime`` writes it."""

INDEX_NAMES: dict[Kind, str] = {
    "proxy_log": "microgateway-proxy-logs",
    "analytics": "microgateway-analytics",
    "budget": "microgateway-budget",
}
"""What dashboards query: the alias over all days of an event, and the stem of each day's index."""


def daily_index(stem: str, occurred_at: int) -> str:
    """``<stem>-YYYY.MM.DD`` of the event's own UTC day, so that a replay a month later finds the same index."""
    return dated_index(stem, occurred_at, "day")


def dated_index(stem: str, occurred_at: int, period: Period) -> str:
    """The index of an event's own UTC day, month or year."""
    return f"{stem}-{at_micros(occurred_at).strftime(PERIOD_FORMS[period])}"


def daily_pattern(stem: str) -> str:
    """What matches every day's index of ``stem``."""
    return f"{stem}-*"
