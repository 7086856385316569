"""Carries messages among the workers of one gateway, over Unix sockets in a folder of theirs.

Each worker listens on a socket of its own and connects to every other one that it finds in the folder. Who does not
read fast enough misses messages; who has died is found out by the first message to it, and its socket removed.
"""

from __future__ import annotations

import asyncio
import os
import socket
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import structlog

from sluice.sdk.services import Message

MAX_WAITING_BYTES = 8 << 20
"""For one worker that does not read; further messages to it are dropped."""

_SUFFIX = ".sock"
_MAGIC = b"SLM1"
_HEAD_BYTES = len(_MAGIC) + 4
_OVERHEAD_BYTES = 4096
"""Of a message beside its payload, at most."""
_MAX_ADDRESS_BYTES = 100
"""A Unix socket's address has 108 bytes on Linux, 104 elsewhere."""

logger = structlog.get_logger(__name__)
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Message)


class WorkerSockets:
    """A ``MessageCarrier``; one per worker, on its loop."""

    def __init__(self, folder: Path, max_payload_bytes: int) -> None:
        self.dropped = 0
        """Messages that another worker did not get."""
        self.garbled = 0
        """Connections that were cut because of what came over them."""
        self._folder = folder
        self._max_payload_bytes = max_payload_bytes
        self._own = f"{os.getpid()}-{uuid.uuid4().hex[:8]}{_SUFFIX}"
        self._peers: dict[str, _Peer] = {}
        self._visitors: set[asyncio.BaseTransport] = set()

    @property
    def max_payload_bytes(self) -> int:
        """As it was made."""
        return self._max_payload_bytes

    def carry(self, message: Message) -> None:
        """To every worker that listens now."""
        others = self._others()
        if not others:
            return
        body = _encoder.encode(message)
        frame = _MAGIC + len(body).to_bytes(4, "big") + body
        for name in others:
            if not self._send(name, frame):
                self.dropped += 1

    def _others(self) -> list[str]:
        try:
            names = [each.name for each in self._folder.iterdir() if each.suffix == _SUFFIX and each.name != self._own]
        except OSError:
            names = []
        for gone in self._peers.keys() - set(names):
            self._peers.pop(gone).close()
        return names

    def _send(self, name: str, frame: bytes) -> bool:
        """Over the connection there is, or else over a new one: the old one's end is seen when it is used."""
        peer = self._peers.get(name)
        if peer is not None:
            with suppress(OSError):
                return peer.send(frame)
            self._peers.pop(name).close()
        try:
            peer = self._peers[name] = _Peer(self._connected(name))
            return peer.send(frame)
        except ConnectionRefusedError:  # nobody listens there any more, and nobody will: names are used once
            with suppress(OSError):
                (self._folder / name).unlink()
            return True
        except FileNotFoundError:
            return True
        except OSError:
            return False

    def _connected(self, name: str) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.setblocking(False)
            with _address(self._folder, name) as address:
                connection.connect(address)
        except BaseException:
            connection.close()
            raise
        return connection

    async def run(self, arrived: Callable[[Message], None]) -> None:
        """Listen until cancelled; where that cannot be, this worker hears its own messages alone, and says so."""
        try:
            listener = self._listener()
        except OSError as error:
            told = {"folder": str(self._folder), "error": error.strerror or str(error)}
            logger.warning("messages of other workers are not heard", **told, remedy="let it write to data_dir")
            return
        server = await asyncio.get_running_loop().create_unix_server(lambda: _Visitor(self, arrived), sock=listener)
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            server.close()
            for visitor in list(self._visitors):
                visitor.close()
            self._close()

    def _listener(self) -> socket.socket:
        """Under another name until it listens: a socket that refuses a connection is taken for a dead worker's."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        hidden = f"{self._own}.new"
        try:
            with _address(self._folder, hidden) as address:
                listener.bind(address)
            listener.listen(128)
            listener.setblocking(False)
            (self._folder / hidden).rename(self._folder / self._own)
        except BaseException:
            listener.close()
            raise
        return listener

    def _close(self) -> None:
        with suppress(OSError):
            (self._folder / self._own).unlink()
        while self._peers:
            self._peers.popitem()[1].close()

    # for _Visitor

    def came(self, visitor: asyncio.BaseTransport) -> None:
        """Another worker has connected."""
        self._visitors.add(visitor)

    def left(self, visitor: asyncio.BaseTransport) -> None:
        """It has gone."""
        self._visitors.discard(visitor)


class _Peer:
    """A connection to one other worker, and what did not fit into it yet."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._waiting: deque[memoryview] = deque()
        self._waiting_bytes = 0
        self._loop = asyncio.get_running_loop()

    def send(self, frame: bytes) -> bool:
        """Whether it is on its way; raises OSError where the connection has ended."""
        rest = memoryview(frame)
        if not self._waiting:
            rest = rest[self._written(rest) :]
            if not rest:
                return True
            self._loop.add_writer(self._socket.fileno(), self._go_on)
        elif self._waiting_bytes + len(rest) > MAX_WAITING_BYTES:
            return False
        self._waiting.append(rest)
        self._waiting_bytes += len(rest)
        return True

    def _written(self, data: memoryview) -> int:
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0

    def _go_on(self) -> None:
        try:
            while self._waiting:
                head = self._waiting[0]
                written = self._written(head)
                self._waiting_bytes -= written
                if written < len(head):
                    self._waiting[0] = head[written:]
                    return
                self._waiting.popleft()
        except OSError:  # the next message finds out too
            self._waiting.clear()
            self._waiting_bytes = 0
        self._loop.remove_writer(self._socket.fileno())

    def close(self) -> None:
        if self._waiting:
            self._loop.remove_writer(self._socket.fileno())
        self._socket.close()


class _Visitor(asyncio.Protocol):
    """What another worker sends: frames of a magic, a length and a message. Anything else ends the connection."""

    def __init__(self, carrier: WorkerSockets, arrived: Callable[[Message], None]) -> None:
        self._carrier = carrier
        self._arrived = arrived
        self._buffer = bytearray()
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._carrier.came(transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._carrier.left(self._transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        try:
            for message in self._messages():
                self._arrived(message)
        except (ValueError, msgspec.MsgspecError):
            self._carrier.garbled += 1
            self._buffer.clear()
            self._transport.abort()

    def _messages(self) -> Iterator[Message]:
        while len(self._buffer) >= _HEAD_BYTES:
            size = int.from_bytes(self._buffer[len(_MAGIC) : _HEAD_BYTES], "big")
            if not self._buffer.startswith(_MAGIC) or size > self._carrier.max_payload_bytes + _OVERHEAD_BYTES:
                raise ValueError(size)
            if len(self._buffer) < _HEAD_BYTES + size:
                return
            body = bytes(self._buffer[_HEAD_BYTES : _HEAD_BYTES + size])
            del self._buffer[: _HEAD_BYTES + size]
            yield _decoder.decode(body)


@contextmanager
def _address(folder: Path, name: str) -> Iterator[str]:
    """Where a socket can be bound and reached, however long the folder's path is."""
    path = str(folder / name)
    if len(os.fsencode(path)) <= _MAX_ADDRESS_BYTES:
        yield path
        return
    with ExitStack() as stack:
        number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        stack.callback(os.close, number)
        yield f"/proc/self/fd/{number}/{name}"
