"""Where records go that can never be written: past the limits of their collector, into the log's dead letters.

Each collector has a gate of its own, and so has what cannot be decoded: what its limits hold up is halted, and tried
again, for the cause may be gone; the other collectors of the service go on beside it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

from collectors.backoff import Backoff
from collectors.dead_letters import DeadLetterLimits
from collectors.deliveries import Poison
from collectors.errors import Halt
from collectors.health import Health
from collectors.metrics import ServiceMetrics
from sluice.clock import now_micros
from sluice.eventlog.interface import EventLogError

DEAD_LETTERS = "dead letters"
LIMITS = "dead letter limits"
"""Where troubles are kept in ``Health``; where a service has several collectors, the name of one follows on limits."""
UNDECODABLE = "undecodable records"
"""The same, of the limits of what cannot be decoded."""


class Gate:
    """Lets dead letters pass as long as their limits do. ``halt_seconds``: how often what is held up tries again.

    ``clock`` is the wall's, in microseconds.
    """

    def __init__(
        self,
        limits: DeadLetterLimits,
        health: Health,
        halt_seconds: float,
        where: str = LIMITS,
        clock: Callable[[], int] = now_micros,
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._health = health
        self._halt_seconds = halt_seconds
        self._where = where
        self._held: set[int] = set()

    def delivered(self, producers: Mapping[str, int]) -> None:
        """So many records of these producers went well."""
        self._limits.delivered(producers)

    def admit(self, holder: object, poison: Poison) -> bool:
        """Whether these may be dead letters; else this gate is halted, until all whom it held up have left it."""
        if poison.first_failed_at is None:
            poison.first_failed_at = self._clock()
        try:
            self._limits.admit(poison)
        except Halt as halt:
            self._held.add(id(holder))
            self._health.halt(self._where, halt)
            return False
        return True

    async def wait(self) -> None:
        """Until what is held up may ask again."""
        await asyncio.sleep(self._halt_seconds)

    def leave(self, holder: object) -> None:
        """Nothing of the holder's waits any more."""
        if self._held:
            self._held.discard(id(holder))
            if not self._held:
                self._health.clear(self._where)


class Letters(Protocol):
    """Where what can never be written is kept: the log's dead letters, or what a job keeps instead."""

    async def publish(self, poison: Poison) -> None:
        """Return when all of it is there; raises EventLogError, after which some may be."""
        ...


class Burial:
    """Publishes dead letters. ``clock`` is monotonic, in seconds."""

    def __init__(
        self,
        letters: Letters,
        health: Health,
        metrics: ServiceMetrics,
        backoff: Backoff,
        clock: Callable[[], float],
    ) -> None:
        self._letters = letters
        self._health = health
        self._metrics = metrics
        self._backoff = backoff
        self._clock = clock

    async def publish(self, poison: Poison) -> None:
        """Return when the log has these as dead letters; until it does, nothing passes."""
        began, failures = self._clock(), 0
        while True:
            try:
                await self._letters.publish(poison)
            except EventLogError as error:
                failures += 1
                self._health.halt(DEAD_LETTERS, Halt(str(error), "make the dead-letter topics writable"))
                await asyncio.sleep(self._backoff.seconds(failures))
            else:
                break
        self._health.clear(DEAD_LETTERS)
        self._metrics.buried([error.reason for error in poison.errors])
        self._metrics.spent("dead_letter", self._clock() - began)
