"""What an index holds, in the figures of ``sums.py``: exact, day by day, read from the index itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import polars as pl

from collectors.errors import Halt
from collectors.jobs.rebuild.cluster import Cluster
from collectors.jobs.sums import DAY_MICROS, Day, DaySums, Sums
from schemas.events import Kind
from sluice.eventstore.aggregations import (
    Filters,
    filters_of_key,
    groups,
    is_exact,
    key_of,
    matching,
    sum_of,
    within,
)
from sluice.eventstore.exact_sums import exact_sum
from sluice.eventstore.figures import Grouping
from sluice.eventstore.queries import MAX_GROUPS

_EPOCH = date(1970, 1, 1)
_IDS_AT_ONCE = 10_000
_EVENTS_OF_PART = 50_000
_MOST_PARTS = 1_440
_MINUTE_MICROS = DAY_MICROS // _MOST_PARTS
_WITHOUT_MONEY = Grouping(("day",), ())
_WITH_MONEY = Grouping(("day", "currency"), ("cost_nanos",))
_GROUPINGS: Mapping[Kind, Grouping] = {
    "proxy_log": _WITHOUT_MONEY, "analytics": _WITH_MONEY, "budget": _WITH_MONEY
}  # fmt: skip


class IndexFigures:
    """Of one index; what is read changes nothing."""

    def __init__(self, cluster: Cluster, kind: Kind, name: str) -> None:
        self._cluster = cluster
        self._kind = kind
        self._name = name

    async def read(self, *, with_ids: bool = True) -> Sums:
        """All days of it. Without ids the checksums are 0."""
        await self._cluster.refresh(self._name)
        found = await self._counted()
        if with_ids:
            for day in list(found.days):
                found.days[day].checksum = await self._checksum(day, found.days[day].events)
        return found

    async def _counted(self) -> Sums:
        grouping, found = _GROUPINGS[self._kind], Sums()
        body = {"size": 0, "query": matching(()), "aggs": {"days": groups(grouping)}}
        answer = await self._search(body)
        buckets = ((answer.get("aggregations") or {}).get("days") or {}).get("buckets") or []
        if len(buckets) > MAX_GROUPS:
            raise Halt(f"{self._name} has more than {MAX_GROUPS} currencies", "look at what writes to it")
        for bucket in buckets:
            number, *currency = key_of(bucket, grouping)
            day = Day(self._kind, (_EPOCH + timedelta(days=number)).isoformat())
            found.days.setdefault(day, DaySums()).add(await self._group(grouping, bucket, (number, *currency)))
        return found

    async def _group(self, grouping: Grouping, bucket: Mapping[str, Any], key: Sequence[Any]) -> DaySums:
        sums = DaySums(events=int(bucket["doc_count"]))
        if not grouping.summed:
            return sums
        cost = bucket["cost_nanos"]
        sums.unpriced = sums.events - int(cost["count"])
        if cost["count"]:
            filters = filters_of_key(grouping, key)
            nanos = sum_of(cost) if is_exact(cost) else await exact_sum(self._search, filters, "cost_nanos")
            sums.nanos[key[-1] or ""] = nanos
        return sums

    async def _checksum(self, day: Day, events: int) -> int:
        """In parts of the day: each page of ids costs a look at all events of its part."""
        start, found = (date.fromisoformat(day.date) - _EPOCH).days * DAY_MICROS, Sums()
        parts = min(_MOST_PARTS, 1 + events // _EVENTS_OF_PART)
        length = -(-_MOST_PARTS // parts) * _MINUTE_MICROS
        for begin in range(start, start + DAY_MICROS, length):
            async for ids in ids_of(
                self._cluster, self._name, (within(begin, min(begin + length, start + DAY_MICROS)),)
            ):
                frame = pl.DataFrame({"event_id": ids}, schema={"event_id": pl.String})
                found.add(self._kind, frame.with_columns(occurred_at=pl.lit(start, dtype=pl.Int64)))
        return found.days[day].checksum if day in found.days else 0

    async def _search(self, body: Mapping[str, Any]) -> Any:
        return await self._cluster.search(self._name, body)


async def ids_of(cluster: Cluster, name: str, filters: Filters = ()) -> AsyncIterator[list[str]]:
    """The ids of its events in their order, some thousands at a time; documents without one are left out."""
    body: dict[str, Any] = {
        "size": _IDS_AT_ONCE, "_source": False, "track_total_hits": False, "sort": [{"event_id": "asc"}],
        "query": matching(filters),
    }  # fmt: skip
    while True:
        answer = await cluster.search(name, body, shown="hits.hits.sort,_shards.failed")
        found = [hit["sort"][0] for hit in (answer.get("hits") or {}).get("hits", [])]
        ids = [each for each in found if each is not None]
        if ids:
            yield ids
        if len(ids) < _IDS_AT_ONCE:
            return
        body["search_after"] = [ids[-1]]


async def surplus(cluster: Cluster, name: str, other: str, shown: int) -> tuple[int, list[str]]:
    """How many events one index has that another has not, and the ids of the first of them: both are read side by
    side, in the order of ids, so that memory does not grow."""
    count, first = 0, list[str]()
    others = _ids_one_by_one(cluster, other)
    there = await anext(others, None)
    async for ids in ids_of(cluster, name):
        for each in ids:
            while there is not None and there < each:
                there = await anext(others, None)
            if there != each:
                count += 1
                first += [each] if len(first) < shown else []
    return count, first


async def _ids_one_by_one(cluster: Cluster, name: str) -> AsyncIterator[str]:
    async for ids in ids_of(cluster, name):
        for each in ids:
            yield each
