"""The contract of upstream clients: answers that are pumped, and answers that are let go before their end."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import UpstreamProtocolError
from gateway.upstreams.client import MAX_RELEASED_BYTES, RELEASE_SECONDS
from tests.contracts.scripted_upstream import Peer, until
from tests.contracts.upstream_bench import Bench, ask, fetch, on_both_clients

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def chunk(piece: bytes) -> bytes:
    """A piece in the chunked coding."""
    return b"%x\r\n%b\r\n" % (len(piece), piece)


async def answers(peer: Peer, *pieces: bytes) -> None:
    """Answer one request, a piece at a time."""
    await peer.request()
    for piece in pieces:
        await peer.send(piece)
        await asyncio.sleep(0.005)


@on_both_clients
async def test_every_piece_is_given_in_the_order_in_which_it_comes(bench: Bench) -> None:
    """Whatever came before the pump began is given first; the end is told by what it returns."""

    async def script(peer: Peer) -> None:
        await answers(peer, HEAD + chunk(b"a"), chunk(b"b"), chunk(b"c") + END)

    server = await bench.upstream(script)
    response = await bench.client().send(ask(server.origin))
    got = bytearray()

    def take(piece: bytes, _: bytes) -> bool:
        got.extend(piece)
        return False

    assert await response.pump(take)
    assert bytes(got) == b"abc"


@on_both_clients
async def test_a_pump_stops_where_it_is_told_to_and_goes_on_there(bench: Bench) -> None:
    """``take`` gets nothing more once it has enough; the next pump, or read, begins with the piece behind."""

    async def script(peer: Peer) -> None:
        await answers(peer, HEAD, *(chunk(b"%d" % number) for number in range(6)), END)

    server = await bench.upstream(script)
    response = await bench.client().send(ask(server.origin))
    got: list[bytes] = []

    def take(piece: bytes, _: bytes) -> bool:
        got.append(piece)
        return True

    while not await response.pump(take):  # noqa: ASYNC110 - the vendor goes on meanwhile
        await asyncio.sleep(0.012)
    assert b"".join(got) == b"012345"
    assert len(got) > 1


@on_both_clients
async def test_what_take_raises_ends_the_answer(bench: Bench) -> None:
    """It reaches the caller, and no connection is left on which a vendor goes on generating."""

    async def script(peer: Peer) -> None:
        await answers(peer, HEAD, chunk(b"a"))
        await peer.until_closed()

    server = await bench.upstream(script)
    response = await bench.client().send(ask(server.origin))

    def take(*_: bytes) -> bool:
        raise LookupError("ours")

    with pytest.raises(LookupError, match="ours"):
        await response.pump(take)
    await until(lambda: server.open == 0)


@on_both_clients
async def test_a_vendor_that_breaks_off_is_said_behind_its_last_piece(bench: Bench) -> None:
    """Nothing that came is swallowed by the fault behind it."""

    async def script(peer: Peer) -> None:
        await answers(peer, HEAD, chunk(b"a"), b"zz\r\n")

    server = await bench.upstream(script)
    response = await bench.client().send(ask(server.origin))
    got = bytearray()

    def take(piece: bytes, _: bytes) -> bool:
        got.extend(piece)
        return False

    with pytest.raises(UpstreamProtocolError):
        await response.pump(take)
    assert bytes(got) == b"a"


@on_both_clients
async def test_a_pump_that_is_cancelled_closes_the_connection(bench: Bench) -> None:
    """As a cancelled read does."""
    arrived = bench.event()

    async def script(peer: Peer) -> None:
        await answers(peer, HEAD, chunk(b"a"))
        arrived.set()
        await peer.until_closed()

    server = await bench.upstream(script)
    response = await bench.client().send(ask(server.origin))
    async with asyncio.TaskGroup() as tasks:
        pumping = tasks.create_task(response.pump(lambda *_: False))
        await arrived.wait()
        await asyncio.sleep(0.01)
        pumping.cancel()
    await until(lambda: server.open == 0)


@on_both_clients
async def test_a_released_answer_gives_its_connection_back_at_its_end(bench: Bench) -> None:
    """What came behind the bytes that were wanted is dropped, and the next request goes out on the same connection."""
    ended = bench.event()

    async def script(peer: Peer) -> None:
        await answers(peer, HEAD + chunk(b"wanted"), chunk(b"not wanted"))
        await peer.send(END)
        ended.set()
        await answers(peer, HEAD + chunk(b"next") + END)

    server, client = await bench.upstream(script), bench.client()
    response = await client.send(ask(server.origin))
    assert await response.read() == b"wanted"
    response.release()
    await ended.wait()
    await asyncio.sleep(0.02)
    assert (await fetch(client, ask(server.origin)))[2] == b"next"
    assert server.connections == 1


@on_both_clients
async def test_an_answer_that_is_released_at_its_end_gives_its_connection_back_at_once(bench: Bench) -> None:
    """The usual stream: its end is there already."""

    async def script(peer: Peer) -> None:
        await answers(peer, HEAD + chunk(b"wanted") + END)
        await answers(peer, HEAD + chunk(b"next") + END)

    server, client = await bench.upstream(script), bench.client()
    response = await client.send(ask(server.origin))
    assert await response.read() == b"wanted"
    response.release()
    response.release()
    await asyncio.sleep(0.02)
    assert (await fetch(client, ask(server.origin)))[2] == b"next"
    assert server.connections == 1


@pytest.mark.parametrize("endless", [False, True])
@on_both_clients
async def test_a_released_answer_that_does_not_end_is_closed(bench: Bench, endless: bool) -> None:
    """A vendor that stays silent is given up after a second, one that goes on and on after so many bytes."""

    async def script(peer: Peer) -> None:
        await answers(peer, HEAD + chunk(b"wanted"))
        try:
            for _ in range(64 if endless else 0):
                await peer.send(chunk(bytes(MAX_RELEASED_BYTES // 32)))
        except ConnectionError:
            return
        await peer.until_closed()

    server, client = await bench.upstream(script), bench.client()
    response = await client.send(ask(server.origin))
    assert (await response.read())[:6] == b"wanted"
    loop = asyncio.get_running_loop()
    started = loop.time()
    response.release()
    await until(lambda: server.open == 0)
    assert endless or loop.time() - started > RELEASE_SECONDS / 2


@on_both_clients
async def test_an_answer_released_behind_what_was_pumped_is_closed_as_soon(bench: Bench) -> None:
    """The usual stream: its terminal event was given in the very moment in which it came, and then there is silence.
    That something moved just before gives the vendor no more time."""
    asked = bench.event()

    async def script(peer: Peer) -> None:
        await answers(peer, HEAD)
        await asked.wait()
        await peer.send(chunk(b"terminal"))
        await peer.until_closed()

    server, client = await bench.upstream(script), bench.client()
    response = await client.send(ask(server.origin))
    async with asyncio.TaskGroup() as tasks:
        pumping = tasks.create_task(response.pump(lambda *_: True))
        await asyncio.sleep(0.01)
        asked.set()
        assert not await pumping
    response.release()
    await until(lambda: server.open == 0)


@on_both_clients
async def test_an_answer_to_the_end_of_its_connection_can_be_released(bench: Bench) -> None:
    """Its connection is closed by the vendor, and the pool's slot is free again."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\nwanted")
        await asyncio.sleep(0.01)

    server = await bench.upstream(script)
    client = bench.client(bench.limits(max_connections_per_origin=1))
    for _ in range(3):
        response = await client.send(ask(server.origin))
        assert await response.read() == b"wanted"
        response.release()
