"""Journal records as Kafka batches: built whole, sent whole (a hop of the loop per record costs seven times as much).

No order is promised for events (ids dedupe, sums commute), so each batch of a topic goes to the next partition: batches
stay large, where hashing the keys would cut each into a dozen small ones.

A batch that the broker refuses is sent again in halves until the record that is at fault is alone. The refused batch
has used up its sequence numbers all the same, so what comes next in its partition is out of order: the halves go
through a fresh producer, once everything else is acknowledged.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    CorruptRecordException,
    InvalidRequestError,
    KafkaError,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    RecordListTooLargeError,
)

from schemas.codec import published_schemas
from schemas.topics import DLQ_SUFFIX, Topics
from sluice.eventlog.interface import EventLogError
from sluice.eventlog.journal.entries import WrittenRecord
from sluice.eventlog.journal.offsets import CommittedOffset
from sluice.eventlog.kafka.admin import ensure_topics
from sluice.eventlog.kafka.config import explain, producer_arguments
from sluice.eventlog.kafka.publisher import stop_within
from sluice.eventlog.kafka.record_batch import RecordBatch, fill_batch
from sluice.eventlog.kafka.starting import start
from sluice.eventlog.settings import LogSettings

if TYPE_CHECKING:
    from sluice.eventlog.registry.framing import Framing

Refused = Callable[[WrittenRecord, str], None]
"""Told of a record that the broker refuses for good, and why."""

_TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)
_REFUSALS = (*_TOO_LARGE, CorruptRecordException, InvalidRequestError)
_RECORD_OVERHEAD_BYTES = 512
"""Headers, lengths and the batch's own head."""
_CLOSE_SECONDS = 2.0


class Watermark(NamedTuple):
    """How far a journal was carried, as Kafka itself knows it."""

    place: CommittedOffset
    is_ours: bool
    """Whether this very producer stored it, and not another of the same journal."""


_Filled = tuple[list[WrittenRecord], RecordBatch]
"""Records of one topic, and the batch of them."""


@dataclass(slots=True)
class _Sent:
    """A batch under way."""

    records: list[WrittenRecord]
    size: int
    """Bytes, before compression."""
    future: asyncio.Future[Any]
    error: KafkaError | None = None
    """Why it is not in the log, where sending it again in another way helps."""


class BatchProducer:
    """One connection's worth of publishing; after any failure it is thrown away and another one made."""

    _is_transactional = False

    def __init__(
        self, settings: LogSettings, topics: Topics, gateway_id: str, refused: Refused, directory: Path | None = None
    ) -> None:
        """``directory`` is the journal's: what must be known without a registry is kept there."""
        self._settings = settings
        self._topics = topics
        self._refused = refused
        self._max_record_bytes = {topic.name: topic.max_message_bytes for topic in topics.all()}
        self._largest = max(self._max_record_bytes.values())
        self._max_batch_bytes: dict[str, int] = {}
        """Of topics that refused a batch for its size: never less than half of what they take (see ``_split``)."""
        self._source = gateway_id
        self._rotations: defaultdict[str, count[int]] = defaultdict(count)
        """By topic: of one for all, three topics in a steady order would each reach a third of twelve partitions."""
        self._producer: AIOKafkaProducer | None = None
        self._framing: Framing | None = None
        if settings.schema_registry.url:
            from sluice.eventlog.registry.framing import IDS_FILE, Framing  # noqa: PLC0415 - for who has a registry

            path = directory / IDS_FILE if directory is not None else None
            self._framing = Framing(settings.schema_registry, topics, path)

    async def start(self) -> None:
        """Connect, make topics, publish the schemas of what is going to be written. Raises EventLogError."""
        try:
            needed = [topic.name for topic in self._topics.all() if not topic.name.endswith(DLQ_SUFFIX)]
            await ensure_topics(self._settings, self._topics, needed)
            if self._framing is not None:
                await self._framing.prepare()
            self._producer = await self._connected()
            await self._publish_schemas(self._producer)
        except BaseException as error:
            await self.close()
            if isinstance(error, KafkaError | OSError | TimeoutError):
                raise await explain(error, self._settings.kafka, "Write") from error
            raise

    async def watermark(self) -> Watermark | None:
        """How far Kafka itself says that this journal was carried; ``None`` where it does not know."""
        return None

    async def _publish_schemas(self, producer: AIOKafkaProducer) -> None:
        for fingerprint, text in published_schemas():
            await producer.send_and_wait(self._topics.schema.name, text, key=fingerprint)

    def _arguments(self) -> dict[str, Any]:
        return producer_arguments(
            self._settings.kafka, self._settings.relay.max_batch_bytes, self._largest + (64 << 10)
        )

    async def _connected(self) -> AIOKafkaProducer:
        """A new producer, with a producer id or an epoch of its own."""
        producer = AIOKafkaProducer(**self._arguments())
        try:
            await start(producer)
        except BaseException:
            await stop_within(producer, _CLOSE_SECONDS)
            raise
        return producer

    async def send(self, records: Sequence[WrittenRecord], watermark: CommittedOffset | None = None) -> None:
        """Return when every record is acknowledged or refused for good; raises EventLogError.

        ``watermark`` is the place behind them, for who stores it together with them.
        """
        if self._framing is not None:
            await self._framing.know(records)
        by_topic: defaultdict[str, list[WrittenRecord]] = defaultdict(list)
        for record in records:
            by_topic[record.topic].append(record)
        try:
            await self._deliver([*by_topic.values()], watermark)
        except ExceptionGroup as group:
            raise await explain(_first(group), self._settings.kafka, "Write") from group
        except (KafkaError, OSError, TimeoutError) as error:
            raise await explain(error, self._settings.kafka, "Write") from error

    async def _deliver(self, chunks: list[list[WrittenRecord]], watermark: CommittedOffset | None) -> None:
        del watermark  # the relay's own file is all there is
        while chunks:  # ends: each time a record is refused for good, or a refused batch is in halves
            sent = await self._send_chunks(chunks)
            chunks = self._to_send_again(sent)
            if any(one.error for one in sent):
                await self._connect_anew()

    def _to_send_again(self, sent: Sequence[_Sent]) -> list[list[WrittenRecord]]:
        """What of these is not in the log, in smaller chunks, less what is refused for good; raises EventLogError."""
        failed = [one for one in sent if one.error is not None]
        if failed and all(isinstance(one.error, OutOfOrderSequenceNumber) for one in failed):
            message = "Kafka refused: sequence numbers are out of order though nothing was refused before"
            raise EventLogError(message)
        return [chunk for one in failed for chunk in self._split(one)]

    async def _connect_anew(self) -> None:
        """Nothing is under way now."""
        spent, self._producer = self._open, await self._connected()
        await stop_within(spent, _CLOSE_SECONDS)

    async def _send_chunks(self, chunks: Sequence[list[WrittenRecord]]) -> list[_Sent]:
        """Send chunks, each of one topic; returns their batches, each with its error where it is not in the log.

        All are filled before any is sent: a refused record that cannot be set aside fails the round, which is tried
        again and again, and would publish its other records each time.
        """
        filled = [self._filled(chunk) for chunk in chunks if chunk]
        async with asyncio.TaskGroup() as sending:
            tasks = [sending.create_task(self._send_batches(batches)) for batches in filled if batches]
        return [sent for task in tasks for sent in task.result()]

    def _filled(self, chunk: list[WrittenRecord]) -> list[_Filled]:
        """Batches of records of one topic; what the topic does not take is refused here, before the broker does it for
        a whole batch."""
        topic, usual = chunk[0].topic, self._settings.relay.max_batch_bytes
        largest = self._max_record_bytes.get(topic, self._largest) - _RECORD_OVERHEAD_BYTES
        max_bytes = min(usual, self._max_batch_bytes.get(topic, usual), largest)
        value_of = None if self._framing is None else self._framing.frame
        filled: list[_Filled] = []
        start = 0
        while start < len(chunk):
            batch, end = fill_batch(
                chunk, start, max_bytes, self._source, value_of=value_of, is_transactional=self._is_transactional
            )
            if len(chunk[start].value or b"") > largest:  # then it fits into no batch with others, and is alone
                self._refused(chunk[start], f"larger than the topic takes ({largest} bytes)")
            else:
                filled.append((chunk[start:end], batch))
            start = end
        return filled

    async def _send_batches(self, batches: list[_Filled]) -> list[_Sent]:
        """Send batches of one topic and wait for each."""
        sent = [_Sent(records, batch.size(), await self._submit(records[0].topic, batch)) for records, batch in batches]
        for one in sent:
            await _wait_for(one)
        return sent

    async def _submit(self, topic: str, batch: RecordBatch) -> asyncio.Future[Any]:
        producer = self._open
        partitions = await producer.partitions_for(topic)
        partition = sorted(partitions)[next(self._rotations[topic]) % len(partitions)]
        future: asyncio.Future[Any] = await producer.send_batch(batch, topic, partition=partition)
        return future

    def _split(self, sent: _Sent) -> list[list[WrittenRecord]]:
        """What of a failed batch is sent again."""
        records, error = sent.records, sent.error
        if isinstance(error, OutOfOrderSequenceNumber):
            return [records]  # only its place was wrong, behind a refused one
        if len(records) == 1:
            self._refused(records[0], f"the broker refuses it: {type(error).__name__}")
            return []
        if isinstance(error, _TOO_LARGE):
            topic = records[0].topic
            self._max_batch_bytes[topic] = min(sent.size // 2, self._max_batch_bytes.get(topic, sent.size))
        middle = len(records) // 2  # one of them is too much, or all together are
        return [records[:middle], records[middle:]]

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


async def _wait_for(sent: _Sent) -> None:
    try:
        await sent.future
    except (*_REFUSALS, OutOfOrderSequenceNumber) as error:
        sent.error = error


def _first(group: BaseExceptionGroup[Any]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
