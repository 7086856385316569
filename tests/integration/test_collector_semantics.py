"""Several collectors in one service, over the real Kafka into the real Elasticsearch and a database: who has what."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from schemas.avro_schema import event_schema
from schemas.topics import Topics
from sluice.clock import now_micros
from sluice.dev.servers.ports import LOOPBACK, free_port
from sluice.eventlog.kafka.admin import ensure_topics
from sluice.eventlog.settings import LogSettings
from tests.integration.other_writers import Event, Written, exchange, framed, other_gateway
from tests.integration.plugin_gateway import SEED_PLUGINS, plugin_folder, write_executable
from tests.integration.stack import PARTITIONS, Stack
from tests.integration.stores import read_database, read_elasticsearch
from tests.integration.waiting import until, until_found
from tests.servers import Elasticsearch, Kafka

SECONDS = 80.0
EXCHANGES = 24
EVENTS = 3 * EXCHANGES
AUDIT = SEED_PLUGINS / "audit.py"
QUICK = {"base_seconds": 0.05, "max_seconds": 0.2}


class Running:
    """A collector whose services are given, its topics full of events, and what its sinks have."""

    def __init__(self, stack: Stack, elasticsearch: Elasticsearch) -> None:
        self.stack = stack
        self.collector = stack.collector
        self._elasticsearch = elasticsearch
        self.events: list[Event] = []

    @property
    def log(self) -> Path:
        """What the audit plugin writes."""
        return self.stack.folder / "audit.log"

    def audited(self) -> Counter[tuple[str, str]]:
        """How often it gave each event each answer."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return Counter((line.partition(" ")[0], line.partition(" ")[2]) for line in lines)

    async def indexed(self) -> list[Event]:
        """Every document of every kind."""
        found = await read_elasticsearch(self._elasticsearch.address, self.stack.stems)
        return [dict(document) for documents in found.values() for document in documents]

    async def outcomes(self, collector: str, outcome: str) -> int:
        """How many events this process's collector ended so."""
        labels = f'collector="{collector}"', f'outcome="{outcome}"'
        return int(await self.collector.metric("sluice_collector_outcomes_total", *labels))

    async def finished(self, service: str) -> int:
        """How many records this process's service is done with."""
        return int(await self.collector.metric("sluice_collector_records_total", f'service="{service}"'))

    async def until_finished(self, service: str, count: int) -> None:
        """Return when that many are."""

        async def are() -> bool:
            return await self.finished(service) >= count

        await until_found(are, SECONDS, f"{count} events finished")

    def ids(self, numbers: Sequence[int]) -> list[str]:
        """Of the events of these exchanges, in order of the alphabet."""
        return sorted(event["event_id"] for event in self.events if _number(event) in numbers)


def _number(event: Event) -> int:
    return int(event["request_id"].rpartition("-")[2])


def written(number: int) -> list[Written]:
    """The events of one exchange of today: of app 7 where its number is even, else of app 8."""
    changes = {"app_id": 7 + number % 2, "occurred_at": now_micros()}
    events = {kind: {**event, **changes} for kind, event in exchange(number).items()}
    return [Written(kind, event, framed(event_schema(kind), event)) for kind, event in events.items()]


@contextlib.asynccontextmanager
async def collecting(
    folder: Path, name: str, kafka: Kafka, elasticsearch: Elasticsearch, *entries: Mapping[str, Any]
) -> AsyncIterator[Running]:
    """The topics full, and a collector of these entries that is not started."""
    topics = Topics(name, PARTITIONS)
    given = {"bootstrap_servers": kafka.address, "namespace": name, "partitions": PARTITIONS, "single_broker": True}
    await ensure_topics(LogSettings.model_validate({"kafka": given}), topics)
    rows = {"name": "rows", "enabled": False}
    running = Running(
        Stack(folder, name, kafka=kafka, elasticsearch=elasticsearch, entries=[rows, *entries]), elasticsearch
    )
    plugin_folder(folder).mkdir(exist_ok=True)
    events = [each for number in range(EXCHANGES) for each in written(number)]
    running.events = [each.event for each in events]
    async with other_gateway(kafka.address, topics) as gateway:
        await gateway.publish(events)
    try:
        yield running
    except BaseException as error:
        error.add_note(running.collector.tail())
        raise
    finally:
        await running.collector.close()


def fallback_of(folder: Path) -> dict[str, Any]:
    """A database of its own, whose name says what it is."""
    return {"path": "sink://database", "config": {"url": f"sqlite:///{folder / 'fallback.db'}"}}


def stored_in(path: Path) -> list[str]:
    """The ids of all events there, in order of the alphabet."""
    return sorted(row["event_id"] for rows in read_database(path).values() for row in rows)


async def test_each_event_is_where_its_collectors_left_it(
    tmp_path: Path, unique_name: str, kafka_server: Kafka, elasticsearch_server: Elasticsearch
) -> None:
    """A plugin in a process, Elasticsearch and a fallback, through kill -9: each has exactly its own, and once.

    Elasticsearch (which replaces the database) does not get app 8. The plugin (which does not) wants none of the first
    of three exchanges. So the fallback has what the plugin handled, and of what it passed the events of app 8.
    """
    hold = tmp_path / "hold"
    hold.touch()
    path = write_executable(plugin_folder(tmp_path), AUDIT, "Audit")
    shared = {"service": "both", "retry": QUICK}
    config = {"log": str(tmp_path / "audit.log"), "hold": str(hold)}
    entries: list[dict[str, Any]] = [
        {"name": "search", **shared, "exclude": {"apps": [8]}, "redact": {"bodies": "metadata"}},
        {"name": "audit", **shared, "path": f"file://{path}", "config": config, "fallback": fallback_of(tmp_path)},
    ]
    async with collecting(tmp_path, unique_name, kafka_server, elasticsearch_server, *entries) as running:
        searched = running.ids(range(0, EXCHANGES, 2))

        async def are_searched() -> bool:
            return await running.outcomes("search", "handled") == len(searched)

        await running.collector.start()
        await until_found(are_searched, SECONDS, "everything in Elasticsearch, while the plugin holds")
        assert await running.finished("both") == 0
        await running.collector.kill()
        hold.unlink()
        await running.collector.start()
        await running.until_finished("both", EVENTS)
        assert await running.outcomes("search", "duplicate") == len(searched), "after a crash all are called again"
        found = await running.indexed()
        assert sorted(document["event_id"] for document in found) == searched
        assert {document["request_body"] for document in found if "request_body" in document} == {None}
        due = [number for number in range(EXCHANGES) if number % 3 or number % 2]
        assert stored_in(tmp_path / "fallback.db") == running.ids(due)
        answers = running.audited()
        for remainder, answer in enumerate(("passed", "handled", "handled")):
            for event_id in running.ids(range(remainder, EXCHANGES, 3)):
                assert answers[event_id, answer] == 1
                assert answers[event_id, "raised"] == (remainder == 2)
        await running.collector.stop()
        await running.collector.start()
        await asyncio.sleep(1.0)  # what was not acknowledged would come now
        assert (await running.finished("both"), running.audited()) == (0, answers)


async def test_an_attached_plugin_that_goes_away_holds_up_its_own_lane(
    tmp_path: Path, unique_name: str, kafka_server: Kafka, elasticsearch_server: Elasticsearch
) -> None:
    """``grpc://``: the other has everything meanwhile, the breaker opens, and all is acknowledged when it is back."""
    path, port, hold = write_executable(plugin_folder(tmp_path), AUDIT, "Audit"), free_port(), tmp_path / "hold"
    command = [str(path), "--address", f"{LOOPBACK}:{port}"]
    shared = {"service": "both", "retry": QUICK}
    config = {"log": str(tmp_path / "audit.log"), "hold": str(hold)}
    audit = {"name": "audit", "path": f"grpc://{LOOPBACK}:{port}", "config": config, "replace_database": True}
    breaker = {"max_failures": 3, "open_seconds": 0.5}
    entries: list[dict[str, Any]] = [
        {"name": "search", **shared},
        {**audit, **shared, "breaker": breaker, "fallback": fallback_of(tmp_path)},
    ]
    hold.touch()
    attached = await asyncio.create_subprocess_exec(*command)
    try:
        async with collecting(tmp_path, unique_name, kafka_server, elasticsearch_server, *entries) as running:

            async def is_left_alone() -> bool:
                return await running.collector.metric("sluice_collector_breaker_open", 'collector="audit"') == 1

            async def is_served() -> bool:
                return await running.outcomes("search", "handled") == EVENTS

            await running.collector.start()
            await until_found(is_served, SECONDS, "everything in Elasticsearch, while the plugin holds")
            attached.kill()
            await attached.wait()
            await until_found(is_left_alone, SECONDS, "the breaker open")
            assert await running.finished("both") == 0
            hold.unlink()
            attached = await asyncio.create_subprocess_exec(*command)
            await running.until_finished("both", EVENTS)
            await running.collector.wait_until_ready()
            assert not await is_left_alone()
            assert len(await running.indexed()) == EVENTS
            assert stored_in(tmp_path / "fallback.db") == []
            wanted = {event_id for event_id, answer in running.audited() if answer in {"handled", "passed"}}
            assert sorted(wanted) == running.ids(range(EXCHANGES))
    finally:
        if attached.returncode is None:
            attached.kill()
        await attached.wait()


async def test_a_sample_is_of_exchanges_and_the_same_everywhere(
    tmp_path: Path, unique_name: str, kafka_server: Kafka, elasticsearch_server: Elasticsearch
) -> None:
    """The three events of one are in or out together, in two services that know nothing of each other."""
    (tmp_path / "audit.py").write_text(AUDIT.read_text())
    config = {"log": str(tmp_path / "audit.log")}
    audit = {"name": "audit", "path": "audit.py:Audit", "config": config, "retry": QUICK, "fallback": "none"}
    entries: list[dict[str, Any]] = [{"name": "search", "sample": 0.5}, {**audit, "sample": 0.5}]
    async with collecting(tmp_path, unique_name, kafka_server, elasticsearch_server, *entries) as running:
        await running.collector.start()
        for service in ("search", "audit"):
            await running.until_finished(service, EVENTS)
        found = await running.indexed()
        counts = Counter(document["exchange_id"] for document in found)
        assert set(counts.values()) == {3}
        assert 0 < len(counts) < EXCHANGES
        assert {event_id for event_id, _ in running.audited()} == {document["event_id"] for document in found}
        labels = 'service="search"', 'outcome="filtered"'
        filtered = await running.collector.metric("sluice_collector_records_total", *labels)
        assert filtered == EVENTS - len(found)
    await until(lambda: not running.collector.is_running, SECONDS, "the collector gone")
