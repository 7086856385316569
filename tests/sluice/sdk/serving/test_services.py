"""Tests of ``sluice.sdk.serving.services``."""

from __future__ import annotations

import asyncio

import pytest

from sluice.sdk import ServiceUnavailable
from sluice.sdk.serving.connection import Connection
from sluice.sdk.serving.services import ProcessServices
from tests.sluice.sdk.serving.harness import connected


async def test_each_runtime_has_its_own_services() -> None:
    """The other's are refused by name, before anything is asked."""
    for runtime in ("gateway", "collector"):
        async with connected(runtime=runtime) as (_, services):
            assert services.gateway() is services.gateway()
    async with connected(runtime="studio") as (_, services):
        with pytest.raises(ServiceUnavailable, match="gateway services"):
            services.gateway()
        with pytest.raises(ServiceUnavailable, match="studio services"):
            services.studio()


async def test_http_is_made_when_it_is_asked_for_and_closed_at_the_end() -> None:
    """Once, with bounds."""
    async with connected() as (_, services):
        client = services.http
        assert services.http is client
        assert (client.timeout.read, client.timeout.connect) == (30.0, 10.0)
    with pytest.raises(RuntimeError, match="closed"):
        await client.get("http://127.0.0.1:1/")


async def test_http_is_what_it_is_in_the_gateway_s_process() -> None:
    """``async with`` does not close it for the next exchange, and one exchange's cookie is not sent in another's."""
    heads: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nset-cookie: person=ann\r\nconnection: close\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with server, connected() as (_, services):
        for _ in range(2):
            async with services.http as client:
                assert (await client.get(url)).status_code == 200
    assert len(heads) == 2
    assert not any(b"cookie" in head.lower() for head in heads)


async def test_the_log_names_the_plugin(capsys: pytest.CaptureFixture[str]) -> None:
    """On standard error, whatever happens to standard output."""
    async with connected("mine") as (_, services):
        services.logger.info("hello")
    captured = capsys.readouterr()
    assert '"@module": "mine"' in captured.err
    assert captured.out == ""


async def test_closing_twice_is_closing_once() -> None:
    """The end may come from two sides."""
    async with connected() as (connection, services):
        assert isinstance(connection, Connection)
        assert isinstance(services, ProcessServices)
        await services.close()
