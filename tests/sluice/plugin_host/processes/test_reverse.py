"""The way back is announced until it is used, on one stream that lasts as long as the connection."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.empty_pb2 import Empty

from sluice.plugin_host.processes import reverse
from sluice.plugin_host.processes.calls import BROKER, Calls
from sluice.plugin_host.processes.reverse import BROKER_ID, WayBack, max_request_bytes, open_way_back
from sluice.plugin_host.settings import KvSettings, PluginHostSettings
from sluice.plugin_wire.go_plugin_pb2 import ConnInfo
from tests.sluice.plugin_host.processes.peers import Peer, calling, serving, until


class Broker(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
    """A plugin's half of go-plugin's broker."""

    def __init__(self) -> None:
        self.heard: list[ConnInfo] = []
        self.streams = 0
        self.ended = 0

    def service(self, details: Any) -> Any:
        return grpc.stream_stream_rpc_method_handler(self.listen) if details.method == BROKER else None

    async def listen(self, lines: Any, _context: Any) -> Any:
        self.streams += 1
        try:
            async for line in lines:
                self.heard.append(ConnInfo.FromString(line))
                if self.streams > 1:
                    yield line
        finally:
            self.ended += 1


@pytest.fixture
async def way_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A server of one service, announced often."""
    monkeypatch.setattr(reverse, "ANNOUNCE_SECONDS", 0.01)

    async def pong(data: bytes, _context: Any) -> bytes:
        return data

    peer = Peer()
    peer.answers["/services/Echo"] = pong
    opened = await open_way_back(str(tmp_path / "h"), [peer])
    yield opened
    await opened.close()


async def test_it_is_announced_until_it_is_used(way_back: WayBack) -> None:
    """On one stream, however often it is asked for, which stays open: go-plugin's broker ends with it."""
    broker = Broker()
    async with serving(broker) as port:
        calls = Calls(grpc.aio.insecure_channel(f"127.0.0.1:{port}"), 1000)
        way_back.announce(calls)
        way_back.announce(calls)
        await until(lambda: len(broker.heard) > 3)
        async with grpc.aio.insecure_channel(f"unix:{way_back.socket}") as plugin:
            assert await plugin.unary_unary("/services/Echo")(b"hello") == b"hello"
        assert way_back.is_used
        heard = len(broker.heard)
        await asyncio.sleep(0.05)
        assert len(broker.heard) <= heard + 1  # the one that was on its way
        assert (broker.streams, broker.ended) == (1, 0)
        assert {(each.service_id, each.network, each.address) for each in broker.heard} == {
            (BROKER_ID, "unix", way_back.socket)
        }
        await calls.close("done")


async def test_the_stream_survives_whoever_began_it(way_back: WayBack) -> None:
    """Cancelled at any moment, even before the first line is out, it is still announced."""
    broker = Broker()
    async with serving(broker) as port:
        calls = Calls(grpc.aio.insecure_channel(f"127.0.0.1:{port}"), 1000)

        async def begin() -> None:
            way_back.announce(calls)
            await asyncio.sleep(60)

        async with asyncio.TaskGroup() as group:
            beginning = group.create_task(begin())
            await asyncio.sleep(0)
            beginning.cancel()
        await until(lambda: len(broker.heard) > 3)
        assert (broker.streams, broker.ended) == (1, 0)
        await calls.close("done")


async def test_a_plugin_that_asks_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for an answer takes memory of the gateway: there is only so much of it."""
    monkeypatch.setattr(reverse, "MAX_CALLS", 2)
    asked, answer = 0, asyncio.Event()

    async def wait(data: bytes, _context: Any) -> bytes:
        nonlocal asked
        asked += 1
        await answer.wait()
        return data

    peer = Peer()
    peer.answers["/services/Wait"] = wait
    opened = await open_way_back(str(tmp_path / "h"), [peer])
    own_connection = (("grpc.use_local_subchannel_pool", 1),)
    target = f"unix:{opened.socket}"
    async with grpc.aio.insecure_channel(target) as plugin, grpc.aio.insecure_channel(target, own_connection) as other:
        calls = [plugin.unary_unary("/services/Wait")(b"x") for _ in range(2)]
        await until(lambda: asked == 2)
        waiting = plugin.unary_unary("/services/Wait")(b"y")  # on one connection it waits, unsent
        with pytest.raises(grpc.aio.AioRpcError, match="RESOURCE_EXHAUSTED"):
            await other.unary_unary("/services/Wait")(b"x")
        answer.set()
        assert [await call for call in (*calls, waiting)] == [b"x", b"x", b"y"]
    await opened.close()


async def test_a_message_that_no_service_takes_is_not_read(tmp_path: Path) -> None:
    """Before anybody knows what its sender may ask it would be in memory, and so would a hundred of them."""
    settings = PluginHostSettings(kv=KvSettings(max_value_bytes=1000), max_message_bytes=2000)
    bound = max_request_bytes(settings.model_copy(update={"max_control_payload_bytes": 3000}))
    assert bound == 3000 + (64 << 10)
    peer, read = Peer(), []

    async def take(data: bytes, _context: Any) -> bytes:
        read.append(len(data))
        return b""

    peer.answers["/services/Any"] = take
    opened = await open_way_back(str(tmp_path / "h"), [peer], bound)
    async with grpc.aio.insecure_channel(f"unix:{opened.socket}") as plugin:
        with pytest.raises(grpc.aio.AioRpcError, match="RESOURCE_EXHAUSTED"):
            await plugin.unary_unary("/services/Any")(b"x" * (bound + 1))
        await plugin.unary_unary("/services/Any")(b"x" * bound)
    await opened.close()
    assert read == [bound]


async def test_a_plugin_without_a_broker_is_left_alone(way_back: WayBack) -> None:
    """It has no services, and everything else."""
    peer = Peer()
    async with calling(peer) as calls:
        way_back.announce(calls)
        await until(way_back._announcements.done)
        assert await calls.call("/plugin/Ping", Empty(), Empty, 5) is None
    assert not way_back.is_used


async def test_a_connection_that_ends_ends_the_announcing(way_back: WayBack) -> None:
    """Quietly: its end is said elsewhere."""
    broker = Broker()
    async with serving(broker) as port:
        calls = Calls(grpc.aio.insecure_channel(f"127.0.0.1:{port}"), 1000)
        way_back.announce(calls)
        await until(lambda: broker.heard)
        await calls.close("it is gone")
        await until(way_back._announcements.done)
        await until(lambda: broker.ended == 1)
