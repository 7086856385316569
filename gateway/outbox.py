"""What goes out to clients in one turn of the event loop: written at its end, behind everything that was read in it.

Streams that are paced alike come in bursts. Where each piece is written as soon as it is read, each wakes its reader
anew, and the processor goes to and fro between what receives, what decides and what sends.
But for the end of a stream nothing waits for more to come: the loop does not sleep while something lies here. And
nothing waits long for others that compute in the same turn: what lies here then is written before more is put here.

The piece that came together with a stream's terminal event waits for it: the event follows when the exchange is
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
MAX_END_TURNS: Final = 4
"""For how many turns an end is waited for, and never longer than ``MAX_TURN_SECONDS``. Three are needed where the
journal takes the record at once: the exchange goes on, the journal writes, the exchange goes on. Behind a slow disk, or
Kafka, the end comes much later."""

logger = structlog.get_logger(__name__)


class Turn:
    """The outboxes of one event loop that have something to write at the end of its present turn, or of one soon."""

    __slots__ = ("_call_soon", "_is_scheduled", "began", "clock", "due", "number")

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.due: list[Outbox] = []
        """For outboxes alone, as the rest is."""
        self.clock = clock
        self.began = 0.0
        """When the first of these came, or when others went out and they did not."""
        self.number = 0
        """Of ends so far."""
        self._is_scheduled = False
        """Whether the end will come by itself: once a turn, however many call for it."""
        self._call_soon: Callable[[Callable[[], None]], object] | None = None
        """Of the event loop, which is known when the first begins."""

    def begin(self) -> list[Outbox]:
        """Something is to be written at this turn's end; returns where to put it."""
        if not self._is_scheduled:
            self._is_scheduled = True
            call_soon = self._call_soon
            if call_soon is None:
                call_soon = self._call_soon = asyncio.get_running_loop().call_soon
            call_soon(self.end)
        self.began = self.clock()
        return self.due

    def end(self) -> None:
        """The end of a turn: write out what waits."""
        self._is_scheduled = False
        self.number += 1
        self.write_out()
        if self.due:
            self.begin()

    def write_out(self) -> None:
        """Write what waits, now; but what waits for the end of its stream is kept."""
        due, self.due = self.due, []
        for outbox in due:
            if outbox.ends_by > self.number and self.clock() - outbox.waits_since <= MAX_TURN_SECONDS:
                self.due.append(outbox)
                continue
            try:
                outbox.flush()
            except Exception:
                logger.exception("answer not written")
                outbox.drop()


class Outbox:
    """What one connection has to write, in order. All that is written to its transport goes through here."""

    __slots__ = ("_transport", "_turn", "_waiting", "ends_by", "waits_since")

    def __init__(self, turn: Turn, transport: asyncio.Transport) -> None:
        self._turn = turn
        self._transport = transport
        self._waiting = b""
        self.ends_by = 0
        """The turn at whose end what waits is written even if no end of its stream has followed; 0 where it waits for
        none. For turns alone."""
        self.waits_since = 0.0
        """When it began to wait for that."""

    def put(self, data: bytes) -> None:
        """Write it with whatever else comes in this turn."""
        turn = self._turn
        due = turn.due
        if not due:
            due = turn.begin()
        elif turn.clock() - turn.began > MAX_TURN_SECONDS:
            turn.write_out()
            due = turn.begin()
        if self._waiting:
            data = b"".join((self._waiting, data))  # a memoryview too
            self.ends_by = 0
        elif data:
            due.append(self)
        self._waiting = data
        if len(data) > MAX_WAITING_BYTES:
            self.flush()

    def expect_end(self) -> None:
        """The answer's end follows: what still waits here, if anything, may wait for it, within bounds."""
        if self._waiting:
            turn = self._turn
            self.ends_by, self.waits_since = turn.number + MAX_END_TURNS + 1, turn.clock()

    def flush(self) -> None:
        """Write what waits, now; to a client that is gone nothing."""
        data = self._waiting
        if data:
            self._waiting = b""
            self.ends_by = 0
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
