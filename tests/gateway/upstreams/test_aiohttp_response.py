"""Tests of ``gateway.upstreams.aiohttp_response`` that are its own: when answers let go."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

from gateway.errors import UpstreamProtocolError
from gateway.upstreams.aiohttp_response import AiohttpResponse
from gateway.upstreams.client import Timeouts
from tests.contracts.scripted_upstream import Peer, turns
from tests.contracts.upstream_bench import Bench, Variant, ask, read_all


async def answer_all(peer: Peer) -> None:
    """Answer every request of a connection."""
    while await peer.request() is not None:
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")


@pytest.mark.parametrize("how", ["read", "aborted"])
async def test_an_answer_that_is_over_is_forgotten(how: str) -> None:
    """Neither its client nor a timer holds it: thousands of exchanges an hour with ten minutes each would add up."""
    async with Bench(Variant("aiohttp", "asyncio")) as bench:
        server, client = await bench.upstream(answer_all), bench.client()
        response = await client.send(ask(server.origin, timeouts=Timeouts(total_seconds=600)))
        assert isinstance(response, AiohttpResponse)
        if how == "read":
            assert await read_all(response) == b"ok"
        else:
            response.abort()
        seen = weakref.ref(response)
        del response
        await turns(3)
        gc.collect()
        assert seen() is None


async def test_a_body_that_becomes_malformed_wakes_its_reader() -> None:
    """aiohttp closes such a connection without telling whoever reads; the reader must not wait for its deadline."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        await waiting.wait()
        await peer.send(b"zz\r\n")
        await peer.until_closed()

    waiting = asyncio.Event()
    async with Bench(Variant("aiohttp", "asyncio")) as bench:
        server, client = await bench.upstream(script), bench.client()
        response = await client.send(ask(server.origin))
        async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(_outcome(response))
            await turns(3)
            waiting.set()
        assert reading.result() == "refused"


async def _outcome(response: object) -> str:
    assert isinstance(response, AiohttpResponse)
    try:
        await response.read()
    except UpstreamProtocolError:
        return "refused"
    return "read"
