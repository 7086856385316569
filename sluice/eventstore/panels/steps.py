"""Figures of plugins' steps, which are a list within each proxy log: made here, of the newest logs of a range.

Elasticsearch keeps lists of objects as lists of each of their fields, so that it cannot tell which plugin took which
time; one way for both stores is worth more than two that differ. An answer of more logs than ``MAX_LOGS`` says so.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sluice.eventstore.panels.cells import Cell, Key, Part, Pass, at_rank
from sluice.eventstore.panels.conditions import Condition, bounds_of, condition_of
from sluice.eventstore.panels.fields import fields_of
from sluice.eventstore.panels.query import Filter, Measure, PanelQuery, Scalar

MAX_LOGS = 5_000
_OWN = frozenset({"plugin", "hook", "decision", "micros"})

Step = Mapping[str, Any]


def is_pushed(found: Filter) -> bool:
    """Whether a filter is about the log, so that the store can apply it."""
    return found.field not in _OWN


def fields_needed(query: PanelQuery) -> tuple[str, ...]:
    """The fields of proxy logs that a query looks at."""
    asked = {*query.split_by, *(found.field for found in query.filters)}
    for measure in query.measures:
        asked |= {measure.field, *(found.field for found in measure.where)}
    known = {name for name in asked if name in fields_of("proxy_log") and name not in _OWN}
    return ("event_id", "occurred_at", "plugins", *sorted(known - {"event_id", "occurred_at"}))


@dataclass(frozen=True, slots=True)
class Steps:
    """The steps of some logs."""

    rows: Sequence[Step]
    is_cut: bool

    def notes(self) -> tuple[str, ...]:
        """What a reader must know."""
        if not self.is_cut:
            return ()
        return (f"There are more than {MAX_LOGS:,} exchanges: figures are of the newest {MAX_LOGS:,} in the range.",)

    def cells(self, asked: Pass) -> list[Cell]:
        """As a store makes them."""
        conditions = [condition_of(asked.kind, found) for found in asked.filters if not is_pushed(found)]
        groups: dict[tuple[bool, int, Key], list[Step]] = {}
        for row in self.rows:
            if asked.start <= row["occurred_at"] < asked.end and _are_met(conditions, row):
                groups.setdefault(_place(row, asked), []).append(row)
        return [
            Cell(key, bucket, is_other, tuple(_part(asked, measure, rows) for measure in asked.measures))
            for (is_other, bucket, key), rows in groups.items()
        ]


def steps_of(logs: Sequence[Mapping[str, Any]]) -> Steps:
    """Of the newest logs; each step with what its log says."""
    rows = [
        {**log, **step}
        for log in logs[:MAX_LOGS]
        if isinstance(log.get("plugins"), list)
        for step in log["plugins"]
        if isinstance(step, Mapping)
    ]
    return Steps(rows, len(logs) > MAX_LOGS)


def _place(row: Step, asked: Pass) -> tuple[bool, int, Key]:
    bucket = 0 if asked.buckets is None else bisect_right(asked.buckets.starts, row["occurred_at"]) - 1
    key = tuple(row.get(name) for name in asked.split_by)
    if asked.chosen is not None and key not in asked.chosen:
        return True, bucket, ()
    return False, bucket, key


def _part(asked: Pass, measure: Measure, rows: Iterable[Step]) -> Part:
    conditions = [condition_of(asked.kind, found) for found in measure.where]
    inside = [row for row in rows if _are_met(conditions, row)]
    if measure.kind == "share":
        return Part(len(list(rows)), len(inside))
    if not measure.field:
        return Part(len(inside))
    values = [value for row in inside if (value := row.get(measure.field)) is not None]
    if measure.kind == "distinct":
        return Part(values=(len(set(values)),))
    if measure.kind == "percentiles":
        return Part(values=tuple(at_rank(sorted(values), percent) for percent in measure.percents))
    return Part(len(values), sum(values))


def _are_met(conditions: Iterable[Condition], row: Step) -> bool:
    return all(_is_met(condition, row.get(condition.info.name)) for condition in conditions)


def _is_met(condition: Condition, value: Scalar | list[str]) -> bool:
    if condition.operator == "range":
        bounds = bounds_of(condition)
        if bounds is None or not isinstance(value, int):
            return False
        low, high = bounds
        return (low is None or value >= low) and (high is None or value < high)
    if condition.operator == "contains":
        return isinstance(value, str) and any(str(text) in value for text in condition.values)
    held = value if isinstance(value, list) else [value]
    inside = any(item in condition.values for item in held) or (condition.with_missing and value is None)
    return inside if condition.operator == "in" else not inside
