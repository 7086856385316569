"""The contract of upstream clients: how many connections, for how long, how fast, and never one answer for another."""

from __future__ import annotations

import asyncio
import random
import socket
import tracemalloc
from contextlib import suppress
from itertools import pairwise
from time import monotonic

import pytest

from gateway.errors import UpstreamFault, UpstreamProtocolError, UpstreamTimeout, UpstreamUnreachable
from gateway.upstreams.client import Origin, Timeouts, UpstreamClient
from tests.contracts.scripted_upstream import SECONDS, Peer, ScriptedUpstream, turns, until
from tests.contracts.upstream_bench import Bench, ask, fault_of, fetch, on_both_clients, read_all

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
SHORT = 0.08
"""Seconds of a deadline that a test lets pass; all others are far longer."""


async def answer_all(peer: Peer) -> None:
    """Answer every request of a connection."""
    while await peer.request() is not None:
        await peer.send(OK)


@on_both_clients
async def test_no_more_connections_than_allowed(bench: Bench) -> None:
    """Requests beyond the limit stand in line, and all are answered."""
    server, client = await bench.upstream(answer_all), bench.client(bench.limits(max_connections_per_origin=3))
    answers = await asyncio.gather(*(fetch(client, ask(server.origin)) for _ in range(60)))
    assert [body for _, _, body in answers] == [b"ok"] * 60
    assert server.most_open == 3
    assert server.connections == 3


@on_both_clients
async def test_each_origin_has_its_own_pool(bench: Bench) -> None:
    """A busy vendor does not hold up another."""
    first, second = await bench.upstream(answer_all), await bench.upstream(answer_all)
    client = bench.client(bench.limits(max_connections_per_origin=1))
    held = await client.send(ask(first.origin))
    assert (await fetch(client, ask(second.origin)))[2] == b"ok"
    assert await read_all(held) == b"ok"


@on_both_clients
async def test_the_line_is_served_in_order(bench: Bench) -> None:
    """Who came first is served first."""
    asked: list[bytes] = []

    async def script(peer: Peer) -> None:
        while (request := await peer.request()) is not None:
            asked.append(request.target)
            await peer.send(OK)

    server, client = await bench.upstream(script), bench.client(bench.limits(max_connections_per_origin=1))
    targets = [b"/%d" % number for number in range(10)]
    await asyncio.gather(*(fetch(client, ask(server.origin, target)) for target in targets))
    assert asked == targets


@pytest.mark.parametrize("how", ["read", "aborted", "failed"])
@on_both_clients
async def test_whoever_waits_gets_what_becomes_free(bench: Bench, how: str) -> None:
    """The next in line gets the connection when its answer was read to the end, or its place when it was closed."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nok")
        if peer.number == 1:
            await go_on.wait()
            if how != "read":
                return
        await peer.send(b"ok")
        await answer_all(peer)

    go_on = bench.event()
    server, client = await bench.upstream(script), bench.client(bench.limits(max_connections_per_origin=1))
    held = await client.send(ask(server.origin))
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(fetch(client, ask(server.origin)))
        await turns(10)
        assert server.connections == 1
        assert not waiting.done()
        if how == "aborted":
            held.abort()
        go_on.set()
        if how == "read":
            assert await read_all(held) == b"okok"
        if how == "failed":
            with pytest.raises(UpstreamProtocolError):
                await read_all(held)
    assert waiting.result()[2] in {b"ok", b"okok"}
    assert server.connections == (1 if how == "read" else 2)


@on_both_clients
async def test_standing_in_line_has_an_end(bench: Bench) -> None:
    """Whoever gets no connection within the connect timeout is told: nothing was sent. Its place in line is gone."""

    async def script(peer: Peer) -> None:
        await peer.request()
        if peer.number == 1:
            await peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
            await peer.until_closed()
        await peer.send(OK)

    server, client = await bench.upstream(script), bench.client(bench.limits(max_connections_per_origin=1))
    held = await client.send(ask(server.origin))
    fault = await fault_of(client, ask(server.origin, timeouts=Timeouts(connect_seconds=SHORT)))
    assert type(fault) is UpstreamUnreachable
    held.abort()
    assert (await fetch(client, ask(server.origin)))[2] == b"ok"


@on_both_clients
async def test_leaving_the_line_costs_nobody_a_place(bench: Bench) -> None:
    """Of many in line some leave, at any moment; the others are all served, and afterwards there are as many places
    as before: none was lost, none invented."""
    dice = random.Random(7)

    async def script(peer: Peer) -> None:
        while (asked := await peer.request()) is not None:
            if asked.target == b"/held":
                await peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
                await peer.until_closed()
            await peer.send(OK)

    server, client = await bench.upstream(script), bench.client(bench.limits(max_connections_per_origin=2))

    async def impatient() -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(dice.random() * 0.01):
                await fetch(client, ask(server.origin))

    async with asyncio.TaskGroup() as tasks:
        for _ in range(80):
            tasks.create_task(impatient())
        patient = [tasks.create_task(fetch(client, ask(server.origin))) for _ in range(20)]
    assert all(task.result()[2] == b"ok" for task in patient)
    held = [await client.send(ask(server.origin, b"/held")) for _ in range(2)]
    fault = await fault_of(client, ask(server.origin, timeouts=Timeouts(connect_seconds=SHORT)))
    assert type(fault) is UpstreamUnreachable
    for response in held:
        response.abort()


@pytest.mark.parametrize("how", ["read", "aborted"])
@on_both_clients
async def test_leaving_in_the_moment_of_being_called(bench: Bench, how: str) -> None:
    """Whoever is called to a free connection and is cancelled before it hears leaves it to the next in line."""

    async def script(peer: Peer) -> None:
        while await peer.request() is not None:
            await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nok")
            if peer.number == 1 and how == "aborted":
                await peer.until_closed()
            await peer.send(b"ok")

    server, client = await bench.upstream(script), bench.client(bench.limits(max_connections_per_origin=1))
    held = await client.send(ask(server.origin))
    timeouts = Timeouts(connect_seconds=10)
    async with asyncio.TaskGroup() as tasks:
        first, second = (tasks.create_task(fetch(client, ask(server.origin, timeouts=timeouts))) for _ in range(2))
        await turns(10)
        if how == "aborted":
            held.abort()
        else:
            assert await read_all(held) == b"okok"
        first.cancel()
    assert second.result()[2] == b"okok"


@on_both_clients
async def test_idle_connections_are_closed(bench: Bench) -> None:
    """A kept connection nobody needs is closed in its time."""
    server, client = await bench.upstream(answer_all), bench.client(bench.limits(max_idle_seconds=SHORT))
    await asyncio.gather(*(fetch(client, ask(server.origin)) for _ in range(3)))
    assert server.open >= 1
    await until(lambda: server.open == 0)
    assert (await fetch(client, ask(server.origin)))[2] == b"ok"


@on_both_clients
async def test_old_connections_are_replaced(bench: Bench) -> None:
    """A connection in constant use would outlive every change of the vendor's addresses."""
    server, client = await bench.upstream(answer_all), bench.client(bench.limits(max_age_seconds=SHORT))
    name = "a busy connection older than max_age_seconds"
    replaced, loop = bench.differs(name) == "replaced", asyncio.get_running_loop()
    deadline = loop.time() + (SECONDS if replaced else 4 * SHORT)
    while loop.time() < deadline and server.connections < 2:
        await fetch(client, ask(server.origin))
        await asyncio.sleep(0.002)
    assert (server.connections > 1) == replaced


def listener_that_accepts_nobody() -> tuple[list[socket.socket], Origin]:
    """A port whose queue is full: connecting hangs."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(0)
    sockets = [listening]
    for _ in range(4):
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex(listening.getsockname())
        sockets.append(filler)
    return sockets, Origin("http", "127.0.0.1", listening.getsockname()[1])


@on_both_clients
async def test_connecting_has_a_deadline(bench: Bench) -> None:
    """A vendor that does not accept is unreachable after the connect timeout; nothing was sent."""
    sockets, origin = listener_that_accepts_nobody()
    try:
        fault = await fault_of(bench.client(), ask(origin, timeouts=Timeouts(connect_seconds=SHORT)))
    finally:
        for one in sockets:
            one.close()
    assert type(fault) is UpstreamUnreachable


@on_both_clients
async def test_the_tls_greeting_has_a_deadline(bench: Bench) -> None:
    """A vendor that accepts and says nothing before TLS stands is unreachable too."""

    async def silent(peer: Peer) -> None:
        await peer.until_closed()

    server = await bench.upstream(silent)
    origin = Origin("https", "127.0.0.1", server.origin.port)
    fault = await fault_of(bench.client(), ask(origin, timeouts=Timeouts(connect_seconds=SHORT)))
    assert type(fault) is UpstreamUnreachable
    await until(lambda: server.open == 0)


DEADLINES = {
    "first_byte": (Timeouts(first_byte_seconds=SHORT), [b""]),
    "first_byte, inside the head": (Timeouts(first_byte_seconds=SHORT), [b"HTTP/1.1 200 OK\r\nconte"]),
    "first_byte, behind 1xx": (Timeouts(first_byte_seconds=SHORT), [b"HTTP/1.1 100 C\r\n\r\n"]),
    "idle": (Timeouts(idle_seconds=SHORT), [b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello"]),
    "idle, before the body": (Timeouts(idle_seconds=SHORT), [b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n"]),
    "total": (Timeouts(total_seconds=4 * SHORT), [b"HTTP/1.1 200 OK\r\n\r\n", *[b"x"] * 10_000]),
    "total, before the head": (Timeouts(total_seconds=4 * SHORT), [b""]),
}


@pytest.mark.parametrize("name", DEADLINES)
@on_both_clients
async def test_each_deadline_names_its_phase(bench: Bench, name: str) -> None:
    """A vendor that stays silent, or drips for ever, is given up when its time has passed and not before; the fault
    names the phase and the seconds, and the connection is closed."""
    timeouts, pieces = DEADLINES[name]

    async def script(peer: Peer) -> None:
        await peer.request()
        for piece in pieces:
            await peer.send(piece)
            await asyncio.sleep(0.01)
        await peer.until_closed()

    server, client = await bench.upstream(script), bench.client()
    phase = name.partition(",")[0]
    started = asyncio.get_running_loop().time()
    fault = await fault_of(client, ask(server.origin, timeouts=timeouts))
    took = asyncio.get_running_loop().time() - started
    seconds = getattr(timeouts, f"{phase}_seconds")
    assert isinstance(fault, UpstreamTimeout)
    assert (fault.phase, fault.seconds, fault.may_be_billed) == (phase, seconds, True)
    assert seconds <= took + 0.002 < seconds + SECONDS
    await until(lambda: server.open == 0)


@on_both_clients
async def test_a_busy_vendor_does_not_idle(bench: Bench) -> None:
    """The idle deadline counts from the last bytes, not from the first. A vendor that a slow machine kept from being
    busy is asked once more."""
    idle_seconds, sent_at = 4 * SHORT, list[float]()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n")
        sent_at[:] = [monotonic()]
        for _ in range(5):
            await asyncio.sleep(SHORT)
            await peer.send(b"x")
            sent_at.append(monotonic())

    server, client = await bench.upstream(script), bench.client()
    while True:
        try:
            found = await fetch(client, ask(server.origin, timeouts=Timeouts(idle_seconds=idle_seconds)))
        except UpstreamTimeout:
            if max(later - earlier for earlier, later in pairwise([*sent_at, monotonic()])) < idle_seconds:
                raise
        else:
            assert found[2] == b"x" * 5
            return


@on_both_clients
async def test_a_slow_reader_is_no_idle_vendor(bench: Bench) -> None:
    """Only waiting for the vendor counts: a reader that takes its time loses nothing."""
    server, client = await bench.upstream(answer_all), bench.client()
    response = await client.send(ask(server.origin, timeouts=Timeouts(idle_seconds=SHORT)))
    await asyncio.sleep(2 * SHORT)
    assert await read_all(response) == b"ok"


@on_both_clients
async def test_an_answer_nobody_reads_is_given_up(bench: Bench) -> None:
    """The total deadline holds also while nobody reads: a reader that died cannot hold a connection for ever."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello")
        await peer.until_closed()

    server, client = await bench.upstream(script), bench.client()
    response = await client.send(ask(server.origin, timeouts=Timeouts(total_seconds=SHORT)))
    await until(lambda: server.open == 0)
    with pytest.raises(UpstreamTimeout) as raised:
        await read_all(response)
    assert raised.value.phase == "total"


@on_both_clients
async def test_a_slow_reader_slows_the_vendor(bench: Bench) -> None:
    """An answer is not read faster than it is taken: the vendor's sending stops, and memory stays flat."""
    piece, count = bytes(1 << 16), 1024

    async def script(peer: Peer) -> None:
        peer.shrink_buffers()
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (len(piece) * count))
        for _ in range(count):
            await peer.send(piece)

    server, client = await bench.upstream(script), bench.client()
    response = await client.send(ask(server.origin))
    peer = server.peers[0]
    tracemalloc.start()
    try:
        await _until_still(peer)
        assert peer.sent < 16 << 20  # what the kernel holds for us, and we
        size = 0
        while chunk := await response.read():
            size += len(chunk)
            assert len(chunk) <= 1 << 20
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
    assert size == len(piece) * count


async def _until_still(peer: Peer) -> None:
    """Wait until a peer has stopped sending because nobody takes what it sends."""
    sent, since, loop = -1, 0.0, asyncio.get_running_loop()
    while sent != peer.sent or loop.time() - since < 0.05:
        if sent != peer.sent:
            sent, since = peer.sent, loop.time()
        await asyncio.sleep(0.002)


@on_both_clients
async def test_a_slow_vendor_slows_the_request(bench: Bench) -> None:
    """A large body waits where it is: no copy of it piles up in front of a vendor that reads slowly."""
    body = bytes(32 << 20)
    size = 0

    async def script(peer: Peer) -> None:
        nonlocal size
        peer.shrink_buffers()
        await peer.reader.readuntil(b"\r\n\r\n")
        begun.set()
        await go_on.wait()
        while size < len(body):
            size += len(await peer.reader.read(1 << 16))
        await peer.send(OK)

    begun, go_on = bench.event(), bench.event()
    server, client = await bench.upstream(script), bench.client()
    tracemalloc.start()
    try:
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(fetch(client, ask(server.origin, method=b"POST", body=body)))
            await begun.wait()
            await asyncio.sleep(0.05)  # time enough to copy all of it, if that were done
            go_on.set()
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
    assert size == len(body)
    assert task.result()[2] == b"ok"


class Echo:
    """A vendor that answers with the request's own number, repeated, in every framing, broken anywhere."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)

    async def __call__(self, peer: Peer) -> None:
        dice = self._dice
        while (asked := await peer.request()) is not None:
            body = asked.target * dice.randrange(1, 400)
            framing = dice.choice(("length", "chunked", "close", "cut"))
            if framing == "chunked":
                half = dice.randrange(len(body))
                parts = [part for part in (body[:half], body[half:]) if part]
                raw = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
                raw = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + raw
            else:
                length = b"content-length: %d\r\n" % len(body) if framing != "close" else b""
                raw = b"HTTP/1.1 200 OK\r\n" + length + b"\r\n" + body
            await self._send(peer, raw[:-1] if framing == "cut" else raw)
            if framing in {"close", "cut"} or dice.random() < 0.1:
                return

    async def _send(self, peer: Peer, raw: bytes) -> None:
        start = 0
        while start < len(raw):
            size = self._dice.choice((1, 7, 100, 5_000))
            await peer.send(raw[start : start + size])
            start += size
            await turns(self._dice.randrange(3))


@pytest.mark.parametrize("seed", range(3))
@on_both_clients
async def test_answers_are_never_mixed_up(bench: Bench, seed: int) -> None:
    """Of hundreds of exchanges that share a few connections, read slowly, given up, cancelled and cut, each gets its
    own answer: whole, or a fault."""
    dice = random.Random(seed)
    server, client = await bench.upstream(Echo(seed)), bench.client(bench.limits(max_connections_per_origin=5))
    outcomes: list[str] = []

    async def exchange(number: int) -> None:
        target = b"/%05d" % number
        try:
            async with asyncio.timeout(dice.choice((0.002, *[SECONDS] * 4))):
                outcomes.append(await _read_own(client, server, target, dice))
        except TimeoutError:
            outcomes.append("cancelled")
        except UpstreamFault:
            outcomes.append("fault")

    async with asyncio.TaskGroup() as tasks:
        for number in range(250):
            tasks.create_task(exchange(number))
    assert len(outcomes) == 250
    assert outcomes.count("whole") > 50
    assert outcomes.count("given up") > 5
    assert outcomes.count("fault") > 5


async def _read_own(client: UpstreamClient, server: ScriptedUpstream, target: bytes, dice: random.Random) -> str:
    response = await client.send(ask(server.origin, target))
    gives_up = dice.random() < 0.2
    body = b""
    while chunk := await response.read():
        body += chunk
        assert (target * (len(body) // len(target) + 1)).startswith(body)
        if gives_up:
            response.abort()
            return "given up"
        await turns(dice.randrange(3))
    assert len(body) % len(target) == 0
    return "whole"
