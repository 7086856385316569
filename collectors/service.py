"""One collector service: a consumer group that carries events to the collectors of its plan.

Builds the real things and keeps them going: a log that is away at the start is waited for, and so is a sink that is
the only one (of several each is started beside the others, and then again by its writes); a source that falls silent is
begun anew, and so is a pipeline that breaks, unless it keeps breaking.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import structlog

from collectors.alerts import Alerts
from collectors.assembly import Assemble, Life, OpenEntry, assemble
from collectors.backoff import Backoff
from collectors.burial import DEAD_LETTERS, LIMITS, UNDECODABLE
from collectors.committer import COMMITS
from collectors.entries import AnyEntry
from collectors.errors import Halt, Retryable
from collectors.health import Health
from collectors.intake import EVENT_LOG, OFFSETS
from collectors.metrics import CollectorMetrics
from collectors.outcomes import Role
from collectors.plans import ServicePlan
from collectors.settings import ControlSettings, HostSettings
from collectors.sinks.interface import Kept
from collectors.sinks.registry import SinkOpening, open_sink
from collectors.sinks.starting import StartingSink
from collectors.tracing import NO_TRACING, Tracing
from collectors.watch import MAX_STALL_SECONDS, STALL_SECONDS
from collectors.writer import SINK
from schemas.topics import Topics
from sluice.clock import now_micros
from sluice.eventlog.interface import EventLogError, Partition, Publisher, Source, Subscription

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
    """Entries of ``collectors.yaml`` that share a service, running. ``clock`` is monotonic, in seconds."""

    def __init__(
        self,
        plan: ServicePlan,
        host: HostSettings,
        catalogue: CollectorMetrics,
        *,
        open_source: Callable[[Subscription], Source],
        open_publisher: Callable[[str], Publisher],
        drain_seconds: float,
        folder: Path = Path(),
        control: ControlSettings | None = None,
        tracing: Tracing = NO_TRACING,
        worker: int = 0,
        assemble: Assemble = assemble,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], int] = now_micros,
    ) -> None:
        self.name = plan.name
        self.plan = plan
        self.host = host
        self.metrics = catalogue.of(self.name)
        self.health = Health(self.name, clock, self._alert)
        self.drain_seconds = drain_seconds
        self.clock = clock
        self.wall_clock = wall_clock
        self.topics = Topics(host.kafka.namespace, host.kafka.partitions)
        self.group = f"{host.kafka.namespace}.{self.name}"
        self.version = importlib.metadata.version("sluice-gateway")
        self.backoff = Backoff(plan.first.retry)
        self.stall_seconds = STALL_SECONDS
        self.alerts: Alerts | None = None
        self.tracing = tracing
        self._folder = folder
        self._worker = worker
        self._assemble = assemble
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
        opening = SinkOpening(self.host, self._folder, self._control, self.name)
        self.alerts = Alerts(publisher, self.topics.alert.name, self.name, self.wall_clock)
        async with AsyncExitStack() as closing:
            closing.push_async_callback(_within_bounds, "closing the publisher", publisher.close)
            opened = self._open_sinks(opening)
            closing.push_async_callback(_close_all, opened)
            async with asyncio.TaskGroup() as tasks:
                beside: list[asyncio.Task[Any]] = [tasks.create_task(self.alerts.run())]
                kept = [each.sink.within if isinstance(each.sink, StartingSink) else each.sink for each in opened]
                beside += [tasks.create_task(sink.keep()) for sink in kept if isinstance(sink, Kept)]
                if len(opened) > 1:
                    beside += [tasks.create_task(self._start(each)) for each in opened]
                failure = await self._keep_going(opened, publisher, self.alerts)
                for task in beside:
                    task.cancel()
            await _within_bounds("publishing alerts", self.alerts.flush)
        if failure is not None:
            raise failure

    def _open_sinks(self, opening: SinkOpening) -> list[OpenEntry]:
        """One for each entry and for the fallback; none is reached yet. Of several each is started by its writes."""
        entries: list[tuple[AnyEntry, Role]] = [
            (entry, Role.REPLACES if entry.replace_database else Role.SUPPLEMENTS) for entry in self.plan.entries
        ]
        fallback = self.plan.fallback_in(self.host.data_dir)
        if fallback is not None:
            entries.append((fallback, Role.IS_FALLBACK))
        if len(entries) == 1:
            return [OpenEntry(entry, role, open_sink(entry, opening), SINK) for entry, role in entries]
        opened = [
            OpenEntry(
                entry, role, StartingSink(open_sink(entry, opening)), f"{SINK} {entry.name}", f"{LIMITS} {entry.name}"
            )
            for entry, role in entries
        ]
        self.health.parts = tuple(frozenset((each.where, each.limits_where)) for each in opened)
        return opened

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

    async def _keep_going(
        self, opened: Sequence[OpenEntry], publisher: Publisher, alerts: Alerts
    ) -> ServiceFailedError | None:
        failures = 0
        while await self._started(opened):
            began = self.clock()
            try:
                await self._live(opened, publisher, alerts)
                failures = 0
            except EventLogError as error:
                failures = failures + 1 if self.clock() - began < self.plan.first.retry.max_seconds else 1
                self.health.trouble(EVENT_LOG, str(error))
                await self._pause(self.backoff.seconds(failures))
            except ExceptionGroup as broken:
                if failure := self._note_break(broken):
                    return failure
                await self._pause(self.backoff.seconds(len(self._broke_at)))
        return None

    async def _started(self, opened: Sequence[OpenEntry]) -> bool:
        """Wait for the sink to be ready, where there is one; ``False`` where we were stopped before."""
        failures = 0
        while not self._stopping.is_set():
            cause = None if len(opened) > 1 else await self._start(opened[0])
            if cause is None:
                return True
            failures += 1
            if isinstance(cause, Halt):
                await self._pause(self.plan.first.retry.halt_seconds)
            else:
                await self._pause(self.backoff.seconds(failures, cause.retry_after_seconds))
        return False

    async def _start(self, opened: OpenEntry) -> Retryable | Halt | None:
        """Why it did not; a fault of its own may pass too."""
        try:
            await opened.sink.start()
        except Retryable as error:
            self.health.trouble(opened.where, str(error))
            return error
        except Halt as halt:
            self.health.halt(opened.where, halt)
            return halt
        except Exception as error:  # noqa: BLE001 - what is wrong with a sink must not end its service
            _log.exception("sink broke its contract: it raised as it started", service=self.name)
            self.health.trouble(opened.where, f"the sink raised {type(error).__name__} as it started")
            return Retryable(str(error))
        self.health.clear(opened.where)
        return None

    async def _live(self, opened: Sequence[OpenEntry], publisher: Publisher, alerts: Alerts) -> None:
        """One source's life: until ``stop``, until it falls silent, or until something breaks."""
        source = self._open_source(self._subscription())
        try:
            life = self._assemble(self, source, opened, publisher, alerts)
            await source.start(life.pipeline)
            self._life = life
            if not self._stopping.is_set():
                self._begin_well(opened)
                _log.info("service runs", service=self.name, group=self.group)
                await self._run(life)
        finally:
            self._life = None
            self.health.is_running = False
            await _within_bounds("leaving the group", source.close)

    def _begin_well(self, opened: Sequence[OpenEntry]) -> None:
        """Whatever an earlier life suffered from is not known of this one."""
        limits = [each.limits_where for each in opened]
        for where in (EVENT_LOG, OFFSETS, COMMITS, UNDECODABLE, DEAD_LETTERS, SERVICE, *limits):
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
        topics = tuple(self.topics.event(kind).name for kind in self.plan.kinds)
        kafka = self.host.kafka
        return Subscription(self.group, topics, kafka.client_id, kafka.instance_id(self._worker))

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
        health = self.health
        self.metrics.stands(is_ready=health.is_ready, is_halted=health.is_halted, is_paused=health.is_paused)
        if self._life is not None:
            self._life.observe(self.metrics, self.oldest_unfinished_seconds)

    @property
    def partitions(self) -> tuple[Partition, ...]:
        """What is assigned to it now."""
        return () if self._life is None else tuple(lane.partition for lane in self._life.tracker.lanes())

    @property
    def oldest_unfinished_seconds(self) -> float:
        """Age of the oldest record that was taken in and is not finished."""
        oldest = None if self._life is None else self._life.tracker.oldest_at_ms()
        return 0.0 if oldest is None else max(0.0, self.wall_clock() / 1_000_000 - oldest / 1_000)


async def _close_all(opened: Sequence[OpenEntry]) -> None:
    """At once, so that several that hang take no longer than one."""
    async with asyncio.TaskGroup() as tasks:
        for each in opened:
            tasks.create_task(_within_bounds("closing a sink", each.sink.close))


async def _within_bounds(what: str, work: Callable[[], Awaitable[object]]) -> None:
    """Do it, or leave it after a while: nothing here is worth a hanging shutdown."""
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await work()
    except Exception as error:  # noqa: BLE001 - what fails here fails on the way out
        _log.warning("did not end well", what=what, error=str(error) or type(error).__name__)
