"""Publishes side records, each acknowledged before ``publish`` returns."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from schemas.topics import Topics
from sluice.eventlog.interface import CommitFailedError, Record
from sluice.eventlog.kafka.admin import ensure_topics
from sluice.eventlog.kafka.config import explain, producer_arguments
from sluice.eventlog.kafka.starting import start
from sluice.eventlog.settings import LogSettings

_BATCH_BYTES = 256 << 10
_CLOSE_SECONDS = 5.0


class KafkaPublisher:
    """Connects with the first record, and again after a failure."""

    def __init__(self, settings: LogSettings, topics: Topics) -> None:
        self._settings = settings
        self._topics = topics
        self._max_request_bytes = max(topic.max_message_bytes for topic in topics.all())
        self._producer: AIOKafkaProducer | None = None
        self._connecting = asyncio.Lock()

    async def publish(self, records: Sequence[Record]) -> None:
        """Return when all are acknowledged; raises EventLogError, after which some may be in the log."""
        try:
            producer = await self._connected()
            sent = [
                await producer.send(record.topic, record.value, key=record.key, headers=list(record.headers))
                for record in records
            ]
            async with asyncio.timeout(self._settings.kafka.request_timeout_seconds * 2):
                await asyncio.gather(*sent)
        except (KafkaError, OSError, TimeoutError) as error:
            await self._disconnect()
            raise await explain(error, self._settings.kafka, "Write") from error
        except (TypeError, ValueError) as error:  # no bytes, a header name that is no text: ours to have seen before
            message = f"a record cannot be sent as it is: {error}"
            raise CommitFailedError(message) from error

    async def _connected(self) -> AIOKafkaProducer:
        async with self._connecting:
            if self._producer is None:
                await ensure_topics(self._settings, self._topics, needed=())
                arguments = producer_arguments(self._settings.kafka, _BATCH_BYTES, self._max_request_bytes)
                producer = AIOKafkaProducer(**arguments, linger_ms=5)
                try:
                    await start(producer)
                except BaseException:
                    await stop_within(producer, _CLOSE_SECONDS)
                    raise
                self._producer = producer
            return self._producer

    async def _disconnect(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await stop_within(producer, _CLOSE_SECONDS)

    async def close(self) -> None:
        """Stop; what ``publish`` returned for stays."""
        await self._disconnect()


async def stop_within(producer: AIOKafkaProducer, seconds: float) -> None:
    """Stop a producer; one that waits for a broker that never answers is cut off after a while."""
    try:
        async with asyncio.timeout(seconds):
            await producer.stop()
    except (KafkaError, OSError, TimeoutError):
        sender = producer._sender  # noqa: SLF001 - a stop that is cut short leaves it running, and nothing else ends it
        if sender is not None and sender.sender_task is not None:
            sender.sender_task.cancel()
        with suppress(KafkaError, OSError, TimeoutError):
            async with asyncio.timeout(seconds):
                await producer.client.close()
