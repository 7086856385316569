"""A vendor of Anthropic's dialect that answers as a test says, on a real socket."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import pairwise


@dataclass
class Reply:
    """What it answers: a stream where there are pieces, each sent by itself."""

    body: bytes = b""
    pieces: list[bytes] = field(default_factory=list)
    status: int = 200
    content_type: str = "application/json"
    headers: tuple[str, ...] = ()
    hangs: bool = False
    """Whether nothing ever comes."""

    def encoded(self) -> list[bytes]:
        """Head and body, as they go out."""
        lines = [f"HTTP/1.1 {self.status} X", f"content-type: {self.content_type}", *self.headers]
        if not self.pieces:
            return ["\r\n".join([*lines, f"content-length: {len(self.body)}", "", ""]).encode() + self.body]
        head = "\r\n".join([*lines, "transfer-encoding: chunked", "", ""]).encode()
        chunks = [f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in self.pieces]
        return [head, *chunks, b"0\r\n\r\n"]


@dataclass
class Seen:
    """One request as it arrived."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class ScriptedVendor:
    """``reply`` is what it answers next, and until it is changed."""

    def __init__(self) -> None:
        self.reply = Reply()
        self.seen: list[Seen] = []
        self.url = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError), contextlib.closing(writer):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                method, target, _ = head[0].split(" ")
                headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                self.seen.append(Seen(method, target, headers, body))
                if self.reply.hangs:
                    await reader.read()
                    return
                for data in self.reply.encoded():
                    writer.write(data)
                    await writer.drain()
                    await asyncio.sleep(0)


def stream_reply(stream: bytes, size: int = 37) -> Reply:
    """A stream in pieces of so many bytes."""
    places = [*range(0, len(stream), size), len(stream)]
    pieces = [stream[a:b] for a, b in pairwise(places)]
    return Reply(pieces=pieces, content_type="text/event-stream; charset=utf-8", headers=("cache-control: no-cache",))


@contextlib.asynccontextmanager
async def scripted_vendor() -> AsyncIterator[ScriptedVendor]:
    """Listening until the test is over."""
    vendor = ScriptedVendor()
    server = await asyncio.start_server(vendor.answer, "127.0.0.1", 0)
    vendor.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield vendor
