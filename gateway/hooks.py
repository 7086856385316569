"""Steps 2, 4 and the hooks of 7: an LLM's chains, between the exchange and the plugin host.

An LLM without plugins at a hook has no chain there, and pays one comparison.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from gateway.outcomes import Blocked, Outcome, PluginBroke
from sluice.plugin_host.errors import PluginBlocked, PluginFailed
from sluice.sdk.context import ExchangeFacts
from sluice.sdk.headers import Headers
from sluice.sdk.messages import EnrichedRequest, PluginRequest, ResponseWriteRequest

if TYPE_CHECKING:
    from gateway.exchange import Exchange
    from gateway.snapshot import Llm
    from sluice.plugin_host.chain import Chain

MessageT = TypeVar("MessageT", PluginRequest, EnrichedRequest, ResponseWriteRequest)


class Hooks:
    """Runs the chains of one worker's exchanges. Every method raises ``Blocked`` or ``PluginBroke``."""

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
        _take(exchange, request, await _run(chain, exchange, llm, request, "blocked_pre_auth"))

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
        _take(exchange, request, await _run(chain, exchange, llm, request, "blocked_post_auth"))

    async def response_headers(self, exchange: Exchange, llm: Llm) -> None:
        """The head of the vendor's answer, before any of it goes out."""
        chain = llm.chains.response_headers
        if chain is None:
            return
        response = ResponseWriteRequest(exchange.response_code or 0, Headers.of_raw(exchange.response_headers))
        changed = await _run(chain, exchange, llm, response, "response_blocked")
        exchange.response_headers = changed.headers.raw

    async def response_body(self, exchange: Exchange, llm: Llm, body: bytes) -> bytes:
        """The whole body of the vendor's answer; returns what goes to the client."""
        chain = llm.chains.response_body
        if chain is None:
            return body
        headers = Headers.of_raw(exchange.response_headers)
        response = ResponseWriteRequest(exchange.response_code or 0, headers, body)
        changed = await _run(chain, exchange, llm, response, "response_blocked")
        exchange.response_headers = changed.headers.raw
        return changed.body


async def _run(chain: Chain, exchange: Exchange, llm: Llm, message: MessageT, blocked: Outcome) -> MessageT:
    try:
        return await chain.run(_facts(exchange, llm), message, exchange.timings)
    except PluginBlocked as block:
        body = b"" if block.body is None and block.status_code < 400 else block.body
        raise Blocked(block.status_code, blocked, block.message, tuple(block.headers), body) from block
    except PluginFailed as failure:
        exchange.error_kind = "plugin_failed"
        raise PluginBroke(f"plugin {failure.plugin!r} failed", reason=failure.reason) from failure


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
    if app is not None:
        facts.app_id, facts.user_id = app.id, app.user_id
    return facts


def _take(exchange: Exchange, before: PluginRequest, after: PluginRequest) -> None:
    """What plugins changed of a request: headers and body, nothing else."""
    if after is not before:
        exchange.headers, exchange.body = after.headers.raw, after.body
