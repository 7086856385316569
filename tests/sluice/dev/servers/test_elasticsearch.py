"""A real Elasticsearch, killed and restarted."""

from __future__ import annotations

import asyncio

from elasticsearch import AsyncElasticsearch

from tests.servers import Elasticsearch


async def test_elasticsearch_keeps_what_it_acknowledged_through_a_kill(
    elasticsearch_server: Elasticsearch, unique_name: str
) -> None:
    """A document acknowledged before kill -9 is found after a restart on the same port."""
    async with AsyncElasticsearch(elasticsearch_server.url) as client:
        operations: list[dict[str, object]] = [{"create": {"_index": unique_name, "_id": "1"}}, {"word": "before"}]
        answer = await client.bulk(operations=operations)
        assert not answer["errors"]
        await asyncio.to_thread(elasticsearch_server.kill)
        await asyncio.to_thread(elasticsearch_server.restart)
    async with AsyncElasticsearch(elasticsearch_server.url) as client:
        assert (await client.get(index=unique_name, id="1"))["_source"] == {"word": "before"}
        assert (await client.bulk(operations=operations))["items"][0]["create"]["status"] == 409
