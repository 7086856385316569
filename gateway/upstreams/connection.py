"""One connection to a vendor: one request at a time, its deadlines, and back-pressure both ways.

Its life: dialled, then any number of (``start`` → answer → ``finish``), then closed. Whatever goes wrong ends in
``fail``: the answer gets its fault, the connection is aborted and leaves its pool. Nothing here is a task or a timer of
its own: bytes come from the event loop, and deadlines are looked at by the client's sweep.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from gateway.errors import UpstreamFault, UpstreamProtocolError, UpstreamTimeout
from gateway.upstreams.client import RELEASE_SECONDS
from gateway.upstreams.dial import closed_properly
from gateway.upstreams.parser import AnswerParser
from gateway.upstreams.response import LeanResponse

if TYPE_CHECKING:
    from gateway.upstreams.client import UpstreamRequest
    from gateway.upstreams.limits import ClientLimits
    from gateway.upstreams.pool import Pool

_PIECE_BYTES = 64 * 1024
"""A larger body is handed to the transport in pieces of this size, each when the one before has left: the default
high-water mark of asyncio's and uvloop's transports."""
_LINE_END = b"\r\n"
_LARGE = 2048
"""A chunk that takes so many bytes goes through the parser: that is little to what it costs otherwise."""


def _chunk_of(size: int) -> tuple[bytes, int]:
    """How a chunk of the chunked coding that takes so many bytes in all begins, as we write it, and how much content is
    in it."""
    for content in range(max(size - 8, 1), size):
        line = b"%x\r\n" % content
        if len(line) + content + len(_LINE_END) == size:
            return line, content
    return b"", -1  # no such chunk: none has so much


_CHUNKS = tuple(map(_chunk_of, range(_LARGE)))


class StaleConnectionError(UpstreamProtocolError):
    """A kept connection was closed before it gave a byte: the vendor had given it up before our request came."""


class Connection(asyncio.Protocol):
    """A pooled connection. Public methods are for its response, its pool and its client."""

    __slots__ = (
        "_idle_since",
        "_limits",
        "_loop",
        "_parser",
        "_paused_reading",
        "_paused_writing",
        "_pool",
        "_pooled",
        "_response",
        "_retire_at",
        "_reused",
        "_transport",
        "_unsent",
        "lost",
    )

    def __init__(self, pool: Pool, limits: ClientLimits, loop: asyncio.AbstractEventLoop) -> None:
        self._pool = pool
        self._pooled = False
        """It holds a slot of its pool."""
        self._limits = limits
        self._loop = loop
        self._parser = AnswerParser(limits)
        self._response: LeanResponse | None = None
        self._unsent: memoryview | None = None
        self._paused_reading = False
        self._paused_writing = False
        self._reused = False
        self._retire_at = loop.time() + limits.max_age_seconds
        self._idle_since = self._loop.time()
        self.lost = loop.create_future()
        """Done when the event loop has let go of the transport."""

    # what the pool, the client and the response call

    def adopt(self) -> None:
        """The pool counts it from now on."""
        self._pooled = True

    def start(self, head: bytes, request: UpstreamRequest, total_at: float) -> LeanResponse:
        """Write a request; its answer fills the response that is returned."""
        timeouts, body, transport = request.timeouts, request.body, self._transport
        response = self._response = LeanResponse(self, self._loop, timeouts)
        response.total_at = total_at
        response.deadline = self._loop.time() + timeouts.first_byte_seconds
        self._parser.begin(response, is_head=request.method == b"HEAD")
        if transport.is_closing():
            self._cut()
        elif len(body) <= _PIECE_BYTES:
            self._pool.departures.put(transport, head + body, self._loop)
        else:
            transport.write(head)
            self._unsent = memoryview(body)
            self._write_on()
        return response

    def finish(self) -> None:
        """The reader took the end of the answer: back to the pool, if nothing speaks against it."""
        self._response = None
        now = self._loop.time()
        if not self._reusable() or now >= self._retire_at:
            self.close()
            return
        self._reused = True
        self._idle_since = now
        self._pool.put(self)

    def resume(self) -> None:
        """The reader made room: read on."""
        if self._paused_reading:
            self._paused_reading = False
            if not self._transport.is_closing():
                self._transport.resume_reading()

    def fail(self, fault: UpstreamFault) -> None:
        """End the answer with a fault, and the connection with it."""
        response = self._response
        if response is not None:
            response.fault = fault
            response.connection = None
        self.close()
        if response is not None:
            response.wake()

    def close(self) -> None:
        """Close at once and leave the pool. Idempotent."""
        self._response = None
        self._unsent = None
        self._transport.abort()
        if self._pooled:
            self._pooled = False
            self._pool.remove(self)

    def expire(self, now: float) -> None:
        """Close the connection if a deadline has passed: of its answer, or of its idleness."""
        response = self._response
        if response is None:
            if now - self._idle_since >= self._limits.max_idle_seconds:
                self.close()
        elif now >= response.total_at:
            self._expire_total(response)
        elif response.is_released and now >= response.deadline:
            self.fail(UpstreamTimeout("idle", RELEASE_SECONDS))
        elif response.has_moved:
            response.has_moved = False
            response.deadline = now + response.timeouts.idle_seconds
        elif response.waiter is not None and now >= response.deadline:
            timeouts = response.timeouts
            if response.status:
                self.fail(UpstreamTimeout("idle", timeouts.idle_seconds))
            else:
                self.fail(UpstreamTimeout("first_byte", timeouts.first_byte_seconds))

    def idle_until(self) -> float:
        """When it will have been idle for too long; 0 where it has an answer, whose deadlines move, or is closed."""
        is_idle = self._response is None and self.is_usable()
        return self._idle_since + self._limits.max_idle_seconds if is_idle else 0.0

    def is_usable(self) -> bool:
        """Whether a request may be written to it."""
        return not self._transport.is_closing()

    # what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands, TLS included."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Bytes came: of the answer, or out of turn, which spoils the connection."""
        response = self._response
        if response is None:
            self.close()
            return
        take = response.take
        if take is not None and self._parser.is_between_chunks and (size := len(data)) < _LARGE:
            line, content = _CHUNKS[size]
            piece = data.removeprefix(line).removesuffix(_LINE_END)
            if len(piece) == content:  # both were there: faster than to look at each
                # One chunk, written as we write them: the parser stays where it is. So come nearly all of a stream.
                response.has_moved = True
                try:
                    if take(piece, data):
                        response.suffice()
                except Exception as error:  # noqa: BLE001 - it is that of the caller, who is told
                    response.give_up(error)
                return
        self._parse(response, data)

    def eof_received(self) -> None:
        """The vendor closed properly, which ends an answer that has no other end."""
        response = self._response
        if response is not None:
            if self._parser.complete or (closed_properly(self._transport) and self._parser.end()):
                response.drop() if response.is_released else response.wake()
            else:
                self._cut()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone. Without an end of file before it (TLS: without ``close_notify``) it was cut."""
        if self._response is None:
            self.close()
        elif not self._parser.complete:
            self._cut(exc)
        self._pool.forget(self)
        self.lost.set_result(None)

    def pause_writing(self) -> None:
        """The transport holds enough unsent bytes."""
        self._paused_writing = True

    def resume_writing(self) -> None:
        """The transport takes more: the rest of a large body, also while its answer is already being read."""
        self._paused_writing = False
        self._write_on()

    # details

    def _parse(self, response: LeanResponse, data: bytes) -> None:
        try:
            self._parser.feed(data)
        except UpstreamProtocolError as fault:
            self.fail(fault)
            return
        if response.take is not None and response.chunks:
            response.give(response.take, response.joined())
            if not response.complete:
                return
        elif response.is_released:
            response.drop()
            return
        if response.buffered_bytes >= self._limits.max_buffered_bytes and not self._paused_reading:
            self._paused_reading = True
            self._transport.pause_reading()
        if response.waiter is not None and response.status:
            response.wake()

    def _write_on(self) -> None:
        while (rest := self._unsent) is not None and not self._paused_writing:
            self._unsent = rest[_PIECE_BYTES:] if len(rest) > _PIECE_BYTES else None
            self._transport.write(rest[:_PIECE_BYTES])

    def _reusable(self) -> bool:
        parser = self._parser
        return (
            parser.keep_alive
            and parser.clean
            and self._unsent is None
            and not self._paused_writing
            and self.is_usable()
        )

    def _cut(self, cause: Exception | None = None) -> None:
        """The connection ended before the answer did."""
        reason = f" ({cause})" if cause else ""
        if not self._parser.heard:
            kind = StaleConnectionError if self._reused else UpstreamProtocolError
            self.fail(kind(f"upstream closed the connection without an answer{reason}"))
        elif self._response is not None and self._response.status:
            self.fail(UpstreamProtocolError(f"upstream closed the connection inside the answer's body{reason}"))
        else:
            self.fail(UpstreamProtocolError(f"upstream closed the connection inside the answer's head{reason}"))

    def _expire_total(self, response: LeanResponse) -> None:
        if response.complete:  # all of it is here; only its reader never came, or gave up without a word
            response.connection = None
            self.close()
        else:
            self.fail(UpstreamTimeout("total", response.timeouts.total_seconds))
