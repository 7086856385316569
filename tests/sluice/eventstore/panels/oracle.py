"""What panels must answer, computed from the events in plain Python: slow, short, and without any of our code."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from sluice.eventstore.panels.answers import Answer, Series
from sluice.eventstore.panels.query import Filter, Measure, PanelQuery

Event = Mapping[str, Any]
MONEY = {"cost_nanos", "reserved_nanos"}


def value(event: Event, name: str) -> Any:
    """A field, as far as an index knows it."""
    found = event.get(name)
    return None if isinstance(found, str) and len(found.encode("utf-16-le")) // 2 > 1024 else found


def holds(event: Event, found: Filter) -> bool:
    """Whether an event is in a filter."""
    held = value(event, found.field)
    if found.operator == "range":
        low, high = found.values
        return held is not None and (low is None or held >= low) and (high is None or held < high)
    if found.operator == "contains":
        return held is not None and found.values[0] in held
    inside = any(item in held for item in found.values) if isinstance(held, list) else held in found.values
    return inside != (found.operator == "not")


def chosen(events: Iterable[Event], filters: Sequence[Filter]) -> list[Event]:
    """Those that are in all filters."""
    return [event for event in events if all(holds(event, found) for found in filters)]


def rank(values: Sequence[int], percent: float) -> float | None:
    """The value at the nearest rank."""
    return float(sorted(values)[max(math.ceil(Fraction(str(percent)) * len(values) / 100), 1) - 1]) if values else None


def figures(measure: Measure, events: Sequence[Event], seconds: Fraction) -> list[Any]:
    """A value for each column of a measure."""
    inside = chosen(events, measure.where)
    if measure.kind == "share":
        return [len(inside) / len(events) if events else None]
    if not measure.field:
        return [len(inside) if measure.kind == "count" else float(len(inside) * measure.per_seconds / seconds)]
    held = [event for event in inside if value(event, measure.field) is not None]
    if measure.kind == "distinct":
        return [len({value(event, measure.field) for event in held})]
    if measure.kind == "percentiles":
        return [rank([event[measure.field] for event in held], percent) for percent in measure.percents]
    if measure.field in MONEY:
        currencies = {event["currency"] for event in held}
        return [
            {name: _figure(measure, [e for e in held if e["currency"] == name], seconds, True) for name in currencies}
        ]
    return [_figure(measure, held, seconds, False)]


def _figure(measure: Measure, held: Sequence[Event], seconds: Fraction, is_money: bool) -> Any:
    total = sum(event[measure.field] for event in held)
    if measure.kind == "sum":
        return total
    if measure.kind == "average":
        mean = Fraction(total, len(held)) if held else None
    else:
        mean = total * measure.per_seconds / seconds
    return None if mean is None else round(mean) if is_money else float(mean)


def row(query: PanelQuery, events: Sequence[Event], seconds: Fraction) -> list[Any]:
    """All columns."""
    return [found for measure in query.measures for found in figures(measure, events, seconds)]


def matches(answer: Answer, query: PanelQuery, recorded: Iterable[Event], tolerance: float | None) -> None:
    """Assert that an answer is right; without a tolerance percentiles are exact, else they may be off by such a part
    of the ranks, and one rank more."""
    within = [event for event in recorded if query.start <= event["occurred_at"] < query.end]
    events = chosen(within, query.filters)
    whole = Fraction(query.end - query.start, 1_000_000)
    same(query, list(answer.total), events, whole, tolerance)
    keys = {tuple(value(event, name) for name in query.split_by) for event in events}
    shown = [series.key for series in answer.series if not series.is_other]
    if query.split_by:
        assert answer.groups == len(keys)
        assert len(set(shown)) == len(shown) == min(len(keys), query.limit)
        assert any(series.is_other for series in answer.series) == (len(keys) > query.limit)
    for series in answer.series:
        held = [event for event in events if _is_in(event, query, series, shown)]
        same(query, list(series.total), held, whole, tolerance)
        _same_points(answer, query, series, held, tolerance)


def _is_in(event: Event, query: PanelQuery, series: Series, shown: list[Any]) -> bool:
    key = tuple(value(event, name) for name in query.split_by)
    return key not in shown if series.is_other else key == series.key


def _same_points(answer: Answer, query: PanelQuery, series: Series, held: Sequence[Event], tolerance: Any) -> None:
    assert len(series.points) == len(answer.times)
    ends = [*answer.times[1:], query.end]
    for number, point in enumerate(series.points):
        inside = [event for event in held if bisect_right(answer.times, event["occurred_at"]) - 1 == number]
        seconds = Fraction(min(ends[number], query.end) - max(answer.times[number], query.start), 1_000_000)
        same(query, list(point), inside, seconds, tolerance)


def same(query: PanelQuery, given: list[Any], events: Sequence[Event], seconds: Fraction, tolerance: Any) -> None:
    """Assert that a row is right."""
    for measure in query.measures:
        width = len(measure.percents) or 1
        found, given = given[:width], given[width:]
        if measure.kind == "percentiles" and tolerance is not None:
            values = [
                event[measure.field] for event in chosen(events, measure.where) if event[measure.field] is not None
            ]
            for percent, each in zip(measure.percents, found, strict=True):
                near(each, values, percent, tolerance)
        else:
            wanted = figures(measure, events, seconds)
            assert found == wanted, (found, wanted, measure, query)
    assert not given


def near(found: float | None, values: Sequence[int], percent: float, tolerance: float) -> None:
    """Assert that a value stands within so many ranks of where it should."""
    if not values:
        assert found is None
        return
    ordered, place = sorted(values), percent / 100 * len(values)
    reach = tolerance * len(values) + 1
    low = ordered[max(math.floor(place - reach) - 1, 0)]
    high = ordered[min(math.ceil(place + reach) - 1, len(values) - 1)]
    assert found is not None
    assert low <= found <= high, (found, low, high, percent)
