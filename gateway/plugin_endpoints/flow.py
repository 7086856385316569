"""The way of one call of an endpoint.

1 accept   2 find the endpoint   3 authenticate   4 read the body   5 call the plugin   6 its answer   7 record, then
the last byte

It is an exchange like one with an LLM, without the LLM: one terminal outcome, always counted; one proxy log, no
analytics, nothing charged. Everything but 4 to 6 takes microseconds, so 404, 405, 401 and 403 are said before a body is
read. A client that leaves cancels the plugin (``ClientGone``); the sweep closes the connection of one that neither
sends nor takes. A full event log refuses in 1; a commit that fails in 7 closes the connection without the last byte.
A kill leaves no record: nothing was charged. A worker that stops cancels all of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from gateway.headers import own_headers
from gateway.outcomes import ClientGone, Refusal, RequestInvalid
from gateway.plugin_endpoints.access import authenticate
from gateway.plugin_endpoints.calling import Calls
from gateway.plugin_endpoints.refusals import EndpointUnknown, MethodNotAllowed, StreamCut, allow, body_of
from gateway.plugin_endpoints.request import request_of
from gateway.plugin_endpoints.table import Found, Plugins, RouteTable
from gateway.plugin_endpoints.target import Target, parse_target
from gateway.request_body import read_body
from gateway.routes import Route
from gateway.transfer import refuse

if TYPE_CHECKING:
    from gateway.accept import Acceptor
    from gateway.access.credentials import Credentials
    from gateway.asgi import Message, Receive, Scope, Send
    from gateway.exchange import Exchange
    from gateway.recording.recorder import Recorder
    from gateway.settings import GatewaySettings
    from gateway.snapshot import Snapshot
    from gateway.sweep import Sweep
    from gateway.witness import Witness
    from sluice.plugin_host.settings import EndpointSettings
    from sluice.plugin_host.tally import HookFigures

_BOUND = "plugin_host.endpoints.max_body_bytes"

logger = structlog.get_logger(__name__)


class PluginEndpoints:
    """Answers ``/plugins/{slug}/…`` for one worker."""

    def __init__(
        self,
        *,
        gateway: GatewaySettings,
        bounds: EndpointSettings,
        plugins: Callable[[], Plugins],
        snapshot: Callable[[], Snapshot],
        acceptor: Acceptor,
        credentials: Credentials,
        recorder: Recorder,
        sweep: Sweep,
        witness: Witness | None = None,
    ) -> None:
        """``plugins`` gives another mapping whenever one that serves is another; calls under way keep theirs. The
        ``acceptor`` counts by the same ``sweep``."""
        self._read_timeout_seconds = gateway.client_read_timeout_seconds
        self._write_timeout_seconds = gateway.client_write_timeout_seconds
        self._bounds = bounds
        self._plugins = plugins
        self._snapshot = snapshot
        self._acceptor = acceptor
        self._credentials = credentials
        self._recorder = recorder
        self._sweep = sweep
        self._witness = witness
        self._calls = Calls(gateway, bounds)
        self._routed: Plugins = {}
        self._table = RouteTable(self._routed)

    def figures(self) -> dict[str, HookFigures]:
        """What the endpoints of each plugin that serves did since it was loaded, by slug."""
        accounts = self._present().accounts
        return {slug: accounts[id(plugin)].tally.figures() for slug, plugin in self._routed.items()}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one call, from its head to its last byte."""
        raw_path: bytes = scope["raw_path"]
        route = Route("call", "", raw_path.decode("ascii", "replace").lstrip("/"))
        exchange = self._acceptor.open(route, scope)
        if self._witness is not None:
            self._witness.opened(exchange)
        self._sweep.watch(exchange)
        try:
            last = await self._serve(exchange, parse_target(raw_path), receive, send)
            await self._finish(exchange, last, send)
            self._recorder.close(exchange)
        except Exception:
            logger.exception("exchange not finished", exchange_id=exchange.exchange_id)
            exchange.abort_connection()
            self._recorder.close(exchange)
        finally:
            self._sweep.forget(exchange)
        if self._witness is not None:
            self._witness.ended(exchange)

    async def _serve(self, exchange: Exchange, target: Target, receive: Receive, send: Send) -> list[Message]:
        """Steps 1 to 6; returns the messages that must wait for the record."""
        try:
            self._acceptor.check_room(exchange)  # 1
            found = self._find(exchange, target)  # 2
            if found is None:
                return self._options(exchange, target)
            caller = await authenticate(exchange, found.endpoint, self._credentials, self._snapshot())  # 3
            await read_body(exchange, receive, self._bounds.max_body_bytes, _BOUND, self._read_timeout_seconds)  # 4
            request = request_of(exchange, target, found, caller)
            return await self._calls.call(exchange, found.endpoint, request, receive, send)  # 5, 6
        except ClientGone:
            exchange.outcome = "client_closed"
            return []
        except Exception as error:  # noqa: BLE001 - logged there, where it is none of ours
            return self._refused(exchange, error)

    def _find(self, exchange: Exchange, target: Target) -> Found | None:
        """``None`` is a path that is known, of which OPTIONS asks by what methods."""
        if target.problem:
            raise RequestInvalid(target.problem)
        table = self._present()
        found = table.find(target.slug, target.segments, exchange.method)
        if found is not None:
            return found
        allowed = table.allowed(target.slug, target.segments)
        if not allowed:
            raise EndpointUnknown(target.path)
        if exchange.method != "OPTIONS":
            raise MethodNotAllowed(exchange.method, allowed)
        return None

    def _present(self) -> RouteTable:
        plugins = self._plugins()
        if plugins is not self._routed:
            self._table, self._routed = RouteTable(plugins, self._table), plugins
        return self._table

    def _options(self, exchange: Exchange, target: Target) -> list[Message]:
        headers = [*allow(self._table.allowed(target.slug, target.segments)), *own_headers(exchange)]
        exchange.outcome, exchange.response_code, exchange.response_headers = "ok", 204, headers
        return [
            {"type": "http.response.start", "status": 204, "headers": headers},
            {"type": "http.response.body", "body": b"", "more_body": False},
        ]

    def _refused(self, exchange: Exchange, error: Exception) -> list[Message]:
        """The answer instead; none where even that fails: then the connection is closed."""
        try:
            if not isinstance(error, Refusal):
                logger.error("exchange failed", exchange_id=exchange.exchange_id, exc_info=error)
                error = Refusal("the gateway failed; the exchange id finds the reason in its log")
            if isinstance(error, StreamCut):
                exchange.outcome, exchange.error_kind, exchange.error_message = error.outcome, error.code, error.detail
                return error.messages
            error.body = body_of(error)
            return refuse(exchange, error)
        except Exception:
            logger.exception("exchange not refused", exchange_id=exchange.exchange_id)
            exchange.outcome = exchange.outcome or "gateway_error"
            return []

    async def _finish(self, exchange: Exchange, last: list[Message], send: Send) -> None:
        """Step 7: the record, then the last byte."""
        durable = await self._recorder.record(exchange)
        if not (durable and last):
            exchange.abort_connection()
            return
        exchange.deadline = time.monotonic() + self._write_timeout_seconds
        for message in last:
            await send(message)
