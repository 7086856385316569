"""Whether a plugin may be called now: its circuit breaker and its bound on calls under way, behind one comparison."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Literal

from sluice.plugin_host.deadline import Waiting

BreakerState = Literal["closed", "open", "half_open"]


class NotCalled(Exception):  # noqa: N818 - what happened
    """The plugin was not asked; the message says why."""


class Gate:
    """Of one plugin, for all its hooks. ``is_shut`` is the only thing that a call of a healthy plugin looks at."""

    __slots__ = (
        "_breaker_failures",
        "_is_open",
        "_is_probing",
        "_max_concurrent",
        "_pause_seconds",
        "_probe",
        "_retry_at",
        "failures_in_row",
        "is_shut",
        "last_reason",
        "openings",
        "under_way",
    )

    def __init__(self, breaker_failures: int = 0, pause_seconds: float = 10.0, max_concurrent: int = 0) -> None:
        """Zero of either is no bound."""
        self._breaker_failures = breaker_failures
        self._pause_seconds = pause_seconds
        self._max_concurrent = max_concurrent
        self._is_open = False
        self._is_probing = False
        self._probe: Waiting | None = None
        """What the call that is the probe waits for; until it waits it is alone."""
        self._retry_at = 0.0
        self.is_shut = False
        """Whether ``admit`` must be asked before a call."""
        self.failures_in_row = 0
        self.under_way = 0
        """Calls that wait for something. One that never waits is alone while it runs."""
        self.openings = 0
        """How often the breaker opened."""
        self.last_reason = ""

    @property
    def state(self) -> BreakerState:
        """Of the breaker; ``half_open`` where the next call, or the one under way, is the probe."""
        if not self._is_open:
            return "closed"
        return "half_open" if self._is_probing or time.monotonic() >= self._retry_at else "open"

    def admit(self) -> None:
        """Raise NotCalled unless a call may begin; of an open breaker that is one call after each pause, the probe."""
        if self._max_concurrent and self.under_way >= self._max_concurrent:
            message = f"was not called: {self.under_way} hooks of it are under way, which is its max_concurrent"
            raise NotCalled(message)
        if not self._is_open:
            return
        if self._is_probing or time.monotonic() < self._retry_at:
            message = (
                f"was not called: its breaker is open after {self.failures_in_row} failures in a row, "
                f"the last: {self.last_reason}"
            )
            raise NotCalled(message)
        self._is_probing, self._probe = True, None

    async def wait(self, waiting: Waiting, held_ns: int = 0) -> Any:
        """The result of a call that waits for something and kept the loop for ``held_ns`` before; it counts as under
        way meanwhile."""
        waiting.held_ns = held_ns
        if self._is_probing and self._probe is None:
            self._probe = waiting
        self.under_way += 1
        if self._max_concurrent:
            self._update()
        try:
            return await waiting
        except asyncio.CancelledError:
            if waiting is self._probe:  # others began before the breaker opened
                self.abandoned()
            raise
        finally:
            self.under_way -= 1
            if self._max_concurrent:
                self._update()

    def succeeded(self) -> None:
        """A call was answered well; needed only where ``failures_in_row`` is not zero."""
        self.failures_in_row = 0
        self._is_open, self._is_probing, self._probe = False, False, None
        self._update()

    def failed(self, reason: str) -> None:
        """A call failed."""
        self.failures_in_row += 1
        self.last_reason = reason
        if self._breaker_failures and self.failures_in_row >= self._breaker_failures:
            self.openings += not self._is_open
            self._is_open, self._is_probing, self._probe = True, False, None
            self._retry_at = time.monotonic() + self._pause_seconds
        self._update()

    def abandoned(self) -> None:
        """A call was cut from outside: it says nothing of the plugin, so the next one is the probe instead."""
        self._is_probing, self._probe = False, None

    def _update(self) -> None:
        self.is_shut = self._is_open or bool(self._max_concurrent and self.under_way >= self._max_concurrent)
