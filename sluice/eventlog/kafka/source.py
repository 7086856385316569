"""One consumer of one group.

What aiokafka would do by itself and must not: commit positions it has moved (only explicit offsets are committed),
jump in silence where an offset is gone (the log's start is compared with what was committed), wait for ever for a
coordinator (every commit and stop has a time limit), sit silent after a broker came back (a watchdog makes it anew),
hand out records of a partition before its owner was told of it (they are read again then) or after it was taken away
(they are dropped: whoever has the partition next reads them again, from what was committed).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import (
    CommitFailedError,
    IllegalGenerationError,
    IllegalStateError,
    KafkaError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)

from schemas.topics import Topics
from sluice.eventlog.interface import (
    OffsetLostError,
    Partition,
    PartitionLag,
    PolledRecord,
    RebalanceListener,
    Subscription,
)
from sluice.eventlog.kafka.admin import ensure_topics
from sluice.eventlog.kafka.config import connection_arguments, explain
from sluice.eventlog.kafka.schema_topic import PublishedSchemas
from sluice.eventlog.kafka.starting import start
from sluice.eventlog.kafka.stopping import stop_consumer
from sluice.eventlog.kafka.topic_ids import topic_ids
from sluice.eventlog.kafka.twins import Twins
from sluice.eventlog.settings import LogSettings

_FETCH_BYTES = 4 << 20
_WATCHDOG_SECONDS = 20.0
"""So long without a record while there are some: the consumer is made anew."""
_IDS_SECONDS = 5.0
"""Rebalances wait for it."""
_NOT_OURS = (CommitFailedError, IllegalGenerationError, UnknownMemberIdError, RebalanceInProgressError,
             IllegalStateError)  # fmt: skip

logger = structlog.get_logger(__name__)


class KafkaSource:
    """A ``Source``; used from one loop."""

    def __init__(self, settings: LogSettings, topics: Topics, subscription: Subscription) -> None:
        self._settings = settings
        self._topics = topics
        self._subscription = subscription
        self._retention_ms = {topic.name: topic.retention_ms for topic in topics.all()}
        self._listener: RebalanceListener | None = None
        self._consumer: AIOKafkaConsumer | None = None
        self._paused: set[Partition] = set()
        self._committed: dict[Partition, int] = {}
        self._next: dict[Partition, int] = {}
        """The offset behind what was polled, or where a partition was assigned at."""
        self._told = asyncio.Event()
        """Whether the listener knows what is ours now; it is told of all partitions together."""
        self._unchecked: set[TopicPartition] = set()
        """Whose committed offsets could not be compared with the log's start yet: nothing of them is polled before."""
        self._generation = 0
        """Grows when partitions are taken away: what was polled before must not be handed out any more."""
        self._lost: dict[Partition, str] = {}
        self._schemas = PublishedSchemas(settings, topics)
        self._progress_at = 0.0
        self._twins = Twins(subscription, settings.kafka.heartbeat_interval_seconds)
        self.listener_failures = 0
        self.rebuilds = 0

    async def start(self, listener: RebalanceListener) -> None:
        """Join the group; raises EventLogError."""
        self._listener = listener
        try:
            await self._connect()
        except (KafkaError, OSError, TimeoutError) as error:
            raise await explain(error, self._settings.kafka) from error

    async def _connect(self) -> None:
        subscription, kafka = self._subscription, self._settings.kafka
        # one that may not see its topics would join, be given nothing, and never say so
        await ensure_topics(self._settings, self._topics, needed=subscription.topics)
        consumer = AIOKafkaConsumer(
            **connection_arguments(kafka) | {"client_id": subscription.client_id},
            group_id=subscription.group,
            group_instance_id=subscription.group_instance_id,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            partition_assignment_strategy=(RangePartitionAssignor,),  # the sticky one is broken in aiokafka
            session_timeout_ms=int(kafka.session_timeout_seconds * 1000),
            heartbeat_interval_ms=int(kafka.heartbeat_interval_seconds * 1000),
            rebalance_timeout_ms=int(kafka.rebalance_timeout_seconds * 1000),
            max_poll_interval_ms=int(kafka.max_poll_interval_seconds * 1000),
            max_partition_fetch_bytes=_FETCH_BYTES,
            fetch_max_wait_ms=200,
        )
        consumer.subscribe(topics=list(subscription.topics), listener=_Listener(self, consumer))
        self._consumer = consumer
        self._generation += 1
        for known in (self._told, self._next, self._unchecked):  # of the consumer before this one
            known.clear()
        self._progress_at = asyncio.get_running_loop().time()
        try:
            await start(consumer)
        except BaseException:
            await self._disconnect()
            raise

    async def poll(self, timeout_seconds: float, max_records: int) -> Mapping[Partition, Sequence[PolledRecord]]:
        """Records not yet polled. Raises OffsetLostError, EventLogError."""
        self._raise_lost()
        self._twins.check(asyncio.get_running_loop().time())
        try:
            if self._consumer is None:
                await self._connect()
            if self._unchecked:
                await self._check(list(self._unchecked))
            found = await self._followed(await self._fetched(timeout_seconds, max_records))
            self._raise_lost()
            now = asyncio.get_running_loop().time()
            if found:
                self._progress_at = now
            elif now - self._progress_at > _WATCHDOG_SECONDS:
                await self._watch()
        except (KafkaError, OSError, TimeoutError) as error:
            await self._disconnect()
            raise await explain(error, self._settings.kafka) from error
        for records in found.values():
            self._schemas.note(records)
        return {Partition(*partition): records for partition, records in found.items()}

    async def _fetched(
        self, timeout_seconds: float, max_records: int
    ) -> Mapping[TopicPartition, Sequence[PolledRecord]]:
        """Records of partitions that the listener was told of: nobody could track others. Those are fetched again."""
        consumer, loop = self._open, asyncio.get_running_loop()
        deadline = loop.time() + timeout_seconds
        while True:
            left = max(0.0, deadline - loop.time())
            found: Mapping[TopicPartition, Sequence[PolledRecord]] = await consumer.getmany(
                timeout_ms=int(left * 1000), max_records=max_records
            )
            if self._told.is_set() or not found:
                return found
            self._progress_at = loop.time()
            for partition, records in found.items():
                consumer.seek(partition, records[0].offset)
            try:
                await asyncio.wait_for(self._told.wait(), deadline - loop.time())
            except TimeoutError:
                return {}

    async def _followed(
        self, found: Mapping[TopicPartition, Sequence[PolledRecord]]
    ) -> Mapping[TopicPartition, Sequence[PolledRecord]]:
        """The same, with jumps seen and the places behind it noted; nothing where it was taken away meanwhile.

        Where retention passed us aiokafka goes on at the oldest record and says nothing. A gap alone is no jump: there
        are transaction markers and compacted records.
        """
        expected = {tp: self._next.get(Partition(*tp), records[0].offset) for tp, records in found.items()}
        gaps = [tp for tp, records in found.items() if records[0].offset > expected[tp]]
        if gaps:
            generation = self._generation
            async with asyncio.timeout(self._settings.kafka.request_timeout_seconds):
                starts = await self._open.beginning_offsets(gaps)
            if self._generation != generation:
                return {}
            for tp in gaps:
                self._see_lost(Partition(*tp), expected[tp], starts[tp])
        self._next.update({Partition(*tp): records[-1].offset + 1 for tp, records in found.items()})
        return found

    def _see_lost(self, name: Partition, expected: int, start: int) -> None:
        if start <= expected:
            return
        lost = f"offsets {expected} to {start - 1} are gone"
        logger.error("offset lost", topic=name.topic, partition=name.partition, lost=lost)
        if self._settings.kafka.on_offset_lost == "halt":
            self._lost[name] = lost

    def _raise_lost(self) -> None:
        if self._lost:
            where = "; ".join(f"{name.topic}-{name.partition}: {what}" for name, what in self._lost.items())
            message = f"{where}. See how much is missing, then set kafka.on_offset_lost: continue to go on behind it"
            raise OffsetLostError(message)

    async def _watch(self) -> None:
        """Make the consumer anew where records wait and none comes."""
        consumer = self._open
        self._progress_at = asyncio.get_running_loop().time()
        waiting = [partition for partition in consumer.assignment() if Partition(*partition) not in self._paused]
        if not waiting:
            return
        async with asyncio.timeout(self._settings.kafka.request_timeout_seconds):
            ends = await consumer.end_offsets(waiting)
            behind = [partition for partition, end in ends.items() if await consumer.position(partition) < end]
        if behind:
            self.rebuilds += 1
            logger.warning("consumer made anew", topic=behind[0].topic, partition=behind[0].partition)
            await self._disconnect()

    async def commit(self, next_offsets: Mapping[Partition, int]) -> bool:
        """Store these; ``False`` where they are not ours any more."""
        if self._consumer is None or not next_offsets:
            return not next_offsets
        try:
            async with asyncio.timeout(self._settings.kafka.request_timeout_seconds):
                offsets = {TopicPartition(*partition): offset for partition, offset in next_offsets.items()}
                await self._consumer.commit(offsets)
        except _NOT_OURS:
            return False
        except (KafkaError, OSError, TimeoutError) as error:
            raise await explain(error, self._settings.kafka) from error
        self._committed.update(next_offsets)
        return True

    def pause(self, partitions: Iterable[Partition]) -> None:
        """Fetch nothing from these until resumed, also after a rebalance."""
        self._paused.update(partitions)
        self._apply_pauses()

    def resume(self, partitions: Iterable[Partition]) -> None:
        """Undo ``pause``."""
        resumed = set(partitions)
        self._paused -= resumed
        if self._consumer is not None:
            ours = self._consumer.assignment()
            self._consumer.resume(*(partition for partition in ours if Partition(*partition) in resumed))

    def _apply_pauses(self) -> None:
        if self._consumer is not None:
            ours = self._consumer.assignment()
            self._consumer.pause(*(partition for partition in ours if Partition(*partition) in self._paused))

    async def lag(self) -> Mapping[Partition, PartitionLag]:
        """The log's end less what is committed, and less the marks of transactions behind what was polled."""
        if self._consumer is None:
            return {}
        consumer = self._consumer
        try:
            async with asyncio.timeout(self._settings.kafka.request_timeout_seconds):
                ours = list(consumer.assignment())
                ends = await consumer.end_offsets(ours) if ours else {}
                starts = await consumer.beginning_offsets(ours) if ours else {}
                marks = {partition: await self._marks_behind(consumer, partition) for partition in ours}
        except (KafkaError, OSError, TimeoutError) as error:
            raise await explain(error, self._settings.kafka) from error
        lags = {}
        for partition, end in ends.items():
            name = Partition(*partition)
            committed = max(self._committed.get(name, 0), starts.get(partition, 0))
            waiting = max(0, end - committed - marks[partition])
            lags[name] = PartitionLag(waiting, None, self._retention_ms.get(partition.topic))
        return lags

    async def _marks_behind(self, consumer: AIOKafkaConsumer, partition: TopicPartition) -> int:
        """Offsets that no record has, between the last one polled and where polling goes on."""
        polled = self._next.get(Partition(*partition))
        if polled is None:
            return 0
        try:
            return max(0, int(await consumer.position(partition)) - polled)
        except IllegalStateError:  # it was taken away while we asked
            return 0

    async def read_schemas(self) -> Sequence[bytes]:
        """The whole schema topic, read afresh; and the registry's schemas of ids that were met."""
        return await self._schemas.read()

    async def log_ids(self, partitions: Iterable[Partition]) -> Mapping[Partition, str]:
        """The ids of their topics: a topic that was made again has another."""
        wanted = list(partitions)
        if self._consumer is None:
            return {}
        client = self._consumer._client  # noqa: SLF001 - a connection of its own would be one for each rebalance
        ids = await topic_ids(client, {each.topic for each in wanted}, _IDS_SECONDS)
        return {each: ids[each.topic] for each in wanted if each.topic in ids}

    async def close(self) -> None:
        """Leave the group, within a bound."""
        await self._disconnect()

    @property
    def _open(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            message = "start() comes first"
            raise RuntimeError(message)
        return self._consumer

    async def _disconnect(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await stop_consumer(consumer)

    # rebalances, called by the listener below

    def is_of(self, consumer: AIOKafkaConsumer) -> bool:
        """Whether this is the consumer in use: one that is being stopped may still be given partitions."""
        return self._consumer is consumer

    async def assigned(self, consumer: AIOKafkaConsumer, partitions: list[TopicPartition]) -> None:
        """These are ours: see that what was committed is still there, then tell."""
        self._twins.assigned(asyncio.get_running_loop().time())
        try:
            await self._check(partitions)
        except (KafkaError, OSError, TimeoutError) as error:
            if not self.is_of(consumer):
                return
            logger.warning("committed offsets not checked yet", error=str(error))
            self._unchecked.update(partitions)
        self._apply_pauses()
        await self._tell("on_assigned", partitions)
        if self.is_of(consumer):
            self._told.set()

    async def revoked(self, partitions: list[TopicPartition]) -> None:
        """These will be another's: tell, then forget."""
        self._generation += 1
        self._told.clear()
        await self._tell("on_revoked", partitions)
        for partition in partitions:
            name = Partition(*partition)
            self._unchecked.discard(partition)
            for known in (self._committed, self._next, self._lost):
                known.pop(name, None)

    async def _check(self, partitions: list[TopicPartition]) -> None:
        """A log that starts behind a committed offset has lost what lay between; one that ends before it was made
        anew, and is read from its beginning."""
        consumer = self._open
        async with asyncio.timeout(self._settings.kafka.request_timeout_seconds):
            starts = await consumer.beginning_offsets(partitions) if partitions else {}
            committed_offsets = {partition: await consumer.committed(partition) for partition in partitions}
        if not self.is_of(consumer):
            return
        self._unchecked.difference_update(partitions)
        for partition in consumer.assignment().intersection(partitions):
            name = Partition(*partition)
            committed = committed_offsets[partition]
            # records may have come while we asked: what is behind them is not moved back
            self._next.setdefault(name, starts[partition] if committed is None else committed)
            if committed is None:
                continue
            self._committed[name] = committed
            self._see_lost(name, committed, starts[partition])

    async def _tell(self, what: str, partitions: list[TopicPartition]) -> None:
        if self._listener is None or not partitions:
            return
        try:
            await getattr(self._listener, what)([Partition(*partition) for partition in partitions])
        except Exception:  # aiokafka would swallow it: ours to count
            self.listener_failures += 1
            logger.exception("rebalance listener failed", group=self._subscription.group, hook=what)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka ships no types
    """aiokafka's callbacks, of one consumer; those of one that was given up are nobody's."""

    def __init__(self, source: KafkaSource, consumer: AIOKafkaConsumer) -> None:
        self._source = source
        self._consumer = consumer

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Called when the group has settled."""
        if self._source.is_of(self._consumer):
            await self._source.assigned(self._consumer, list(assigned))

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Called before the group settles anew; heartbeats go on meanwhile."""
        if self._source.is_of(self._consumer):
            await self._source.revoked(list(revoked))
