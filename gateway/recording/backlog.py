"""What is owed to the event log: exchanges whose commit failed, until the log takes them.

Their clients did not get the last byte, and their slots in the in-flight file stay open, so that a crash loses none of
them: the next boot does for all what is done here for those of a log that recovers. Each second, once the log admits
exchanges again, what already is in the journal (a commit that only was late) is let go, and the rest is written. Where
the events could not be built, or there is no room in memory to keep them, what the slot knows is written, as
``interrupted``. What its exchange holds in budgets it holds until then.

Two bounds: each holds one slot of the in-flight file, of which there are ``gateway.max_in_flight``, and the events of
all together take ``MAX_BYTES``. While no slot is left, calls are refused (``overloaded``).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import structlog

from gateway.access.settlement import Worth
from gateway.recording.recovery import ChargeRule, interrupted_events, interrupted_worth, recorded_since
from sluice.eventlog.interface import EventLogError

if TYPE_CHECKING:
    from gateway.access.budgets import Budgets
    from gateway.recording.inflight import InFlight, InFlightFile
    from schemas.codec import EncodedEvent
    from sluice.eventlog.interface import Boot, EventLog

MAX_BYTES = 64 << 20

Mark = tuple[int, int]
"""A place in the journal: segment number, bytes in it."""

EventIds = Callable[[Mark], Iterable[str]]
"""The ids of the events in the journal behind a place; called in a thread."""

logger = structlog.get_logger(__name__)


class _Owed(NamedTuple):
    slot: int
    kept: InFlight
    events: Sequence[EncodedEvent]
    size: int


class Backlog:
    """One worker's. ``keep`` is called by its recorder, ``settle`` each second by one task."""

    def __init__(
        self,
        log: EventLog,
        inflight: InFlightFile,
        boot: Boot,
        rule: ChargeRule,
        event_ids_since: EventIds,
        budgets: Budgets,
        *,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._log = log
        self._inflight = inflight
        self._boot = boot
        self._rule = rule
        self._event_ids_since = event_ids_since
        self._budgets = budgets
        self._room = max_bytes
        self._waiting: deque[_Owed] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def keep(self, slot: int, events: Sequence[EncodedEvent]) -> None:
        """The exchange in this slot could not be recorded; no ``events`` where there are none to be had."""
        size = sum([len(event.tail) for event in events])
        if size > self._room:
            events, size = (), 0
        self._room -= size
        self._waiting.append(_Owed(slot, self._inflight.read(slot), events, size))

    async def settle(self) -> None:
        """Write what is owed, up to the first that fails; the next time begins with another."""
        if not (self._waiting and self._log.reserve()):
            return
        self._log.release()  # it only had to say that what was late before has been decided
        owed, settled = list(self._waiting), 0
        try:
            recorded = await asyncio.to_thread(recorded_since, self._event_ids_since, [each.kept for each in owed])
            for each in owed:
                if each.kept.exchange_id not in recorded and not await self._write(each):
                    break
                self._let_go(self._waiting.popleft())
                settled += 1
        except (EventLogError, OSError) as error:
            self._waiting.rotate(-1)
            logger.warning("event log still fails", owed=len(self._waiting), error=str(error))
        if settled:
            logger.info("exchanges recorded late", count=settled, owed=len(self._waiting))

    async def _write(self, owed: _Owed) -> bool:
        """Whether the log had room. Raises what its commit does."""
        if not self._log.reserve():
            return False
        events = owed.events
        if not events:
            self._inflight.price(owed.slot, interrupted_worth(owed.kept, self._rule))
            events = interrupted_events(owed.kept, self._boot, self._rule)
        try:
            await self._log.commit(events)
        finally:
            self._log.release()
        return True

    def _let_go(self, owed: _Owed) -> None:
        self._room += owed.size
        clear, kept = partial(self._inflight.clear, owed.slot), self._inflight.read(owed.slot)
        if kept.rows:
            worth = kept.worth or Worth()
            self._budgets.settle_slot(kept.exchange_id, kept.rows, kept.reserved_nanos, worth, clear)
        else:
            clear()
