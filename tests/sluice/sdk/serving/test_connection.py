"""Tests of ``sluice.sdk.serving.connection``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from sluice.plugin_wire import management_pb2 as pb
from sluice.plugin_wire.go_plugin_pb2 import ConnInfo
from sluice.plugin_wire.rpc import MANAGEMENT, handler_of
from sluice.sdk import NotFound, PayloadTooLarge, ScopeDenied, ServiceError, ServiceUnavailable
from sluice.sdk.serving import connection as module
from sluice.sdk.testing import make_context
from tests.sluice.sdk.serving.harness import PLUGIN_ID, connected, host_of

REQUEST = pb.ReadPluginKVRequest(key="a", context=pb.PluginContext(plugin_id=PLUGIN_ID, method_scope="kv.readwrite"))


def announcement(address: str, service_id: int = 1, network: str = "unix") -> ConnInfo:
    """As a host sends it."""
    return ConnInfo(service_id=service_id, network=network, address=address)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (grpc.StatusCode.NOT_FOUND, NotFound),
        (grpc.StatusCode.PERMISSION_DENIED, ScopeDenied),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, PayloadTooLarge),
        (grpc.StatusCode.UNAVAILABLE, ServiceUnavailable),
        (grpc.StatusCode.UNAUTHENTICATED, ServiceUnavailable),
        (grpc.StatusCode.UNIMPLEMENTED, ServiceUnavailable),
        (grpc.StatusCode.INVALID_ARGUMENT, ServiceError),
        (grpc.StatusCode.INTERNAL, ServiceError),
    ],
)
async def test_a_host_s_refusal_is_the_sdk_s_error(
    tmp_path: Path, code: grpc.StatusCode, error: type[ServiceError]
) -> None:
    """By what an author can do about it, in the host's own words."""

    async def refuse(request: Any, context: Any) -> None:
        await context.abort(code, "the host's words")

    server = grpc.aio.server()
    server.add_generic_rpc_handlers((handler_of(MANAGEMENT, {"ReadPluginKV": refuse}),))
    server.add_insecure_port(f"unix:{tmp_path}/s")
    await server.start()
    async with connected("mine") as (connection, _):
        connection.broker_id = 1
        await connection.announcements.put("host", announcement(f"{tmp_path}/s"))
        with pytest.raises(ServiceError) as caught:
            await connection.call(MANAGEMENT, "ReadPluginKV", REQUEST, "kv.readwrite")
    await server.stop(None)
    assert type(caught.value) is error
    expected = "'mine' has no scope 'kv.readwrite'" if error is ScopeDenied else "the host's words"
    assert expected in str(caught.value)


async def test_a_call_waits_for_the_announcement(tmp_path: Path) -> None:
    """A plugin may ask before its host has said where."""
    services = make_context().services
    await services.kv.write("a", b"1")
    async with (
        host_of(services, f"{tmp_path}/s") as address,
        connected() as (connection, _),
        asyncio.TaskGroup() as group,
    ):
        connection.broker_id = 1
        call = group.create_task(connection.call(MANAGEMENT, "ReadPluginKV", REQUEST))
        await asyncio.sleep(0)
        assert not call.done()
        await connection.announcements.put("host", announcement("/elsewhere", service_id=2))
        await connection.announcements.put("host", announcement(address))
        assert (await call).value == b"1"


async def test_a_call_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """It names what it waited for; without any services on offer it does not wait at all."""
    monkeypatch.setattr(module, "ANNOUNCEMENT_SECONDS", 0.02)
    async with connected() as (connection, _):
        with pytest.raises(ServiceUnavailable, match="offers this plugin no services"):
            await connection.call(MANAGEMENT, "ReadPluginKV", REQUEST)
        connection.broker_id = 1
        with pytest.raises(ServiceUnavailable, match=r"did not say within 0\.02 s"):
            await connection.call(MANAGEMENT, "ReadPluginKV", REQUEST)


async def test_another_place_is_another_connection(tmp_path: Path) -> None:
    """A host that was restarted announces anew."""
    one, other = make_context().services, make_context().services
    await one.kv.write("a", b"1")
    await other.kv.write("a", b"2")
    async with connected() as (connection, _):
        connection.broker_id = 1
        async with host_of(one, f"{tmp_path}/1") as address:
            await connection.announcements.put("one", announcement(address))
            assert (await connection.call(MANAGEMENT, "ReadPluginKV", REQUEST)).value == b"1"
        with pytest.raises(ServiceUnavailable):
            await connection.call(MANAGEMENT, "ReadPluginKV", REQUEST)
        connection.announcements.end("one")
        async with host_of(other, f"{tmp_path}/2") as address:
            await connection.announcements.put("other", announcement(address))
            assert (await connection.call(MANAGEMENT, "ReadPluginKV", REQUEST)).value == b"2"


@asynccontextmanager
async def silent_host(socket: str) -> AsyncIterator[asyncio.Event]:
    """A host that never answers; its event says that it was asked."""
    asked = asyncio.Event()

    async def wait(request: Any, context: Any) -> None:
        asked.set()
        await asyncio.Event().wait()

    server = grpc.aio.server()
    server.add_generic_rpc_handlers((handler_of(MANAGEMENT, {"ReadPluginKV": wait}),))
    server.add_insecure_port(f"unix:{socket}")
    await server.start()
    try:
        yield asked
    finally:
        await server.stop(None)


async def test_a_call_on_a_connection_that_is_given_up_fails(tmp_path: Path) -> None:
    """It was not cancelled: whoever made it goes on."""
    services = make_context().services
    await services.kv.write("a", b"1")
    async with (
        silent_host(f"{tmp_path}/1") as asked,
        host_of(services, f"{tmp_path}/2") as address,
        connected() as (connection, _),
        asyncio.TaskGroup() as group,
    ):
        connection.broker_id = 1
        await connection.announcements.put("one", announcement(f"{tmp_path}/1"))
        under_way = group.create_task(failure_of(connection.call(MANAGEMENT, "ReadPluginKV", REQUEST)))
        await asked.wait()
        connection.announcements.end("one")
        await connection.announcements.put("two", announcement(address))
        assert (await connection.call(MANAGEMENT, "ReadPluginKV", REQUEST)).value == b"1"
        assert isinstance(await under_way, ServiceUnavailable)


async def test_a_cancelled_call_is_cancelled(tmp_path: Path) -> None:
    """A host that left, or a plugin's own deadline."""
    async with silent_host(f"{tmp_path}/1") as asked, connected() as (connection, _):
        connection.broker_id = 1
        await connection.announcements.put("one", announcement(f"{tmp_path}/1"))
        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            call = group.create_task(failure_of(connection.call(MANAGEMENT, "ReadPluginKV", REQUEST)))
            await asked.wait()
            call.cancel()
        assert isinstance(call.result(), asyncio.CancelledError)


async def failure_of(call: Any) -> BaseException | None:
    """What it raised, a cancellation too."""
    try:
        await call
    except BaseException as error:  # noqa: BLE001 - that is the question
        return error
    return None
