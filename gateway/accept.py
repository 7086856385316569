"""Step 1 and the reading of step 5: from a connection's bytes to a request that is understood."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from gateway.access.addresses import client_of, parse_network
from gateway.asgi import CONNECTION
from gateway.exchange import Exchange
from gateway.headers import header, parse_traceparent
from gateway.outcomes import (
    ClientGone,
    EventLogUnavailable,
    LlmUnknown,
    Overloaded,
    RequestInvalid,
    RequestTooLarge,
)
from schemas.ids import is_request_id, new_exchange_id
from sluice.clock import now_micros

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.asgi import Receive, Scope
    from gateway.recording.recorder import Recorder
    from gateway.routes import Route
    from gateway.settings import GatewaySettings
    from gateway.snapshot import Llm, Snapshot
    from gateway.sweep import Sweep
    from gateway.upstreams.client import Headers


class Acceptor:
    """Opens exchanges and reads requests within their limits."""

    def __init__(
        self, settings: GatewaySettings, snapshot: Callable[[], Snapshot], recorder: Recorder, sweep: Sweep
    ) -> None:
        self._settings = settings
        self._proxies = tuple(parse_network(block) for block in settings.trusted_proxies)
        self._snapshot = snapshot
        self._recorder = recorder
        self._sweep = sweep

    def open(self, route: Route, scope: Scope) -> Exchange:
        """An exchange with its ids and its clock; its outcome is unknown. Never refuses."""
        exchange_id = new_exchange_id()
        headers = scope["headers"]
        client = scope["client"]
        exchange = Exchange(
            exchange_id=exchange_id,
            occurred_at=now_micros(),
            started_ns=time.monotonic_ns(),
            method=scope["method"],
            route=route,
            headers=headers,
            query=scope["query_string"],
            remote_addr=client[0] if client else "",
            connection=scope[CONNECTION],
        )
        exchange.path = "/" + route.rest
        exchange.request_id = exchange_id
        for name, value in headers:
            if name == b"x-request-id":
                request_id = value.decode("latin-1")
                if is_request_id(request_id):
                    exchange.request_id = request_id
            elif name == b"traceparent":
                exchange.traceparent, exchange.trace_id = parse_traceparent(value)
        if self._proxies:
            exchange.remote_addr = client_of(exchange.remote_addr, _forwarded_for(headers), self._proxies)
        exchange.connection.serve(exchange)
        return exchange

    async def accept(self, exchange: Exchange, receive: Receive) -> tuple[Llm, Snapshot]:
        """Find the LLM, set room aside, read the body. Raises ``Refusal`` or ``ClientGone``."""
        if self._sweep.in_flight > self._settings.max_in_flight:
            message = f"more than {self._settings.max_in_flight} exchanges are in flight; try again"
            raise Overloaded(message)
        if not self._recorder.reserve(exchange):
            message = "the event log has no room for another exchange; nothing was sent to the vendor"
            raise EventLogUnavailable(message)
        route = exchange.route
        if route.problem:
            raise RequestInvalid(route.problem)
        snapshot = self._snapshot()
        llm = snapshot.llms_by_id.get(int(route.slug)) if route.by_id else snapshot.llms_by_slug.get(route.slug)
        if llm is None:
            message = f"no LLM {route.slug[:64]!r} is configured"
            raise LlmUnknown(message)
        exchange.llm = llm
        await self._read_body(exchange, llm, receive)
        return llm, snapshot

    async def _read_body(self, exchange: Exchange, llm: Llm, receive: Receive) -> None:
        limit = self._settings.max_request_bytes
        if llm.max_request_bytes:
            limit = min(limit, llm.max_request_bytes)
        declared = header(exchange.headers, b"content-length")
        if declared is not None and int(declared) > limit:
            raise _too_large(exchange, limit)
        exchange.deadline = time.monotonic() + self._settings.client_read_timeout_seconds
        message = await receive()
        if message["type"] == "http.request" and not message.get("more_body"):
            exchange.deadline = 0.0
            exchange.body = message.get("body", b"")
            if len(exchange.body) > limit:
                raise _too_large(exchange, limit)
            return
        await self._read_rest(exchange, receive, message.get("body", b""), limit)

    async def _read_rest(self, exchange: Exchange, receive: Receive, first: bytes, limit: int) -> None:
        parts, size, more = [first], len(first), True
        while more:
            if exchange.client_left:
                raise ClientGone
            if size > limit:
                raise _too_large(exchange, limit)
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            more = message.get("more_body", False)
        exchange.deadline = 0.0
        exchange.body = b"".join(parts)
        if size > limit:
            raise _too_large(exchange, limit)

    def understand(self, exchange: Exchange, llm: Llm) -> None:
        """Read the fields of the body that matter, and make the edits that are ours. Raises ``Refusal``."""
        try:
            asked = llm.dialect.ask(exchange.body, exchange.path)
        except ValueError as error:
            message = f"the body is not the JSON it should be: {error}"
            raise RequestInvalid(message) from error
        exchange.model, exchange.is_stream = asked.model, asked.is_stream
        exchange.max_response_tokens, exchange.choices = asked.max_response_tokens, asked.choices
        _check_intent(exchange)
        if exchange.model is None and llm.default_model and exchange.body:
            exchange.model = llm.default_model
            exchange.body = llm.dialect.with_model(exchange.body, llm.default_model)
        if exchange.is_stream:
            if llm.chains.response_body:
                message = "streams are refused here: a plugin of this LLM reads whole responses; ask without stream"
                raise RequestInvalid(message, "stream_refused")
            if not asked.wants_usage and (body := llm.dialect.with_usage(exchange.body)) is not None:
                exchange.body, exchange.asked_for_usage = body, True


def _forwarded_for(headers: Headers) -> str:
    """All of them in their order: a proxy may append a line of its own."""
    return ",".join(value.decode("latin-1") for name, value in headers if name == b"x-forwarded-for")


def _check_intent(exchange: Exchange) -> None:
    intent = exchange.route.intent
    if intent == "rest" and exchange.is_stream:
        message = "/llm/rest answers whole: use /llm/stream or /llm/call for a request with stream: true"
        raise RequestInvalid(message, "stream_mismatch")
    if intent == "stream" and exchange.body and not exchange.is_stream:
        message = "/llm/stream streams: set stream: true, or use /llm/rest or /llm/call"
        raise RequestInvalid(message, "stream_mismatch")


def _too_large(exchange: Exchange, limit: int) -> RequestTooLarge:
    is_own = exchange.llm is not None and exchange.llm.max_request_bytes == limit
    key = "the LLM's max_request_bytes" if is_own else "gateway.max_request_bytes"
    return RequestTooLarge(f"the request body is larger than {limit} bytes ({key})")
