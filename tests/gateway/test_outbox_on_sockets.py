"""What clients get of outboxes, over real sockets, in both event loops."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from gateway.asgi import Receive, Scope, Send
from gateway.outbox import MAX_BEGINNING, MAX_END_TURNS, MAX_WAITING_BYTES
from tests.contracts.scripted_upstream import SECONDS, turns, until
from tests.gateway.test_asgi import GET, Held, answer, serving, streaming

Run = Callable[[Coroutine[Any, Any, None]], None]
on_both_loops = pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
"""Ours is uvloop's; the other writes, closes and reads an end in another order."""


@on_both_loops
@pytest.mark.parametrize("pieces", [(b"abc",), (b"x" * MAX_WAITING_BYTES, b"yz"), (b"a", b"b", b"c")])
def test_a_worker_that_stops_brings_out_the_answer_of_this_turn(run: Run, pieces: tuple[bytes, ...]) -> None:
    """Over a real socket: the server closes kept connections in the very turn in which an answer ended."""

    async def scene() -> None:
        held = Held(headers=[(b"content-length", b"%d" % sum(map(len, pieces)))])
        async with serving(held) as house:
            client = await house.connect(GET)
            await held.begun.wait()
            for piece in pieces[:-1]:
                held.connection.body_writer()(piece)
            await held.end(pieces[-1])
            held.connection.shutdown()
            await client.head()
            assert await client.read() == b"".join(pieces)

    run(scene())


@on_both_loops
def test_no_burst_waits_for_a_flood_of_requests(run: Run) -> None:
    """Over real sockets: what two streams have to write is out before the first of so many begins."""

    async def scene() -> None:
        held, waiting = [Held(), Held()], list[bytes]()
        applications = iter(held)

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            stream = next(applications, None)
            if stream is not None:
                await stream(scope, receive, send)
                return
            waiting.extend([stream.connection.outbox.waiting for stream in held])
            await answer(send, b"a")

        async with serving(app) as house:
            for stream in held:
                client = await house.connect(GET)
                await stream.begun.wait()
                await client.head()
            for _ in range(MAX_BEGINNING + 1):
                await house.connect()
            await until(lambda: len(house.connections) == len(held) + MAX_BEGINNING + 1)
            streaming = [stream.connection for stream in held]
            others = [connection for connection in house.connections if connection not in streaming]
            streaming[0].turn.clock = lambda: 0.0  # however busy this machine is
            for connection in streaming:
                connection.body_writer()(b"abc")
            for connection in others:
                connection.data_received(GET)
            await until(lambda: len(waiting) == len(held) * len(others))
            for stream in held:
                await stream.end()
        assert not any(waiting)

    run(scene())


@on_both_loops
@pytest.mark.parametrize("is_end_expected", [False, True])
def test_an_aborted_answer_keeps_what_went_before(run: Run, is_end_expected: bool) -> None:
    """Over a real socket: the piece that was passed on before the abort arrives, the end does not, as where a record
    fails while the piece waits for it."""

    async def scene() -> None:
        async with streaming() as (held, client):
            held.connection.body_writer()(b"abc")
            if is_end_expected:
                held.connection.expect_end()
                await turns(MAX_END_TURNS - 1)
            held.connection.abort()
            assert await client.reader.readexactly(8) == b"3\r\nabc\r\n"
            assert await client.read() == b""
            await held.end()

    run(scene())


@on_both_loops
def test_a_connection_s_end_goes_out_with_what_came_before_it(run: Run) -> None:
    """Over a real socket: in one write."""

    async def scene() -> None:
        async with streaming() as (held, client):
            held.connection.turn.clock = lambda: 0.0  # however busy this machine is
            held.connection.body_writer()(b"abc")
            held.connection.expect_end()
            await turns(MAX_END_TURNS - 1)
            await held.end()
            assert await client.reader.read(1 << 16) == b"3\r\nabc\r\n0\r\n\r\n"

    run(scene())


@on_both_loops
def test_a_client_that_ends_its_side_still_gets_what_was_put(run: Run) -> None:
    """Over a real socket: its end is read between a piece and the end of that piece's turn, and closes our side."""

    async def scene() -> None:
        async with streaming() as (held, client):
            client.writer.write_eof()
            asyncio.get_running_loop().call_soon(held.connection.body_writer(), b"abc")
            assert await client.read() == b"3\r\nabc\r\n"
            await until(lambda: held.exchange.client_left)
            await held.end()

    run(scene())


async def all_of(reader: asyncio.StreamReader) -> bytes:
    """An answer to the end of its chunked coding, however large."""
    data = bytearray()
    while not data.endswith(b"\r\n0\r\n\r\n"):
        data += await reader.read(1 << 20)
    return bytes(data)


@on_both_loops
def test_who_reads_slowly_stops_who_writes(run: Run) -> None:
    """Over a real socket: small pieces too are noticed in time, and all of them arrive when the client reads again."""
    piece = b"x" * 1_000

    async def scene() -> None:
        count = 0
        held = Held()
        async with serving(held) as house:
            client = await house.connect(GET)
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]
            await held.begun.wait()
            write = held.connection.body_writer()
            while write(piece):
                count += 1
                assert count < 50_000, "a client that takes nothing is written to without an end"
            waiting = held.connection.transport.get_write_buffer_size()
            assert waiting < 256 << 10, "the rest lies in the sockets"
            client.writer.transport.resume_reading()  # type: ignore[attr-defined]
            async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as group:
                reading = group.create_task(all_of(client.reader))
                await held.connection.drain()
                await held.end()
            assert reading.result().count(piece) == count + 1

    run(scene())
