"""Where a page begins, however deep: Elasticsearch skips at most 10,000 documents, so the rest is counted away.

Counts by day, then by minute of the day, then by millisecond of the minute find the moment of the first event of a
page in three requests. Behind that moment only events of the same millisecond are left to skip.
"""

from __future__ import annotations

from dataclasses import dataclass

from sluice.eventstore.aggregations import TIME, Filters, matching, within
from sluice.eventstore.exact_sums import Search
from sluice.eventstore.scope import FIRST_MICROS, MILLISECOND_MICROS

_INTERVALS = (86_400_000, 60_000, 1)
"""Milliseconds. Each has fewer parts in the one before than the 65,535 buckets that an answer may have."""


@dataclass(frozen=True, slots=True)
class Place:
    """Skip so many of the events before ``end``."""

    end: int
    skip: int


async def find_place(search: Search, filters: Filters, offset: int) -> Place | None:
    """Where the event at ``offset`` is, newest first; ``None`` where there are not so many."""
    found: Place | None = None
    narrowed = filters
    for milliseconds in _INTERVALS:
        found = await _narrow(search, narrowed, milliseconds, offset if found is None else found.skip)
        if found is None:
            return None
        start = found.end - milliseconds * MILLISECOND_MICROS
        narrowed = (*filters, within(max(start, FIRST_MICROS), found.end))
    return found


async def _narrow(search: Search, filters: Filters, milliseconds: int, offset: int) -> Place | None:
    histogram = {
        "field": TIME,
        "fixed_interval": f"{milliseconds}ms",
        "min_doc_count": 1,
        "order": {"_key": "desc"},
    }
    body = {"size": 0, "query": matching(filters), "aggs": {"parts": {"date_histogram": histogram}}}
    for bucket in (await search(body))["aggregations"]["parts"]["buckets"]:
        if offset < bucket["doc_count"]:
            return Place((bucket["key"] + milliseconds) * MILLISECOND_MICROS, offset)
        offset -= bucket["doc_count"]
    return None
