"""A closed-loop HTTP load: so many connections, each sends its next request when it has the last byte of an answer.

Run as a script: prints one JSON object. About 10 µs a request, so that one core can drive a gateway on another.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import uvloop

HEAD_END = b"\r\n\r\n"
CHUNKED_END = b"0\r\n\r\n"


@dataclass
class Tally:
    """What all connections saw."""

    latencies: list[float] = field(default_factory=list)
    answered: int = 0
    """All answers, the warm-up's too: what CPU time is divided by."""
    errors: int = 0
    stop_at: float = 0.0
    count_from: float = 0.0


class Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, request: bytes, tally: Tally, done: asyncio.Future[None]) -> None:
        self._request = request
        self._tally = tally
        self._done = done
        self._buffer = b""
        self._needed = -1  # bytes of the whole answer; -1: head incomplete; 0: chunked
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._send()

    def _send(self) -> None:
        self._sent_at = time.perf_counter()
        if self._sent_at >= self._tally.stop_at:
            self._transport.close()
            return
        self._buffer, self._needed = b"", -1
        self._transport.write(self._request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._buffer = buffer = self._buffer + data if self._buffer else data
        if self._needed < 0:
            end = buffer.find(HEAD_END)
            if end < 0:
                return
            head = buffer[:end].lower()
            at = head.find(b"content-length:")
            self._needed = 0 if at < 0 else end + 4 + int(head[at + 15 : at + 28].split(b"\r\n")[0])
            if not head.startswith(b"http/1.1 200"):
                self._tally.errors += 1
        if (self._needed and len(buffer) >= self._needed) or (not self._needed and buffer.endswith(CHUNKED_END)):
            self._tally.answered += 1
            if self._sent_at >= self._tally.count_from:
                self._tally.latencies.append(time.perf_counter() - self._sent_at)
            self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if time.perf_counter() < self._tally.stop_at:
            self._tally.errors += 1
        if not self._done.done():
            self._done.set_result(None)


async def run(url: str, headers: list[str], body: bytes, connections: int, seconds: float, warmup: float) -> Tally:
    """Drive the load; latencies are those of requests sent after the warm-up."""
    parts = urlsplit(url)
    lines = [
        f"POST {parts.path} HTTP/1.1",
        f"host: {parts.netloc}",
        "content-type: application/json",
        *headers,
        f"content-length: {len(body)}",
    ]
    request = "\r\n".join(lines).encode() + HEAD_END + body
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    tally = Tally(stop_at=started + warmup + seconds, count_from=started + warmup)
    futures = [loop.create_future() for _ in range(connections)]
    for future in futures:
        await loop.create_connection(
            lambda future=future: Connection(request, tally, future),  # type: ignore[misc]
            parts.hostname or "127.0.0.1",
            parts.port or 80,
        )
    await asyncio.wait(futures, timeout=warmup + seconds + 10)
    return tally


def main() -> None:
    """Parse, drive, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--header", action="append", default=[])
    parser.add_argument("--body", required=True)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--warmup", type=float, default=1.0)
    options = parser.parse_args()
    tally = uvloop.run(
        run(
            options.url,
            options.header,
            options.body.encode(),
            options.connections,
            options.seconds,
            options.warmup,
        )
    )
    latencies = sorted(tally.latencies)
    print(
        json.dumps(
            {
                "requests": tally.answered,
                "errors": tally.errors,
                "requests_per_second": len(latencies) / options.seconds,
                "p50_ms": _percentile(latencies, 0.5),
                "p99_ms": _percentile(latencies, 0.99),
            }
        )
    )


def _percentile(values: list[float], share: float) -> float:
    return 1000 * values[min(len(values) - 1, int(share * len(values)))] if values else 0.0


if __name__ == "__main__":
    main()
