"""What is answered: plain values, ready for JSON.

Counts and sums are exact integers. Money is exact nanos **by currency**, never added across. Averages, rates, shares
and percentiles of other numbers are floats; where there was nothing to make them of they are ``None``, and counts and
sums are 0 (money: no currency).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sluice.eventstore.panels.query import Scalar
from sluice.eventstore.queries import Document, Money

Value = int | float | Money | None
Unit = Literal["count", "number", "money", "micros", "share", "bytes", "tokens"]


@dataclass(frozen=True, slots=True)
class Column:
    """One figure that every group has."""

    name: str
    unit: Unit
    """``money``: nanos by currency. ``micros``: microseconds. ``share``: 0 to 1."""


@dataclass(frozen=True, slots=True)
class Series:
    """One group: its figures over the whole range, and in each bucket of time."""

    key: tuple[Scalar, ...]
    """The values of ``split_by``; empty where nothing was split, and for the rest."""
    total: tuple[Value, ...]
    """A value for each column."""
    points: tuple[tuple[Value, ...], ...] = ()
    """For each of ``times`` a value for each column."""
    is_other: bool = False
    """Whether it is all the groups that are not shown, together."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the range will come to."""

    values: tuple[Value, ...]
    """For each column; ``None`` where a forecast means nothing (averages, percentiles, distinct, shares)."""
    method: str
    """In words, to be shown beside the figure."""
    days: int
    """How many whole days it stands on."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The figures of one query."""

    columns: tuple[Column, ...]
    series: tuple[Series, ...]
    """Largest first; "other" last, where there is any. Without a split, one; with one and no events, none."""
    total: tuple[Value, ...]
    """Of all events in the range, for each column."""
    start: int
    end: int
    times: tuple[int, ...] = ()
    """Where each bucket begins, micros; the first may be before ``start``, whose events alone it holds."""
    interval: str = ""
    time_zone: str = "UTC"
    groups: int = 0
    """How many groups there are in all."""
    previous: Answer | None = None
    """Over the period before: the same groups in the same order, where they were there."""
    forecast: Forecast | None = None
    notes: tuple[str, ...] = ()
    """What a reader must know of these figures, as sentences."""


@dataclass(frozen=True, slots=True)
class SearchPage:
    """Events, newest first, without their bodies, headers and raw usage."""

    items: tuple[Document, ...]
    cursor: str | None
    """Give it back for the page behind this one; ``None`` where there is none."""


def plain(answer: Answer) -> dict[str, Any]:
    """The answer as JSON has it: dicts, lists and numbers. Integers may be beyond 2^53: browsers need care."""
    return {
        "columns": [{"name": column.name, "unit": column.unit} for column in answer.columns],
        "series": [_plain_series(series) for series in answer.series],
        "total": _plain_values(answer.total),
        "start": answer.start,
        "end": answer.end,
        "times": list(answer.times),
        "interval": answer.interval,
        "time_zone": answer.time_zone,
        "groups": answer.groups,
        "previous": None if answer.previous is None else plain(answer.previous),
        "forecast": None if answer.forecast is None else _plain_forecast(answer.forecast),
        "notes": list(answer.notes),
    }


def _plain_series(series: Series) -> dict[str, Any]:
    return {
        "key": list(series.key),
        "total": _plain_values(series.total),
        "points": [_plain_values(point) for point in series.points],
        "is_other": series.is_other,
    }


def _plain_forecast(forecast: Forecast) -> dict[str, Any]:
    return {"values": _plain_values(forecast.values), "method": forecast.method, "days": forecast.days}


def _plain_values(values: tuple[Value, ...]) -> list[Any]:
    return [dict(value) if isinstance(value, Mapping) else value for value in values]
