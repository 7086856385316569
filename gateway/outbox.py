"""What goes out to clients in one turn of the event loop: written at its end, behind everything that was read in it.

Streams that are paced alike come in bursts. Where each piece is written as soon as it is read, each wakes its reader
anew, and the processor goes to and fro between what receives, what decides and what sends.
Nothing waits for more to come: the loop does not sleep while something lies here. And nothing waits long for others
that compute in the same turn: what lies here then is written out before more is put beside it.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MAX_WAITING_BYTES: Final = 16 << 10
"""Of one connection; beyond that it is written at once, so that a client that takes no more is noticed in time."""
MAX_TURN_SECONDS: Final = 0.002
"""Of a turn since something waits in it; some hundred streams' pieces."""

logger = structlog.get_logger(__name__)


class Turn:
    """The outboxes of one event loop that have something to write at the end of its present turn."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._due: list[Outbox] = []
        self._clock = clock
        self._began = 0.0

    def add(self, outbox: Outbox) -> None:
        """Write this one out at the end of the turn."""
        if not self._due:
            asyncio.get_running_loop().call_soon(self._end)
            self._began = self._clock()
        self._due.append(outbox)

    def look(self) -> None:
        """Write out what waits, where the turn takes too long."""
        if self._due and self._clock() - self._began > MAX_TURN_SECONDS:
            self._end()

    def _end(self) -> None:
        due, self._due = self._due, []
        for outbox in due:
            try:
                outbox.flush()
            except Exception:
                logger.exception("answer not written")
                outbox.drop()


class Outbox:
    """What one connection has to write, in order. All that is written to its transport goes through here."""

    __slots__ = ("_pieces", "_size", "_transport", "_turn")

    def __init__(self, turn: Turn, transport: asyncio.Transport) -> None:
        self._turn = turn
        self._transport = transport
        self._pieces: list[bytes] = []
        self._size = 0

    def put(self, data: bytes) -> None:
        """Write it with whatever else comes in this turn."""
        self._turn.look()
        pieces = self._pieces
        if not pieces:
            self._turn.add(self)
        pieces.append(data)
        self._size += len(data)
        if self._size > MAX_WAITING_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what waits, now; to a client that is gone nothing."""
        pieces = self._pieces
        if not pieces:
            return
        data = _joined(pieces)
        self._pieces, self._size = [], 0
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
        self._pieces, self._size = [], 0
        self._transport.abort()


def _joined(pieces: Sequence[bytes]) -> bytes:
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
