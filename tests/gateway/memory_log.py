"""An event log that keeps what it is given, and does what a test tells it to."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from schemas.codec import EncodedEvent, SchemaBook
from schemas.events import Kind
from sluice.eventlog.interface import EventLogError

BOOK = SchemaBook()


class MemoryLog:
    """An ``EventLog``. ``commit`` waits for ``released`` and raises ``error`` where there is one."""

    def __init__(self) -> None:
        self.exchanges: list[dict[Kind, dict[str, Any]]] = []
        self.released = asyncio.Event()
        self.released.set()
        self.error: EventLogError | None = None
        self.has_room = True
        self.takes_refusals = True
        self.reserved = 0
        self.waiting = 0

    def reserve(self) -> bool:
        """Room, unless told otherwise."""
        if self.has_room:
            self.reserved += 1
        return self.has_room

    def release(self) -> None:
        """Count back."""
        self.reserved -= 1

    def has_room_for_refusals(self) -> bool:
        """As told."""
        return self.takes_refusals

    async def commit(self, events: Sequence[EncodedEvent]) -> None:
        """Keep the events, decoded."""
        self.waiting += 1
        await self.released.wait()
        self.waiting -= 1
        if self.error is not None:
            raise self.error
        self.exchanges.append(dict(BOOK.decode(event.value(at)) for at, event in enumerate(events)))

    async def close(self) -> None:
        """Nothing to do."""
