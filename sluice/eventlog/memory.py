"""The event log in memory: for tests of what publishes and polls, with a broker's manners and none of its cost.

Topics have partitions; groups have members, which share them, and committed next offsets; what is old can be dropped.
Offsets begin at 0 and rise by 1. Used from one loop.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from zlib import crc32

from schemas.cloudevents import cloudevent_headers
from schemas.codec import EncodedEvent, published_schemas
from schemas.events import KINDS, Kind
from schemas.topics import Topics
from sluice.clock import now_micros
from sluice.eventlog.interface import (
    CommitFailedError,
    EventLogError,
    OffsetLostError,
    Partition,
    PartitionLag,
    PolledRecord,
    RebalanceListener,
    Record,
    StoredRecord,
    Subscription,
)


@dataclass(slots=True)
class Lane:
    """One partition: the records that are still there, the first of which has the offset ``start``."""

    start: int = 0
    records: list[StoredRecord] = field(default_factory=list)

    def since(self, offset: int) -> list[StoredRecord]:
        """What is still there from ``offset`` on."""
        return self.records[max(0, offset - self.start) :]


@dataclass(slots=True)
class Group:
    """Those who read together: the next offsets they committed, and the members in the order in which they joined."""

    committed: dict[Partition, int] = field(default_factory=dict)
    members: list[MemorySource] = field(default_factory=list)
    settling: asyncio.Lock = field(default_factory=asyncio.Lock)


class MemoryBroker:
    """What logs, publishers and sources share; a topic that ``topics`` does not know has as many partitions.

    ``max_records`` bounds what is there: dropped records count no more. While ``error`` is set, whoever writes gets it.
    """

    def __init__(self, topics: Topics | None = None, *, max_records: int = 100_000) -> None:
        self.topics = topics or Topics(partitions=2)
        self.max_records = max_records
        self.error: EventLogError | None = None
        self.reserved = 0
        """Exchanges that have room set aside."""
        self.groups: defaultdict[str, Group] = defaultdict(Group)
        self.lanes: defaultdict[Partition, Lane] = defaultdict(Lane)
        self._partitions = {topic.name: topic.partitions for topic in self.topics.all()}
        self.changed = asyncio.Event()

    def partitions_of(self, topic: str) -> list[Partition]:
        """Those of one topic; they need not hold anything yet."""
        return [Partition(topic, number) for number in range(self._partitions.get(topic, self.topics.partitions))]

    def room_for(self, records: int) -> bool:
        """Whether so many more may be there, beside those that are."""
        return sum([len(lane.records) for lane in self.lanes.values()]) + records <= self.max_records

    def append(self, records: Iterable[Record]) -> None:
        """Write all of them or none, each to the partition of its key.

        Raises ``error`` where that is set, CommitFailedError for what no log could write.
        """
        if self.error is not None:
            raise self.error
        try:
            written = [(record, _partition_number(record, len(self.partitions_of(record.topic)))) for record in records]
        except (TypeError, ValueError) as error:
            message = f"cannot be written: {error}"
            raise CommitFailedError(message) from error
        now_ms = now_micros() // 1000
        for (topic, key, value, headers), number in written:
            lane = self.lanes[Partition(topic, number)]
            offset = lane.start + len(lane.records)
            lane.records.append(StoredRecord(topic, number, offset, now_ms, key, value, headers))
        self.notify()

    def drop_before(self, partition: Partition, offset: int) -> None:
        """Retention: what lies before ``offset`` is gone, at most all that there is."""
        lane = self.lanes[partition]
        kept = lane.since(offset)
        lane.start += len(lane.records) - len(kept)
        lane.records = kept
        self.notify()

    def notify(self) -> None:
        """Wake every poll that waits."""
        self.changed.set()
        self.changed = asyncio.Event()

    async def settle(self, group: Group) -> None:
        """Share the partitions out anew, as Kafka's eager protocol: first everybody gives up everything."""
        async with group.settling:
            for member in tuple(group.members):
                await member.tell("on_revoked")
                member.assign(())
            shares: dict[MemorySource, list[Partition]] = {member: [] for member in group.members}
            for topic in dict.fromkeys(topic for member in shares for topic in member.topics):
                readers = [member for member in shares if topic in member.topics]
                for at, partition in enumerate(self.partitions_of(topic)):
                    shares[readers[at % len(readers)]].append(partition)
            for member, share in shares.items():
                member.assign(share)
                await member.tell("on_assigned")
        self.notify()


def _partition_number(record: Record, count: int) -> int:
    """Where a key goes. Raises TypeError or ValueError for a record that is not of bytes and names that are text."""
    topic, key, value, headers = record
    b"".join((topic.encode(), key, b"" if value is None else value, *(name.encode() + raw for name, raw in headers)))
    return crc32(key) % count


class MemoryEventLog:
    """An ``EventLog``, of one worker. Publishes the schemas when it is made; sequences of each kind begin at 1."""

    def __init__(self, broker: MemoryBroker, gateway_id: str = "gateway-1") -> None:
        self.broker = broker
        self._source = gateway_id
        self._sequences: Mapping[Kind, int] = dict.fromkeys(KINDS, 0)
        broker.append([Record(broker.topics.schema.name, key, text) for key, text in published_schemas()])

    def reserve(self) -> bool:
        """Set room for three records aside; ``False`` where ``max_records`` leaves none."""
        if not self.broker.room_for((self.broker.reserved + 1) * len(KINDS)):
            return False
        self.broker.reserved += 1
        return True

    def release(self) -> None:
        """Give it back."""
        self.broker.reserved -= 1

    def has_room_for_refusals(self) -> bool:
        """Whether four fifths are not used or set aside yet: the last one is not for them."""
        return self.broker.room_for(self.broker.reserved * len(KINDS) + self.broker.max_records // 5)

    async def commit(self, events: Sequence[EncodedEvent]) -> None:
        """Keep one exchange's events, with the headers they have in Kafka; raises CommitFailedError, ``error``."""
        sequences = dict(self._sequences)
        self.broker.append(self._encode(event, sequences) for event in events)
        self._sequences = sequences

    def _encode(self, event: EncodedEvent, sequences: dict[Kind, int]) -> Record:
        sequence = sequences[event.kind] = sequences[event.kind] + 1
        topic = self.broker.topics.event(event.kind).name
        headers = cloudevent_headers(topic, event.event_id, self._source, event.occurred_at, event.traceparent)
        return Record(topic, event.exchange_id.encode(), event.value(sequence), tuple(headers))

    async def close(self) -> None:
        """What was committed stays."""


class MemoryPublisher:
    """A ``Publisher``. It looks at no room: only exchanges are refused for want of it."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker

    async def publish(self, records: Sequence[Record]) -> None:
        """All or none; raises CommitFailedError, ``error``."""
        self._broker.append(records)

    async def close(self) -> None:
        """What was published stays."""


class MemorySource:
    """A ``Source``: one member of its group. Partitions begin at what the group committed, else at the oldest record.

    Records dropped before they were polled are lost: ``poll`` then raises until the partition is given up.
    """

    def __init__(self, broker: MemoryBroker, subscription: Subscription) -> None:
        self.topics = subscription.topics
        self.listener_failures = 0
        self._broker = broker
        self._group = broker.groups[subscription.group]
        self._listener: RebalanceListener | None = None
        self._next: dict[Partition, int] = {}
        """What is polled next, of the partitions that are ours; those that waited longest come first."""
        self._paused: set[Partition] = set()

    async def start(self, listener: RebalanceListener) -> None:
        """Join; returns when every member has its share."""
        self._listener = listener
        self._group.members.append(self)
        await self._broker.settle(self._group)

    async def poll(self, timeout_seconds: float, max_records: int) -> Mapping[Partition, Sequence[PolledRecord]]:
        """Records not yet polled, at most ``max_records``, none while the group settles; raises OffsetLostError."""
        deadline = asyncio.get_running_loop().time() + timeout_seconds
        await asyncio.sleep(0)
        while True:
            found = {} if self._group.settling.locked() else self._take(max_records)
            left = deadline - asyncio.get_running_loop().time()
            if found or left <= 0:
                return found
            with suppress(TimeoutError):
                await asyncio.wait_for(self._broker.changed.wait(), left)

    def _take(self, max_records: int) -> dict[Partition, Sequence[PolledRecord]]:
        found: dict[Partition, Sequence[PolledRecord]] = {}
        for partition, offset in tuple(self._next.items()):
            lane = self._broker.lanes[partition]
            if offset < lane.start:
                message = f"{partition.topic}-{partition.partition}: offsets {offset} to {lane.start - 1} are gone"
                raise OffsetLostError(message)
            if partition not in self._paused and (records := lane.since(offset)[:max_records]):
                found[partition] = records
                max_records -= len(records)
        for partition, taken in found.items():
            self._next[partition] = self._next.pop(partition) + len(taken)
        return found

    async def commit(self, next_offsets: Mapping[Partition, int]) -> bool:
        """Store all of them, or none where one is not ours."""
        if not next_offsets.keys() <= self._next.keys():
            return False
        self._group.committed.update(next_offsets)
        return True

    def pause(self, partitions: Iterable[Partition]) -> None:
        """Give nothing of these until resumed, also after a rebalance."""
        self._paused.update(partitions)

    def resume(self, partitions: Iterable[Partition]) -> None:
        """Undo ``pause``."""
        self._paused.difference_update(partitions)
        self._broker.notify()

    async def lag(self) -> Mapping[Partition, PartitionLag]:
        """What is there and not committed, with the append time of the oldest."""
        lags = {}
        for partition in self._next:
            waiting = self._broker.lanes[partition].since(self._group.committed.get(partition, 0))
            lags[partition] = PartitionLag(len(waiting), waiting[0].timestamp if waiting else None)
        return lags

    async def read_schemas(self) -> Sequence[bytes]:
        """What lies in the schema topic."""
        lanes = [self._broker.lanes[name] for name in self._broker.partitions_of(self._broker.topics.schema.name)]
        return [record.value for lane in lanes for record in lane.records if record.value is not None]

    async def close(self) -> None:
        """Leave; the other members are told, the own listener is not."""
        self._next.clear()
        if self in self._group.members:
            self._group.members.remove(self)
            await self._broker.settle(self._group)

    def assign(self, partitions: Iterable[Partition]) -> None:
        """These are ours, unless we left meanwhile; called by the broker."""
        committed, lanes = self._group.committed, self._broker.lanes
        ours = partitions if self in self._group.members else ()
        self._next = {partition: committed.get(partition, lanes[partition].start) for partition in ours}

    async def tell(self, what: str) -> None:
        """Call the listener with what is ours; its exceptions are counted and do not end the group."""
        if self._listener is not None and self._next:
            try:
                await getattr(self._listener, what)(tuple(self._next))
            except Exception:  # noqa: BLE001 - whatever it raises is its own
                self.listener_failures += 1
