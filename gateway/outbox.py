"""What goes out to clients in one turn of the event loop: written at its end, behind everything that was read in it.

Streams that are paced alike come in bursts. Where each piece is written as soon as it is read, each wakes its reader
anew, and the processor goes to and fro between what receives, what decides and what sends.
Nothing waits for more to come: the loop does not sleep while something lies here. And nothing waits long for others
that compute in the same turn: what lies here then is written out before more is put beside it.

Of a stream the piece that came together with its end waits some turns longer: the end follows when the exchange is
recorded, most often three turns later, and both are one write and wake their reader once.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_WAITING_BYTES: Final = 16 << 10
"""Of one connection; beyond that it is written at once, so that a client that takes no more is noticed in time."""
MAX_TURN_SECONDS: Final = 0.002
"""Of a turn since something waits in it; some hundred streams' pieces."""
MAX_HELD_TURNS: Final = 8
"""For what follows soon or, behind a slow disk or Kafka, late: a turn in which nothing else happens takes some
microseconds."""

logger = structlog.get_logger(__name__)


class Turn:
    """The outboxes of one event loop that have something to write at the end of its present turn."""

    __slots__ = ("_call_soon", "began", "clock", "due")

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.due: list[Outbox] = []
        """For outboxes alone."""
        self.clock = clock
        self.began = 0.0
        """When the first of these came. For outboxes alone, as the clock is."""
        self._call_soon: Callable[[Callable[[], None]], object] | None = None
        """Of the event loop, which is known when the first begins."""

    def begin(self) -> list[Outbox]:
        """The first in this turn has something to write, at its end; returns where to put it."""
        call_soon = self._call_soon
        if call_soon is None:
            call_soon = self._call_soon = asyncio.get_running_loop().call_soon
        call_soon(self.end)
        self.began = self.clock()
        return self.due

    def end(self) -> None:
        """Write out what waits, but for what is held: that is seen to again at the end of the next turn."""
        due, self.due = self.due, []
        held: list[Outbox] = []
        for outbox in due:
            try:
                if outbox.held_turns:
                    outbox.held_turns -= 1
                    held.append(outbox)
                else:
                    outbox.flush()
            except Exception:
                logger.exception("answer not written")
                outbox.drop()
        if held:
            self.begin().extend(held)


class Outbox:
    """What one connection has to write, in order. All that is written to its transport goes through here."""

    __slots__ = ("_transport", "_turn", "_waiting", "held_turns")

    def __init__(self, turn: Turn, transport: asyncio.Transport) -> None:
        self._turn = turn
        self._transport = transport
        self._waiting = b""
        self.held_turns = 0
        """How many ends of turns what waits lets pass. For turns alone."""

    def put(self, data: bytes) -> None:
        """Write it with whatever else comes in this turn."""
        turn = self._turn
        due = turn.due
        if not due:
            due = turn.begin()
        elif turn.clock() - turn.began > MAX_TURN_SECONDS:
            turn.end()
            due = turn.begin()
        if self._waiting:
            data = b"".join((self._waiting, data))  # a memoryview too
            self.held_turns = 0
        elif data:
            due.append(self)
        self._waiting = data
        if len(data) > MAX_WAITING_BYTES:
            self.flush()

    def hold(self) -> None:
        """Let what waits, if anything, wait for more that is about to come: for some turns at most."""
        if self._waiting:
            self.held_turns = MAX_HELD_TURNS

    def flush(self) -> None:
        """Write what waits, now; to a client that is gone nothing."""
        data = self._waiting
        if data:
            self._waiting = b""
            self.held_turns = 0
            if not self._transport.is_closing():
                self._transport.write(data)

    def close(self) -> None:
        """Close the connection behind everything that was put here."""
        self.flush()
        self._transport.close()

    def abort(self) -> None:
        """Close the connection at once: the transport gets what waits, but need not bring it out."""
        self.flush()
        self._transport.abort()

    def drop(self) -> None:
        """Close the connection at once, without what waits."""
        self._waiting = b""
        self._transport.abort()
