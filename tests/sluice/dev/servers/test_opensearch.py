"""A real OpenSearch, killed and restarted."""

from __future__ import annotations

import asyncio

import httpx

from tests.servers import OpenSearch


async def test_it_keeps_what_it_acknowledged_through_a_kill(opensearch_server: OpenSearch, unique_name: str) -> None:
    """A document acknowledged before kill -9 is found after a restart on the same port."""
    lines = f'{{"create":{{"_index":"{unique_name}","_id":"1"}}}}\n{{"word":"before"}}\n'
    headers = {"content-type": "application/x-ndjson"}
    async with httpx.AsyncClient(base_url=opensearch_server.url, timeout=30) as client:
        assert (await client.post("/_bulk", content=lines, headers=headers)).json()["errors"] is False
        await asyncio.to_thread(opensearch_server.kill)
        await asyncio.to_thread(opensearch_server.restart)
        assert (await client.get(f"/{unique_name}/_doc/1")).json()["_source"] == {"word": "before"}
        again = (await client.post("/_bulk", content=lines, headers=headers)).json()
        assert again["items"][0]["create"]["status"] == 409
