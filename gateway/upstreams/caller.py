"""Step 6: the call to the vendor: its attempts at the LLM that was asked, then at those it fails over to."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from gateway.errors import UpstreamFault, UpstreamTimeout, UpstreamUnreachable
from gateway.headers import upstream_headers
from gateway.outcomes import ClientGone, Outcome, Overloaded, UpstreamFailed
from gateway.upstreams.client import Timeouts, UpstreamRequest
from gateway.upstreams.failover import take_over
from gateway.upstreams.retries import has_failed, pause_seconds

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gateway.exchange import Exchange
    from gateway.recording.recorder import Recorder
    from gateway.settings import UpstreamSettings
    from gateway.snapshot import Llm
    from gateway.upstreams.client import UpstreamClient, UpstreamResponse
    from gateway.upstreams.retries import End


class Caller:
    """Calls vendors for one worker. ``sleep`` is how pauses before retries are made."""

    def __init__(
        self,
        client: UpstreamClient,
        recorder: Recorder,
        settings: UpstreamSettings,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._recorder = recorder
        self._retries = settings.retries
        self._sleep = sleep
        self._timeouts = Timeouts(
            settings.connect_timeout_seconds,
            settings.first_byte_timeout_seconds,
            settings.idle_timeout_seconds,
            settings.total_timeout_seconds,
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._with_first_byte = lru_cache(maxsize=1024)(partial(_with_first_byte, self._timeouts))

    async def call(self, exchange: Exchange, llm: Llm) -> UpstreamResponse:
        """The vendor's answer, once its head is here; a refusal of the vendor's too, where nobody does better.

        Raises ``UpstreamFailed``, ``Overloaded`` or ``ClientGone``.
        """
        if not self._recorder.begin_upstream(exchange, llm):
            message = "no slot is left in the in-flight file; try again"
            raise Overloaded(message)
        exchange.upstream_started_ns = time.monotonic_ns()
        end = await self._ask(exchange, llm)
        if exchange.failover and has_failed(end):
            end = await self._fail_over(exchange, end)
        if isinstance(end, UpstreamFault):
            raise _failed(exchange, end) from end
        exchange.first_byte_ns = time.monotonic_ns()
        exchange.upstream, exchange.upstream_status = end, end.status
        return end

    async def _fail_over(self, exchange: Exchange, end: End) -> End:
        """Ask the other LLMs in order, until one does not fail; returns how the last one ended."""
        body, path = exchange.body, exchange.path
        for candidate in exchange.failover:
            if exchange.client_left:
                break
            _discard(exchange, end)
            take_over(exchange, candidate, body, path)
            end = await self._ask(exchange, candidate.llm)
            if not has_failed(end):
                break
        return end

    async def _ask(self, exchange: Exchange, llm: Llm) -> End:
        """How the last attempt at one LLM ended; see ``retries.py`` for when there is another."""
        if llm.problem:  # what it is stands in the log: paths and variables are no client's business
            return UpstreamUnreachable(f"LLM {llm.slug!r} cannot be called: its configuration is not complete")
        request = self._request(exchange, llm)
        retries_made = 0
        while True:
            if exchange.client_left:
                raise ClientGone
            end = await self._attempt(exchange, llm, request)
            if not has_failed(end):
                return end
            pause = pause_seconds(llm, self._retries, retries_made, end)
            if pause is None or exchange.client_left:
                return end
            _discard(exchange, end)
            retries_made += 1
            await self._sleep(pause)

    async def _attempt(self, exchange: Exchange, llm: Llm, request: UpstreamRequest) -> End:
        started = time.monotonic_ns()
        status, error_kind, may_be_billed = None, "", True
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        exchange.task = asyncio.current_task(self._loop)
        try:
            if llm.signer is not None:
                request = await llm.signer.sign(request)
            response = await self._client.send(request)
            status = response.status
        except UpstreamFault as fault:
            error_kind, may_be_billed = _kind(fault), fault.may_be_billed
            return fault
        except ValueError:  # the client refuses to write such a request
            error_kind, may_be_billed = "unsendable", False
            raise
        except asyncio.CancelledError:
            error_kind = "cancelled"
            if not exchange.drain_expired or exchange.task is None:
                raise
            exchange.task.uncancel()
            exchange.partial = True
            raise ClientGone from None
        else:
            return response
        finally:
            exchange.task = None
            exchange.attempts.append(
                {
                    "llm_id": llm.id,
                    "llm_slug": llm.slug,
                    "status": status,
                    "error_kind": error_kind,
                    "may_be_billed": may_be_billed,
                    "micros": (time.monotonic_ns() - started) // 1000,
                }
            )

    def _request(self, exchange: Exchange, llm: Llm) -> UpstreamRequest:
        origin, host, base_path = llm.origin, llm.host, llm.base_path
        if exchange.upstream_override and exchange.served_by is None:  # a plugin chose for the LLM that was asked alone
            origin, host, base_path = llm.upstreams[exchange.upstream_override]
        headers = upstream_headers(exchange, llm.authorization)
        headers.append((b"host", host))
        return UpstreamRequest(
            origin,
            exchange.method.encode("ascii"),
            target_of(base_path, exchange.path, exchange.query and llm.dialect.clean_query(exchange.query)),
            headers,
            exchange.body,
            self._timeouts if llm.timeout_seconds is None else self._with_first_byte(llm.timeout_seconds),
        )

    def release(self, exchange: Exchange) -> None:
        """Let go of an answer that was not read beyond its terminal event, so that its connection is used again."""
        response = exchange.upstream
        if response is not None and not exchange.upstream_ended_ns:
            response.release()


def _with_first_byte(timeouts: Timeouts, seconds: float) -> Timeouts:
    """An LLM's own time until the first byte, in which a connection has to be made too."""
    return replace(timeouts, connect_seconds=min(timeouts.connect_seconds, seconds), first_byte_seconds=seconds)


def _discard(exchange: Exchange, end: End) -> None:
    """An answer that is not passed on: the vendor refused, so nothing is charged. Its connection is used again."""
    if not isinstance(end, UpstreamFault):
        exchange.attempts[-1]["may_be_billed"] = False
        end.release()


def target_of(base_path: str, path: str, query: bytes) -> bytes:
    """The vendor's path: the base path (unless the client's begins with it), the client's, the query."""
    if base_path and not (path == base_path or path.startswith(base_path + "/")):
        path = base_path + path
    target = path.encode("ascii")
    return target + b"?" + query if query else target


def _kind(fault: UpstreamFault) -> str:
    if isinstance(fault, UpstreamTimeout):
        return f"timeout_{fault.phase}"
    return "unreachable" if isinstance(fault, UpstreamUnreachable) else "protocol"


def fault_outcome(fault: UpstreamFault) -> tuple[int, Outcome]:
    """Status and outcome of an upstream that failed before its first byte."""
    if isinstance(fault, UpstreamTimeout):
        return 504, "upstream_timeout"
    if isinstance(fault, UpstreamUnreachable):
        return 502, "upstream_unreachable"
    return 502, "upstream_error"


def _failed(exchange: Exchange, fault: UpstreamFault) -> UpstreamFailed:
    exchange.error_kind = _kind(fault)
    status, outcome = fault_outcome(fault)
    return UpstreamFailed(status, outcome, str(fault))
