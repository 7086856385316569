"""Follows a topic from its end, in no group: what is published while one listens, and nothing from before."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from schemas.topics import Topics
from sluice.eventlog.interface import PolledRecord
from sluice.eventlog.kafka.admin import ensure_topics
from sluice.eventlog.kafka.config import connection_arguments, explain
from sluice.eventlog.kafka.starting import start
from sluice.eventlog.kafka.stopping import stop_consumer
from sluice.eventlog.settings import LogSettings

_SILENT_SECONDS = 20.0
"""So long without a record, and it is looked whether some wait: aiokafka may sit silent when a broker came back."""

_FETCH_SECONDS = 1.0
"""So long a broker keeps a question to which it has no answer; with the first record it answers at once. Five times a
second, as aiokafka would by itself, cost an idle worker more than all else it does. More than a second may be too long:
a partition of which records were not taken within 0.1 s is left out of the next question."""


class KafkaTail:
    """Connects with the first ``poll``, and again after a failure, each time at the topic's end then."""

    def __init__(self, settings: LogSettings, topics: Topics, topic: str) -> None:
        self._settings = settings
        self._topics = topics
        self._topic = topic
        self._consumer: AIOKafkaConsumer | None = None
        self._progress_at = 0.0

    async def poll(self, timeout_seconds: float, max_records: int) -> Sequence[PolledRecord]:
        """Records of all partitions, in order per partition; empty after the timeout. Raises EventLogError."""
        try:
            consumer = self._consumer or await self._connect()
            found = await consumer.getmany(timeout_ms=int(timeout_seconds * 1000), max_records=max_records)
            await self._watch(consumer, is_silent=not found)
        except (KafkaError, OSError, TimeoutError) as error:
            await self.close()
            raise await explain(error, self._settings.kafka) from error
        return [record for records in found.values() for record in records]

    async def _connect(self) -> AIOKafkaConsumer:
        await ensure_topics(self._settings, self._topics, needed=(self._topic,))
        fetch_ms = int(1000 * min(_FETCH_SECONDS, self._settings.kafka.request_timeout_seconds / 2))
        consumer = AIOKafkaConsumer(
            self._topic,
            **connection_arguments(self._settings.kafka),
            auto_offset_reset="latest",
            enable_auto_commit=False,
            isolation_level="read_committed",
            fetch_max_wait_ms=fetch_ms,
            consumer_timeout_ms=fetch_ms,
        )
        self._consumer = consumer
        self._progress_at = asyncio.get_running_loop().time()
        await start(consumer)
        async with self._patience():
            for partition in consumer.assignment():
                await consumer.position(partition)  # the end as it is now, not when the first record comes
        return consumer

    def _patience(self) -> asyncio.Timeout:
        """aiokafka waits for a position for ever where its broker went away, and nobody would hear of that."""
        return asyncio.timeout(2 * self._settings.kafka.request_timeout_seconds)

    async def _watch(self, consumer: AIOKafkaConsumer, *, is_silent: bool) -> None:
        now = asyncio.get_running_loop().time()
        if is_silent and now - self._progress_at < _SILENT_SECONDS:
            return
        self._progress_at = now
        if is_silent:
            async with self._patience():
                ends = await consumer.end_offsets(list(consumer.assignment()))
                is_behind = any([await consumer.position(partition) < end for partition, end in ends.items()])
            if is_behind:
                await self.close()

    async def close(self) -> None:
        """Stop listening, within a bound."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await stop_consumer(consumer)
