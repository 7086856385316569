"""Who is told of exchanges besides the record: their trace, and the access log. Nothing is told where both are off.

Told when an exchange is opened and when it is over; neither waits, neither can fail it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import structlog

from gateway.access_log import AccessLog
from gateway.headers import header
from gateway.hooks import tracestate_of
from gateway.log_target import open_target
from gateway.tracing.finished import finish
from gateway.tracing.sampling import Sampler
from gateway.tracing.trace import TimedList

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.exchange import Exchange
    from gateway.recording.keeping import Keeping
    from gateway.settings import Settings
    from gateway.telemetry import GatewayMetrics
    from gateway.tracing.finished import Finished
    from sluice.eventlog.interface import Boot

logger = structlog.get_logger(__name__)


class Outlet(Protocol):
    """What carries off what a witness was told."""

    async def run(self) -> None:
        """For as long as the worker lives."""
        ...

    async def close(self) -> None:
        """Behind ``run``: what waits goes out, within a bound."""
        ...


class Witness:
    """Of one worker's exchanges."""

    def __init__(
        self,
        sampler: Sampler | None = None,
        export: Callable[[Finished], None] | None = None,
        write: Callable[[Exchange], None] | None = None,
    ) -> None:
        """``sampler`` with ``export`` is for traces, ``write`` for the access log."""
        self._sampler = sampler
        self._export = export
        self._write = write
        self._failed = False

    def opened(self, exchange: Exchange) -> None:
        """Decide whether it is traced. Then whatever is called for it is a child of it."""
        if self._sampler is None:
            return
        trace = self._sampler.decide(exchange.traceparent)
        if trace is None:
            return
        if exchange.traceparent:
            trace.tracestate = tracestate_of(exchange)
        elif header(exchange.headers, b"tracestate") is not None:  # of no trace, or of one that cannot be read
            exchange.headers = [pair for pair in exchange.headers if pair[0] != b"tracestate"]
        exchange.trace, exchange.trace_id, exchange.traceparent = trace, trace.trace_id, trace.traceparent
        exchange.timings, exchange.attempts = TimedList(), TimedList()

    def ended(self, exchange: Exchange) -> None:
        """The last byte is out, or will never be."""
        try:
            if exchange.trace is not None and self._export is not None:
                self._export(finish(exchange, exchange.trace))
            if self._write is not None:
                self._write(exchange)
        except Exception:
            if not self._failed:  # it would be a line for each exchange
                logger.exception("exchange neither traced nor logged", exchange_id=exchange.exchange_id)
            self._failed = True


def open_witness(
    settings: Settings, boot: Boot, keeping: Keeping, metrics: GatewayMetrics
) -> tuple[Witness | None, tuple[Outlet, ...]]:
    """As the settings want it; ``None`` where nobody wants to know. What was told goes out by the outlets."""
    tracing, log, exporter = settings.tracing, None, None
    if tracing.endpoint:
        from gateway.tracing.opening import open_exporter  # noqa: PLC0415 - an extra

        exporter = open_exporter(tracing, settings.gateway.namespace, boot, metrics)
    if settings.access_log.to != "nowhere":
        log = AccessLog(settings.access_log, open_target(settings.access_log), keeping, metrics, boot.worker)
    if exporter is None and log is None:
        return None, ()
    witness = Witness(
        Sampler(tracing) if exporter is not None else None,
        exporter.offer if exporter is not None else None,
        log.note if log is not None else None,
    )
    return witness, tuple(outlet for outlet in (exporter, log) if outlet is not None)
