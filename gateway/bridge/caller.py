"""Step 6 over the bridge: each LLM is asked in its own dialect, and what comes back is OpenAI's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.bridge.accept import model_of
from gateway.bridge.answers import WholeAnswer
from gateway.bridge.models import list_body, model_body
from gateway.bridge.receiving import Receiver
from gateway.upstreams.caller import Caller, target_of
from gateway.upstreams.vendors.queries import parameter

if TYPE_CHECKING:
    from gateway.bridge.bridging import Asking, Bridging
    from gateway.bridge.interface import Translated
    from gateway.exchange import Exchange
    from gateway.recording.recorder import Recorder
    from gateway.settings import GatewaySettings
    from gateway.snapshot import Llm
    from gateway.upstreams.client import Headers, UpstreamClient, UpstreamRequest, UpstreamResponse

_JSON: Final = (b"content-type", b"application/json")
_OF_THE_BODY: Final = frozenset((b"content-type", b"content-encoding", b"accept"))
_OPENAI_ALONE: Final = (b"openai-", b"x-stainless-")


class BridgeCaller(Caller):
    """Calls vendors for clients that speak OpenAI's dialect."""

    def __init__(self, client: UpstreamClient, recorder: Recorder, settings: GatewaySettings) -> None:
        super().__init__(client, recorder, settings.upstream)
        self._settings = settings

    async def call(self, exchange: Exchange, llm: Llm) -> UpstreamResponse:
        """The vendor's answer, in OpenAI's dialect; models are listed without a call.

        Raises as ``Caller.call``, and a ``Refusal`` for an answer that cannot be translated.
        """
        bridging = _bridging(exchange)
        if bridging.operation == "models":
            return _models(exchange, llm, bridging)
        response = await super().call(exchange, llm)
        llm = exchange.served_by or llm
        asking = bridging.ask(exchange, llm, _base_path(exchange, llm))
        bridging.sent(asking)
        if asking.passes:
            return response
        return await Receiver(exchange, llm, asking, bridging, self._settings).receive(response)

    def _request(self, exchange: Exchange, llm: Llm) -> UpstreamRequest:
        """Raises nothing: what cannot be translated was refused or left out at admission."""
        base_path = _base_path(exchange, llm)
        asking = _bridging(exchange).ask(exchange, llm, base_path)
        translated = asking.translated
        exchange.asked_for_usage = translated.hides_usage
        request = super()._request(exchange, llm)
        request.target = target_of(base_path, translated.path, _query(exchange, llm, asking))
        request.body = translated.body
        if not asking.passes:
            request.headers = _translated_headers(request.headers, translated)
        return request


def _bridging(exchange: Exchange) -> Bridging:
    if exchange.bridge is None:
        message = "an exchange on the bridge has none"
        raise TypeError(message)
    return exchange.bridge


def _base_path(exchange: Exchange, llm: Llm) -> str:
    """A plugin may have chosen another upstream, for the LLM that was asked alone."""
    if exchange.upstream_override and exchange.served_by is None:
        return llm.upstreams[exchange.upstream_override].base_path
    return llm.base_path


def _models(exchange: Exchange, llm: Llm, bridging: Bridging) -> UpstreamResponse:
    name = model_of(exchange.path)
    body = model_body(name, llm, bridging.snapshot) if name else list_body(llm, bridging.snapshot)
    return WholeAnswer(200, [], body)


def _query(exchange: Exchange, llm: Llm, asking: Asking) -> bytes:
    """The client's own where bytes pass, with what the vendor needs beside it; else the translator's."""
    needed = asking.translated.query
    if not asking.passes:
        return needed
    query = exchange.query and (llm.spoken or llm.dialect).clean_query(exchange.query)
    if needed and not parameter(query, needed.partition(b"=")[0]):
        query = query + b"&" + needed if query else needed
    return query


def _translated_headers(headers: Headers, translated: Translated) -> Headers:
    """Without what is for OpenAI alone; what the translator says takes the place of the client's."""
    dropped = _OF_THE_BODY | {name for name, _ in translated.headers}
    kept = [pair for pair in headers if pair[0] not in dropped and not pair[0].startswith(_OPENAI_ALONE)]
    has_type = any(name == b"content-type" for name, _ in translated.headers)
    return [*kept, *translated.headers] if has_type else [*kept, _JSON, *translated.headers]
