"""Carries plugins' messages among gateways, over the topic ``plugin-message``: where there is a Kafka.

Every worker listens for itself and passes over what its own gateway published: that has come another way. Messages are
carried at most once: what waits while Kafka is away gives way to newer ones, what may have arrived is not sent again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec
import structlog

from schemas.topics import Topic, Topics
from sluice.eventlog.interface import EventLogError, PolledRecord, Publisher, Record
from sluice.plugin_host.occasional import OccasionalLog
from sluice.sdk.services import Message

if TYPE_CHECKING:
    from gateway.settings import Settings
    from sluice.plugin_host.messages import MessageCarrier

_OVERHEAD_BYTES = 4096
"""Of a record beside its payload, at most."""
_MAX_WAITING = 1000
_MAX_WAITING_BYTES = 16 << 20
_MAX_BATCH = 100
_POLL_SECONDS = 1.0
_FIRST_PAUSE_SECONDS, _MAX_PAUSE_SECONDS = 0.5, 30.0

logger = structlog.get_logger(__name__)


class Tail(Protocol):
    """Follows a topic from its end."""

    async def poll(self, timeout_seconds: float, max_records: int) -> Sequence[PolledRecord]:
        """What came; empty after the timeout. Raises EventLogError."""
        ...

    async def close(self) -> None:
        """Stop."""
        ...


class Carried(msgspec.Struct, frozen=True, array_like=True):
    """A record's value: who published it, and what."""

    gateway_id: str
    message: Message


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Carried)


class LogCarrier:
    """A ``MessageCarrier`` over the event log; one per worker, on its loop."""

    def __init__(self, publisher: Publisher, tail: Tail, topic: Topic, gateway_id: str) -> None:
        self.dropped = 0
        """Messages that did not reach the log."""
        self.garbled = 0
        """Records that were no messages."""
        self._publisher = publisher
        self._tail = tail
        self._topic = topic
        self._gateway_id = gateway_id
        self._waiting: deque[Record] = deque()
        self._waiting_bytes = 0
        self._wake = asyncio.Event()
        self._unsent = OccasionalLog(logger, "plugin messages not carried to other gateways")
        self._unheard = OccasionalLog(logger, "plugin messages of other gateways not heard")

    @property
    def max_payload_bytes(self) -> int:
        """What fits in a record of the topic."""
        return self._topic.max_message_bytes - _OVERHEAD_BYTES

    def carry(self, message: Message) -> None:
        """Queue it; the oldest gives way where there are too many."""
        value = _encoder.encode(Carried(self._gateway_id, message))
        self._waiting.append(Record(self._topic.name, message.topic.encode(), value))
        self._waiting_bytes += len(value)
        while len(self._waiting) > _MAX_WAITING or self._waiting_bytes > _MAX_WAITING_BYTES:
            self._take()
            self.dropped += 1
        self._wake.set()

    def _take(self) -> Record:
        record = self._waiting.popleft()
        self._waiting_bytes -= len(record.value or b"")
        return record

    async def run(self, arrived: Callable[[Message], None]) -> None:
        """Publish and listen until cancelled; without Kafka, try again and again."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._publish())
                tasks.create_task(self._listen(arrived))
        finally:
            await asyncio.gather(self._tail.close(), self._publisher.close())

    async def _publish(self) -> None:
        pause = _Pause()
        while True:
            await self._wake.wait()
            batch = [self._take() for _ in range(min(_MAX_BATCH, len(self._waiting)))]
            if not batch:
                self._wake.clear()
                continue
            try:
                await self._publisher.publish(batch)
            except EventLogError as error:
                self.dropped += len(batch)
                self._unsent.warning(problem=str(error))
                await pause.take()
            else:
                pause = _Pause()

    async def _listen(self, arrived: Callable[[Message], None]) -> None:
        pause = _Pause()
        while True:
            try:
                records = await self._tail.poll(_POLL_SECONDS, _MAX_BATCH)
            except EventLogError as error:
                self._unheard.warning(problem=str(error))
                await pause.take()
                continue
            pause = _Pause()
            for record in records:
                self._hear(record, arrived)

    def _hear(self, record: PolledRecord, arrived: Callable[[Message], None]) -> None:
        try:
            carried = _decoder.decode(record.value or b"")
        except msgspec.MsgspecError:
            self.garbled += 1
            return
        if carried.gateway_id != self._gateway_id:
            arrived(carried.message)


class _Pause:
    """Each twice as long as the one before it."""

    def __init__(self) -> None:
        self._seconds = _FIRST_PAUSE_SECONDS

    async def take(self) -> None:
        await asyncio.sleep(self._seconds)
        self._seconds = min(2 * self._seconds, _MAX_PAUSE_SECONDS)


def open_message_carrier(settings: Settings) -> MessageCarrier | None:
    """``None`` where there is no Kafka; connects when it runs."""
    if not settings.kafka.bootstrap_servers:
        return None
    from sluice.eventlog.kafka.publisher import KafkaPublisher  # noqa: PLC0415 - Kafka's client, for who has a Kafka
    from sluice.eventlog.kafka.tail import KafkaTail  # noqa: PLC0415 - as above

    topics = Topics(settings.kafka.namespace, settings.kafka.partitions)
    topic = topics.plugin_message
    tail = KafkaTail(settings, topics, topic.name)
    return LogCarrier(KafkaPublisher(settings, topics), tail, topic, settings.gateway.id)
