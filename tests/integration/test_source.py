"""A consumer of a group, over the real Kafka: what it hands out, and what it does when the broker goes away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.fetcher import Fetcher

from schemas.avro_schema import event_schema
from schemas.events import KINDS
from schemas.topics import Topics
from sluice.eventlog.interface import EventLogError, Partition, Subscription
from sluice.eventlog.kafka.admin import ensure_topics
from sluice.eventlog.kafka.source import KafkaSource
from sluice.eventlog.settings import LogSettings
from tests.integration.other_writers import Written, exchange, framed, other_gateway
from tests.integration.outages import kafka_killed
from tests.integration.stack import PARTITIONS
from tests.servers import Kafka

EXCHANGES = 20
EARLY_SECONDS = 3.0
"""In which a consumer that does not wait has fetched what lies there several times over."""

ARRIVE_SECONDS = 40.0
AWAY_SECONDS = 8.0
"""Several rounds of the watchdog and of the requests' timeout."""


class Owner:
    """What a pipeline does at a rebalance: remember which partitions are its own."""

    def __init__(self) -> None:
        self.told: set[Partition] = set()

    async def on_assigned(self, partitions: Iterable[Partition]) -> None:
        """These are ours."""
        self.told.update(partitions)

    async def on_revoked(self, partitions: Iterable[Partition]) -> None:
        """These are not."""
        self.told.difference_update(partitions)


async def make_source(kafka: Kafka, name: str, **more: Any) -> tuple[KafkaSource, Topics]:
    """A consumer of a namespace whose topics are there."""
    given = {"bootstrap_servers": kafka.address, "namespace": name, "partitions": PARTITIONS, "single_broker": True}
    settings, topics = LogSettings.model_validate({"kafka": given | more}), Topics(name, PARTITIONS)
    await ensure_topics(LogSettings.model_validate({"kafka": given}), topics)
    names = tuple(topics.event(kind).name for kind in KINDS)
    return KafkaSource(settings, topics, Subscription(f"{name}.rows", names, "test")), topics


async def publish(kafka: Kafka, topics: Topics) -> int:
    """Events of some exchanges; returns how many."""
    events = [
        Written(kind, event, framed(event_schema(kind), event))
        for number in range(EXCHANGES)
        for kind, event in exchange(number).items()
    ]
    async with other_gateway(kafka.address, topics) as gateway:
        await gateway.publish(events)
    return len(events)


async def polled(source: KafkaSource) -> set[tuple[Partition, int]]:
    """Which records came; none where the log says that it is away. Whatever else is raised ends the test."""
    try:
        found = await source.poll(0.1, 1_000)
    except EventLogError:
        await asyncio.sleep(0.1)
        return set()
    return {(partition, record.offset) for partition, records in found.items() for record in records}


async def poll_all(source: KafkaSource, seen: set[tuple[Partition, int]], count: int) -> None:
    """Until so many different records have been seen."""
    deadline = time.monotonic() + ARRIVE_SECONDS
    while len(seen) < count and time.monotonic() < deadline:
        seen |= await polled(source)
    assert len(seen) == count


async def test_nothing_is_handed_out_before_its_owner_knows(
    kafka_server: Kafka, unique_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``poll`` gives no record of a partition before ``on_assigned`` named it, and gives each of them.

    The broker takes its time to tell where its partitions begin, as after a restart or where topics are new.
    """
    told_where_they_begin, ask = asyncio.Event(), AIOKafkaConsumer.beginning_offsets

    async def beginning_offsets(*arguments: Any) -> Any:
        await told_where_they_begin.wait()
        return await ask(*arguments)

    monkeypatch.setattr(AIOKafkaConsumer, "beginning_offsets", beginning_offsets)
    source, topics = await make_source(kafka_server, unique_name)
    owner, count = Owner(), await publish(kafka_server, topics)
    await source.start(owner)
    asyncio.get_running_loop().call_later(EARLY_SECONDS, told_where_they_begin.set)
    deadline = time.monotonic() + ARRIVE_SECONDS
    try:
        while count and time.monotonic() < deadline:
            handed_out = await source.poll(0.1, 1_000)
            assert handed_out.keys() <= owner.told
            count -= sum(map(len, handed_out.values()))
        assert count == 0
    finally:
        told_where_they_begin.set()
        await source.close()


async def test_a_consumer_outlives_a_broker_that_is_away(
    kafka_server: Kafka, unique_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While Kafka is away ``poll`` raises nothing but EventLogError, however long; behind it every record comes."""
    close, loop = Fetcher.close, asyncio.get_running_loop()

    async def close_with_a_fetch_asleep(fetcher: Fetcher) -> None:
        """What a broker that is away leaves most of the time, here always: a failed fetch that waits to try again."""
        fetcher._pending_tasks.add(loop.create_task(asyncio.sleep(60)))
        await asyncio.sleep(0)
        await close(fetcher)

    monkeypatch.setattr(Fetcher, "close", close_with_a_fetch_asleep)
    monkeypatch.setattr("sluice.eventlog.kafka.source._WATCHDOG_SECONDS", 0.5)  # for the sake of the test's length
    source, topics = await make_source(kafka_server, unique_name, request_timeout_seconds=2)
    await source.start(Owner())
    try:
        seen: set[tuple[Partition, int]] = set()
        count = await publish(kafka_server, topics)
        await poll_all(source, seen, count)
        async with kafka_killed(kafka_server):
            deadline = time.monotonic() + AWAY_SECONDS
            while time.monotonic() < deadline:
                assert await polled(source) == set()
        await poll_all(source, seen, count + await publish(kafka_server, topics))
    finally:
        await source.close()
