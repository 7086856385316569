"""A new connection: resolve, connect, TLS. The one place that translates what these raise."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import TYPE_CHECKING

from gateway.errors import UpstreamUnreachable
from gateway.upstreams.public_addresses import refuse_private

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.upstreams.client import Origin
    from gateway.upstreams.connection import Connection

_ATTEMPT_SECONDS = 3.0
"""For one address of several (the last has all that is left): a dead one must not use up the whole connect timeout.
A lost SYN is repeated after 1 s and again after 2 more (RFC 6298)."""
_KEEPALIVE_IDLE_SECONDS = 60
_KEEPALIVE_PROBE_SECONDS = 20
"""Clouds forget silent connections after 4 to 6 minutes (AWS NAT: 350 s), and a model may think longer than that."""


def tls_context(ca_file: str = "") -> ssl.SSLContext:
    """The system's trust, and that of one more file; certificates and names are always verified."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # whatever a distribution's defaults are
    context.set_alpn_protocols(["http/1.1"])
    if ca_file:
        context.load_verify_locations(cafile=ca_file)
    return context


async def dial(origin: Origin, factory: Callable[[], Connection], tls: ssl.SSLContext | None) -> Connection:
    """A connection to an origin, whose name is resolved anew each time. The deadline is the caller's.

    Raises ``UpstreamUnreachable``.
    """
    loop = asyncio.get_running_loop()
    try:
        sock = await _connect(loop, origin)
        try:
            name = origin.host if tls is not None else None
            _, connection = await loop.create_connection(factory, sock=sock, ssl=tls, server_hostname=name)
        except BaseException:
            sock.close()
            raise
    except (OSError, UnicodeError) as error:  # TLS errors are OSErrors; idna refuses a host name with a UnicodeError
        message = f"cannot connect to {origin.host}:{origin.port}: {error}"
        raise UpstreamUnreachable(message) from error
    return connection


async def _connect(loop: asyncio.AbstractEventLoop, origin: Origin) -> socket.socket:
    """A connected socket to the first of the origin's addresses that answers."""
    addresses = await loop.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
    failure: OSError = OSError("the name has no address")
    for left, (family, kind, protocol, _, address) in zip(range(len(addresses) - 1, -1, -1), addresses, strict=True):
        try:
            if not origin.allows_private:
                refuse_private(origin.host, str(address[0]))
            async with asyncio.timeout(_ATTEMPT_SECONDS if left else None):
                return await _connect_one(loop, new_socket(family, kind, protocol), address)
        except OSError as error:  # a TimeoutError is one
            failure = error
    raise failure


async def _connect_one(
    loop: asyncio.AbstractEventLoop, sock: socket.socket, address: tuple[object, ...]
) -> socket.socket:
    try:
        await loop.sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock


def new_socket(family: int, kind: int, protocol: int) -> socket.socket:
    """A TCP socket that sends small pieces at once, and notices a peer that is gone without a word."""
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_KEEPIDLE"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _KEEPALIVE_IDLE_SECONDS)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _KEEPALIVE_PROBE_SECONDS)
    except BaseException:
        sock.close()
        raise
    return sock


def closed_properly(transport: asyncio.BaseTransport | None) -> bool:
    """Whether an end of file is the peer's own: under TLS only with ``close_notify`` (asyncio reports both alike)."""
    session = transport.get_extra_info("ssl_object") if transport is not None else None
    if session is None:
        return True
    try:
        return not session.read(1)
    except ssl.SSLZeroReturnError:
        return True
    except ssl.SSLError:  # it would still like to read
        return False
