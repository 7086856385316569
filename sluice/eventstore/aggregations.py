"""The filters and aggregations that Elasticsearch is asked, and what its buckets say.

Elasticsearch adds up in floating point. A sum is exact as long as no partial sum can reach 2^53; ``is_exact`` tells,
and ``exact_sums.py`` asks again where it is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sluice.clock import at_micros
from sluice.eventstore.figures import DAY_MICROS, GroupBy, Grouping
from sluice.eventstore.queries import MAX_GROUPS
from sluice.eventstore.scope import END_MICROS, FIRST_MICROS, MILLISECOND_MICROS, Scope

Filters = tuple[Mapping[str, Any], ...]
"""Clauses that all hold."""

TIME = "@timestamp"
_DAY_MILLISECONDS = DAY_MICROS // MILLISECOND_MICROS
_SAFE = 1 << 52
"""Half of what a double counts to by ones: room for the rounding of what is compared with it."""


def filters_of(scope: Scope) -> Filters:
    """The events of a scope."""
    found: list[Mapping[str, Any]] = []
    if scope.app_id is not None:
        found.append({"term": {"app_id": scope.app_id}})
    if scope.llm_id is not None:
        found.append({"term": {"llm_id": scope.llm_id}})
    if scope.is_bounded:
        found.append(within(scope.start, scope.end))
    return tuple(found)


def within(start: int, end: int) -> Mapping[str, Any]:
    """Events of ``[start, end)``."""
    bounds = {}
    if start > FIRST_MICROS:
        bounds["gte"] = at_micros(start).isoformat()
    if end < END_MICROS:
        bounds["lt"] = at_micros(end).isoformat()
    return {"range": {TIME: bounds}}


def matching(filters: Filters) -> Mapping[str, Any]:
    """The query of filters; scores are not computed."""
    return {"bool": {"filter": list(filters)}}


def stats(field: str) -> Mapping[str, Any]:
    """How many values, their sum, and the bounds that say whether the sum is exact."""
    return {"stats": {"field": field}}


def groups(grouping: Grouping) -> Mapping[str, Any]:
    """A bucket for every key there is, in order of keys, with the stats of each field."""
    sources = [{name: _source(name)} for name in grouping.by]
    return {
        "composite": {"size": MAX_GROUPS + 1, "sources": sources},
        "aggs": {field: stats(field) for field in grouping.summed},
    }


def _source(name: GroupBy) -> Mapping[str, Any]:
    if name == "day":
        return {"date_histogram": {"field": TIME, "fixed_interval": "1d"}}
    return {"terms": {"field": name, "missing_bucket": True}}


def key_of(bucket: Mapping[str, Any], grouping: Grouping) -> tuple[Any, ...]:
    """The values that a bucket of ``groups`` is of."""
    found = bucket["key"]
    return tuple(found[name] // _DAY_MILLISECONDS if name == "day" else found[name] for name in grouping.by)


def filters_of_key(grouping: Grouping, key: Sequence[Any]) -> Filters:
    """The events of such a bucket."""
    return tuple(_is(name, value) for name, value in zip(grouping.by, key, strict=True))


def _is(name: GroupBy, value: Any) -> Mapping[str, Any]:
    if name == "day":
        return within(value * DAY_MICROS, (value + 1) * DAY_MICROS)
    if value is None:
        return {"bool": {"must_not": {"exists": {"field": name}}}}
    return {"term": {name: value}}


def is_exact(found: Mapping[str, Any]) -> bool:
    """Whether the sum of such stats is exact.

    Values and partial sums below 2^53 are whole numbers that a double holds. Where none is negative no partial sum is
    above the last; where some are, none is beyond count times the largest.
    """
    if found["count"] == 0:
        return True
    if found["min"] >= 0:
        return bool(found["sum"] < _SAFE)
    return bool(found["count"] * max(abs(found["min"]), abs(found["max"])) < _SAFE)


def sum_of(found: Mapping[str, Any]) -> int:
    """The sum of stats that are exact."""
    return int(found["sum"]) if found["count"] else 0
