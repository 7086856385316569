"""Services of a fleet on fakes and a virtual clock: each has a log of its own, which outlives its exchanges."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from collectors import service as service_module
from collectors.configuration import probe
from collectors.configuration.changes import Recipe, changes_of, recipes_of
from collectors.entries import AnyEntry
from collectors.fleet import Fleet
from collectors.metrics import CollectorMetrics
from collectors.service import Service
from collectors.settings import ControlSettings, HostSettings, Settings
from collectors.sinks.registry import SinkOpening
from tests.collectors.events import NOW_MICROS, make_record, partition_of
from tests.collectors.fakes import FakeLog, FakeSink, FakeSource

DRAIN_SECONDS = 10.0
STOP_SECONDS = 16.0
PARTITIONS = (partition_of(), partition_of(number=1))


def entry_of(name: str, **values: Any) -> dict[str, Any]:
    """Of a sink whose place is a fake's."""
    return {"name": name, "path": "sink://elasticsearch", **values}


def settings_of(*entries: dict[str, Any], **more: Any) -> Settings:
    """The settings of these entries."""
    return Settings.model_validate({"data_collection_plugins": entries, **more})


def recipes(*entries: dict[str, Any]) -> tuple[Recipe, ...]:
    """One for each service."""
    settings = settings_of(*entries)
    return recipes_of(settings, settings.services())


class FleetBench:
    """Makes services, and keeps what each has made: sources in the order of its lives."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *entries: dict[str, Any]) -> None:
        monkeypatch.setattr(service_module, "open_sink", self._open_sink)
        monkeypatch.setattr(probe, "open_sink", self._open_sink)
        self.sinks: dict[str, FakeSink] = {}
        self.logs: dict[str, FakeLog] = {}
        self.sources: dict[str, list[FakeSource]] = {}
        self.metrics = CollectorMetrics()
        self.fleet = Fleet(self._make, recipes(*entries), stop_seconds=STOP_SECONDS, forget=self.metrics.forget)

    def _open_sink(self, entry: AnyEntry, _opening: SinkOpening) -> FakeSink:
        return self.sink(entry.name)

    def sink(self, name: str) -> FakeSink:
        """The store of a name, which stays the same."""
        return self.sinks.setdefault(name, FakeSink())

    def log(self, name: str) -> FakeLog:
        """What the group of a name reads."""
        if name not in self.logs:
            self.logs[name] = FakeLog(self.sink(name))
            for partition in PARTITIONS:
                self.logs[name].append(partition, ())
        return self.logs[name]

    def opening(self, settings: Settings) -> SinkOpening:
        return SinkOpening(HostSettings(), Path(), settings.control)

    def _make(self, recipe: Recipe) -> Service:
        name, loop = recipe.name, asyncio.get_running_loop()
        self.sources.setdefault(name, [])

        def open_source(_subscription: Any) -> FakeSource:
            self.sources[name].append(FakeSource(self.log(name)))
            return self.sources[name][-1]

        return Service(
            recipe.plan,
            HostSettings(),
            self.metrics,
            open_source=open_source,
            open_publisher=lambda _service: self.log(name),
            drain_seconds=DRAIN_SECONDS,
            control=ControlSettings(),
            clock=loop.time,
            wall_clock=lambda: NOW_MICROS + int((loop.time() - 1_000.0) * 1_000_000),
        )

    def feed(self, name: str, count: int = 10) -> None:
        """Append so many records to what a service reads, over two partitions."""
        for partition in PARTITIONS:
            self.log(name).append(partition, [make_record() for _ in range(count // 2)])

    def service(self, name: str) -> Service:
        """The one of this name that there is now."""
        return next(service for service in self.fleet.services if service.name == name)

    def names(self) -> list[str]:
        return [service.name for service in self.fleet.services]

    async def become(self, *entries: dict[str, Any], failed: Iterable[str] = ()) -> None:
        """Apply what these entries change."""
        wanted = recipes(*entries)
        changes = changes_of(self.fleet.recipes, wanted, Path("data"), failed)
        await self.fleet.apply(changes, [each.name for each in wanted])

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        """The fleet, until the block ends; what was acknowledged early is a failure."""
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self.fleet.run())
            try:
                yield task
            finally:
                self.fleet.stop()
                await asyncio.wait({task}, timeout=1_000)
                self.fleet.cancel()
        assert {name: log.early for name, log in self.logs.items() if log.early} == {}

    def assert_exact(self, *names: str) -> None:
        """All that these were fed is in their sinks, once, and acknowledged."""
        for name in names:
            log = self.log(name)
            assert log.is_done, name
            assert len(self.sink(name).durable) == sum(map(len, log.partitions.values())), name
            assert set(self.sink(name).durable.values()) <= {1}, name


def closed(sources: Sequence[FakeSource]) -> list[bool]:
    """Which of them have left."""
    return [source.closed for source in sources]
