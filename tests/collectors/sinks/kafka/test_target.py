"""Whether the topics are there, and whose they are, asked of a real Kafka."""

from __future__ import annotations

import pytest

from collectors.errors import Halt, Retryable
from collectors.sinks.kafka.target import cause_of, check_topics, refuse_loops
from sluice.eventlog.interface import EventLogError
from sluice.eventlog.kafka.config import KafkaDeniedError, KafkaUnreachableError
from sluice.eventlog.settings import KafkaSettings
from tests.collectors.sinks.kafka.topics import shown_topic
from tests.servers import Kafka


async def test_a_missing_topic_halts_and_is_not_made(kafka_server: Kafka, unique_name: str) -> None:
    """By asking nothing is created; the reason names what is missing and nothing else."""
    settings = KafkaSettings(bootstrap_servers=kafka_server.bootstrap_servers)
    await shown_topic(kafka_server, unique_name, 1)
    await check_topics(settings, [unique_name])
    for _ in range(2):
        with pytest.raises(Halt, match=f"no topic {unique_name}-b,.*create it"):
            await check_topics(settings, [unique_name, f"{unique_name}-b"])


async def test_a_loop_is_seen_through_another_address(kafka_server: Kafka) -> None:
    """The cluster tells its id; only topics of the log itself are refused."""
    own = KafkaSettings(bootstrap_servers=kafka_server.bootstrap_servers)
    host, _, port = kafka_server.bootstrap_servers.split(",")[0].rpartition(":")
    for servers in (own.bootstrap_servers, f"{host}:{port},{host}:{port}"):
        other = KafkaSettings(bootstrap_servers=servers)
        with pytest.raises(Halt, match="events would go round"):
            await refuse_loops(other, own, ["a", "log"], ["log"])
        await refuse_loops(other, own, ["a"], ["log"])
    await refuse_loops(own, KafkaSettings(), ["log"], ["log"])


async def test_a_cluster_that_is_away_is_waited_for() -> None:
    """Neither question is a halt then."""
    nowhere = KafkaSettings(bootstrap_servers="127.0.0.1:1", request_timeout_seconds=1)
    with pytest.raises(Retryable):
        await check_topics(nowhere, ["a"])
    with pytest.raises(Retryable):
        await refuse_loops(nowhere, KafkaSettings(bootstrap_servers="127.0.0.1:2"), ["log"], ["log"])


def test_rights_halt_and_the_rest_passes() -> None:
    """A halt tries again now and then, so a right that is given later is enough."""
    assert isinstance(cause_of(KafkaDeniedError("no")), Halt)
    assert isinstance(cause_of(KafkaUnreachableError("away")), Retryable)
    assert isinstance(cause_of(EventLogError("odd")), Retryable)
