"""A server that takes every bulk and keeps nothing: what a collector costs without its sink. Run as a script on a port.

It answers as an empty Elasticsearch would. ``GET /__count`` tells how many documents came, and when the first and the
last did (monotonic seconds of this machine).
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from functools import cache

import uvloop

HEAD_END = b"\r\n\r\n"


class Count:
    """What came."""

    documents = 0
    first_at = 0.0
    last_at = 0.0


@cache
def bulk_answer(documents: int) -> bytes:
    """What Elasticsearch says of so many created documents, filtered as the sink asks."""
    items = b",".join([b'{"create":{"status":201}}'] * documents)
    return b'{"errors":false,"items":[' + items + b"]}"


class NullBulk(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._needed = -1
        self._head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._parts.append(data)
        self._size += len(data)
        if self._needed < 0:
            buffer = b"".join(self._parts)
            end = buffer.find(HEAD_END)
            if end < 0:
                return
            self._head = buffer[:end]
            at = self._head.lower().find(b"content-length:")
            length = int(self._head[at + 15 : at + 30].split(b"\r\n")[0]) if at >= 0 else 0
            self._parts, self._needed = [buffer[end + 4 :]], length
            self._size = len(self._parts[0])
        if self._size >= self._needed:
            self._answer(b"".join(self._parts))
            self._parts, self._size, self._needed = [], 0, -1

    def _answer(self, body: bytes) -> None:
        method, path, _ = self._head.split(b"\r\n", 1)[0].split(b" ", 2)
        status = b"200 OK"
        if b"_bulk" in path:
            documents = body.count(b"\n") // 2
            now = time.monotonic()
            Count.documents += documents
            Count.first_at = Count.first_at or now
            Count.last_at = now
            answer = bulk_answer(documents)
        elif path.startswith(b"/__count"):
            found = {"documents": Count.documents, "first_at": Count.first_at, "last_at": Count.last_at}
            answer = json.dumps(found).encode()
        elif method == b"GET" and b"_template" in path:
            status, answer = b"404 Not Found", b"{}"
        else:
            answer = b'{"acknowledged":true,"status":"green"}'
        head = b"HTTP/1.1 %s\r\ncontent-type: application/json\r\nx-elastic-product: Elasticsearch\r\n" % status
        self._transport.write(head + b"content-length: %d\r\n\r\n" % len(answer) + answer)  # type: ignore[attr-defined]


async def main() -> None:
    """Serve until killed."""
    server = await asyncio.get_running_loop().create_server(NullBulk, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
