"""Tests of ``gateway.upstreams.http1`` that are its own: what is left when nothing is going on."""

from __future__ import annotations

import asyncio
from itertools import count

import pytest

from gateway.upstreams.client import Origin, Timeouts
from gateway.upstreams.connection import Connection
from gateway.upstreams.departures import Departures
from gateway.upstreams.http1 import LeanClient
from tests.contracts.scripted_upstream import Peer, turns, until
from tests.contracts.upstream_bench import Bench, Variant, ask, fault_of, fetch


async def answer_all(peer: Peer) -> None:
    """Answer every request of a connection."""
    while await peer.request() is not None:
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")


async def test_an_idle_client_holds_nothing() -> None:
    """When the last connection has expired there is no connection, no pool and no timer left: origins come and go
    with the configuration, and a client lives as long as its worker."""
    async with Bench(Variant("lean", "asyncio")) as bench:
        client = bench.client(bench.limits(max_idle_seconds=0.02))
        assert isinstance(client, LeanClient)
        servers = [await bench.upstream(answer_all) for _ in range(3)]
        for server in servers:
            await fetch(client, ask(server.origin))
        await until(lambda: not client._connections and client._sweep_timer is None)
        assert client._pools == {}
        assert (await fetch(client, ask(servers[0].origin)))[2] == b"ok"


async def test_while_all_connections_are_idle_the_sweep_rests_until_one_is_due() -> None:
    """An idle worker sleeps; but whatever is asked next has its deadlines looked at as ever."""
    async with Bench(Variant("lean", "asyncio")) as bench:
        waits = asyncio.Event()

        async def answer_once(peer: Peer) -> None:
            await peer.request()
            await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            await peer.request()
            waits.set()
            await peer.until_closed()

        client = bench.client(bench.limits(max_idle_seconds=60.0))
        assert isinstance(client, LeanClient)
        server = await bench.upstream(answer_once)
        await fetch(client, ask(server.origin))
        await until(lambda: client._is_resting)
        assert client._sweep_timer is not None
        assert 58 < client._sweep_timer.when() - asyncio.get_running_loop().time() < 60.1
        await fault_of(client, ask(server.origin, timeouts=Timeouts(first_byte_seconds=0.05)))
        assert waits.is_set()
        assert not client._is_resting
        await until(lambda: not client._connections)


async def test_a_connection_is_closed_when_it_has_idled_for_long_enough() -> None:
    """Not sooner, and though the sweep rested until then."""
    async with Bench(Variant("lean", "asyncio")) as bench:
        client = bench.client(bench.limits(max_idle_seconds=0.2))
        assert isinstance(client, LeanClient)
        server = await bench.upstream(answer_all)
        await fetch(client, ask(server.origin))
        began = asyncio.get_running_loop().time()
        await until(lambda: client._is_resting)
        await until(lambda: not client._connections)
        assert asyncio.get_running_loop().time() - began >= 0.19


async def test_no_request_waits_behind_many_to_other_origins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of one turn leave together wherever they go, and before its end where it takes long."""
    moments = count()
    monkeypatch.setattr("gateway.upstreams.http1.Departures", lambda: Departures(lambda: float(next(moments))))
    async with Bench(Variant("lean", "asyncio")) as bench:
        client = bench.client(bench.limits())
        assert isinstance(client, LeanClient)
        servers = [await bench.upstream(answer_all) for _ in range(2)]
        for server in servers:
            await fetch(client, ask(server.origin))
        written: list[Origin] = []

        def note(connection: Connection) -> None:
            origin, write = connection._pool._origin, connection._transport.write

            def write_noted(data: bytes) -> None:
                written.append(origin)
                write(data)

            monkeypatch.setattr(connection._transport, "write", write_noted)

        for connection in client._connections:
            note(connection)
        async with asyncio.TaskGroup() as tasks:
            for server in servers:
                tasks.create_task(fetch(client, ask(server.origin)))
            await turns(1)
            assert written == [server.origin for server in servers]


async def test_failed_calls_leave_nothing_behind() -> None:
    """Nor do calls that time out, in line or on a connection: every slot comes back."""

    async def silent(peer: Peer) -> None:
        await peer.until_closed()

    async with Bench(Variant("lean", "asyncio")) as bench:
        server = await bench.upstream(silent)
        client = bench.client(bench.limits(max_connections_per_origin=2))
        assert isinstance(client, LeanClient)
        timeouts = Timeouts(connect_seconds=0.02, first_byte_seconds=0.05)
        await asyncio.gather(*(fault_of(client, ask(server.origin, timeouts=timeouts)) for _ in range(6)))
        await until(lambda: not client._connections)
        assert [pool.slots for pool in client._pools.values()] in ([], [0])


async def test_closing_waits_until_the_loop_let_go() -> None:
    """After ``close`` no transport is left for the event loop to complain about."""
    async with Bench(Variant("lean", "asyncio")) as bench:
        server, client = await bench.upstream(answer_all), bench.client()
        assert isinstance(client, LeanClient)
        await fetch(client, ask(server.origin))
        connections = tuple(client._connections)
        await client.close()
        assert connections
        assert all(connection.lost.done() for connection in connections)
        assert client._connections == set()
