"""The schema topic as those read it who meet a fingerprint that they do not know."""

from __future__ import annotations

import pytest

from schemas.codec import published_schemas
from schemas.topics import Topics
from sluice.dev.servers.kafka import KafkaServer
from sluice.eventlog.interface import Record
from sluice.eventlog.kafka.admin import ensure_topics
from sluice.eventlog.kafka.publisher import KafkaPublisher
from sluice.eventlog.kafka.schema_topic import read_schema_topic
from tests.sluice.eventlog.kafka.test_ranges import settings_of


@pytest.mark.kafka
async def test_it_is_read_whole(kafka_server: KafkaServer, unique_name: str) -> None:
    """Every schema that is there, tombstones left out; an empty topic has none."""
    settings, topics = settings_of(kafka_server.bootstrap_servers, unique_name), Topics(unique_name, 1)
    await ensure_topics(settings, topics)
    assert await read_schema_topic(settings, topics) == []
    publisher = KafkaPublisher(settings, topics)
    schemas = dict(published_schemas())
    name = topics.schema.name
    await publisher.publish([Record(name, fingerprint, text) for fingerprint, text in schemas.items()])
    await publisher.publish([Record(name, b"gone", None)])
    await publisher.close()
    assert set(schemas.values()) <= set(await read_schema_topic(settings, topics))
