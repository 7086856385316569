"""One attempt to write a batch: in its turn, in a slot, and never raising."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import polars as pl
import structlog

from collectors.backoff import MAX_RETRY_AFTER_SECONDS, Backoff
from collectors.breaker import Breaker
from collectors.concurrency import Concurrency
from collectors.deliveries import Batch, Frame
from collectors.errors import Halt, Retryable, Unprocessable, Waiting
from collectors.health import Health
from collectors.metrics import ServiceMetrics
from collectors.sinks.interface import Prepared, Sink, Verdict

SINK = "sink"
"""Where the sink's troubles are kept in ``Health``; where a service has several, its collector's name follows."""

_log = structlog.get_logger(__name__)


def prepare(sink: Sink[Any], frame: Frame) -> Prepared[Any]:
    """The sink's documents of a frame; where a row breaks it, halving finds the row, and only that one is poison."""
    try:
        return sink.prepare(frame)
    except (Exception, pl.exceptions.PanicException) as error:  # noqa: BLE001 - one row must not stop all others
        size = len(frame.delivery)
        if size == 1:
            return Prepared([None], {0: Unprocessable("unencodable", type(error).__name__)})
    middle = size // 2
    first, second = prepare(sink, frame.slice(0, middle)), prepare(sink, frame.slice(middle, size))
    poison = first.poison | {middle + at: found for at, found in second.poison.items()}
    return Prepared([*first.documents, *second.documents], poison)


class Writer:
    """Writes batches to one sink. ``halt_seconds``: how often a halted sink is tried, by one batch at a time."""

    def __init__(
        self,
        sink: Sink[Any],
        concurrency: Concurrency,
        health: Health,
        metrics: ServiceMetrics,
        backoff: Backoff,
        halt_seconds: float,
        clock: Callable[[], float],
        *,
        breaker: Breaker,
        where: str = SINK,
    ) -> None:
        self._sink = sink
        self._breaker = breaker
        self.where = where
        self._health = health
        self._metrics = metrics
        self._backoff = backoff
        self._halt_seconds = halt_seconds
        self._clock = clock
        self._probe = asyncio.Lock()
        self._not_before = clock()
        self.concurrency = concurrency
        self.succeeded_at: float | None = None
        """When a write last went through, by ``clock``."""

    async def write(self, batch: Batch) -> Verdict:
        """Try once what is pending; the verdict's positions are those of the batch."""
        async with self._turn(), self.concurrency.slot() as started_in:
            positions = [at for at in batch.pending if at not in batch.unwritable]
            verdict = Verdict()
            if positions:
                await self._wait_as_asked()
                batch.attempts += 1
                verdict = await self._attempt([batch.documents[at] for at in positions])
                if isinstance(verdict.cause, Waiting):
                    batch.attempts -= 1
                self._report(verdict, len(positions), started_in)
        poison = {at: batch.unwritable[at] for at in batch.pending if at in batch.unwritable}
        poison |= {positions[at]: error for at, error in verdict.poison.items()}
        retry = [positions[at] for at in verdict.retry]
        return Verdict(verdict.duplicates, poison, retry, verdict.cause, [positions[at] for at in verdict.passed])

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """At once while nothing is halted or open; else one batch tries, and the others wait for what it finds."""
        if self._is_shut:
            async with self._probe:
                if self._is_shut:
                    await asyncio.sleep(self._seconds_until_probe())
                    yield
                    return
        yield

    @property
    def _is_shut(self) -> bool:
        return self._breaker.is_open or self._health.is_halted_at(self.where)

    def _seconds_until_probe(self) -> float:
        return self._halt_seconds if self._health.is_halted_at(self.where) else self._breaker.seconds_left

    @property
    def has_room(self) -> bool:
        """Whether a batch that came now would be written now, or be the one that tries whether it can be."""
        return self.concurrency.has_room and not self._breaker.seconds_left and not self._probe.locked()

    async def _wait_as_asked(self) -> None:
        """Until the time that the sink's ``Retry-After`` named: it was said to one write and holds for all."""
        while (seconds := self._not_before - self._clock()) > 0:  # noqa: ASYNC110 - more may be asked meanwhile
            await asyncio.sleep(seconds)

    async def _attempt(self, documents: Any) -> Verdict:
        began = self._clock()
        try:
            return await self._sink.write(documents)
        except Exception as error:  # noqa: BLE001 - a fault of ours must not lose what others wrote
            _log.exception("sink broke its contract: it raised")
            verdict = Verdict()
            verdict.postpone(range(len(documents)), Retryable(f"the sink raised {type(error).__name__}"))
            return verdict
        finally:
            self._metrics.wrote(self._clock() - began)

    def _report(self, verdict: Verdict, size: int, started_in: int) -> None:
        cause = verdict.cause
        if isinstance(cause, Waiting):
            self._metrics.retried(cause)
            if len(verdict.retry) == size:
                return  # it tells nothing of the sink
            cause = None
        if cause is None:
            self.succeeded_at = self._clock()
            self.concurrency.succeeded()
            self._health.clear(self.where)
        elif isinstance(cause, Halt):
            self._health.halt(self.where, cause)
        elif cause.throttled:
            self.concurrency.throttled(started_in)
            seconds = min(cause.retry_after_seconds or 0.0, MAX_RETRY_AFTER_SECONDS)
            self._not_before = max(self._not_before, self._clock() + seconds)
            self._health.clear(self.where)  # it answers: slower is not broken
        else:
            self._health.trouble(self.where, str(cause))
        if isinstance(cause, Retryable) and not cause.throttled and len(verdict.retry) == size:
            self._breaker.failed()
        elif not isinstance(cause, Halt):
            self._breaker.succeeded()
        if cause is not None:
            self._metrics.retried(cause)

    async def wait(self, batch: Batch, cause: Retryable | Halt | None) -> None:
        """Until what is left of the batch may be tried again; a halted sink's turn is waited for in ``write``."""
        if isinstance(cause, Retryable):
            failures = 1 if isinstance(cause, Waiting) else batch.attempts
            await asyncio.sleep(self._backoff.seconds(failures, cause.retry_after_seconds))
