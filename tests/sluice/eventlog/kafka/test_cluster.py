"""What a real cluster tells of itself."""

from __future__ import annotations

import pytest

from sluice.eventlog.kafka import cluster
from sluice.eventlog.kafka.cluster import cluster_id, topics_shown
from sluice.eventlog.kafka.config import KafkaUnreachableError
from sluice.eventlog.settings import KafkaSettings
from tests.collectors.sinks.kafka.topics import shown_topic
from tests.servers import Kafka


async def test_a_cluster_has_one_id_and_its_topics(kafka_server: Kafka, unique_name: str) -> None:
    """By whatever address; asking makes no topic."""
    settings = KafkaSettings(bootstrap_servers=kafka_server.bootstrap_servers)
    first, *_ = kafka_server.bootstrap_servers.split(",")
    twice = settings.model_copy(update={"bootstrap_servers": f"{first},{first}"})
    assert await cluster_id(settings) == await cluster_id(twice) != "None"
    assert unique_name not in await topics_shown(settings)
    await shown_topic(kafka_server, unique_name, 1)
    assert unique_name in await topics_shown(settings)


async def test_a_cluster_that_is_away_says_so() -> None:
    """As every other question does."""
    with pytest.raises(KafkaUnreachableError, match=r"127\.0\.0\.1:1"):
        await cluster_id(KafkaSettings(bootstrap_servers="127.0.0.1:1", request_timeout_seconds=0.5))


async def test_a_broker_that_tells_no_id_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is empty, and no text that two such clusters would share as their id."""

    async def answer(_settings: KafkaSettings, _question: str) -> dict[str, None]:
        return {"cluster_id": None}

    monkeypatch.setattr(cluster, "_ask", answer)
    assert await cluster_id(KafkaSettings(bootstrap_servers="127.0.0.1:1")) == ""
