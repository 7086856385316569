"""One collector service: a consumer group that carries one entry's events to its sink.

Builds the real things and keeps them going: a log or a sink that is away at the start is waited for, a source that
falls silent is begun anew, and so is a pipeline that breaks, unless it keeps breaking.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import time
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import structlog

from collectors.alerts import Alerts
from collectors.assembly import Life, assemble
from collectors.backoff import Backoff
from collectors.committer import COMMITS
from collectors.entries import AnyEntry
from collectors.errors import Halt, Retryable
from collectors.health import Health
from collectors.intake import EVENT_LOG, OFFSETS
from collectors.metrics import CollectorMetrics
from collectors.pipeline import DEAD_LETTERS, LIMITS
from collectors.settings import ControlSettings, HostSettings
from collectors.sinks.interface import Kept, Sink
from collectors.sinks.registry import SinkOpening, open_sink
from collectors.watch import MAX_STALL_SECONDS, STALL_SECONDS
from collectors.writer import SINK
from schemas.topics import Topics
from sluice.clock import now_micros
from sluice.eventlog.interface import EventLogError, Publisher, Source, Subscription

SERVICE = "service"
"""Where breaks of ours are kept in ``Health``."""

CLOSE_SECONDS = 3.0
"""What is kept of the shutdown's time for leaving the group and closing connections."""

_MAX_BREAKS = 5
_BREAKS_WITHIN_SECONDS = 600.0
_TICK_SECONDS = 1.0

_log = structlog.get_logger(__name__)


class ServiceFailedError(Exception):
    """A service that keeps breaking: it is not begun anew."""


class Service:
    """One entry of ``collectors.yaml``, running. ``clock`` is monotonic, in seconds."""

    def __init__(
        self,
        entry: AnyEntry,
        host: HostSettings,
        catalogue: CollectorMetrics,
        *,
        open_source: Callable[[Subscription], Source],
        open_publisher: Callable[[str], Publisher],
        drain_seconds: float,
        folder: Path = Path(),
        control: ControlSettings | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], int] = now_micros,
    ) -> None:
        self.name = entry.service_name
        self.entry = entry
        self.host = host
        self.metrics = catalogue.of(self.name)
        self.health = Health(self.name, clock, self._alert)
        self.drain_seconds = drain_seconds
        self.clock = clock
        self.wall_clock = wall_clock
        self.topics = Topics(host.kafka.namespace, host.kafka.partitions)
        self.group = f"{host.kafka.namespace}.{self.name}"
        self.version = importlib.metadata.version("sluice-gateway")
        self.backoff = Backoff(entry.retry)
        self.stall_seconds = STALL_SECONDS
        self.alerts: Alerts | None = None
        self._folder = folder
        self._control = control or ControlSettings()
        self._open_source = open_source
        self._open_publisher = open_publisher
        self._stopping = asyncio.Event()
        self._life: Life | None = None
        self._broke_at: deque[float] = deque(maxlen=_MAX_BREAKS)

    def _alert(self, kind: str, message: str, facts: dict[str, str]) -> None:
        if self.alerts is not None:
            self.alerts.send(kind, message, facts)

    def stop(self) -> None:
        """Finish what is in flight, commit, leave the group; ``run`` returns within the drain's bound."""
        self._stopping.set()
        self.health.is_running = False
        if self._life is not None:
            self._life.pipeline.stop()

    async def run(self) -> None:
        """Carry events until ``stop``. Raises ServiceFailedError where that cannot be kept up."""
        publisher = await self._publisher()
        if publisher is None:
            return
        opening = SinkOpening(self.host, self._folder, self._control)
        sink = open_sink(self.entry, opening)
        self.alerts = Alerts(publisher, self.topics.alert.name, self.name, self.wall_clock)
        try:
            async with asyncio.TaskGroup() as tasks:
                beside = [tasks.create_task(self.alerts.run())]
                if isinstance(sink, Kept):
                    beside.append(tasks.create_task(sink.keep()))
                failure = await self._keep_going(sink, publisher, self.alerts)
                for task in beside:
                    task.cancel()
            await _within_bounds("publishing alerts", self.alerts.flush())
        finally:
            await _within_bounds("closing the sink", sink.close())
            await _within_bounds("closing the publisher", publisher.close())
        if failure is not None:
            raise failure

    async def _publisher(self) -> Publisher | None:
        failures = 0
        while not self._stopping.is_set():
            try:
                return self._open_publisher(self.name)
            except EventLogError as error:
                failures += 1
                self.health.trouble(EVENT_LOG, str(error))
                await self._pause(self.backoff.seconds(failures))
        return None

    async def _keep_going(self, sink: Sink[Any], publisher: Publisher, alerts: Alerts) -> ServiceFailedError | None:
        failures = 0
        while await self._started(sink):
            began = self.clock()
            try:
                await self._live(sink, publisher, alerts)
                failures = 0
            except EventLogError as error:
                failures = failures + 1 if self.clock() - began < self.entry.retry.max_seconds else 1
                self.health.trouble(EVENT_LOG, str(error))
                await self._pause(self.backoff.seconds(failures))
            except ExceptionGroup as broken:
                if failure := self._note_break(broken):
                    return failure
                await self._pause(self.backoff.seconds(len(self._broke_at)))
        return None

    async def _started(self, sink: Sink[Any]) -> bool:
        """Wait for the sink to be ready; ``False`` where we were stopped before."""
        failures = 0
        while not self._stopping.is_set():
            try:
                await sink.start()
            except Retryable as error:
                failures += 1
                self.health.trouble(SINK, str(error))
                await self._pause(self.backoff.seconds(failures, error.retry_after_seconds))
            except Halt as halt:
                self.health.halt(SINK, halt)
                await self._pause(self.entry.retry.halt_seconds)
            else:
                self.health.clear(SINK)
                return True
        return False

    async def _live(self, sink: Sink[Any], publisher: Publisher, alerts: Alerts) -> None:
        """One source's life: until ``stop``, until it falls silent, or until something breaks."""
        source = self._open_source(self._subscription())
        try:
            life = assemble(self, source, sink, publisher, alerts)
            await source.start(life.pipeline)
            self._life = life
            if not self._stopping.is_set():
                self._begin_well()
                _log.info("service runs", service=self.name, group=self.group)
                await self._run(life)
        finally:
            self._life = None
            self.health.is_running = False
            await _within_bounds("leaving the group", source.close())

    def _begin_well(self) -> None:
        """Whatever an earlier life suffered from is not known of this one."""
        for where in (EVENT_LOG, OFFSETS, COMMITS, LIMITS, DEAD_LETTERS, SERVICE):
            self.health.clear(where)
        self.health.is_running = True

    async def _run(self, life: Life) -> None:
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(life.watch.run())
            watching.add_done_callback(lambda _: life.pipeline.stop())  # it returns when the source is stalled
            await life.pipeline.run()
            stalled = watching.done()
            watching.cancel()
        if stalled:
            self.metrics.restarted("stall")
            self.stall_seconds = min(2 * self.stall_seconds, MAX_STALL_SECONDS)
        elif life.intake.taken:
            self.stall_seconds = STALL_SECONDS

    def _subscription(self) -> Subscription:
        topics = tuple(self.topics.event(kind).name for kind in self.entry.hook_types)
        return Subscription(self.group, topics, self.host.kafka.client_id)

    def _note_break(self, broken: ExceptionGroup[Exception]) -> ServiceFailedError | None:
        """Log what broke; too often within a while is for good."""
        _log.error("service broke", service=self.name, exc_info=broken)
        self.metrics.restarted("break")
        now = self.clock()
        self._broke_at.append(now)
        self.health.trouble(SERVICE, f"it broke: {type(broken.exceptions[0]).__name__}")
        if len(self._broke_at) < _MAX_BREAKS or now - self._broke_at[0] > _BREAKS_WITHIN_SECONDS:
            return None
        return ServiceFailedError(f"service {self.name} broke {_MAX_BREAKS} times in {now - self._broke_at[0]:.0f} s")

    async def _pause(self, seconds: float) -> None:
        """Sleep, unless stopped."""
        until = self.clock() + seconds
        while not self._stopping.is_set() and (left := until - self.clock()) > 0:
            self.health.tick()
            try:
                async with asyncio.timeout(min(left, _TICK_SECONDS)):
                    await self._stopping.wait()
            except TimeoutError:
                continue

    def observe(self) -> None:
        """Bring the gauges up to date; called before they are read."""
        self.metrics.stands(is_ready=self.health.is_ready, is_halted=self.health.is_halted)
        if self._life is not None:
            self._life.observe(self.metrics, self.oldest_unfinished_seconds)

    @property
    def oldest_unfinished_seconds(self) -> float:
        """Age of the oldest record that was taken in and is not finished."""
        oldest = None if self._life is None else self._life.tracker.oldest_at_ms()
        return 0.0 if oldest is None else max(0.0, self.wall_clock() / 1_000_000 - oldest / 1_000)


async def _within_bounds(what: str, work: Awaitable[object]) -> None:
    """Do it, or leave it after a while: nothing here is worth a hanging shutdown."""
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await work
    except Exception as error:  # noqa: BLE001 - what fails here fails on the way out
        _log.warning("did not end well", what=what, error=str(error) or type(error).__name__)
