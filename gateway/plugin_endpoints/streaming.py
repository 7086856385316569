"""Step 6, streamed: a plugin's pieces on their way to the client, each when it comes; the last byte waits.

The head goes out with the plugin's ``headers`` piece, so that clients of event streams see it at once. A client that
takes nothing holds up the plugin; the sweep gives it up. Where a stream breaks behind its head, one of server-sent
events ends with an ``event: error`` frame, and of any other the last byte is missing.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from gateway.headers import BODILESS, header, own_headers
from gateway.plugin_endpoints.answers import Head, check_body, check_head, check_text
from sluice.plugin_host.answers import AnswerError
from sluice.plugin_host.deadline import DeadlineExpired, Waiting, begin_within, run_within
from sluice.sdk.endpoints import EndpointChunk

if TYPE_CHECKING:
    from gateway.asgi import Message
    from gateway.exchange import Exchange
    from gateway.plugin_endpoints.table import Endpoint
    from gateway.transfer import Transfer

_CLOSE_SECONDS = 1.0
"""What a generator has to clean up when nobody wants more of it."""
_TURN_SECONDS = 0.01
"""A generator that never waits lets the other exchanges have their turn so often."""
_END = object()


class ErrorSaid(Exception):  # noqa: N818 - the plugin's own decision
    """The plugin ended its answer with an error, which the client is told."""

    def __init__(self, said: str, status: int) -> None:
        super().__init__(said)
        self.said = said
        self.status = status


class Streaming:
    """One streamed answer."""

    def __init__(
        self, exchange: Exchange, transfer: Transfer, endpoint: Endpoint, *, max_chunk_bytes: int, copy_bytes: int
    ) -> None:
        """While the plugin is waited for the call is one of those under way; while the client is, it is not."""
        self._exchange = exchange
        self._transfer = transfer
        self._endpoint = endpoint
        self._max_chunk_bytes = max_chunk_bytes
        self._copy_bytes = copy_bytes
        self._tail = b"\n\n"
        self._turn_at = 0.0
        self.has_started = False
        """Whether the head is out."""
        self.is_complete = False
        """Whether nothing of the answer is missing but its last byte."""

    async def run(self, chunks: AsyncIterator[EndpointChunk], seconds: float) -> None:
        """Forward everything. Raises whatever the plugin raises, ``AnswerError``, ``DeadlineExpired`` or
        ``ErrorSaid``; whatever happens the plugin's generator is closed."""
        deadline = time.monotonic() + seconds
        self._turn_at = time.monotonic() + _TURN_SECONDS
        try:
            while not self.is_complete:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise DeadlineExpired
                await self._take(await self._asked(chunks, left))
                await self._give_turn()
        finally:
            await _close(chunks)

    async def _asked(self, chunks: AsyncIterator[EndpointChunk], seconds: float) -> Any:
        """The next piece, or ``_END``."""
        began = time.perf_counter_ns()
        chunk = begin_within(_next(chunks), seconds)
        held_ns = time.perf_counter_ns() - began
        if chunk.__class__ is Waiting:
            waiting = chunk
            chunk = await self._endpoint.plugin.gate.wait(waiting, held_ns)
            held_ns = waiting.held_ns
        self._endpoint.account.held_loop(held_ns)
        return chunk

    def last(self) -> list[Message]:
        """The messages that wait for the record. Raises ``ClientGone`` where the client missed more than these."""
        return self._transfer.last(b"")

    def broken(self, error: bytes) -> list[Message]:
        """What ends an answer whose head is out and whose rest does not come; nothing where that cannot be said."""
        content_type = header(self._exchange.response_headers, b"content-type") or b""
        if not content_type.lower().startswith(b"text/event-stream"):
            return []
        boundary = b"" if self._tail.endswith((b"\n\n", b"\r\n\r\n", b"\r\r")) else b"\n\n"
        frame = boundary + b"event: error\ndata: " + error + b"\n\n"
        self._exchange.keep_copy(frame, self._copy_bytes)
        return self._transfer.last(frame)

    async def _take(self, chunk: Any) -> None:
        if chunk is _END:
            await self._end()
            return
        if not isinstance(chunk, EndpointChunk):
            message = f"yielded {type(chunk).__name__}, not EndpointChunk"
            raise AnswerError(message)
        kind: str = chunk.kind  # whatever it says
        match kind:
            case "headers":
                await self._start(check_head(chunk.status_code, chunk.headers))
            case "body":
                await self._forward(check_body(chunk.data, self._max_chunk_bytes))
            case "done":
                await self._end()
            case "error":
                raise ErrorSaid(check_text(chunk.message), check_head(chunk.status_code, {}).status)
            case _:
                message = f"yielded a chunk of kind {kind!r:.40}"
                raise AnswerError(message)

    async def _start(self, head: Head) -> None:
        if self.has_started:
            message = "yielded headers when the head was out"
            raise AnswerError(message)
        exchange = self._exchange
        exchange.response_code, exchange.response_headers = head.status, [*head.headers, *own_headers(exchange)]
        exchange.is_stream = self.has_started = True
        self._endpoint.plugin.gate.abandoned()  # it may last: whoever tries the plugin next waits for no end of it
        await self._transfer.start()
        self.is_complete = exchange.method == "HEAD" or head.status in BODILESS

    async def _forward(self, data: bytes) -> None:
        if not self.has_started:
            await self._start(Head(200, []))
        if not data or self.is_complete:
            return
        exchange = self._exchange
        if not exchange.first_byte_ns:
            exchange.first_byte_ns = time.monotonic_ns()
        exchange.chunk_count += 1
        exchange.keep_copy(data, self._copy_bytes)
        self._tail = (self._tail + data[-4:])[-4:]
        await self._transfer.forward(data)

    async def _end(self) -> None:
        if not self.has_started:
            await self._start(Head(200, []))
        self.is_complete = True

    async def _give_turn(self) -> None:
        now = time.monotonic()
        if now >= self._turn_at:
            await asyncio.sleep(0)
            self._turn_at = time.monotonic() + _TURN_SECONDS


async def _next(chunks: AsyncIterator[Any]) -> Any:
    try:
        return await chunks.__anext__()
    except StopAsyncIteration:
        return _END


async def _close(chunks: Any) -> None:
    """However it takes that: a generator that raises while it is closed changes nothing."""
    with suppress(Exception):
        if inspect.iscoroutine(chunks):
            chunks.close()
        else:
            await run_within(chunks.aclose(), _CLOSE_SECONDS)
