"""A worker's plugin services over a real control database and the snapshot that is made of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import event

from gateway.control.database import ControlDatabase, control_url
from gateway.control.entities import LlmEntity
from gateway.control.store import ControlStore
from gateway.payloads.sender import PayloadSender
from gateway.plugin_services.asking import Asking
from gateway.plugin_services.sources import plugin_sources
from gateway.snapshot import Snapshot, SnapshotHolder
from gateway.snapshot_builder import SnapshotBuilder
from gateway.telemetry import GatewayMetrics
from sluice.sdk.services import GatewayServices, StudioServices
from sluice.secrets import SecretBox, new_key
from tests.gateway.control.made import ADMIN, llm
from tests.gateway.payloads.making import TOPICS, queue_in


class Worker:
    """A store, a snapshot as of the last ``refresh``, and the services on them."""

    def __init__(self, folder: Path, database: ControlDatabase) -> None:
        self.database = database
        self.store = ControlStore(database, SecretBox([new_key()]))
        self.snapshots = SnapshotHolder(Snapshot())
        self.asking = Asking()
        self.queries = 0
        self._builder = SnapshotBuilder()
        self._generation = 0
        self._llms: Mapping[int, LlmEntity] = {}
        self.queue = queue_in(folder)
        self.sender = PayloadSender(
            self.queue, TOPICS, GatewayMetrics(), edge_id="gw", namespace="ns", max_payload_bytes=1 << 20
        )
        self.sources = plugin_sources(self.snapshots, self.store, self.llms, self.sender)
        event.listen(database._reader.sync_engine, "before_cursor_execute", self._count)

    def _count(self, *_: Any) -> None:
        self.queries += 1

    def llms(self) -> Mapping[int, LlmEntity]:
        return self._llms

    async def refresh(self) -> None:
        """Serve by what is committed now, as the refresher does."""
        changes = await self.store.changes_since(self._generation)
        if changes is not None:
            self._generation = changes.generation
            merged = {**self._llms, **changes.llms}
            self._llms = {llm_id: entity for llm_id, entity in merged.items() if entity is not None}
            self.snapshots.replace(self._builder.change(self.snapshots.get(), changes))
        self.queries = 0

    async def app(self, **values: Any) -> int:
        """A new app that is served."""
        made = await self.store.apps.create({"name": "shop", **values}, ADMIN)
        await self.refresh()
        return made.id

    async def llm(self, slug: str = "gpt", **values: Any) -> int:
        """A new LLM that is served."""
        made = await self.store.llms.create(llm(slug, **values), ADMIN)
        await self.refresh()
        return made.id

    def gateway(self, plugin_id: int = 7, plugin: str = "p7") -> GatewayServices:
        return self.sources.gateway(plugin_id, plugin)

    def studio(self) -> StudioServices:
        return self.sources.studio(7, "p7")


@asynccontextmanager
async def worker_in(folder: Path) -> AsyncIterator[Worker]:
    """With an empty database of its own."""
    database = ControlDatabase(control_url("", folder))
    await database.migrate()
    worker = Worker(folder, database)
    try:
        yield worker
    finally:
        await worker.queue.close()
        await database.close()
