"""Payloads that nobody took: kept as they were, with the reason beside them, in the topic's dead letters."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from sluice.clock import iso_micros, now_micros
from sluice.eventlog.interface import EventLogError, Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.topics import Topics
    from sluice.eventlog.interface import PolledRecord, Publisher

PREFIX = "dlq."
JOURNAL = "edge-payloads"
"""Where there is no Kafka: the journal of that name among those of the collectors."""
_MAX_REASON_CHARACTERS = 256
_FIRST_PAUSE_SECONDS = 0.2
_MAX_PAUSE_SECONDS = 10.0

logger = structlog.get_logger(__name__)


class DeadLetters:
    """Publishes them. The publisher is opened with the first: most processes never have one."""

    def __init__(self, open_publisher: Callable[[], Publisher], topics: Topics, group: str) -> None:
        self._open = open_publisher
        self._publisher: Publisher | None = None
        self._topic = topics.edge_payload.dead_letters().name
        self._group = group

    async def bury(self, record: PolledRecord, error_type: str, reason: str, attempts: int, since: int) -> None:
        """Return when the log has it, however long that takes; ``since`` is when it first failed, in micros."""
        letter = self._letter(record, error_type, reason, attempts, since)
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                if self._publisher is None:
                    self._publisher = self._open()
                await self._publisher.publish([letter])
            except EventLogError as error:
                logger.warning("dead letter of a payload not written", error=str(error))
                await asyncio.sleep(pause)
                pause = min(2 * pause, _MAX_PAUSE_SECONDS)
            else:
                return

    def _letter(self, record: PolledRecord, error_type: str, reason: str, attempts: int, since: int) -> Record:
        facts = {
            "error.type": error_type,
            "error.reason": reason[:_MAX_REASON_CHARACTERS],
            "group": self._group,
            "topic": record.topic,
            "partition": str(record.partition),
            "offset": str(record.offset),
            "timestamp": str(record.timestamp),
            "attempts": str(attempts),
            "first_failed_at": iso_micros(since),
            "buried_at": iso_micros(now_micros()),
        }
        kept = [(name, value) for name, value in record.headers if not name.startswith(PREFIX)]
        ours = [(PREFIX + name, text.encode("utf-8", "replace")) for name, text in facts.items()]
        return Record(self._topic, record.key or b"", record.value, (*kept, *ours))

    async def close(self) -> None:
        """Close the publisher, if it was opened."""
        if self._publisher is not None:
            await self._publisher.close()
            self._publisher = None
