"""Topics of a real Kafka that somebody else made, or nobody; beside ``tests/contracts/test_survey.py``."""

from __future__ import annotations

import asyncio

import pytest

from sluice.eventlog.interface import EventLogError
from sluice.eventlog.kafka.survey import KafkaSurveyor
from sluice.eventlog.settings import LogSettings
from tests.servers import Kafka
from tests.sluice.eventlog.kafka.reading import SECONDS, make_topic, settings_for, topics_of


async def test_what_differs_is_named_and_what_is_missing_is_made(kafka_server: Kafka, unique_name: str) -> None:
    """Each setting with both values, partitions too; what exists is left as it is."""
    settings = settings_for(kafka_server, unique_name)
    surveyor, name = KafkaSurveyor(settings, topics_of(settings)), topics_of(settings).event("budget").name
    assert not any(each.exists for each in (await surveyor.topics()).topics)
    await make_topic(kafka_server, name, partitions=3, retention_ms="60000", message_timestamp_type="CreateTime")
    made = await surveyor.create()
    assert name not in made
    assert len(made) == len(topics_of(settings).all()) - 1
    async with asyncio.timeout(SECONDS):
        survey = await surveyor.topics()
        while not all(each.exists for each in survey.topics):
            await asyncio.sleep(0.05)
            survey = await surveyor.topics()
    [found] = [each for each in survey.topics if each.differences]
    assert (found.name, found.partitions, found.retention_ms) == (name, 3, 60_000)
    assert set(found.differences) == {
        "partitions is 3, not 2",
        "retention.ms is 60000, not 3456000000",
        "message.timestamp.type is CreateTime, not LogAppendTime",
        "max.message.bytes is 1048588, not 1048576",
    }


async def test_a_broker_that_is_away_is_said() -> None:
    """With what to check."""
    nobody = {"bootstrap_servers": "127.0.0.1:1", "request_timeout_seconds": 1}
    settings = LogSettings.model_validate({"kafka": nobody})
    with pytest.raises(EventLogError, match=r"127\.0\.0\.1:1 cannot be reached"):
        await KafkaSurveyor(settings, topics_of(settings)).topics()
