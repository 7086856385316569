"""The durability modes: what must have happened before an exchange's last byte goes out.

fast      the events are in memory; a crash loses what ``unflushed_bytes`` shows
durable   they are in the journal
strict    they are in the journal, and Kafka has acknowledged them
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from schemas.codec import EncodedEvent
from sluice.eventlog.interface import CommitFailedError, EventLog, EventLogError, NotAcknowledgedError
from sluice.eventlog.journal.journal import Journal
from sluice.eventlog.settings import LogSettings, StrictSettings


class Acknowledger(Protocol):
    """Whoever carries the journal to Kafka."""

    @property
    def is_acknowledging(self) -> bool:
        """Whether Kafka answers now."""
        ...

    async def wait_for(self, next_offset: int) -> None:
        """Return when everything before this offset of the journal is acknowledged."""
        ...


def open_log(settings: LogSettings, journal: Journal, relay: Acknowledger | None) -> EventLog:
    """The event log of a worker, in the mode that its settings say."""
    drops = settings.journal.on_full == "drop"
    mode = settings.eventlog.durability
    if mode == "fast":
        return FastLog(journal, settings, drops=drops)
    if mode == "strict" and relay is not None:
        return StrictLog(journal, relay, settings.strict, drops=drops)
    return DurableLog(journal, drops=drops)


class DurableLog:
    """Events are in the journal when ``commit`` returns.

    With ``drops`` (``journal.on_full: drop``) nobody is refused for want of room: an exchange that then finds none is
    counted (``exchanges_dropped``), and so is one whose write fails (``exchanges_undurable``).
    """

    def __init__(self, journal: Journal, *, drops: bool = False) -> None:
        self._journal = journal
        self._room = journal.room
        self._drops = drops

    def reserve(self) -> bool:
        """Set one exchange's room aside."""
        if self._drops:
            self._room.overbook()
            return True
        return self._room.reserve()

    def release(self) -> None:
        """Give it back."""
        self._room.release()

    def has_room_for_refusals(self) -> bool:
        """Whether four fifths are not used yet."""
        return self._room.has_room_for_refusals()

    async def commit(self, events: Sequence[EncodedEvent]) -> None:
        """Append; raises CommitFailedError, CommitTimeoutError."""
        if self._drops:
            await self._append_or_count(events)
        else:
            await self._journal.submit(events)

    async def _append_or_count(self, events: Sequence[EncodedEvent]) -> int | None:
        """The next offset behind them; ``None`` where they are not in the journal, which is counted."""
        if not self._room.fits():
            self._journal.counters.exchanges_dropped += 1
            return None
        try:
            return await self._journal.append(events)
        except EventLogError:
            self._journal.counters.exchanges_undurable += 1
            return None

    async def close(self) -> None:
        """The journal is its owner's to close."""


class StrictLog(DurableLog):
    """Events are in the journal and acknowledged by Kafka when ``commit`` returns."""

    def __init__(self, journal: Journal, relay: Acknowledger, settings: StrictSettings, *, drops: bool = False) -> None:
        super().__init__(journal, drops=drops)
        self._relay = relay
        self._settings = settings

    def reserve(self) -> bool:
        """Set room aside, where Kafka acknowledges; ``strict.on_timeout: degrade`` goes on without it."""
        if self._settings.on_timeout == "refuse" and not self._relay.is_acknowledging:
            return False
        return super().reserve()

    async def commit(self, events: Sequence[EncodedEvent]) -> None:
        """Append and wait; raises NotAcknowledgedError where Kafka does not answer and the policy is ``refuse``."""
        offset = await (self._append_or_count(events) if self._drops else self._journal.append(events))
        if offset is None:
            return
        try:
            async with asyncio.timeout(self._settings.timeout_seconds):
                await self._relay.wait_for(offset)
        except TimeoutError:
            if self._settings.on_timeout == "refuse":
                message = f"Kafka did not acknowledge within {self._settings.timeout_seconds:g} s"
                raise NotAcknowledgedError(message) from None
            self._journal.counters.exchanges_degraded += 1


class FastLog(DurableLog):
    """Events are in memory when ``commit`` returns, and in the journal every ``eventlog.fast_flush_seconds``."""

    def __init__(self, journal: Journal, settings: LogSettings, *, drops: bool = False) -> None:
        super().__init__(journal, drops=drops)
        self._max_bytes = settings.eventlog.fast_max_bytes
        self._flush_seconds = settings.eventlog.fast_flush_seconds
        self._waiting: deque[tuple[Sequence[EncodedEvent], int]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._in_journal: set[asyncio.Future[int]] = set()

    async def commit(self, events: Sequence[EncodedEvent]) -> None:
        """Remember; raises CommitFailedError where memory's bound is reached, unless losses are only counted."""
        size = sum([len(event.tail) for event in events])
        counters = self._journal.counters
        if counters.unflushed_bytes + size > self._max_bytes or (self._drops and not self._room.fits()):
            if not self._drops:
                message = f"more than {self._max_bytes} bytes wait for the journal (eventlog.fast_max_bytes)"
                raise CommitFailedError(message)
            counters.exchanges_dropped += 1
            return
        counters.unflushed_bytes += size
        self._waiting.append((events, size))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._flush_seconds, self._flush)

    def _flush(self) -> None:
        """Hand everything to the journal: what arrives in one turn of the loop is one write."""
        self._timer = None
        while self._waiting:
            events, size = self._waiting.popleft()
            written = self._journal.submit(events)
            self._in_journal.add(written)
            written.add_done_callback(lambda future, size=size: self._written(future, size))  # type: ignore[misc]

    def _written(self, future: asyncio.Future[int], size: int) -> None:
        self._in_journal.discard(future)
        counters = self._journal.counters
        counters.unflushed_bytes -= size
        if future.cancelled() or future.exception() is not None:
            counters.exchanges_undurable += 1

    async def close(self) -> None:
        """Write what is in memory."""
        if self._timer is not None:
            self._timer.cancel()
        self._flush()
        if self._in_journal:
            await asyncio.wait(tuple(self._in_journal))
