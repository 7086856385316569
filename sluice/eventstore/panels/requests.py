"""What Elasticsearch is asked for panels, and what its buckets say; no scripts: they may be forbidden.

Percentiles are t-digests and numbers of distinct values are sketches there; see the README for how far they may be off.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sluice.eventstore.aggregations import TIME, Filters, matching, stats, within
from sluice.eventstore.panels.cells import Key, Pass
from sluice.eventstore.panels.conditions import Condition, bounds_of, condition_of
from sluice.eventstore.panels.query import Filter, Measure, Scalar, Subject
from sluice.eventstore.scope import MILLISECOND_MICROS

COMPRESSION = 200
"""Of t-digests: twice the default."""
_PRECISE_UP_TO = 3_000
"""Distinct values that a sketch counts nearly exactly: 24 KB for each of the groups."""
_NOTHING: Mapping[str, Any] = {"match_none": {}}
_ESCAPED = str.maketrans({"\\": "\\\\", "*": "\\*", "?": "\\?"})


def clauses_of(asked: Pass) -> Filters:
    """The events of a pass, "other" and the chosen groups alike."""
    return (within(asked.start, asked.end), *where_of(asked.kind, asked.filters))


def where_of(kind: Subject, filters: Sequence[Filter]) -> Filters:
    """Clauses that all hold."""
    return tuple(_clause(condition_of(kind, found)) for found in filters)


def _clause(condition: Condition) -> Any:
    name = condition.info.name
    if condition.operator == "range":
        return _range(name, condition)
    if condition.operator == "contains":
        texts = [{"wildcard": {name: {"value": f"*{str(value).translate(_ESCAPED)}*"}}} for value in condition.values]
        return any_of(texts)
    inside = [{"terms": {name: list(condition.values)}}] if condition.values else []
    if condition.with_missing:
        inside.append(missing(name))
    return any_of(inside) if condition.operator == "in" else none_of(inside)


def _range(name: str, condition: Condition) -> Mapping[str, Any]:
    bounds = bounds_of(condition)
    if bounds is None:
        return _NOTHING
    low, high = bounds
    named = {word: value for word, value in (("gte", low), ("lt", high)) if value is not None}
    return {"range": {name: named}} if named else {"exists": {"field": name}}


def missing(name: str) -> Any:
    """Events without the field."""
    return none_of([{"exists": {"field": name}}])


def any_of(clauses: Sequence[Any]) -> Any:
    """At least one holds."""
    return {"bool": {"should": list(clauses), "minimum_should_match": 1}} if clauses else _NOTHING


def none_of(clauses: Sequence[Any]) -> Any:
    """None holds."""
    return {"bool": {"must_not": list(clauses)}}


def is_key(names: Sequence[str], key: Sequence[Scalar]) -> Filters:
    """The events of a group."""
    pairs = zip(names, key, strict=True)
    return tuple(missing(name) if value is None else {"term": {name: value}} for name, value in pairs)


def chosen_clause(names: Sequence[str], chosen: Sequence[Key]) -> Any:
    """The events of any of the groups."""
    if len(names) > 1:
        return any_of([matching(is_key(names, key)) for key in chosen])
    values = [key[0] for key in chosen if key[0] is not None]
    found = [{"terms": {names[0]: values}}] if values else []
    return any_of([*found, *([missing(names[0])] if (None,) in chosen else [])])


def body_of(asked: Pass, names: Sequence[str], clauses: Filters) -> Mapping[str, Any]:
    """The search of one pass: by ``names``, within them by time, within that the measures."""
    inner = {str(number): _measured(asked.kind, measure) for number, measure in enumerate(asked.measures)}
    if asked.buckets is not None:
        inner = {"times": {"date_range": _ranges(asked), "aggs": inner}}
    if names:
        sources = [{name: {"terms": {"field": name, "missing_bucket": True}}} for name in names]
        inner = {"groups": {"composite": {"size": asked.most + 1, "sources": sources}, "aggs": inner}}
    return {"size": 0, "track_total_hits": not names, "query": matching(clauses), "aggs": inner}


def _ranges(asked: Pass) -> Mapping[str, Any]:
    bounds = asked.buckets.bounds() if asked.buckets else ()
    ranges = [{"from": str(start // MILLISECOND_MICROS), "to": str(end // MILLISECOND_MICROS)} for start, end in bounds]
    return {"field": TIME, "format": "epoch_millis", "ranges": ranges}


def _measured(kind: Subject, measure: Measure) -> Mapping[str, Any]:
    found = _figure(measure)
    if not measure.where:
        return found or {"filter": {"match_all": {}}}
    aggregations = {"aggs": {"of": found}} if found else {}
    return {"filter": matching(where_of(kind, measure.where)), **aggregations}


def _figure(measure: Measure) -> Mapping[str, Any] | None:
    if not measure.field:
        return None
    if measure.kind == "distinct":
        return {"cardinality": {"field": measure.field, "precision_threshold": _PRECISE_UP_TO}}
    if measure.kind == "percentiles":
        digest = {"compression": COMPRESSION}
        return {
            "percentiles": {"field": measure.field, "percents": measure.percents, "keyed": False, "tdigest": digest}
        }
    return stats(measure.field)


Found = tuple[Key, int, Mapping[str, Any]]
"""A key, a bucket, and the aggregations of its measures."""


def found_of(answer: Mapping[str, Any], asked: Pass, names: Sequence[str]) -> Iterator[Found]:
    """The groups and buckets that an answer to ``body_of`` has events in."""
    aggregations = answer.get("aggregations")
    if not aggregations:  # there are none where there is no index
        return
    if not names:
        yield from _timed((), {**aggregations, "doc_count": answer["hits"]["total"]["value"]}, asked)
        return
    for bucket in aggregations["groups"]["buckets"]:
        yield from _timed(tuple(bucket["key"][name] for name in names), bucket, asked)


def _timed(key: Key, bucket: Mapping[str, Any], asked: Pass) -> Iterator[Found]:
    if asked.buckets is None:
        if bucket["doc_count"]:
            yield key, 0, bucket
        return
    for number, found in enumerate(bucket["times"]["buckets"]):
        if found["doc_count"]:
            yield key, number, found
