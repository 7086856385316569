"""Services of several scripted collectors over a real journal, with the real events database as their fallback."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from collectors.metrics import CollectorMetrics, Outcome
from collectors.plans import ServicePlan
from collectors.service import Service
from collectors.settings import HostSettings, Settings
from schemas.events import KINDS
from schemas.ids import new_boot_id
from schemas.topics import DLQ_SUFFIX, Topics
from sluice.eventlog.connect import open_publisher, open_source
from sluice.eventlog.interface import Boot, Partition, Publisher, Record, Subscription
from sluice.eventlog.journal.journal import Journal
from sluice.eventlog.places import gateway_journal
from sluice.eventlog.settings import JournalSettings
from sluice.sdk.collecting import BatchResponse, DataCollectionResponse
from tests.collectors.events import make_event
from tests.collectors.fakes import until

DEADLINE_SECONDS = 120.0
TABLES = ("proxy_logs", "analytics", "budget_usage")

_RETRY = {"base_seconds": 0.01, "max_seconds": 0.05, "halt_seconds": 0.05}
_BATCH = {"max_age_seconds": 0.02}
_FALLBACK = {"path": "sink://database", "batch": _BATCH, "retry": _RETRY}
"""As by default, and quick."""

Mode = Literal["singly", "in_frames"]
Answer = Literal["none", "handled", "passed", "failed", "raises", "hangs", "wrong"]

_PLUGIN = """
from pydantic import BaseModel
from sluice.sdk import BasePlugin
from sluice.sdk.capabilities import DataCollector
from tests.collectors.deciding import SCRIPTS


class Config(BaseModel):
    script: str


class Collector(BasePlugin[Config], DataCollector):
    async def initialize(self, ctx, config):
        self.script = SCRIPTS[config.script]
"""
_SOURCES: dict[Mode, str] = {
    "singly": _PLUGIN
    + """
    async def handle_proxy_log(self, ctx, log):
        return await self.script.one(log.event_id)

    async def handle_analytics(self, ctx, analytics):
        return await self.script.one(analytics.event_id)

    async def handle_budget_usage(self, ctx, usage):
        return await self.script.one(usage.event_id)
""",
    "in_frames": _PLUGIN
    + """
    async def handle_batch(self, ctx, kind, frame):
        return await self.script.all(frame["event_id"].to_list())
""",
}


@dataclass
class Script:
    """What one collector answers for each event: the first time, the second … and the last one ever after."""

    answers: Sequence[Answer]
    calls: Counter[str] = field(default_factory=Counter)
    """By event id."""
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    """What ``hangs`` waits for."""

    def _next(self, event_id: str) -> Answer:
        self.calls[event_id] += 1
        return self.answers[min(self.calls[event_id], len(self.answers)) - 1]

    async def one(self, event_id: str) -> Any:
        return await self._said(self._next(event_id))

    async def all(self, event_ids: Sequence[str]) -> Any:
        """An outcome for each row; what can only happen to a call happens to the whole frame."""
        answers = [self._next(event_id) for event_id in event_ids]
        for answer in answers:
            if answer in {"raises", "hangs", "wrong"}:
                return await self._said(answer)
        said = [await self._said(answer) for answer in answers]
        return BatchResponse({at: each for at, each in enumerate(said) if each is not None})

    async def _said(self, answer: Answer) -> Any:
        if answer == "raises":
            message = "the store is away"
            raise OSError(message)
        if answer == "hangs":
            await self.gate.wait()
        responses: dict[Answer, Any] = {
            "handled": DataCollectionResponse.done(),
            "passed": DataCollectionResponse.passed(),
            "failed": DataCollectionResponse.failed("not now"),
            "wrong": 7,
        }
        return responses.get(answer)


SCRIPTS: dict[str, Script] = {}
"""By folder and collector: plugins of this process find theirs here."""


class _Seen:
    """A publisher that remembers what its log has acknowledged."""

    def __init__(self, publisher: Publisher, published: list[Record]) -> None:
        self._publisher = publisher
        self._published = published

    async def publish(self, records: Sequence[Record]) -> None:
        await self._publisher.publish(records)
        self._published += records

    async def close(self) -> None:
        await self._publisher.close()


class _Nobody:
    """A listener that wants nothing."""

    async def on_assigned(self, partitions: Iterable[Partition]) -> None:
        """Nothing."""

    async def on_revoked(self, partitions: Iterable[Partition]) -> None:
        """Nothing."""

    async def on_lost(self, partitions: Iterable[Partition]) -> None:
        """Nothing."""


async def write_events(data_dir: Path, exchanges: int = 1, **changes: Any) -> list[str]:
    """So many exchanges with an event of each kind, in a gateway's journal; returns the ids of the events."""
    journal = Journal(gateway_journal(data_dir, "gw", "0"), JournalSettings(), Topics(), embedded=True)
    journal.begin(Boot("gw", "0", new_boot_id()))
    ids = []
    for _ in range(exchanges):
        events = [make_event(kind, **changes) for kind in KINDS]
        await journal.append(events)
        ids += [event.event_id for event in events]
    await journal.close()
    return ids


async def unacknowledged(host: HostSettings, plan: ServicePlan) -> int:
    """How many records the next life of a service would be given."""
    topics = Topics()
    names = tuple(topics.event(kind).name for kind in plan.kinds)
    source = open_source(host, host.data_dir, Subscription(f"sluice.{plan.name}", names, "test"))
    await source.start(_Nobody())
    try:
        return sum(map(len, (await source.poll(0.01, 1_000)).values()))
    finally:
        await source.close()


class Deciding:
    """A folder with a journal, a database, and a service of scripted collectors; several lives, one after the other."""

    def __init__(self, folder: Path, mode: Mode, collectors: Mapping[str, Mapping[str, Any]], **more: Any) -> None:
        """By its name, what each entry has beside what all have; ``answers`` are its script's. ``more``: of all."""
        self.folder = folder
        self.published: list[Record] = []
        self.scripts: dict[str, Script] = {}
        (folder / f"{mode}.py").write_text(_SOURCES[mode])
        shared = {"path": f"{mode}.py", "service": "s", "retry": dict(_RETRY), "batch": dict(_BATCH), **more}
        entries = []
        for name, given in collectors.items():
            own = dict(given)
            self.scripts[name] = SCRIPTS[f"{folder}/{name}"] = Script(own.pop("answers", ("handled",)))
            if not own.get("path", "").startswith("sink://"):
                # not less: many services share the loop and the disk, and a call that is late is given again
                timeout_ms = more.get("timeout_ms", 1_000)
                own = {"config": {"script": f"{folder}/{name}"}, "timeout_ms": timeout_ms, **own}
            entries.append({"name": name, "fallback": _FALLBACK, **shared, **own})
        [self.plan] = Settings.model_validate({"data_collection_plugins": entries}).services()
        self.host = HostSettings(data_dir=folder / "data")
        self.drain_seconds = 30.0
        self.new_life()

    def new_life(self) -> None:
        """A new process of the same service: nothing is remembered but what is on the disk."""
        self.metrics = CollectorMetrics()
        self.service = Service(
            self.plan,
            self.host,
            self.metrics,
            open_source=lambda subscription: open_source(self.host, self.host.data_dir, subscription),
            open_publisher=lambda service: _Seen(
                open_publisher(self.host, self.host.data_dir, service), self.published
            ),
            drain_seconds=self.drain_seconds,
            folder=self.folder,
        )

    async def write(self, exchanges: int = 1, **changes: Any) -> list[str]:
        """So many exchanges with an event of each kind; returns the ids of the events."""
        return await write_events(self.host.data_dir, exchanges, **changes)

    @asynccontextmanager
    async def running(self, *, crashes: bool = False) -> AsyncIterator[None]:
        """One life, ended gracefully, or by a crash: nothing is drained and nothing committed at its end."""
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self.service.run())
            try:
                yield
            finally:
                task.cancel() if crashes else self.service.stop()
                await asyncio.wait({task})
        self.new_life()

    async def run_until_finished(self, records: int) -> dict[str, int]:
        """One life, until so many records have their outcome; how many have which."""
        outcomes: dict[str, int] = {}

        def finished() -> bool:
            found = {each: self.records(each) for each in get_args(Outcome)}
            outcomes.update({each: count for each, count in found.items() if count})
            return sum(outcomes.values()) >= records

        async with self.running():
            await until(finished, DEADLINE_SECONDS)
        return outcomes

    async def unacknowledged(self) -> int:
        """How many records the next life would be given."""
        return await unacknowledged(self.host, self.plan)

    def records(self, outcome: str) -> int:
        """How many records of this life ended so."""
        return self.metrics.records.value("s", outcome)

    def ended(self, collector: str, outcome: str) -> int:
        """How many events of this life this collector ended so."""
        return self.metrics.collector_outcomes.value("s", collector, outcome)

    def calls(self, collector: str) -> Counter[str]:
        """How often it was given each event."""
        return self.scripts[collector].calls

    @property
    def letters(self) -> list[tuple[str, str]]:
        """Who gave up which event."""
        found = [record for record in self.published if record.topic.endswith(DLQ_SUFFIX)]
        headers = [{name: value.decode() for name, value in record.headers} for record in found]
        return sorted((each["dlq.collector"], each["ce_id"]) for each in headers)

    @property
    def database(self) -> Path:
        """Where the fallback is by default."""
        return self.host.data_dir / "events.db"

    @property
    def stored(self) -> list[str]:
        """The ids of the events in the fallback."""
        if not self.database.exists():
            return []
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
            made = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            tables = [table for table in TABLES if table in made]  # a life may end before they are made
            return [row[0] for table in tables for row in connection.execute(f"SELECT event_id FROM {table}")]  # noqa: S608
