"""What we need to know and to decide inside aiohttp, by its own seams; and the one place that translates its errors.

aiohttp hides three things that our contract turns on: whether a connection was used before, whether it gave a byte, and
whether it ended properly. Its protocol class, subclassed, knows them. Its request class, subclassed, knows when a
connection was had and the request begins to be written.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from aiohttp import (
    ClientError,
    ClientPayloadError,
    ClientRequest,
    ClientResponse,
    ClientResponseError,
    ServerDisconnectedError,
    TCPConnector,
)
from aiohttp.client_proto import ResponseHandler
from aiohttp.payload import Payload

from gateway.errors import UpstreamFault, UpstreamProtocolError, UpstreamUnreachable
from gateway.upstreams.dial import closed_properly, new_socket
from gateway.upstreams.public_addresses import refuse_private

if TYPE_CHECKING:
    import ssl

    from aiohttp import ClientTimeout
    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.connector import AddrInfoType, Connection
    from aiohttp.tracing import Trace

    from gateway.upstreams.client import Origin, UpstreamRequest
    from gateway.upstreams.limits import ClientLimits

_PIECE_BYTES = 64 * 1024
FAILURES = (ClientError, OSError, RuntimeError, UnicodeError, ValueError)
"""All that aiohttp raises when a call fails: a host name that is none ends as ``ValueError`` or ``UnicodeError``, a
connection that is gone also as ``RuntimeError``."""


class WireProtocol(ResponseHandler):
    """One connection."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self.uses = 0
        self.heard = False
        """A byte of the present answer came."""
        self.ended = False
        """The peer closed properly (TLS: with ``close_notify``)."""

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        self.heard = True
        super().data_received(data)

    def eof_received(self) -> None:
        """The peer closed."""
        self.ended = closed_properly(self.transport)
        super().eof_received()

    def connection_lost(self, exc: BaseException | None) -> None:
        """The connection is gone. Whoever reads must learn of it: of a body that was malformed aiohttp tells nobody."""
        payload = self._payload
        super().connection_lost(exc)
        if payload is not None and not payload.is_eof() and payload.exception() is None:
            payload.set_exception(ClientPayloadError())


class WireConnector(TCPConnector):
    """The pool, with connections of our class."""

    def __init__(self, limits: ClientLimits, tls: ssl.SSLContext, *, allows_private: bool = True) -> None:
        super().__init__(
            limit=0,
            limit_per_host=limits.max_connections_per_origin,
            keepalive_timeout=limits.max_idle_seconds,
            use_dns_cache=False,
            ssl=tls,
            socket_factory=_new_socket if allows_private else _new_public_socket,
        )
        self._factory = partial(_new_protocol, self._loop)  # no public seam; the contract suite holds that it works

    async def connect(self, req: ClientRequest, traces: list[Trace], timeout: ClientTimeout) -> Connection:
        """A connection; a new one for a call that failed on a kept one, whose like are likely as dead."""
        if isinstance(req, WireRequest) and req.call is not None and req.call.is_retry:
            for protocol, _ in self._conns.pop(req.connection_key, ()):
                protocol.close()
        try:
            return await super().connect(req, traces, timeout)
        except BaseException:
            # Whoever leaves the line in the moment of being called takes the call away with it: the next would wait
            # for ever beside a free connection. Calling once too often harms nobody.
            self._release_waiter()
            raise


def _new_protocol(loop: asyncio.AbstractEventLoop) -> ResponseHandler:
    return WireProtocol(loop)


def _new_socket(address: AddrInfoType) -> Any:
    family, kind, protocol, _, _ = address
    return new_socket(family, kind, protocol)


def _new_public_socket(address: AddrInfoType) -> Any:
    refuse_private("its host", str(address[4][0]))
    return _new_socket(address)


class WireCall:
    """One attempt to send one request."""

    def __init__(self, request: UpstreamRequest, deadline: asyncio.Timeout, total_at: float, *, is_retry: bool) -> None:
        self.request = request
        self.is_retry = is_retry
        self.sent = False
        """The request began to be written."""
        self.protocol: WireProtocol | None = None
        self._deadline = deadline
        self._total_at = total_at
        self._use = 0

    def begin(self, protocol: object) -> None:
        """A connection was had. Raises ``ConnectionResetError`` where it holds bytes that nobody asked for."""
        loop = asyncio.get_running_loop()
        self.sent = True
        self._deadline.reschedule(min(loop.time() + self.request.timeouts.first_byte_seconds, self._total_at))
        if isinstance(protocol, WireProtocol):
            protocol.uses += 1
            self._use = protocol.uses
            protocol.heard = False
            self.protocol = protocol
            if protocol.should_close:
                message = "bytes came out of turn"
                raise ConnectionResetError(message)

    def drop(self) -> None:
        """Close the connection at once, without waiting for what is still unsent; unless it serves another by now:
        aiohttp gives a connection back as soon as the end of an answer came."""
        if self.protocol is not None and self.protocol.uses == self._use:
            self.protocol.abort()

    @property
    def is_stale(self) -> bool:
        """Whether it failed on a kept connection that gave no byte."""
        return self.protocol is not None and self.protocol.uses > 1 and not self.protocol.heard


class WireRequest(ClientRequest):
    """aiohttp's request, which tells its call when it begins to be written."""

    call: WireCall | None = None

    async def send(self, conn: Connection) -> ClientResponse:
        """Write the request."""
        if self.call is not None:
            self.call.begin(conn.protocol)
        return await super().send(conn)


class WireBody(Payload):
    """A request body in memory, written in pieces, each when the one before has left."""

    _autoclose = True

    def __init__(self, body: bytes) -> None:
        super().__init__(body)
        self._body = memoryview(body)
        self._size = len(body)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """The body as text; for aiohttp's own debugging."""
        return bytes(self._body).decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write all of it."""
        for start in range(0, len(self._body), _PIECE_BYTES):
            await writer.write(bytes(self._body[start : start + _PIECE_BYTES]))
            await writer.drain()


def as_fault(error: BaseException, origin: Origin, *, sent: bool) -> UpstreamFault:
    """The fault that an error of aiohttp's is to us: unreachable while nothing was sent."""
    if not sent:
        reason = "no connection in time, or all of the pool's were busy" if isinstance(error, TimeoutError) else error
        return UpstreamUnreachable(f"cannot connect to {origin.host}:{origin.port}: {reason}")
    if isinstance(error, ServerDisconnectedError):
        return UpstreamProtocolError("upstream closed the connection before its answer's head was complete")
    if isinstance(error, ClientResponseError):  # its text has the URL, and the bytes that were refused
        return UpstreamProtocolError(f"upstream answer refused: {error.message.partition(':')[0]}")
    if isinstance(error, ClientPayloadError):
        return UpstreamProtocolError("upstream closed the connection inside the answer's body, or it was malformed")
    return UpstreamProtocolError(f"upstream connection broke off: {error}")
