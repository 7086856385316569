"""What the plugins of one worker stand in: their services, and what keeps those going."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gateway.payloads.delivery import PayloadDelivery
from gateway.payloads.queue import PayloadQueue
from gateway.payloads.sender import PayloadSender
from gateway.plugin_services.message_carrier import open_message_carrier
from gateway.plugin_services.sources import plugin_sources
from sluice.plugin_host.worker_sources import WorkerSources

if TYPE_CHECKING:
    from gateway.control.plane import ControlPlane
    from gateway.settings import Settings
    from gateway.telemetry import GatewayMetrics
    from schemas.topics import Topics
    from sluice.plugin_host.services import ServicesFactory


class PluginEnvironment:
    """Made first, ``open`` before the first plugin is loaded, ``run`` beside the server, ``close`` behind the last
    plugin's end. Nothing is connected or written until a plugin asks for it."""

    def __init__(self, settings: Settings, worker: str, topics: Topics, metrics: GatewayMetrics) -> None:
        own = settings.gateway
        self._settings = settings
        self._topics = topics
        self._metrics = metrics
        self._queue = PayloadQueue(settings.data_dir, own.id, worker, settings.journal, topics)
        self._sources = WorkerSources(settings.plugin_host, settings.data_dir, own.id, open_message_carrier(settings))
        self._delivery: PayloadDelivery | None = None

    def open(self, plane: ControlPlane) -> ServicesFactory:
        """The services of plugins that serve by this plane."""
        settings = self._settings
        sender = PayloadSender(
            self._queue,
            self._topics,
            self._metrics,
            edge_id=settings.gateway.id,
            namespace=settings.gateway.namespace,
            max_payload_bytes=settings.plugin_host.max_control_payload_bytes,
        )
        offered = plugin_sources(plane.snapshots, plane.store, lambda: plane.refresher.llms, sender)
        services = self._sources.offer(gateway=offered.gateway, studio=offered.studio).services_of
        self._delivery = PayloadDelivery(
            settings,
            settings.data_dir,
            self._topics,
            self._queue,
            plane.plugins,
            services,
            self._metrics,
            attempts=settings.plugin_host.payload_attempts,
        )
        return services

    async def run(self) -> None:
        """Carry messages and payloads, purge what expired, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._sources.run())
            if self._delivery is not None:
                tasks.create_task(self._delivery.run())

    async def close(self) -> None:
        """Let go of files and connections."""
        await self._sources.close()
        await self._queue.close()
