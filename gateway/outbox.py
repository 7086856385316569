"""What goes out to clients in one turn of the event loop: written at its end, behind everything that was read in it.

Streams that are paced alike come in bursts. Where each piece is written as soon as it is read, each wakes its reader
anew, and the processor goes to and fro between what receives, what decides and what sends.
So in a burst, where more than one has something to write, the sockets are looked at once more before any of it is
written, as long as each look brings some others; but not where many requests are about to begin. But for the end of a
stream nothing waits for more to come: the loop does not sleep while something lies here. And nothing waits long for
others that compute in the same turn: what lies here then is written before more is put here.

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

    from uvicorn.protocols.http.flow_control import FlowControl

    from gateway.asgi import Write

CHUNK: Final = b"%x\r\n%b\r\n"
"""Of the chunked coding: the size and the bytes."""

MAX_WAITING_BYTES: Final = 16 << 10
"""Of one connection; beyond that it is written at once, so that a client that takes no more is noticed in time."""
MAX_TURN_SECONDS: Final = 0.002
"""Of a turn since something waits in it; some hundred streams' pieces."""
MIN_BROUGHT: Final = 3
"""A look that brought fewer others was a burst's last: one more would cost about what it saves."""
MAX_BEGINNING: Final = 8
"""Requests that may begin before a burst is written. Each takes some 0.2 ms and puts nothing here until it is answered,
so that many of them would not be noticed in ``MAX_TURN_SECONDS``."""
MAX_END_TURNS: Final = 4
"""For how many turns an end is waited for, and never longer than ``MAX_TURN_SECONDS``. Three are needed where the
journal takes the record at once: the exchange goes on, the journal writes, the exchange goes on. Behind a slow disk, or
Kafka, the end comes much later."""

logger = structlog.get_logger(__name__)


class Arrivals:
    """Requests of one event loop whose tasks are made and have yet to begin: they came in its present turn."""

    __slots__ = ("waiting",)

    def __init__(self) -> None:
        self.waiting = 0


class Turn:
    """The outboxes of one event loop that have something to write at the end of its present turn, or of one soon."""

    __slots__ = ("_call_soon", "_looked_for", "arrivals", "began", "clock", "due", "number")

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.arrivals = Arrivals()
        self.due: list[Outbox] = []
        """For outboxes alone, as the rest is. Once one lies here the turn's end comes by itself."""
        self.clock = clock
        self.began = 0.0
        """When the first of these came, or when others went out and they did not."""
        self.number = 0
        """How many ends there were behind which something still waited."""
        self._looked_for = 1
        """More than so many are a burst that has grown enough: how many lay here at the last look at the sockets, and
        ``MIN_BROUGHT``, less one; before the first, those that wait for the end of their stream and one."""
        self._call_soon: Callable[[Callable[[], None]], object] | None = None

    def begin(self, first: Outbox) -> None:
        """The first that has something to write at this turn's end."""
        self._end_soon()
        self.due.append(first)
        self.began = self.clock()

    def end(self, turns: int = 1) -> None:
        """The end of a turn: write what waits, but not what waits for the end of its stream; in a burst behind one more
        look at the sockets. ``turns`` is 0 in the middle of a turn that takes long: its end still comes."""
        due = self.due
        if (
            turns
            and len(due) > self._looked_for
            and self.arrivals.waiting <= MAX_BEGINNING
            and self.clock() - self.began <= MAX_TURN_SECONDS
        ):
            self._looked_for = len(due) + MIN_BROUGHT - 1
            self.number += turns
            self._end_soon()
            return
        self.due = []
        for outbox in due:
            if outbox.ends_by and self._keeps(outbox, self.number + turns):
                continue
            data, outbox.waiting = outbox.waiting, b""  # as its ``flush``, without a call for each
            transport = outbox.transport
            try:
                if data and not transport.is_closing():
                    transport.write(data)
            except Exception:
                logger.exception("answer not written")
                outbox.drop()
        self._looked_for = len(self.due) + 1
        if not turns:
            self.began = self.clock()
        elif self.due:
            self.number += turns
            self.begin(self.due.pop())  # so that another end comes

    def _end_soon(self) -> None:
        self.soon()(self.end)

    def soon(self) -> Callable[[Callable[[], None]], object]:
        """``call_soon`` of the event loop, which is known when something is first written."""
        if self._call_soon is None:
            self._call_soon = asyncio.get_running_loop().call_soon
        return self._call_soon

    def _keeps(self, outbox: Outbox, number: int) -> bool:
        if outbox.ends_by > number and self.clock() - outbox.waits_since <= MAX_TURN_SECONDS:
            self.due.append(outbox)
            return True
        outbox.ends_by = 0
        return False


class Outbox:
    """What one connection has to write, in order. All that is written to its transport goes through here."""

    __slots__ = ("_turn", "ends_by", "transport", "waiting", "waits_since")

    def __init__(self, turn: Turn, transport: asyncio.Transport) -> None:
        self._turn = turn
        self.transport = transport
        self.waiting = b""
        """For turns alone, as what follows. Nothing waits that is not due."""
        self.ends_by = 0
        """The turn at whose end what waits is written even if no end of its stream has followed; 0 where it waits for
        none."""
        self.waits_since = 0.0
        """When it began to wait for that."""

    def chunk_writer(self, flow: FlowControl) -> Write:
        """Puts pieces of one stream in the chunked coding; see ``Cycle.body_writer``. What does not change of a stream
        is looked up once; and what comes as a chunk while nothing waits here, as nearly all does, takes no ``put``."""
        turn = self._turn
        clock, end = turn.clock, turn.end
        call_soon = turn.soon()

        def write_chunk(piece: bytes, chunk: bytes = b"", /) -> bool:
            due = turn.due
            if not chunk or len(chunk) > MAX_WAITING_BYTES or (due and self.waiting):
                if piece:
                    self.put(chunk or CHUNK % (len(piece), piece))
                return not flow.write_paused
            if not due:
                call_soon(end)
                turn.began = clock()
            elif clock() - turn.began > MAX_TURN_SECONDS:
                turn.end(0)
                due = turn.due
            self.waiting = chunk
            due.append(self)
            return not flow.write_paused

        return write_chunk

    def put(self, data: bytes) -> None:
        """Write it with whatever else comes in this turn. It is not empty."""
        turn = self._turn
        if not turn.due:
            turn.begin(self)
        else:
            if turn.clock() - turn.began > MAX_TURN_SECONDS:
                turn.end(0)
            if self.waiting:
                data = b"".join((self.waiting, data))  # a memoryview too
                self.ends_by = 0
            else:
                turn.due.append(self)
        self.waiting = data
        if len(data) > MAX_WAITING_BYTES:
            self.flush()

    def expect_end(self) -> None:
        """The answer's end follows: what still waits here, if anything, may wait for it, within bounds."""
        if self.waiting:
            turn = self._turn
            self.ends_by, self.waits_since = turn.number + MAX_END_TURNS + 1, turn.clock()

    def flush(self) -> None:
        """Write what waits, now; to a client that is gone nothing."""
        data = self.waiting
        if data:
            self.waiting = b""
            self.ends_by = 0
            if not self.transport.is_closing():
                self.transport.write(data)

    def close(self) -> None:
        """Close the connection behind everything that was put here."""
        self.flush()
        self.transport.close()

    def abort(self) -> None:
        """Close the connection at once: the transport gets what waits, but need not bring it out."""
        self.flush()
        self.transport.abort()

    def drop(self) -> None:
        """Close the connection at once, without what waits."""
        self.waiting = b""
        self.transport.abort()
