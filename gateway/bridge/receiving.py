"""Where a vendor's answer becomes OpenAI's. What its bytes are worth is counted by the vendor's own dialect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.bridge.answers import TranslatedStream, WholeAnswer
from gateway.bridge.errors import AnswerUnreadable
from gateway.bridge.frames import error_body
from gateway.bridge.interface import Unreadable
from gateway.headers import header
from gateway.plugin_streams import PluginTransfer
from gateway.transfer import BrokenAnswer
from gateway.upstreams.decoding import UndecodableError, decode
from gateway.upstreams.vendors.dialect import Answer
from gateway.usage import take_answer

if TYPE_CHECKING:
    from gateway.bridge.bridging import Asking, Bridging
    from gateway.exchange import Exchange
    from gateway.settings import GatewaySettings
    from gateway.snapshot import Llm
    from gateway.upstreams.client import UpstreamResponse

_OF_THE_BODY: Final = frozenset((b"content-type", b"content-length", b"content-encoding", b"content-md5", b"etag"))
"""Headers that speak of bytes which nobody gets."""


class Receiver:
    """One answer of a vendor's to a request over the bridge."""

    def __init__(
        self, exchange: Exchange, llm: Llm, asking: Asking, bridging: Bridging, settings: GatewaySettings
    ) -> None:
        self._exchange = exchange
        self._llm = llm
        self._dialect = llm.spoken or llm.dialect
        self._asking = asking
        self._bridging = bridging
        self._settings = settings

    async def receive(self, response: UpstreamResponse) -> UpstreamResponse:
        """The answer as OpenAI's. Raises ``Refusal`` or ``ClientGone``."""
        headers = [pair for pair in response.headers if pair[0] not in _OF_THE_BODY]
        if response.status >= 400:
            body = await self._gather(response)
            error = self._asking.translator.error(response.status, body)
            return WholeAnswer(response.status, headers, error_body(error))
        path, content_type = self._asking.translated.path, header(response.headers, b"content-type")
        scanner = self._dialect.scanner(path, content_type, hide_usage=False) if content_type else None
        if (scanner is not None) != self._exchange.is_stream:
            response.abort()
            self._exchange.partial = True
            came, asked = ("a stream", "a whole one") if scanner is not None else ("no stream", "one")
            raise AnswerUnreadable(self._llm.vendor, f"it is {came}, where {asked} was asked for")
        if scanner is None:
            body = await self._gather(response)
            return WholeAnswer(response.status, headers, self._translated(body))
        if header(response.headers, b"content-encoding") not in {None, b"identity"}:
            response = WholeAnswer(response.status, [], await self._gather(response))
        self._bridging.scanner = scanner
        translator = self._asking.translator.stream(self._asking.wanted)
        return TranslatedStream(response, headers, scanner, translator)

    async def _gather(self, response: UpstreamResponse) -> bytes:
        """The whole body, decoded, within its bound; what it counts is taken on the way."""
        exchange, max_bytes = self._exchange, self._settings.max_response_bytes
        transfer = PluginTransfer(self._settings, exchange, None, self._llm.max_response_bytes)
        parts: list[bytes] = []
        while chunk := await transfer.next(response):
            parts.append(chunk)
            if transfer.received_bytes > max_bytes:
                response.abort()
                exchange.partial = True
                message = f"the answer is larger than {max_bytes} bytes (gateway.max_response_bytes)"
                raise BrokenAnswer(502, "upstream_error", message, started=False, code="response_too_large")
        transfer.ended()
        exchange.chunk_count = 0  # those are counted that the client gets
        body = b"".join(parts)
        coding = header(response.headers, b"content-encoding")
        if coding is not None:
            try:
                body = decode(body, coding, max_bytes)
            except UndecodableError as error:
                self._take(Answer(problem=error.code))
                raise AnswerUnreadable(self._llm.vendor, f"its content-encoding: {error}") from error
        self._take(self._dialect.answer(body, self._asking.translated.path, response.headers))
        return body

    def _translated(self, body: bytes) -> bytes:
        answer = self._bridging.answer or Answer()
        try:
            return self._asking.translator.answer(self._asking.wanted, body, answer)
        except Unreadable as error:
            raise AnswerUnreadable(self._llm.vendor, str(error)) from error

    def _take(self, answer: Answer) -> None:
        self._bridging.answer = answer
        take_answer(self._exchange, answer)
