"""Sends records to any topic of any cluster: idempotent, acknowledged by all in-sync replicas, in whole batches.

A batch that the broker refuses for its size has used up its sequence numbers, so what comes next goes through a fresh
producer (as the relay's does). Nothing is sent again here: whoever calls knows what may come twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError
from aiokafka.partitioner import DefaultPartitioner

from sluice.eventlog.interface import EventLogError
from sluice.eventlog.kafka.config import KafkaUnreachableError, explain, producer_arguments
from sluice.eventlog.kafka.publisher import stop_within
from sluice.eventlog.kafka.starting import start
from sluice.eventlog.settings import KafkaSettings

_CLOSED = "the connection is closed"
_TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)
_CLOSE_SECONDS = 2.0
_REQUEST_ROOM_BYTES = 64 << 10
_OVERHEAD_BYTES = 96
"""Of a batch's own head and of a record's lengths, with room to spare."""


class TooLargeError(EventLogError):
    """The topic does not take a batch of this size: with one record, that record."""


class OutgoingRecord(NamedTuple):
    """What is published; one without a key goes to any partition."""

    topic: str
    key: bytes | None
    value: bytes
    headers: list[tuple[str, bytes]]

    def size_bytes(self) -> int:
        """As it counts against ``max.message.bytes``, before compression."""
        held = sum(len(name.encode()) + len(value or b"") + 10 for name, value in self.headers)
        return len(self.key or b"") + len(self.value) + held + _OVERHEAD_BYTES


class Forwarder:
    """One connection's worth of publishing, made anew after a failure; ``max_batch_bytes`` is of the largest batch."""

    def __init__(self, settings: KafkaSettings, max_batch_bytes: int) -> None:
        self._settings = settings
        self._max_bytes = max_batch_bytes + _REQUEST_ROOM_BYTES
        self._partitioner = DefaultPartitioner()
        self._producer: AIOKafkaProducer | None = None
        self._connecting = asyncio.Lock()
        self._is_closed = False
        self._waiting: set[asyncio.Timeout] = set()

    async def partitions(self, topic: str) -> list[int]:
        """Those of a topic, in order. Raises EventLogError."""
        producer = await self._connected()
        try:
            async with self._within(self._settings.request_timeout_seconds):
                return sorted(await producer.partitions_for(topic))
        except (KafkaError, OSError, TimeoutError) as error:
            raise await self._failed(producer, error) from error

    def partition_of(self, key: bytes | None, partitions: list[int]) -> int:
        """Where a key goes, as all of Kafka's own clients have it; any of them without a key."""
        return int(self._partitioner(key, partitions, partitions))

    async def send(self, records: Sequence[OutgoingRecord], partition: int) -> None:
        """One batch; returns when it is acknowledged.

        Raises TooLargeError, and EventLogError, after which it may be in the topic or not.
        """
        producer = await self._connected()
        try:
            async with self._within(2 * self._settings.request_timeout_seconds):
                await (await self._submit(producer, records, partition))
        except _TOO_LARGE as error:
            await self._retire(producer)
            raise TooLargeError("larger than the topic takes") from error
        except (KafkaError, OSError, TimeoutError) as error:
            raise await self._failed(producer, error) from error

    @asynccontextmanager
    async def _within(self, seconds: float) -> AsyncIterator[None]:
        """TimeoutError after so long, or when all is closed."""
        async with asyncio.timeout(seconds) as limit:
            self._waiting.add(limit)
            try:
                yield
            finally:
                self._waiting.discard(limit)

    async def _failed(self, producer: AIOKafkaProducer, error: BaseException) -> EventLogError:
        """What to raise of it; who closes does not wait until it is found out why nobody answers."""
        if self._is_closed:
            return KafkaUnreachableError(_CLOSED)
        await self._retire(producer)
        return await explain(error, self._settings, "Write")

    async def _submit(self, producer: AIOKafkaProducer, records: Sequence[OutgoingRecord], partition: int) -> Any:
        batch = producer.create_batch()
        for record in records:
            if batch.append(timestamp=None, key=record.key, value=record.value, headers=record.headers) is None:
                raise RecordListTooLargeError
        return await producer.send_batch(batch, records[0].topic, partition=partition)

    async def start(self) -> None:
        """Connect; again has no effect. Raises EventLogError."""
        await self._connected()

    async def _connected(self) -> AIOKafkaProducer:
        async with self._connecting:
            if self._is_closed:
                raise KafkaUnreachableError(_CLOSED)
            if self._producer is None:
                self._producer = await self._connect()
            return self._producer

    async def _connect(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(**producer_arguments(self._settings, self._max_bytes, self._max_bytes))
        try:
            await start(producer)
        except BaseException as error:
            await stop_within(producer, _CLOSE_SECONDS)
            if isinstance(error, KafkaError | OSError | TimeoutError):
                raise await explain(error, self._settings, "Write") from error
            raise
        return producer

    async def _retire(self, producer: AIOKafkaProducer) -> None:
        """Let go of a producer that failed; what others still send through it ends well within the time, or fails."""
        if self._producer is producer:
            self._producer = None
            await stop_within(producer, _CLOSE_SECONDS)

    async def close(self) -> None:
        """Stop, for good; what ``send`` returned for stays."""
        self._is_closed = True
        producer, self._producer = self._producer, None
        if producer is not None:
            await stop_within(producer, _CLOSE_SECONDS)
        for limit in [each for each in self._waiting if not each.expired()]:
            limit.reschedule(asyncio.get_running_loop().time())
