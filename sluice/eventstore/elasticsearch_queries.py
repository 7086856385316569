"""Elasticsearch behind the query interface: the daily indices behind their read aliases.

No scripts, and nothing that a small distribution or OpenSearch lacks. Partial answers are errors: a figure without
one of its shards would be a wrong figure.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson

from schemas.events import Kind
from sluice.eventstore import queries
from sluice.eventstore.aggregations import (
    TIME,
    Filters,
    filters_of,
    filters_of_key,
    groups,
    is_exact,
    key_of,
    matching,
    sum_of,
    within,
)
from sluice.eventstore.deep_pages import find_place
from sluice.eventstore.elasticsearch_http import Answer, ElasticsearchHttp, ElasticsearchUnreachableError
from sluice.eventstore.exact_sums import exact_sum
from sluice.eventstore.figures import Group, Grouping
from sluice.eventstore.names import INDEX_NAMES
from sluice.eventstore.queries import TIME_LIMIT_SECONDS, Document, EventPage, EventStoreError
from sluice.eventstore.reading import ReadingStore
from sluice.eventstore.scope import FIRST_MICROS, Scope
from sluice.eventstore.sources import event_of

_ERROR_BYTES = 500
"""So much of an error is shown: its type and reason stand at the beginning."""

_PAUSES_SECONDS = (0.1, 0.3, 0.9)
"""Before a busy server is asked again; the time limit of a question ends them too."""

_NEWEST_FIRST = [{TIME: "desc"}, {"event_id": "desc"}]
_MAX_WINDOW = 10_000  # index.max_result_window by default: skipped and shown together
_REMEDIES: dict[int, str] = {
    HTTPStatus.BAD_REQUEST: "see whether the collectors' index templates were installed before the first document",
    HTTPStatus.UNAUTHORIZED: "check control.events.username and password",
    HTTPStatus.FORBIDDEN: "give control.events.username the right to read these indices",
}


class ElasticsearchStore(ReadingStore):
    """The daily indices behind their read aliases."""

    def __init__(
        self,
        http: ElasticsearchHttp,
        names: Mapping[Kind, str] = INDEX_NAMES,
        time_limit_seconds: float = TIME_LIMIT_SECONDS,
    ) -> None:
        super().__init__(time_limit_seconds)
        self._http = http
        self._names = names

    async def count_events(self, kind: Kind) -> int:
        """How many documents the alias shows, after a refresh."""
        name = self._names[kind]
        async with self._limited():
            await self._ask("POST", f"{name}/_refresh?ignore_unavailable=true")
            answer = await self._ask("GET", f"{name}/_count?ignore_unavailable=true")
        return int(answer["count"])

    async def _find(self, kind: Kind, exchange_ids: list[str]) -> list[Document]:
        query = {"size": queries.MAX_DOCUMENTS, "query": {"terms": {"exchange_id": exchange_ids}}}
        answer = await self._search_in(kind, query)
        return [event_of(kind, hit["_source"]) for hit in answer["hits"]["hits"]]

    async def _page(self, scope: Scope, offset: int, limit: int) -> EventPage:
        filters = filters_of(scope)
        if offset + limit <= _MAX_WINDOW:
            return await self._hits(filters, offset, limit)
        total = (await self._hits(filters, 0, 0)).total
        place = await find_place(self._search, filters, offset) if offset < total else None
        if place is None:
            return EventPage([], total)
        if place.skip + limit > _MAX_WINDOW:
            raise EventStoreError("more than 9,000 events of one millisecond: Elasticsearch cannot page through them")
        return EventPage(
            (await self._hits((*filters, within(FIRST_MICROS, place.end)), place.skip, limit)).items, total
        )

    async def _hits(self, filters: Filters, offset: int, limit: int) -> EventPage:
        body = {"from": offset, "size": limit, "query": matching(filters), "track_total_hits": True}
        hits = (await self._search({**body, "sort": _NEWEST_FIRST}))["hits"]
        return EventPage([event_of("analytics", hit["_source"]) for hit in hits["hits"]], hits["total"]["value"])

    async def _groups(self, scope: Scope, groupings: Sequence[Grouping]) -> list[list[Group]]:
        filters = filters_of(scope)
        asked = {str(number): groups(grouping) for number, grouping in enumerate(groupings)}
        answer = await self._search({"size": 0, "query": matching(filters), "aggs": asked})
        found = answer.get("aggregations")
        if not found:  # there are none where there is no index
            return [[] for _ in groupings]
        return [
            [await self._group(filters, grouping, bucket) for bucket in found[str(number)]["buckets"]]
            for number, grouping in enumerate(groupings)
        ]

    async def _group(self, filters: Filters, grouping: Grouping, bucket: Mapping[str, Any]) -> Group:
        key = key_of(bucket, grouping)
        sums = {}
        for name in grouping.summed:
            if is_exact(bucket[name]):
                sums[name] = sum_of(bucket[name])
            else:
                sums[name] = await exact_sum(self._search, (*filters, *filters_of_key(grouping, key)), name)
        return Group(key, bucket["doc_count"], bucket["cost_nanos"]["count"], sums)

    async def _search(self, body: Mapping[str, Any]) -> Any:
        return await self._search_in("analytics", body)

    async def _search_in(self, kind: Kind, body: Mapping[str, Any]) -> Any:
        options = "ignore_unavailable=true&allow_partial_search_results=false"
        return await self._ask("POST", f"{self._names[kind]}/_search?{options}", orjson.dumps(body))

    async def _ask(self, method: str, path: str, body: bytes | None = None) -> Any:
        """The JSON of a good answer; raises EventStoreError where it is another one."""
        try:
            answer = await self._patient_answer(method, path, body)
        except ElasticsearchUnreachableError as error:
            remedy = "check that it is up, and control.events.elasticsearch_url"
            raise EventStoreError(f"Elasticsearch does not answer: {error}; {remedy}") from error
        if answer.status != HTTPStatus.OK:
            text = answer.body[:_ERROR_BYTES].decode(errors="replace")
            remedy = _REMEDIES.get(answer.status, "see the log of the server, or of what stands before it")
            raise EventStoreError(f"Elasticsearch answered {answer.status} to {method} {path}: {text}; {remedy}")
        try:
            return orjson.loads(answer.body)
        except orjson.JSONDecodeError as error:
            message = "what answered is not Elasticsearch; check control.events.elasticsearch_url"
            raise EventStoreError(message) from error

    async def _patient_answer(self, method: str, path: str, body: bytes | None) -> Answer:
        """A server that is short of memory or threads is asked again: what it lacks others are about to give back."""
        for pause_seconds in _PAUSES_SECONDS:
            answer = await self._http.request(method, path, body)
            if answer.status != HTTPStatus.TOO_MANY_REQUESTS:
                return answer
            await asyncio.sleep(pause_seconds)
        return await self._http.request(method, path, body)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()
