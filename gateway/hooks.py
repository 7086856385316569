"""Steps 2, 3 by a plugin, 4 and the hooks of 7: an LLM's chains, between the exchange and the plugin host.

An LLM without plugins at a hook has no chain there, and pays one comparison.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from gateway.headers import header
from gateway.outcomes import AuthFailed, Blocked, Outcome, PluginBroke, Refusal
from gateway.snapshot import NOTHING
from gateway.stream_pieces import StreamPieces
from sluice.plugin_host.errors import CredentialRejected, PluginBlocked, PluginFailed
from sluice.sdk.context import ExchangeFacts
from sluice.sdk.headers import Headers
from sluice.sdk.messages import (
    AuthRequest,
    EnrichedRequest,
    PluginRequest,
    ResponseWriteRequest,
    StreamCompleteRequest,
)

if TYPE_CHECKING:
    from gateway.exchange import Exchange
    from gateway.snapshot import Llm
    from sluice.plugin_host.authentication import Identity
    from sluice.plugin_host.chain import Chain
    from sluice.sdk.capabilities import Hook

_BLOCKED: dict[Hook, Outcome] = {
    "pre_auth": "blocked_pre_auth",
    "auth": "auth_failed",
    "post_auth": "blocked_post_auth",
    "response_headers": "response_blocked",
    "response_body": "response_blocked",
}
_OVERRIDE = "upstream_override"
_MAX_TRACESTATE_CHARACTERS = 512
"""What must be carried of it at least (W3C Trace Context, 3.3.1.5); a longer one is not shown to plugins."""


class Hooks:
    """Runs the chains of one worker's exchanges. Every method may raise ``PluginBlocked`` or ``PluginFailed``."""

    def __init__(self, edge_id: str = "", edge_namespace: str = "") -> None:
        self._edge_id = edge_id
        self._edge_namespace = edge_namespace

    async def pre_auth(self, exchange: Exchange, llm: Llm) -> None:
        """Before anyone knows who asks."""
        chain = llm.chains.pre_auth
        if chain is None:
            return
        request = PluginRequest(
            exchange.method,
            exchange.path,
            _query(exchange, llm),
            Headers.of_raw(exchange.headers),
            exchange.body,
            exchange.remote_addr,
        )
        _take(exchange, request, await chain.run(self._facts(exchange, llm), request, exchange.timings))

    async def authenticate(self, exchange: Exchange, llm: Llm, chain: Chain) -> Identity:
        """Who asks, as a plugin finds; raises ``AuthFailed`` where none accepts. Tokens are not asked then either."""
        credential, auth_type = llm.dialect.presented(exchange.headers, exchange.query)
        request = AuthRequest(
            exchange.method,
            exchange.path,
            _query(exchange, llm),
            Headers.of_raw(exchange.headers),
            exchange.body,
            exchange.remote_addr,
            credential,
            auth_type,
        )
        try:
            return await chain.authenticate(self._facts(exchange, llm), request, exchange.timings)
        except CredentialRejected as rejected:
            raise AuthFailed(rejected.message or "the credential was not accepted") from rejected

    async def post_auth(self, exchange: Exchange, llm: Llm) -> None:
        """App and user are known."""
        chain, app = llm.chains.post_auth, exchange.app
        if chain is None or app is None:
            return
        request = EnrichedRequest(
            exchange.method,
            exchange.path,
            _query(exchange, llm),
            Headers.of_raw(exchange.headers),
            exchange.body,
            exchange.remote_addr,
            app.id,
            person_of(exchange),
            MappingProxyType(exchange.claims) if exchange.claims else NOTHING,
            True,
        )
        _take(exchange, request, await chain.run(self._facts(exchange, llm), request, exchange.timings))

    def choose_upstream(self, exchange: Exchange, llm: Llm, facts: ExchangeFacts) -> None:
        """Take the upstream that a plugin chose; raises ``PluginFailed`` unless it is one that the LLM lists.

        An empty one takes back what another plugin chose.
        """
        chosen = facts.metadata.get(_OVERRIDE, "").rstrip("/")
        if not chosen:
            return
        if chosen not in llm.upstreams:
            reason = f"upstream_override {chosen[:200]!r} is none of the LLM's allowed_upstreams"
            raise PluginFailed(facts.overridden_by, "post_auth", reason)
        exchange.upstream_override = chosen

    async def response_headers(self, exchange: Exchange, llm: Llm) -> None:
        """The head of the vendor's answer, before any of it goes out."""
        chain = llm.chains.response_headers
        if chain is None:
            return
        response = self._response(exchange, b"")
        changed = await chain.run(self._facts(exchange, llm), response, exchange.timings)
        exchange.response_headers = changed.headers.raw

    async def response_body(self, exchange: Exchange, llm: Llm, body: bytes) -> bytes:
        """The whole body of the vendor's answer; returns what goes to the client."""
        chain = llm.chains.response_body
        return body if chain is None else await self._whole(exchange, llm, chain, body)

    async def stream_whole(self, exchange: Exchange, llm: Llm, body: bytes) -> bytes:
        """The whole body of a stream that was gathered; returns what goes to the client."""
        chain = llm.chains.stream_whole
        return body if chain is None else await self._whole(exchange, llm, chain, body)

    def stream_pieces(self, exchange: Exchange, llm: Llm, chain: Chain) -> StreamPieces:
        """What takes a stream's pieces through their chain."""
        return StreamPieces(exchange, chain, self._facts(exchange, llm))

    async def stream_complete(self, exchange: Exchange, llm: Llm, body: bytes, *, is_whole: bool) -> None:
        """What the client got of a stream that is over. The record is written: timings go nowhere."""
        chain = llm.chains.stream_complete
        if chain is None:
            return
        request = StreamCompleteRequest(
            accumulated_response=body,
            headers=Headers.of_raw(exchange.response_headers),
            status_code=exchange.response_code or 0,
            chunk_count=exchange.chunk_count,
            request_body=exchange.body if exchange.plugins_body is None else exchange.plugins_body,
            is_whole=is_whole,
        )
        await chain.run(self._facts(exchange, llm), request, [])

    async def _whole(self, exchange: Exchange, llm: Llm, chain: Chain, body: bytes) -> bytes:
        response = self._response(exchange, body)
        changed = await chain.run(self._facts(exchange, llm), response, exchange.timings)
        exchange.response_headers = changed.headers.raw
        return changed.body

    def _response(self, exchange: Exchange, body: bytes) -> ResponseWriteRequest:
        headers = Headers.of_raw(exchange.response_headers)
        return ResponseWriteRequest(exchange.response_code or 0, headers, body, request_id=exchange.request_id)

    def _facts(self, exchange: Exchange, llm: Llm) -> ExchangeFacts:
        facts = exchange.facts
        if facts is None:
            facts = exchange.facts = ExchangeFacts(
                request_id=exchange.request_id,
                exchange_id=exchange.exchange_id,
                llm_id=llm.id,
                llm_slug=llm.slug,
                vendor=llm.vendor,
                traceparent=exchange.traceparent,
                tracestate=tracestate_of(exchange),
                edge_id=self._edge_id,
                edge_namespace=self._edge_namespace,
            )
        app = exchange.app
        if app is not None and facts.app_id is None:
            facts.app_id, facts.user_id, facts.user = app.id, exchange.user_id, person_of(exchange)
            if exchange.claims:
                facts.claims = exchange.claims
        return facts


def plugin_refusal(exchange: Exchange, error: PluginBlocked | PluginFailed) -> Refusal:
    """What a plugin's block or failure is to the client."""
    if isinstance(error, PluginFailed):
        exchange.error_kind = "plugin_failed"
        return PluginBroke(f"plugin {error.plugin!r} failed", reason=error.reason)
    body = b"" if error.body is None and error.status_code < 400 else error.body
    return Blocked(error.status_code, _BLOCKED[error.hook], error.message, tuple(error.headers), body)


def person_of(exchange: Exchange) -> str:
    """Of the person's id the text."""
    if exchange.user or exchange.user_id is None:
        return exchange.user
    return str(exchange.user_id)


def tracestate_of(exchange: Exchange) -> str:
    """Its ``tracestate``, beside a ``traceparent`` alone; several lines are one list."""
    if not exchange.traceparent or header(exchange.headers, b"tracestate") is None:
        return ""
    lines = [value.decode("latin-1") for name, value in exchange.headers if name == b"tracestate"]
    text = ",".join(lines)
    return text if len(text) <= _MAX_TRACESTATE_CHARACTERS else ""


def _query(exchange: Exchange, llm: Llm) -> str:
    """The query without what may be a credential: that is the gateway's, and no plugin's to see or to keep."""
    return llm.dialect.clean_query(exchange.query).decode("latin-1") if exchange.query else ""


def _take(exchange: Exchange, before: PluginRequest, after: PluginRequest) -> None:
    """What plugins changed of a request: headers and body, nothing else."""
    if after is not before:
        exchange.headers, exchange.body = after.headers.raw, after.body
