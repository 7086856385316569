"""Step 6: the call to the vendor, with its attempts."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from gateway.errors import UpstreamFault, UpstreamTimeout, UpstreamUnreachable
from gateway.headers import upstream_headers
from gateway.outcomes import ClientGone, Outcome, Overloaded, UpstreamFailed
from gateway.upstreams.client import Timeouts, UpstreamRequest

if TYPE_CHECKING:
    from gateway.exchange import Exchange
    from gateway.recording.recorder import Recorder
    from gateway.settings import UpstreamSettings
    from gateway.snapshot import Llm
    from gateway.upstreams.client import UpstreamClient, UpstreamResponse


class Caller:
    """Calls vendors for one worker."""

    def __init__(self, client: UpstreamClient, recorder: Recorder, settings: UpstreamSettings) -> None:
        self._client = client
        self._recorder = recorder
        self._attempts = settings.retries + 1
        self._timeouts = Timeouts(
            settings.connect_timeout_seconds,
            settings.first_byte_timeout_seconds,
            settings.idle_timeout_seconds,
            settings.total_timeout_seconds,
        )

    async def call(self, exchange: Exchange, llm: Llm) -> UpstreamResponse:
        """The vendor's answer, once its head is here. Retries only while nothing has reached the vendor.

        Raises ``UpstreamFailed``, ``Overloaded`` or ``ClientGone``.
        """
        request = self._request(exchange, llm)
        if not self._recorder.begin_upstream(exchange, llm):
            message = "no slot is left in the in-flight file; try again"
            raise Overloaded(message)
        exchange.upstream_started_ns = time.monotonic_ns()
        for attempt in range(1, self._attempts + 1):
            if exchange.client_left:
                raise ClientGone
            try:
                response = await self._attempt(exchange, llm, request)
            except UpstreamFault as fault:
                if not fault.may_be_billed and attempt < self._attempts and not exchange.client_left:
                    continue
                raise _failed(exchange, fault) from fault
            exchange.first_byte_ns = time.monotonic_ns()
            exchange.upstream, exchange.upstream_status = response, response.status
            return response
        message = "no attempt was made"
        raise AssertionError(message)

    async def _attempt(self, exchange: Exchange, llm: Llm, request: UpstreamRequest) -> UpstreamResponse:
        started = time.monotonic_ns()
        status, error_kind, may_be_billed = None, "", True
        exchange.task = asyncio.current_task()
        try:
            response = await self._client.send(request)
            status = response.status
        except UpstreamFault as fault:
            error_kind, may_be_billed = _kind(fault), fault.may_be_billed
            raise
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
        headers = upstream_headers(exchange, llm.authorization)
        headers.append((b"host", llm.host))
        return UpstreamRequest(
            llm.origin,
            exchange.method.encode("ascii"),
            target_of(llm.base_path, exchange.path, exchange.query),
            headers,
            exchange.body,
            self._timeouts,
        )

    def release(self, exchange: Exchange) -> None:
        """Let go of an answer that was not read beyond its terminal event, so that its connection is used again."""
        response = exchange.upstream
        if response is not None and not exchange.upstream_ended_ns:
            response.release()


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
