"""A real S3-compatible server as a process, one for the whole run, and a door before it that fails as it is told."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import botocore.session
import httpx
import pytest

from sluice.dev.servers.ports import LOOPBACK, free_port

_START_SECONDS = 30.0
CREDENTIALS = {"access_key_id": "tests", "secret_access_key": "secret"}


class S3Server:
    """moto's server; memory only."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://{LOOPBACK}:{self.port}"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", LOOPBACK, "-p", str(self.port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._wait()
        self.client: Any = botocore.session.Session().create_client(
            "s3", region_name="us-east-1", endpoint_url=self.url, aws_access_key_id="x", aws_secret_access_key="x"
        )

    def _wait(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                httpx.get(self.url, timeout=2)
            except httpx.TransportError as error:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    self.close()
                    raise RuntimeError("the S3 server did not start") from error
                time.sleep(0.05)
            else:
                return

    def objects(self, bucket: str) -> dict[str, bytes]:
        """Every object of a bucket but those that say whose it is."""
        found: dict[str, bytes] = {}
        for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for each in page.get("Contents", ()):
                if not each["Key"].endswith(".owner"):
                    found[each["Key"]] = self.client.get_object(Bucket=bucket, Key=each["Key"])["Body"].read()
        return found

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()


@dataclass(frozen=True)
class Fault:
    """What becomes of one request: this answer instead of the server's, which may have done it all the same."""

    status: int = 503
    code: str = "SlowDown"
    is_done: bool = False
    seconds: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    held: asyncio.Event | None = None
    """The answer waits for it, where it is given."""

    def answer(self) -> bytes:
        body = f"<?xml version='1.0'?><Error><Code>{self.code}</Code><Message>no</Message></Error>".encode()
        lines = [f"HTTP/1.1 {self.status} X", f"content-length: {len(body)}", "content-type: application/xml"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join([*lines, "connection: close", "", ""]).encode() + body


class Door:
    """Forwards requests one by one; ``faults`` befall the next puts, ``always`` every one."""

    def __init__(self, server: S3Server) -> None:
        self._server = server
        self.port = 0
        self.faults: deque[Fault] = deque()
        self.always: Fault | None = None
        self.requests: list[str] = []
        self.ignores = ""
        """A header that the server behind it does not know."""
        self._listener: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    async def open(self) -> None:
        self._listener = await asyncio.start_server(self._serve, LOOPBACK, self.port)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
            if "expect" in headers:
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            self.requests.append(" ".join(lines[0].split(" ")[:2]))
            writer.write(await self._answer(lines, body))
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, lines: list[str], body: bytes) -> bytes:
        fault = self.always
        if lines[0].startswith("PUT") and self.faults:
            fault = self.faults.popleft()
        if fault is not None and not fault.is_done:
            await asyncio.sleep(fault.seconds)
            if fault.held is not None:
                await fault.held.wait()
            return fault.answer()
        answer = await self._forwarded(lines, body)
        if fault is None:
            return answer
        await asyncio.sleep(fault.seconds)
        return fault.answer()

    async def _forwarded(self, lines: list[str], body: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(LOOPBACK, self._server.port)
        dropped = ("expect:", "connection:", f"{self.ignores}:")
        kept = [line for line in lines if line and not line.lower().startswith(dropped)]
        writer.write("\r\n".join([*kept, "Connection: close", "", ""]).encode("latin-1") + body)
        answer = await reader.read()
        writer.close()
        return answer


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """One for the whole run: use buckets of your own."""
    server = S3Server()
    yield server
    server.close()
