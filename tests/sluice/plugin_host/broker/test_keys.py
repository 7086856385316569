"""Tests of ``sluice.plugin_host.broker.keys``: the plugin's store, from its own process."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from sluice.clock import now_micros
from sluice.plugin_wire import extensions_pb2
from sluice.plugin_wire import management_pb2 as pb
from tests.sluice.plugin_host.broker.asking import Asking


async def test_a_key_is_written_read_and_deleted(host: Asking) -> None:
    """``created`` and ``deleted`` say what was there; the plugin's hooks in other processes see the same."""
    management = host.management
    assert (await management.WritePluginKV(pb.WritePluginKVRequest(key="a", value=b"1"))).created
    assert not (await management.WritePluginKV(pb.WritePluginKVRequest(key="a", value=b"2"))).created
    assert (await management.ReadPluginKV(pb.ReadPluginKVRequest(key="a"))).value == b"2"
    assert await host.services.kv.read("a") == b"2"
    assert (await management.DeletePluginKV(pb.DeletePluginKVRequest(key="a"))).deleted
    assert not (await management.DeletePluginKV(pb.DeletePluginKVRequest(key="a"))).deleted


async def test_a_key_that_is_not_there_is_not_found(host: Asking) -> None:
    """As plugins that probe for one expect."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await host.management.ReadPluginKV(pb.ReadPluginKVRequest(key="warmup-probe"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    ("expires_in_seconds", "is_there"), [(3600, True), (-1, False), (-(10**9), False), (200 * 10**9, True)]
)
async def test_a_key_expires_when_its_timestamp_says(host: Asking, expires_in_seconds: int, is_there: bool) -> None:
    """A time that is past is none; one far beyond any calendar is a time."""
    at = Timestamp(seconds=now_micros() // 1_000_000 + expires_in_seconds, nanos=5000)
    await host.management.WritePluginKV(pb.WritePluginKVRequest(key="a", value=b"1", expire_at=at))
    assert list(await host.services.kv.list()) == (["a"] if is_there else [])


@pytest.mark.parametrize("request_", [{"key": "k" * 256}, {"key": "k", "value": b"v" * 101}])
async def test_what_is_too_large_is_refused_with_its_bound(host: Asking, request_: dict[str, Any]) -> None:
    """RESOURCE_EXHAUSTED, naming the setting."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await host.management.WritePluginKV(pb.WritePluginKVRequest(**request_))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "plugin_host.kv.max_" in caught.value.details()


async def test_a_key_with_a_nul_is_no_argument(host: Asking) -> None:
    """INVALID_ARGUMENT."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await host.management.WritePluginKV(pb.WritePluginKVRequest(key="a\0b"))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_keys_are_listed_by_prefix(host: Asking) -> None:
    """At most ``limit``; a thousand where none is given."""
    for key in ("a1", "a2", "b1"):
        await host.services.kv.write(key, b"")
    listed = await host.extensions.ListKeys(extensions_pb2.ListKeysRequest(prefix="a"))
    assert list(listed.keys) == ["a1", "a2"]
    listed = await host.extensions.ListKeys(extensions_pb2.ListKeysRequest(limit=1))
    assert list(listed.keys) == ["a1"]
