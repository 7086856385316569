"""What one worker of a gateway has to offer to plugins, opened together, kept together, closed together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sluice.plugin_host.http_pool import HttpPool
from sluice.plugin_host.kv import FILE_NAME, KvStore
from sluice.plugin_host.message_sockets import WorkerSockets
from sluice.plugin_host.messages import MessageBus, MessageCarrier
from sluice.plugin_host.services import ServiceSources

if TYPE_CHECKING:
    from sluice.plugin_host.settings import PluginHostSettings
    from sluice.sdk.services import GatewayServices, StudioServices

MESSAGES_FOLDER = "messages"
"""In ``data_dir``: a folder for each gateway, with a socket for each of its workers."""


class WorkerSources:
    """Made before plugins are loaded, ``run`` beside the server, ``close`` after the last plugin was shut down."""

    def __init__(
        self, settings: PluginHostSettings, data_dir: Path, gateway_id: str, gateways: MessageCarrier | None = None
    ) -> None:
        """``gateways`` carries messages to other gateways. Opens nothing yet."""
        folder = data_dir / MESSAGES_FOLDER / f"gateway-{gateway_id}"
        workers = WorkerSockets(folder, settings.max_message_bytes)
        self._carriers: list[MessageCarrier] = [workers, *([gateways] if gateways else [])]
        self.kv = KvStore(data_dir / FILE_NAME, settings.kv)
        self.messages = MessageBus(settings, gateway_id, workers=workers, gateways=gateways)
        self.http = HttpPool()

    def offer(
        self,
        gateway: Callable[[int, str], GatewayServices] | None = None,
        studio: Callable[[int, str], StudioServices] | None = None,
    ) -> ServiceSources:
        """With what else the process has; its ``services_of`` is what a PluginHost takes."""
        return ServiceSources(kv=self.kv, messages=self.messages, http=self.http, gateway=gateway, studio=studio)

    def message_counts(self) -> dict[str, int]:
        """For metrics: messages that subscribers lost or failed at, were not carried on, or came and were none."""
        return {
            "lost": self.messages.counts.dropped,
            "failed": self.messages.counts.failed,
            "not_carried": sum(carrier.dropped for carrier in self._carriers),
            "garbled": sum(carrier.garbled for carrier in self._carriers),
        }

    async def run(self) -> None:
        """Deliver messages and delete expired keys, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.kv.run())
            tasks.create_task(self.messages.run())

    async def close(self) -> None:
        """Of no effect on what was not used."""
        await self.http.close()
        await self.kv.close()
