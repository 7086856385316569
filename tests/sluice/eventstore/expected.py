"""What a store must answer, computed from the events in plain Python: slow, short, and without any of our code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import Any

Event = Mapping[str, Any]


def within(events: Iterable[Event], app_id: int, start: int, end: int) -> list[Event]:
    """An app's events; bounds are rounded down to the millisecond."""
    first, last = start // 1_000 * 1_000, end // 1_000 * 1_000
    return [event for event in events if event["app_id"] == app_id and first <= event["occurred_at"] < last]


def total(events: Iterable[Event], field: str) -> int:
    """The sum of what is there."""
    return sum(event[field] or 0 for event in events)


def money(events: Iterable[Event]) -> dict[str, int]:
    """By currency, where a cost is known."""
    found: dict[str, int] = {}
    for event in events:
        if event["cost_nanos"] is not None:
            found[event["currency"]] = found.get(event["currency"], 0) + event["cost_nanos"]
    return found


def figures(events: list[Event]) -> tuple[int, int, dict[str, int]]:
    """Requests, tokens and money."""
    return len(events), total(events, "total_tokens"), money(events)


def grouped(events: Iterable[Event], key: Callable[[Event], Any]) -> dict[Any, tuple[int, int, dict[str, int]]]:
    """The figures by key."""
    found: dict[Any, list[Event]] = {}
    for event in events:
        found.setdefault(key(event), []).append(event)
    return {name: figures(members) for name, members in found.items()}


def day(event: Event) -> str:
    """The UTC day."""
    return str((datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=event["occurred_at"])).date())


def model(event: Event) -> str | None:
    """Its name, where it is not too long for an index."""
    name: str | None = event["model_name"]
    return None if name is not None and sum(1 + (character > "\uffff") for character in name) > 1024 else name


def outcomes(events: Iterable[Event]) -> dict[str, int]:
    """How many of each."""
    return dict(Counter(event["outcome"] for event in events))


def average(amounts: Mapping[str, int], requests: int) -> dict[str, int]:
    """Half-even, to the nano."""
    with localcontext() as context:
        context.prec = 100
        return {
            currency: int((Decimal(nanos) / requests).quantize(Decimal(1), rounding=ROUND_HALF_EVEN))
            for currency, nanos in amounts.items()
        }
