"""Topics on a real Kafka: made where they are missing, looked at where they exist."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import LeaderNotAvailableError
from aiokafka.protocol.metadata import MetadataRequest

from schemas.topics import Topic
from sluice.eventlog.interface import EventLogError
from sluice.eventlog.kafka.admin import _problems, ensure_topics, find_problems, partitions_of
from sluice.eventlog.kafka.config import KafkaUnreachableError
from sluice.eventlog.settings import LogSettings
from tests.servers import Kafka
from tests.sluice.eventlog.kafka.reading import SECONDS, make_topic, settings_for, topics_of


async def described(kafka: Kafka, topics: list[str]) -> tuple[dict[str, int], dict[str, dict[str, str]]]:
    """Numbers of partitions, and settings, by topic."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    partitions = {found["topic"]: len(found["partitions"]) for found in await admin.describe_topics(topics)}
    settings: dict[str, dict[str, str]] = {}
    for answer in await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in topics]):
        for _, _, _, name, entries in answer.resources:
            settings[name] = {entry[0]: entry[1] for entry in entries}
    await admin.close()
    return partitions, settings


async def until_listed(kafka: Kafka, names: set[str]) -> None:
    """A broker answers that topics are made a moment before it lists them."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    async with asyncio.timeout(SECONDS):
        while not names <= set(await admin.list_topics()):  # noqa: ASYNC110 - a broker tells nobody
            await asyncio.sleep(0.01)
    await admin.close()


async def test_looking_makes_nothing(kafka_server: Kafka, unique_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where brokers make what they are asked about: they are told not to, each time that a topic is named."""
    settings = settings_for(kafka_server, unique_name)
    topics = topics_of(settings)
    asked: list[MetadataRequest] = []
    send = AIOKafkaAdminClient._send_request

    async def watched(admin: AIOKafkaAdminClient, request: Any, *more: Any) -> Any:
        if isinstance(request, MetadataRequest) and request._topics:
            asked.append(request)
        return await send(admin, request, *more)

    monkeypatch.setattr(AIOKafkaAdminClient, "_send_request", watched)
    assert len(await find_problems(settings, topics)) == len(topics.all())
    assert await partitions_of(settings.kafka, [topics.alert.name, "nobody-made-this"]) == {}
    assert asked
    assert all(request._allow_auto_topic_creation is False for request in asked)


async def test_a_topic_that_cannot_be_looked_at_is_not_taken_for_an_absent_one(
    kafka_server: Kafka, unique_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a leader for a moment, say: who reads it would find nothing, and believe that."""

    async def without_leader(*_: object) -> list[dict[str, Any]]:
        return [{"topic": "t", "error_code": LeaderNotAvailableError.errno, "partitions": []}]

    monkeypatch.setattr("sluice.eventlog.kafka.admin._described", without_leader)
    with pytest.raises(EventLogError, match="topic t cannot be looked at: LeaderNotAvailableError; try again"):
        await partitions_of(settings_for(kafka_server, unique_name).kafka, ["t"])


async def test_every_topic_is_made_with_every_setting(kafka_server: Kafka, unique_name: str) -> None:
    """Partitions and settings as they are written down; a second call changes nothing, and nothing is to be said."""
    settings = settings_for(kafka_server, unique_name)
    topics = topics_of(settings)
    missing = await find_problems(settings, topics)
    assert missing == [f"topic {topic.name} is missing: the next gateway makes it" for topic in topics.all()]
    assert sorted(await ensure_topics(settings, topics)) == sorted(topic.name for topic in topics.all())
    assert await ensure_topics(settings, topics) == []
    await until_listed(kafka_server, {topic.name for topic in topics.all()})
    assert await find_problems(settings, topics) == []
    partitions, found = await described(kafka_server, [topic.name for topic in topics.all()])
    for topic in topics.all():
        assert partitions[topic.name] == topic.partitions
        expected = {**topic.settings(), "min.insync.replicas": "1"}
        assert {name: found[topic.name][name] for name in expected} == expected


async def test_what_somebody_else_made_is_left_and_said(kafka_server: Kafka, unique_name: str) -> None:
    """Settings that would lose records are named, with what they should be; the topic is not changed."""
    settings = settings_for(kafka_server, unique_name)
    topics = topics_of(settings)
    name = topics.event("budget").name
    await make_topic(kafka_server, name, partitions=3, message_timestamp_type="CreateTime", max_message_bytes="1000")
    await ensure_topics(settings, topics)
    await until_listed(kafka_server, {topic.name for topic in topics.all()})
    assert await find_problems(settings, topics) == [
        f"topic {name}: message.timestamp.type should be LogAppendTime, or late records vanish",
        f"topic {name}: max.message.bytes should be at least 1048576",
    ]
    partitions, found = await described(kafka_server, [name])
    assert partitions[name] == 3
    assert found[name]["max.message.bytes"] == "1000"


async def test_too_few_brokers_is_said_with_the_remedy(kafka_server: Kafka, unique_name: str) -> None:
    """Three copies on one broker cannot be: which setting says that one is enough."""
    settings = settings_for(kafka_server, unique_name, single_broker=False)
    with pytest.raises(EventLogError, match=r"needs 3 brokers: add brokers, or set kafka\.single_broker: true"):
        await ensure_topics(settings, topics_of(settings))


async def test_strict_does_not_promise_what_a_topic_cannot_keep(kafka_server: Kafka, unique_name: str) -> None:
    """A topic that acknowledges with one copy: ``strict`` says so instead of going on, ``durable`` goes on."""
    single = settings_for(kafka_server, unique_name)
    await ensure_topics(single, topics_of(single))
    await until_listed(kafka_server, {topic.name for topic in topics_of(single).all()})
    several = settings_for(kafka_server, unique_name, single_broker=False)
    await ensure_topics(several, topics_of(several))
    strict = several.model_copy(update={"eventlog": several.eventlog.model_copy(update={"durability": "strict"})})
    with pytest.raises(EventLogError, match=r"min\.insync\.replicas of 2 or more; raise it, or"):
        await ensure_topics(strict, topics_of(strict))


async def test_a_topic_that_a_broker_refuses_is_named(
    kafka_server: Kafka, unique_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the broker's own word for it."""
    settings = settings_for(kafka_server, unique_name)
    monkeypatch.setattr(Topic, "settings", lambda _: {"retention.ms": "nonsense"})
    with pytest.raises(EventLogError, match=rf"topic {unique_name}.* cannot be made: InvalidConfigurationError"):
        await ensure_topics(settings, topics_of(settings))


async def test_two_who_make_them_at_once(kafka_server: Kafka, unique_name: str) -> None:
    """Another gateway was faster between the look and the making: that is no error."""
    settings = settings_for(kafka_server, unique_name)
    topics = topics_of(settings)
    await make_topic(kafka_server, topics.alert.name)
    listed = AIOKafkaAdminClient.list_topics

    with pytest.MonkeyPatch.context() as patch:

        async def before(self: AIOKafkaAdminClient) -> list[str]:
            return [name for name in await listed(self) if name != topics.alert.name]

        patch.setattr(AIOKafkaAdminClient, "list_topics", before)
        await ensure_topics(settings, topics)
    partitions, _ = await described(kafka_server, [topic.name for topic in topics.all()])
    assert len(partitions) == len(topics.all())


async def test_nobody_there(unique_name: str) -> None:
    """An error of ours for who makes topics, a line for the doctor; both name the address."""
    nobody = {"bootstrap_servers": "127.0.0.1:1", "namespace": unique_name, "request_timeout_seconds": 1}
    settings = LogSettings.model_validate({"kafka": nobody})
    with pytest.raises(KafkaUnreachableError, match=r"127\.0\.0\.1:1 cannot be reached"):
        await ensure_topics(settings, topics_of(settings))
    (problem,) = await find_problems(settings, topics_of(settings))
    assert "127.0.0.1:1 cannot be reached" in problem


GOOD = {"message.timestamp.type": "LogAppendTime", "max.message.bytes": "1048576", "min.insync.replicas": "2"}


@pytest.mark.parametrize(
    ("found", "durability", "single_broker", "words"),
    [
        ({}, "durable", False, []),
        ({"max.message.bytes": "1048577"}, "durable", False, []),
        ({"max.message.bytes": "1048575"}, "durable", False, ["max.message.bytes"]),
        ({"message.timestamp.type": "CreateTime"}, "durable", False, ["message.timestamp.type"]),
        ({"min.insync.replicas": "1"}, "durable", False, []),
        ({"min.insync.replicas": "1"}, "strict", False, ["min.insync.replicas"]),
        ({"min.insync.replicas": "1"}, "strict", True, []),
        ({"min.insync.replicas": "3"}, "strict", False, []),
    ],
)
def test_what_a_topic_must_have(found: dict[str, Any], durability: str, single_broker: bool, words: list[str]) -> None:
    """To the byte; two replicas in sync only where strict promises them and there is more than one broker."""
    settings = LogSettings.model_validate(
        {"kafka": {"bootstrap_servers": "x", "single_broker": single_broker}, "eventlog": {"durability": durability}}
    )
    problems = _problems(Topic("t", ""), {**GOOD, **found}, settings)
    assert len(problems) == len(words)
    assert all(word in problem for word, problem in zip(words, problems, strict=True))


def test_a_topic_that_says_nothing_of_itself_has_every_problem() -> None:
    """A broker that does not show settings is not taken for a good one."""
    settings = LogSettings.model_validate({"kafka": {"bootstrap_servers": "x"}, "eventlog": {"durability": "strict"}})
    assert len(_problems(Topic("t", ""), {}, settings)) == 3
