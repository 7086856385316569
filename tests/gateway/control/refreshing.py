"""A worker's refresher for tests: on a store that can be away, and that others write to as well."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection
from pathlib import Path
from typing import Any

from gateway.access.credentials import Credentials
from gateway.control.entities import Attachment, LlmEntity
from gateway.control.errors import ControlDatabaseError
from gateway.control.generation import GenerationFile
from gateway.control.refresher import Refresher, load
from gateway.control.store import ControlStore
from gateway.exchange import Exchange
from gateway.plugins import WorkerPlugins
from gateway.settings import Settings
from gateway.snapshot import Snapshot, SnapshotHolder
from gateway.snapshot_builder import SnapshotBuilder
from sluice.sdk import BasePlugin, Context, EnrichedRequest, PluginResponse, PostAuthHandler
from tests.gateway.control.made import ADMIN, llm

LIVES: list[str] = []


class Slow(BasePlugin, PostAuthHandler):
    """Starts when it is told to, and may fail then."""

    gate = asyncio.Event()
    is_broken = False

    async def initialize(self, ctx: Context, config: Any) -> None:
        LIVES.append(f"begins {config.get('label')}")
        if config.get("waits"):
            await Slow.gate.wait()
        if config.get("fails") or self.is_broken:
            raise ValueError("no database")

    async def shutdown(self, ctx: Context) -> None:
        LIVES.append(f"ends {self.config.get('label')}")

    async def handle_post_auth(self, ctx: Context, request: EnrichedRequest) -> PluginResponse:
        return PluginResponse.allow()


class FlakyStore(ControlStore):
    """A store whose database can be away."""

    is_away = False
    asked = 0

    async def changes_since(self, generation: int) -> Any:
        """Unless it is away."""
        self.asked += 1
        if self.is_away:
            raise ControlDatabaseError("control.database_url: it is away")
        return await super().changes_since(generation)

    async def touch_tokens(self, used: Any) -> None:
        """Unless it is away."""
        if self.is_away:
            raise ControlDatabaseError("control.database_url: it is away")
        await super().touch_tokens(used)


class Bench:
    """A worker's refresher, on a store that others write to as well."""

    def __init__(self, store: FlakyStore, others: ControlStore, told: GenerationFile) -> None:
        self.store = store
        self.others = others
        self.told = told
        self.plugins = WorkerPlugins()
        self.credentials = Credentials()
        self.exchanges: list[Exchange] = []
        self.snapshots = SnapshotHolder(Snapshot())
        self.refresher: Refresher

    async def start(self) -> None:
        """Serve by what is there."""
        builder = SnapshotBuilder(self.plugins.chains)
        loaded = await load(self.store, builder, self.plugins)
        self.snapshots.replace(loaded.snapshot)
        self.refresher = Refresher(
            store=self.store, told=self.told, loaded=loaded, snapshots=self.snapshots, builder=builder,
            plugins=self.plugins, credentials=self.credentials, exchanges=self.under_way,
        )  # fmt: skip
        await self.refresher.start_plugins(Settings(), Path())

    def under_way(self) -> Collection[Exchange]:
        """The exchanges of this worker."""
        return self.exchanges

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """With all that goes on beside the server."""
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self.refresher.run())
            try:
                yield
            finally:
                task.cancel()

    @property
    def snapshot(self) -> Snapshot:
        """What the next request reads."""
        return self.snapshots.get()

    def chained(self, llm_id: int) -> list[str]:
        """The plugins of an LLM, in order."""
        found = self.snapshot.llms_by_id[llm_id].chains.post_auth
        return [link.plugin for link in found.links] if found else []

    def is_called(self, llm_id: int) -> bool:
        """Whether the LLM's chain reaches its plugin, rather than a refusal in its place."""
        found = self.snapshot.llms_by_id[llm_id].chains.post_auth
        return found is not None and found.links[0].running is not None

    async def plugin(self, label: str = "a", **config: Any) -> int:
        """Register one; its id."""
        values = {
            "name": label,
            "slug": label,
            "command": f"python://{__name__}:Slow",
            "config": {"label": label, **config},
        }
        return (await self.others.plugins.create(values, ADMIN)).id

    async def attach(self, plugin_id: int, name: str = "gpt") -> LlmEntity:
        """An LLM with it."""
        return await self.others.llms.create(llm(name, attachments=(Attachment(plugin_id=plugin_id),)), ADMIN)
