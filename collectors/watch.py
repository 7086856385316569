"""Looks after a running pipeline: how far behind it is, whether its sink still answers, whether anything moves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence

import structlog

from collectors.alerts import Alerts
from collectors.errors import Halt, Retryable
from collectors.health import Health
from collectors.intake import Intake
from collectors.metrics import ServiceMetrics
from collectors.outlet import Outlet
from collectors.tracker import Tracker
from sluice.eventlog.interface import EventLogError, Partition, PartitionLag, Source

LOOK_SECONDS = 10.0
STALL_SECONDS = 60.0
"""Records wait in the log and none came for so long: the source is begun anew (aiokafka can fall silent)."""

MAX_STALL_SECONDS = 3_600.0
_LAG_TIMEOUT_SECONDS = 10.0
_CHECK_SECONDS = 30.0
"""Beyond every time limit that a sink has of its own by default: one that hangs holds up no look at the log."""
_LOSS_SHARES = (0.2, 0.5)
"""Of the retention that is left when operators are told that records will be deleted unread."""

_log = structlog.get_logger(__name__)


class Watch:
    """One look each ten seconds. ``clock`` is monotonic, in seconds; ``wall_clock`` in microseconds."""

    def __init__(
        self,
        *,
        source: Source,
        outlets: Sequence[Outlet],
        tracker: Tracker,
        intake: Intake,
        health: Health,
        metrics: ServiceMetrics,
        alerts: Alerts,
        clock: Callable[[], float],
        wall_clock: Callable[[], int],
        stall_seconds: float = STALL_SECONDS,
    ) -> None:
        self._source = source
        self._outlets = outlets
        self._tracker = tracker
        self._intake = intake
        self._health = health
        self._metrics = metrics
        self._alerts = alerts
        self._clock = clock
        self._wall_clock = wall_clock
        self._stall_seconds = stall_seconds
        self._moved_at = clock()
        self._taken = 0
        self._loss_share = 1.0

    async def run(self) -> None:
        """Return when the source is stalled: records wait there, we wait for them, and nothing comes."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            async with asyncio.TaskGroup() as checks:
                for outlet in self._outlets:
                    checks.create_task(self._check_sink(outlet))
            lag = await self._lag()
            if lag is None:
                continue
            self._report(lag)
            if self._is_stalled(lag):
                _log.error("records wait in the log and none come", seconds=self._stall_seconds)
                return

    async def _check_sink(self, outlet: Outlet) -> None:
        """Ask the sink whether it is there, where no write has told for a while."""
        writer, where = outlet.writer, outlet.writer.where
        told_at = writer.succeeded_at
        if writer.concurrency.in_flight or (told_at is not None and self._clock() - told_at < LOOK_SECONDS):
            return
        if self._health.has(where) and outlet.in_hand:
            return  # what waits to be written will tell, and knows more than a check
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                await outlet.sink.check()
        except Retryable as error:
            self._health.trouble(where, str(error))
        except Halt as halt:
            self._health.halt(where, halt)
        except TimeoutError:
            self._health.trouble(where, f"the sink did not answer a check within {_CHECK_SECONDS:g} s")
        except Exception as error:  # noqa: BLE001 - one sink's fault must not end the watch over all others
            _log.exception("sink broke its contract: it raised as it was checked")
            self._health.trouble(where, f"the sink raised {type(error).__name__} as it was checked")
        else:
            self._health.clear(where)

    async def _lag(self) -> Mapping[Partition, PartitionLag] | None:
        try:
            async with asyncio.timeout(_LAG_TIMEOUT_SECONDS):
                return await self._source.lag()
        except (EventLogError, TimeoutError) as error:
            _log.warning("lag is not known", error=str(error) or type(error).__name__)
            return None

    def _report(self, lag: Mapping[Partition, PartitionLag]) -> None:
        now_ms = self._wall_clock() // 1_000
        ages = {name: now_ms - oldest for name in lag if (oldest := self._oldest_at_ms(name, lag[name])) is not None}
        left = [
            (each.retention_ms - ages[name], each.retention_ms)
            for name, each in lag.items()
            if each.retention_ms is not None and name in ages
        ]
        records = {partition: each.records for partition, each in lag.items()}
        seconds_to_loss = min((left_ms / 1_000 for left_ms, _ in left), default=None)
        self._metrics.lagging(records, max(ages.values(), default=0) / 1_000, seconds_to_loss)
        self._warn_of_loss(left)

    def _oldest_at_ms(self, partition: Partition, lag: PartitionLag) -> int | None:
        """When the oldest unfinished record was appended: as the log knows it, else as we do of what was taken in."""
        if not lag.records:
            return None
        lane = self._tracker.lane(partition)
        return lag.oldest_at_ms if lag.oldest_at_ms is not None or lane is None else lane.oldest_at_ms()

    def _warn_of_loss(self, left: Iterable[tuple[int, int]]) -> None:
        """An alert when half and when a fifth of the retention is left, on the partition that has the least of it."""
        share, left_ms = min(((_loss_share(*each), each[0]) for each in left), default=(1.0, 0))
        if share < self._loss_share:
            seconds = str(left_ms // 1_000)
            message = f"in {seconds} s the log deletes records that this service has not finished"
            self._alerts.send("loss_ahead", message, {"seconds_to_loss": seconds})
        self._loss_share = share

    def _is_stalled(self, lag: Mapping[Partition, PartitionLag]) -> bool:
        idle = not self._tracker.unfinished() and not self._intake.paused and not self._health.is_halted
        waiting = any(each.records for each in lag.values())
        if self._intake.taken != self._taken or not idle or not waiting:
            self._taken, self._moved_at = self._intake.taken, self._clock()
            return False
        return self._clock() - self._moved_at >= self._stall_seconds


def _loss_share(left_ms: int, retention_ms: int) -> float:
    """The smallest of the shares that operators are told of which is not exceeded; 1 where none is reached."""
    return next((share for share in _LOSS_SHARES if left_ms <= share * retention_ms), 1.0)
