"""Tests of ``gateway.upstreams.connection`` that are its own: how much it holds."""

from __future__ import annotations

from gateway.upstreams.connection import Connection
from gateway.upstreams.http1 import LeanClient
from tests.contracts.scripted_upstream import Peer, turns
from tests.contracts.upstream_bench import Bench, Variant, ask, read_all


async def test_unread_bytes_are_bounded() -> None:
    """A connection stops reading when ``max_buffered_bytes`` wait for the reader, at most one read too late; and
    reads on as soon as they are taken."""
    size = 8 << 20

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size, *[bytes(1 << 16)] * (size >> 16))

    async with Bench(Variant("lean", "asyncio")) as bench:
        limits = bench.limits(max_buffered_bytes=100_000)
        server, client = await bench.upstream(script), bench.client(limits)
        assert isinstance(client, LeanClient)
        response = await client.send(ask(server.origin))
        await turns(100)
        assert isinstance(response.connection, Connection)
        assert 100_000 <= response.buffered_bytes <= 100_000 + (256 << 10)
        assert len(await response.read()) <= 100_000 + (256 << 10)
        assert len(await read_all(response)) > size // 2
