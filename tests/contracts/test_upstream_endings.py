"""The contract of upstream clients: whoever gives up, is cancelled or closes leaves nothing behind and harms nobody."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import UpstreamProtocolError, UpstreamUnreachable
from tests.contracts.scripted_upstream import Peer, turns, until
from tests.contracts.upstream_bench import Bench, ask, fault_of, fetch, on_both_clients, read_all

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


async def answer_all(peer: Peer) -> None:
    """Answer every request of a connection."""
    while await peer.request() is not None:
        await peer.send(OK)


@pytest.mark.parametrize("when", ["before the head", "inside the head", "inside the body"])
@on_both_clients
async def test_cancellation_closes_the_connection(bench: Bench, when: str) -> None:
    """Whoever stops waiting, wherever, leaves no connection behind on which a vendor goes on generating."""
    closed, arrived = bench.event(), bench.event()

    async def script(peer: Peer) -> None:
        await peer.request()
        if when != "before the head":
            await peer.send(b"HTTP/1.1 200 OK\r\n")
        if when == "inside the body":
            await peer.send(b"content-length: 9\r\n\r\nhello")
        arrived.set()
        await peer.until_closed()
        closed.set()

    server, client = await bench.upstream(script), bench.client()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(fetch(client, ask(server.origin)))
        await arrived.wait()
        await turns(5)
        task.cancel()
    assert task.cancelled()
    await closed.wait()


@on_both_clients
async def test_cancellation_closes_a_connection_that_still_sends(bench: Bench) -> None:
    """A large request that is given up half way is not written to its end."""
    closed, arrived, size = bench.event(), bench.event(), 0

    async def script(peer: Peer) -> None:
        nonlocal size
        peer.shrink_buffers()
        size -= len(await peer.reader.readuntil(b"\r\n\r\n"))
        arrived.set()
        await go_on.wait()
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await peer.reader.readexactly(64 << 20)
        closed.set()

    go_on = bench.event()
    server, client = await bench.upstream(script), bench.client()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(fetch(client, ask(server.origin, method=b"POST", body=bytes(64 << 20))))
        await arrived.wait()
        task.cancel()
    go_on.set()
    await closed.wait()


@on_both_clients
async def test_abort_closes_the_connection(bench: Bench) -> None:
    """After ``abort`` the vendor sees a close, a later read raises (also for bytes that were there), and a second
    ``abort`` does nothing."""
    closed = bench.event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello")
        await peer.until_closed()
        closed.set()

    server, client = await bench.upstream(script), bench.client()
    response = await client.send(ask(server.origin))
    response.abort()
    response.abort()
    with pytest.raises(UpstreamProtocolError):
        await response.read()
    await closed.wait()


@on_both_clients
async def test_abort_wakes_a_pending_read(bench: Bench) -> None:
    """Whoever waits for more when another gives the answer up learns of it at once."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n")
        await peer.until_closed()

    server, client = await bench.upstream(script), bench.client()
    response = await client.send(ask(server.origin))
    async with asyncio.TaskGroup() as tasks:
        pending = tasks.create_task(_fault_of_read(response.read))
        await turns(3)
        response.abort()
    assert pending.result() is UpstreamProtocolError


async def _fault_of_read(read: object) -> type[Exception]:
    assert callable(read)
    with pytest.raises(UpstreamProtocolError) as raised:
        await read()
    return raised.type


@on_both_clients
async def test_a_late_abort_harms_nobody(bench: Bench) -> None:
    """An answer that was read to its end no longer has a connection: its ``abort`` cannot hit the next exchange."""
    server, client = await bench.upstream(answer_all), bench.client()
    first = await client.send(ask(server.origin))
    assert await read_all(first) == b"ok"
    second = await client.send(ask(server.origin))
    first.abort()
    assert await first.read() == b""
    assert await read_all(second) == b"ok"
    assert server.connections == 1


@on_both_clients
async def test_an_abort_before_the_end_was_read_harms_nobody(bench: Bench) -> None:
    """An answer that came whole but was not read may be given up while another exchange goes on, on whatever
    connection that has."""

    async def script(peer: Peer) -> None:
        while (asked := await peer.request()) is not None:
            if asked.target == b"/second":
                arrived.set()
                await go_on.wait()
            await peer.send(OK)

    arrived, go_on = bench.event(), bench.event()
    server, client = await bench.upstream(script), bench.client()
    first = await client.send(ask(server.origin))
    await turns(5)
    async with asyncio.TaskGroup() as tasks:
        second = tasks.create_task(fetch(client, ask(server.origin, b"/second")))
        await arrived.wait()
        in_use = server.connections  # aiohttp has used the first again, since the end of its answer came
        first.abort()
        await turns(5)
        go_on.set()
    assert server.connections == in_use  # or else the second was sent twice
    assert second.result()[2] == b"ok"
    with pytest.raises(UpstreamProtocolError):
        await first.read()


@on_both_clients
async def test_two_readers_are_one_too_many(bench: Bench) -> None:
    """A second task that reads the same answer is told so, instead of taking bytes away from the first."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n")
        await go_on.wait()
        await peer.send(b"ok")

    go_on = bench.event()
    server, client = await bench.upstream(script), bench.client()
    response = await client.send(ask(server.origin))
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(read_all(response))
        await turns(3)
        with pytest.raises(RuntimeError, match="another task"):
            await response.read()
        go_on.set()
    assert first.result() == b"ok"


@on_both_clients
async def test_closing_the_client_ends_everything(bench: Bench) -> None:
    """Answers being awaited or read end in a fault, whoever stands in line is turned away, later requests too."""
    arrived = 0

    async def script(peer: Peer) -> None:
        nonlocal arrived
        asked = await peer.request()
        arrived += 1
        if asked is not None and asked.target == b"/body":
            await peer.send(b"HTTP/1.1 200 OK\r\n\r\nhello")
        await peer.until_closed()

    server, client = await bench.upstream(script), bench.client(bench.limits(max_connections_per_origin=2))
    body = await client.send(ask(server.origin, b"/body"))
    assert await body.read() == b"hello"
    async with asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(fault_of(client, ask(server.origin))) for _ in range(2)]
        reading = tasks.create_task(_fault_of_read(body.read))
        await until(lambda: arrived == 2)
        await turns(5)
        await client.close()
    assert sorted(type(task.result()).__name__ for task in waiting) == ["UpstreamProtocolError", "UpstreamUnreachable"]
    assert reading.result() is UpstreamProtocolError
    assert type(await fault_of(client, ask(server.origin))) is UpstreamUnreachable
    await until(lambda: server.open == 0)
    await client.close()


@on_both_clients
async def test_closing_turns_away_whoever_stands_in_line(bench: Bench) -> None:
    """As unreachable, not as cancelled: nobody cancelled that task."""

    async def script(peer: Peer) -> None:
        await peer.request()
        arrived.set()
        await peer.until_closed()

    arrived = bench.event()
    server, client = await bench.upstream(script), bench.client(bench.limits(max_connections_per_origin=1))
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(fault_of(client, ask(server.origin)))
        await arrived.wait()
        second = tasks.create_task(fault_of(client, ask(server.origin)))
        await turns(5)
        await client.close()
    assert type(first.result()) is UpstreamProtocolError
    assert type(second.result()) is UpstreamUnreachable
