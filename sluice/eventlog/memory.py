"""The event log in memory: for tests of what publishes and polls, with a broker's manners and none of its cost.

Topics have partitions; groups have members, which share them, and committed next offsets; what is old can be dropped.
Offsets begin at 0 and rise by 1, timestamps are milliseconds. Used from one loop; nothing outlives the process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
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

_EXCHANGE_RECORDS = len(KINDS)
_REFUSALS_SHARE = 5
"""The last fifth of the room is not for refusals."""


@dataclass(slots=True)
class _Lane:
    """One partition: the records still there, the first of which has offset ``start``."""

    start: int = 0
    records: list[StoredRecord] = field(default_factory=list)

    @property
    def end(self) -> int:
        """The offset that the next record gets."""
        return self.start + len(self.records)

    def since(self, offset: int) -> list[StoredRecord]:
        """What is still there of the records from ``offset`` on."""
        return self.records[max(0, offset - self.start) :]


@dataclass(slots=True)
class _Group:
    committed: dict[Partition, int] = field(default_factory=dict)
    members: list[MemorySource] = field(default_factory=list)
    settling: asyncio.Lock = field(default_factory=asyncio.Lock)


class MemoryBroker:
    """What a test's logs, publishers and sources share. A topic that ``topics`` does not know has as many partitions.

    ``max_records`` is the room: what is there, dropped records not counted. While ``error`` is set every write fails
    with it.
    """

    def __init__(
        self, topics: Topics | None = None, *, max_records: int = 100_000, clock: Callable[[], int] = now_micros
    ) -> None:
        self.topics = topics or Topics(partitions=2)
        self.max_records = max_records
        self.error: EventLogError | None = None
        self.reserved = 0
        """Exchanges that have room set aside."""
        self.held = 0
        """Records that are there."""
        self._clock = clock
        self._counts = {topic.name: topic.partitions for topic in self.topics.all()}
        self._lanes: dict[Partition, _Lane] = {}
        self._groups: dict[str, _Group] = {}
        self._changed = asyncio.Event()

    def partitions_of(self, topic: str) -> list[Partition]:
        """Those of one topic, which need not hold anything yet."""
        return [Partition(topic, number) for number in range(self._counts.get(topic, self.topics.partitions))]

    def records_in(self, topic: str) -> list[StoredRecord]:
        """What is there of a topic, by partition and offset."""
        return [record for partition in self.partitions_of(topic) for record in self.lane(partition).records]

    def lane(self, partition: Partition) -> _Lane:
        """The partition's records."""
        return self._lanes.setdefault(partition, _Lane())

    def group(self, name: str) -> _Group:
        """Who reads together."""
        return self._groups.setdefault(name, _Group())

    def committed(self, group: str) -> dict[Partition, int]:
        """The next offsets that a group has committed."""
        return dict(self.group(group).committed)

    def append(self, records: Sequence[Record]) -> None:
        """Write all of them or none, each to the partition of its key; raises ``error`` where that is set."""
        if self.error is not None:
            raise self.error
        now_ms = self._clock() // 1000
        for topic, key, value, headers in records:
            partitions = self.partitions_of(topic)
            number = crc32(key) % len(partitions)
            lane = self.lane(partitions[number])
            lane.records.append(StoredRecord(topic, number, lane.end, now_ms, key, value, tuple(headers)))
        self.held += len(records)
        self.notify()

    def drop_before(self, partition: Partition, offset: int) -> None:
        """Retention: what lies before ``offset`` is gone, at most all that there is."""
        lane = self.lane(partition)
        dropped = min(max(0, offset - lane.start), len(lane.records))
        del lane.records[:dropped]
        lane.start += dropped
        self.held -= dropped
        self.notify()

    def notify(self) -> None:
        """Wake every poll that waits."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """Until something changes, or for so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()

    async def settle(self, group: _Group) -> None:
        """Share the partitions out anew, as Kafka's eager protocol: everybody first gives up everything."""
        async with group.settling:
            for member in tuple(group.members):
                await member.give_up()
            shares: dict[int, list[Partition]] = {}
            for topic in sorted({topic for member in group.members for topic in member.topics}):
                readers = [member for member in group.members if topic in member.topics]
                for at, partition in enumerate(self.partitions_of(topic)):
                    shares.setdefault(id(readers[at % len(readers)]), []).append(partition)
            for member in tuple(group.members):
                await member.take_over(shares.get(id(member), []))
        self.notify()


class MemoryEventLog:
    """An ``EventLog``: one worker's. Publishes the schemas when it is made; counts sequences of each kind from 1."""

    def __init__(self, broker: MemoryBroker, gateway_id: str = "gateway-1") -> None:
        self.broker = broker
        self._gateway_id = gateway_id
        self._sequences: dict[Kind, int] = dict.fromkeys(KINDS, 0)
        self._is_closed = False
        broker.append([Record(broker.topics.schema.name, key, text) for key, text in published_schemas()])

    def reserve(self) -> bool:
        """Set room for three records aside; ``False`` where ``max_records`` has none."""
        broker = self.broker
        if broker.held + (broker.reserved + 1) * _EXCHANGE_RECORDS > broker.max_records:
            return False
        broker.reserved += 1
        return True

    def release(self) -> None:
        """Give it back."""
        self.broker.reserved -= 1

    def has_room_for_refusals(self) -> bool:
        """Whether four fifths are not used or set aside yet."""
        broker = self.broker
        used = broker.held + broker.reserved * _EXCHANGE_RECORDS
        return used < broker.max_records - broker.max_records // _REFUSALS_SHARE

    async def commit(self, events: Sequence[EncodedEvent]) -> None:
        """Keep one exchange's events, with the headers they have in Kafka; raises CommitFailedError, ``error``."""
        if self._is_closed:
            message = "the event log is closed"
            raise CommitFailedError(message)
        sequences = dict(self._sequences)
        records = []
        for event in events:
            sequences[event.kind] += 1
            topic = self.broker.topics.event(event.kind).name
            headers = cloudevent_headers(
                topic, event.event_id, self._gateway_id, event.occurred_at, event.traceparent
            )  # fmt: skip
            value = event.value(sequences[event.kind])
            records.append(Record(topic, event.exchange_id.encode(), value, tuple(headers)))
        self.broker.append(records)
        self._sequences = sequences

    async def close(self) -> None:
        """Commits fail from now on; what was committed stays."""
        self._is_closed = True


class MemoryPublisher:
    """A ``Publisher``."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker

    async def publish(self, records: Sequence[Record]) -> None:
        """All or none; raises CommitFailedError where there is no room for them, ``error`` where that is set."""
        await asyncio.sleep(0)
        if self._broker.held + len(records) > self._broker.max_records:
            message = f"the broker is full: it holds {self._broker.held} of {self._broker.max_records} records"
            raise CommitFailedError(message)
        self._broker.append(records)

    async def close(self) -> None:
        """Nothing is held."""


class MemorySource:
    """A ``Source``: one member of its group. Partitions come at the group's committed offsets, else the oldest.

    Offsets that were dropped before they were polled are lost: ``poll`` then raises, until the partition is another's.
    """

    def __init__(self, broker: MemoryBroker, subscription: Subscription) -> None:
        self.topics = subscription.topics
        self.listener_failures = 0
        self._broker = broker
        self._group = broker.group(subscription.group)
        self._listener: RebalanceListener | None = None
        self._next: dict[Partition, int] = {}
        """What is polled next, of the partitions that are ours; those that waited longest come first."""
        self._paused: set[Partition] = set()
        self._is_settling = False

    async def start(self, listener: RebalanceListener) -> None:
        """Join; returns when every member has its share."""
        self._listener = listener
        self._group.members.append(self)
        try:
            await self._broker.settle(self._group)
        except BaseException:
            await self.close()
            raise

    async def poll(self, timeout_seconds: float, max_records: int) -> Mapping[Partition, Sequence[PolledRecord]]:
        """Records not yet polled, at most ``max_records`` in all; raises OffsetLostError."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_seconds
        await asyncio.sleep(0)
        while True:
            found = self._take(max_records)
            left = deadline - loop.time()
            if found or left <= 0:
                return found
            await self._broker.wait(left)

    def _take(self, max_records: int) -> dict[Partition, Sequence[PolledRecord]]:
        found: dict[Partition, Sequence[PolledRecord]] = {}
        if self._is_settling:
            return found
        self._raise_lost()
        for partition, offset in tuple(self._next.items()):
            if max_records <= 0 or partition in self._paused:
                continue
            if records := self._broker.lane(partition).since(offset)[:max_records]:
                found[partition] = records
                max_records -= len(records)
                del self._next[partition]
                self._next[partition] = offset + len(records)
        return found

    def _raise_lost(self) -> None:
        starts = {partition: self._broker.lane(partition).start for partition in self._next}
        lost = [
            f"{topic}-{number}: offsets {offset} to {starts[topic, number] - 1} are gone"
            for (topic, number), offset in self._next.items()
            if offset < starts[topic, number]
        ]
        if lost:
            raise OffsetLostError("; ".join(lost))

    async def commit(self, next_offsets: Mapping[Partition, int]) -> bool:
        """Store all of them or none; ValueError for an offset that the log has not reached."""
        if not next_offsets.keys() <= self._next.keys():
            return False
        for partition, offset in next_offsets.items():
            if not 0 <= offset <= self._broker.lane(partition).end:
                message = f"{partition}: next offset {offset}, and the log ends at {self._broker.lane(partition).end}"
                raise ValueError(message)
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
            waiting = self._broker.lane(partition).since(self._group.committed.get(partition, 0))
            lags[partition] = PartitionLag(len(waiting), waiting[0].timestamp if waiting else None)
        return lags

    async def read_schemas(self) -> Sequence[bytes]:
        """What is in the schema topic, each key's last."""
        records = self._broker.records_in(self._broker.topics.schema.name)
        return [text for text in {record.key: record.value for record in records}.values() if text is not None]

    async def close(self) -> None:
        """Leave; the listener is not told, the other members are."""
        self._next.clear()
        if self in self._group.members:
            self._group.members.remove(self)
            await self._broker.settle(self._group)

    # called by the broker, one at a time in a group

    async def give_up(self) -> None:
        """Tell the listener, then forget what is ours; nothing is polled meanwhile."""
        self._is_settling = True
        await self._tell(self._listener.on_revoked if self._listener else None, self._next)
        self._next.clear()

    async def take_over(self, partitions: Sequence[Partition]) -> None:
        """These are ours."""
        committed = self._group.committed
        self._next = {name: committed.get(name, self._broker.lane(name).start) for name in partitions}
        await self._tell(self._listener.on_assigned if self._listener else None, partitions)
        self._is_settling = False

    async def _tell(self, hook: Hook | None, partitions: Iterable[Partition]) -> None:
        told = tuple(partitions)
        if hook is None or not told:
            return
        try:
            await hook(told)
        except Exception:  # noqa: BLE001 - the listener's own to count: it must not end the group
            self.listener_failures += 1


Hook = Callable[[Iterable[Partition]], Awaitable[None]]
