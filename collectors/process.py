"""All services of one process: started together, each on its own, stopped together."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import structlog

from collectors.entries import AnyEntry
from collectors.metrics import CollectorMetrics
from collectors.server import HealthServer
from collectors.service import CLOSE_SECONDS, Service
from collectors.settings import HostSettings, Settings
from sluice.eventlog.connect import open_publisher, open_source

_LAG_SECONDS = 1.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT)

_log = structlog.get_logger(__name__)


class Process:
    """Runs the services of these entries until a signal; a second one stops at once."""

    def __init__(
        self, settings: Settings, host: HostSettings, entries: Sequence[AnyEntry], folder: Path = Path()
    ) -> None:
        """``folder`` is where relative paths of plugins begin."""
        self._settings = settings
        self._folder = folder
        self._metrics = CollectorMetrics()
        self._services = [self._service(entry, host) for entry in entries]
        self._server = HealthServer(settings.server, self._services, self._metrics)
        self._stopping = asyncio.Event()
        self._failed: list[str] = []

    def _service(self, entry: AnyEntry, host: HostSettings) -> Service:
        return Service(
            entry,
            host,
            self._metrics,
            open_source=lambda subscription: open_source(host, host.data_dir, subscription),
            open_publisher=lambda service: open_publisher(host, host.data_dir, service),
            drain_seconds=max(1.0, self._settings.shutdown_seconds - 2 * CLOSE_SECONDS),
            folder=self._folder,
            control=self._settings.control,
        )

    async def run(self) -> int:
        """The exit code: 0 where every service ended well, 1 where one failed. Raises PortTakenError."""
        url = await self._server.start()
        names = [service.name for service in self._services]
        _log.info("collectors serve", url=url, services=names)
        try:
            async with asyncio.TaskGroup() as tasks:
                running = [tasks.create_task(self._run(service)) for service in self._services]
                lagging = tasks.create_task(self._watch_loop())
                stopping = tasks.create_task(self._stop_in_time(running))
                self._listen(running)
                await asyncio.wait(running)
                lagging.cancel()
                stopping.cancel()
        finally:
            await self._server.close()
        _log.info("collectors stopped", failed=self._failed)
        return 1 if self._failed else 0

    async def _run(self, service: Service) -> None:
        """One that fails for good is reported, and the others go on."""
        try:
            await service.run()
        except Exception:  # noqa: BLE001 - whatever ended it, the others go on
            _log.exception("service failed for good", service=service.name)
            self._failed.append(service.name)
            service.health.trouble("service", "failed for good; see the log")

    def _listen(self, running: Sequence[asyncio.Task[None]]) -> None:
        """The first signal stops gracefully, the second at once."""

        def on_signal() -> None:
            if self._stopping.is_set():
                _log.warning("collectors stop at once")
                for task in running:
                    task.cancel()
            self._stopping.set()

        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, on_signal)

    async def _stop_in_time(self, running: Sequence[asyncio.Task[None]]) -> None:
        await self._stopping.wait()
        _log.info("collectors stop", within_seconds=self._settings.shutdown_seconds)
        for service in self._services:
            service.stop()
        await asyncio.sleep(self._settings.shutdown_seconds)
        for task in running:
            task.cancel()

    async def _watch_loop(self) -> None:
        """How late the loop is: it runs the heartbeats too."""
        while True:
            began = time.monotonic()
            await asyncio.sleep(_LAG_SECONDS)
            self._metrics.loop_lag.set(max(0.0, time.monotonic() - began - _LAG_SECONDS))
