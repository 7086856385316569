"""All services of one process: started together, exchanged as the configuration says, stopped together.

SIGTERM and SIGINT stop gracefully, a second one at once; SIGHUP has the configuration read at once.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import structlog
from aiohttp import web

from collectors.beside import Beside, parts_of
from collectors.configuration.changes import Recipe, recipes_of
from collectors.configuration.reloading import Reloading
from collectors.fleet import Fleet
from collectors.metrics import CollectorMetrics
from collectors.operations.desk.desk import Desk
from collectors.operations.desk.pages import DeskPages
from collectors.operations.desk.sinks import Sinks
from collectors.plans import ServicePlan
from collectors.server import HealthServer
from collectors.service import CLOSE_SECONDS, Service
from collectors.settings import HostSettings, Settings
from collectors.sinks.registry import SinkOpening
from collectors.tracing import open_tracing
from collectors.workers.pausing import Paused
from collectors.workers.place import WorkerPlace
from sluice.eventlog.connect import open_publisher, open_source

_LAG_SECONDS = 1.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT)

_log = structlog.get_logger(__name__)


class Process:
    """Runs these services until a signal; a second one stops at once."""

    def __init__(
        self,
        settings: Settings,
        host: HostSettings,
        plans: Sequence[ServicePlan],
        folder: Path = Path(),
        reloading: Reloading | None = None,
        worker: WorkerPlace | None = None,
        desk: Desk | None = None,
    ) -> None:
        """``folder`` is where relative paths of plugins begin; ``reloading`` follows what the settings came from;
        a ``worker`` is one of several processes; a ``desk`` answers operators, where no supervisor has one."""
        self._settings = settings
        self._host = host
        self._folder = folder
        self._reloading = reloading
        self._worker = worker
        self._metrics = CollectorMetrics()
        self._tracing = open_tracing(settings.tracing)
        self._fleet = Fleet(
            self._service,
            recipes_of(settings, plans),
            stop_seconds=settings.shutdown_seconds,
            forget=self._metrics.forget,
        )
        if worker is not None:
            self._pause(Paused(worker.socket.parent).names())
        self._beside = Beside(settings, parts_of(host, folder, self._metrics))
        state = None if reloading is None else reloading.state
        socket = None if worker is None else worker.socket
        self._desk = desk
        self._server = HealthServer(
            settings.server, self._fleet.services, self._metrics, state, socket, self._pages(settings)
        )
        self._stopping = asyncio.Event()
        if reloading is not None:
            reloading.state.note = self._metrics.reloaded
            reloading.listener = self._beside.take

    def _pages(self, settings: Settings) -> Sequence[Callable[[web.Application], None]]:
        """Of the desk; a supervisor has seen who asks."""
        pages = DeskPages(None if self._worker is not None else settings.server.token.get_secret_value())
        sinks = Sinks(lambda: self._beside.settings, self._host)
        found: list[Callable[[web.Application], None]] = [lambda app: pages.add_sinks(app, sinks)]
        if (desk := self._desk) is not None:
            found.append(lambda app: pages.add_desk(app, desk, self._host.data_dir))
        return found

    def _pause(self, names: Collection[str]) -> None:
        """Services that an operator has paused before this process was there."""
        for service in self._fleet.services:
            if service.name in names:
                service.health.pause()

    def _service(self, recipe: Recipe) -> Service:
        host = self._host
        return Service(
            recipe.plan,
            host,
            self._metrics,
            open_source=lambda subscription: open_source(host, host.data_dir, subscription),
            open_publisher=lambda service: open_publisher(host, host.data_dir, service),
            drain_seconds=max(1.0, self._settings.shutdown_seconds - 2 * CLOSE_SECONDS),
            folder=self._folder,
            control=recipe.control,
            tracing=self._tracing,
            worker=0 if self._worker is None else self._worker.index,
        )

    async def run(self) -> int:
        """The exit code: 0 where every service ended well, 1 where one failed. Raises PortTakenError."""
        self._listen()  # before it serves: who can ask it may send it signals
        url = await self._server.start()
        names = [service.name for service in self._fleet.services]
        _log.info("collectors serve", url=url, services=names)
        try:
            async with asyncio.TaskGroup() as tasks:
                beside = [
                    tasks.create_task(self._watch_loop()),
                    tasks.create_task(self._stop_in_time()),
                    tasks.create_task(self._run_beside()),
                    tasks.create_task(self._follow()),
                ]
                await self._fleet.run()
                for task in beside:
                    task.cancel()
        finally:
            await self._server.close()
            if self._desk is not None:
                await self._desk.close()
            await asyncio.to_thread(self._tracing.close)
        _log.info("collectors stopped", failed=self._fleet.failed)
        return 1 if self._fleet.failed else 0

    def _listen(self) -> None:
        """The first signal stops gracefully, the second at once."""

        def on_signal() -> None:
            if self._stopping.is_set():
                _log.warning("collectors stop at once")
                self._fleet.cancel()
            self._stopping.set()

        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, on_signal)
        if self._reloading is not None:
            loop.add_signal_handler(signal.SIGHUP, self._reloading.tell)
        if self._worker is not None:
            loop.add_reader(self._worker.parent, self._stop_without_parent)

    def _stop_without_parent(self) -> None:
        assert self._worker is not None  # noqa: S101 - it is whose pipe this is
        asyncio.get_running_loop().remove_reader(self._worker.parent)
        _log.warning("supervisor is gone")
        self._stopping.set()

    async def _follow(self) -> None:
        """Whatever the configuration becomes."""
        if self._reloading is not None:
            await self._reloading.run(self._fleet, self._opening)

    def _opening(self, settings: Settings) -> SinkOpening:
        return SinkOpening(self._host, self._folder, settings.control)

    async def _stop_in_time(self) -> None:
        await self._stopping.wait()
        _log.info("collectors stop", within_seconds=self._settings.shutdown_seconds)
        if self._desk is not None:
            self._desk.stop()
        self._fleet.stop()
        await asyncio.sleep(self._settings.shutdown_seconds)
        self._fleet.cancel()

    async def _run_beside(self) -> None:
        """What one of several workers does for all."""
        if self._worker is None or self._worker.index == 0:
            await self._beside.run()

    async def _watch_loop(self) -> None:
        """How late the loop is: it runs the heartbeats too."""
        while True:
            began = time.monotonic()
            await asyncio.sleep(_LAG_SECONDS)
            self._metrics.loop_lag.set(max(0.0, time.monotonic() - began - _LAG_SECONDS))
