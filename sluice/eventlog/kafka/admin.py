"""Topics: made where they are missing, looked at where they exist."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    InvalidReplicationFactorError,
    KafkaError,
    NoError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
    for_code,
)
from aiokafka.protocol.metadata import MetadataRequest

from schemas.topics import Topic, Topics
from sluice.eventlog.interface import EventLogError
from sluice.eventlog.kafka.config import KafkaDeniedError, connection_arguments, explain
from sluice.eventlog.kafka.rights import lacks, principal
from sluice.eventlog.kafka.starting import start
from sluice.eventlog.settings import KafkaSettings, LogSettings

MISSING = "is missing"
"""In a problem of a topic that can be made."""

_DENIED = (TopicAuthorizationFailedError, ClusterAuthorizationFailedError)


async def ensure_topics(settings: LogSettings, topics: Topics, needed: Collection[str] | None = None) -> list[str]:
    """Make what is missing, and return the names of what was made here; what exists is left as it is. Raises
    EventLogError, also where ``strict`` would promise what a topic of somebody else's cannot keep.

    ``needed`` are the topics that the caller cannot do without (all, where it is ``None``): that others are hidden from
    it, or that it may not make them, is no error.
    """
    async with admin_of(settings.kafka) as admin:
        existing = set(await admin.list_topics())
        missing = [topic for topic in topics.all() if topic.name not in existing]
        made = await _create(admin, settings.kafka, missing, needed) if missing else set()
        if _needs_two_in_sync(settings):
            found, _ = await configs_of(admin, [topic for topic in topics.all() if topic.name in existing])
            for name, config in found.items():
                if problem := _too_few_in_sync(name, config, settings):
                    raise EventLogError(problem)
    return [topic.name for topic in missing if topic.name in made]


async def find_problems(settings: LogSettings, topics: Topics) -> list[str]:
    """What ``sluice doctor`` should say of this Kafka, and of the schema registry; empty where all is well."""
    problems = await _registry_problems(settings, topics)
    try:
        async with admin_of(settings.kafka) as admin:
            return problems + await _problems_found(admin, settings, topics)
    except EventLogError as error:
        return [*problems, str(error)]


async def _registry_problems(settings: LogSettings, topics: Topics) -> list[str]:
    if not settings.schema_registry.url:
        return []
    from sluice.eventlog.registry.checking import find_registry_problems  # noqa: PLC0415 - for who has a registry

    return await find_registry_problems(settings.schema_registry, topics)


async def _problems_found(admin: AIOKafkaAdminClient, settings: LogSettings, topics: Topics) -> list[str]:
    existing = set(await admin.list_topics())
    missing = [topic.name for topic in topics.all() if topic.name not in existing]
    present = [topic for topic in topics.all() if topic.name in existing]
    hidden = await _hidden(admin, missing)
    problems = [lacks(settings.kafka, "Describe", "topic", [name]) for name in hidden]
    problems += [f"topic {name} {MISSING}: the next gateway makes it" for name in missing if name not in hidden]
    return problems + await _differences(admin, settings, present)


async def partitions_of(settings: KafkaSettings, names: Collection[str]) -> dict[str, list[int]]:
    """The numbers of the partitions of those of these topics that exist, in order. Raises EventLogError, also where we
    may not know whether one does."""
    async with admin_of(settings) as admin:
        answers = await _described(admin, names)
    errors = {each["topic"]: for_code(each["error_code"]) for each in answers}
    if hidden := [name for name, error in errors.items() if error is TopicAuthorizationFailedError]:
        raise KafkaDeniedError(lacks(settings, "Describe", "topic", hidden))
    for name, error in errors.items():
        if error not in {NoError, UnknownTopicOrPartitionError}:  # one without a leader now has records all the same
            raise EventLogError(
                f"topic {name} cannot be looked at: {error.__name__}; try again, and see the broker's log"
            )
    return {
        each["topic"]: sorted(partition["partition"] for partition in each["partitions"])
        for each in answers
        if errors[each["topic"]] is NoError
    }


@asynccontextmanager
async def admin_of(settings: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    """Connected; what is raised in the block is translated."""
    admin = AIOKafkaAdminClient(**connection_arguments(settings))
    try:
        await start(admin)
        yield admin
    except (KafkaError, OSError, TimeoutError) as error:
        raise await explain(error, settings, "Describe") from error
    finally:
        await admin.close()


async def _hidden(admin: AIOKafkaAdminClient, names: Sequence[str]) -> set[str]:
    """Those which may exist: we are not allowed to know."""
    answers = await _described(admin, names)
    return {answer["topic"] for answer in answers if for_code(answer["error_code"]) is TopicAuthorizationFailedError}


async def _described(admin: AIOKafkaAdminClient, names: Collection[str]) -> list[dict[str, Any]]:
    """What the broker tells of these topics. Not by ``describe_topics``: where brokers make topics by themselves
    (``auto.create.topics.enable``) that would make those which are missing, with settings that are not ours."""
    if not names:
        return []
    question = MetadataRequest(sorted(names), allow_auto_topic_creation=False)
    answer = await admin._send_request(question)  # noqa: SLF001 - see above
    topics: list[dict[str, Any]] = answer.to_object()["topics"]
    return topics


async def _create(
    admin: AIOKafkaAdminClient, settings: KafkaSettings, missing: Sequence[Topic], needed: Collection[str] | None
) -> set[str]:
    """The names of those that were made: not of one that another made in between."""
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
    made: set[str] = set()
    denied = []
    for name, code, *details in answer.topic_errors:
        error = for_code(code)
        if error in _DENIED:
            denied.append(name)
        elif error is InvalidReplicationFactorError:
            message = f"topic {name} needs {factor} brokers: add brokers, or set kafka.single_broker: true"
            raise EventLogError(message)
        elif not code:
            made.add(name)
        elif error is not TopicAlreadyExistsError:
            raise EventLogError(f"topic {name} cannot be made: {error.__name__} {details[0] if details else ''}")
    denied = [name for name in denied if needed is None or name in needed]
    if denied:
        raise KafkaDeniedError(await _why_not_made(admin, settings, denied))
    return made


async def _why_not_made(admin: AIOKafkaAdminClient, settings: KafkaSettings, denied: Sequence[str]) -> str:
    """Of topics that we do not see and may not make."""
    hidden = await _hidden(admin, denied)
    absent = sorted(name for name in denied if name not in hidden)
    if not absent:
        return lacks(settings, "Describe", "topic", hidden)
    who = principal(settings)
    return (
        f"topic {', '.join(absent)} is missing, and Kafka denies {who} to make it: make it, or add an ACL that allows "
        f"{who} Create on it"
    )


async def _differences(admin: AIOKafkaAdminClient, settings: LogSettings, present: Sequence[Topic]) -> list[str]:
    found, denied = await configs_of(admin, present)
    problems = [problem for topic in present for problem in _problems(topic, found.get(topic.name), settings)]
    return problems + ([lacks(settings.kafka, "DescribeConfigs", "topic", denied)] if denied else [])


async def configs_of(
    admin: AIOKafkaAdminClient, topics: Sequence[Topic]
) -> tuple[dict[str, dict[str, str]], list[str]]:
    """The settings that topics have, by name; and the topics whose settings we may not see."""
    if not topics:
        return {}, []
    resources = [ConfigResource(ConfigResourceType.TOPIC, topic.name) for topic in topics]
    found: dict[str, dict[str, str]] = {}
    denied = []
    for answer in await admin.describe_configs(resources):
        for code, _, _, name, entries in answer.resources:
            if for_code(code) in _DENIED:
                denied.append(name)
            else:
                found[name] = {entry[0]: entry[1] for entry in entries}
    return found, denied


def _problems(topic: Topic, found: dict[str, Any] | None, settings: LogSettings) -> list[str]:
    if found is None:
        return []
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
