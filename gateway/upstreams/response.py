"""One answer: its head, the unread part of its body, and whoever waits for more.

The parser fills it, the reader empties it. It holds its connection until its end was read; from then on it has none,
so that a late ``abort`` cannot hit the request which uses the connection next.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gateway.errors import UpstreamProtocolError
from gateway.upstreams.client import MAX_RELEASED_BYTES, RELEASE_SECONDS

if TYPE_CHECKING:
    from gateway.errors import UpstreamFault
    from gateway.upstreams.client import Headers, Take, Timeouts
    from gateway.upstreams.connection import Connection


class LeanResponse:
    """An ``UpstreamResponse``. The attributes behind ``headers`` are for the connection and the parser alone."""

    __slots__ = (
        "buffered_bytes",
        "chunks",
        "complete",
        "connection",
        "deadline",
        "fault",
        "has_moved",
        "headers",
        "is_released",
        "loop",
        "status",
        "take",
        "timeouts",
        "total_at",
        "waiter",
    )

    def __init__(self, connection: Connection, loop: asyncio.AbstractEventLoop, timeouts: Timeouts) -> None:
        self.status = 0
        """0 until the head is here."""
        self.headers: Headers = []
        self.chunks: list[bytes] = []
        self.buffered_bytes = 0
        self.complete = False
        self.fault: UpstreamFault | None = None
        self.connection: Connection | None = connection
        self.loop = loop
        self.timeouts = timeouts
        self.deadline = 0.0
        """Of the present wait; looked at while there is a waiter."""
        self.has_moved = False
        """Whether a piece was given since the sweep looked last, which then puts off the deadline: of a stream's
        hundreds of pieces between two looks none asks the clock."""
        self.total_at = 0.0
        self.waiter: asyncio.Future[None] | None = None
        self.take: Take | None = None
        """Whoever gets the pieces as they come; set while its caller waits."""
        self.is_released = False

    async def head(self) -> None:
        """Wait for the head. Raises what ended the connection before it came."""
        while not self.status:
            if self.fault is not None:
                raise self.fault
            try:
                await self._awaited()
            except asyncio.CancelledError:
                self._forsake()
                raise

    async def read(self) -> bytes:
        """The next bytes, or ``b""`` at the end, when the connection goes back to its pool."""
        while not self.chunks:
            if self.fault is not None:
                raise self.fault
            if self.complete:
                self._release()
                return b""
            self.deadline = self.loop.time() + self.timeouts.idle_seconds
            try:
                await self._awaited()
            except asyncio.CancelledError:
                self._forsake()
                raise
        return self._take()

    async def pump(self, take: Take) -> bool:
        """Give each piece to ``take``; see ``UpstreamResponse``."""
        while True:
            if self.chunks and take(self._take(), b""):
                return False
            if self.fault is not None:
                raise self.fault
            if self.complete:
                self._release()
                return True
            self.deadline = self.loop.time() + self.timeouts.idle_seconds
            self.take = take
            try:
                await self._awaited()
            except asyncio.CancelledError:
                self._forsake()
                raise
            finally:
                enough, self.take = self.take is None, None
            if enough:
                return False

    def give(self, take: Take, piece: bytes) -> None:
        """A piece came for ``take``."""
        self.has_moved = True
        try:
            if take(piece, b""):
                self.suffice()
        except Exception as error:  # noqa: BLE001 - it is that of the caller, who is told
            self.give_up(error)

    def suffice(self) -> None:
        """``take`` has enough: its caller goes on."""
        self.take = None
        self.wake()

    def give_up(self, error: Exception) -> None:
        """``take`` raised that: its caller gets it, who is waiting in ``pump``."""
        waiter, self.waiter = self.waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)
        self.abort()

    def release(self) -> None:
        """Let the connection read on by itself to the end; see ``UpstreamResponse``."""
        if self.connection is None:
            return
        self.chunks.clear()
        self.buffered_bytes = 0
        if self.complete:
            self._release()
            return
        self.is_released, self.has_moved = True, False  # what came until now puts this deadline off no more
        self.deadline = self.loop.time() + RELEASE_SECONDS
        self.connection.resume()

    def drop(self) -> None:
        """Pieces came that nobody wants: forget them, and give the connection back at the end."""
        self.chunks.clear()
        if self.complete:
            self._release()
        elif self.buffered_bytes > MAX_RELEASED_BYTES:
            self.abort()

    def abort(self) -> None:
        """Close the connection and forget what was not read; a later ``read`` raises, so nothing looks complete."""
        if self.connection is not None:
            self.chunks.clear()
            self.connection.fail(UpstreamProtocolError("the answer was given up before its end"))

    def wake(self) -> None:
        """Resume whoever waits."""
        waiter = self.waiter
        if waiter is not None:
            self.waiter = None
            if not waiter.done():
                waiter.set_result(None)

    def _awaited(self) -> asyncio.Future[None]:
        """Done when there is news for its caller, who waits for it without a coroutine in between, which each of its
        steps would go through; and calls ``_forsake`` where it is cancelled."""
        if self.waiter is not None:
            message = "another task is reading this answer"
            raise RuntimeError(message)
        waiter = self.waiter = self.loop.create_future()
        return waiter

    def _forsake(self) -> None:
        """Its reader was cancelled."""
        self.waiter = None
        self.abort()

    def joined(self) -> bytes:
        """The pieces that nobody has taken yet, as one."""
        chunks = self.chunks
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        self.buffered_bytes = 0
        return data

    def _take(self) -> bytes:
        data = self.joined()
        if self.connection is not None:
            self.connection.resume()
        return data

    def _release(self) -> None:
        connection = self.connection
        if connection is not None:
            self.connection = None
            connection.finish()
