"""Tests of ``gateway.upstreams.response`` that are its own: how bytes reach the reader."""

from __future__ import annotations

from gateway.upstreams.response import LeanResponse
from tests.contracts.scripted_upstream import Peer, turns
from tests.contracts.upstream_bench import Bench, Variant, ask


async def test_what_waits_is_read_at_once() -> None:
    """A reader that was away gets all that came in one piece, then the end as often as it asks."""

    async def script(peer: Peer) -> None:
        await peer.request()
        head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
        await peer.send(head, b"2\r\nab\r\n", b"2\r\ncd\r\n", b"0\r\n\r\n")
        await peer.until_closed()

    async with Bench(Variant("lean", "asyncio")) as bench:
        server, client = await bench.upstream(script), bench.client()
        response = await client.send(ask(server.origin))
        await turns(20)
        assert await response.read() == b"abcd"
        assert [await response.read() for _ in range(3)] == [b"", b"", b""]
        assert isinstance(response, LeanResponse)
        assert response.connection is None
        assert response.buffered_bytes == 0
