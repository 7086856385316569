"""Clients that a gateway on an open port meets: they speak raw bytes, slowly, too much, or not HTTP at all."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import statistics
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

from tests.integration.asks import TOKEN
from tests.integration.service import descendants
from tests.integration.stack import Stack

ROUTE = "/llm/call/main/v1/chat/completions"
PROMPT = {"model": "mock-small", "messages": [{"role": "user", "content": "Hello?"}]}
SLOWEST_SECONDS = 3.5
"""What anybody else may wait for an answer meanwhile: less than a gateway waits for a slow client, of whom nobody waits
for the end; the machine is shared, and so is this process."""

USUAL_SECONDS = 0.8
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)


def address_of(stack: Stack) -> tuple[str, int]:
    """Where the gateway listens."""
    parts = urlsplit(stack.url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


def request(
    *, token: str = TOKEN, script: str = "", stream: bool = False, declared: str = "", method: str = "POST",
    path: str = ROUTE,
) -> bytes:  # fmt: skip
    """A whole request; with ``declared`` (a header line about its size) only its head."""
    body = b"" if declared or method == "GET" else json.dumps(PROMPT | {"stream": stream}).encode()
    lines = [
        f"{method} {path} HTTP/1.1", "host: gateway", f"authorization: Bearer {token}",
        "content-type: application/json", f"x-mock: {script}", declared or f"content-length: {len(body)}",
    ]  # fmt: skip
    return "\r\n".join([*lines, "", ""]).encode() + body


class Connection:
    """One kept-alive connection, without a library that would be kinder than an attacker."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self, data: bytes) -> tuple[int, bytes]:
        """Send a request and read its answer, which has a length."""
        self.writer.write(data)
        head = await self.reader.readuntil(b"\r\n\r\n")
        status, length = _STATUS.match(head), _LENGTH.search(head)
        assert status is not None, head
        assert length is not None, head
        return int(status[1]), await self.reader.readexactly(int(length[1]))

    async def is_closed_within(self, seconds: float) -> bool:
        """Whether the other side closed, having said nothing."""
        try:
            async with asyncio.timeout(seconds):
                said = await self.reader.read(1)
        except TimeoutError:
            return False
        except ConnectionResetError:
            return True
        assert said == b""
        return True


@contextlib.asynccontextmanager
async def connected(stack: Stack) -> AsyncIterator[Connection]:
    """A connection to the gateway, closed behind the block."""
    reader, writer = await asyncio.open_connection(*address_of(stack))
    try:
        yield Connection(reader, writer)
    finally:
        writer.close()


@contextlib.asynccontextmanager
async def others_are_served(stack: Stack) -> AsyncIterator[None]:
    """All through the block somebody else asks, and ``/health`` is looked at: all of it is answered, and quickly."""
    stop = asyncio.Event()
    seconds: dict[str, list[float]] = {"exchange": [], "health": []}

    async def go_on(name: str, data: bytes) -> None:
        async with connected(stack) as connection:
            while not stop.is_set():
                started = time.monotonic()
                status, _ = await connection.ask(data)
                seconds[name].append(time.monotonic() - started)
                assert status == 200, name
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), 0.02)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(go_on("exchange", request()))
        tasks.create_task(go_on("health", request(method="GET", path="/health")))
        try:
            while not all(seconds.values()):  # noqa: ASYNC110 - the first of each is out: it is alive
                await asyncio.sleep(0.01)
            yield
        finally:
            stop.set()
    for name, found in seconds.items():
        assert max(found) < SLOWEST_SECONDS, f"{name}: {max(found):.3f} s"
        assert statistics.median(found) < USUAL_SECONDS, f"{name}: {statistics.median(found):.3f} s"


def pour(stack: Stack, head: bytes, piece: bytes, times: int) -> tuple[int, bytes]:
    """Send a body that does not stop where it is refused: (bytes taken, what came back). Blocks."""
    sent = 0
    with socket.create_connection(address_of(stack), timeout=20) as connection:
        try:
            connection.sendall(head)
            for _ in range(times):
                connection.sendall(piece)
                sent += len(piece)
        except (ConnectionResetError, BrokenPipeError):
            pass  # closed on us, as it should: what was answered can still be read
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while received := connection.recv(65_536):
                answer += received
    return sent, answer


def deaf(stack: Stack, data: bytes) -> socket.socket:
    """A connection that asks and never reads, with next to no room in its own buffers."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    connection.settimeout(20)
    connection.connect(address_of(stack))
    connection.sendall(data)
    return connection


def worker_of(stack: Stack) -> int:
    """The process that serves, where there is one worker."""
    (pid,) = descendants(stack.gateway._process.pid)
    return pid


def peak_bytes(pid: int) -> int:
    """The most memory that a process ever had resident."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) << 10
