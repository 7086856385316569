"""The connections to one origin: how many, which are free, and who waits for one.

A slot belongs to a connection from before it is dialled until it is closed. Whoever waits gets, in order, either a
connection that became free or the slot of one that was closed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from gateway.errors import UpstreamUnreachable
from gateway.upstreams.connection import Connection
from gateway.upstreams.dial import dial

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from gateway.upstreams.client import Origin, Timeouts
    from gateway.upstreams.departures import Departures
    from gateway.upstreams.limits import ClientLimits


class Pool:
    """The connections to one origin. ``connections`` is the client's: all that are not yet lost; and so are
    ``departures``: the requests to be written at the end of this turn."""

    def __init__(
        self,
        origin: Origin,
        limits: ClientLimits,
        tls: Callable[[], ssl.SSLContext],
        connections: set[Connection],
        departures: Departures,
    ) -> None:
        self._origin = origin
        self.departures = departures
        self._limits = limits
        self._tls = tls
        self._connections = connections
        self._idle: deque[Connection] = deque()
        self._waiters: deque[asyncio.Future[Connection | None]] = deque()
        self._slots = 0
        self._closed = False

    @property
    def slots(self) -> int:
        """Connections that are open or being dialled."""
        return self._slots

    def take(self) -> Connection | None:
        """The connection that was idle for the shortest time, so that those not needed grow old and are closed."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_usable():
                return connection
            connection.close()
        return None

    async def open(self, timeouts: Timeouts, total_at: float) -> Connection:
        """A new connection; or, when there are as many as allowed, the next that becomes free.

        Raises ``UpstreamUnreachable``: the pool stayed exhausted, or no connection could be made in time.
        """
        started_at = asyncio.get_running_loop().time()
        connect_at = min(started_at + timeouts.connect_seconds, total_at)
        if self._slots >= self._limits.max_connections_per_origin and not self._evict():
            connection = await self._wait(connect_at, timeouts)
            if connection is not None:
                return connection
        else:
            self._slots += 1
        try:
            return await self._dial(connect_at, timeouts)
        except BaseException:
            self._free_slot()
            raise

    def put(self, connection: Connection) -> None:
        """A connection became free: to the first in line, or to the idle ones."""
        waiter = self._next_waiter() if self._waiters else None
        if waiter is None:
            self._idle.append(connection)
        else:
            waiter.set_result(connection)

    def remove(self, connection: Connection) -> None:
        """A connection was closed; its slot is free."""
        if connection in self._idle:
            self._idle.remove(connection)
        self._free_slot()

    def forget(self, connection: Connection) -> None:
        """The transport of a connection is gone."""
        self._connections.discard(connection)

    def close(self) -> None:
        """Turn away whoever waits, and whatever is still being dialled. Open connections are the client's to close."""
        self._closed = True
        while (waiter := self._next_waiter()) is not None:
            waiter.set_exception(UpstreamUnreachable("the client was closed"))

    def _evict(self) -> bool:
        """Close the oldest idle connection to make room (a retry wants a fresh one)."""
        if not self._idle:
            return False
        self._idle[0].close()
        return True

    async def _dial(self, connect_at: float, timeouts: Timeouts) -> Connection:
        loop = asyncio.get_running_loop()
        tls = self._tls() if self._origin.scheme == "https" else None
        try:
            async with asyncio.timeout_at(connect_at):
                connection = await dial(self._origin, lambda: Connection(self, self._limits, loop), tls)
        except TimeoutError:
            message = f"no connection to {self._origin.host}:{self._origin.port} within {timeouts.connect_seconds:g} s"
            raise UpstreamUnreachable(message) from None
        if self._closed or not connection.is_usable():
            connection.close()
            message = f"{self._origin.host}:{self._origin.port} closed the connection as soon as it stood"
            raise UpstreamUnreachable("the client was closed" if self._closed else message)
        connection.adopt()
        self._connections.add(connection)
        return connection

    async def _wait(self, connect_at: float, timeouts: Timeouts) -> Connection | None:
        """Stand in line. ``None`` stands for the slot of a connection that was closed."""
        waiter: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout_at(connect_at):
                return await waiter
        except BaseException as error:
            self._leave(waiter)
            if isinstance(error, TimeoutError):
                name, most = self._origin.host, self._limits.max_connections_per_origin
                message = (
                    f"pool exhausted: all {most} connections to {name} were busy for {timeouts.connect_seconds:g} s"
                )
                raise UpstreamUnreachable(message) from None
            raise

    def _leave(self, waiter: asyncio.Future[Connection | None]) -> None:
        """Pass on what came in the moment of giving up."""
        if not waiter.done() or waiter.cancelled():
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            return
        if waiter.exception() is not None:
            return
        connection = waiter.result()
        if connection is None:
            self._free_slot()
        elif connection.is_usable():
            self.put(connection)
        else:
            connection.close()

    def _free_slot(self) -> None:
        waiter = self._next_waiter()
        if waiter is None:
            self._slots -= 1
        else:
            waiter.set_result(None)

    def _next_waiter(self) -> asyncio.Future[Connection | None] | None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                return waiter
        return None
