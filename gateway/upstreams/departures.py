"""Requests that are made in one turn of the event loop: written at its end, behind one another.

Streams that are paced alike end alike, and their clients ask again together. A request that is written alone wakes who
reads it, and each of those is an interrupt of another processor; behind one that is awake already it is not.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

MAX_SECONDS: Final = 0.002
"""A request waits no longer for others that are made in the same turn: some ten."""

logger = structlog.get_logger(__name__)


class Departures:
    """Those of one client: to whichever origin they go, none waits behind many others."""

    __slots__ = ("_began", "_clock", "_due", "_is_scheduled")

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._due: list[tuple[asyncio.Transport, bytes]] = []
        self._began = 0.0
        """When the first of these came."""
        self._is_scheduled = False

    def put(self, transport: asyncio.Transport, request: bytes, loop: asyncio.AbstractEventLoop) -> None:
        """Write it with whatever else leaves in this turn."""
        due = self._due
        due.append((transport, request))
        if len(due) > 1:
            if self._clock() - self._began > MAX_SECONDS:
                self._write()
            return
        self._began = self._clock()
        if not self._is_scheduled:
            self._is_scheduled = True
            loop.call_soon(self._end)

    def _end(self) -> None:
        self._is_scheduled = False
        self._write()

    def _write(self) -> None:
        due, self._due = self._due, []
        for transport, request in due:
            try:
                if not transport.is_closing():  # whoever waits for its answer is told by its connection
                    transport.write(request)
            except Exception:  # the others are no part of it, nor is whoever made the last of them
                logger.exception("request not written")
                transport.abort()
