"""Records exchanges: counts each outcome, makes its events durable, keeps the in-flight file."""

from __future__ import annotations

import asyncio
import time
from functools import lru_cache, partial
from ipaddress import IPv6Address, IPv6Network
from typing import TYPE_CHECKING

import structlog

from gateway.access.budgets import worth_of
from gateway.recording.backlog import Backlog, Mark
from gateway.recording.events import EventBuilder
from gateway.recording.inflight import InFlightFile
from sluice.eventlog.drafts import Draft
from sluice.eventlog.interface import EventLogError, NotAcknowledgedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.access.budgets import Budgets
    from gateway.exchange import Exchange
    from gateway.recording.inflight import Progress
    from gateway.snapshot import Llm
    from gateway.telemetry import GatewayMetrics
    from schemas.codec import EncodedEvent
    from sluice.eventlog.interface import EventLog

logger = structlog.get_logger(__name__)


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
    """The last step of every exchange. One per worker.

    What is held in budgets is settled here, when the record is durable and before the slot is free: a kill at any
    moment leaves either a slot to settle by, or nothing to settle.
    """

    def __init__(
        self,
        *,
        log: EventLog,
        builder: EventBuilder,
        inflight: InFlightFile,
        backlog: Backlog,
        budgets: Budgets,
        mark: Callable[[], Mark],
        metrics: GatewayMetrics,
        unauthenticated_per_second: int,
    ) -> None:
        self._log = log
        self._builder = builder
        self._inflight = inflight
        self._backlog = backlog
        self._budgets = budgets
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
            exchange.exchange_id,
            exchange.occurred_at,
            app.id if app else 0,
            exchange.user_id or 0,
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
            f"{exchange.method} {self._builder.kept_path(exchange)}"[:80],
            exchange.holds,
            app.budget_reset_day if app else 1,
            llm.budget_reset_day,
            app.time_zone if app else "UTC",
        )
        return exchange.slot >= 0

    def progress(self, exchange: Exchange) -> None:
        """What has passed so far, for the charge of an interrupted exchange."""
        if exchange.slot >= 0:
            self._inflight.progress(exchange.slot, exchange.response_bytes, exchange.sse_frames)

    def progress_of(self, exchange: Exchange) -> Progress:
        """Where to write what has passed so far, for the same purpose, as long as its upstream call lasts."""
        return self._inflight.progress_of(exchange.slot) if exchange.slot >= 0 else ([0, 0], 0)

    async def record(self, exchange: Exchange) -> bool:
        """Make the exchange's events durable; ``False`` where that failed and the last byte must not go out.

        Every outcome is counted. Not recorded: what had no room, and refusals without an app beyond their cap. Where
        recording fails, by the log or (raised) by a fault of ours, an exchange whose vendor was called keeps its slot,
        which is the backlog's from then on: it writes the exchange when the log recovers, else the next boot does.
        """
        exchange.total_micros = exchange.elapsed_micros()
        draft = Draft(self._builder, exchange)
        try:
            self._metrics.count(exchange)
            if not self._is_recorded(exchange):
                return True
            if self._builder.redacts(exchange):
                await self._redact(draft, exchange)
            if exchange.holds:
                self._inflight.price(exchange.slot, worth_of(exchange))
            await self._log.commit(draft)
        except NotAcknowledgedError as error:  # the journal has it, so nothing is owed
            self._metrics.commit_failures.add(1, type(error).__name__)
            return False
        except EventLogError as error:
            self._owe(exchange, _owed(exchange, draft), error)
            return False
        except Exception as error:
            self._owe(exchange, (), error)
            raise
        self._clear_slot(exchange)
        return True

    async def _redact(self, draft: Draft, exchange: Exchange) -> None:
        """At once: a whole group's, behind a disk that did not answer for a while, would hold the loop for a second."""
        if self._builder.is_slow(exchange):  # bodies whose redaction takes long: meanwhile other exchanges go on
            await asyncio.to_thread(draft.events)
        else:
            draft.events()

    def _clear_slot(self, exchange: Exchange) -> None:
        if exchange.slot < 0:
            return
        slot, exchange.slot = exchange.slot, -1
        if exchange.holds:
            self._budgets.settle(exchange, partial(self._inflight.clear, slot))
        else:
            self._inflight.clear(slot)

    def _owe(self, exchange: Exchange, events: Sequence[EncodedEvent], error: Exception) -> None:
        self._metrics.commit_failures.add(1, type(error).__name__)
        slot, exchange.slot = exchange.slot, -1
        if slot >= 0:
            self._backlog.keep(slot, events)

    def close(self, exchange: Exchange) -> None:
        """Give back the exchange's room and its slot; called once, when nothing more will be recorded of it."""
        self._clear_slot(exchange)
        if exchange.has_room:
            self._log.release()
            exchange.has_room = False

    def _is_recorded(self, exchange: Exchange) -> bool:
        if exchange.has_room:
            if exchange.app is not None:
                return True
            if self._log.has_room_for_refusals() and self._unauthenticated.take():
                return True
        self._metrics.count_unrecorded(exchange.outcome or "gateway_error", network_of(exchange.remote_addr))
        return False


def _owed(exchange: Exchange, draft: Draft) -> Sequence[EncodedEvent]:
    """What the backlog keeps; of what cannot be encoded it writes an interrupted exchange."""
    if exchange.slot < 0:
        return ()
    try:
        return draft.events()
    except Exception:  # the log failed before it came to this
        logger.exception("exchange not encoded", exchange_id=exchange.exchange_id)
        return ()


def network_of(address: str) -> str:
    """The /16 (IPv4) or /32 (IPv6) of an address: enough to find a flood, too little to fill the metrics."""
    if ":" in address:
        return _network_of_ipv6(address)
    return ".".join(address.split(".")[:2]) + ".0.0/16"


@lru_cache(maxsize=1024)
def _network_of_ipv6(address: str) -> str:
    """However it was written; of one that carries an IPv4 address, that one's."""
    try:
        parsed = IPv6Address(address)
    except ValueError:
        return "unknown"
    if parsed.ipv4_mapped is not None:
        return network_of(str(parsed.ipv4_mapped))
    return str(IPv6Network((int(parsed), 32), strict=False))
