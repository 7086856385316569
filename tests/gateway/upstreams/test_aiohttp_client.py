"""Tests of ``gateway.upstreams.aiohttp_client`` that are its own: proxies. The contract suite has all else."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from gateway.errors import UpstreamUnreachable
from gateway.upstreams.client import Origin
from tests.contracts.scripted_upstream import Peer
from tests.contracts.upstream_bench import Bench, Recorder, Variant, ask, fault_of, fetch, trust

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
CREDENTIALS = b"Basic " + base64.b64encode(b"user:pass word")


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """This test's clients and servers."""
    async with Bench(Variant("aiohttp", "asyncio")) as made:
        yield made


class Tunnel:
    """An HTTP proxy that connects to one place, whatever it is asked for."""

    def __init__(self, place: Origin) -> None:
        self._place = place
        self.heads: list[bytes] = []

    async def __call__(self, peer: Peer) -> None:
        self.heads.append(await peer.reader.readuntil(b"\r\n\r\n"))
        await peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        reader, writer = await asyncio.open_connection(self._place.host, self._place.port)
        try:
            async with asyncio.TaskGroup() as tasks:
                back = tasks.create_task(self._pump(reader, peer))
                with suppress(ConnectionError):
                    while data := await peer.reader.read(1 << 16):
                        writer.write(data)
                back.cancel()
        finally:
            writer.close()

    async def _pump(self, reader: asyncio.StreamReader, peer: Peer) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                await peer.send(data)


async def test_https_goes_through_a_tunnel(bench: Bench, tmp_path: Path) -> None:
    """The proxy is asked for a tunnel, with its credentials; it sees neither the request nor the vendor's key, and
    the certificate verified is the vendor's. The tunnel is kept and used again."""
    vendor = Recorder()
    server = await bench.upstream(vendor, names="localhost")
    tunnel = Tunnel(server.origin)
    proxy = await bench.upstream(tunnel)
    address = f"http://user:pass%20word@127.0.0.1:{proxy.origin.port}"
    client = bench.client(tls=trust(tmp_path / "ca.pem"), proxies={"https": address})
    request = ask(server.origin, b"/v1?x=y", method=b"POST", headers=[(b"authorization", b"Bearer key")], body=b"{}")
    for _ in range(2):
        await fetch(client, request)
    assert len(tunnel.heads) == 1
    place = b"localhost:%d" % server.origin.port
    assert tunnel.heads[0].startswith(b"CONNECT " + place + b" HTTP/1.1\r\n")
    assert b"proxy-authorization: " + CREDENTIALS.lower() in tunnel.heads[0].lower()
    assert b"bearer" not in tunnel.heads[0].lower()
    assert [asked.lines for asked in vendor.asked] == [
        [b"POST /v1?x=y HTTP/1.1", b"authorization: Bearer key", b"host: " + place, b"content-length: 2"]
    ] * 2


async def test_http_is_handed_to_the_proxy(bench: Bench) -> None:
    """The proxy gets the request with the whole address as its target, and its own credentials."""
    script = Recorder()
    proxy = await bench.upstream(script)
    client = bench.client(proxies={"http": f"http://user:pass%20word@127.0.0.1:{proxy.origin.port}"})
    await fetch(client, ask(Origin("http", "vendor.test", 81), b"/v1?x=y"))
    assert script.asked[0].target == b"http://vendor.test:81/v1?x=y"
    assert b"host: vendor.test:81" in script.asked[0].lines
    assert CREDENTIALS.lower() in script.asked[0].head.lower()


async def test_exceptions_are_called_directly(bench: Bench) -> None:
    """``NO_PROXY`` is kept."""
    script = Recorder()
    server = await bench.upstream(script)
    client = bench.client(proxies={"http": "http://127.0.0.1:1", "no": "127.0.0.1"})
    await fetch(client, ask(server.origin, b"/v1"))
    assert script.asked[0].target == b"/v1"


@pytest.mark.parametrize("answer", [b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", b"junk\r\n\r\n", b""])
async def test_a_proxy_that_refuses_is_unreachable(bench: Bench, answer: bytes) -> None:
    """Without a tunnel nothing was sent to the vendor."""

    async def script(peer: Peer) -> None:
        await peer.reader.readuntil(b"\r\n\r\n")
        await peer.send(answer)

    proxy = await bench.upstream(script)
    client = bench.client(proxies={"https": f"http://127.0.0.1:{proxy.origin.port}"})
    fault = await fault_of(client, ask(Origin("https", "vendor.test", 443)))
    assert type(fault) is UpstreamUnreachable


async def test_a_proxy_that_is_not_there_is_unreachable(bench: Bench) -> None:
    """As is a vendor that is not there."""
    client = bench.client(proxies={"http": "http://127.0.0.1:1"})
    assert type(await fault_of(client, ask(Origin("http", "vendor.test", 80)))) is UpstreamUnreachable


async def test_a_private_address_needs_leave(bench: Bench) -> None:
    """Where the origin may not be private no connection is made, nor one taken that another origin's call left; a
    proxy may be anywhere: it resolves the name itself."""
    script = Recorder()
    server = await bench.upstream(script)
    client = bench.client(proxies={})
    await fetch(client, ask(server.origin))
    guarded = msgspec.structs.replace(server.origin, allows_private=False)
    fault = await fault_of(client, ask(guarded))
    assert type(fault) is UpstreamUnreachable
    assert "allow_private_endpoints" in str(fault)
    assert len(script.asked) == 1
    proxied = bench.client(proxies={"http": f"http://127.0.0.1:{server.origin.port}"})
    await fetch(proxied, ask(guarded))
    assert len(script.asked) == 2
