"""Tests of ``sluice.sdk.serving.go_plugin``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.empty_pb2 import Empty

from sluice.plugin_wire.go_plugin_pb2 import ConnInfo
from sluice.plugin_wire.rpc import BROKER, STDIO, Stub
from sluice.sdk.testing import make_context
from tests.sluice.sdk.serving.everything import Everything
from tests.sluice.sdk.serving.harness import host_of, serving


async def test_what_the_host_announces_is_where_services_are(tmp_path: Path) -> None:
    """Again and again, and of other services too; the right one is found."""
    services = make_context().services
    await services.kv.write("a", b"1")
    async with serving(Everything(), tmp_path) as plugin, host_of(services, f"{tmp_path}/host") as address:
        await plugin.initialize(_plugin_id="7", _service_broker_id="3")
        stub: Any = Stub(plugin.channel, BROKER)
        stream = stub.StartStream()
        await stream.write(ConnInfo(service_id=2, network="unix", address="/nowhere"))
        for _ in range(3):
            await stream.write(ConnInfo(service_id=3, network="unix", address=address))
        assert await plugin.served.services.kv.read("a") == b"1"
        stream.cancel()


async def test_health_is_answered_as_go_plugin_s_hosts_ask(tmp_path: Path) -> None:
    """``plugin`` is SERVING; others are not known."""
    async with serving(Everything(), tmp_path) as plugin:
        check = plugin.channel.unary_unary("/grpc.health.v1.Health/Check")
        assert await check(b"\x0a\x06plugin") == b"\x08\x01"
        assert await check(b"") == b"\x08\x01"
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await check(b"\x0a\x05other")
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        watch = plugin.channel.unary_stream("/grpc.health.v1.Health/Watch")(b"\x0a\x06plugin")
        assert await watch.read() == b"\x08\x01"
        watch.cancel()


async def test_stdio_is_open_until_the_end_and_silent(tmp_path: Path) -> None:
    """Everything that is printed goes to standard error."""
    async with serving(Everything(), tmp_path) as plugin:
        stub: Any = Stub(plugin.channel, STDIO)
        stream = stub.StreamStdio(Empty())
        plugin.served.ended.set()
        assert [data async for data in stream] == []
