"""The lean HTTP/1.1 client: httptools and asyncio transports, nothing between them that a gateway does not need.

1 the request as bytes   2 a connection, idle or new   3 one write   4 wait for the head
A kept connection that was closed before it gave a byte is replaced once, by a new one, in silence.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gateway.errors import UpstreamProtocolError, UpstreamUnreachable
from gateway.upstreams.connection import Connection, StaleConnectionError
from gateway.upstreams.departures import Departures
from gateway.upstreams.dial import tls_context
from gateway.upstreams.framing import request_head
from gateway.upstreams.limits import DEFAULT_LIMITS, ClientLimits
from gateway.upstreams.pool import Pool
from sluice.beats import seconds_to_beat

if TYPE_CHECKING:
    import ssl

    from gateway.upstreams.client import Origin, UpstreamRequest
    from gateway.upstreams.response import LeanResponse


class LeanClient:
    """An ``UpstreamClient`` of our own. ``ca_file`` names certificates trusted besides the system's; ``tls`` is for
    whoever needs more than that (a client's certificate, say)."""

    def __init__(
        self, limits: ClientLimits = DEFAULT_LIMITS, *, ca_file: str = "", tls: ssl.SSLContext | None = None
    ) -> None:
        self._limits = limits
        self._tls = tls or tls_context(ca_file)
        self._pools: dict[Origin, Pool] = {}
        self._connections: set[Connection] = set()
        self._departures = Departures()
        self._sweep_timer: asyncio.TimerHandle | None = None
        self._is_resting = False
        """Whether nothing is asked of any connection, so that the sweep comes when the first has idled long enough."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    async def send(self, request: UpstreamRequest) -> LeanResponse:
        """Send the whole request and wait for the answer's head; see ``UpstreamClient``.

        Raises ``ValueError`` for a request that cannot be written, before anything is.
        """
        head = request_head(request)  # 1
        loop = self._loop or self._begin()
        pool = self._pools.get(request.origin) or self._add_pool(request.origin)
        total_at = loop.time() + request.timeouts.total_seconds
        connection = pool.take() or await self._open(pool, request, total_at)  # 2
        if self._is_resting:
            self._schedule_sweep()
        try:
            response = connection.start(head, request, total_at)  # 3
            await response.head()  # 4
        except StaleConnectionError:
            connection = await self._open(pool, request, total_at)
            response = connection.start(head, request, total_at)
            await response.head()
        return response

    async def close(self) -> None:
        """Close all connections, those in use too, and wait until the event loop has let go of them."""
        self._closed = True
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
            self._sweep_timer = None
        for pool in self._pools.values():
            pool.close()
        connections = tuple(self._connections)
        for connection in connections:
            connection.fail(UpstreamProtocolError("the client was closed"))
        for connection in connections:
            await connection.lost

    async def _open(self, pool: Pool, request: UpstreamRequest, total_at: float) -> Connection:
        if self._closed:
            message = "the client is closed"
            raise UpstreamUnreachable(message)
        connection = await pool.open(request.timeouts, total_at)
        if self._sweep_timer is None or self._is_resting:
            self._schedule_sweep()
        return connection

    def _begin(self) -> asyncio.AbstractEventLoop:
        self._loop = asyncio.get_running_loop()
        return self._loop

    def _add_pool(self, origin: Origin) -> Pool:
        if origin.scheme not in {"http", "https"}:
            raise ValueError(f"the scheme {origin.scheme!r} is neither http nor https")
        pool = Pool(origin, self._limits, lambda: self._tls, self._connections, self._departures)
        self._pools[origin] = pool
        return pool

    def _schedule_sweep(self, rest_seconds: float = 0.0) -> None:
        """At the next beat, or at the one that is a rest behind it."""
        loop = self._loop or self._begin()
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
        self._is_resting = rest_seconds > 0
        seconds = rest_seconds + seconds_to_beat(self._limits.sweep_seconds)
        self._sweep_timer = loop.call_later(seconds, self._sweep, loop)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look at all deadlines, as long as there is a connection; while all are idle, only when one of them is due."""
        now = loop.time()
        for connection in tuple(self._connections):
            connection.expire(now)
        self._sweep_timer, self._is_resting = None, False
        if self._connections:
            beat_seconds = self._limits.sweep_seconds
            rest_seconds = min([connection.idle_until() for connection in self._connections]) - now
            self._schedule_sweep(max(rest_seconds // beat_seconds * beat_seconds, 0.0))
        else:
            self._pools = {origin: pool for origin, pool in self._pools.items() if pool.slots}
