"""Steps 2, 3 by a plugin, 4 and the hooks of 7: an LLM's chains, between the exchange and the plugin host.

An LLM without plugins at a hook has no chain there, and pays one comparison.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from gateway.headers import all_values
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
    from collections.abc import Awaitable

    from gateway.exchange import Exchange
    from gateway.snapshot import App, Llm
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
        changed = await chain.run(exchange.facts or self._begin(exchange, llm), request, exchange.timings)
        if changed is not request:
            _take(exchange, changed)

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
            return await chain.authenticate(exchange.facts or self._begin(exchange, llm), request, exchange.timings)
        except CredentialRejected as rejected:
            raise AuthFailed(rejected.message or "the credential was not accepted") from rejected

    async def post_auth(self, exchange: Exchange, llm: Llm) -> None:
        """App and user are known: from here on to plugins too."""
        app, facts = exchange.app, exchange.facts
        if app is None:
            return
        if facts is not None:
            _tell_caller(facts, exchange, app)
        chain = llm.chains.post_auth
        if chain is None:
            return
        if facts is None:
            facts = self._begin(exchange, llm)
        request = EnrichedRequest(
            exchange.method,
            exchange.path,
            _query(exchange, llm),
            Headers.of_raw(exchange.headers),
            exchange.body,
            exchange.remote_addr,
            app.id,
            facts.user,
            MappingProxyType(exchange.claims) if exchange.claims else NOTHING,
            True,
        )
        changed = await chain.run(facts, request, exchange.timings)
        if changed is not request:
            _take(exchange, changed)

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

    def response_headers(self, exchange: Exchange, llm: Llm) -> Awaitable[object]:
        """The head of the vendor's answer, before any of it goes out."""
        return self._respond(exchange, llm, llm.chains.response_headers, b"")

    def response_body(self, exchange: Exchange, llm: Llm, body: bytes) -> Awaitable[bytes]:
        """The whole body of the vendor's answer; returns what goes to the client."""
        return self._respond(exchange, llm, llm.chains.response_body, body)

    def stream_whole(self, exchange: Exchange, llm: Llm, body: bytes) -> Awaitable[bytes]:
        """The whole body of a stream that was gathered; returns what goes to the client."""
        return self._respond(exchange, llm, llm.chains.stream_whole, body)

    def stream_pieces(self, exchange: Exchange, llm: Llm, chain: Chain) -> StreamPieces:
        """What takes a stream's pieces through their chain."""
        return StreamPieces(exchange, chain, exchange.facts or self._begin(exchange, llm))

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
        await chain.run(exchange.facts or self._begin(exchange, llm), request, [])

    async def _respond(self, exchange: Exchange, llm: Llm, chain: Chain | None, body: bytes) -> bytes:
        if chain is None:
            return body
        response = ResponseWriteRequest(
            exchange.response_code or 0, Headers.of_raw(exchange.response_headers), body, request_id=exchange.request_id
        )
        changed = await chain.run(exchange.facts or self._begin(exchange, llm), response, exchange.timings)
        if changed is not response:
            exchange.response_headers = changed.headers.raw
        return changed.body

    def _begin(self, exchange: Exchange, llm: Llm) -> ExchangeFacts:
        """What plugins see of an exchange, from the first hook on that has any."""
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
        if exchange.app is not None:
            _tell_caller(facts, exchange, exchange.app)
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
    if not exchange.traceparent or b"tracestate" not in exchange.values():
        return ""
    text = ",".join([value.decode("latin-1") for value in all_values(exchange.headers, b"tracestate")])
    return text if len(text) <= _MAX_TRACESTATE_CHARACTERS else ""


def _tell_caller(facts: ExchangeFacts, exchange: Exchange, app: App) -> None:
    """To the plugins of later hooks."""
    facts.app_id, facts.user_id, facts.user = app.id, exchange.user_id, person_of(exchange)
    if exchange.claims:
        facts.claims = exchange.claims


def _query(exchange: Exchange, llm: Llm) -> str:
    """The query without what may be a credential: that is the gateway's, and no plugin's to see or to keep."""
    return llm.dialect.clean_query(exchange.query).decode("latin-1") if exchange.query else ""


def _take(exchange: Exchange, changed: PluginRequest) -> None:
    """What plugins changed of a request: headers and body, nothing else."""
    exchange.headers, exchange.body = changed.headers.raw, changed.body
