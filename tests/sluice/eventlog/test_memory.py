"""What only the log in memory promises; what it shares with the others is in ``tests/contracts/test_eventlog.py``."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.topics import Topics
from sluice.eventlog.interface import (
    CommitFailedError,
    OffsetLostError,
    Partition,
    PartitionLag,
    PolledRecord,
    Record,
    Subscription,
)
from sluice.eventlog.memory import MemoryBroker, MemoryEventLog, MemoryPublisher, MemorySource
from tests.sluice.eventlog.journal.making import exchange

TOPIC = "any topic"


class Listener:
    """Remembers what is its own, and what was wrong when it was told."""

    def __init__(self) -> None:
        self.ours: set[Partition] = set()
        self.assignments = 0

    async def on_assigned(self, partitions: Iterable[Partition]) -> None:
        assert not self.ours & set(partitions)
        self.ours |= set(partitions)
        self.assignments += 1

    async def on_revoked(self, partitions: Iterable[Partition]) -> None:
        assert self.ours == set(partitions)
        await asyncio.sleep(0)
        self.ours.clear()


def broker_of(partitions: int = 2, **options: int) -> MemoryBroker:
    """A broker whose topics have so many partitions."""
    return MemoryBroker(Topics(partitions=partitions), **options)


def source_of(broker: MemoryBroker, group: str = "group") -> MemorySource:
    """A source of ``TOPIC``, not started."""
    return MemorySource(broker, Subscription(group, (TOPIC,)))


async def joined(broker: MemoryBroker, group: str = "group") -> tuple[MemorySource, Listener]:
    """A source that has joined."""
    source, listener = source_of(broker, group), Listener()
    await source.start(listener)
    return source, listener


async def publish(broker: MemoryBroker, count: int, first: int = 0) -> None:
    """Records whose key and value are their number."""
    numbers = [str(number).encode() for number in range(first, first + count)]
    await MemoryPublisher(broker).publish([Record(TOPIC, number, number) for number in numbers])


def values(polled: Iterable[Iterable[PolledRecord]]) -> list[int]:
    """The numbers, rising."""
    return sorted(int(record.value or b"") for records in polled for record in records)


async def test_equal_keys_share_a_partition_and_offsets_have_no_gap() -> None:
    """Records spread by key; each partition's offsets begin at 0 and rise by 1."""
    broker = broker_of(3)
    await publish(broker, 30)
    await publish(broker, 30)
    source, _ = await joined(broker)
    polled = await source.poll(0, 100)
    assert set(polled) == set(broker.partitions_of(TOPIC)) == {Partition(TOPIC, number) for number in range(3)}
    keys = [{record.key for record in records} for records in polled.values()]
    assert sum(map(len, keys)) == len(set().union(*keys)) == 30
    for partition, records in polled.items():
        assert [record.offset for record in records] == list(range(len(records)))
        assert {(record.topic, record.partition) for record in records} == {partition}


@given(st.lists(st.sampled_from(["join", "leave", "publish", "poll", "commit"]), max_size=25), st.integers(1, 4))
@settings(deadline=None, max_examples=60)
def test_whoever_comes_and_goes_each_record_is_read(steps: list[str], partitions: int) -> None:
    """Every partition has one owner while there are members; what was committed never comes again; nothing is lost."""
    asyncio.run(come_and_go(broker_of(partitions), steps))


async def come_and_go(broker: MemoryBroker, steps: list[str]) -> None:
    """One run: members in the order in which they joined, the oldest leaves first, polls and commits go round."""
    members: list[tuple[MemorySource, Listener]] = []
    committed: set[int] = set()
    count = 0
    for at, step in enumerate([*steps, "join", "poll", "commit"]):
        if step == "publish":
            await publish(broker, 3, count)
            count += 3
        elif step == "join":
            members.append(await joined(broker))
        elif not members:
            continue
        elif step == "leave":
            await members.pop(0)[0].close()
        else:
            source, listener = members[at % len(members)]
            polled = await source.poll(0, 5 if step == "poll" else 1000)
            assert set(polled) <= listener.ours
            assert not committed & set(values(polled.values()))
            if step == "commit":
                ends = {name: broker.lanes[name].start + len(broker.lanes[name].records) for name in listener.ours}
                committed |= set(values(broker.lanes[name].records for name in listener.ours))
                assert await source.commit(ends)
        owned = [partition for _, listener in members for partition in listener.ours]
        assert sorted(owned) == (broker.partitions_of(TOPIC) if members else [])
        assert all(source.listener_failures == 0 for source, _ in members)
    for source, _ in members:
        await source.close()
    rest, _ = await joined(broker)
    assert values((await rest.poll(0, 1000)).values()) == sorted(set(range(count)) - committed)


async def test_retention_ends_at_the_log_s_end() -> None:
    """Dropping more than there is drops what there is, dropping less than is gone nothing; offsets go on."""
    broker = broker_of(1)
    (partition,) = broker.partitions_of(TOPIC)
    await publish(broker, 4)
    broker.drop_before(partition, 2)
    broker.drop_before(partition, 1)
    source, _ = await joined(broker)
    assert values((await source.poll(0, 10)).values()) == [2, 3]
    assert await source.lag() == {partition: PartitionLag(2, broker.lanes[partition].records[0].timestamp)}
    broker.drop_before(partition, 100)
    assert await source.lag() == {partition: PartitionLag(0)}
    await publish(broker, 1)
    ((record,),) = (await source.poll(0, 10)).values()
    assert record.offset == 4


async def test_a_lost_offset_is_named_until_the_partition_is_given_up() -> None:
    """The first offset that is gone and the last; whoever has the partition next is told of the committed one."""
    broker = broker_of(1)
    (partition,) = broker.partitions_of(TOPIC)
    await publish(broker, 6)
    source, _ = await joined(broker)
    assert len((await source.poll(0, 2))[partition]) == 2
    assert await source.commit({partition: 1})
    broker.drop_before(partition, 4)
    for _ in range(2):
        with pytest.raises(OffsetLostError, match=r"any topic-0: offsets 2 to 3 are gone"):
            await source.poll(0, 10)
    await source.close()
    again, _ = await joined(broker)
    with pytest.raises(OffsetLostError, match=r"any topic-0: offsets 1 to 3 are gone"):
        await again.poll(0, 10)
    assert await again.commit({partition: 4})
    fresh, _ = await joined(broker, "a new group begins at the oldest")
    assert values((await fresh.poll(0, 10)).values()) == [4, 5]


async def test_a_rebalance_takes_everything_from_everybody_first() -> None:
    """As Kafka's eager protocol: what was polled and not committed comes again, also from partitions that stay."""
    broker = broker_of(2)
    await publish(broker, 10)
    first, listener = await joined(broker)
    assert len(values((await first.poll(0, 100)).values())) == 10
    second, _ = await joined(broker)
    polled = [*(await first.poll(0, 100)).values(), *(await second.poll(0, 100)).values()]
    assert values(polled) == list(range(10))
    assert listener.assignments == 2


async def test_nothing_is_polled_while_the_group_settles_and_commits_are_taken() -> None:
    """A listener that drains keeps its partitions until it returns; its source is given nothing new meanwhile."""
    broker = broker_of(1)
    (partition,) = broker.partitions_of(TOPIC)
    await publish(broker, 2)
    first = source_of(broker)
    seen: list[object] = []

    class Draining(Listener):
        async def on_revoked(self, partitions: Iterable[Partition]) -> None:
            seen.append(await first.poll(0, 10))
            seen.append(await first.commit({partition: 1}))

    await first.start(Draining())
    second, _ = await joined(broker)
    assert seen == [{}, True]
    assert not await second.commit({partition: 2})
    await first.close()
    assert values((await second.poll(0, 10)).values()) == [1]


async def test_a_pause_outlives_a_rebalance() -> None:
    """It is the source's, until it resumes: as KafkaSource has it."""
    broker = broker_of(1)
    await publish(broker, 1)
    source, _ = await joined(broker)
    source.pause(broker.partitions_of(TOPIC))
    other, _ = await joined(broker)
    await other.close()
    assert await source.poll(0, 10) == {}
    source.resume(broker.partitions_of(TOPIC))
    assert values((await source.poll(0, 10)).values()) == [0]


async def test_what_was_given_up_is_nobody_s_until_the_group_has_settled() -> None:
    """A member that gave its share up commits no more, while another member still drains."""
    broker = broker_of(2)
    first, listener = await joined(broker)
    second = source_of(broker)
    seen: list[object] = []

    class Draining(Listener):
        async def on_revoked(self, partitions: Iterable[Partition]) -> None:
            seen.append((set(listener.ours), await first.commit(dict.fromkeys(broker.partitions_of(TOPIC), 0))))
            seen.append((await first.lag(), len(await second.lag())))

    await second.start(Draining())
    await joined(broker)
    assert seen == [(set(), False), ({}, 1)]


@pytest.mark.parametrize("leaves_when", ["gives up", "takes over"])
async def test_who_leaves_while_the_group_settles_keeps_nothing(leaves_when: str) -> None:
    """A source that is closed meanwhile owns no partition afterwards; the other owns all."""
    broker = broker_of(4)
    other = source_of(broker)

    async with asyncio.TaskGroup() as tasks:

        class Closing(Listener):
            async def on_assigned(self, partitions: Iterable[Partition]) -> None:
                await super().on_assigned(partitions)
                if leaves_when == "takes over" and len(self.ours) == 2:
                    await self.close_other()

            async def on_revoked(self, partitions: Iterable[Partition]) -> None:
                await super().on_revoked(partitions)
                if leaves_when == "gives up":
                    await self.close_other()

            async def close_other(self) -> None:
                tasks.create_task(other.close())
                await asyncio.sleep(0)

        source, listener = source_of(broker), Closing()
        await source.start(listener)
        await other.start(Listener())
    assert (await other.lag(), other.listener_failures, source.listener_failures) == ({}, 0, 0)
    assert listener.ours == set(await source.lag()) == set(broker.partitions_of(TOPIC))


async def test_writers_get_the_broker_s_error() -> None:
    """While it is set nothing is written, by whomever; afterwards all goes on, sequences without a gap."""
    broker = broker_of()
    log, publisher = MemoryEventLog(broker), MemoryPublisher(broker)
    broker.error = CommitFailedError("as told")
    with pytest.raises(CommitFailedError, match="as told"):
        await log.commit(exchange())
    with pytest.raises(CommitFailedError, match="as told"):
        await publisher.publish([Record(TOPIC, b"k", b"v")])
    assert not broker.lanes[Partition(TOPIC, 0)].records
    broker.error = None
    await log.commit(exchange())
    await publisher.publish([Record(TOPIC, b"k", b"v")])


async def test_what_no_log_could_write_is_refused_with_all_beside_it() -> None:
    """A value that is no bytes, a key that is none, a name that is no text: an error of the log, nothing is kept."""
    broker = broker_of(1)
    good = Record(TOPIC, b"k", b"v")
    changes: list[dict[str, Any]] = [{"value": 7}, {"value": ""}, {"key": None}, {"headers": (("\ud800", b""),)}]
    for bad in (good._replace(**change) for change in changes):
        with pytest.raises(CommitFailedError, match="cannot be written"):
            await MemoryPublisher(broker).publish([good, bad])
    assert broker.lanes[Partition(TOPIC, 0)].records == []


async def test_dropped_records_make_room() -> None:
    """Room is what ``max_records`` leaves beside the records that are there, schemas included."""
    broker = broker_of(1, max_records=3 + 6)
    log = MemoryEventLog(broker)
    for _ in range(2):
        assert log.reserve()
        await log.commit(exchange())
        log.release()
    assert not log.reserve()
    for topic in broker.topics.events():
        broker.drop_before(Partition(topic, 0), 1)
    assert log.reserve()
    assert not log.reserve()


async def test_a_poll_that_waits_is_woken_by_what_it_waits_for() -> None:
    """By a record, and by a resume; long before its timeout."""
    broker = broker_of(1)
    source, _ = await joined(broker)
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(source.poll(60, 10))
        await asyncio.sleep(0)
        await publish(broker, 1)
    assert values(waiting.result().values()) == [0]
    source.pause(broker.partitions_of(TOPIC))
    await publish(broker, 1)
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(source.poll(60, 10))
        await asyncio.sleep(0)
        source.resume(broker.partitions_of(TOPIC))
    assert values(waiting.result().values()) == [0]
