"""The relay, on a real Kafka: everything that the journal holds arrives, whatever happens to the broker or to us."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.codec import SchemaBook, published_schemas
from schemas.topics import Topics
from sluice.dev.servers.ports import free_port
from sluice.eventlog.interface import Record
from sluice.eventlog.journal.journal import Journal
from sluice.eventlog.journal.offsets import RELAY_GROUP, load_offset, offset_path
from sluice.eventlog.relay import REFUSED_FILE, Relay
from sluice.eventlog.settings import JournalSettings, LogSettings
from tests.servers import Kafka
from tests.sluice.eventlog.journal.making import BOOT, exchange, ids_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SECONDS = 40.0


def settings_for(bootstrap: str, namespace: str, **relay: Any) -> LogSettings:
    """One broker, few partitions, quick failures."""
    kafka = {"bootstrap_servers": bootstrap, "single_broker": True, "namespace": namespace, "partitions": 2}
    return LogSettings.model_validate({"kafka": {**kafka, "request_timeout_seconds": 3}, "relay": relay})


def topics_of(settings: LogSettings) -> Topics:
    """The namespace's topics."""
    return Topics(settings.kafka.namespace, settings.kafka.partitions)


def journal_at(directory: Path, settings: LogSettings) -> Journal:
    """A begun journal in front of Kafka."""
    journal = Journal(directory, JournalSettings(), topics_of(settings), embedded=False)
    journal.begin(BOOT)
    return journal


@asynccontextmanager
async def running(directory: Path, settings: LogSettings, journal: Journal | None = None) -> AsyncIterator[Relay]:
    """A relay at work."""
    relay = Relay(directory, settings, topics_of(settings), "gateway-1")
    if journal is not None:
        relay.attach(journal)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(relay.run())
        yield relay
        task.cancel()


async def everything(settings: LogSettings) -> dict[str, list[Any]]:
    """All records of all topics of the namespace."""
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka.bootstrap_servers, auto_offset_reset="earliest")
    await consumer.start()
    found: dict[str, list[Any]] = {}
    try:
        for topic in topics_of(settings).all():
            partitions = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
            consumer.assign(partitions)
            ends = await consumer.end_offsets(partitions)
            for partition in partitions:
                await consumer.seek_to_beginning(partition)
            records: list[Any] = []
            while sum(ends.values()) > len(records):
                for batch in (await consumer.getmany(timeout_ms=1000)).values():
                    records += batch
            found[topic.name] = records
    finally:
        await consumer.stop()
    return found


def event_ids(found: dict[str, list[Any]], settings: LogSettings) -> Counter[str]:
    """How often each event id is in the topics."""
    names = topics_of(settings).events()
    return Counter(dict(record.headers)["ce_id"].decode() for name in names for record in found[name])


async def test_events_arrive_whole(kafka_server: Kafka, unique_name: str, tmp_path: Path) -> None:
    """Each event in its topic, keyed, with CloudEvents headers, decodable by the schemas in the schema topic."""
    settings = settings_for(kafka_server.bootstrap_servers, unique_name)
    journal = journal_at(tmp_path, settings)
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    exchanges = [exchange(traceparent), *(exchange() for _ in range(50))]
    async with running(tmp_path, settings, journal) as relay:
        offsets = await asyncio.gather(*(journal.append(events) for events in exchanges))
        report = Record(topics_of(settings).gateway_report.name, b"gateway-1", b"{}")
        await journal.append_records([report])
        async with asyncio.timeout(SECONDS):
            await relay.wait_for(offsets[-1])
        assert await relay.drain(SECONDS)
        assert relay.lag_records == 0
        assert relay.is_acknowledging
    await journal.close()
    found = await everything(settings)
    assert event_ids(found, settings) == Counter(ids_of(exchanges))
    assert [record.value for record in found[report.topic]] == [b"{}"]
    schemas = {(record.key, record.value) for record in found[topics_of(settings).schema.name]}
    assert schemas == set(published_schemas())
    book = SchemaBook()
    for name, kind in topics_of(settings).events().items():
        for record in found[name]:
            headers = dict(record.headers)
            assert record.timestamp_type == 1, "the log's own append time"
            assert book.decode(record.value)[0] == kind
            assert headers["ce_id"].decode()[:36] == record.key.decode()
            assert (headers["ce_type"].decode(), headers["ce_source"]) == (name, b"gateway-1")
            assert ("traceparent" in headers) == (headers["ce_id"].decode()[:36] == exchanges[0][0].exchange_id)


async def test_a_killed_broker_loses_nothing(kafka_server: Kafka, unique_name: str, tmp_path: Path) -> None:
    """kill -9 of the broker under live appends: appends go on at once, and all arrives when it is back."""
    settings = settings_for(kafka_server.bootstrap_servers, unique_name, max_memory_bytes=20_000)
    journal = journal_at(tmp_path, settings)
    sent = []

    async def append(count: int) -> None:
        for _ in range(count):
            events = exchange()
            async with asyncio.timeout(1):
                await journal.append(events)
            sent.append(events)

    async with running(tmp_path, settings, journal) as relay:
        await append(50)
        assert await relay.drain(SECONDS)
        await asyncio.to_thread(kafka_server.kill)
        await append(400)
        await asyncio.to_thread(kafka_server.restart)
        await append(50)
        assert await relay.drain(SECONDS)
        assert relay.counters.fell_behind > 0, "what memory may not hold is read from the file"
        assert relay.lag_records == 0
    await journal.close()
    found = event_ids(await everything(settings), settings)
    assert set(found) == set(ids_of(sent))


async def test_kafka_may_be_away_at_the_start(tmp_path: Path) -> None:
    """The gateway is not held up; the journal has it, and the relay says that it does not acknowledge."""
    settings = settings_for(f"127.0.0.1:{free_port()}", "nobody")
    journal = journal_at(tmp_path, settings)
    async with running(tmp_path, settings, journal) as relay:
        await journal.append(exchange())
        async with asyncio.timeout(SECONDS):
            while not relay.counters.failures:  # noqa: ASYNC110 - a connection that is refused tells nobody else
                await asyncio.sleep(0.01)
        assert not relay.is_acknowledging
        assert not await relay.drain(0.05)
        assert relay.lag_records == 3
    await journal.close()


async def test_a_restart_goes_on_at_the_watermark(kafka_server: Kafka, unique_name: str, tmp_path: Path) -> None:
    """What was acknowledged is not sent again; an orphaned journal that nobody writes to is relayed to its end."""
    settings = settings_for(kafka_server.bootstrap_servers, unique_name)
    journal = journal_at(tmp_path, settings)
    first, second = exchange(), exchange()
    async with running(tmp_path, settings, journal) as relay:
        await journal.append(first)
        assert await relay.drain(SECONDS)
    await journal.append(second)
    await journal.close()
    async with running(tmp_path, settings) as relay:
        assert relay.lag_records == 3
        assert await relay.drain(SECONDS)
        assert relay.lag_records == 0
    committed = load_offset(offset_path(tmp_path, RELAY_GROUP))
    assert committed is not None
    assert committed.offset == journal.next_offset
    assert event_ids(await everything(settings), settings) == Counter(ids_of([first, second]))


async def test_what_kafka_refuses_for_good_is_set_aside(kafka_server: Kafka, unique_name: str, tmp_path: Path) -> None:
    """A record that no broker of these settings takes is kept in a file, counted, and everything behind it arrives."""
    settings = settings_for(kafka_server.bootstrap_servers, unique_name)
    journal = journal_at(tmp_path, settings)
    alert = topics_of(settings).alert.name
    events = exchange()
    async with running(tmp_path, settings, journal) as relay:
        await journal.append_records([Record(alert, b"big", b"x" * (2 << 20)), Record(alert, b"small", b"y")])
        await journal.append(events)
        assert await relay.drain(SECONDS)
        assert relay.counters.refused == 1
    await journal.close()
    found = await everything(settings)
    assert [record.key for record in found[alert]] == [b"small"]
    assert event_ids(found, settings) == Counter(ids_of([events]))
    (line,) = (tmp_path / REFUSED_FILE).read_bytes().splitlines()
    assert orjson.loads(line)["topic"] == alert
