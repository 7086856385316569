"""Tests of ``sluice.sdk.serving.server``."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
import trustme

from sluice.plugin_wire import plugin_pb2 as pb
from sluice.plugin_wire.rpc import PLUGIN, Stub
from sluice.sdk.serving import server as module
from sluice.sdk.serving.launch import Launch, LaunchError
from sluice.sdk.serving.served import Served
from sluice.sdk.serving.server import start_server
from tests.sluice.sdk.serving.everything import Everything
from tests.sluice.sdk.serving.harness import connected, stub_of

PING = pb.PingRequest(timestamp=5)


@asynccontextmanager
async def listening(launch: Launch) -> AsyncIterator[None]:
    """A plugin, served so."""
    async with connected() as (connection, services):
        server = await start_server(Served(Everything(), "gateway", connection, services), launch)
        try:
            yield
        finally:
            await server.stop(None)


@pytest.fixture
def address() -> str:
    """One that was free just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


async def test_only_who_shows_the_token_is_let_in(address: str) -> None:
    """For every method, whatever it is."""
    async with listening(Launch(runtime="gateway", address=address, token="t")), stub_of(address) as stub:
        shown = (("authorization", "Bearer t"),)
        assert (await stub.Ping(PING, metadata=shown)).timestamp == 5
        for metadata in (None, (), (("authorization", "t"),), (("authorization", "Bearer tt"),), (("token", "t"),)):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.Ping(PING, metadata=metadata)
            assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.HandleEndpointRequestStream(pb.EndpointRequest()).read()
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_who_shows_no_token_sends_in_vain(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its request is not read: one that is too large is refused for the token it lacks, not for its size."""
    monkeypatch.setattr(module, "_OPTIONS", (("grpc.max_receive_message_length", 1000),))
    async with listening(Launch(runtime="gateway", address=address, token="t")), stub_of(address) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.ProcessPreAuth(pb.PluginRequest(body=bytes(2000)))
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_tls_is_spoken_where_there_is_a_certificate(address: str) -> None:
    """To those who trust who signed it; a plain connection gets nothing."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    launch = Launch(
        runtime="gateway",
        address=address,
        certificate=certificate.cert_chain_pems[0].bytes(),
        key=certificate.private_key_pem.bytes(),
    )
    async with listening(launch):
        trusting = grpc.ssl_channel_credentials(authority.cert_pem.bytes())
        async with grpc.aio.secure_channel(address, trusting) as channel:
            stub: Any = Stub(channel, PLUGIN)
            assert (await stub.Ping(PING)).timestamp == 5
        async with stub_of(address) as plain:
            with pytest.raises(grpc.aio.AioRpcError):
                await plain.Ping(PING, timeout=5)


async def test_an_address_that_is_taken_is_said(address: str) -> None:
    """Rather than shared with whoever has it."""
    async with listening(Launch(runtime="gateway", address=address)):
        with pytest.raises(LaunchError, match=r"cannot listen on 127\.0\.0\.1"):
            async with listening(Launch(runtime="gateway", address=address)):
                pass


async def test_a_certificate_that_is_none_is_said(address: str) -> None:
    """Before anybody attaches."""
    with pytest.raises(LaunchError, match="cannot listen on"):
        async with listening(Launch(runtime="gateway", address=address, certificate=b"none", key=b"none")):
            pass


async def test_a_socket_is_this_user_s_alone(tmp_path: Path) -> None:
    """And what the plugin writes afterwards has its usual rights."""
    async with listening(Launch(runtime="gateway", socket=f"{tmp_path}/s")):
        assert (tmp_path / "s").stat().st_mode & 0o077 == 0
        (tmp_path / "file").touch()
        assert (tmp_path / "file").stat().st_mode & 0o444 == 0o444
