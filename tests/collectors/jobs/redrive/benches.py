"""A host with an event log, dead letters in it, and collectors to give them back to."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from collectors.dead_letters import DeadLetters
from collectors.deliveries import Poison
from collectors.errors import Unprocessable
from collectors.jobs.redrive.asking import RedriveOptions
from collectors.jobs.redrive.run import redrive
from collectors.operations.dead_letters import LetterOptions, dead_letters
from collectors.tracker import Lane
from schemas.events import Kind
from schemas.topics import Topics
from sluice.eventlog.interface import Partition, PolledRecord, Record, StoredRecord
from sluice.eventlog.journal.publisher import JournalPublisher
from sluice.eventlog.places import collector_journal
from sluice.eventlog.settings import JournalSettings
from tests.collectors.deciding import SCRIPTS, Answer, Script
from tests.collectors.events import make_record
from tests.collectors.operations.benches import Seen

TOPICS = Topics()
QUICK: dict[str, Any] = {
    "batch": {"max_age_seconds": 0.02},
    "retry": {"base_seconds": 0.01, "max_seconds": 0.05, "halt_seconds": 0.05},
}
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

    async def handle_analytics(self, ctx, analytics):
        return await self.script.one(analytics.event_id)
"""
TABLES = {"proxy_log": "proxy_logs", "analytics": "analytics", "budget": "budget_usage"}


@dataclass
class Bench:
    """In a folder: journals, an events database, and whatever entries a test wants."""

    folder: Path
    entries: list[dict[str, Any]] = field(default_factory=list)
    host: dict[str, Any] = field(default_factory=dict)
    scripts: dict[str, Script] = field(default_factory=dict)
    """Of entries, by name."""

    @property
    def config(self) -> Path:
        return self.folder / "sluice.yaml"

    @property
    def collectors(self) -> Path:
        return self.folder / "collectors.yaml"

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    def write(self, *entries: dict[str, Any]) -> None:
        """Both files, as they are now."""
        self.entries = list(entries) or self.entries or [self.database()]
        self.config.write_text(yaml.safe_dump({"data_dir": str(self.data_dir), **self.host}))
        document = {"data_collection_plugins": self.entries, "shutdown_seconds": 0.5}
        self.collectors.write_text(yaml.safe_dump(document))

    def database(self, name: str = "store", file: str = "store.db", **more: Any) -> dict[str, Any]:
        """An entry that writes to a database of this host."""
        return {
            "name": name,
            "path": "sink://database",
            "config": {"url": f"sqlite:///{self.folder / file}"},
            **QUICK,
            **more,
        }

    def scripted(self, name: str, *answers: Answer, **more: Any) -> dict[str, Any]:
        """An entry of a plugin that answers so: the first time, the second … and the last one ever after."""
        (self.folder / "scripted.py").write_text(_PLUGIN)
        script = f"{self.folder}/{name}"
        self.scripts[name] = SCRIPTS[script] = Script(answers)
        fallback = {"path": "sink://database", **QUICK}
        entry = {"name": name, "path": "scripted.py", "config": {"script": script}, "fallback": fallback, **QUICK}
        return {**entry, "timeout_ms": 1_000, **more}

    async def publish(self, letters: Sequence[Record], service: str = "store") -> None:
        """As a live collector of that service did, which has ended since."""
        publisher = JournalPublisher(collector_journal(self.data_dir, service), service, JournalSettings(), TOPICS)
        await publisher.publish(letters)
        await publisher.close()

    async def redrive(self, *, as_json: bool = True, **options: Any) -> tuple[int, dict[str, Any], Seen]:
        """The exit code, the report, and what was printed."""
        self.write()
        seen = Seen(as_json=as_json)
        code = await redrive(self.config, self.collectors, RedriveOptions(**options), seen.printer)
        return code, seen.documents[-1] if as_json else {}, seen

    async def letters(self, action: str = "list", **options: Any) -> tuple[int, list[dict[str, Any]]]:
        """What ``sluice dead-letters`` says."""
        self.write()
        seen = Seen()
        code = await dead_letters(self.config, LetterOptions(action, **options), seen.printer)
        return code, seen.documents

    def stored(self, kind: Kind = "analytics", file: str = "store.db") -> list[str]:
        """The ids of the events that the database holds."""
        path = self.folder / file
        if not path.exists():
            return []
        connection = sqlite3.connect(path)
        try:
            made = [row[0] for row in connection.execute("select name from sqlite_master where type = 'table'")]
            if TABLES[kind] not in made:  # they come a moment after the file
                return []
            return sorted(row[0] for row in connection.execute(f"select event_id from {TABLES[kind]}"))  # noqa: S608 - ours
        finally:
            connection.close()


def letters_of(
    records: Sequence[PolledRecord],
    reason: str = "row_refused",
    *,
    collector: str = "store",
    service: str = "store",
    namespace: str = "sluice",
) -> list[Record]:
    """What a live collector publishes of these; of what cannot be decoded for anyone ``collector`` is empty."""
    poison = Poison(collector=collector)
    for record in records:
        lane = Lane(Partition(record.topic, record.partition))
        poison.add(record, lane, Unprocessable(reason, "a detail"))
    made = DeadLetters(_Nowhere(), service=service, group=f"{namespace}.{service}", version="1.0.0")
    return made.letters(poison)


class _Nowhere:
    async def publish(self, records: Sequence[Record]) -> None:
        raise AssertionError("here nothing is published")

    async def close(self) -> None:
        """Nothing to close."""


def made(count: int, kind: Kind = "analytics", **fields: Any) -> list[StoredRecord]:
    """So many records of events."""
    return [make_record(kind, offset=at, **fields) for at in range(count)]


def ids_of(records: Sequence[PolledRecord]) -> list[str]:
    """The events' ids."""
    return sorted(dict(record.headers)["ce_id"].decode() for record in records)


def with_facts(letter: Record, **facts: bytes | None) -> Record:
    """The same letter with other ``dlq.*`` headers; ``None`` takes one away. ``__`` is a dot."""
    named = {f"dlq.{name.replace('__', '.')}": value for name, value in facts.items()}
    kept = [(name, value) for name, value in letter.headers if name not in named]
    return letter._replace(headers=(*kept, *((name, value) for name, value in named.items() if value is not None)))
