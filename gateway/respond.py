"""Step 7: the vendor's answer on its way to the client, all but the last byte.

The last byte is what ends the answer: the chunk that completes a ``Content-Length``, a stream's terminal event, or
where there is neither the end of the chunked coding. It is returned, and goes out when the record is durable.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from gateway.headers import downstream_headers, header
from gateway.outcomes import ClientGone, ResponseRefused
from gateway.transfer import Transfer, too_large
from gateway.usage import take_answer

if TYPE_CHECKING:
    from gateway.asgi import Message, Send
    from gateway.exchange import Exchange
    from gateway.hooks import Hooks
    from gateway.recording.recorder import Recorder
    from gateway.settings import GatewaySettings
    from gateway.snapshot import Llm
    from gateway.upstreams.client import Headers, UpstreamResponse

_NOT_MODIFIED = 304
"""Its ``Content-Length`` is of the body that it does not have, as in an answer to HEAD (RFC 9110, 8.6)."""


class Responder:
    """Carries answers for one worker."""

    def __init__(self, settings: GatewaySettings, hooks: Hooks, recorder: Recorder) -> None:
        self._settings = settings
        self._copy_bytes = settings.bodies.max_bytes
        self._hooks = hooks
        self._recorder = recorder

    async def respond(self, exchange: Exchange, llm: Llm, response: UpstreamResponse, send: Send) -> list[Message]:
        """Forward the answer as it comes; returns what must wait for the record. Raises Refusal or ClientGone."""
        exchange.response_headers = downstream_headers(exchange, response.headers)
        exchange.response_code = response.status
        exchange.outcome = "ok" if response.status < 400 else "upstream_error"
        if llm.max_response_bytes:
            _check_length(exchange, response, llm.max_response_bytes)
        if llm.chains.response_headers:
            await self._hooks.response_headers(exchange, llm)
        if llm.chains.response_body:
            return await self._whole(exchange, llm, response)
        if _is_event_stream(response.headers):
            return await self._stream(exchange, llm, response, send)
        return await self._plain(exchange, llm, response, send)

    async def _plain(self, exchange: Exchange, llm: Llm, response: UpstreamResponse, send: Send) -> list[Message]:
        """A body that is not a stream of events: forwarded as it comes; read for its usage when it is complete."""
        transfer = Transfer(self._settings, exchange, send, llm.max_response_bytes)
        length = _content_length(response.headers)
        parts: list[bytes] = []
        held = b""
        while chunk := await transfer.next(response):
            self._recorder.progress(exchange)
            if exchange.response_bytes <= self._settings.max_response_bytes:
                parts.append(chunk)
            if exchange.response_bytes == length:
                held = chunk
            else:
                await transfer.forward(chunk)
        transfer.ended()
        self._read_answer(exchange, llm, response, b"".join(parts))
        return transfer.last(held)

    async def _whole(self, exchange: Exchange, llm: Llm, response: UpstreamResponse) -> list[Message]:
        """A body that hooks read: buffered whole, within its bound."""
        transfer = Transfer(self._settings, exchange, None, llm.max_response_bytes)
        parts: list[bytes] = []
        while chunk := await transfer.next(response):
            self._recorder.progress(exchange)
            parts.append(chunk)
            if exchange.response_bytes > self._settings.max_response_bytes:
                response.abort()
                exchange.partial = True
                message = "the response is larger than its plugins may read (gateway.max_response_bytes)"
                raise ResponseRefused(message)
        transfer.ended()
        body = b"".join(parts)
        self._read_answer(exchange, llm, response, body)
        if exchange.client_left:
            raise ClientGone
        changed = await self._hooks.response_body(exchange, llm, body)
        exchange.response_copy, exchange.response_copy_bytes, exchange.response_bytes = [], 0, 0
        exchange.keep_copy(changed, self._copy_bytes)
        exchange.response_headers = [
            *(pair for pair in exchange.response_headers if pair[0] != b"content-length"),
            (b"content-length", str(len(changed)).encode()),
        ]
        return transfer.last(changed)

    async def _stream(self, exchange: Exchange, llm: Llm, response: UpstreamResponse, send: Send) -> list[Message]:
        """Server-sent events: out as they come in, the terminal event held."""
        exchange.is_stream = True
        # With a length its last byte would be a stream's end; ours are the terminal event and the chunked coding's.
        exchange.response_headers = [pair for pair in exchange.response_headers if pair[0] != b"content-length"]
        scanner = llm.dialect.scanner(exchange.path, hide_usage=exchange.asked_for_usage)
        transfer = Transfer(self._settings, exchange, send, llm.max_response_bytes)
        await transfer.start()
        try:
            await transfer.pump(response, scanner, self._recorder.progress)
        finally:
            take_answer(exchange, scanner.answer)
        return transfer.last(scanner.finish())

    def _read_answer(self, exchange: Exchange, llm: Llm, response: UpstreamResponse, body: bytes) -> None:
        """Usage, from a whole body; one that was too large or is coded in a way we do not read stays estimated."""
        if exchange.response_bytes > self._settings.max_response_bytes or exchange.partial:
            return
        coding = header(response.headers, b"content-encoding")
        if coding in {b"gzip", b"deflate"}:
            body = _inflate(body, self._settings.max_response_bytes)
        take_answer(exchange, llm.dialect.answer(body))


def _check_length(exchange: Exchange, response: UpstreamResponse, max_bytes: int) -> None:
    """Refuse an answer that says itself that it is too large, before any of it goes out."""
    has_body = exchange.method != "HEAD" and response.status != _NOT_MODIFIED
    if has_body and _content_length(response.headers) > max_bytes:
        response.abort()
        exchange.partial = True
        raise too_large(max_bytes, started=False)


def _is_event_stream(headers: Headers) -> bool:
    content_type = header(headers, b"content-type")
    return (
        content_type is not None
        and content_type[:17].lower() == b"text/event-stream"
        and (header(headers, b"content-encoding") in {None, b"identity"})
    )


def _content_length(headers: Headers) -> int:
    value = header(headers, b"content-length")
    return int(value) if value is not None and value.isdigit() else -1


def _inflate(body: bytes, max_bytes: int) -> bytes:
    """Decode gzip or deflate, within a bound; ``b""`` where it is neither."""
    try:
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 32).decompress(body, max_bytes)
    except zlib.error:
        return b""
