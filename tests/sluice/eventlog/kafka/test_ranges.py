"""Ranges of topics: what only Kafka can do to them. The rest is ``tests/contracts/test_ranges.py``."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError

from schemas.topics import Topics
from sluice.dev.servers.kafka import KafkaServer
from sluice.eventlog.interface import EventLogError, Partition, PolledRecord, Record
from sluice.eventlog.kafka.admin import ensure_topics
from sluice.eventlog.kafka.config import KafkaUnreachableError
from sluice.eventlog.kafka.publisher import KafkaPublisher
from sluice.eventlog.kafka.ranges import KafkaRanges
from sluice.eventlog.ranges import OffsetRange
from sluice.eventlog.settings import LogSettings


def settings_of(bootstrap_servers: str, namespace: str = "sluice") -> LogSettings:
    """One partition, little patience."""
    kafka = {"bootstrap_servers": bootstrap_servers, "namespace": namespace, "partitions": 1, "single_broker": True}
    return LogSettings.model_validate({"kafka": {**kafka, "request_timeout_seconds": 3}})


async def read(reader: KafkaRanges, ranges: Mapping[Partition, OffsetRange], topic: str) -> list[bytes | None]:
    """The values, within a bound."""
    async with asyncio.timeout(60):
        return [record.value async for records in reader.read(ranges, [topic]) for record in records]


@pytest.mark.kafka
async def test_marks_of_transactions_end_a_range(kafka_server: KafkaServer, unique_name: str) -> None:
    """The offset before a range's end may be no record: reading ends all the same, and what was aborted is not read."""
    settings, topics = settings_of(kafka_server.bootstrap_servers, unique_name), Topics(unique_name, 1)
    await ensure_topics(settings, topics)
    topic = topics.alert.name
    producer = AIOKafkaProducer(bootstrap_servers=kafka_server.bootstrap_servers, transactional_id=unique_name)
    await producer.start()
    try:
        async with producer.transaction():
            await producer.send_and_wait(topic, b"kept")
        await producer.begin_transaction()
        await producer.send_and_wait(topic, b"dropped")
        await producer.abort_transaction()
    finally:
        await producer.stop()
    reader = KafkaRanges(settings, topics)
    try:
        ranges = await reader.ranges([topic])
        found = [record.value async for records in reader.read(ranges, [topic]) for record in records]
    finally:
        await reader.close()
    (there,) = ranges.values()
    assert (there.first, there.end) == (0, 4)
    assert found == [b"kept"]


@pytest.mark.kafka
async def test_an_open_transaction_keeps_no_reader_waiting(kafka_server: KafkaServer, unique_name: str) -> None:
    """A range ends in front of it, whatever lies behind; who wants what it holds up is told so, within a bound."""
    settings, topics = settings_of(kafka_server.bootstrap_servers, unique_name), Topics(unique_name, 1)
    await ensure_topics(settings, topics)
    topic = topics.alert.name
    publisher = KafkaPublisher(settings, topics)
    hanging = AIOKafkaProducer(bootstrap_servers=kafka_server.bootstrap_servers, transactional_id=unique_name)
    reader = KafkaRanges(settings, topics)
    await hanging.start()
    try:
        await publisher.publish([Record(topic, b"k", b"before")])
        await hanging.begin_transaction()
        await hanging.send_and_wait(topic, b"open")
        await publisher.publish([Record(topic, b"k", b"behind")])
        ranges = await reader.ranges([topic])
        assert await read(reader, ranges, topic) == [b"before"]
        assert list(ranges.values()) == [OffsetRange(0, 1)]
        beyond = {partition: OffsetRange(0, 3) for partition in ranges}
        reader._patience_seconds = 2.0
        with pytest.raises(EventLogError, match=r"from offset 1 on wait for a transaction that is still open: try"):
            await read(reader, beyond, topic)
        await hanging.commit_transaction()
        assert list((await reader.ranges([topic])).values()) == [OffsetRange(0, 4)]
    finally:
        await hanging.stop()
        await publisher.close()
        await reader.close()


@pytest.mark.kafka
async def test_what_is_not_in_the_log_yet_is_waited_for(
    kafka_server: KafkaServer, unique_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A range that ends behind the log's end is how a topic is followed: nothing is wrong while nothing comes."""
    settings, topics = settings_of(kafka_server.bootstrap_servers, unique_name), Topics(unique_name, 1)
    await ensure_topics(settings, topics)
    topic = topics.alert.name
    publisher, reader = KafkaPublisher(settings, topics), KafkaRanges(settings, topics)
    reader._patience_seconds = 2.0
    looked: list[int] = []
    look = KafkaRanges._waiting

    async def counted(self: KafkaRanges, *arguments: Any) -> Any:
        looked.append(1)
        return await look(self, *arguments)

    monkeypatch.setattr(KafkaRanges, "_waiting", counted)
    following = reader.read({Partition(topic, 0): OffsetRange(0, 1 << 60)}, [topic])

    async def come() -> Sequence[PolledRecord]:
        return await anext(following)

    try:
        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            first = tasks.create_task(come())
            while len(looked) < 2:  # noqa: ASYNC110 - it looks now and then
                await asyncio.sleep(0.01)
            await publisher.publish([Record(topic, b"k", b"came")])
        assert [record.value for record in first.result()] == [b"came"]
    finally:
        await following.aclose()  # type: ignore[attr-defined]
        await publisher.close()
        await reader.close()


async def test_a_broker_that_goes_away_while_one_reads_is_named(
    kafka_server: KafkaServer, unique_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """aiokafka goes on asking for ever, and says nothing: after a while it is asked for the log's end, which fails."""
    settings, topics = settings_of(kafka_server.bootstrap_servers, unique_name), Topics(unique_name, 1)
    await ensure_topics(settings, topics)
    topic = topics.alert.name
    reader = KafkaRanges(settings, topics)
    ranges = await reader.ranges([topic])
    reader._patience_seconds = 0.3

    async def nobody_answers(*_: object) -> None:
        raise KafkaConnectionError("gone")

    monkeypatch.setattr(AIOKafkaConsumer, "end_offsets", nobody_answers)
    try:
        with pytest.raises(KafkaUnreachableError):
            await read(reader, {each: OffsetRange(0, 5) for each in ranges}, topic)
    finally:
        await reader.close()


async def test_a_broker_that_is_away_is_named() -> None:
    """Nobody waits for ever, and the error says where it looked."""
    reader = KafkaRanges(settings_of("127.0.0.1:1"), Topics())
    with pytest.raises(KafkaUnreachableError, match=r"127\.0\.0\.1:1"):
        await reader.ranges(["sluice.alert.v1"])
    await reader.close()
