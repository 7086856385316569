"""Tests of ``gateway.upstreams.pool`` that are its own: which connection is taken."""

from __future__ import annotations

import asyncio

from gateway.upstreams.client import Timeouts
from gateway.upstreams.http1 import LeanClient
from gateway.upstreams.pool import Pool
from tests.contracts.scripted_upstream import Peer, until
from tests.contracts.upstream_bench import Bench, Variant, ask, fetch, read_all


async def test_the_connection_used_last_is_taken_first() -> None:
    """So that those not needed grow old and are closed, and the one taken is the least likely to be stale."""
    used: list[int] = []
    together = asyncio.Barrier(3)

    async def script(peer: Peer) -> None:
        while (asked := await peer.request()) is not None:
            if asked.target == b"/first":
                await together.wait()
            used.append(peer.number)
            await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")

    async with Bench(Variant("lean", "asyncio")) as bench:
        server, client = await bench.upstream(script), bench.client()
        assert isinstance(client, LeanClient)
        answers = await asyncio.gather(*(client.send(ask(server.origin, b"/first")) for _ in range(3)))
        for answer in answers:
            await read_all(answer)
        used.clear()
        for _ in range(5):
            await fetch(client, ask(server.origin))
        assert used == [used[0]] * 5
        pool = client._pools[server.origin]
        assert isinstance(pool, Pool)
        assert pool.slots == 3


async def test_an_idle_connection_makes_room_for_a_new_one() -> None:
    """Whoever wants a fresh connection, because a kept one was stale, does not stand in line beside an idle one."""

    async def script(peer: Peer) -> None:
        while await peer.request() is not None:
            await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")

    async with Bench(Variant("lean", "asyncio")) as bench:
        server, client = await bench.upstream(script), bench.client(bench.limits(max_connections_per_origin=1))
        assert isinstance(client, LeanClient)
        await fetch(client, ask(server.origin))
        pool = client._pools[server.origin]
        fresh = await pool.open(Timeouts(connect_seconds=20), asyncio.get_running_loop().time() + 20)
        assert fresh.is_usable()
        assert pool.slots == 1
        await until(lambda: server.open == 1)
        assert server.connections == 2
