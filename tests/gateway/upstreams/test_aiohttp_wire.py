"""Tests of ``gateway.upstreams.aiohttp_wire``: errors of aiohttp's, translated."""

from __future__ import annotations

import asyncio
from unittest.mock import Mock

import aiohttp
import pytest
from yarl import URL

from gateway.errors import UpstreamProtocolError, UpstreamUnreachable
from gateway.upstreams.aiohttp_wire import WireBody, as_fault
from gateway.upstreams.client import Origin

ORIGIN = Origin("https", "api.example.com", 443)


@pytest.mark.parametrize("error", [OSError("x"), ValueError("x"), TimeoutError(), aiohttp.ServerDisconnectedError()])
def test_nothing_sent_is_unreachable(error: Exception) -> None:
    """Whatever went wrong: before the request began to be written nothing can be billed; the text says where to."""
    fault = as_fault(error, ORIGIN, sent=False)
    assert type(fault) is UpstreamUnreachable
    assert "api.example.com:443" in str(fault)


@pytest.mark.parametrize(
    "error",
    [
        aiohttp.ServerDisconnectedError("HTTP/1.1 200 OK secret"),
        aiohttp.ClientPayloadError("secret"),
        aiohttp.ClientResponseError(
            aiohttp.RequestInfo(URL("https://x/?key=secret"), "GET", Mock(), URL("https://x/?key=secret")),
            (),
            status=400,
            message="Bad status line:\n  b'secret'",
        ),
    ],
)
def test_faults_tell_neither_bytes_nor_addresses(error: Exception) -> None:
    """A fault's text goes to the client and into the log: no query, no part of an answer."""
    fault = as_fault(error, ORIGIN, sent=True)
    assert type(fault) is UpstreamProtocolError
    assert "secret" not in str(fault)


class Writer:
    """Takes what a body writes."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    async def write(self, piece: bytes) -> None:
        self.pieces.append(piece)

    async def drain(self) -> None:
        await asyncio.sleep(0)


async def test_a_large_body_is_written_in_pieces() -> None:
    """So that no copy of it waits in the transport; aiohttp knows its size beforehand."""
    body, writer = bytes(200_000), Writer()
    wire = WireBody(body)
    assert wire.size == len(body)
    await wire.write(writer)  # type: ignore[arg-type]
    assert b"".join(writer.pieces) == body
    assert max(map(len, writer.pieces)) == 65_536
