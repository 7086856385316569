"""A service of several collectors on fake sinks, whose log knows what each of them owes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from collectors import service as service_module
from collectors.entries import AnyEntry
from collectors.metrics import CollectorMetrics
from collectors.service import Service
from collectors.settings import HostSettings, Settings
from sluice.eventlog.interface import Partition, StoredRecord
from tests.collectors.events import NOW_MICROS, event_id_of, make_record, partition_of
from tests.collectors.fakes import FakeLog, FakeSink, FakeSource

FIRST, SECOND, THIRD = (partition_of(number=number) for number in range(3))


class Log(FakeLog):
    """Knows what each collector owes, and so what may be acknowledged."""

    def __init__(self, sinks: dict[str, FakeSink]) -> None:
        super().__init__(FakeSink())
        self.sinks = sinks
        self.owed: dict[str, set[str]] = {}
        """By event: the collectors, and the fallback, that must have it, or have buried it."""
        self.buried_by: set[tuple[str, str]] = set()

    def is_settled(self, record: StoredRecord) -> bool:
        event_id = event_id_of(record)
        return all(
            event_id in self.sinks[name].durable or (name, event_id) in self.buried_by
            for name in self.owed.get(event_id, set())
        )

    async def publish(self, records: Sequence[Any]) -> None:
        await super().publish(records)
        for headers in ({name: value.decode() for name, value in record.headers} for record in self.dead_letters):
            self.buried_by.add((headers["dlq.collector"], headers["ce_id"]))


class Bench:
    """A service of these collectors, and its fallback, on fake sinks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, collectors: dict[str, dict[str, Any]], **more: Any) -> None:
        self.sinks = {name: FakeSink() for name in (*collectors, "fallback")}
        self.log = Log(self.sinks)
        self.sources: list[FakeSource] = []
        self.metrics = CollectorMetrics()
        monkeypatch.setattr(service_module, "open_sink", self._open)
        shared = {"path": "sink://database", "service": "s", **more}
        entries = [{"name": name, **shared, **given} for name, given in collectors.items()]
        [plan] = Settings.model_validate({"data_collection_plugins": entries}).services()
        self.plan = plan
        self.service = self.new_service()

    def new_service(self) -> Service:
        """A new process of it: nothing is remembered but what is in the log and in the sinks."""
        loop = asyncio.get_running_loop()
        return Service(
            self.plan,
            HostSettings(),
            self.metrics,
            open_source=lambda _subscription: self._open_source(),
            open_publisher=lambda _service: self.log,
            drain_seconds=10.0,
            clock=loop.time,
            wall_clock=lambda: NOW_MICROS + int((loop.time() - 1_000.0) * 1_000_000),
        )

    def _open(self, entry: AnyEntry, _opening: object) -> FakeSink:
        return self.sinks[entry.name]

    def _open_source(self) -> FakeSource:
        self.sources.append(FakeSource(self.log))
        return self.sources[-1]

    def fill(self, count: int, *partitions: Partition, owed: set[str]) -> list[str]:
        """So many good records in each partition, which these must have; returns the ids."""
        ids = []
        for partition in partitions or (FIRST,):
            records = [make_record() for _ in range(count)]
            self.log.owed |= {event_id_of(record): owed for record in records}
            self.log.append(partition, records)
            ids += [event_id_of(record) for record in records]
        return ids

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
        assert all(sink.closed for name, sink in self.sinks.items() if name != "fallback")
