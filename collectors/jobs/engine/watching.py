"""Watches a job: shows how far it is, and gives up what cannot go on, so that no command hangs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from collectors.jobs.engine.assembly import Parts
from collectors.jobs.engine.tally import Tally

_LOOK_SECONDS = 0.1
HALT_SECONDS = 2.0
"""A halt waits for somebody to change something: whoever started the job is told at once."""
PATIENCE_SECONDS = 300.0
"""Whatever passes by itself has passed by then."""
DRAIN_SECONDS = 25.0
"""What a stop leaves for what is in flight; as collectors."""


class Watching:
    """Of one run. ``clock`` is monotonic, in seconds."""

    def __init__(self, parts: Parts, tally: Tally, show: Callable[[], None], clock: Callable[[], float]) -> None:
        self._parts = parts
        self._tally = tally
        self._show = show
        self._clock = clock
        self._moved_at = clock()
        self._marks = (0, 0)
        self._until: float | None = None
        self.problems: list[str] = []
        self.is_complete = False
        """Whether everything was read, and its outcome is known."""

    def stop(self) -> None:
        """Take nothing more in; what is in flight has a while to finish."""
        self._until = self._clock() + DRAIN_SECONDS
        self._parts.pipeline.stop()

    async def run(self, carrying: asyncio.Task[None]) -> None:
        """Until the pipeline has ended, by itself or because it was given up."""
        while not carrying.done():
            await asyncio.wait({carrying}, timeout=_LOOK_SECONDS)
            self._show()
            if not carrying.done() and (self._is_stuck() or self._is_overdue()):
                carrying.cancel()
        if not carrying.cancelled():
            self.is_complete = self._parts.source.has_ended and not self._parts.tracker.unfinished()
            if not self.is_complete:
                self._name_causes()

    def _is_overdue(self) -> bool:
        return self._until is not None and self._clock() > self._until

    def _is_stuck(self) -> bool:
        """Whether nothing moves, and nothing will."""
        marks = (self._parts.intake.taken, self._tally.finished_records)
        if marks != self._marks or self._parts.pace.seconds_left:
            self._marks, self._moved_at = marks, self._clock()
        still = self._clock() - self._moved_at
        if still <= (HALT_SECONDS if self._parts.health.is_halted else PATIENCE_SECONDS):
            return False
        self._name_causes()
        if not self.problems:
            self.problems.append(f"nothing moved for {still:.0f} s, and nobody says why")
        return True

    def _name_causes(self) -> None:
        self.problems += [
            f"{where}: {reason}"
            for where, reason in self._parts.health.causes.items()
            if f"{where}: {reason}" not in self.problems
        ]
