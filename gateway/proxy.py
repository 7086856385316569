"""The way of one exchange.

1 accept   2 pre-auth   3 authenticate   4 post-auth   5 admit
6 upstream   7 respond   8 settle   9 record, then the last byte

Every way out of 1-7 ends in 8 and 9: one terminal outcome, always counted. What 5 held in budgets is settled in 9,
behind the record; ``stream_complete`` plugins are told behind the last byte. A kill between 6 and 9 leaves a slot in
the in-flight file, from which the next boot writes an ``interrupted`` exchange and charges it. A client that leaves is
drained in 6 and 7 (``ClientGone``). A full journal refuses in 1; a commit that fails in 9 closes the connection without
the last byte, and so does a fault of ours there: what is owed to the record then is the recorder's.
"""

from __future__ import annotations

import time
from types import coroutine
from typing import TYPE_CHECKING

from gateway.accept import note_what_was_asked
from gateway.outcomes import ClientGone, Refusal
from gateway.receipts import with_receipt
from gateway.transfer import refuse

if TYPE_CHECKING:
    from collections.abc import Generator

    from gateway.accept import Acceptor
    from gateway.access.admission import Admission
    from gateway.access.credentials import Credentials
    from gateway.asgi import Message, Receive, Scope, Send
    from gateway.ended_streams import EndedStreams
    from gateway.exchange import Exchange
    from gateway.hooks import Hooks
    from gateway.recording.recorder import Recorder
    from gateway.respond import Responder
    from gateway.routes import Route
    from gateway.sweep import Sweep
    from gateway.upstreams.caller import Caller
    from gateway.witness import Witness

import structlog

from gateway.hooks import plugin_refusal
from gateway.usage import price_exchange
from sluice.plugin_host.errors import PluginBlocked, PluginFailed

logger = structlog.get_logger(__name__)


class Proxy:
    """The data plane of one worker."""

    def __init__(
        self,
        *,
        acceptor: Acceptor,
        hooks: Hooks,
        credentials: Credentials,
        admission: Admission,
        caller: Caller,
        responder: Responder,
        recorder: Recorder,
        sweep: Sweep,
        ended_streams: EndedStreams,
        write_timeout_seconds: float,
        witness: Witness | None = None,
    ) -> None:
        """``witness`` is told of each exchange; ``None`` where nobody wants to know."""
        self._acceptor = acceptor
        self._hooks = hooks
        self._credentials = credentials
        self._admission = admission
        self._caller = caller
        self._responder = responder
        self._recorder = recorder
        self._sweep = sweep
        self._ended_streams = ended_streams
        self._write_timeout_seconds = write_timeout_seconds
        self._witness = witness

    async def handle(self, route: Route, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one exchange, from its head to its last byte."""
        exchange = self._acceptor.open(route, scope)
        if self._witness is not None:
            self._witness.opened(exchange)
        self._sweep.watch(exchange)
        try:
            last = await self._serve(exchange, receive, send)
            if exchange.wants_cost:
                last = with_receipt(exchange, last)
            await self._finish(exchange, last, send)
            self._recorder.close(exchange)
        except Exception:
            logger.exception("exchange not finished", exchange_id=exchange.exchange_id)
            exchange.abort_connection()
            self._recorder.close(exchange)
        finally:
            # A cancellation passes (the worker stops): its slot stays open, and the next boot records what was cut.
            self._sweep.forget(exchange)
        if self._witness is not None:
            self._witness.ended(exchange)
        if exchange.stream_copy is not None:
            await self._ended_streams.tell(exchange, exchange.stream_copy)
        if exchange.facts is not None:
            exchange.facts.states.clear()  # what plugins hold for it ends with it, whatever may still refer to it

    async def _serve(self, exchange: Exchange, receive: Receive, send: Send) -> list[Message]:
        """Steps 1 to 7; returns the messages that must wait for the record."""
        try:
            llm, snapshot = await self._acceptor.accept(exchange, receive)  # 1
            if exchange.trace is not None:
                exchange.trace.accepted_ns = time.monotonic_ns()
            await self._hooks.pre_auth(exchange, llm)  # 2
            if llm.chains.auth is None:  # 3
                app = self._credentials.authenticate(exchange, llm, snapshot)
            else:  # and then never by a token
                identity = await self._hooks.authenticate(exchange, llm, llm.chains.auth)
                app = self._credentials.accept(exchange, llm, snapshot, identity)
            if llm.by_app:
                llm = exchange.llm = llm.by_app.get(app.id, llm)
            await self._hooks.post_auth(exchange, llm)  # 4
            facts = exchange.facts
            if facts is not None and facts.metadata:
                self._hooks.choose_upstream(exchange, llm, facts)
            self._acceptor.understand(exchange, llm)  # 5
            await self._admission.admit(exchange, llm, snapshot)
            try:
                if exchange.connection.others_begin():
                    await _all_admitted()
                response = await self._caller.call(exchange, llm)  # 6
                return await self._responder.respond(exchange, llm, response, send)  # 7
            finally:
                price_exchange(exchange, snapshot.prices)  # 8
                self._admission.settle(exchange)
        except ClientGone:
            exchange.outcome = "client_closed"
            return []
        except Exception as error:  # noqa: BLE001 - logged there, where it is none of ours
            return self._refused(exchange, error)

    def _refused(self, exchange: Exchange, error: Exception) -> list[Message]:
        """The answer instead; none where even that fails: then the connection is closed."""
        try:
            if isinstance(error, PluginBlocked | PluginFailed):
                note_what_was_asked(exchange)
                error = plugin_refusal(exchange, error)
            if not isinstance(error, Refusal):
                logger.error("exchange failed", exchange_id=exchange.exchange_id, exc_info=error)
                error = _fault(error)
            return refuse(exchange, error)
        except Exception:
            logger.exception("exchange not refused", exchange_id=exchange.exchange_id)
            exchange.outcome = exchange.outcome or "gateway_error"
            return []

    async def _finish(self, exchange: Exchange, last: list[Message], send: Send) -> None:
        """Step 9: the record, then the last byte."""
        try:
            durable = await self._recorder.record(exchange)
            if not (durable and last):
                exchange.abort_connection()
            else:
                exchange.deadline = time.monotonic() + self._write_timeout_seconds  # a client that takes nothing
                for message in last:
                    await send(message)
                if exchange.stream_copy is not None:
                    exchange.stream_copy.end(last)
        finally:
            self._caller.release(exchange)


@coroutine
def _all_admitted() -> Generator[None, None, None]:
    """Others whose requests came in this turn of the loop go through 1-5 first, and then all of them call. What a step
    needs is in the processor's caches from the second exchange on; one after the other they drive each other's out."""
    yield


def _fault(error: Exception) -> Refusal:
    refusal = Refusal("the gateway failed; the exchange id finds the reason in its log")
    refusal.__cause__ = error
    return refusal
