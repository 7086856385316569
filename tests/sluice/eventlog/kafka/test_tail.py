"""The tail of a topic of a real Kafka: what comes while one listens, and nothing from before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaConsumer

from schemas.topics import Topics
from sluice.eventlog.interface import EventLogError, Record
from sluice.eventlog.kafka import tail as module
from sluice.eventlog.kafka.publisher import KafkaPublisher
from sluice.eventlog.kafka.tail import KafkaTail
from sluice.eventlog.settings import LogSettings
from tests.servers import Kafka
from tests.sluice.eventlog.kafka.reading import settings_for, topics_of

SECONDS = 30.0


@pytest.fixture
def log_settings(kafka_server: Kafka, unique_name: str) -> LogSettings:
    """Of this test's own namespace."""
    return settings_for(kafka_server, unique_name)


@pytest.fixture
def topics(log_settings: LogSettings) -> Topics:
    """Its topics."""
    return topics_of(log_settings)


@pytest.fixture
async def publisher(log_settings: LogSettings, topics: Topics) -> AsyncIterator[KafkaPublisher]:
    """Not connected yet."""
    made = KafkaPublisher(log_settings, topics)
    yield made
    await made.close()


@pytest.fixture
async def tails(log_settings: LogSettings, topics: Topics) -> AsyncIterator[list[KafkaTail]]:
    """Two listeners."""
    made = [KafkaTail(log_settings, topics, topics.plugin_message.name) for _ in range(2)]
    yield made
    for tail in made:
        await tail.close()


def _records(topics: Topics, *values: bytes) -> list[Record]:
    return [Record(topics.plugin_message.name, b"key-%d" % at, value) for at, value in enumerate(values)]


async def _values(tail: KafkaTail, count: int) -> list[bytes | None]:
    found: list[bytes | None] = []
    async with asyncio.timeout(SECONDS):
        while len(found) < count:
            found += [record.value for record in await tail.poll(0.2, 100)]
    return sorted(found, key=lambda value: value or b"")


async def test_everybody_hears_what_comes_and_nothing_from_before(
    publisher: KafkaPublisher, tails: list[KafkaTail], topics: Topics
) -> None:
    """Of all partitions, once; from the first poll on."""
    await publisher.publish(_records(topics, b"before", b"before too"))
    for tail in tails:
        assert list(await tail.poll(0.01, 100)) == []
    await publisher.publish(_records(topics, b"a", b"b", b"c", b"d"))
    for tail in tails:
        assert await _values(tail, 4) == [b"a", b"b", b"c", b"d"]
        assert list(await tail.poll(0.01, 100)) == []


async def test_a_tail_that_was_closed_listens_again_from_then_on(
    publisher: KafkaPublisher, tails: list[KafkaTail], topics: Topics
) -> None:
    """What came between is gone."""
    await tails[0].poll(0.01, 1)
    await tails[0].close()
    await tails[0].close()
    await publisher.publish(_records(topics, b"between"))
    await tails[0].poll(0.01, 1)
    await publisher.publish(_records(topics, b"after"))
    assert await _values(tails[0], 1) == [b"after"]


async def test_a_silent_tail_looks_whether_it_has_missed_something(
    publisher: KafkaPublisher, tails: list[KafkaTail], topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silence is silence where nothing waits: the connection stays."""
    monkeypatch.setattr(module, "_SILENT_SECONDS", 0.0)
    await tails[0].poll(0.01, 1)
    consumer = tails[0]._consumer
    for _ in range(3):
        await tails[0].poll(0.01, 1)
    assert tails[0]._consumer is consumer
    await publisher.publish(_records(topics, b"a"))
    assert await _values(tails[0], 1) == [b"a"]


async def test_a_broker_that_goes_away_is_an_error_of_the_logs(
    log_settings: LogSettings, topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever one waits for it: at the connection, and when a silent tail looks; no poll waits for ever."""

    async def for_ever(consumer: object, partition: object) -> int:
        await asyncio.Event().wait()
        return 0

    kafka = log_settings.kafka.model_copy(update={"request_timeout_seconds": 2.0})
    tail = KafkaTail(log_settings.model_copy(update={"kafka": kafka}), topics, topics.plugin_message.name)
    async with asyncio.timeout(SECONDS):
        await tail.poll(0.01, 1)
        monkeypatch.setattr(module, "_SILENT_SECONDS", 0.0)
        monkeypatch.setattr(AIOKafkaConsumer, "position", for_ever)
        for _ in range(2):
            with pytest.raises(EventLogError, match="bootstrap_servers"):
                await tail.poll(0.01, 1)
        monkeypatch.undo()
        await tail.poll(0.01, 1)
    await tail.close()


async def test_a_kafka_that_is_not_there_is_an_error_of_the_logs(topics: Topics) -> None:
    """With what to check; the next poll tries anew."""
    away = {"bootstrap_servers": "127.0.0.1:1", "request_timeout_seconds": 0.5}
    tail = KafkaTail(LogSettings.model_validate({"kafka": away}), topics, "t")
    for _ in range(2):
        with pytest.raises(EventLogError, match="bootstrap_servers"):
            await tail.poll(0.01, 1)
    await tail.close()
