"""A consumer of a group, on a real Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.structs import TopicPartition

from schemas.codec import published_schemas
from schemas.topics import Topics
from sluice.eventlog.interface import OffsetLostError, Partition, PolledRecord, Record, Subscription
from sluice.eventlog.kafka.admin import ensure_topics, find_problems
from sluice.eventlog.kafka.publisher import KafkaPublisher
from sluice.eventlog.kafka.source import KafkaSource
from sluice.eventlog.settings import LogSettings
from tests.servers import Kafka

SECONDS = 30.0


class Listener:
    """Commits what it is told to when partitions are revoked."""

    def __init__(self) -> None:
        self.source: KafkaSource | None = None
        self.ours: set[Partition] = set()
        self.at_revoke: dict[Partition, int] = {}
        self.committed: list[bool] = []

    async def on_assigned(self, partitions: Iterable[Partition]) -> None:
        self.ours |= set(partitions)

    async def on_revoked(self, partitions: Iterable[Partition]) -> None:
        self.ours -= set(partitions)
        if self.source is not None and self.at_revoke:
            self.committed.append(await self.source.commit(self.at_revoke))


def settings_for(kafka: Kafka, namespace: str, **more: object) -> LogSettings:
    """One broker, two partitions."""
    own = {"bootstrap_servers": kafka.bootstrap_servers, "single_broker": True, "namespace": namespace, "partitions": 2}
    return LogSettings.model_validate({"kafka": {**own, **more}})


def source_of(settings: LogSettings, group: str = "group") -> tuple[KafkaSource, Listener]:
    """A source over the alert topic, not started."""
    topics = Topics(settings.kafka.namespace, settings.kafka.partitions)
    source = KafkaSource(settings, topics, Subscription(f"{settings.kafka.namespace}.{group}", (topics.alert.name,)))
    listener = Listener()
    listener.source = source
    return source, listener


async def publish(settings: LogSettings, count: int) -> None:
    """So many alerts."""
    topics = Topics(settings.kafka.namespace, settings.kafka.partitions)
    publisher = KafkaPublisher(settings, topics)
    await publisher.publish([Record(topics.alert.name, str(at).encode(), b"v") for at in range(count)])
    await publisher.close()


async def poll_all(source: KafkaSource, count: int, most: int = 100) -> dict[Partition, list[PolledRecord]]:
    """Until so many records have come, by polls that give as many as are asked for or fewer."""
    found: dict[Partition, list[PolledRecord]] = {}
    async with asyncio.timeout(SECONDS):
        while sum(map(len, found.values())) < count:
            batch: Mapping[Partition, Sequence[PolledRecord]] = await source.poll(0.5, most)
            assert sum(map(len, batch.values())) <= most
            for partition, records in batch.items():
                found.setdefault(partition, []).extend(records)
    return found


def next_offsets(found: dict[Partition, list[PolledRecord]]) -> dict[Partition, int]:
    """Behind everything found."""
    return {partition: records[-1].offset + 1 for partition, records in found.items()}


async def test_a_group_reads_from_the_beginning_and_goes_on_where_it_committed(
    kafka_server: Kafka, unique_name: str
) -> None:
    """A brand-new group misses nothing; a second run reads only what is new; lag says so."""
    settings = settings_for(kafka_server, unique_name)
    await publish(settings, 20)
    source, listener = source_of(settings)
    await source.start(listener)
    found = await poll_all(source, 20)
    assert sum(lag.records for lag in (await source.lag()).values()) == 20
    assert await source.commit(next_offsets(found))
    assert sum(lag.records for lag in (await source.lag()).values()) == 0
    await source.close()
    await publish(settings, 5)
    again, listener = source_of(settings)
    await again.start(listener)
    assert sum(map(len, (await poll_all(again, 5)).values())) == 5
    assert await again.poll(0.3, 100) == {}
    await again.close()


async def test_records_that_come_before_the_offsets_are_known_are_lag(kafka_server: Kafka, unique_name: str) -> None:
    """Of a partition whose committed offset is looked up while its first records come nothing counts as a transaction's
    mark: what was polled and not committed is behind, and is not read again."""
    settings = settings_for(kafka_server, unique_name)
    await publish(settings, 20)
    source, listener = source_of(settings)
    await source.start(listener)
    found = await poll_all(source, 20)
    await source._check([TopicPartition(*partition) for partition in listener.ours])  # the one that came late
    assert sum(lag.records for lag in (await source.lag()).values()) == 20
    assert await source.commit(next_offsets(found))
    assert sum(lag.records for lag in (await source.lag()).values()) == 0
    await source.close()


async def test_records_wait_for_a_listener_that_is_told_late(kafka_server: Kafka, unique_name: str) -> None:
    """Of partitions that their owner does not know to be its own nothing is handed out, whatever it polls; then all of
    it comes, once, in polls as small as were asked for."""
    settings = settings_for(kafka_server, unique_name)
    await publish(settings, 20)
    source, listener = source_of(settings)
    may_know = asyncio.Event()
    listener.on_assigned = lambda _: may_know.wait()  # type: ignore[assignment, method-assign, return-value]
    await source.start(listener)
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert [await source.poll(0.3, 4) for _ in range(8)] == [{}] * 8
    assert loop.time() - began > 8 * 0.29  # each waits: none comes back at once to fetch the same again
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(poll_all(source, 20, most=4))
        await asyncio.sleep(0)
        may_know.set()
    found = waiting.result()
    assert await source.poll(0.5, 4) == {}
    assert all([each.offset for each in records] == [*range(len(records))] for records in found.values())
    await source.close()


async def test_a_second_member_takes_over_what_was_committed_at_the_revoke(
    kafka_server: Kafka, unique_name: str
) -> None:
    """on_revoked is awaited before the group goes on: what it commits there is not read twice."""
    settings = settings_for(kafka_server, unique_name)
    await publish(settings, 40)
    first, first_listener = source_of(settings)
    await first.start(first_listener)
    found = await poll_all(first, 40)
    first_listener.at_revoke = next_offsets(found)
    second, second_listener = source_of(settings)
    async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as tasks:
        joining = tasks.create_task(second.start(second_listener))
        while not joining.done() or not second_listener.ours:
            await first.poll(0.2, 100)
            if joining.done():
                assert await second.poll(0.2, 100) == {}
    assert first_listener.committed == [True]
    assert first_listener.ours | second_listener.ours == set(found)
    assert not first_listener.ours & second_listener.ours
    await first.close()
    await second.close()


async def publish_with_marks(settings: LogSettings, count: int) -> None:
    """So many transactions, of a record in each partition: offsets 0, 2, 4 … have records."""
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka.bootstrap_servers, transactional_id=settings.kafka.namespace
    )
    await producer.start()
    for _ in range(count):
        async with producer.transaction():
            for number in range(2):
                await producer.send(f"{settings.kafka.namespace}.alert.v1", b"v", partition=number)
    await producer.stop()


async def test_what_was_in_hand_when_its_partition_was_taken_away_is_dropped(
    kafka_server: Kafka, unique_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes again from what was committed, in order: handed out late it would be finished, and committed, before
    older records that nobody has finished."""
    settings = settings_for(kafka_server, unique_name, heartbeat_interval_seconds=0.2)
    await ensure_topics(settings, Topics(unique_name, 2))
    await publish_with_marks(settings, 3)
    first, first_listener = source_of(settings)
    second, second_listener = source_of(settings)
    await first.start(first_listener)
    while not await first.poll(0.5, 1):
        pass
    has_asked, go_on = asyncio.Event(), asyncio.Event()
    ask = AIOKafkaConsumer.beginning_offsets

    async def held(consumer: AIOKafkaConsumer, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        monkeypatch.setattr(AIOKafkaConsumer, "beginning_offsets", ask)  # whoever asks next is answered at once
        has_asked.set()
        await go_on.wait()
        return dict(await ask(consumer, partitions))

    monkeypatch.setattr(AIOKafkaConsumer, "beginning_offsets", held)
    async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as tasks:
        polling = tasks.create_task(poll_till(first, has_asked))
        await has_asked.wait()
        await second.start(second_listener)
        while not first_listener.ours or len(first_listener.ours) == 2 or not second_listener.ours:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        go_on.set()
    assert polling.result() == {}
    for records in (await poll_all(first, 3)).values():
        assert [record.offset for record in records] == [0, 2, 4]
    await second.close()
    for records in (await poll_all(first, 6)).values():  # what it had in hand may have been the other one's meanwhile
        assert [record.offset for record in records] == [0, 2, 4]
    await first.close()


async def poll_till(source: KafkaSource, asked: asyncio.Event) -> Mapping[Partition, Sequence[PolledRecord]]:
    """What the poll gives in which it asked the broker whether there was a jump."""
    while True:
        found = await source.poll(0.5, 1)
        if asked.is_set():
            return found


async def test_a_consumer_that_is_being_stopped_is_given_nothing(kafka_server: Kafka, unique_name: str) -> None:
    """aiokafka may settle a group while it stops: that is another life's, and no error."""
    settings = settings_for(kafka_server, unique_name)
    source, listener = source_of(settings)
    await source.start(listener)
    consumer = source._open
    callbacks = consumer._subscription.listener
    await source.close()
    told = set(listener.ours)
    await callbacks.on_partitions_revoked([TopicPartition("t", 0)])
    await callbacks.on_partitions_assigned([TopicPartition("t", 0)])
    assert listener.ours == told
    assert source.listener_failures == 0


async def test_a_commit_of_another_s_partition_is_no_error(kafka_server: Kafka, unique_name: str) -> None:
    """A consumer that is no longer a member is told ``False``: it must not try again."""
    settings = settings_for(kafka_server, unique_name)
    await publish(settings, 4)
    source, listener = source_of(settings)
    await source.start(listener)
    await poll_all(source, 4)
    await source.close()
    assert not await source.commit({Partition(f"{unique_name}.alert.v1", 0): 1})


async def test_a_lost_offset_is_an_error_and_not_a_jump(kafka_server: Kafka, unique_name: str) -> None:
    """Records that were deleted before they were read are named; an operator decides to go on behind them."""
    settings = settings_for(kafka_server, unique_name)
    await publish(settings, 20)
    source, listener = source_of(settings)
    await source.start(listener)
    found = await poll_all(source, 20)
    partition = max(found, key=lambda name: len(found[name]))
    await source.commit({partition: found[partition][0].offset + 1})
    await source.close()
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_server.bootstrap_servers)
    await admin.start()
    await admin.delete_records({TopicPartition(*partition): RecordsToDelete(before_offset=found[partition][3].offset)})
    await admin.close()

    again, listener = source_of(settings)
    await again.start(listener)
    with pytest.raises(OffsetLostError, match=r"offsets 1 to 2 are gone.*kafka\.on_offset_lost"):
        await poll_all(again, 100)
    await again.close()
    tolerant, listener = source_of(settings_for(kafka_server, unique_name, on_offset_lost="continue"))
    await tolerant.start(listener)
    found_again = await poll_all(tolerant, 1)
    assert sum(map(len, found_again.values())) >= 1
    await tolerant.close()


async def test_paused_partitions_are_not_fetched(kafka_server: Kafka, unique_name: str) -> None:
    """Nothing comes from them until they are resumed, and then everything."""
    settings = settings_for(kafka_server, unique_name)
    source, listener = source_of(settings)
    await source.start(listener)
    async with asyncio.timeout(SECONDS):
        while not listener.ours:
            await source.poll(0.1, 10)
    source.pause(listener.ours)
    await publish(settings, 10)
    assert await source.poll(1.0, 100) == {}
    source.resume(listener.ours)
    await poll_all(source, 10)
    await source.close()


async def test_schemas_are_read_from_their_topic(kafka_server: Kafka, unique_name: str) -> None:
    """All of them, at each call anew."""
    settings = settings_for(kafka_server, unique_name)
    topics = Topics(unique_name, 2)
    source, listener = source_of(settings)
    await source.start(listener)
    assert await source.read_schemas() == []
    publisher = KafkaPublisher(settings, topics)
    await publisher.publish([Record(topics.schema.name, key, text) for key, text in published_schemas()])
    await publisher.close()
    assert list(await source.read_schemas()) == [text for _, text in published_schemas()]
    await source.close()


async def test_topics_are_made_as_they_should_be_and_once(kafka_server: Kafka, unique_name: str) -> None:
    """A second call changes nothing, and the doctor has nothing to say; a missing broker is said in words."""
    settings, topics = settings_for(kafka_server, unique_name), Topics(unique_name, 2)
    assert any("is missing" in problem for problem in await find_problems(settings, topics))
    await ensure_topics(settings, topics)
    await ensure_topics(settings, topics)
    assert await find_problems(settings, topics) == []
    nobody = settings_for(kafka_server, unique_name, bootstrap_servers="127.0.0.1:1", request_timeout_seconds=2)
    (problem,) = await find_problems(nobody, topics)
    assert "check kafka.bootstrap_servers" in problem
