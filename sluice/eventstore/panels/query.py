"""What can be asked: measures of events, split and over time, within filters.

Names of fields are those of the event (``schemas/events.py``); ``fields.py`` says which may be used for what. Times are
microseconds since the epoch and ranges are ``[start, end)``, rounded down to the millisecond.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from schemas.events import Kind

Scalar = str | int | bool | None
"""A value of a field; ``None`` is a field that is not there."""

Subject = Kind | Literal["plugin_step"]
"""What is counted: events of a kind, or each plugin's step within the proxy logs' ``plugins``."""

MeasureKind = Literal["count", "sum", "average", "percentiles", "distinct", "rate", "share"]
Operator = Literal["is", "in", "not", "range", "contains"]

DEFAULT_LIMIT = 10
MAX_LIMIT = 500
MAX_BUCKETS = 1_000
AUTOMATIC = "auto"


class QueryError(ValueError):
    """What was asked cannot be: the message names the key, the value and the remedy."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Events whose field has one of these values.

    ``is``: the one value. ``in``: any of them. ``not``: none of them; events without the field are among those.
    ``range``: two numbers, from the first and below the second, ``None`` where there is no bound.
    ``contains``: the text stands in the field, letter by letter. On ``labels`` all but ``range`` and ``contains`` ask
    for a whole ``key:value``.
    """

    field: str
    operator: Operator
    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure of each group of events.

    ``count``; ``sum``, ``average``, ``percentiles`` and ``distinct`` of a field; ``rate``: events, or the sum of a
    field, per ``per_seconds``; ``share``: which part of the events (0 to 1) is in ``where``.
    """

    kind: MeasureKind = "count"
    field: str = ""
    percents: tuple[float, ...] = ()
    """Of ``percentiles``: above 0, at most 100, with at most three decimals; each is a column of its own."""
    where: tuple[Filter, ...] = ()
    """Only these of the query's events."""
    per_seconds: int = 60
    name: str = ""
    """Of the column; where there is none it is made of the rest: ``sum(cost_nanos)``, ``p95(total_micros)``."""


@dataclass(frozen=True, slots=True)
class PanelQuery:
    """One question; see the README for what it answers."""

    kind: Subject
    start: int
    end: int
    measures: tuple[Measure, ...] = (Measure(),)
    split_by: tuple[str, ...] = ()
    """Up to two fields. The ``limit`` groups that are largest by the first measure are shown, the rest as "other"."""
    interval: str = ""
    """Nothing: no time axis. ``auto``, or one of ``INTERVALS`` (``1m`` … ``1d``, ``1w``, ``1M``)."""
    time_zone: str = "UTC"
    filters: tuple[Filter, ...] = ()
    limit: int = DEFAULT_LIMIT
    compare: Literal["", "previous"] = ""
    """``previous``: the same groups over the period before: the month before a whole month, else as many days before
    whole days, else as long before."""
    forecast: bool = False
    """What the totals come to at ``end`` if days go on as the whole days so far."""
