"""Where there is a Kafka: payloads from the host's queue to the topic, from which one host of all delivers them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from sluice.eventlog.interface import EventLogError, Record

if TYPE_CHECKING:
    from sluice.eventlog.interface import PolledRecord, Publisher

_FIRST_PAUSE_SECONDS = 0.2
_MAX_PAUSE_SECONDS = 10.0

logger = structlog.get_logger(__name__)


class Forwarding:
    """A ``pump.Handle``: ``handle`` returns when Kafka has acknowledged a payload, however long that takes."""

    def __init__(self, publisher: Publisher, topic: str) -> None:
        self._publisher = publisher
        self._topic = topic

    async def handle(self, record: PolledRecord) -> None:
        """Publish it as it is: its key keeps those of a plugin in order."""
        again = Record(self._topic, record.key or b"", record.value, tuple(record.headers))
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                await self._publisher.publish([again])
            except EventLogError as error:
                logger.warning("payload not forwarded", error=str(error))
                await asyncio.sleep(pause)
                pause = min(2 * pause, _MAX_PAUSE_SECONDS)
            else:
                return
