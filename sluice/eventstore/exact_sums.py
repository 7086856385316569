"""Sums that a double cannot hold: first by days, whose sums nearly always can be, then by the values themselves.

A composite aggregation names each distinct value as a 64-bit integer and counts it, so nothing is rounded; it costs a
page of answers for every 10,000 distinct values, and is paid only by a day whose sum is beyond 2^52 (for money: 4.5
million currency units).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from sluice.eventstore.aggregations import TIME, Filters, is_exact, matching, stats, sum_of, within
from sluice.eventstore.figures import DAY_MICROS
from sluice.eventstore.scope import MILLISECOND_MICROS

Search = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
"""Asks the analytics indices; returns the answer's JSON."""

VALUES_AT_ONCE = 10_000


async def exact_sum(search: Search, filters: Filters, field: str) -> int:
    """The sum of a field over events, however large."""
    days = {"date_histogram": {"field": TIME, "fixed_interval": "1d", "min_doc_count": 1}, "aggs": {"of": stats(field)}}
    answer = await search({"size": 0, "query": matching(filters), "aggs": {"days": days}})
    total = 0
    for bucket in answer["aggregations"]["days"]["buckets"]:
        if is_exact(bucket["of"]):
            total += sum_of(bucket["of"])
        else:
            start = bucket["key"] * MILLISECOND_MICROS
            total += await _sum_of_values(search, (*filters, within(start, start + DAY_MICROS)), field)
    return total


async def _sum_of_values(search: Search, filters: Filters, field: str) -> int:
    values: dict[str, Any] = {"size": VALUES_AT_ONCE, "sources": [{"value": {"terms": {"field": field}}}]}
    total = 0
    while True:
        body = {"size": 0, "query": matching(filters), "aggs": {"values": {"composite": values}}}
        found = (await search(body))["aggregations"]["values"]
        total += sum(int(bucket["key"]["value"]) * int(bucket["doc_count"]) for bucket in found["buckets"])
        if "after_key" not in found:
            return total
        values["after"] = found["after_key"]
