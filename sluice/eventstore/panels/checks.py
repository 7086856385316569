"""Whether a question can be asked: every name, number and combination, before any store hears of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import get_args

from schemas.events import KINDS
from sluice.eventstore.panels.buckets import INTERVALS, is_zone
from sluice.eventstore.panels.fields import FieldInfo, field_of
from sluice.eventstore.panels.query import (
    AUTOMATIC,
    MAX_LIMIT,
    Filter,
    Measure,
    MeasureKind,
    Operator,
    PanelQuery,
    QueryError,
    Subject,
)
from sluice.eventstore.scope import END_MICROS, FIRST_MICROS

MAX_MEASURES = 10
MAX_FILTERS = 20
MAX_VALUES = 1_000
MAX_PERCENTS = 10
MAX_SPLITS = 2
MAX_NAME = 80
SUBJECTS: tuple[Subject, ...] = (*KINDS, "plugin_step")
_FORECAST = frozenset({"count", "sum"})


def check_query(query: PanelQuery) -> None:
    """Raise QueryError, which names the key, the value and the remedy, where it cannot be asked."""
    _one_of("kind", query.kind, SUBJECTS)
    _number_within("start", query.start, FIRST_MICROS, END_MICROS)
    _number_within("end", query.end, FIRST_MICROS, END_MICROS)
    _sized("measures", query.measures, 1, MAX_MEASURES)
    for number, measure in enumerate(query.measures):
        check_measure(query.kind, measure, f"measures[{number}]")
    _check_splits(query)
    check_filters(query.kind, query.filters, "filters")
    if query.interval:
        _one_of("interval", query.interval, (AUTOMATIC, *INTERVALS))
    if not is_zone(query.time_zone):
        _refuse("time_zone", query.time_zone, "is no time zone; write one of the IANA's, e.g. UTC or Europe/Berlin")
    _number_within("limit", query.limit, 1, MAX_LIMIT)
    _one_of("compare", query.compare, ("", "previous"))
    if query.forecast and not any(measure.kind in _FORECAST for measure in query.measures):
        _refuse("forecast", query.forecast, "needs a measure that adds up: count or sum")


def check_measure(subject: Subject, measure: Measure, key: str) -> None:
    """Raise QueryError where a measure makes no sense."""
    _one_of(f"{key}.kind", measure.kind, get_args(MeasureKind))
    _check_measured(subject, measure, key)
    if measure.kind == "percentiles":
        _check_percents(measure.percents, f"{key}.percents")
    elif measure.percents:
        _refuse(f"{key}.percents", measure.percents, "belong to percentiles alone; leave them out")
    if measure.kind == "share" and not measure.where:
        _refuse(f"{key}.where", measure.where, "is what a share is the part of; give a filter")
    check_filters(subject, measure.where, f"{key}.where")
    _number_within(f"{key}.per_seconds", measure.per_seconds, 1, 10**9)
    if len(measure.name) > MAX_NAME:
        _refuse(f"{key}.name", measure.name, f"must be text of at most {MAX_NAME} characters")


def _check_measured(subject: Subject, measure: Measure, key: str) -> None:
    if measure.kind in {"count", "share"}:
        if measure.field:
            _refuse(f"{key}.field", measure.field, f"{measure.kind} counts events; leave the field out")
        return
    if measure.kind == "rate" and not measure.field:
        return
    info = field_of(subject, measure.field, f"{key}.field")
    if measure.kind == "distinct":
        if info.type == "labels":
            _refuse(f"{key}.field", info.name, "is a list; distinct values of lists are not counted")
    elif info.type != "number":
        _refuse(f"{key}.field", info.name, f"is no number; {measure.kind} needs one, e.g. total_tokens")
    elif info.is_money and measure.kind == "percentiles":
        _refuse(f"{key}.field", info.name, "is money in several currencies; ask for its sum or average")


def _check_percents(percents: Sequence[float], key: str) -> None:
    _sized(key, percents, 1, MAX_PERCENTS)
    for percent in percents:
        if not 0 < percent <= 100 or percent != round(percent, 3):
            _refuse(key, percent, "must be above 0, at most 100, with at most three decimals, e.g. 99.9")
    if len(set(percents)) < len(percents):
        _refuse(key, percents, "has a number twice")


def _check_splits(query: PanelQuery) -> None:
    _sized("split_by", query.split_by, 0, MAX_SPLITS)
    for number, name in enumerate(query.split_by):
        info = field_of(query.kind, name, f"split_by[{number}]")
        if info.type == "labels":
            _refuse(f"split_by[{number}]", name, "is a list; filter by a label instead")
    if len(set(query.split_by)) < len(query.split_by):
        _refuse("split_by", query.split_by, "names a field twice")


def check_filters(subject: Subject, filters: Sequence[Filter], key: str) -> None:
    """Raise QueryError where a filter makes no sense."""
    _sized(key, filters, 0, MAX_FILTERS)
    for number, found in enumerate(filters):
        _check_filter(subject, found, f"{key}[{number}]")


def _check_filter(subject: Subject, found: Filter, key: str) -> None:
    info = field_of(subject, found.field, f"{key}.field")
    _one_of(f"{key}.operator", found.operator, get_args(Operator))
    sizes = {"is": (1, 1), "contains": (1, 1), "range": (2, 2)}.get(found.operator, (1, MAX_VALUES))
    _sized(f"{key}.values", found.values, *sizes)
    if found.operator == "range" and info.type != "number":
        _refuse(f"{key}.operator", "range", f"{info.name} is no number; use is, in, not or contains")
    if found.operator == "contains" and (info.type != "keyword" or not found.values[0]):
        _refuse(f"{key}.operator", "contains", f"needs a field of text (not {info.name}) and some text")
    for value in found.values:
        _check_value(info, value, f"{key}.values")


def _check_value(info: FieldInfo, value: object, key: str) -> None:
    if value is None and info.type != "labels":
        return
    is_text, is_boolean = isinstance(value, str), isinstance(value, bool)
    is_number = isinstance(value, int) and not is_boolean
    good = {"keyword": is_text, "number": is_number, "boolean": is_boolean, "labels": is_text and ":" in str(value)}
    wanted = {"keyword": "text", "number": "a whole number", "boolean": "true or false", "labels": "key:value"}
    if not good[info.type]:
        _refuse(key, value, f"{info.name} is compared with {wanted[info.type]}")


def _one_of(key: str, value: object, known: Iterable[str]) -> None:
    names = tuple(known)
    if value not in names:
        near = get_close_matches(str(value), names, n=1)
        hint = f"did you mean {near[0]}?" if near else f"use one of {', '.join(name or 'nothing' for name in names)}"
        _refuse(key, value, f"is not known; {hint}")


def _number_within(key: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        _refuse(key, value, f"must be a whole number from {low:,} to {high:,}")


def _sized(key: str, value: object, low: int, high: int) -> None:
    if not isinstance(value, tuple) or not low <= len(value) <= high:
        _refuse(key, value, f"must be a tuple of {low} to {high:,}")


def _refuse(key: str, value: object, remedy: str) -> None:
    message = f"{key}: {str(value)[:60]!r} {remedy}"
    raise QueryError(message)
