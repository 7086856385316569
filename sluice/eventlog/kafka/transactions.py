"""Publishing with ``relay.exactly_once``: each round and the watermark behind it are one Kafka transaction.

1 begin   2 send the batches   3 send the watermark, as a group's offset   4 commit   (5 the relay's own file, a copy)

Whatever ends us between two steps, the next relay of this journal takes the transactional id (which aborts what is
open, and fences us where we still live), reads the watermark that was committed, and goes on there. Readers of
committed records see each event once. The order is the guarantee: the id first, then the watermark.
"""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    InvalidTxnState,
    KafkaError,
    ProducerFenced,
)
from aiokafka.structs import OffsetAndMetadata

from schemas.topics import Topics
from sluice.eventlog.interface import EventLogError
from sluice.eventlog.journal.entries import WrittenRecord
from sluice.eventlog.journal.offsets import CommittedOffset, replace_file, split_offset
from sluice.eventlog.kafka.batches import BatchProducer, Refused, Watermark
from sluice.eventlog.kafka.config import connection_arguments, explain
from sluice.eventlog.kafka.starting import start
from sluice.eventlog.settings import LogSettings

ID_FILE = "relay-id"
_BETWEEN = "/"
_FENCES = (ProducerFenced, InvalidProducerEpoch, InvalidProducerIdMapping, InvalidTxnState)


class FencedError(EventLogError):
    """Another relay has taken this journal's transactional id, or ours slept through its transaction's timeout."""


class TransactionalProducer(BatchProducer):
    """A ``BatchProducer`` whose rounds are transactions."""

    _is_transactional = True

    def __init__(
        self, settings: LogSettings, topics: Topics, gateway_id: str, refused: Refused, directory: Path
    ) -> None:
        super().__init__(settings, topics, gateway_id, refused, directory)
        self.transactional_id = f"{topics.namespace}.relay.{journal_id(directory)}"
        self._life = secrets.token_hex(8)
        self._watermark_at = TopicPartition(topics.schema.name, 0)
        """A partition that always exists; the group is this journal's alone, so any would do."""

    def _arguments(self) -> dict[str, Any]:
        timeout_ms = int(self._settings.relay.transaction_timeout_seconds * 1000)
        own = {"transactional_id": self.transactional_id, "transaction_timeout_ms": timeout_ms}
        return super()._arguments() | own

    async def watermark(self) -> Watermark | None:
        """What was committed last, by whichever relay of this journal; ``None`` where nothing was."""
        kafka = self._settings.kafka
        admin = AIOKafkaAdminClient(**connection_arguments(kafka))
        try:
            async with self._patience():
                await start(admin)
                found = await admin.list_consumer_group_offsets(self.transactional_id, partitions=[self._watermark_at])
        except (KafkaError, OSError, TimeoutError) as error:
            raise await explain(error, kafka) from error
        finally:
            await admin.close()
        committed = found.get(self._watermark_at)
        return None if committed is None or committed.offset < 0 else self._understood(committed)

    def _understood(self, committed: OffsetAndMetadata) -> Watermark:
        segment, record = split_offset(committed.offset)
        segment_id, _, writer = (committed.metadata or "").partition(_BETWEEN)
        try:
            place = CommittedOffset(segment, record, bytes.fromhex(segment_id))
        except ValueError:
            place = CommittedOffset(segment, record, b"")
        return Watermark(place, writer == self._life)

    async def _publish_schemas(self, producer: AIOKafkaProducer) -> None:
        async with self._patience():
            await producer.begin_transaction()
            await super()._publish_schemas(producer)
            await producer.commit_transaction()

    async def _deliver(self, chunks: list[list[WrittenRecord]], watermark: CommittedOffset | None) -> None:
        """Whole transactions only: one with a refused batch is given up, and the next has that batch in halves."""
        try:
            while (again := await self._deliver_once(chunks, watermark)) is not None:
                chunks = again
                await self._connect_anew()
        except ExceptionGroup as group:
            if fences := group.subgroup(_FENCES):
                raise FencedError(_fenced(self.transactional_id, fences)) from group
            raise
        except _FENCES as error:
            raise FencedError(_fenced(self.transactional_id, error)) from error

    async def _deliver_once(
        self, chunks: list[list[WrittenRecord]], watermark: CommittedOffset | None
    ) -> list[list[WrittenRecord]] | None:
        """``None`` where it was committed; else all that must be in the next one."""
        producer = self._open
        async with self._patience():
            await producer.begin_transaction()
            sent = await self._send_chunks(chunks)
            again = self._to_send_again(sent)
            if any(one.error for one in sent):
                return [*again, *(one.records for one in sent if one.error is None)]
            if watermark is not None:
                place = OffsetAndMetadata(watermark.offset, watermark.segment_id.hex() + _BETWEEN + self._life)
                await producer.send_offsets_to_transaction({self._watermark_at: place}, self.transactional_id)
            await producer.commit_transaction()
        return None

    def _patience(self) -> asyncio.Timeout:
        """aiokafka asks a coordinator that is away again and again, for ever."""
        kafka, relay = self._settings.kafka, self._settings.relay
        return asyncio.timeout(max(2 * kafka.request_timeout_seconds, relay.transaction_timeout_seconds))


def journal_id(directory: Path) -> str:
    """A name for this journal that no other has: made once, and kept in its directory, wherever that is moved.

    Not the path: a journal that was deleted and begun anew is another one, whose records nobody has carried yet.
    """
    path = directory / ID_FILE
    try:
        found = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        found = ""
    if len(found) != 16 or not found.isalnum():
        found = secrets.token_hex(8)
        replace_file(path, found.encode() + b"\n")
    return found


def _fenced(transactional_id: str, error: Exception) -> str:
    return (
        f"transactional id {transactional_id} is another's now, or its transaction timed out ({type(error).__name__})"
    )
