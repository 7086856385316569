"""Settings for one broker, and what lies in its topics."""

from __future__ import annotations

import asyncio
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from schemas.topics import Topics
from sluice.eventlog.settings import LogSettings
from tests.servers import Kafka

SECONDS = 30.0


def settings_for(kafka: Kafka, namespace: str, **more: object) -> LogSettings:
    """One broker, two partitions, quick failures."""
    own = {"bootstrap_servers": kafka.bootstrap_servers, "single_broker": True, "namespace": namespace, "partitions": 2}
    return LogSettings.model_validate({"kafka": {**own, "request_timeout_seconds": 5, **more}})


def topics_of(settings: LogSettings) -> Topics:
    """The namespace's topics."""
    return Topics(settings.kafka.namespace, settings.kafka.partitions)


async def make_topic(kafka: Kafka, name: str, partitions: int = 2, **configs: str) -> None:
    """A topic that somebody else made, with dots of its settings as underscores."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    settings = {key.replace("_", "."): value for key, value in configs.items()}
    answer = await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=settings)])
    await admin.close()
    assert [error[1] for error in answer.topic_errors] == [0]


async def records_in(kafka: Kafka, topic: str, partitions: int) -> list[Any]:
    """Everything in a topic, in the order of partitions and offsets."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap_servers, auto_offset_reset="earliest")
    await consumer.start()
    found: list[Any] = []
    try:
        own = [TopicPartition(topic, number) for number in range(partitions)]
        consumer.assign(own)
        ends = await consumer.end_offsets(own)
        async with asyncio.timeout(SECONDS):
            while len(found) < sum(ends.values()):
                for batch in (await consumer.getmany(timeout_ms=1000)).values():
                    found += batch
    finally:
        await consumer.stop()
    return sorted(found, key=lambda record: (record.partition, record.offset))
