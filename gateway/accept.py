"""Step 1 and the reading of step 5: from a connection's bytes to a request that is understood."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from gateway.access.addresses import client_of, parse_network
from gateway.asgi import CONNECTION, FIRST_VALUES
from gateway.exchange import Exchange
from gateway.headers import all_values, first_values, parse_traceparent
from gateway.outcomes import AccessDenied, EventLogUnavailable, LlmUnknown, Overloaded, RequestInvalid
from gateway.receipts import ASKING_HEADER, is_wanted
from gateway.request_body import read_body
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
        self._max_in_flight, self._max_request_bytes = settings.max_in_flight, settings.max_request_bytes
        self._read_timeout_seconds = settings.client_read_timeout_seconds
        self._tells_cost = is_wanted(settings.cost_in_answers, None)
        self._proxies = tuple(parse_network(block) for block in settings.trusted_proxies)
        self._snapshot = snapshot
        self._recorder = recorder
        self._sweep = sweep

    def open(self, route: Route, scope: Scope) -> Exchange:
        """An exchange with its ids and its clock; its outcome is unknown. Never refuses."""
        exchange_id = new_exchange_id()
        client, headers = scope["client"], scope["headers"]
        values = scope.pop(FIRST_VALUES, None) or first_values(headers)
        exchange = Exchange(
            exchange_id,
            now_micros(),
            time.monotonic_ns(),
            scope["method"],
            route,
            headers,
            scope["query_string"],
            client[0] if client else "",
            scope[CONNECTION],
            exchange_id,
            path="/" + route.rest,
            wants_cost=self._tells_cost,
            known_headers=headers,
            known_values=values,
        )
        if b"x-request-id" in values or b"traceparent" in values or ASKING_HEADER in values:
            self._heed(exchange)
        if self._proxies:
            exchange.remote_addr = client_of(exchange.remote_addr, _forwarded_for(exchange.headers), self._proxies)
        exchange.connection.serve(exchange)
        return exchange

    def _heed(self, exchange: Exchange) -> None:
        """Read the headers that are meant for us. Of several lines the last one counts."""
        for name, value in exchange.headers:
            if name == b"x-request-id":
                request_id = value.decode("latin-1")
                if is_request_id(request_id):
                    exchange.request_id = request_id
            elif name == b"traceparent":
                exchange.traceparent, exchange.trace_id = parse_traceparent(value)
            elif name == ASKING_HEADER:
                exchange.wants_cost = is_wanted(self._settings.cost_in_answers, value)

    async def accept(self, exchange: Exchange, receive: Receive) -> tuple[Llm, Snapshot]:
        """Find the LLM, set room aside, read the body. Raises ``Refusal`` or ``ClientGone``."""
        self.check_room(exchange)
        route = exchange.route
        if route.problem:
            raise RequestInvalid(route.problem)
        snapshot = self._snapshot()
        llm = snapshot.llms_by_id.get(int(route.slug)) if route.by_id else snapshot.llms_by_slug.get(route.slug)
        if llm is None:
            message = f"no LLM {route.slug[:64]!r} is configured"
            raise LlmUnknown(message)
        llm = exchange.llm = self.view_of(llm)
        limit, setting = self._max_request_bytes, "gateway.max_request_bytes"
        if 0 < llm.max_request_bytes <= limit:
            limit, setting = llm.max_request_bytes, "the LLM's max_request_bytes"
        await read_body(exchange, receive, limit, setting, self._read_timeout_seconds)
        return llm, snapshot

    def view_of(self, llm: Llm) -> Llm:
        """The LLM as its clients see it here, for all that follows: refusals of a body too."""
        return llm

    def check_room(self, exchange: Exchange) -> None:
        """Whether worker and event log can take one more; raises ``Overloaded`` or ``EventLogUnavailable``."""
        if self._sweep.in_flight > self._max_in_flight:
            message = f"more than {self._max_in_flight} exchanges are in flight; try again"
            raise Overloaded(message)
        if not self._recorder.reserve(exchange):
            message = "the event log has no room for another exchange; nobody was called for this one"
            raise EventLogUnavailable(message)

    def understand(self, exchange: Exchange, llm: Llm) -> None:
        """Read the fields of the body that matter, and make the edits that are ours. Raises ``Refusal``."""
        try:
            asked = llm.dialect.ask(exchange.body, exchange.path, exchange.query)
        except ValueError as error:
            message = f"the body is not the JSON it should be: {error}"
            raise RequestInvalid(message) from error
        exchange.model, exchange.is_stream = asked.model, asked.is_stream
        exchange.max_response_tokens, exchange.choices = asked.max_response_tokens, asked.choices
        exchange.is_batch, exchange.is_free = asked.is_batch, asked.is_free
        exchange.further_models = asked.further_models
        if asked.is_management and not exchange.may_manage:
            message = "it changes what the LLM serves to all; use a token with the scopes 'api' and 'admin'"
            raise AccessDenied(message, "management_denied")
        _check_intent(exchange)
        if exchange.model is None and llm.default_model and exchange.body:
            exchange.model = llm.default_model
            exchange.body, exchange.path = llm.dialect.with_model(exchange.body, exchange.path, llm.default_model)
        if exchange.is_stream:
            if llm.chains.acts_on_streams:
                _prepare_stream(exchange, llm)
            if not asked.wants_usage and (body := llm.dialect.with_usage(exchange.body, exchange.path)) is not None:
                exchange.body, exchange.asked_for_usage = body, True


def note_what_was_asked(exchange: Exchange) -> None:
    """Of a request that a plugin answered or refused before it was understood: for the events of a known app. What
    cannot be read stays unknown."""
    if exchange.llm is None or exchange.app is None or exchange.model is not None or exchange.upstream_started_ns:
        return
    with suppress(ValueError):
        asked = exchange.llm.dialect.ask(exchange.body, exchange.path, exchange.query)
        exchange.model, exchange.is_stream = asked.model, asked.is_stream


def _forwarded_for(headers: Headers) -> str:
    """All of them in their order: a proxy may append a line of its own."""
    return ",".join([value.decode("latin-1") for value in all_values(headers, b"x-forwarded-for")])


def _prepare_stream(exchange: Exchange, llm: Llm) -> None:
    """Refuse a stream that a plugin does not want; keep the request for those who are told when it is over."""
    plugin = llm.chains.stream_refused_by
    if plugin:
        message = f"streams are refused here: plugin {plugin!r} reads whole responses; ask without stream"
        raise RequestInvalid(message, "stream_refused")
    if llm.chains.stream_complete:
        exchange.plugins_body = exchange.body


def _check_intent(exchange: Exchange) -> None:
    intent = exchange.route.intent
    if intent == "rest" and exchange.is_stream:
        message = "/llm/rest answers whole: use /llm/stream or /llm/call for a request with stream: true"
        raise RequestInvalid(message, "stream_mismatch")
    if intent == "stream" and exchange.body and not exchange.is_stream:
        message = "/llm/stream streams: set stream: true, or use /llm/rest or /llm/call"
        raise RequestInvalid(message, "stream_mismatch")
