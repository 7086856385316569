"""The schema topic, read whole; and the registry's schemas of ids that were met, where there is a registry."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.topics import Topics
from sluice.eventlog.kafka.config import connection_arguments, explain
from sluice.eventlog.kafka.starting import start
from sluice.eventlog.kafka.stopping import stop_consumer
from sluice.eventlog.settings import LogSettings

if TYPE_CHECKING:
    from sluice.eventlog.interface import PolledRecord
    from sluice.eventlog.registry.reading import UnknownIds


class PublishedSchemas:
    """What a reader of events can learn, from wherever writers have put it."""

    def __init__(self, settings: LogSettings, topics: Topics) -> None:
        self._settings = settings
        self._topics = topics
        self._unknown_ids: UnknownIds | None = None
        if settings.schema_registry.url:
            from sluice.eventlog.registry.reading import UnknownIds  # noqa: PLC0415 - for who has a registry

            self._unknown_ids = UnknownIds(settings.schema_registry)

    def note(self, records: Iterable[PolledRecord]) -> None:
        """Remember the ids that these are framed with."""
        if self._unknown_ids is not None:
            self._unknown_ids.note(records)

    async def read(self) -> list[bytes]:
        """For ``SchemaBook.learn``, looked up afresh. Raises EventLogError, also where a registry does not answer that
        is needed: nobody should take its silence for an answer."""
        registered = await self._unknown_ids.schemas() if self._unknown_ids is not None else []
        return registered + await read_schema_topic(self._settings, self._topics)


async def read_schema_topic(settings: LogSettings, topics: Topics) -> list[bytes]:
    """The JSON texts of all schemas that writers have published. Raises EventLogError."""
    consumer = AIOKafkaConsumer(**connection_arguments(settings.kafka), auto_offset_reset="earliest")
    try:
        async with asyncio.timeout(settings.kafka.request_timeout_seconds * 2):
            await start(consumer)
            partitions = [TopicPartition(topics.schema.name, number) for number in range(topics.schema.partitions)]
            consumer.assign(partitions)
            return await _read_to_end(consumer, partitions)
    except (KafkaError, OSError, TimeoutError) as error:
        raise await explain(error, settings.kafka) from error
    finally:
        await stop_consumer(consumer)


async def _read_to_end(consumer: AIOKafkaConsumer, partitions: list[TopicPartition]) -> list[bytes]:
    ends = await consumer.end_offsets(partitions)
    schemas: list[bytes] = []
    for partition in partitions:
        await consumer.seek_to_beginning(partition)
        while await consumer.position(partition) < ends[partition]:
            for records in (await consumer.getmany(timeout_ms=500)).values():
                schemas += [record.value for record in records if record.value is not None]
    return schemas
