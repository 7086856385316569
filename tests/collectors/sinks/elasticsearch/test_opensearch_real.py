"""The sink on a real OpenSearch: the same documents, data streams, pipelines with processors, its own media types."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from collectors.errors import Halt
from collectors.sinks.elasticsearch.sink import ElasticsearchSink
from collectors.sinks.interface import Verdict
from schemas.events import KINDS, Kind
from sluice.eventstore.names import dated_index
from tests.collectors.events import NOW_MICROS
from tests.collectors.sinks.elasticsearch.refusing import frame, sink_of, write
from tests.servers import OpenSearch


class Store:
    """Names of one test."""

    def __init__(self, url: str, name: str) -> None:
        self.url, self.name = url, name
        self.client = httpx.AsyncClient(base_url=url, timeout=30)
        self.sinks: list[ElasticsearchSink] = []

    async def sink(self, **config: Any) -> ElasticsearchSink:
        """One that has started."""
        self.sinks.append(sink_of(self.url, self.name, flavour="opensearch", **config))
        await self.sinks[-1].start()
        return self.sinks[-1]

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = await self.client.request(method, path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    async def sources(self, target: str) -> list[dict[str, Any]]:
        await self.ask("POST", f"/{target}/_refresh")
        return [hit["_source"] for hit in (await self.ask("GET", f"/{target}/_search?size=100"))["hits"]["hits"]]


@pytest.fixture
async def store(opensearch_server: OpenSearch, unique_name: str) -> AsyncIterator[Store]:
    """Nothing in it."""
    made = Store(opensearch_server.url, unique_name)
    yield made
    for sink in made.sinks:
        await sink.close()
    await made.client.aclose()


@pytest.mark.parametrize("kind", KINDS)
async def test_every_document_is_mapped_and_there_once(store: Store, kind: Kind) -> None:
    """A strict index takes all fields of ours; a second write changes nothing; readers find them by the alias."""
    sink, made = await store.sink(), frame(5, kind)
    stem = {"proxy_log": "proxy-logs"}.get(kind, kind)
    index = dated_index(f"{store.name}-{stem}", NOW_MICROS, "day")
    await store.ask("PUT", f"/{index}", {"mappings": {"dynamic": "strict"}})
    assert await write(sink, made) == Verdict()
    assert await write(sink, made) == Verdict(duplicates=5)
    found = await store.sources(f"{store.name}-{stem}")
    assert {document["event_id"] for document in found} == set(made.rows["event_id"])


async def test_a_value_of_another_type_is_poison_alone(store: Store) -> None:
    """OpenSearch calls the error by its older name: ``mapper_parsing_exception``."""
    sink = await store.sink()
    documents = list(sink.prepare(frame(3)).documents)
    documents[1] = documents[1].replace(b'"prompt_tokens":12', b'"prompt_tokens":"many"')
    verdict = await sink.write(documents)
    assert {at: error.reason for at, error in verdict.poison.items()} == {1: "mapper_parsing_exception"}


async def test_a_data_stream(store: Store) -> None:
    """Made by the first document, from our template; the id is known within its index; readers use the same name."""
    sink, made = await store.sink(data_streams=True), frame(4)
    assert await write(sink, made) == Verdict()
    assert await write(sink, made) == Verdict(duplicates=4)
    streams = (await store.ask("GET", f"/_data_stream/{store.name}-analytics"))["data_streams"]
    assert [stream["name"] for stream in streams] == [f"{store.name}-analytics"]
    assert len(await store.sources(f"{store.name}-analytics")) == 4
    with pytest.raises(Halt, match="is a data stream"):
        await store.sink()


async def test_a_pipeline_changes_drops_and_refuses(store: Store) -> None:
    """What it changes is stored, what it drops is done with, what it refuses is poison: it would refuse it again."""
    made = frame(4)
    ids = made.rows["event_id"].to_list()
    processors = [
        {"set": {"field": "gateway_id", "value": "set-by-pipeline"}},
        {"drop": {"if": f"ctx.event_id == '{ids[1]}'"}},
        {"fail": {"if": f"ctx.event_id == '{ids[2]}'", "message": "refused"}},
    ]
    await store.ask("PUT", f"/_ingest/pipeline/{store.name}", {"processors": processors})
    verdict = await write(await store.sink(pipeline=store.name), made)
    assert list(verdict.poison) == [2]
    assert (verdict.retry, verdict.cause) == ([], None)
    found = await store.sources(f"{store.name}-analytics")
    assert {document["event_id"]: document["gateway_id"] for document in found} == dict.fromkeys(
        (ids[0], ids[3]), "set-by-pipeline"
    )


async def test_a_pipeline_that_is_not_there_halts(store: Store) -> None:
    """Not a document's fault."""
    verdict = await write(await store.sink(pipeline=store.name), frame(2))
    assert (verdict.retry, verdict.poison) == ([0, 1], {})
    assert isinstance(verdict.cause, Halt)


async def test_the_wrong_flavour_halts(store: Store) -> None:
    """It refuses Elasticsearch's media types: what to change is named, and nothing is poison."""
    for flavour in ("elasticsearch8", "elasticsearch9"):
        sink = sink_of(store.url, store.name, flavour=flavour)
        store.sinks.append(sink)
        with pytest.raises(Halt, match="flavour"):
            await sink.start()
        verdict = await write(sink, frame(2))
        assert (verdict.retry, verdict.poison) == ([0, 1], {})
        assert isinstance(verdict.cause, Halt)
