"""Side records into a real Kafka: each acknowledged before ``publish`` returns."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from schemas.topics import Topics
from sluice.eventlog.interface import EventLogError, Record
from sluice.eventlog.kafka import publisher as module
from sluice.eventlog.kafka.config import KafkaUnreachableError
from sluice.eventlog.kafka.publisher import KafkaPublisher, stop_within
from sluice.eventlog.settings import LogSettings
from tests.servers import Kafka
from tests.sluice.eventlog.kafka.reading import make_topic, records_in, settings_for, topics_of


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


async def read(kafka: Kafka, topic: str) -> list[Any]:
    """What lies in a topic of two partitions."""
    return await records_in(kafka, topic, 2)


async def test_what_publish_returned_for_is_there(
    kafka_server: Kafka, publisher: KafkaPublisher, topics: Topics
) -> None:
    """As published: keys, headers, empty values and tombstones, in whichever topics; into topics that it makes."""
    alert, letters = topics.alert.name, topics.event("budget").dead_letters().name
    records = [
        Record(alert, b"same", b"1", (("a", b"1"), ("a", b"2"))),
        Record(letters, b"same", b"\xff\0", (("dlq.reason", "ü".encode()),)),
        Record(alert, b"same", b""),
        Record(alert, b"same", None),
    ]
    await publisher.publish(records)
    await publisher.publish([])
    found = [*await read(kafka_server, alert), *await read(kafka_server, letters)]
    assert [(record.topic, record.key, record.value, record.headers) for record in found] == [
        records[0],
        records[2],
        records[3],
        records[1],
    ]


async def test_a_key_stays_in_one_partition(kafka_server: Kafka, publisher: KafkaPublisher, topics: Topics) -> None:
    """Its records keep their order, in one publish and over many."""
    for start in (0, 10):
        await publisher.publish([Record(topics.alert.name, b"key", str(start + at).encode()) for at in range(10)])
    found = await read(kafka_server, topics.alert.name)
    assert [record.value for record in found] == [str(at).encode() for at in range(20)]
    assert len({record.partition for record in found}) == 1


async def test_many_at_once_connect_once(
    kafka_server: Kafka, publisher: KafkaPublisher, topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first records of many tasks wait for one connection."""
    made: list[AIOKafkaProducer] = []

    def counted(**arguments: Any) -> AIOKafkaProducer:
        made.append(AIOKafkaProducer(**arguments))
        return made[-1]

    monkeypatch.setattr(module, "AIOKafkaProducer", counted)
    record = Record(topics.alert.name, b"k", b"v")
    await asyncio.gather(*(publisher.publish([record]) for _ in range(10)))
    assert len(made) == 1
    assert len(await read(kafka_server, topics.alert.name)) == 10


async def test_the_largest_dead_letter_fits(kafka_server: Kafka, publisher: KafkaPublisher, topics: Topics) -> None:
    """As large as an event may be and its error beside it; what no topic takes is an error before it is sent."""
    letters = topics.event("budget").dead_letters()
    await publisher.publish([Record(letters.name, b"k", bytes(1 << 20), (("dlq.reason", bytes(32 << 10)),))])
    with pytest.raises(EventLogError, match="MessageSizeTooLargeError"):
        await publisher.publish([Record(letters.name, b"k", bytes(2 << 20))])
    await publisher.publish([Record(letters.name, b"k", b"behind")])
    found = await read(kafka_server, letters.name)
    assert sorted(len(record.value) for record in found) == [6, 1 << 20]


async def test_what_the_broker_refuses_is_an_error_and_the_next_is_not(
    kafka_server: Kafka, publisher: KafkaPublisher, topics: Topics
) -> None:
    """A refused record must not count as published; the publisher connects again by itself."""
    await make_topic(kafka_server, topics.alert.name, max_message_bytes="200", compression_type="uncompressed")
    with pytest.raises(EventLogError, match="Kafka refused: MessageSizeTooLargeError"):
        await publisher.publish([Record(topics.alert.name, b"k", bytes(range(256)) * 4)])
    await publisher.publish([Record(topics.alert.name, b"k", b"small")])
    assert [record.value for record in await read(kafka_server, topics.alert.name)] == [b"small"]


async def test_a_closed_publisher_connects_again(
    kafka_server: Kafka, publisher: KafkaPublisher, topics: Topics
) -> None:
    """Closing twice, or before anything was published, is nothing; an alert may still come afterwards."""
    await publisher.close()
    await publisher.publish([Record(topics.alert.name, b"k", b"1")])
    await publisher.close()
    await publisher.close()
    await publisher.publish([Record(topics.alert.name, b"k", b"2")])
    assert [record.value for record in await read(kafka_server, topics.alert.name)] == [b"1", b"2"]


async def test_nobody_there(unique_name: str) -> None:
    """An error of ours that names the address and the setting, each time it is tried; nothing is left to close."""
    nobody = {"bootstrap_servers": "127.0.0.1:1", "namespace": unique_name, "request_timeout_seconds": 1}
    publisher = KafkaPublisher(LogSettings.model_validate({"kafka": nobody}), Topics(unique_name))
    for _ in range(2):
        with pytest.raises(KafkaUnreachableError, match=r"check kafka\.bootstrap_servers"):
            await publisher.publish([Record("t", b"k", b"v")])
    await publisher.close()


class Stubborn:
    """A producer that does not stop as it should."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error
        self.asked = 0
        self.cancelled = 0
        self._sender = self.sender_task = self.client = self
        self.closed = 0

    def cancel(self) -> None:
        """As the task of its sender."""
        self.cancelled += 1

    async def close(self) -> None:
        """As its connections."""
        self.closed += 1

    async def stop(self) -> None:
        self.asked += 1
        if self.error is None:
            await asyncio.Event().wait()
        else:
            raise self.error


@pytest.mark.parametrize("error", [None, KafkaError("x"), OSError("x"), TimeoutError("x")])
async def test_stopping_is_bounded_and_never_the_callers_problem(error: Exception | None) -> None:
    """A broker that never answers, or answers with an error, does not hold up the end of a service.

    What the stop then left running is ended: each retired producer would keep its tasks and connections.
    """
    producer = Stubborn(error)
    async with asyncio.timeout(5):
        await stop_within(producer, 0.01)
    assert (producer.asked, producer.cancelled, producer.closed) == (1, 1, 1)


async def test_stopping_does_not_hide_a_mistake_of_ours() -> None:
    """Anything that is not the broker's is raised."""
    with pytest.raises(ValueError, match="mistake"):
        await stop_within(Stubborn(ValueError("mistake")), 1.0)
