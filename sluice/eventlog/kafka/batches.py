"""Journal records as Kafka batches: built whole, sent whole (a hop of the loop per record costs seven times as much).

No order is promised for events (ids dedupe, sums commute), so each batch of a topic goes to the next partition: batches
stay large, where hashing the keys would cut each into a dozen small ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import count
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    CorruptRecordException,
    InvalidRequestError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)

from schemas.cloudevents import EVENT_ID, cloudevent_headers
from schemas.codec import published_schemas
from schemas.topics import Topics
from sluice.eventlog.journal.entries import WrittenRecord
from sluice.eventlog.kafka.admin import ensure_topics
from sluice.eventlog.kafka.config import producer_arguments, translate
from sluice.eventlog.kafka.publisher import stop_within
from sluice.eventlog.settings import LogSettings

Refused = Callable[[WrittenRecord, str], None]
"""Told of a record that the broker refuses for good, and why."""

_REFUSALS = (MessageSizeTooLargeError, RecordListTooLargeError, CorruptRecordException, InvalidRequestError)
_RECORD_OVERHEAD_BYTES = 512
"""Headers, lengths and the batch's own head."""
_CLOSE_SECONDS = 2.0


class BatchProducer:
    """One connection's worth of publishing; after any failure it is thrown away and another one made."""

    def __init__(self, settings: LogSettings, topics: Topics, gateway_id: str, refused: Refused) -> None:
        self._settings = settings
        self._topics = topics
        self._refused = refused
        self._max_record_bytes = {topic.name: topic.max_message_bytes for topic in topics.all()}
        self._largest = max(self._max_record_bytes.values())
        self._source = gateway_id
        self._rotation = count()
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Connect, make topics, publish the schemas of what is going to be written. Raises EventLogError."""
        settings = self._settings
        producer = AIOKafkaProducer(
            **producer_arguments(settings.kafka, settings.relay.max_batch_bytes, self._largest + (64 << 10))
        )
        try:
            await ensure_topics(settings, self._topics)
            await producer.start()
            topic = self._topics.schema.name
            for fingerprint, text in published_schemas():
                await producer.send_and_wait(topic, text, key=fingerprint)
        except BaseException as error:
            await stop_within(producer, _CLOSE_SECONDS)
            if isinstance(error, KafkaError | OSError | TimeoutError):
                raise translate(error, settings.kafka) from error
            raise
        self._producer = producer

    async def send(self, records: Sequence[WrittenRecord]) -> None:
        """Return when every record is acknowledged or refused for good; raises EventLogError."""
        by_topic: dict[str, list[WrittenRecord]] = {}
        for record in records:
            by_topic.setdefault(record.topic, []).append(record)
        try:
            async with asyncio.TaskGroup() as sending:
                for topic, own in by_topic.items():
                    sending.create_task(self._send_topic(topic, own))
        except ExceptionGroup as group:
            raise translate(_first(group), self._settings.kafka) from group

    async def _send_topic(self, topic: str, records: list[WrittenRecord]) -> None:
        fitting = self._fitting(topic, records)
        sent: list[tuple[asyncio.Future[Any], list[WrittenRecord]]] = []
        start = 0
        while start < len(fitting):
            batch = self._open.create_batch()
            end = start
            while end < len(fitting) and self._append(batch, fitting[end]):
                end += 1
            sent.append((await self._submit(topic, batch), fitting[start:end]))
            start = end
        for future, batch_records in sent:
            await self._acknowledged(topic, future, batch_records)

    def _fitting(self, topic: str, records: list[WrittenRecord]) -> list[WrittenRecord]:
        """Those that the topic takes; the others are refused here, before the broker does it for a whole batch."""
        limit = self._max_record_bytes.get(topic, self._largest) - _RECORD_OVERHEAD_BYTES
        kept = []
        for record in records:
            if len(record.value or b"") <= limit:
                kept.append(record)
            else:
                self._refused(record, f"larger than the topic takes ({limit} bytes)")
        return kept

    def _append(self, batch: Any, record: WrittenRecord) -> bool:
        headers = list(record.headers)
        if record.event_id:
            headers = _event_headers(record, self._source) + headers
        return batch.append(timestamp=None, key=record.key, value=record.value, headers=headers) is not None

    async def _submit(self, topic: str, batch: Any) -> asyncio.Future[Any]:
        producer = self._open
        partitions = await producer.partitions_for(topic)
        partition = sorted(partitions)[next(self._rotation) % len(partitions)]
        future: asyncio.Future[Any] = await producer.send_batch(batch, topic, partition=partition)
        return future

    async def _acknowledged(self, topic: str, future: asyncio.Future[Any], records: list[WrittenRecord]) -> None:
        try:
            await future
        except _REFUSALS as error:
            if len(records) == 1:
                self._refused(records[0], f"the broker refuses it: {type(error).__name__}")
                return
            middle = len(records) // 2  # one of them is too much, or all together are
            await self._send_topic(topic, records[:middle])
            await self._send_topic(topic, records[middle:])

    @property
    def _open(self) -> AIOKafkaProducer:
        if self._producer is None:
            message = "start() comes first"
            raise RuntimeError(message)
        return self._producer

    async def close(self) -> None:
        """Stop, within a bound."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await stop_within(producer, _CLOSE_SECONDS)


def _event_headers(record: WrittenRecord, source: str) -> list[tuple[str, bytes]]:
    seconds, micros = divmod(record.occurred_at, 1_000_000)
    kind, origin, moment, version = _fixed_headers(record.topic, source, seconds)
    at = moment[1][:20] + b"%06dZ" % micros
    return [(EVENT_ID, record.event_id), kind, origin, (moment[0], at), version]


@lru_cache(maxsize=1024)
def _fixed_headers(topic: str, source: str, second: int) -> list[tuple[str, bytes]]:
    """The CloudEvents headers but for the id; those of one second differ in the last digits of their time alone."""
    return cloudevent_headers(topic, "", source, second * 1_000_000)[1:]


def _first(group: BaseExceptionGroup[Any]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
