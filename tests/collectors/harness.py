"""A whole service on fakes and a virtual clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from collectors import service as service_module
from collectors.entries import DatabaseEntry
from collectors.metrics import CollectorMetrics
from collectors.plans import plan_of
from collectors.service import Service
from collectors.settings import HostSettings
from tests.collectors.events import NOW_MICROS
from tests.collectors.fakes import FakeLog, FakeSink, FakeSource

DRAIN_SECONDS = 10.0


class Harness:
    """A log, a sink, and the service between them."""

    def __init__(self, monkeypatch: Any, **settings: Any) -> None:
        self.sink = FakeSink()
        self.log = FakeLog(self.sink)
        self.sources: list[FakeSource] = []
        self.publisher_errors: list[Exception] = []
        self.next_source = FakeSource(self.log)
        monkeypatch.setattr(service_module, "open_sink", lambda *_: self.sink)
        entry = DatabaseEntry.model_validate({"name": "test", "path": "sink://database", **settings})
        loop = asyncio.get_running_loop()
        self.metrics = CollectorMetrics()
        self.service = Service(
            plan_of([entry]),
            HostSettings(),
            self.metrics,
            open_source=lambda _subscription: self._open_source(),
            open_publisher=lambda _service: self._open_publisher(),
            drain_seconds=DRAIN_SECONDS,
            clock=loop.time,
            wall_clock=lambda: NOW_MICROS + int((loop.time() - 1_000.0) * 1_000_000),
        )

    def _open_source(self) -> FakeSource:
        source = self.next_source
        self.sources.append(source)
        self.next_source = FakeSource(self.log)
        return source

    def _open_publisher(self) -> FakeLog:
        if self.publisher_errors:
            raise self.publisher_errors.pop(0)
        return self.log

    @property
    def source(self) -> FakeSource:
        """The source of the life that is lived now."""
        return self.sources[-1] if self.sources else self.next_source

    def records(self, outcome: str) -> int:
        """How many records had this outcome."""
        return self.metrics.records.value("test", outcome)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Service]:
        """The service, until the block ends; then it is stopped gracefully."""
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self.service.run())
            try:
                yield self.service
            finally:
                self.service.stop()
                await asyncio.wait({task})
        assert self.log.early == []
