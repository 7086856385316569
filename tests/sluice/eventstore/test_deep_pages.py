"""Where a page begins is counted, not walked: three requests, whatever the depth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sluice.eventstore.deep_pages import Place, find_place

DAY, MINUTE = 86_400_000, 60_000


class Server:
    """Answers histograms over the milliseconds of events."""

    def __init__(self, moments: list[int]) -> None:
        self.moments = moments
        self.buckets: list[int] = []

    async def search(self, body: Mapping[str, Any]) -> Any:
        histogram = body["aggs"]["parts"]["date_histogram"]
        width = int(histogram["fixed_interval"].removesuffix("ms"))
        chosen = [moment for moment in self.moments if _is_within(moment, body["query"]["bool"]["filter"])]
        counted = Counter(moment // width * width for moment in chosen)
        buckets = [{"key": key, "doc_count": counted[key]} for key in sorted(counted, reverse=True)]
        assert histogram["order"] == {"_key": "desc"}
        self.buckets.append((max(chosen) - min(chosen)) // width + 1 if chosen else 0)
        return {"aggregations": {"parts": {"buckets": buckets}}}


def _is_within(moment: int, filters: list[Any]) -> bool:
    for clause in filters:
        bounds = clause["range"]["@timestamp"]
        low, high = (round(datetime.fromisoformat(bounds[name]).timestamp() * 1_000) for name in ("gte", "lt"))
        if not low <= moment < high:
            return False
    return True


MOMENTS = st.lists(
    st.integers(0, 3 * DAY) | st.integers(DAY - 3, DAY + 3) | st.integers(MINUTE - 3, MINUTE + 3), max_size=30
)


@given(MOMENTS, st.integers(0, 35))
async def test_the_event_at_an_offset_is_found(moments: list[int], offset: int) -> None:
    """Skipping so many of the events before the place's end leads to it; behind the last there is no place."""
    server = Server(moments)
    place = await find_place(server.search, (), offset)
    newest_first = sorted(moments, reverse=True)
    if offset >= len(moments):
        assert place is None
        return
    assert place is not None
    older = [moment for moment in newest_first if moment * 1_000 < place.end]
    assert older[place.skip :] == newest_first[offset:]
    assert place.skip < moments.count(newest_first[offset])
    assert len(server.buckets) == 3
    assert max(server.buckets) <= 60_000


async def test_events_of_one_millisecond_are_skipped_together() -> None:
    """Only they are left to skip."""
    assert await find_place(Server([5] * 20_000).search, (), 19_999) == Place(end=6_000, skip=19_999)
