"""Elasticsearch as a store that is compared: composite aggregations, a page after the other, over spans of few enough.

What is asked is what readers see: the alias (or data stream) of an event, which after a swap is the rebuilt indices;
where there is none, the dated indices. An answer that lacks a shard, or was cut short by time, is no answer; nor is one
while an index is closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import quote

import orjson
import polars as pl

from collectors.errors import Halt, Retryable, without_values
from collectors.services.reconcile.boots import NAMES
from collectors.services.reconcile.sequences import MAX_SEQUENCE
from collectors.services.reconcile.stores import Document, Part, Span
from collectors.sinks.elasticsearch.access import cause_of_silence
from collectors.sinks.elasticsearch.settings import ElasticsearchSettings
from schemas.events import Kind
from sluice.clock import at_micros, iso_micros
from sluice.eventlog.interface import Boot
from sluice.eventstore.elasticsearch_http import Answer, ElasticsearchHttp, ElasticsearchUnreachableError
from sluice.eventstore.names import daily_pattern

PAGE = 10_000
"""Buckets of one answer: ``search.max_buckets`` is 65,535, and half a megabyte is soon read."""
_IDS_AT_ONCE = 1_000
_TRIES = 3
_WAIT_SECONDS = 0.5
_TIME = "@timestamp"
_DENIED = (401, 403)
_SCHEMA = {**dict.fromkeys(NAMES, pl.String), "first": pl.Int64, "last": pl.Int64}
_WHOLE = "allow_partial_search_results=false"


class IndexStore:
    """A ``Store``."""

    def __init__(
        self, settings: ElasticsearchSettings, http: ElasticsearchHttp, wait_seconds: float = _WAIT_SECONDS
    ) -> None:
        self._settings = settings
        self._stems = settings.indices.names()
        self._http = http
        self._wait_seconds = wait_seconds
        self._names: dict[Kind, str] = {}

    async def open(self, kind: Kind, *, refreshes: bool = True) -> None:
        """Find what readers read, see that all of it is open, and refresh it."""
        name = quote(self._stems[kind])
        listed = await self._listed(name)
        if listed is None:
            name = quote(daily_pattern(self._stems[kind]), safe="*")
            listed = await self._listed(name)
        for each in listed or []:
            if each.get("status") == "close" or each.get("health") == "red":
                state = "closed" if each.get("status") == "close" else "red"
                raise Retryable(
                    f"index {each.get('index')} is {state}: what it holds cannot be seen; open it, or mend it"
                )
        if refreshes:
            await self._ask("POST", f"{name}/_refresh?ignore_unavailable=true")
        self._names[kind] = name

    async def _listed(self, name: str) -> Any:
        return await self._ask("GET", f"_cat/indices/{name}?format=json&h=index,status,health&expand_wildcards=all")

    async def count(self, kind: Kind, span: Span) -> int:
        """As one shard after the other counts them."""
        answer = await self._search(kind, {"size": 0, "query": _all_of(_within(span))})
        return _total(answer)

    async def oldest(self, kind: Kind) -> int | None:
        """To the millisecond."""
        answer = await self._search(kind, {"size": 0, "aggs": {"oldest": {"min": {"field": _TIME}}}})
        value = (answer.get("aggregations") or {}).get("oldest", {}).get("value")
        return None if value is None else int(value) * 1_000

    async def part(self, kind: Kind, span: Span) -> Part:
        """Page by page, and again where documents came or went between two pages."""
        total, unnumbered, rows = 0, 0, list[tuple[Any, ...]]()
        for _ in range(_TRIES):
            total, unnumbered = await self._counts(kind, span)
            rows = []
            async for bucket in self._buckets(kind, span):
                names = bucket["key"]
                number = int(names["sequence"])
                row = (*(names[name] for name in NAMES), number, number)
                rows += [row] * bucket["doc_count"]
            if len(rows) + unnumbered == total:
                return Part(pl.DataFrame(rows, schema=_SCHEMA, orient="row"), total, unnumbered)
            await asyncio.sleep(self._wait_seconds)
        raise Retryable(
            f"its answers contradict one another: {total} documents of {iso_micros(span.start)} to "
            f"{iso_micros(span.end)}, of which {len(rows)} have a sequence number and {unnumbered} have none; "
            "is it being written to by something else?"
        )

    async def _counts(self, kind: Kind, span: Span) -> tuple[int, int]:
        body = {"size": 0, "query": _all_of(_within(span)), "aggs": {"numbered": {"filter": _all_of(*_numbered())}}}
        answer = await self._search(kind, body)
        total = _total(answer)
        if not total:
            return 0, 0
        return total, total - int(answer["aggregations"]["numbered"]["doc_count"])

    async def _buckets(self, kind: Kind, span: Span) -> Any:
        sources = [{name: {"terms": {"field": name}}} for name in (*NAMES, "sequence")]
        composite: dict[str, Any] = {"size": PAGE, "sources": sources}
        query = _all_of(_within(span), *_numbered())
        while True:
            answer = await self._search(kind, {"size": 0, "query": query, "aggs": {"held": {"composite": composite}}})
            held = (answer.get("aggregations") or {}).get("held") or {}
            for bucket in held.get("buckets", ()):
                yield bucket
            after = held.get("after_key")
            if not after or after == composite.get("after"):
                return
            composite["after"] = after

    async def present(self, kind: Kind, ids: Collection[str]) -> set[str]:
        """By the field, which documents of a data stream have as well as those that are named by it."""
        wanted, found = list(ids), set[str]()
        for at in range(0, len(wanted), _IDS_AT_ONCE):
            query = {"terms": {"event_id": wanted[at : at + _IDS_AT_ONCE]}}
            answer = await self._search(kind, {"size": PAGE, "query": query, "_source": ["event_id"]})
            found |= {str(hit["_source"].get("event_id")) for hit in answer["hits"]["hits"]}
        return found

    async def documents(
        self, kind: Kind, span: Span, boot: Boot, numbers: tuple[int, int], limit: int
    ) -> list[Document]:
        """What is none of our ids is shown by its document's."""
        clauses: list[Mapping[str, Any]] = [{"term": {name: getattr(boot, name)}} for name in NAMES]
        clauses.append({"range": {"sequence": {"gte": numbers[0], "lte": numbers[1]}}})
        body = {"size": min(limit, PAGE), "query": _all_of(_within(span), *clauses), "sort": [{"sequence": "asc"}]}
        answer = await self._search(kind, {**body, "_source": ["event_id", "sequence", "outcome", _TIME]})
        return [_document(hit) for hit in answer["hits"]["hits"]]

    async def _search(self, kind: Kind, body: Mapping[str, Any]) -> Any:
        text = orjson.dumps({"track_total_hits": True, **body})
        answer = await self._ask("POST", f"{self._names[kind]}/_search?{_WHOLE}", text)
        if answer is None:
            return {"hits": {"total": {"value": 0}, "hits": []}}
        shards = answer.get("_shards") if isinstance(answer, dict) else None
        if not isinstance(shards, dict) or "hits" not in answer:
            raise Retryable("what answered is not Elasticsearch: check elasticsearch_url")
        if answer.get("timed_out") or shards.get("failed") or shards.get("successful") != shards.get("total"):
            raise Retryable(
                f"its answer lacks {shards.get('failed', 0)} of {shards.get('total')} shards, or came too late to be "
                "whole: nothing is concluded from it; see GET _cluster/allocation/explain"
            )
        return answer

    async def _ask(self, method: str, path: str, body: bytes | None = None) -> Any:
        """The answer; ``None`` where there is no such index."""
        answer = await self._answer(method, path, body)
        if answer.status == 404:
            return None
        if answer.status in _DENIED:
            raise Halt(
                f"Elasticsearch refuses {method} {path.partition('?')[0]} ({answer.status})",
                "grant read, view_index_metadata and maintenance on its indices, and monitor",
            )
        try:
            document = orjson.loads(answer.body)
        except ValueError as error:
            raise Retryable(f"Elasticsearch answered {answer.status} with what is no JSON") from error
        if answer.status != 200:
            reason = without_values(answer.body.decode(errors="replace"))
            raise Retryable(f"Elasticsearch answered {answer.status} to {method} {path.partition('?')[0]}: {reason}")
        return document

    async def _answer(self, method: str, path: str, body: bytes | None) -> Answer:
        """Of a server that is busy or away: asked a few times."""
        for attempt in range(_TRIES):
            is_last = attempt == _TRIES - 1
            try:
                answer = await self._http.request(method, path, body)
            except ElasticsearchUnreachableError as error:
                if is_last:
                    raise cause_of_silence(error, self._settings) from error
            else:
                if answer.status not in {429, 502, 503, 504} or is_last:
                    return answer
            await asyncio.sleep(self._wait_seconds * (attempt + 1))
        raise AssertionError

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()


def _within(span: Span) -> Mapping[str, Any]:
    return {"range": {_TIME: {"gte": at_micros(span.start).isoformat(), "lt": at_micros(span.end).isoformat()}}}


def _numbered() -> list[Mapping[str, Any]]:
    """Those that a composite aggregation has a bucket for, and whose number a gateway can have given."""
    return [*({"exists": {"field": name}} for name in NAMES), {"range": {"sequence": {"gte": 1, "lte": MAX_SEQUENCE}}}]


def _all_of(*clauses: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"bool": {"filter": list(clauses)}}


def _total(answer: Any) -> int:
    try:
        total = answer["hits"]["total"]
        return int(total["value"])
    except (KeyError, TypeError, ValueError) as error:
        raise Retryable("what answered is not Elasticsearch: it counts nothing; check elasticsearch_url") from error


def _document(hit: Mapping[str, Any]) -> Document:
    source = hit.get("_source") or {}
    number = source.get("sequence")
    return Document(
        str(source.get("event_id") or hit.get("_id")),
        number if isinstance(number, int) else 0,
        str(source.get("outcome") or ""),
        str(source.get(_TIME) or ""),
    )
