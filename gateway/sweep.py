"""The exchanges of one worker that are under way, looked over a few times a second, as long as there are any.

One coarse timer instead of one per exchange: it closes connections of clients that neither read nor write, and ends
upstream calls whose client has left.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sluice.beats import beat

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from gateway.exchange import Exchange

INTERVAL_SECONDS = 0.25


class Sweep:
    """Watches exchanges; the worker lets it ``run`` beside the server."""

    def __init__(self, drain_timeout_seconds: float) -> None:
        self._drain_timeout_seconds = drain_timeout_seconds
        self._under_way: dict[Exchange, None] = {}
        self._answered: dict[Exchange, None] = {}
        self.watch: Callable[[Exchange], None] = self._under_way.setdefault
        """The exchange has begun. This and ``forget`` are called for each exchange, and are the dict's own methods; but
        for the first behind a rest this is another."""
        self.forget: Callable[[Exchange], None] = self._under_way.pop
        """The exchange is over."""

    @property
    def in_flight(self) -> int:
        """How many exchanges are under way."""
        return len(self._under_way)

    @property
    def exchanges(self) -> Collection[Exchange]:
        """Those whose plugins may still be called."""
        return [*self._under_way, *self._answered] if self._answered else self._under_way

    @contextmanager
    def lingering(self, exchange: Exchange) -> Iterator[None]:
        """The exchange is over and no longer in flight, but plugins are still told of it."""
        self._answered[exchange] = None
        try:
            yield
        finally:
            del self._answered[exchange]

    async def run(self) -> None:
        """Each ``INTERVAL_SECONDS``, until it is cancelled; while nothing is under way it rests, as its worker does."""
        while True:
            if not self._under_way:
                await self._begin()
            await beat(INTERVAL_SECONDS)
            self.run_once()

    async def _begin(self) -> None:
        """Rest until an exchange begins."""
        begun, watch = asyncio.Event(), self._under_way.setdefault

        def wake(exchange: Exchange) -> None:
            self.watch = watch
            begun.set()
            watch(exchange)

        self.watch = wake
        await begun.wait()

    def run_once(self, now: float | None = None) -> None:
        """End what has waited too long."""
        moment = time.monotonic() if now is None else now
        for exchange in list(self._under_way):
            if exchange.client_left:
                self._drain(exchange, moment)
            elif exchange.deadline and moment > exchange.deadline:
                exchange.abort_connection()

    def _drain(self, exchange: Exchange, now: float) -> None:
        if not exchange.left_at:
            exchange.left_at = now
        elif now - exchange.left_at > self._drain_timeout_seconds and not exchange.drain_expired:
            exchange.stop_draining()
