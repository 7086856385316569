"""Topics: made where they are missing, looked at where they exist."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import InvalidReplicationFactorError, KafkaError, TopicAlreadyExistsError, for_code

from schemas.topics import Topic, Topics
from sluice.eventlog.interface import EventLogError
from sluice.eventlog.kafka.config import connection_arguments, translate
from sluice.eventlog.settings import KafkaSettings, LogSettings


async def ensure_topics(settings: LogSettings, topics: Topics) -> None:
    """Make what is missing; what exists is left as it is. Raises EventLogError, also where ``strict`` would promise
    what a topic of somebody else's cannot keep."""
    async with _admin(settings.kafka) as admin:
        existing = set(await admin.list_topics())
        missing = [topic for topic in topics.all() if topic.name not in existing]
        if missing:
            await _create(admin, settings.kafka, missing)
        if _needs_two_in_sync(settings):
            found = await _configs(admin, [topic for topic in topics.all() if topic.name in existing])
            for name, config in found.items():
                if problem := _too_few_in_sync(name, config, settings):
                    raise EventLogError(problem)


async def find_problems(settings: LogSettings, topics: Topics) -> list[str]:
    """What ``sluice doctor`` should say of this Kafka; empty where all is well."""
    try:
        async with _admin(settings.kafka) as admin:
            existing = set(await admin.list_topics())
            missing = [topic.name for topic in topics.all() if topic.name not in existing]
            present = [topic for topic in topics.all() if topic.name in existing]
            problems = [f"topic {name} is missing: the next gateway makes it" for name in missing]
            return problems + await _differences(admin, settings, present)
    except EventLogError as error:
        return [str(error)]


@asynccontextmanager
async def _admin(settings: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**connection_arguments(settings))
    try:
        await admin.start()
        yield admin
    except (KafkaError, OSError, TimeoutError) as error:
        raise translate(error, settings) from error
    finally:
        await admin.close()


async def _create(admin: AIOKafkaAdminClient, settings: KafkaSettings, missing: Sequence[Topic]) -> None:
    factor, in_sync = settings.replication
    new = [
        NewTopic(
            name=topic.name,
            num_partitions=topic.partitions,
            replication_factor=factor,
            topic_configs={**topic.settings(), "min.insync.replicas": str(in_sync)},
        )
        for topic in missing
    ]
    answer = await admin.create_topics(new)
    for name, code, *details in answer.topic_errors:
        error = for_code(code)
        if code == 0 or error is TopicAlreadyExistsError:
            continue
        if error is InvalidReplicationFactorError:
            message = f"topic {name} needs {factor} brokers: add brokers, or set kafka.single_broker: true"
            raise EventLogError(message)
        raise EventLogError(f"topic {name} cannot be made: {error.__name__} {details[0] if details else ''}")


async def _differences(admin: AIOKafkaAdminClient, settings: LogSettings, present: Sequence[Topic]) -> list[str]:
    found = await _configs(admin, present)
    return [problem for topic in present for problem in _problems(topic, found.get(topic.name, {}), settings)]


async def _configs(admin: AIOKafkaAdminClient, topics: Sequence[Topic]) -> dict[str, dict[str, str]]:
    """The settings that topics have, by name."""
    if not topics:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, topic.name) for topic in topics]
    found: dict[str, dict[str, str]] = {}
    for answer in await admin.describe_configs(resources):
        for _, _, _, name, entries in answer.resources:
            found[name] = {entry[0]: entry[1] for entry in entries}
    return found


def _problems(topic: Topic, found: dict[str, Any], settings: LogSettings) -> list[str]:
    problems = []
    if found.get("message.timestamp.type") != "LogAppendTime":
        problems.append(f"topic {topic.name}: message.timestamp.type should be LogAppendTime, or late records vanish")
    if int(found.get("max.message.bytes", 0)) < topic.max_message_bytes:
        problems.append(f"topic {topic.name}: max.message.bytes should be at least {topic.max_message_bytes}")
    if problem := _too_few_in_sync(topic.name, found, settings):
        problems.append(problem)
    return problems


def _needs_two_in_sync(settings: LogSettings) -> bool:
    return settings.eventlog.durability == "strict" and not settings.kafka.single_broker


def _too_few_in_sync(name: str, found: dict[str, Any], settings: LogSettings) -> str:
    """Why an acknowledgement would not survive the loss of one broker; empty where it does, or need not."""
    if not _needs_two_in_sync(settings) or int(found.get("min.insync.replicas", 1)) >= 2:
        return ""
    remedy = "raise it, or set kafka.single_broker: true"
    return f"topic {name}: eventlog.durability strict needs min.insync.replicas of 2 or more; {remedy}"
