"""Steps 2, 4 and the hooks of 7: an LLM's chains, between the exchange and the plugin host.

An LLM without plugins at a hook has no chain there, and pays one comparison.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.outcomes import Blocked, Outcome, PluginBroke, Refusal
from sluice.plugin_host.errors import PluginBlocked, PluginFailed
from sluice.sdk.context import ExchangeFacts
from sluice.sdk.headers import Headers
from sluice.sdk.messages import EnrichedRequest, PluginRequest, ResponseWriteRequest

if TYPE_CHECKING:
    from gateway.exchange import Exchange
    from gateway.snapshot import Llm
    from sluice.sdk.capabilities import Hook

_BLOCKED: dict[Hook, Outcome] = {
    "pre_auth": "blocked_pre_auth",
    "post_auth": "blocked_post_auth",
    "response_headers": "response_blocked",
    "response_body": "response_blocked",
}


class Hooks:
    """Runs the chains of one worker's exchanges. Every method raises ``PluginBlocked`` or ``PluginFailed``."""

    async def pre_auth(self, exchange: Exchange, llm: Llm) -> None:
        """Before anyone knows who asks."""
        chain = llm.chains.pre_auth
        if chain is None:
            return
        request = PluginRequest(
            exchange.method,
            exchange.path,
            exchange.query.decode("latin-1"),
            Headers.of_raw(exchange.headers),
            exchange.body,
            exchange.remote_addr,
        )
        _take(exchange, request, await chain.run(_facts(exchange, llm), request, exchange.timings))

    async def post_auth(self, exchange: Exchange, llm: Llm) -> None:
        """App and user are known."""
        chain, app = llm.chains.post_auth, exchange.app
        if chain is None or app is None:
            return
        request = EnrichedRequest(
            exchange.method,
            exchange.path,
            exchange.query.decode("latin-1"),
            Headers.of_raw(exchange.headers),
            exchange.body,
            exchange.remote_addr,
            app.id,
            app.user_id,
            True,
        )
        _take(exchange, request, await chain.run(_facts(exchange, llm), request, exchange.timings))

    async def response_headers(self, exchange: Exchange, llm: Llm) -> None:
        """The head of the vendor's answer, before any of it goes out."""
        chain = llm.chains.response_headers
        if chain is None:
            return
        response = ResponseWriteRequest(exchange.response_code or 0, Headers.of_raw(exchange.response_headers))
        changed = await chain.run(_facts(exchange, llm), response, exchange.timings)
        exchange.response_headers = changed.headers.raw

    async def response_body(self, exchange: Exchange, llm: Llm, body: bytes) -> bytes:
        """The whole body of the vendor's answer; returns what goes to the client."""
        chain = llm.chains.response_body
        if chain is None:
            return body
        headers = Headers.of_raw(exchange.response_headers)
        response = ResponseWriteRequest(exchange.response_code or 0, headers, body)
        changed = await chain.run(_facts(exchange, llm), response, exchange.timings)
        exchange.response_headers = changed.headers.raw
        return changed.body


def plugin_refusal(exchange: Exchange, error: PluginBlocked | PluginFailed) -> Refusal:
    """What a plugin's block or failure is to the client."""
    if isinstance(error, PluginFailed):
        exchange.error_kind = "plugin_failed"
        return PluginBroke(f"plugin {error.plugin!r} failed", reason=error.reason)
    body = b"" if error.body is None and error.status_code < 400 else error.body
    return Blocked(error.status_code, _BLOCKED[error.hook], error.message, tuple(error.headers), body)


def _facts(exchange: Exchange, llm: Llm) -> ExchangeFacts:
    facts = exchange.facts
    if facts is None:
        facts = exchange.facts = ExchangeFacts(
            request_id=exchange.request_id,
            exchange_id=exchange.exchange_id,
            llm_id=llm.id,
            llm_slug=llm.slug,
            vendor=llm.vendor,
            traceparent=exchange.traceparent,
        )
    app = exchange.app
    if app is not None and facts.app_id is None:
        facts.app_id, facts.user_id = app.id, app.user_id
    return facts


def _take(exchange: Exchange, before: PluginRequest, after: PluginRequest) -> None:
    """What plugins changed of a request: headers and body, nothing else."""
    if after is not before:
        exchange.headers, exchange.body = after.headers.raw, after.body
