"""Sums that a double cannot hold, from answers of a scripted server: by days first, by values where it must be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.eventstore import exact_sums
from sluice.eventstore.exact_sums import exact_sum
from tests.sluice.eventstore.test_aggregations import AMOUNTS, stats_of

DAY_MILLISECONDS = 86_400_000


class Server:
    """Answers both aggregations over values by day, in doubles where Elasticsearch does."""

    def __init__(self, days: list[list[int]]) -> None:
        self.days = days
        self.asked: list[str] = []

    async def search(self, body: Mapping[str, Any]) -> Any:
        ((name, aggregation),) = body["aggs"].items()
        self.asked.append(name)
        if name == "days":
            buckets = [
                {"key": number * DAY_MILLISECONDS, "doc_count": len(values), "of": stats_of(values)}
                for number, values in enumerate(self.days)
            ]
            return {"aggregations": {"days": {"buckets": buckets}}}
        return {"aggregations": {"values": self._values(body["query"], aggregation["composite"])}}

    def _values(self, query: Any, composite: Any) -> dict[str, Any]:
        day = int(query["bool"]["filter"][-1]["range"]["@timestamp"]["gte"][8:10]) - 1
        counted = sorted(Counter(self.days[day]).items())
        after = composite.get("after", {"value": -(2**64)})["value"]
        page = [found for found in counted if found[0] > after][: composite["size"]]
        buckets = [{"key": {"value": value}, "doc_count": count} for value, count in page]
        return {"buckets": buckets, **({"after_key": buckets[-1]["key"]} if buckets else {})}


@given(st.lists(st.lists(AMOUNTS, min_size=1, max_size=12), max_size=4), st.integers(1, 3))
async def test_the_sum_is_exact(days: list[list[int]], at_once: int) -> None:
    """Whatever the values, however many pages they come in."""
    usual = exact_sums.VALUES_AT_ONCE
    exact_sums.VALUES_AT_ONCE = at_once
    try:
        assert await exact_sum(Server(days).search, (), "cost_nanos") == sum(map(sum, days))
    finally:
        exact_sums.VALUES_AT_ONCE = usual


@pytest.mark.parametrize(("days", "asked"), [([[2**51]] * 20, 0), ([[2**51], [2**53 + 1]], 1), ([[2**53, 1]] * 3, 3)])
async def test_only_a_day_that_is_in_doubt_is_counted_by_values(days: list[list[int]], asked: int) -> None:
    """Most often the days are enough."""
    server = Server(days)
    assert await exact_sum(server.search, (), "cost_nanos") == sum(map(sum, days))
    assert server.asked[0] == "days"
    assert len(set(server.asked) - {"days"}) <= 1
    assert server.asked.count("values") == asked * 2  # a page, and the empty one behind it
