"""Static members: a restart stops nobody, and two with one name are told so."""

from __future__ import annotations

import asyncio

import pytest

from sluice.eventlog.interface import EventLogError, Subscription
from sluice.eventlog.kafka.source import KafkaSource
from sluice.eventlog.kafka.twins import Twins
from tests.contracts.eventlog_laws import Listener
from tests.servers import Kafka
from tests.sluice.eventlog.kafka.reading import settings_for, topics_of

SECONDS = 30.0
STATIC = Subscription("g", ("t",), "c", "me-0")


def test_who_is_given_partitions_again_and_again_is_told() -> None:
    """Six times within twenty heartbeats; then counting begins anew, for it may have been a group that grew."""
    twins = Twins(STATIC, heartbeat_seconds=1.0)
    for second in range(6):
        twins.check(second)
        twins.assigned(second)
    with pytest.raises(EventLogError, match=r"group g gave its member me-0 .* same kafka\.group_instance_id"):
        twins.check(5)
    twins.check(5)


def test_an_ordinary_life_is_not_suspected() -> None:
    """Rebalances that are rare, and any number of them where the member is an ordinary one."""
    slow, ordinary = Twins(STATIC, 1.0), Twins(Subscription("g", ("t",)), 1.0)
    for number in range(100):
        slow.assigned(number * 5.0)
        ordinary.assigned(number)
        slow.check(number * 5.0)
        ordinary.check(number)


async def test_a_restart_within_the_session_keeps_the_partitions(kafka_server: Kafka, unique_name: str) -> None:
    """Another member hears nothing of it: no rebalance, where an ordinary member's leaving would be one."""
    settings = settings_for(kafka_server, unique_name, heartbeat_interval_seconds=0.2, group_instance_id="host")
    topics = topics_of(settings)
    listener = Listener()

    def member(worker: int) -> KafkaSource:
        name = settings.kafka.instance_id(worker)
        topic = topics.event("budget").name
        return KafkaSource(settings, topics, Subscription(unique_name, (topic,), "c", name))

    stays, leaves = member(0), member(1)
    await stays.start(listener)
    async with asyncio.TaskGroup() as tasks:
        joining = tasks.create_task(leaves.start(Listener()))
        async with asyncio.timeout(SECONDS):
            while not joining.done() or len(listener.ours) != 1:
                await stays.poll(0.1, 10)
    told = list(listener.told)
    await leaves.close()
    again, theirs = member(1), Listener()
    await again.start(theirs)
    async with asyncio.timeout(SECONDS):
        while not theirs.ours:
            await again.poll(0.1, 10)
    for _ in range(5):
        await stays.poll(0.1, 10)
        await again.poll(0.1, 10)
    assert listener.told == told
    assert len(theirs.ours) == 1
    await stays.close()
    await again.close()


async def test_two_with_one_name_are_told(kafka_server: Kafka, unique_name: str) -> None:
    """Both would read everything: one of them at least says which setting is the same."""
    settings = settings_for(kafka_server, unique_name, heartbeat_interval_seconds=0.2)
    topics = topics_of(settings)
    subscription = Subscription(unique_name, (topics.event("budget").name,), "c", "twin-0")
    twins = [KafkaSource(settings, topics, subscription) for _ in range(2)]
    for twin in twins:
        await twin.start(Listener())
    with pytest.raises(EventLogError, match="both read the same records"):  # noqa: PT012 - whichever comes first
        async with asyncio.timeout(SECONDS):
            while True:
                for twin in twins:
                    await twin.poll(0.1, 10)
    for twin in twins:
        await twin.close()
