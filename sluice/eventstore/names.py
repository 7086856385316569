"""The names of indices: daily ones that are written, and the alias that is read."""

from __future__ import annotations

from schemas.events import Kind
from sluice.clock import at_micros

INDEX_NAMES: dict[Kind, str] = {
    "proxy_log": "microgateway-proxy-logs",
    "analytics": "microgateway-analytics",
    "budget": "microgateway-budget",
}
"""What dashboards query: the alias over all days of an event, and the stem of each day's index."""


def daily_index(stem: str, occurred_at: int) -> str:
    """``<stem>-YYYY.MM.DD`` of the event's own UTC day, so that a replay a month later finds the same index."""
    return f"{stem}-{at_micros(occurred_at):%Y.%m.%d}"


def daily_pattern(stem: str) -> str:
    """What matches every day's index of ``stem``."""
    return f"{stem}-*"
