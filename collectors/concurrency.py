"""How many writes may be in flight: grows one by one while the sink keeps up, halves when it throttles."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Concurrency:
    """Slots for writes, handed out in the order they were asked for. Additive increase, multiplicative decrease."""

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._successes = 0
        self._round = 0
        self.limit = (maximum + 1) // 2
        self.in_flight = 0

    @property
    def has_room(self) -> bool:
        """Whether a slot is free and nobody waits for it."""
        return self.in_flight < self.limit and not self._waiters

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[int]:
        """One write's slot; gives the round it started in, for ``throttled``."""
        await self._acquire()
        try:
            yield self._round
        finally:
            self.in_flight -= 1
            self._hand_out()

    async def _acquire(self) -> None:
        if self.has_room:
            self.in_flight += 1
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():  # handed out in the same turn: pass it on
                self.in_flight -= 1
                self._hand_out()
            raise

    def _hand_out(self) -> None:
        while self._waiters and self.in_flight < self.limit:
            waiter = self._waiters.popleft()
            if not waiter.done():
                self.in_flight += 1
                waiter.set_result(None)

    def succeeded(self) -> None:
        """A write went through: after as many as the limit, one more at a time is tried."""
        self._successes += 1
        if self._successes >= self.limit:
            self._successes = 0
            self.limit = min(self._maximum, self.limit + 1)
            self._hand_out()

    def throttled(self, started_in: int) -> None:
        """The sink asked for less. Those already in flight then say the same: they halve once, not each."""
        if started_in != self._round:
            return
        self._round += 1
        self._successes = 0
        self.limit = max(1, self.limit // 2)
