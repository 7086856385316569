"""Step 7: the vendor's answer on its way to the client, all but the last byte.

The last byte is what ends the answer: the chunk that completes a ``Content-Length``, a stream's terminal event, or
where there is neither the end of the chunked coding. It is returned, and goes out when the record is durable.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from gateway.headers import BODILESS, downstream_headers, first_values
from gateway.outcomes import ClientGone, Refusal
from gateway.plugin_streams import PluginStreams, begin_stream
from gateway.receipts import HeldTransfer
from gateway.transfer import Transfer, more_than_plugins_read, too_large
from gateway.upstreams.decoding import UndecodableError, decode
from gateway.upstreams.vendors.dialect import Answer
from gateway.usage import take_answer
from sluice.plugin_host.errors import PluginBlocked, PluginFailed

if TYPE_CHECKING:
    from gateway.asgi import Message, Send
    from gateway.exchange import Exchange
    from gateway.hooks import Hooks
    from gateway.recording.recorder import Recorder
    from gateway.settings import GatewaySettings
    from gateway.snapshot import Llm
    from gateway.upstreams.client import UpstreamResponse
    from gateway.upstreams.vendors.dialect import StreamScanner


Values = Mapping[bytes, bytes]
"""The first value of each of the vendor's headers."""


class Responder:
    """Carries answers for one worker."""

    def __init__(self, settings: GatewaySettings, hooks: Hooks, recorder: Recorder) -> None:
        self._settings = settings
        self._copy_bytes, self._max_response_bytes = settings.bodies.max_bytes, settings.max_response_bytes
        self._hooks = hooks
        self._recorder = recorder
        self._plugin_streams = PluginStreams(settings, hooks, recorder)

    async def respond(self, exchange: Exchange, llm: Llm, response: UpstreamResponse, send: Send) -> list[Message]:
        """Forward the answer as it comes; returns what must wait for the record. Raises Refusal or ClientGone."""
        values = first_values(response.headers)
        exchange.response_headers = downstream_headers(exchange, response.headers, values)
        exchange.response_code = response.status
        exchange.outcome = "ok" if response.status < 400 else "upstream_error"
        if llm.max_response_bytes:
            _check_length(exchange, response, values, llm.max_response_bytes)
        scanner = _scanner(exchange, llm, values)
        if llm.chains.response_headers:
            await self._show_headers(exchange, llm, response, values, is_stream=scanner is not None)
        if scanner is not None:
            if b"content-length" in values:  # hooks add none
                _drop_length(exchange)
            return await self._stream(exchange, llm, response, send, scanner)
        if llm.chains.response_body and _has_body(exchange, response):
            return await self._whole(exchange, llm, response, values)
        return await self._plain(exchange, llm, response, values, send)

    async def _show_headers(
        self, exchange: Exchange, llm: Llm, response: UpstreamResponse, values: Values, *, is_stream: bool
    ) -> None:
        """To the hooks of the head. Of an answer that they withhold the usage is read all the same: the vendor has
        done the work. A stream is given up where it stands."""
        try:
            await self._hooks.response_headers(exchange, llm)
        except (PluginBlocked, PluginFailed):
            if is_stream:
                exchange.is_stream = exchange.partial = True
                response.abort()
            else:
                with suppress(Refusal):  # what ends it has ended it
                    await self._gather(exchange, llm, response, values)
            raise

    async def _plain(
        self, exchange: Exchange, llm: Llm, response: UpstreamResponse, values: Values, send: Send
    ) -> list[Message]:
        """A body that is not a stream of events: forwarded as it comes; read for its usage when it is complete."""
        transfer_of = HeldTransfer if exchange.wants_cost and not exchange.is_stream else Transfer
        transfer = transfer_of(self._settings, exchange, send, llm.max_response_bytes)
        length = _content_length(values)
        parts: list[bytes] = []
        held = b""
        while chunk := await transfer.next(response):
            self._recorder.progress(exchange)
            if exchange.response_bytes <= self._max_response_bytes:
                parts.append(chunk)
            if exchange.response_bytes == length:
                held = chunk
            else:
                await transfer.forward(chunk)
        transfer.ended()
        self._read_answer(exchange, llm, response, values, b"".join(parts))
        return transfer.last(held)

    async def _whole(self, exchange: Exchange, llm: Llm, response: UpstreamResponse, values: Values) -> list[Message]:
        """A body that hooks read: buffered whole, within its bound."""
        transfer, body = await self._gather(exchange, llm, response, values)
        if exchange.client_left:
            raise ClientGone
        changed = await self._hooks.response_body(exchange, llm, body)
        exchange.response_copy, exchange.response_bytes = [], 0
        exchange.keep_copy(changed, self._copy_bytes)
        _drop_length(exchange)
        exchange.response_headers.append((b"content-length", b"%d" % len(changed)))
        return transfer.last(changed)

    async def _gather(
        self, exchange: Exchange, llm: Llm, response: UpstreamResponse, values: Values
    ) -> tuple[Transfer, bytes]:
        transfer = Transfer(self._settings, exchange, None, llm.max_response_bytes)
        parts: list[bytes] = []
        while chunk := await transfer.next(response):
            self._recorder.progress(exchange)
            parts.append(chunk)
            if exchange.response_bytes > self._max_response_bytes:
                raise more_than_plugins_read(exchange, response)
        transfer.ended()
        body = b"".join(parts)
        self._read_answer(exchange, llm, response, values, body)
        return transfer, body

    async def _stream(
        self, exchange: Exchange, llm: Llm, response: UpstreamResponse, send: Send, scanner: StreamScanner
    ) -> list[Message]:
        """A stream of the dialect's: out as it comes in, its terminal event held."""
        exchange.is_stream = True
        if llm.chains.acts_on_streams and _has_body(exchange, response):
            begin_stream(exchange, llm, response, self._max_response_bytes)
            if llm.chains.stream_whole:
                return await self._plugin_streams.whole(exchange, llm, response, send, scanner)
            if llm.chains.stream_chunks:
                chain = llm.chains.stream_chunks
                return await self._plugin_streams.pieces(exchange, llm, response, send, scanner, chain)
        transfer = Transfer(self._settings, exchange, send, llm.max_response_bytes)
        await transfer.start()
        held = b""
        try:
            await transfer.pump(response, scanner, self._recorder.progress_of(exchange))
        finally:
            held = scanner.finish()
            take_answer(exchange, scanner.answer)
        return transfer.last(held)

    def _read_answer(
        self, exchange: Exchange, llm: Llm, response: UpstreamResponse, values: Values, body: bytes
    ) -> None:
        """Usage, from a whole body; one that was too large or is coded in a way we do not read stays estimated."""
        if exchange.partial:
            return
        max_bytes = self._max_response_bytes
        if exchange.response_bytes > max_bytes:
            take_answer(exchange, Answer(problem="response_too_large"))
            return
        dialect = (exchange.served_by or llm).dialect
        coding = values.get(b"content-encoding")
        if coding is not None:
            try:
                body = decode(body, coding, max_bytes)
            except UndecodableError as error:
                take_answer(exchange, Answer(problem=error.code))
                return
            content_type = values.get(b"content-type")
            scanner = dialect.scanner(exchange.path, content_type, hide_usage=False) if content_type else None
            if scanner is not None:  # a stream that came compressed although we asked for none
                scanner.feed(body)
                scanner.finish()
                take_answer(exchange, scanner.answer)
                return
        take_answer(exchange, dialect.answer(body, exchange.path, response.headers))


def _check_length(exchange: Exchange, response: UpstreamResponse, values: Values, max_bytes: int) -> None:
    """Refuse an answer that says itself that it is too large, before any of it goes out."""
    if _has_body(exchange, response) and _content_length(values) > max_bytes:
        response.abort()
        exchange.partial = True
        raise too_large(max_bytes, started=False)


def _drop_length(exchange: Exchange) -> None:
    """Of a body that hooks changed it is another; and with a length a stream would end with its last byte, where for us
    it ends with its terminal event and the chunked coding's end."""
    exchange.response_headers = [pair for pair in exchange.response_headers if pair[0] != b"content-length"]


def _has_body(exchange: Exchange, response: UpstreamResponse) -> bool:
    """Whether it may have one; of one that has none hooks of bodies could only say what nobody gets."""
    return exchange.method != "HEAD" and response.status not in BODILESS


def _scanner(exchange: Exchange, llm: Llm, values: Values) -> StreamScanner | None:
    """What reads the answer, where it is a stream of the dialect's that we can cut."""
    content_type = values.get(b"content-type")
    if content_type is None or values.get(b"content-encoding", b"identity") != b"identity":
        return None
    dialect = (exchange.served_by or llm).dialect
    return dialect.scanner(exchange.path, content_type, hide_usage=exchange.asked_for_usage)


def _content_length(values: Values) -> int:
    value = values.get(b"content-length")
    return int(value) if value is not None and value.isdigit() else -1
