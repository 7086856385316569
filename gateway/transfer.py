"""An answer's bytes on their way to the client, and the answers that are ours."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from gateway.errors import UpstreamFault
from gateway.headers import BODILESS, own_headers
from gateway.outcomes import ClientGone, Outcome, Refusal, ResponseRefused
from gateway.upstreams.caller import fault_outcome
from gateway.upstreams.vendors.openai import OpenAi

if TYPE_CHECKING:
    from gateway.asgi import Message, Send, Write
    from gateway.exchange import Exchange
    from gateway.recording.inflight import Progress
    from gateway.settings import GatewaySettings
    from gateway.upstreams.client import Headers, Take, UpstreamResponse
    from gateway.upstreams.vendors.dialect import StreamScanner

_DEFAULT_DIALECT = OpenAi()


class Transfer:
    """One answer's bytes, counted, copied and sent. Knows whether the head is out and whether the client is there."""

    def __init__(
        self, settings: GatewaySettings, exchange: Exchange, send: Send | None, max_response_bytes: int = 0
    ) -> None:
        self._settings = settings
        self._max_bytes = max_response_bytes or sys.maxsize
        self._copy_bytes = settings.bodies.max_bytes
        self._exchange = exchange
        self._send = send
        self._started = False
        self._missed = False
        self._drained_bytes = 0
        self._is_drained = self._is_too_large = False

    async def next(self, response: UpstreamResponse) -> bytes:
        """The next chunk, or ``b""`` at the end. Raises ``Refusal`` (nothing is out yet), ``BrokenAnswer`` or
        ``ClientGone`` (the client left, and what may be drained has been)."""
        exchange = self._exchange
        try:
            chunk = await response.read()
        except UpstreamFault as fault:
            raise self._broken(fault) from fault
        if not chunk:
            return b""
        exchange.chunk_count += 1
        received = self._count(chunk)
        if exchange.client_left and self._drain(chunk):
            response.abort()
            raise self._gone()
        if received > self._max_bytes:
            raise self._too_large(response)
        return chunk

    def _count(self, chunk: bytes) -> int:
        """Count and copy what came of the vendor's answer; returns how much that is so far."""
        return self._exchange.keep_copy(chunk, self._copy_bytes)

    async def pump(self, response: UpstreamResponse, scanner: StreamScanner, progress: Progress) -> None:
        """Forward what a scanner lets go, in the very moment in which it comes, until the terminal event or the end.

        No task wakes for a piece: it goes from one socket to the other in the event loop's own call. ``progress`` gets
        with each how many bytes and frames there were until now. What came together with a terminal event may wait to
        go out with it. Raises as ``next``.
        """
        exchange, connection = self._exchange, self._exchange.connection
        feed, write = scanner.feed, self._writer()
        keep, copy_bytes = exchange.response_copy.append, self._copy_bytes
        max_bytes, is_bounded = self._max_bytes, self._max_bytes < sys.maxsize
        numbers, bytes_at = progress
        frames_at = bytes_at + 1
        count, size = exchange.chunk_count, exchange.response_bytes  # told to the exchange when it is over

        def take(piece: bytes, chunk: bytes) -> bool:
            nonlocal count, size
            count += 1
            size += len(piece)
            if size <= copy_bytes:  # as ``Exchange.keep_copy``, with what is told to the exchange at the end alone
                keep(piece)
            elif (left := copy_bytes - size + len(piece)) > 0:
                keep(piece[:left])
            if is_bounded and size > max_bytes:
                self._is_too_large = True
                return True
            out = feed(piece)
            numbers[bytes_at] = size
            numbers[frames_at] = scanner.sse_frames
            if exchange.client_left:
                self._missed = self._missed or bool(out)
                return self._drain(piece) or scanner.ended
            if out is piece:  # nothing is held of it: the stream goes on
                return not write(out, chunk)
            return (bool(out) and not write(out)) or self._awaits_end(scanner)

        try:
            while not scanner.ended:
                if await self._pumped(response, take):
                    self.ended()
                    return
                if not write(b""):  # the client takes no more for now
                    exchange.deadline = time.monotonic() + self._settings.client_write_timeout_seconds
                    await connection.drain()
                    exchange.deadline = 0.0
            self.terminated()
        finally:
            exchange.chunk_count, exchange.response_bytes, exchange.sse_frames = count, size, scanner.sse_frames

    def _writer(self) -> Write:
        exchange = self._exchange
        write = exchange.connection.body_writer()
        return write if exchange.stream_copy is None else exchange.stream_copy.beside(write)

    async def _pumped(self, response: UpstreamResponse, take: Take) -> bool:
        """Whether the answer has ended; if not, ``take`` has enough for now."""
        try:
            ended = await response.pump(take)
        except UpstreamFault as fault:
            raise self._broken(fault) from fault
        if self._is_drained:
            response.abort()
            raise self._gone()
        if self._is_too_large:
            raise self._too_large(response)
        return ended

    def _awaits_end(self, scanner: StreamScanner) -> bool:
        """Whether the terminal event is here; what was just written may wait for it then."""
        if scanner.ended:
            self._exchange.connection.expect_end()
        return scanner.ended

    def _drain(self, chunk: bytes) -> bool:
        """Count what came after the client left; whether that is enough."""
        self._drained_bytes += len(chunk)
        self._is_drained = self._drained_bytes > self._settings.drain_max_bytes or self._exchange.drain_expired
        return self._is_drained

    def _gone(self) -> ClientGone:
        self._exchange.partial = True
        return ClientGone()

    def _too_large(self, response: UpstreamResponse) -> Exception:
        """The answer passed its LLM's ``max_response_bytes``: it is cut there, what came of it is charged."""
        response.abort()
        exchange = self._exchange
        exchange.partial = True
        return ClientGone() if exchange.client_left else too_large(self._max_bytes, started=self._started)

    def _broken(self, fault: UpstreamFault) -> Exception:
        exchange = self._exchange
        exchange.partial = True
        if exchange.client_left:
            return ClientGone()
        status, outcome = fault_outcome(fault)
        return BrokenAnswer(status, outcome, str(fault), started=self._started)

    async def start(self) -> None:
        """Send the head."""
        self._started = True
        if self._exchange.stream_copy is not None:
            self._exchange.stream_copy.has_begun = True
        if self._send is not None and not self._exchange.client_left:
            await self._send(self._head())

    async def forward(self, chunk: bytes) -> None:
        """Send a chunk at once; a client that does not take it is given up by the sweep."""
        exchange = self._exchange
        if exchange.client_left or self._send is None:
            self._missed = True
            return
        if not self._started:
            await self.start()
        exchange.deadline = time.monotonic() + self._settings.client_write_timeout_seconds
        await self._send({"type": "http.response.body", "body": chunk, "more_body": True})
        exchange.deadline = 0.0

    def ended(self) -> None:
        """The upstream's answer was read to its end."""
        self._exchange.upstream_ended_ns = time.monotonic_ns()

    def terminated(self) -> None:
        """The stream's terminal event is here; what is behind it nobody waits for."""
        self._exchange.terminal_ns = time.monotonic_ns()

    def last(self, held: bytes) -> list[Message]:
        """The messages that end the answer. Raises ``ClientGone`` where the client missed more than these."""
        if self._missed or (self._exchange.client_left and not self._started):
            raise self._gone()
        end: Message = {"type": "http.response.body", "body": held, "more_body": False}
        return [end] if self._started else [self._head(), end]

    def _head(self) -> Message:
        exchange = self._exchange
        return {"type": "http.response.start", "status": exchange.response_code, "headers": exchange.response_headers}


class BrokenAnswer(Refusal):
    """The upstream's answer broke off. Before our head went out it is refused; behind it the connection is closed."""

    def __init__(self, status: int, outcome: Outcome, message: str, *, started: bool, code: str = "") -> None:
        self.status = status
        self.outcome = outcome
        super().__init__(message, code)
        self.started = started


def too_large(max_bytes: int, *, started: bool) -> BrokenAnswer:
    """An answer that passes its LLM's ``max_response_bytes``."""
    message = f"the answer is larger than {max_bytes} bytes (the LLM's max_response_bytes)"
    return BrokenAnswer(502, "upstream_error", message, started=started, code="response_too_large")


def more_than_plugins_read(exchange: Exchange, response: UpstreamResponse) -> ResponseRefused:
    """An answer that passes what is gathered for plugins; it is given up there."""
    response.abort()
    exchange.partial = True
    return ResponseRefused("the response is larger than its plugins may read (gateway.max_response_bytes)")


def refuse(exchange: Exchange, refusal: Refusal) -> list[Message]:
    """An answer of ours instead of the vendor's, in the vendor's dialect; nothing where the answer has begun."""
    note_refusal(exchange, refusal)
    if isinstance(refusal, BrokenAnswer) and refusal.started:
        return []
    dialect = exchange.llm.dialect if exchange.llm else _DEFAULT_DIALECT
    body = refusal.body
    if body is None:
        body = dialect.error_body(refusal.status, refusal.message, refusal.code, exchange.path)
    if refusal.status in BODILESS:
        body = b""
    headers: Headers = [*refusal.headers, (b"content-length", str(len(body)).encode()), *own_headers(exchange)]
    if not any(name == b"content-type" for name, _ in refusal.headers):
        headers.append((b"content-type", b"application/json"))
    if refusal.close:
        headers.append((b"connection", b"close"))
    exchange.response_code, exchange.response_headers = refusal.status, headers
    exchange.response_copy, exchange.response_bytes = [body], len(body)
    return [
        {"type": "http.response.start", "status": refusal.status, "headers": headers},
        {"type": "http.response.body", "body": body, "more_body": False},
    ]


def note_refusal(exchange: Exchange, refusal: Refusal) -> None:
    """What became of the exchange, and why."""
    exchange.outcome = refusal.outcome
    exchange.error_kind = exchange.error_kind or refusal.code
    exchange.error_message = refusal.detail or refusal.message
