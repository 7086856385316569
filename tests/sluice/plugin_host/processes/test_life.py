"""A life begins with its configuration, is kept, and ends in order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import grpc.aio
import pytest

from sluice.plugin_host.processes import life as life_module
from sluice.plugin_host.processes.calls import Calls
from sluice.plugin_host.processes.faults import CallFailed, Refused
from sluice.plugin_host.processes.life import Life
from sluice.plugin_host.processes.output import Output
from sluice.plugin_host.settings import ProcessSettings
from sluice.plugin_wire import plugin_pb2 as pb
from sluice.sdk.fakes import RecordingServices
from tests.sluice.plugin_host.processes.peers import Peer, calling, serving, until, willing


@asynccontextmanager
async def living(peer: Peer, **process: Any) -> AsyncIterator[Life]:
    """Attached to a peer, without a way back."""
    async with calling(peer) as calls:
        await calls.reach(5)
        quick = {"ping_seconds": 0.02, "ping_timeout_seconds": 10}
        life = Life(
            plugin_id=7,
            calls=calls,
            settings=ProcessSettings(**{**quick, **process}),
            output=Output(RecordingServices().logger, 100),
            stack=AsyncExitStack(),
        )
        yield life
        await life.close("the test is over")


async def test_the_configuration_is_text() -> None:
    """Texts as they are, everything else as JSON; the plugin's id goes along, the services only where there are any."""
    peer = willing()
    async with living(peer) as life:
        await life.initialize({"text": "as it is", "number": 5, "flag": True, "list": [1, {"a": None}]})
    config = dict(pb.InitRequest.FromString(peer.requests["Initialize"]).config)
    assert config.pop("list").replace(" ", "") == '[1,{"a":null}]'
    assert config == {"text": "as it is", "number": "5", "flag": "true", "_plugin_id": "7"}


@pytest.mark.parametrize(
    ("message", "expected"), [("no index named", "^no index named$"), ("", "^it refused its configuration$")]
)
async def test_a_refusal_is_the_plugin_s_own(message: str, expected: str) -> None:
    """Its words, cut to what fits a log line."""
    answer = pb.InitResponse(success=False, error_message=message or "")
    async with living(willing(Initialize=answer)) as life:
        with pytest.raises(Refused, match=expected):
            await life.initialize({})
    async with living(willing(Initialize=pb.InitResponse(error_message="x" * 10_000))) as life:
        with pytest.raises(Refused) as caught:
            await life.initialize({})
        assert len(str(caught.value)) == 500


async def test_a_plugin_may_take_no_configuration() -> None:
    """One that lacks the method is configured as it is."""
    async with living(Peer()) as life:
        assert await life.initialize({}) is None


async def test_a_plugin_that_is_not_well_says_so() -> None:
    """Or does not answer in time."""
    async with living(willing(Ping=pb.PingResponse(healthy=False))) as life:
        with pytest.raises(CallFailed, match="not healthy"):
            await life.ping()

    async def hang(_data: bytes, _context: Any) -> bytes:
        await asyncio.Event().wait()
        raise AssertionError

    async with living(willing(Ping=hang), ping_timeout_seconds=0.1) as life:
        with pytest.raises(CallFailed, match="Ping: no answer in time"):
            await life.ping()


async def test_three_pings_missed_end_a_life() -> None:
    """One may be a slow moment; the reason is the last one's."""
    pings = 0

    async def ping(_data: bytes, _context: Any) -> bytes:
        nonlocal pings
        pings += 1
        return pb.PingResponse(healthy=pings in {1, 4}).SerializeToString()

    async with living(willing(Ping=ping)) as life:
        why = await asyncio.wait_for(life.run(), 30)
    assert why == "it does not answer (CallFailed: Ping: it says that it is not healthy)"
    assert pings == 7


async def test_a_lost_connection_ends_a_life_at_once() -> None:
    """Whoever listens there next was not configured by us."""
    peer = willing()
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(serving(peer))
        calls = Calls(grpc.aio.insecure_channel(f"127.0.0.1:{port}"), 1000)
        output = Output(RecordingServices().logger, 100)
        settings = ProcessSettings(ping_seconds=60)
        life = Life(plugin_id=7, calls=calls, settings=settings, output=output, stack=AsyncExitStack())
        await calls.reach(5)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(life.run())
            await until(lambda: "OpenSession" in peer.calls)
            await stack.aclose()
            assert await asyncio.wait_for(running, 30) == "the connection was lost"
        await calls.close("done")


async def test_a_plugin_without_sessions_is_asked_once() -> None:
    """The older generation has none."""
    peer = willing()
    async with living(peer) as life, asyncio.TaskGroup() as group:
        running = group.create_task(life.run())
        await until(lambda: peer.calls.count("Ping") > 3)
        life.end("enough")
        assert await running == "enough"
    assert peer.calls.count("OpenSession") == 1


async def test_sessions_follow_one_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long poll each; one that ends at once does not make a loop without a pause."""
    monkeypatch.setattr(life_module, "_SESSION_PAUSE_SECONDS", 0.05)
    requests: list[pb.OpenSessionRequest] = []
    at: list[float] = []

    async def session(data: bytes, _context: Any) -> bytes:
        requests.append(pb.OpenSessionRequest.FromString(data))
        at.append(time.monotonic())
        await asyncio.sleep(0.06 if len(requests) < 3 else 0)
        return pb.OpenSessionResponse(success=True, close_reason=pb.OpenSessionResponse.TIMEOUT).SerializeToString()

    async with living(willing(OpenSession=session), ping_seconds=60) as life, asyncio.TaskGroup() as group:
        group.create_task(life.run())
        await until(lambda: len(requests) >= 6)
        life.end("enough")
    assert at[5] - at[1] >= 0.06 + 3 * 0.05 - 0.01, "a pause lies between those that end at once"
    assert (requests[0].plugin_id, requests[0].timeout_ms) == (7, 30_000)


async def test_what_somebody_else_runs_is_only_left() -> None:
    """It is not ours to end: others may use it."""
    peer = willing()
    async with living(peer) as life:
        await life.initialize({})
        await life.stop()
        assert life.is_over
    assert peer.calls == ["Initialize"]


async def test_the_first_reason_for_an_end_counts() -> None:
    """What follows from it is no news."""
    async with living(willing()) as life:
        life.end("its process exited with status 2")
        await life.close("it was shut down")
        assert life.calls.ended == "its process exited with status 2"
