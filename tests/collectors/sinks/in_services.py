"""Services from a ``collectors.yaml`` in the embedded mode: a gateway's journal on one side, places on the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml

from collectors.metrics import CollectorMetrics
from collectors.plans import ServicePlan
from collectors.service import Service
from collectors.settings import HostSettings, Settings
from sluice.eventlog.connect import open_publisher, open_source
from sluice.settings import load_settings
from tests.collectors.deciding import unacknowledged, write_events
from tests.collectors.fakes import until

SECONDS = 30.0
QUICK = {
    "batch": {"max_records": 40, "max_age_seconds": 0.05},
    "retry": {"base_seconds": 0.02, "max_seconds": 0.1, "halt_seconds": 0.1},
    "breaker": {"open_seconds": 0.1},
}


class Services:
    """The services of a file, in one process after the other."""

    def __init__(
        self, folder: Path, entries: list[dict[str, Any]], variables: Mapping[str, str], host: dict[str, Any]
    ) -> None:
        path = folder / "collectors.yaml"
        path.write_text(yaml.safe_dump({"data_collection_plugins": [{**QUICK, **entry} for entry in entries]}))
        self.plans = load_settings(path, Settings, variables).services()
        self.host = HostSettings.model_validate({"data_dir": folder / "data", **host})
        self.folder = folder
        self.ids: list[str] = []
        self.new_life()

    def new_life(self) -> None:
        """A new process: nothing is remembered but what is on the disk and in the places."""
        self.metrics = CollectorMetrics()
        self.services = {plan.name: self._service(plan) for plan in self.plans}

    def _service(self, plan: ServicePlan) -> Service:
        return Service(
            plan,
            self.host,
            self.metrics,
            open_source=lambda subscription: open_source(self.host, self.host.data_dir, subscription),
            open_publisher=lambda service: open_publisher(self.host, self.host.data_dir, service),
            drain_seconds=30.0,
            folder=self.folder,
        )

    async def write(self, exchanges: int, **changes: Any) -> list[str]:
        """Three events for each; returns their ids."""
        ids = await write_events(self.host.data_dir, exchanges, **changes)
        self.ids += ids
        return ids

    @asynccontextmanager
    async def running(self, *, crashes: bool = False) -> AsyncIterator[None]:
        """One life of all, ended gracefully or by a crash."""
        async with asyncio.TaskGroup() as tasks:
            running = {name: tasks.create_task(service.run()) for name, service in self.services.items()}
            try:
                yield
            finally:
                for name, task in running.items():
                    task.cancel() if crashes else self.services[name].stop()
                await asyncio.wait(running.values())
        self.new_life()

    def finished(self, service: str) -> int:
        """Records of this life that are delivered, new or known."""
        return sum(self.metrics.records.value(service, each) for each in ("delivered", "duplicate"))

    def ended(self, service: str, collector: str) -> int:
        """Events of this life that a collector has."""
        outcomes = self.metrics.collector_outcomes
        return sum(outcomes.value(service, collector, each) for each in ("handled", "duplicate"))

    async def until_finished(self, count: int) -> None:
        """Until every service has finished so many records of this life."""
        await until(lambda: all(self.finished(name) >= count for name in self.services), SECONDS, 0.02)

    async def unacknowledged(self) -> int:
        """Of all services."""
        return sum([await unacknowledged(self.host, plan) for plan in self.plans])
