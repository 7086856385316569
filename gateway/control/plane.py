"""A worker's share of managing: the store, the snapshot that was made of it, and what keeps that new."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.access.credentials import Credentials
from gateway.access.vendor_keys import VendorKeys
from gateway.base_prices import base_prices_of
from gateway.control.opening import open_control
from gateway.control.refresher import Refresher, load
from gateway.control.settings_file import SettingsFile
from gateway.plugins import WorkerPlugins
from gateway.snapshot import SnapshotHolder
from gateway.snapshot_builder import SnapshotBuilder
from sluice.plugin_host.services import ServicesFactory, bare_services

if TYPE_CHECKING:
    from gateway.control.store import ControlStore
    from gateway.exchange import Exchange
    from gateway.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPlane:
    """``open_plane``, then ``start_plugins`` before the first exchange, and ``run`` beside the server."""

    settings: Settings
    folder: Path
    store: ControlStore
    snapshots: SnapshotHolder
    plugins: WorkerPlugins
    credentials: Credentials
    refresher: Refresher
    file: SettingsFile

    async def start_plugins(self, services: ServicesFactory = bare_services) -> None:
        """Load what LLMs have attached; until then those LLMs are unknown. Raises PluginLoadError."""
        await self.refresher.start_plugins(self.settings, self.folder, services)

    async def run(self) -> None:
        """Until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.refresher.run())
            tasks.create_task(self.file.run())
            tasks.create_task(self.plugins.run())


@asynccontextmanager
async def open_plane(
    settings: Settings, config: Path, exchanges: Callable[[], Collection[Exchange]]
) -> AsyncIterator[ControlPlane]:
    """Of this settings file; ``exchanges`` are those under way. Plugins end with it.

    Raises ControlDatabaseError and SecretError where there is nothing to serve by.
    """
    plugins, credentials = WorkerPlugins(), Credentials()
    allows_private = settings.control.allow_private_endpoints
    base = await asyncio.to_thread(base_prices_of, settings)
    builder = SnapshotBuilder(plugins.chains, VendorKeys(config.parent), allows_private=allows_private, base=base)
    async with open_control(settings) as control:
        loaded = await load(control.store, builder, plugins)
        snapshots = SnapshotHolder(loaded.snapshot)
        refresher = Refresher(
            store=control.store,
            told=control.told,
            loaded=loaded,
            snapshots=snapshots,
            builder=builder,
            plugins=plugins,
            credentials=credentials,
            exchanges=exchanges,
        )
        del loaded  # else the first snapshot would live as long as the worker
        try:
            yield ControlPlane(
                settings=settings,
                folder=config.parent,
                store=control.store,
                snapshots=snapshots,
                plugins=plugins,
                credentials=credentials,
                refresher=refresher,
                file=SettingsFile(config, control.store),
            )
        finally:
            await plugins.close()
            await refresher.close()
