"""Tests of ``sluice.sdk.serving.unserved``."""

from __future__ import annotations

from sluice.plugin_wire import plugin_pb2 as pb
from sluice.plugin_wire.rpc import PLUGIN
from sluice.sdk.serving.unserved import unserved


async def test_each_answers_in_its_own_type() -> None:
    """gRPC would fail the call for another's."""
    for method, behaviour in unserved().items():
        if method != "HandleAgentMessage":
            assert type(await behaviour(None, None)) is PLUGIN.methods[method].response


async def test_an_agent_says_that_there_is_none() -> None:
    """And that nothing follows."""
    chunks = [chunk async for chunk in unserved()["HandleAgentMessage"](None, None)]
    assert [(chunk.type, chunk.is_final) for chunk in chunks] == [(pb.AgentMessageChunk.ERROR, True)]
