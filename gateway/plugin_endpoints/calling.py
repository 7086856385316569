"""Steps 5 and 6: the plugin is called, within its deadline and its bounds, and answers.

Whatever it raises, however long it takes and whatever it answers is its own failure: an answer of ours that names it.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from gateway.headers import BODILESS, own_headers
from gateway.hooks import person_of, tracestate_of
from gateway.outcomes import ClientGone, RequestTooLarge
from gateway.plugin_endpoints.account import HOOK
from gateway.plugin_endpoints.answers import Answer, Head, check_response, error_answer
from gateway.plugin_endpoints.attendance import attended
from gateway.plugin_endpoints.refusals import EndpointBusy, EndpointFailed, SaidError, StreamCut, TimeIsUp, body_of
from gateway.plugin_endpoints.streaming import ErrorSaid, Streaming
from gateway.transfer import Transfer
from sluice.plugin_host.answers import AnswerError
from sluice.plugin_host.deadline import DeadlineExpired, EscapeAttempted, Waiting, begin_within
from sluice.plugin_host.errors import OversizeError, described
from sluice.plugin_host.gate import NotCalled
from sluice.sdk.context import ExchangeFacts

if TYPE_CHECKING:
    from gateway.asgi import Message, Receive, Send
    from gateway.exchange import Exchange
    from gateway.outcomes import Refusal
    from gateway.plugin_endpoints.table import Endpoint
    from gateway.settings import GatewaySettings
    from sluice.plugin_host.settings import EndpointSettings
    from sluice.sdk.endpoints import EndpointRequest

_MAX_REASON_CHARACTERS = 200


class Calls:
    """Calls endpoints for one worker."""

    def __init__(self, gateway: GatewaySettings, bounds: EndpointSettings) -> None:
        self._gateway = gateway
        self._bounds = bounds

    async def call(
        self, exchange: Exchange, endpoint: Endpoint, request: EndpointRequest, receive: Receive, send: Send
    ) -> list[Message]:
        """The messages that wait for the record. Raises ``Refusal`` or ``ClientGone``."""
        plugin, gate, started, decision = endpoint.plugin, endpoint.plugin.gate, time.perf_counter_ns(), "failed"
        answer = self._stream if endpoint.registration.stream_response else self._whole
        is_probe = gate.is_shut
        try:
            if is_probe:
                gate.admit()
            messages = await answer(exchange, endpoint, request, receive, send)
            gate.succeeded()
            decision = "allow"
        except (ClientGone, asyncio.CancelledError):
            if is_probe:
                gate.abandoned()
            decision = "cancelled"
            raise
        except StreamCut:
            raise
        except Exception as error:
            raise _failure(endpoint, error, self._seconds(endpoint)) from error
        finally:
            micros = (time.perf_counter_ns() - started) // 1000
            endpoint.account.tally.add(micros)
            exchange.timings.append({"plugin": plugin.name, "hook": HOOK, "micros": micros, "decision": decision})
        return messages

    async def _whole(
        self, exchange: Exchange, endpoint: Endpoint, request: EndpointRequest, receive: Receive, _send: Send
    ) -> list[Message]:
        plugin, began = endpoint.plugin, time.perf_counter_ns()
        handling = plugin.running.handle_endpoint_request(plugin.context(_facts(exchange)), request)
        response = begin_within(handling, self._bounds.timeout_seconds)
        held_ns = time.perf_counter_ns() - began
        if response.__class__ is Waiting:
            waiting = response
            response = await attended(plugin.gate.wait(waiting, held_ns), receive)
            held_ns = waiting.held_ns
        endpoint.account.held_loop(held_ns)
        answer = check_response(response, self._bounds.max_response_bytes)
        if exchange.client_left:
            raise ClientGone
        return self._answered(exchange, answer)

    async def _stream(
        self, exchange: Exchange, endpoint: Endpoint, request: EndpointRequest, receive: Receive, send: Send
    ) -> list[Message]:
        streaming = Streaming(
            exchange,
            Transfer(self._gateway, exchange, send),
            endpoint,
            max_chunk_bytes=self._bounds.max_response_bytes,
            copy_bytes=self._gateway.bodies.max_bytes,
        )
        context = endpoint.plugin.context(_facts(exchange))
        try:
            chunks = endpoint.plugin.running.handle_endpoint_request_stream(context, request)
            await attended(streaming.run(chunks, self._bounds.stream_timeout_seconds), receive)
        except ClientGone:
            exchange.partial = streaming.has_started
            raise
        except Exception as error:
            if streaming.has_started:
                exchange.partial = True
                raise self._cut(endpoint, streaming, error) from error
            if isinstance(error, ErrorSaid):
                return self._answered(exchange, error_answer(error.said, Head(error.status, [])))
            raise
        exchange.outcome = "ok"
        return streaming.last()

    def _cut(self, endpoint: Endpoint, streaming: Streaming, error: Exception) -> StreamCut:
        """Only what the plugin did wrong counts against it: not an error that it says, nor that the time is up, which a
        client that reads slowly can bring about, and which is how streams end that nobody ends."""
        gate, seconds = endpoint.plugin.gate, self._bounds.stream_timeout_seconds
        failure: Refusal
        if isinstance(error, ErrorSaid):
            gate.succeeded()
            failure = SaidError(endpoint.plugin.name, error.said)
        elif isinstance(error, DeadlineExpired):
            gate.abandoned()
            failure = TimeIsUp(endpoint.plugin.name, seconds)
        else:
            failure = _failure(endpoint, error, seconds)
        return StreamCut(failure, streaming.broken(body_of(failure)))

    def _seconds(self, endpoint: Endpoint) -> float:
        bounds = self._bounds
        return bounds.stream_timeout_seconds if endpoint.registration.stream_response else bounds.timeout_seconds

    def _answered(self, exchange: Exchange, answer: Answer) -> list[Message]:
        head, body = answer.head, answer.body
        headers = [*head.headers, *own_headers(exchange)]
        if head.status not in BODILESS:
            headers.append((b"content-length", b"%d" % len(body)))
        if exchange.method == "HEAD" or head.status in BODILESS:
            body = b""
        exchange.outcome = "ok"
        if answer.said:
            exchange.error_kind, exchange.error_message = "endpoint_error", answer.said
        exchange.response_code, exchange.response_headers = head.status, headers
        exchange.keep_copy(body, self._gateway.bodies.max_bytes)
        return [
            {"type": "http.response.start", "status": head.status, "headers": headers},
            {"type": "http.response.body", "body": body, "more_body": False},
        ]


def _facts(exchange: Exchange) -> ExchangeFacts:
    app = exchange.app
    exchange.facts = ExchangeFacts(
        request_id=exchange.request_id,
        exchange_id=exchange.exchange_id,
        app_id=app.id if app else None,
        user_id=exchange.user_id,
        user=person_of(exchange),
        traceparent=exchange.traceparent,
        tracestate=tracestate_of(exchange),
    )
    return exchange.facts


def _failure(endpoint: Endpoint, error: Exception, seconds: float) -> Refusal:
    """What the client gets instead; counted and, once in a while, logged."""
    name, gate, account = endpoint.plugin.name, endpoint.plugin.gate, endpoint.account
    if isinstance(error, OversizeError):
        gate.abandoned()
        account.tally.oversized += 1
        message = f"plugin {name!r} cannot be given {error.size} bytes: its limit is {error.limit_bytes}"
        return RequestTooLarge(message)
    reason = _reason(error, seconds)
    if isinstance(error, NotCalled):
        account.not_called(reason)
        return EndpointBusy(name) if gate.state == "closed" else EndpointFailed(name, reason, 503)
    gate.failed(reason)
    account.failed(reason)
    return EndpointFailed(name, reason, 504 if isinstance(error, DeadlineExpired) else 502)


def _reason(error: Exception, seconds: float) -> str:
    if isinstance(error, DeadlineExpired):
        return f"no answer within {seconds:g} s"
    if isinstance(error, AnswerError | NotCalled):
        return str(error)[:_MAX_REASON_CHARACTERS]
    if isinstance(error, EscapeAttempted):
        return f"raised {error}"
    return f"raised {described(error)}"
