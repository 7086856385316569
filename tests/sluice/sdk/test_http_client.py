"""Tests of ``sluice.sdk.http_client`` against a real server: shared connections, and nothing else shared."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from sluice.plugin_host.http_pool import HttpPool
from sluice.sdk import http_client as module
from tests.sluice.plugin_host.waiting import until

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nset-cookie: session=secret\r\n\r\nok"


class Server:
    """Answers the same to everything and keeps the heads of requests."""

    def __init__(self, answer: bytes = ANSWER, rest: bytes = b"") -> None:
        self.heads: list[bytes] = []
        self.connections = 0
        self.url = ""
        self.writers: list[asyncio.StreamWriter] = []
        self._answer = answer
        self._rest = rest

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        try:
            while True:
                self.heads.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(self._answer)
                while self._rest:
                    writer.write(self._rest)
                    await writer.drain()
                    await asyncio.sleep(0.01)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.writers.remove(writer)
            writer.close()


@asynccontextmanager
async def serving(server: Server) -> AsyncIterator[Server]:
    """On a port of the system's choice."""
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    host, port = listening.sockets[0].getsockname()
    server.url = f"http://{host}:{port}/"
    yield server
    listening.close()
    for writer in server.writers:
        writer.close()
    await until(lambda: not server.writers)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """That answers at once."""
    async with serving(Server()) as made:
        yield made


@pytest.fixture
async def pool() -> AsyncIterator[HttpPool]:
    """Of one process."""
    made = HttpPool()
    yield made
    await made.close()


async def test_plugins_share_connections(server: Server, pool: HttpPool) -> None:
    """The second plugin's request goes over the first one's connection."""
    first, second = pool.client(), pool.client()
    for client in (first, second, first):
        assert (await client.get(server.url)).text == "ok"
    assert server.connections == 1


async def test_plugins_share_nothing_but_connections(server: Server, pool: HttpPool) -> None:
    """No header that another one set, no cookie that another one, or it itself, was given."""
    first, second = pool.client(), pool.client()
    first.headers["authorization"] = "Bearer first"
    await first.get(server.url)
    await second.get(server.url)
    await first.get(server.url)
    assert [b"Bearer first" in head for head in server.heads] == [True, False, True]
    assert not any(b"cookie" in head.lower() for head in server.heads)


async def test_a_plugin_that_closes_its_client_closes_nobody_elses(server: Server, pool: HttpPool) -> None:
    """Nor its own: ``async with ctx.services.http`` is how httpx is used, again in the next exchange."""
    first, second = pool.client(), pool.client()
    for _ in range(2):
        async with first as client:
            await client.get(server.url)
        await first.aclose()
    assert (await second.get(server.url)).status_code == 200
    assert server.connections == 1


async def test_streams_and_redirects_work_as_httpx_has_them(pool: HttpPool) -> None:
    """A borrowed transport is a transport."""
    async with serving(Server()) as target:
        found = f"HTTP/1.1 302 Found\r\nlocation: {target.url}\r\ncontent-length: 0\r\n\r\n".encode()
        async with serving(Server(found)) as first:
            client = pool.client()
            assert (await client.get(first.url)).status_code == 302
            assert (await client.get(first.url, follow_redirects=True)).text == "ok"
            async with client.stream("GET", target.url) as response:
                assert [piece async for piece in response.aiter_bytes()] == [b"ok"]


async def test_an_answer_that_trickles_has_thirty_seconds_in_all(
    pool: HttpPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """httpx alone would wait for ever for a byte a second; a request that says its own time has that."""
    monkeypatch.setattr(module, "TOTAL_SECONDS", 0.1)
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n"
    async with asyncio.timeout(10), serving(Server(head, b".")) as server:
        with pytest.raises(httpx.ReadTimeout, match="no whole answer"):
            await pool.client().get(server.url)
        with pytest.raises(httpx.ReadTimeout):
            await pool.client().get(server.url, timeout=httpx.Timeout(5, read=0.001))


async def test_time_limits_are_thirty_seconds_and_ten_to_connect(pool: HttpPool) -> None:
    """As plugins are promised."""
    assert pool.client().timeout == httpx.Timeout(30.0, connect=10.0)


async def test_a_server_that_is_not_there_is_httpx_own_error(pool: HttpPool) -> None:
    """Authors catch what httpx documents."""
    with pytest.raises(httpx.ConnectError):
        await pool.client().get("http://127.0.0.1:1/")


async def test_a_pool_is_closed_with_its_connections(server: Server) -> None:
    """Twice is no fault, unused is none."""
    pool = HttpPool()
    client = pool.client()
    await client.get(server.url)
    await pool.close()
    await pool.close()
    with pytest.raises(RuntimeError, match="closed"):
        await client.get(server.url)


def test_certificates_are_looked_at() -> None:
    """A vendor's host must be who it says that it is."""
    transport = module.open_pool()._transport
    assert isinstance(transport, httpx.AsyncHTTPTransport)
    assert transport._pool._ssl_context.verify_mode is ssl.CERT_REQUIRED  # type: ignore[union-attr]
