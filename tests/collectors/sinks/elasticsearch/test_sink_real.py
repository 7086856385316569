"""The Elasticsearch sink against the real server: its templates, its mapping, its answers, its absence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, cast

import httpx
import orjson
import pytest

from collectors.deliveries import Frame
from collectors.errors import Retryable
from collectors.sinks.elasticsearch.settings import ElasticsearchSettings
from collectors.sinks.elasticsearch.sink import ElasticsearchSink
from collectors.sinks.interface import Verdict
from schemas.codec import SchemaBook
from schemas.events import KINDS, Kind
from sluice.eventstore.names import daily_index
from sluice.eventstore.templates import TEMPLATE_VERSION, mapping_name
from tests.collectors.events import NOW_MICROS, make_record, numbered
from tests.collectors.frames import frame_of_records
from tests.servers import Elasticsearch

SECRET = "hunter2-swordfish"
COST_NANOS = 2**53 + 1
"""The first amount that a floating-point number cannot hold."""

_ALIASES: dict[Kind, str] = {
    "proxy_log": "microgateway-proxy-logs",
    "analytics": "microgateway-analytics",
    "budget": "microgateway-budget",
}
"""What dashboards of the reference ask."""

# Given a value here, so that no field of any event is left out of its document.
_EVERYTHING: dict[Kind, dict[str, Any]] = {
    "proxy_log": {"first_byte_micros": 700},
    "analytics": {
        "first_byte_micros": 700,
        "cache_write_prompt_tokens": 1,
        "reasoning_tokens": 2,
        "cost_nanos": COST_NANOS,
    },
    "budget": {"corrects": "b-1", "cost_nanos": COST_NANOS},
}
_DATES = {"@timestamp", "completed_at"} | {f"{of}period_{end}" for of in ("", "charges.") for end in ("start", "end")}
_MONEY = {"cost_nanos", "reserved_nanos"}


class Store:
    """Indices of one test, under names of its own, and what lies in them."""

    def __init__(self, url: str, name: str) -> None:
        self.stems: dict[Kind, str] = {kind: f"{name}-{kind.replace('_', '-')}" for kind in KINDS}
        self.client = httpx.AsyncClient(base_url=url, timeout=30)
        keys = {"proxy_log": "proxy_logs", "analytics": "analytics", "budget": "budget"}
        indices = {keys[kind]: stem for kind, stem in self.stems.items()}
        self.sink = sink_of(url, indices=indices)

    def day(self, kind: Kind) -> str:
        return daily_index(self.stems[kind], NOW_MICROS)

    async def ask(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        answer = await self.client.request(method, path, json=body)
        assert answer.is_success, answer.text
        return cast("dict[str, Any]", answer.json())

    async def found(self, kind: Kind, query: Mapping[str, Any] | None = None) -> dict[str, dict[str, Any]]:
        """Documents by id, through the alias that readers use; each is there once."""
        await self.ask("POST", f"/{self.day(kind)}/_refresh")
        body = {"size": 1_000, "query": query or {"match_all": {}}}
        hits = (await self.ask("POST", f"/{self.stems[kind]}/_search", body))["hits"]["hits"]
        documents = {hit["_id"]: hit["_source"] for hit in hits}
        assert len(documents) == len(hits)
        return documents

    async def close(self) -> None:
        await self.sink.close()
        for stem in self.stems.values():
            await self.client.delete(f"/{stem}-*")
            await self.client.delete(f"/_index_template/{stem}")
        await self.client.aclose()


def sink_of(url: str, **config: Any) -> ElasticsearchSink:
    """All events; the wall clock stands still."""
    settings = ElasticsearchSettings.model_validate({"elasticsearch_url": url, "timeout": "30s", **config})
    return ElasticsearchSink(settings, KINDS, clock=lambda: NOW_MICROS)


@pytest.fixture
async def store(elasticsearch_server: Elasticsearch, unique_name: str) -> AsyncIterator[Store]:
    """Templates installed, nothing in it."""
    made = Store(elasticsearch_server.url, unique_name)
    await made.sink.start()
    yield made
    await made.close()


def frame(kind: Kind = "analytics", count: int = 5, **changes: Any) -> Frame:
    """A frame of good events."""
    return frame_of_records(SchemaBook(), numbered(make_record(kind, **changes) for _ in range(count)))


def ids_of(made: Frame) -> set[str]:
    """The ids of its events."""
    return set(made.rows["event_id"].to_list())


def leaves(document: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value within, by the path that a mapping names it by."""
    if isinstance(document, dict):
        for name, value in document.items():
            yield from leaves(value, f"{path}.{name}" if path else name)
    elif isinstance(document, list):
        for value in document:
            yield from leaves(value, path)
    else:
        yield path, document


def types(properties: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    """The type of every field of a mapping that holds values of its own."""
    for name, field in properties.items():
        here = f"{path}.{name}" if path else name
        if "properties" in field:
            yield from types(field["properties"], here)
        elif field["type"] != "alias":
            yield here, field["type"]


async def test_a_start_installs_what_readers_are_promised(elasticsearch_server: Elasticsearch) -> None:
    """Under the names by default: a day's index would have the alias, the mapping and our version; twice is once."""
    sink = sink_of(elasticsearch_server.url)
    await sink.start()
    await sink.start()
    await sink.close()
    async with httpx.AsyncClient(base_url=elasticsearch_server.url, timeout=30) as client:
        for kind, alias in _ALIASES.items():
            answer = (await client.post(f"/_index_template/_simulate_index/{alias}-2025.11.24")).json()
            assert answer["template"]["aliases"] == {alias: {}}
            assert answer["template"]["mappings"]["dynamic"] == "false"
            assert answer["overlapping"] == []
            [found] = (await client.get(f"/_component_template/{mapping_name(kind)}")).json()["component_templates"]
            assert found["component_template"]["_meta"]["version"] >= TEMPLATE_VERSION


@pytest.mark.parametrize("kind", KINDS)
async def test_every_field_of_an_event_is_mapped(store: Store, kind: Kind) -> None:
    """A strict index takes a document that has all fields, and no field is mapped that no document has."""
    await store.ask("PUT", f"/{store.day(kind)}", {"mappings": {"dynamic": "strict"}})
    made = frame(kind, 1, user_id=9, **_EVERYTHING[kind])
    assert await store.sink.write(store.sink.prepare(made).documents) == Verdict()
    [document] = (await store.found(kind)).values()
    values = list(leaves(document))
    assert [path for path, value in values if value is None] == []
    mapping = (await store.ask("GET", f"/{store.day(kind)}/_mapping"))[store.day(kind)]["mappings"]["properties"]
    mapped = dict(types(mapping))
    assert {path for path, _ in values} == mapped.keys()
    assert {path for path, of_type in mapped.items() if of_type == "date"} == _DATES & mapped.keys()
    assert {mapped[path] for path in _MONEY & mapped.keys()} <= {"long"}
    assert await store.found(kind, {"exists": {"field": "_ignored"}}) == {}


@pytest.mark.parametrize("kind", ["analytics", "budget"])
async def test_money_and_times_are_found_exactly(store: Store, kind: Kind) -> None:
    """A billionth of a unit is told from the next; times are found by the millisecond and kept to the microsecond."""
    at = NOW_MICROS + 123_456
    made = frame(kind, 1, cost_nanos=COST_NANOS, occurred_at=at)
    assert await store.sink.write(store.sink.prepare(made).documents) == Verdict()
    [document] = (await store.found(kind, {"term": {"cost_nanos": COST_NANOS}})).values()
    assert await store.found(kind, {"term": {"cost_nanos": COST_NANOS - 1}}) == {}
    assert (document["cost_nanos"], document["@timestamp"]) == (COST_NANOS, "2025-11-24T16:00:00.123456Z")
    for until, count in (("123Z", 0), ("124Z", 1)):
        query = {"range": {"occurred_at": {"lt": f"2025-11-24T16:00:00.{until}"}}}
        assert len(await store.found(kind, query)) == count


@pytest.mark.parametrize("kind", KINDS)
async def test_written_twice_is_there_once(store: Store, kind: Kind) -> None:
    """The second write of a batch, and one that overlaps it at the same moment, change nothing and say so."""
    made = frame(kind, 50)
    documents = store.sink.prepare(made).documents
    first, second = await asyncio.gather(store.sink.write(documents), store.sink.write(documents))
    assert first.duplicates + second.duplicates == 50
    assert await store.sink.write(documents) == Verdict(duplicates=50)
    assert (await store.found(kind)).keys() == ids_of(made)


async def test_a_value_of_another_type_is_poison_alone(store: Store) -> None:
    """The one document is refused with the server's reason and without its value; all around it stand."""
    made = frame(count=5)
    documents = list(store.sink.prepare(made).documents)
    documents[2] = documents[2].replace(b'"prompt_tokens":12', b'"prompt_tokens":' + orjson.dumps(SECRET))
    verdict = await store.sink.write(documents)
    assert list(verdict.poison) == [2]
    error = verdict.poison[2]
    assert (error.reason, error.status) == ("document_parsing_exception", 400)
    assert "failed to parse field" in error.detail
    assert SECRET not in str(error)
    assert (verdict.retry, verdict.cause) == ([], None)
    assert (await store.found("analytics")).keys() == ids_of(made) - {made.rows["event_id"][2]}


async def test_a_dead_server_is_waited_for(store: Store, elasticsearch_server: Elasticsearch) -> None:
    """kill -9: the whole batch is to be written again, and goes through once the server is back, beside the old."""
    before, after = frame(), frame()
    assert await store.sink.write(store.sink.prepare(before).documents) == Verdict()
    documents = store.sink.prepare(after).documents
    await asyncio.to_thread(elasticsearch_server.kill)
    try:
        verdict = await store.sink.write(documents)
        assert (verdict.retry, verdict.poison) == (list(range(5)), {})
        assert isinstance(verdict.cause, Retryable)
        with pytest.raises(Retryable, match="does not answer"):
            await store.sink.check()
    finally:
        await asyncio.to_thread(elasticsearch_server.restart)
    assert await store.sink.write(documents) == Verdict()
    assert (await store.found("analytics")).keys() == ids_of(before) | ids_of(after)
