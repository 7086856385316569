"""An event log that keeps what it is given, and does what a test tells it to."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from schemas.codec import EncodedEvent, SchemaBook
from schemas.events import Kind
from sluice.eventlog.interface import EventLogError
from sluice.eventlog.memory import MemoryBroker, MemoryEventLog

BOOK = SchemaBook()


class MemoryLog(MemoryEventLog):
    """A ``MemoryEventLog`` whose ``commit`` waits for ``released`` and raises ``error`` where there is one."""

    def __init__(self) -> None:
        super().__init__(MemoryBroker())
        self.exchanges: list[dict[Kind, dict[str, Any]]] = []
        self.released = asyncio.Event()
        self.released.set()
        self.has_room = True
        self.takes_refusals = True
        self.waiting = 0

    @property
    def error(self) -> EventLogError | None:
        """What every commit raises."""
        return self.broker.error

    @error.setter
    def error(self, error: EventLogError | None) -> None:
        self.broker.error = error

    @property
    def reserved(self) -> int:
        """Exchanges that have room set aside."""
        return self.broker.reserved

    def reserve(self) -> bool:
        """Room, unless told otherwise."""
        return self.has_room and super().reserve()

    def has_room_for_refusals(self) -> bool:
        """As told."""
        return self.takes_refusals

    async def commit(self, events: Sequence[EncodedEvent]) -> None:
        """Keep the events, and decoded too."""
        self.waiting += 1
        await self.released.wait()
        self.waiting -= 1
        await super().commit(events)
        self.exchanges.append(dict(BOOK.decode(event.value(at)) for at, event in enumerate(events)))
