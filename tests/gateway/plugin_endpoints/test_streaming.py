"""Streamed answers: each piece when it comes, the last byte held, and how a broken stream ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.plugin_endpoints.streaming import ErrorSaid, Streaming
from gateway.plugin_endpoints.table import RouteTable
from gateway.settings import GatewaySettings
from gateway.transfer import Transfer
from sluice.plugin_host.answers import AnswerError
from sluice.plugin_host.deadline import DeadlineExpired
from sluice.sdk import EndpointChunk
from tests.gateway.plugin_endpoints.loaded_plugins import endpoint, loaded_plugin
from tests.gateway.test_exchange import an_exchange

SSE = EndpointChunk.head(200, {"content-type": "text/event-stream"})


class Wire:
    """What went to the client; a ``send`` that can be made to wait."""

    def __init__(self, **exchange: Any) -> None:
        self.sent: list[dict[str, Any]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.exchange = an_exchange(**exchange)
        plugin = loaded_plugin(endpoint("/a"))
        self.gate = plugin.gate
        found = RouteTable({"s": plugin}).find("s", ("a",), "GET")
        assert found
        transfer = Transfer(GatewaySettings(), self.exchange, self.send)
        self.streaming = Streaming(self.exchange, transfer, found.endpoint, max_chunk_bytes=100, copy_bytes=8)

    async def send(self, message: Any) -> None:
        await self.open.wait()
        self.sent.append(message)

    async def run(self, *chunks: Any, seconds: float = 5.0) -> None:
        """Stream these."""

        async def generate() -> AsyncIterator[Any]:
            for chunk in chunks:
                yield chunk

        await self.streaming.run(generate(), seconds)

    @property
    def body(self) -> bytes:
        """Of the messages that were sent."""
        return b"".join(message.get("body", b"") for message in self.sent)


async def test_pieces_go_out_as_they_come_and_the_end_waits() -> None:
    """Head, pieces; the end is handed back. What passed is counted, its beginning kept."""
    wire = Wire()
    await wire.run(EndpointChunk.head(201, {"x-a": "1"}), EndpointChunk(data=b"12345"), EndpointChunk(data=b"67890"))
    head, *pieces = wire.sent
    assert (head["status"], head["headers"][0]) == (201, (b"x-a", b"1"))
    assert {name for name, _ in head["headers"]} == {b"x-a", b"x-request-id", b"x-sluice-exchange-id"}
    assert [piece["body"] for piece in pieces] == [b"12345", b"67890"]
    assert wire.streaming.last() == [{"type": "http.response.body", "body": b"", "more_body": False}]
    exchange = wire.exchange
    assert (exchange.chunk_count, exchange.response_bytes, exchange.is_stream) == (2, 10, True)
    assert b"".join(exchange.response_copy) == b"12345678"
    assert exchange.first_byte_ns
    assert exchange.deadline == 0.0


@pytest.mark.parametrize("chunks", [[], [EndpointChunk("done")], [EndpointChunk(data=b"")]])
async def test_a_stream_without_anything_is_an_empty_answer(chunks: list[EndpointChunk]) -> None:
    """200, no body."""
    wire = Wire()
    await wire.run(*chunks)
    assert [message["type"] for message in wire.sent] == ["http.response.start"]
    assert wire.sent[0]["status"] == 200


async def test_nothing_behind_done_is_asked_for() -> None:
    """The generator is closed there."""
    wire, asked = Wire(), []

    async def chunks() -> AsyncIterator[EndpointChunk]:
        try:
            yield EndpointChunk("done")
            asked.append("more")
        finally:
            asked.append("closed")

    await wire.streaming.run(chunks(), 5.0)
    assert asked == ["closed"]


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
async def test_an_answer_that_has_no_body_ends_with_its_head(method: str, status: int) -> None:
    """Whatever the plugin would yield."""
    wire = Wire(method=method)
    await wire.run(EndpointChunk.head(status), EndpointChunk(data=b"never"))
    assert (wire.body, len(wire.sent), wire.exchange.response_bytes) == (b"", 1, 0)


@pytest.mark.parametrize(
    ("chunk", "reason"),
    [
        (b"bytes", "yielded bytes, not EndpointChunk"),
        (None, "yielded NoneType"),
        (EndpointChunk("nonsense"), "kind 'nonsense'"),  # type: ignore[arg-type]
        (EndpointChunk(None), "kind None"),  # type: ignore[arg-type]
        (EndpointChunk(data="text"), "type str, not bytes"),  # type: ignore[arg-type]
        (EndpointChunk(data=bytes(101)), "101 bytes, more than 100"),
        (EndpointChunk.head(42), "status 42"),
        (EndpointChunk.head(200, {"x-a": "1\n2"}), "headers cannot be sent"),
        (EndpointChunk.head(200, 3), "headers are of type int"),  # type: ignore[arg-type]
        (EndpointChunk.error(3), "message is of type int"),  # type: ignore[arg-type]
    ],
)
async def test_garbage_is_an_error_that_says_what_came(chunk: Any, reason: str) -> None:
    """Before the head nothing went out; behind it only what was good."""
    wire = Wire()
    with pytest.raises(AnswerError, match=reason):
        await wire.run(chunk)
    assert wire.sent == []
    wire = Wire()
    with pytest.raises(AnswerError):
        await wire.run(EndpointChunk(data=b"good"), chunk)
    assert wire.body == b"good"


async def test_a_head_that_comes_too_late_is_an_error() -> None:
    """Behind another, or behind the body."""
    for first in (SSE, EndpointChunk(data=b"x")):
        with pytest.raises(AnswerError, match="when the head was out"):
            await Wire().run(first, SSE)


async def test_the_plugin_s_own_error_is_told_apart() -> None:
    """It has its status where nothing is out."""
    wire = Wire()
    with pytest.raises(ErrorSaid) as said:
        await wire.run(EndpointChunk.error("sold out", 409))
    assert (said.value.said, said.value.status, wire.streaming.has_started) == ("sold out", 409, False)


@pytest.mark.parametrize("ending", [b"\n\n", b"\r\n\r\n", b"\r\r", b"", b"\n", b"data: half", b"\r\n"])
async def test_a_broken_event_stream_ends_with_an_error_frame_of_its_own(ending: bytes) -> None:
    """Wherever it broke, the frame is a frame: an empty line stands before it where none did."""
    wire = Wire()
    await wire.run(SSE, EndpointChunk(data=b"data: 1" + ending))
    (end,) = wire.streaming.broken(b'{"error":"why"}')
    assert end["more_body"] is False
    whole = (b"data: 1" + ending + end["body"]).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    assert whole.endswith(b'\n\nevent: error\ndata: {"error":"why"}\n\n')


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/json", "text/event"])
async def test_any_other_stream_can_only_be_cut(content_type: str | None) -> None:
    """Nothing that could be taken for its end."""
    wire = Wire()
    await wire.run(EndpointChunk.head(200, {"content-type": content_type} if content_type else {}))
    assert wire.streaming.broken(b"{}") == []


@pytest.mark.parametrize("content_type", ["text/event-stream; charset=utf-8", "Text/Event-Stream"])
async def test_an_event_stream_is_one_however_it_is_written(content_type: str) -> None:
    """With parameters, in any case."""
    wire = Wire()
    await wire.run(EndpointChunk.head(200, {"content-type": content_type}))
    assert wire.streaming.broken(b"{}")


async def test_the_time_of_a_whole_stream_is_bounded() -> None:
    """Of one that hangs, of one that goes on for ever, and of one that never waits for anything; each is closed."""
    closed = []

    async def hangs() -> AsyncIterator[EndpointChunk]:
        try:
            yield SSE
            await asyncio.sleep(60)
        finally:
            closed.append("hangs")

    async def goes_on() -> AsyncIterator[EndpointChunk]:
        try:
            while True:
                yield EndpointChunk(data=b"x")
                await asyncio.sleep(0.001)
        finally:
            closed.append("goes on")

    async def never_waits() -> AsyncIterator[EndpointChunk]:
        try:
            while True:
                yield EndpointChunk(data=b"x")
        finally:
            closed.append("never waits")

    for chunks in (hangs, goes_on, never_waits):
        with pytest.raises(DeadlineExpired):
            await Wire().streaming.run(chunks(), 0.05)
    assert closed == ["hangs", "goes on", "never waits"]


async def test_a_generator_that_never_waits_lets_others_have_their_turn() -> None:
    """The loop goes round while it floods."""
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def flood() -> AsyncIterator[EndpointChunk]:
        while True:
            yield EndpointChunk(data=b"x")

    async with asyncio.TaskGroup() as tasks:
        counting = tasks.create_task(count())
        with pytest.raises(DeadlineExpired):
            await Wire().streaming.run(flood(), 0.1)
        counting.cancel()
    assert turns >= 3


async def test_a_slow_client_holds_up_the_plugin() -> None:
    """No piece is asked for before the one before it was taken, and meanwhile the call is not under way."""
    wire, asked = Wire(), []

    async def chunks() -> AsyncIterator[EndpointChunk]:
        for at in range(3):
            asked.append(at)
            yield EndpointChunk(data=b"x")
            await asyncio.sleep(0)

    wire.open.clear()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(wire.streaming.run(chunks(), 5.0))
        for _ in range(20):
            await asyncio.sleep(0)
        assert (asked, wire.gate.under_way) == ([0], 0)
        wire.open.set()
    assert asked == [0, 1, 2]


async def test_a_call_is_under_way_while_its_plugin_is_waited_for() -> None:
    """So a bound on calls under way counts it."""
    wire, go_on = Wire(), asyncio.Event()

    async def chunks() -> AsyncIterator[EndpointChunk]:
        await go_on.wait()
        yield SSE

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(wire.streaming.run(chunks(), 5.0))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert wire.gate.under_way == 1
        go_on.set()
    assert wire.gate.under_way == 0


async def test_a_generator_that_refuses_to_end_ends_nobody_else() -> None:
    """What it raises or swallows while it is closed changes nothing of the outcome."""

    async def swallows() -> AsyncIterator[EndpointChunk]:
        try:
            yield EndpointChunk("done")
        finally:
            message = "not so fast"
            raise RuntimeError(message)

    wire = Wire()
    await wire.streaming.run(swallows(), 5.0)
    assert wire.streaming.is_complete


@pytest.mark.parametrize("chunks", [[EndpointChunk()], None, 3, EndpointChunk()])
async def test_what_is_no_generator_is_an_error(chunks: Any) -> None:
    """Whatever the method handed back."""
    with pytest.raises(AttributeError):
        await Wire().streaming.run(chunks, 5.0)


async def test_a_coroutine_instead_of_a_generator_is_an_error_and_closed() -> None:
    """Nobody is warned of one that was never awaited."""

    async def coroutine() -> list[EndpointChunk]:
        return []

    with pytest.raises(AttributeError):
        await Wire().streaming.run(coroutine(), 5.0)  # type: ignore[arg-type]
