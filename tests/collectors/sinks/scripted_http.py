"""An HTTP server that answers as it is told, over real connections: for sinks that speak HTTP.

Each request takes the next step of ``script``, and ``behave`` answers while it is empty. A step sees the request and
gives the reply, so that it can fail before or after what it was sent is applied.
"""

from __future__ import annotations

import asyncio
import gzip
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back; with ``cut_at`` the connection is reset after so many bytes of the body."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut_at: int | None = None
    drip_seconds: float = 0.0
    """Between two bytes of the body."""


@dataclass(frozen=True, slots=True)
class Request:
    """What was sent."""

    method: str
    target: str
    headers: Mapping[str, str]
    """Names in lower case."""
    sent: bytes
    """As it came over the wire."""

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @property
    def body(self) -> bytes:
        """Without its compression."""
        return gzip.decompress(self.sent) if self.headers.get("content-encoding") == "gzip" else self.sent


Step = Callable[[Request], Awaitable[Reply]]


class ScriptedHttp:
    """Listens on the loopback interface from ``start`` to ``close``; can be started again on the same port."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.script: deque[Step] = deque()
        self.max_body_bytes = 100 << 20
        self.port = 0
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://localhost:{self.port}"

    async def behave(self, request: Request) -> Reply:
        """What is answered while nothing else is scripted."""
        return Reply()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and cut every connection."""
        if self._server is not None:
            self._server.close()
            for writer in list(self._writers):
                writer.transport.abort()
            await self._server.wait_closed()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        sent = await reader.readexactly(int(headers.get("content-length", "0")))
        request = Request(method, target, headers, sent)
        self.requests.append(request)
        reply = await self._answer(request)
        lines = [f"HTTP/1.1 {reply.status} X", f"content-length: {len(reply.body)}"]
        lines += [f"{name}: {value}" for name, value in reply.headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        await self._write_body(writer, reply)
        if reply.cut_at is not None:
            writer.transport.abort()
        return reply.cut_at is None

    async def _answer(self, request: Request) -> Reply:
        if len(request.sent) > self.max_body_bytes:
            return Reply(413)
        step = self.script.popleft() if self.script else self.behave
        return await step(request)

    async def _write_body(self, writer: asyncio.StreamWriter, reply: Reply) -> None:
        sent = reply.body if reply.cut_at is None else reply.body[: reply.cut_at]
        if reply.drip_seconds:
            for at in range(len(sent)):
                writer.write(sent[at : at + 1])
                await writer.drain()
                await asyncio.sleep(reply.drip_seconds)
            return
        writer.write(sent)
        await writer.drain()


def reply(status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Step:
    """A step that applies nothing and answers so."""

    async def step(_request: Request) -> Reply:
        return Reply(status, body, headers or {})

    return step


def then(server: ScriptedHttp, answer: Reply) -> Step:
    """A step that does what the server does, and then answers otherwise."""

    async def step(request: Request) -> Reply:
        await server.behave(request)
        return answer

    return step


def hanging(released: asyncio.Event) -> Step:
    """A step that answers when the event is set."""

    async def step(_request: Request) -> Reply:
        await released.wait()
        return Reply()

    return step
