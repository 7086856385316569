"""A log, its collectors.yaml and its stores, for comparisons: what is published, stored, acknowledged is a test's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import orjson

from collectors.deliveries import Frame
from collectors.jobs.origins import open_origin
from collectors.services.reconcile.reading import EventReader
from collectors.services.reconcile.reconciling import Question, Reconciling
from collectors.services.reconcile.results import Comparison, Findings
from collectors.services.reconcile.stores import Span
from collectors.settings import Settings
from collectors.sinks.registry import SinkOpening, open_sink
from schemas.codec import EncodedEvent, encode_exchange
from schemas.events import KINDS, Kind
from schemas.ids import new_exchange_id
from schemas.topics import Topics
from sluice.clock import now_micros
from sluice.eventlog.connect import open_source
from sluice.eventlog.interface import Boot, Record, Source, Subscription
from sluice.settings import settings_of
from tests.collectors.operations.benches import host_of
from tests.contracts.eventlog_laws import SECONDS, JournalBench, Listener, flat, poll_until
from tests.schemas.samples import analytics, budget, common, proxy_log

HOUR = 3_600_000_000
BOOT = Boot("gateway-1", "w0", "boot-of-w0")


def exchange(boot: Boot = BOOT, **changes: Any) -> list[EncodedEvent]:
    """The three events of one exchange of now."""
    shared: Any = common() | {
        "exchange_id": new_exchange_id(), "occurred_at": now_micros(), "gateway_id": boot.gateway_id,
        "worker": boot.worker, "boot_id": boot.boot_id,
    }  # fmt: skip
    return encode_exchange(shared | changes, proxy_log(), analytics(), budget(), "")


def report_of(bench: JournalBench, boot: Boot = BOOT, **changes: Any) -> Record:
    """What a gateway reports."""
    body = {
        "gateway_id": boot.gateway_id, "worker": boot.worker, "boot_id": boot.boot_id, "closing": False,
        "outcomes": {}, "unrecorded": 0, "last_sequences": dict.fromkeys(KINDS, 0), "drops": {},
    }  # fmt: skip
    return Record(bench.topics.gateway_report.name, boot.gateway_id.encode(), orjson.dumps(body | changes))


def on_a_journal(test: Callable[[JournalBench], Coroutine[Any, Any, None]]) -> Callable[[Path], None]:
    """Runs a test on the embedded log alone; those that run on Kafka too are few, and slow."""

    def run(tmp_path: Path) -> None:
        asyncio.run(_on_a_journal(test, tmp_path))

    run.__name__, run.__doc__, run.__module__ = test.__name__, test.__doc__, test.__module__
    return run


async def _on_a_journal(test: Callable[[JournalBench], Coroutine[Any, Any, None]], folder: Path) -> None:
    async with asyncio.timeout(SECONDS):
        bench = JournalBench(folder, Topics("tests", 2))
        async with bench.stack:
            await test(bench)


class Desk:
    """Everything of one comparison."""

    def __init__(self, bench: JournalBench, *entries: dict[str, Any], **more: Any) -> None:
        self.bench = bench
        self.host = host_of(bench)
        document = {"data_collection_plugins": list(entries), **more}
        self.settings = settings_of(document, Settings, "collectors.yaml", {})
        self._acknowledged: dict[str, Source] = {}

    async def publish(self, count: int, **changes: Any) -> list[str]:
        """So many exchanges; the ids of their events."""
        exchanges = [exchange(**changes) for _ in range(count)]
        await self.bench.commit(exchanges)
        return [event.event_id for events in exchanges for event in events]

    async def report(self, *records: Record) -> None:
        """Reports, as gateways publish them."""
        await self.bench.publisher().publish(records)

    async def frames(self) -> list[Frame]:
        """Everything that the log has."""
        origin = open_origin(self.host)
        try:
            reader = EventReader(origin, self.bench.topics, KINDS)
            return [frame async for _, frame in reader.frames(await reader.ranges())]
        finally:
            await origin.close()

    async def store(self, name: str, keep: Callable[[str], bool] = lambda _event_id: True) -> None:
        """What the log has, into the sink of an entry, but for what is not kept."""
        [entry] = [each for each in self.settings.data_collection_plugins if each.name == name]
        await self.store_in(entry, await self.frames(), keep)

    async def store_in(self, entry: Any, frames: Sequence[Frame], keep: Callable[[str], bool]) -> None:
        sink = open_sink(entry, SinkOpening(self.host, Path(), self.settings.control))
        try:
            await sink.start()
            for frame in frames:
                wanted = [at for at, event_id in enumerate(frame.rows["event_id"]) if keep(event_id)]
                if wanted and frame.kind in entry.hook_types:
                    prepared = sink.prepare(frame.pick(wanted))
                    verdict = await sink.write(prepared.documents)
                    assert verdict.cause is None, verdict
        finally:
            await sink.close()

    async def acknowledge(self, service: str, count: int) -> None:
        """The service has done with so many more records."""
        group = f"{self.host.kafka.namespace}.{service}"
        source = self._acknowledged.get(group)
        if source is None:
            subscription = Subscription(group, self.bench.events)
            source = self._acknowledged[group] = open_source(self.host, self.host.data_dir, subscription)
            self.bench.stack.push_async_callback(source.close)
            await source.start(Listener())
        polled = await poll_until(source, count)
        assert await source.commit({part: records[-1].offset + 1 for part, records in polled.items() if records})
        assert len(flat(polled)) == count

    async def compare(self, **question: Any) -> Findings:
        """Exchanges of the last hour and the next."""
        now = now_micros() // 1_000 * 1_000
        question = {"span": Span(now - HOUR, now + HOUR), **question}
        return await Reconciling(self.settings, self.host, look_seconds=0.01).run(Question(**question))


def of(findings: Findings, sink: str, kind: Kind) -> Comparison:
    """One of its comparisons."""
    [found] = [each for each in findings.comparisons if (each.sink, each.kind) == (sink, kind)]
    return found
