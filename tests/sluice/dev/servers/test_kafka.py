"""A real Kafka, killed and restarted."""

from __future__ import annotations

import asyncio

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.servers import Kafka
from tests.sluice.dev.servers.processes import READY_SECONDS


async def produce(bootstrap_servers: str, topic: str, value: bytes) -> None:
    """One record, acknowledged."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        await producer.send_and_wait(topic, value)
    finally:
        await producer.stop()


async def consume(bootstrap_servers: str, topic: str, count: int) -> list[bytes]:
    """The first ``count`` values of a topic."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap_servers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        async with asyncio.timeout(READY_SECONDS):
            return [(await consumer.getone()).value for _ in range(count)]
    finally:
        await consumer.stop()


async def create_topic(bootstrap_servers: str, topic: str) -> None:
    """A topic of one partition."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()


async def test_kafka_keeps_what_it_acknowledged_through_a_kill(kafka_server: Kafka, unique_name: str) -> None:
    """A record acknowledged before kill -9 is there after a restart on the same port, and more can be published."""
    address = kafka_server.bootstrap_servers
    await create_topic(address, unique_name)
    await produce(address, unique_name, b"before")
    await asyncio.to_thread(kafka_server.kill)
    await asyncio.to_thread(kafka_server.restart)
    await produce(address, unique_name, b"after")
    assert await consume(address, unique_name, 2) == [b"before", b"after"]


async def test_kafka_stops_and_starts_again(kafka_server: Kafka, unique_name: str) -> None:
    """A stop by SIGTERM keeps port and data as well."""
    address = kafka_server.bootstrap_servers
    await create_topic(address, unique_name)
    await produce(address, unique_name, b"kept")
    await asyncio.to_thread(kafka_server.restart)
    assert kafka_server.bootstrap_servers == address
    assert await consume(address, unique_name, 1) == [b"kept"]
