"""Questions to the event store, bounded: so many at once in a worker, each with an end, whoever asks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from gateway.control.api.problems import Problem
from sluice.eventstore.queries import TIME_LIMIT_SECONDS, EventStoreError

T = TypeVar("T")

WAIT_SECONDS = 3 * TIME_LIMIT_SECONDS
"""How long a question waits for its turn: a page has some ten, and each may take as long as the store allows."""
MAX_WAITING = 64
"""Questions of a worker that wait for their turn; one more is refused at once."""


class Asking:
    """A store of its own answers them on connections of their own, so that no exchange and no budget waits."""

    def __init__(self, at_once: int, wait_seconds: float = WAIT_SECONDS) -> None:
        self._turns = asyncio.Semaphore(at_once)
        self._wait_seconds = wait_seconds
        self._waiting = 0

    async def ask(self, question: Callable[[], Awaitable[T]]) -> T:
        """The answer. Raises a ``Problem`` (503) that says what is wrong and what to do."""
        await self._take_turn()
        try:
            return await question()
        except EventStoreError as error:
            raise Problem(503, "events_unavailable", str(error), error="The event store does not answer") from error
        finally:
            self._turns.release()

    async def _take_turn(self) -> None:
        if self._waiting >= MAX_WAITING:
            raise _busy()
        self._waiting += 1
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._turns.acquire()
        except TimeoutError:
            raise _busy() from None
        finally:
            self._waiting -= 1


def _busy() -> Problem:
    message = "too many figures are being asked for at once; wait a moment, or raise console.max_queries"
    return Problem(503, "console_busy", message, error="Busy", headers={"retry-after": "2"})
