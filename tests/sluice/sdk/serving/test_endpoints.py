"""Tests of ``sluice.sdk.serving.endpoints``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import cast

import grpc
import grpc.aio
import pytest

from sluice.plugin_wire import plugin_pb2 as pb
from sluice.sdk import BasePlugin, CustomEndpointHandler, EndpointChunk, EndpointRegistration, Headers, wire
from tests.sluice.sdk.serving.everything import Everything
from tests.sluice.sdk.serving.harness import Serving, serving, until


@pytest.fixture
async def plugin(tmp_path: Path) -> AsyncIterator[Serving]:
    """One with every capability."""
    async with serving(Everything(), tmp_path) as served:
        yield served


class Wrong(BasePlugin, CustomEndpointHandler):
    name = "wrong"

    async def get_endpoint_registrations(self) -> Sequence[EndpointRegistration]:
        return cast("list[EndpointRegistration]", ["/a"])


async def test_registrations_are_told(plugin: Serving) -> None:
    """As the plugin made them."""
    answer = await plugin.stub.GetEndpointRegistrations(pb.GetEndpointRegistrationsRequest())
    expected = EndpointRegistration(path="/a/{b}", methods=("GET", "POST"), scopes=("read",))
    assert [wire.registration_from_wire(each) for each in answer.registrations] == [expected]


async def test_registrations_that_are_none_are_the_call_s_failure(tmp_path: Path) -> None:
    """With the method's name."""
    async with serving(Wrong(), tmp_path) as plugin:
        with pytest.raises(grpc.aio.AioRpcError, match="get_endpoint_registrations returned"):
            await plugin.stub.GetEndpointRegistrations(pb.GetEndpointRegistrationsRequest())


async def test_an_endpoint_answers(plugin: Serving) -> None:
    """With repeated headers."""
    answer = wire.endpoint_response_from_wire(await plugin.stub.HandleEndpointRequest(pb.EndpointRequest(body=b"b")))
    assert (answer.status_code, answer.body) == (201, b"b")
    assert Headers(answer.headers).get_all("set-cookie") == ["a=1", "b=2"]


async def test_an_endpoint_that_raises_is_the_call_s_failure(plugin: Serving) -> None:
    """The host makes an answer of it."""
    with pytest.raises(grpc.aio.AioRpcError, match="ValueError: broken"):
        await plugin.stub.HandleEndpointRequest(pb.EndpointRequest(relative_path="/raise"))


async def test_a_stream_is_head_pieces_and_end(plugin: Serving) -> None:
    """The end is said even where the plugin does not."""
    stream = plugin.stub.HandleEndpointRequestStream(pb.EndpointRequest(body=b"one two"))
    chunks = [wire.endpoint_chunk_from_wire(each) async for each in stream]
    assert [(chunk.kind, chunk.data) for chunk in chunks] == [
        ("headers", b""),
        ("body", b"one"),
        ("body", b"two"),
        ("done", b""),
    ]
    assert chunks[0] == EndpointChunk.head(202, Headers({"content-type": "text/event-stream"}))


async def test_a_stream_that_raises_fails_behind_what_it_said(plugin: Serving) -> None:
    """What was sent stays sent."""
    stream = plugin.stub.HandleEndpointRequestStream(pb.EndpointRequest(body=b"one raise"))
    assert [(await stream.read()).data for _ in range(2)] == [b"", b"one"]
    with pytest.raises(grpc.aio.AioRpcError, match="ValueError: broken"):
        await stream.read()


async def test_a_host_that_leaves_closes_the_plugin_s_generator(plugin: Serving) -> None:
    """So that what it holds is released, at once."""
    stream = plugin.stub.HandleEndpointRequestStream(pb.EndpointRequest(body=b"one wait"))
    assert (await stream.read()).status_code == 202
    assert (await stream.read()).data == b"one"
    stream.cancel()
    everything = plugin.served.plugin
    assert isinstance(everything, Everything)
    await until(lambda: "stream closed" in everything.said)
    assert await plugin.served.calls.finished(5)
