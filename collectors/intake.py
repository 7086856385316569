"""Takes records in: polls, pauses what must wait, and rides out whatever befalls the log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence

from collectors.backoff import Backoff
from collectors.backpressure import Backpressure
from collectors.deliveries import Delivery
from collectors.errors import Halt
from collectors.health import Health
from collectors.metrics import ServiceMetrics
from collectors.tracker import Tracker
from sluice.eventlog.interface import EventLogError, NamedLogs, OffsetLostError, Partition, PolledRecord, Source

MAX_POLL_RECORDS = 5_000
EVENT_LOG = "event log"
OFFSETS = "offsets"
"""Where troubles are kept in ``Health``."""

_TICK_SECONDS = 1.0


class Intake:
    """One service's side of its source. ``halt_seconds``: how often a lost offset is tried again."""

    def __init__(
        self,
        source: Source,
        tracker: Tracker,
        backpressure: Backpressure,
        health: Health,
        metrics: ServiceMetrics,
        backoff: Backoff,
        halt_seconds: float,
        clock: Callable[[], float],
    ) -> None:
        self._source = source
        self._tracker = tracker
        self._backpressure = backpressure
        self._health = health
        self._metrics = metrics
        self._backoff = backoff
        self._halt_seconds = halt_seconds
        self._clock = clock
        self._closed: set[Partition] = set()
        self._failures = 0
        self.paused: set[Partition] = set()
        """What is paused at the source now."""
        self.taken = 0
        """Records taken in so far."""

    async def log_ids(self, partitions: Iterable[Partition]) -> Mapping[Partition, str]:
        """Which logs these are, as far as the source knows."""
        return await self._source.log_ids(partitions) if isinstance(self._source, NamedLogs) else {}

    def open(self, partitions: Iterable[Partition]) -> None:
        """These were assigned: they are closed no more. What was paused stays so at the source too, until ``_pause``
        looks again; of a service that takes nothing in they are paused before the first record."""
        opened = set(partitions)
        self._closed.difference_update(opened)
        if self._health.stops_intake:
            self._source.pause(opened)
            self.paused |= opened

    def close(self, partitions: Iterable[Partition]) -> None:
        """Take nothing more from these: they are being revoked."""
        self._closed.update(partitions)

    @property
    def is_closing(self) -> bool:
        """Whether a revoke is under way, so that nothing must be gathered for long."""
        return any(self._tracker.lane(partition) is not None for partition in self._closed)

    async def take(self, timeout_seconds: float) -> Delivery:
        """What came within the time, in the order of the log, tracked as ours to finish; empty where nothing did."""
        self._health.tick()
        self._pause()
        began = self._clock()
        try:
            polled = await self._source.poll(timeout_seconds, MAX_POLL_RECORDS)
        except OffsetLostError as error:
            self._health.halt(OFFSETS, Halt(str(error), "until then nothing is read: a silent jump would be loss"))
            await self._failed(error, self._halt_seconds)
            return Delivery()
        except EventLogError as error:
            self._failures += 1
            self._health.trouble(EVENT_LOG, str(error))
            await self._failed(error, self._backoff.seconds(self._failures))
            return Delivery()
        self._failures = 0
        self._health.clear(EVENT_LOG)
        self._health.clear(OFFSETS)
        self._metrics.spent("backpressure" if self.paused else "poll", self._clock() - began)
        return self._deliver(polled)

    def _deliver(self, polled: Mapping[Partition, Sequence[PolledRecord]]) -> Delivery:
        """What of it is ours; the rest was not committed and comes again, here or elsewhere."""
        delivery = Delivery()
        for partition, records in polled.items():
            lane = self._tracker.lane(partition)
            if lane is not None and records and partition not in self._closed:
                lane.deliver(records)
                delivery.add_lane(records, lane)
        self._backpressure.take(delivery)
        self.taken += len(delivery)
        return delivery

    async def _failed(self, error: Exception, seconds: float) -> None:
        self._metrics.poll_failed(error)
        while seconds > 0:
            self._health.tick()
            await asyncio.sleep(min(seconds, _TICK_SECONDS))
            seconds -= _TICK_SECONDS

    def _pause(self) -> None:
        """Pause and resume at the source what changed since the last poll."""
        full = self._backpressure.paused()
        if self._backpressure.is_full or self._health.stops_intake:
            full = {lane.partition for lane in self._tracker.lanes()}
        if full == self.paused:
            return
        if paused := full - self.paused:
            self._source.pause(paused)
        if resumed := self.paused - full:
            self._source.resume(resumed)
        self.paused = set(full)
