"""Ranges of Kafka's topics, read in no group."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Collection, Iterable, Mapping, Sequence
from typing import TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from schemas.topics import Topics
from sluice.eventlog.interface import EventLogError, OffsetLostError, Partition, PolledRecord
from sluice.eventlog.kafka.admin import partitions_of
from sluice.eventlog.kafka.config import connection_arguments, explain
from sluice.eventlog.kafka.schema_topic import PublishedSchemas
from sluice.eventlog.kafka.starting import start
from sluice.eventlog.kafka.stopping import stop_consumer
from sluice.eventlog.kafka.topic_ids import topic_ids
from sluice.eventlog.ranges import OffsetRange
from sluice.eventlog.settings import LogSettings

ResultT = TypeVar("ResultT")

_FETCH_BYTES = 4 << 20
_MAX_RECORDS = 5_000
_POLL_MS = 200
_IDS_SECONDS = 5.0


class KafkaRanges:
    """A ``RangeReader``; connects with its first question."""

    def __init__(self, settings: LogSettings, topics: Topics) -> None:
        self._settings = settings
        self._topics = topics
        self._schemas = PublishedSchemas(settings, topics)
        self._consumer: AIOKafkaConsumer | None = None
        self._patience_seconds = 2 * settings.kafka.request_timeout_seconds

    async def ranges(self, topics: Collection[str]) -> Mapping[Partition, OffsetRange]:
        """From the first record that retention has left to the end as ``read_committed`` sees it."""
        numbers = await partitions_of(self._settings.kafka, topics)
        partitions = [TopicPartition(topic, number) for topic, all_of_it in numbers.items() for number in all_of_it]
        if not partitions:
            return {}
        consumer = await self._connected()
        starts = await self._asked(consumer.beginning_offsets(partitions))
        ends = await self._asked(consumer.end_offsets(partitions))
        return {Partition(*each): OffsetRange(starts[each], ends[each]) for each in partitions}

    async def offsets_at(self, ranges: Mapping[Partition, OffsetRange], moment_ms: int) -> Mapping[Partition, int]:
        """As the broker's index of append times knows it."""
        if not ranges:
            return {}
        consumer = await self._connected()
        moments = {TopicPartition(*partition): moment_ms for partition in ranges}
        found = await self._asked(consumer.offsets_for_times(moments))
        offsets = {}
        for partition, wanted in ranges.items():
            at = found.get(TopicPartition(*partition))
            offsets[partition] = wanted.end if at is None else min(max(at.offset, wanted.first), wanted.end)
        return offsets

    async def read(
        self, ranges: Mapping[Partition, OffsetRange], topics: Collection[str]
    ) -> AsyncIterator[Sequence[PolledRecord]]:
        """All partitions side by side; each is left when its position has passed its end."""
        consumer = await self._connected()
        left = {
            TopicPartition(*partition): wanted
            for partition, wanted in ranges.items()
            if not wanted.is_empty and partition.topic in topics
        }
        consumer.assign(list(left))
        for partition, wanted in left.items():
            consumer.seek(partition, wanted.first)
        clock = asyncio.get_running_loop().time
        moved_at = clock()
        waiting: dict[TopicPartition, tuple[int, bool]] = {}
        while left:
            found = await self._polled(consumer, list(left))
            if found:
                moved_at, waiting = clock(), {}
            elif clock() - moved_at > self._patience_seconds:
                before, waiting = waiting, await self._waiting(consumer, left)
                for why in before.items() & waiting.items():
                    raise EventLogError(_in_vain(*why))
                moved_at = clock()
            for partition, records in found.items():
                within = [record for record in records if record.offset < left[partition].end]
                if within:
                    self._schemas.note(within)
                    yield within
            for partition in list(left):
                # behind the last record may lie what is no record: the marks of transactions
                if await self._asked(consumer.position(partition)) >= left[partition].end:
                    del left[partition]
                    consumer.pause(partition)

    async def _waiting(
        self, consumer: AIOKafkaConsumer, left: Mapping[TopicPartition, OffsetRange]
    ) -> dict[TopicPartition, tuple[int, bool]]:
        """Where each stands that waits for what is in the log already, and whether that may be read; the others wait
        for what is yet to come."""
        ends = await self._asked(consumer.end_offsets(list(left)))
        waiting = {}
        for partition, wanted in left.items():
            position = await self._asked(consumer.position(partition))
            is_readable = position < min(ends[partition], wanted.end)
            if is_readable or wanted.end <= (consumer.highwater(partition) or 0):
                waiting[partition] = (position, is_readable)
        return waiting

    async def _polled(
        self, consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition]
    ) -> Mapping[TopicPartition, Sequence[PolledRecord]]:
        try:
            found: Mapping[TopicPartition, Sequence[PolledRecord]] = await consumer.getmany(
                *partitions, timeout_ms=_POLL_MS, max_records=_MAX_RECORDS
            )
        except OffsetOutOfRangeError as error:
            message = "retention deleted records that were still to be read; begin later"
            raise OffsetLostError(message) from error
        except (KafkaError, OSError, TimeoutError) as error:
            raise await explain(error, self._settings.kafka) from error
        return found

    async def _asked(self, question: Awaitable[ResultT]) -> ResultT:
        """The broker's answer, within a bound."""
        try:
            async with asyncio.timeout(self._patience_seconds):
                return await question
        except (KafkaError, OSError, TimeoutError) as error:
            raise await explain(error, self._settings.kafka) from error

    async def _connected(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            consumer = AIOKafkaConsumer(
                **connection_arguments(self._settings.kafka),
                enable_auto_commit=False,
                auto_offset_reset="none",
                isolation_level="read_committed",
                max_partition_fetch_bytes=_FETCH_BYTES,
            )
            try:
                await self._asked(start(consumer))
            except BaseException:
                await stop_consumer(consumer)
                raise
            self._consumer = consumer
        return self._consumer

    async def log_ids(self, partitions: Iterable[Partition]) -> Mapping[Partition, str]:
        """The ids of their topics; none where Kafka does not answer, which the next question tells."""
        wanted = list(partitions)
        try:
            consumer = await self._connected()
        except EventLogError:
            return {}
        ids = await topic_ids(consumer._client, {each.topic for each in wanted}, _IDS_SECONDS)  # noqa: SLF001 - its connection
        return {each: ids[each.topic] for each in wanted if each.topic in ids}

    async def read_schemas(self) -> Sequence[bytes]:
        """The schema topic, whole, and the registry's schemas of the ids that were read."""
        return await self._schemas.read()

    async def close(self) -> None:
        """Disconnect, within a bound."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await stop_consumer(consumer)


def _in_vain(partition: TopicPartition, standing: tuple[int, bool]) -> str:
    """Of one that stood there when it was looked at before, and got nothing since."""
    position, is_readable = standing
    where = f"{partition.topic}-{partition.partition} from offset {position} on"
    if is_readable:
        return f"Kafka gives nothing of {where}, though there is more: try again"
    return (
        f"the records of {where} wait for a transaction that is still open: try again when it has ended (a relay's "
        "does within relay.transaction_timeout_seconds)"
    )
