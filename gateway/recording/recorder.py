"""Records exchanges: counts each outcome, makes its events durable, keeps the in-flight file."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from gateway.recording.events import EventBuilder
from gateway.recording.inflight import InFlight, InFlightFile
from sluice.eventlog.interface import EventLogError

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.exchange import Exchange
    from gateway.snapshot import Llm
    from gateway.telemetry import GatewayMetrics
    from sluice.eventlog.interface import EventLog

Mark = tuple[int, int]
"""A place in the journal: segment number, bytes in it."""


class TokenBucket:
    """At most so many a second, with bursts of a second's worth."""

    def __init__(self, per_second: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = per_second
        self._clock = clock
        self._tokens = float(per_second)
        self._at = clock()

    def take(self) -> bool:
        """Whether one more is allowed now."""
        now = self._clock()
        self._tokens = min(self._rate, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Recorder:
    """The last step of every exchange. One per worker."""

    def __init__(
        self,
        *,
        log: EventLog,
        builder: EventBuilder,
        inflight: InFlightFile,
        mark: Callable[[], Mark],
        metrics: GatewayMetrics,
        unauthenticated_per_second: int,
    ) -> None:
        self._log = log
        self._builder = builder
        self._inflight = inflight
        self._mark = mark
        self._metrics = metrics
        self._unauthenticated = TokenBucket(unauthenticated_per_second)

    def reserve(self, exchange: Exchange) -> bool:
        """Set room aside in the event log before anything else happens."""
        exchange.has_room = self._log.reserve()
        return exchange.has_room

    def begin_upstream(self, exchange: Exchange, llm: Llm) -> bool:
        """Fill a slot of the in-flight file: from here on a kill leaves an ``interrupted`` exchange."""
        segment, segment_bytes = self._mark()
        app = exchange.app
        exchange.slot = self._inflight.fill(
            InFlight(
                exchange.exchange_id,
                exchange.occurred_at,
                app.id if app else 0,
                (app.user_id or 0) if app else 0,
                llm.id,
                exchange.is_stream,
                exchange.reserved_nanos,
                segment,
                segment_bytes,
                len(exchange.body),
                llm.slug,
                llm.vendor,
                (exchange.model or "")[:96],
                exchange.request_id,
                exchange.price.id if exchange.price else "",
                f"{exchange.method} {exchange.path}"[:80],
            )
        )
        return exchange.slot >= 0

    def progress(self, exchange: Exchange) -> None:
        """What has passed so far, for the charge of an interrupted exchange."""
        if exchange.slot >= 0:
            self._inflight.progress(exchange.slot, exchange.response_bytes, exchange.sse_frames)

    async def record(self, exchange: Exchange) -> bool:
        """Make the exchange's events durable; ``False`` where that failed and the last byte must not go out.

        Every outcome is counted. Not recorded: what had no room, and refusals without an app beyond their cap.
        """
        self._metrics.count(exchange)
        if not self._is_recorded(exchange):
            return True
        try:
            await self._log.commit(self._builder.build(exchange))
        except EventLogError as error:
            self._metrics.commit_failures.add(1, type(error).__name__)
            exchange.slot = -1  # the slot stays open in the file: the next boot records what this one could not
            return False
        return True

    def close(self, exchange: Exchange) -> None:
        """Give back the exchange's room and its slot; called once, when nothing more will be recorded of it."""
        if exchange.slot >= 0:
            self._inflight.clear(exchange.slot)
            exchange.slot = -1
        if exchange.has_room:
            self._log.release()
            exchange.has_room = False

    def _is_recorded(self, exchange: Exchange) -> bool:
        if not exchange.has_room:
            return False
        if exchange.app is not None:
            return True
        if self._log.has_room_for_refusals() and self._unauthenticated.take():
            return True
        self._metrics.unrecorded.add(1, exchange.outcome or "gateway_error", network_of(exchange.remote_addr))
        return False


def network_of(address: str) -> str:
    """The /16 (IPv4) or /32 (IPv6) of an address: enough to find a flood, too little to fill the metrics."""
    if ":" in address:
        return ":".join(address.split(":")[:2]) + "::/32"
    return ".".join(address.split(".")[:2]) + ".0.0/16"
