"""Poison on the real Kafka, Elasticsearch and journals: what is wrong is put right and redriven, and none is left."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from collectors.jobs.redrive.asking import RedriveOptions
from collectors.jobs.redrive.run import redrive
from collectors.operations.dead_letters import LetterOptions, dead_letters
from schemas.avro_schema import event_schema
from schemas.events import KINDS
from sluice.clock import micros_of, now_micros
from sluice.dev.servers.ports import LOOPBACK, free_port
from tests.collectors.deciding import write_events
from tests.collectors.events import record_of
from tests.collectors.jobs.redrive.benches import Bench, ids_of, letters_of, made
from tests.collectors.operations.benches import Seen
from tests.integration.collecting import QUICK, Collecting, written
from tests.integration.other_writers import Schema, Written, framed, with_fields
from tests.integration.service import Service
from tests.integration.stack import write_yaml
from tests.integration.waiting import until, until_found
from tests.servers import Elasticsearch, Kafka

SECONDS = 60.0
EXCHANGES = 600
POISON = 6
"""Exchanges: one in a hundred."""
LETTERS = 500
NEWER: dict[str, Schema] = {
    kind: with_fields(kind, {"name": "colour", "type": "string", "default": ""}) for kind in KINDS
}


async def start(folder: Path, *arguments: str) -> Process:
    """``sluice`` with these."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sluice", *arguments, cwd=folder, stdout=PIPE, stderr=PIPE
    )


@dataclass(frozen=True)
class Commands:
    """Those of an operator, in this process: starting one takes longer than its work."""

    config: Path
    collectors: Path

    async def redrive(self, **options: Any) -> tuple[int, dict[str, Any]]:
        """Its exit code and its report."""
        seen = Seen()
        code = await redrive(self.config, self.collectors, RedriveOptions(**options), seen.printer)
        return code, seen.documents[-1]

    async def letters(self, action: str = "list", **options: Any) -> tuple[int, list[dict[str, Any]]]:
        """The same of ``sluice dead-letters``."""
        seen = Seen()
        return await dead_letters(self.config, LetterOptions(action, **options), seen.printer), seen.documents


class Poisoned(Collecting):
    """A collector that meets two kinds of poison: of a schema that nobody published, and of a day whose index is
    strict and knows no field."""

    events: list[Written]

    @property
    def stems(self) -> dict[Any, str]:
        """Of the indices of the entry."""
        return {
            "proxy_log": f"{self.name}-search-p",
            "analytics": f"{self.name}-search-a",
            "budget": f"{self.name}-search-b",
        }

    async def make_strict(self, day: datetime) -> None:
        """The indices of a day, before the collector has made its templates."""
        async with httpx.AsyncClient(base_url=self._elasticsearch, timeout=30) as client:
            for stem in self.stems.values():
                mappings = {"dynamic": "strict", "properties": {"event_id": {"type": "keyword"}}}
                answer = await client.put(f"/{stem}-{day:%Y.%m.%d}", json={"mappings": mappings})
                answer.raise_for_status()

    async def make_open(self, day: datetime) -> None:
        """The same, put right."""
        async with httpx.AsyncClient(base_url=self._elasticsearch, timeout=30) as client:
            for stem in self.stems.values():
                answer = await client.put(f"/{stem}-{day:%Y.%m.%d}/_mapping", json={"dynamic": True})
                answer.raise_for_status()

    async def publish_all(self, day: datetime) -> None:
        """Of today, and among them those that are poison."""
        self.events = []
        for number in range(EXCHANGES):
            for each in written(number):
                if number < POISON // 2:
                    event = {**each.event, "colour": "blue"}
                    self.events.append(replace(each, event=event, value=framed(NEWER[each.kind], event)))
                elif number < POISON:
                    event = {**each.event, "occurred_at": micros_of(day) + number}
                    self.events.append(replace(each, event=event, value=framed(event_schema(each.kind), event)))
                else:
                    self.events.append(each)
        assert self._gateway is not None
        await self._gateway.publish(self.events)

    async def publish_schemas(self) -> None:
        """Those of the first kind of poison."""
        assert self._gateway is not None
        await self._gateway.publish_schemas(NEWER.values())

    async def until_indexed(self, count: int) -> None:
        """Return when so many are."""

        async def are() -> bool:
            return len(await self.documents()) >= count

        await until_found(are, SECONDS, f"{count} documents", poll_seconds=0.3)

    async def committed(self) -> dict[Any, Any]:
        """The next offsets of the live group."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.kafka["bootstrap_servers"])
        await admin.start()
        try:
            return dict(await admin.list_consumer_group_offsets(f"{self.name}.search"))
        finally:
            await admin.close()


async def test_one_in_a_hundred_is_poison_and_none_is_left(
    tmp_path: Path, unique_name: str, kafka_server: Kafka, elasticsearch_server: Elasticsearch
) -> None:
    """Two kinds of poison, each put right and redriven beside the live collector: every event is indexed once, sums are
    the ledger's, no letter is open, the live group has not moved, and a redrive of all that changes nothing."""
    bench = Poisoned(tmp_path, unique_name, kafka_server, elasticsearch_server)
    yesterday = datetime.fromtimestamp(now_micros() // 1_000_000, UTC) - timedelta(days=1)
    bench.configure(bench.search())
    await bench.make_strict(yesterday)
    async with bench.topics_made():
        collector = bench.collector()
        settings = collector.log_path.parent / "sluice.yaml"
        settings.write_text(settings.read_text() + "\nschema: {wait_seconds: 0.5}\n")
        try:
            await collector.start()
            await bench.publish_all(yesterday)
            await put_right(bench, collector.log_path.parent, yesterday)
        finally:
            await collector.close()


async def put_right(bench: Poisoned, folder: Path, day: datetime) -> None:
    """One kind after the other."""
    commands = Commands(folder / "sluice.yaml", bench.configuration)
    each_kind = 3 * POISON // 2

    async def are_letters() -> bool:
        _, counts = await commands.letters("count")
        return sum(int(each["count"]) for each in counts) == 2 * each_kind

    await bench.until_indexed(len(bench.events) - 2 * each_kind)
    await until_found(are_letters, SECONDS, "all dead letters", poll_seconds=0.2)
    _, counts = await commands.letters("count")
    assert {each["reason"] for each in counts} == {"unknown_schema", "strict_dynamic_mapping_exception"}
    before = await bench.committed()

    code, counted = await commands.redrive(dry_run=True)
    assert (code, counted["matched"], sum(each["count"] for each in counted["details"]["groups"])) == (0, 18, 18)
    await bench.make_open(day)
    code, report = await commands.redrive()
    assert (code, report["written"], report["failed"], report["undecodable"]) == (1, each_kind, each_kind, each_kind)
    code, listed = await commands.letters()
    assert (code, {each["dead_letter"]["redrives"] for each in listed}) == (1, {"1"})

    await bench.publish_schemas()
    code, report = await commands.redrive(reasons=("unknown_schema",))
    assert (code, report["written"], report["failed"]) == (0, each_kind, 0)
    assert await commands.letters() == (0, [])
    _, everything = await commands.letters(all_of_them=True)
    assert Counter(each["state"] for each in everything) == {"delivered": 2 * each_kind, "superseded": each_kind}

    await equals_the_ledger(bench)
    assert await bench.committed() == before
    code, report = await commands.redrive()
    assert (code, report["matched"], report["details"]["settled before"]) == (0, 0, 3 * each_kind)


async def equals_the_ledger(bench: Poisoned) -> None:
    """Each event once, and the same money."""
    documents = [*(await bench.documents()).values()]
    assert sorted(each["event_id"] for each in documents) == sorted(each.event["event_id"] for each in bench.events)
    wanted = costs([each.event for each in bench.events])
    assert costs(documents) == wanted
    assert min(wanted["a"], wanted["b"]) > 0


def costs(events: Sequence[Mapping[str, Any]]) -> Counter[str]:
    """Nanos by kind, as the end of an event's id says it."""
    sums: Counter[str] = Counter()
    for event in events:
        sums[event["event_id"][-1]] += event.get("cost_nanos") or 0
    return sums


_AUDIT = """
from sluice.sdk import BasePlugin
from sluice.sdk.capabilities import DataCollector
from sluice.sdk.collecting import DataCollectionResponse


class Audit(BasePlugin, DataCollector):
    async def handle_analytics(self, ctx, analytics):
        if analytics.app_id in BROKEN_FOR:
            raise KeyError(analytics.app_id)
        with open("audit.log", "a") as file:
            file.write(analytics.event_id + "\\n")
        return DataCollectionResponse.done()
"""


async def test_poison_of_a_database_and_of_a_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On journals, beside a live collector: rows that a database refuses and a defect of a plugin. Both are put right,
    and redriven: each has every event once, and nothing is left."""
    port, data = free_port(), tmp_path / "data"
    bug, fixed = "BROKEN_FOR = {99}\n" + _AUDIT, "BROKEN_FOR = set()\n" + _AUDIT
    audit = tmp_path / "audit.py"
    audit.write_text(bug)
    (tmp_path / "sluice.yaml").write_text(f"data_dir: {data}\n")
    shared = {
        "hook_types": ["analytics"],
        "replace_database": True,
        "retry": QUICK,
    }
    rows = {"name": "rows", "path": "sink://database", "config": {"url": f"sqlite:///{tmp_path}/store.db"}, **shared}
    plugin = {"name": "audit", "path": "audit.py", "max_attempts": 2, **shared}
    write_yaml(tmp_path / "collectors.yaml", {"data_collection_plugins": [rows, plugin], "server": {"port": port}})
    commands = Commands(tmp_path / "sluice.yaml", tmp_path / "collectors.yaml")
    collector = Service("collectors", ["collect"], folder=tmp_path, url=f"http://{LOOPBACK}:{port}")
    try:
        await collector.start()
        await until(lambda: has_table(tmp_path), SECONDS, "the database")
        change(tmp_path, "CREATE TRIGGER poison BEFORE INSERT ON analytics WHEN NEW.app_id = 99 "
                         "BEGIN SELECT RAISE(ABORT, 'not this one'); END")  # fmt: skip
        ids = [*await write_events(data, 297), *await write_events(data, 3, app_id=99)]
        events = sorted(each for each in ids if each.endswith("-a"))

        async def are_letters() -> bool:
            _, counts = await commands.letters("count")
            return {each["reason"]: each["count"] for each in counts} == {"row_refused": 3, "plugin_failed": 3}

        await until_found(are_letters, SECONDS, "dead letters of both kinds")
        change(tmp_path, "DROP TRIGGER poison")
        audit.write_text(fixed)
        monkeypatch.chdir(tmp_path)  # where the plugin writes
        code, report = await commands.redrive()
        assert (code, report["written"], report["failed"]) == (0, 6, 0)
        assert await commands.letters() == (0, [])
        await until(lambda: stored(tmp_path) == len(events), SECONDS, "every row")
        assert sorted((tmp_path / "audit.log").read_text().split()) == events
    finally:
        await collector.close()


def has_table(folder: Path) -> bool:
    """Whether the collector has made it."""
    if not (folder / "store.db").exists():
        return False
    with closing(sqlite3.connect(folder / "store.db", timeout=10)) as connection:
        return bool(connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'analytics'").fetchone())


def change(folder: Path, statement: str) -> None:
    """Of the database."""
    with closing(sqlite3.connect(folder / "store.db", timeout=10)) as connection, connection:
        connection.execute(statement)


async def test_kill_9_in_the_middle_loses_nothing(tmp_path: Path) -> None:
    """On journals, into a database: half of the letters can be delivered, half are refused again. However often it is
    killed, in the end each event is stored once, and each that was refused has exactly one open letter."""
    bench = Bench(tmp_path)
    bench.write(bench.database(batch={"max_records": 50, "max_age_seconds": 0.01}))
    good, bad = made(LETTERS), [record_of(b"\xc3\x01garbage of no schema", f"x-{at}") for at in range(LETTERS)]
    letters = [
        each for pair in zip(letters_of(good), letters_of(bad, "bad_body", collector=""), strict=True) for each in pair
    ]
    await bench.publish(letters)
    wanted = ("redrive", "--reason", "bad_body", "--reason", "row_refused")
    for _ in range(2):
        await killed_after_a_few(bench.folder, *wanted)
    await bench.redrive(reasons=("bad_body", "row_refused"))
    assert bench.stored() == ids_of(good)
    code, listed = await bench.letters()
    ids = Counter(each["headers"]["ce_id"] for each in listed)
    assert code == 1
    assert set(ids.values()) == {1}
    assert set(ids) == {f"x-{at}" for at in range(LETTERS)}
    assert {each["dead_letter"]["redrives"] for each in listed} == {"1"}


async def killed_after_a_few(folder: Path, *arguments: str) -> None:
    """Run a command, and kill it when it has stored some more rows."""
    before, process = stored(folder), await start(folder, *arguments)
    try:
        await until(lambda: stored(folder) > before or process.returncode is not None, SECONDS, "a few rows")
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.communicate()


def stored(folder: Path) -> int:
    """How many rows there are."""
    try:
        with closing(sqlite3.connect(f"file:{folder / 'store.db'}?mode=ro", uri=True)) as connection:
            return int(connection.execute("SELECT COUNT(*) FROM analytics").fetchone()[0])
    except sqlite3.OperationalError:
        return 0
