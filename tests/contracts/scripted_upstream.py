"""A vendor's server that does exactly what a test scripts: raw bytes over real sockets, nothing that knows HTTP."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from gateway.upstreams.client import Origin

SECONDS = 30.0
"""Any wait of a test ends here."""


@dataclass(frozen=True)
class Asked:
    """A request as it came over the wire."""

    head: bytes
    body: bytes

    @property
    def lines(self) -> list[bytes]:
        """The head's lines, without the empty one that ends it."""
        return self.head[:-4].split(b"\r\n")

    @property
    def target(self) -> bytes:
        """What was asked for."""
        return self.lines[0].split(b" ")[1]


class Peer:
    """One connection, seen from the vendor's side."""

    def __init__(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.number = number
        """Counted from 1 in the order of acceptance."""
        self.reader = reader
        self.sent = 0
        self.is_closed = False
        self._writer = writer

    async def request(self) -> Asked | None:
        """The next request, or ``None`` when the client closed instead."""
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
            return Asked(head, await self.reader.readexactly(length_of(head)))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    async def send(self, *pieces: bytes) -> None:
        """Send bytes, each piece by itself, as fast as the client takes them."""
        for piece in pieces:
            if self._writer.transport.is_closing():
                raise ConnectionResetError
            self._writer.write(piece)
            await self._writer.drain()
            self.sent += len(piece)
            if len(pieces) > 1:
                await turns(2)

    async def until_closed(self) -> None:
        """Wait until the client closed the connection; what it still sends is thrown away."""
        with suppress(ConnectionError):
            async with asyncio.timeout(SECONDS):
                while await self.reader.read(1 << 16):
                    pass

    def reset(self) -> None:
        """Close with a reset, as a crashed process or an impatient load balancer does."""
        raw = self._raw()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raw.close()
        self._writer.transport.abort()

    def cut(self) -> None:
        """Close the TCP connection properly, and under TLS without saying so first."""
        raw = self._raw()
        raw.shutdown(socket.SHUT_WR)
        raw.close()

    def shrink_buffers(self) -> None:
        """Let the kernel hold little on our side."""
        raw = self._raw()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        raw.close()

    async def close(self) -> None:
        """Close properly."""
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()
        self.is_closed = True

    def abort(self) -> None:
        """Let go at once."""
        self._writer.transport.abort()

    def _raw(self) -> socket.socket:
        return socket.socket(fileno=os.dup(self._writer.get_extra_info("socket").fileno()))


Script = Callable[[Peer], Awaitable[None]]


class ScriptedUpstream:
    """A server on a port of its own. The script runs once for each connection; then that is closed properly."""

    def __init__(self, script: Script, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self._script = script
        self._tls = tls
        self._host = host
        self.peers: list[Peer] = []
        self.errors: list[Exception] = []
        self.open = 0
        self.most_open = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for peer in self.peers:
            if not peer.is_closed:
                peer.abort()
        await until(lambda: self.open == 0)
        if error is None and self.errors:
            raise self.errors[0]

    @property
    def origin(self) -> Origin:
        """Where it listens."""
        port = self._server.sockets[0].getsockname()[1]
        return Origin("https" if self._tls else "http", self._host, port)

    @property
    def connections(self) -> int:
        """How many were accepted."""
        return len(self.peers)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(len(self.peers) + 1, reader, writer)
        self.peers.append(peer)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            await self._script(peer)
        except ConnectionError:
            pass
        except Exception as error:  # noqa: BLE001 - it fails the test, in __aexit__
            self.errors.append(error)
        finally:
            self.open -= 1
            await peer.close()


def length_of(head: bytes) -> int:
    """The ``content-length`` of a head, or 0."""
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


async def turns(count: int) -> None:
    """Let the event loop go round, so that what was written arrives by itself."""
    for _ in range(count):
        await asyncio.sleep(0)


async def until(condition: Callable[[], object]) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(SECONDS):
        while not condition():  # noqa: ASYNC110 - whatever a test waits for is not ours to signal
            await asyncio.sleep(0.002)
