"""Calls by name: what is too large is not sent, what is nonsense has a name, what is absent is remembered."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from typing import Any

import grpc
import pytest

from sluice.plugin_host.errors import OversizeError
from sluice.plugin_host.processes.calls import MAX_ANSWER_BYTES, PLUGIN, Calls
from sluice.plugin_host.processes.faults import CallFailed
from sluice.plugin_wire import plugin_pb2
from sluice.plugin_wire.plugin_pb2 import EndpointRequest, EndpointResponseChunk, PluginRequest, PluginResponse
from tests.sluice.plugin_host.processes.peers import Peer, calling, serving, until

METHOD = PLUGIN + "ProcessPreAuth"


async def call(calls: Calls, **fields: Any) -> PluginResponse | None:
    """A hook's call."""
    return await calls.call(METHOD, PluginRequest(**fields), PluginResponse)


async def test_an_answer_is_a_message() -> None:
    """Of the type that was asked for."""
    async with calling(Peer(ProcessPreAuth=PluginResponse(modified=True, body=b"x"))) as calls:
        answer = await call(calls)
        assert answer is not None
        assert (answer.modified, answer.body) == (True, b"x")


async def test_a_method_that_is_not_there_is_asked_for_once() -> None:
    """UNIMPLEMENTED is no error, and is remembered for this method alone."""
    peer = Peer(Ping=plugin_pb2.PingResponse(healthy=True))
    async with calling(peer) as calls:
        assert [await call(calls) for _ in range(3)] == [None] * 3
        assert await calls.call(PLUGIN + "Ping", plugin_pb2.PingRequest(), plugin_pb2.PingResponse)
    assert peer.calls == ["ProcessPreAuth", "Ping"]


async def test_what_is_too_large_is_not_sent() -> None:
    """To the byte; the error says how large it was, and the connection goes on."""
    peer = Peer(ProcessPreAuth=PluginResponse())
    limit = len(PluginRequest(body=b"x" * 1000).SerializeToString())
    async with calling(peer, limit) as calls:
        assert await call(calls, body=b"x" * 1000) is not None
        with pytest.raises(OversizeError) as caught:
            await call(calls, body=b"x" * 1001)
        assert (caught.value.limit_bytes, caught.value.size) == (limit, limit + 1)
        assert await call(calls) is not None
    assert len(peer.calls) == 2


async def test_an_answer_larger_than_the_protocol_s_own_limit_is_taken() -> None:
    """8 MiB: the plugin's answers have the gateway's bounds."""
    async with calling(Peer(ProcessPreAuth=PluginResponse(body=b"x" * (8 << 20)))) as calls:
        answer = await call(calls)
        assert answer is not None
        assert len(answer.body) == 8 << 20


async def test_an_answer_without_measure_is_an_error_with_a_name() -> None:
    """Beyond our own bound."""
    async with calling(Peer(ProcessPreAuth=b"x" * (MAX_ANSWER_BYTES + 1))) as calls:
        with pytest.raises(CallFailed, match=r"^ProcessPreAuth: RESOURCE_EXHAUSTED: .*larger than max"):
            await call(calls)


@pytest.mark.parametrize("data", [b"\xff" * 20, b"\x0a\x05ab"])
async def test_nonsense_has_a_name(data: bytes) -> None:
    """Bytes that are no message of the protocol."""
    async with calling(Peer(ProcessPreAuth=data)) as calls:
        with pytest.raises(CallFailed, match=f"^ProcessPreAuth: {len(data)} bytes that are no PluginResponse$"):
            await call(calls)


async def test_an_error_of_the_plugin_is_said_in_its_own_words_and_cut() -> None:
    """A plugin may put anything there."""

    async def fail(_data: bytes, context: Any) -> bytes:
        await context.abort(grpc.StatusCode.INTERNAL, "it broke " * 100)
        raise AssertionError

    async with calling(Peer(ProcessPreAuth=fail)) as calls:
        with pytest.raises(CallFailed, match=r"^ProcessPreAuth: INTERNAL: it broke it broke") as caught:
            await call(calls)
    assert len(str(caught.value)) < 250


class Hanging(Peer):
    """Never answers, and notices when nobody waits any more."""

    def __init__(self) -> None:
        super().__init__(ProcessPreAuth=self.hang)
        self.cancelled = 0
        self.begun = 0

    async def hang(self, _data: bytes, _context: Any) -> bytes:
        self.begun += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled += 1
        raise AssertionError


async def test_who_does_not_wait_any_more_cancels_the_call() -> None:
    """At the plugin too; a deadline is no fault of the connection."""
    peer = Hanging()
    async with calling(peer) as calls:
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(call(calls))
            await until(lambda: peer.begun == 1)
            waiting.cancel()
            await until(lambda: peer.cancelled == 1)
        with pytest.raises(CallFailed, match="ProcessPreAuth: no answer in time"):
            await calls.call(METHOD, PluginRequest(), PluginResponse, 0.05)


async def test_a_closed_connection_fails_its_calls_and_cancels_nobody() -> None:
    """With the reason; a task that is really cancelled is cancelled."""
    peer = Hanging()
    outcomes: list[BaseException] = []

    async def calling_it(calls: Calls) -> None:
        try:
            await call(calls)
        except BaseException as error:
            outcomes.append(error)
            if isinstance(error, asyncio.CancelledError):
                raise

    async with calling(peer) as calls, asyncio.TaskGroup() as group:
        failing, cancelled = (group.create_task(calling_it(calls)) for _ in range(2))
        await until(lambda: peer.begun == 2)
        cancelled.cancel()
        await asyncio.wait((cancelled,))
        await calls.close("its process exited with status 2")
        await asyncio.wait((failing,))
    assert isinstance(outcomes[0], asyncio.CancelledError)
    assert isinstance(outcomes[1], CallFailed)
    assert str(outcomes[1]) == "ProcessPreAuth: its process exited with status 2"


async def test_who_is_cancelled_when_it_is_over_is_cancelled_all_the_same() -> None:
    """The two may come together; a task that goes on after its cancellation would never end."""
    peer = Hanging()
    async with calling(peer) as calls, asyncio.TaskGroup() as group:
        waiting = group.create_task(call(calls))
        await until(lambda: peer.begun == 1)
        calls.ended = "its process exited with status 2"
        waiting.cancel()
        await asyncio.wait((waiting,))
        assert waiting.cancelled()


async def test_behind_its_end_nothing_is_tried() -> None:
    """Neither by who was told that it is over, nor by who was not."""
    peer = Peer(ProcessPreAuth=PluginResponse())
    async with calling(peer) as calls:
        await calls.close("it was shut down")
        for ended in ("it was shut down", ""):
            calls.ended = ended
            with pytest.raises(CallFailed, match=ended or "the connection was closed"):
                await call(calls)
            with pytest.raises(CallFailed, match=ended or "the connection was closed"):
                _ = [chunk async for chunk in calls.stream(STREAM, EndpointRequest(), EndpointResponseChunk)]
        await asyncio.wait_for(calls.lost(), 5)
    assert peer.calls == []


async def test_a_connection_that_breaks_is_noticed_without_a_call() -> None:
    """Nobody waits for the next ping."""
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(serving(Peer()))
        calls = Calls(grpc.aio.insecure_channel(f"127.0.0.1:{port}"), 1000)
        await calls.reach(5)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(calls.lost(), 0.1)
        async with asyncio.TaskGroup() as group:
            losing = group.create_task(calls.lost())
            await stack.aclose()
            await asyncio.wait_for(losing, 5)
        await calls.close("done")


async def test_a_connection_that_is_not_there_is_waited_for_with_an_end() -> None:
    """A plugin that does not come up in time."""
    async with calling(Peer()) as calls:
        await calls.reach(5)
    gone = Calls(grpc.aio.insecure_channel("127.0.0.1:1"), 1000)
    with pytest.raises(CallFailed, match=r"no connection within 0.1 s"):
        await gone.reach(0.1)
    await gone.close("done")


class Streaming(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
    """Sends pieces without end, then an error where told to."""

    def __init__(self, pieces: int, last: bytes | None = None) -> None:
        self.pieces = pieces
        self.last = last
        self.is_cancelled = False

    def service(self, details: Any) -> Any:
        return grpc.unary_stream_rpc_method_handler(self.send) if details.method.endswith("Stream") else None

    async def send(self, _data: bytes, context: Any) -> Any:
        try:
            for number in range(self.pieces):
                yield EndpointResponseChunk(
                    type=EndpointResponseChunk.BODY, data=str(number).encode()
                ).SerializeToString()
                await asyncio.sleep(0.001)
            if self.last is not None:
                yield self.last
        except asyncio.CancelledError:
            self.is_cancelled = True
            raise


STREAM = PLUGIN + "HandleEndpointRequestStream"


async def test_a_stream_is_cancelled_where_it_is_not_read_to_its_end() -> None:
    """Closing the generator is enough."""
    peer = Streaming(1_000_000)
    async with serving(peer) as port:
        calls = Calls(grpc.aio.insecure_channel(f"127.0.0.1:{port}"), 1000)
        chunks = calls.stream(STREAM, EndpointRequest(), EndpointResponseChunk)
        assert [(await anext(chunks)).data for _ in range(3)] == [b"0", b"1", b"2"]
        await chunks.aclose()
        await until(lambda: peer.is_cancelled)
        await calls.close("done")


async def test_a_stream_ends_where_it_ends() -> None:
    """Or with what went wrong: nonsense, or no such method."""
    async with serving(Streaming(3)) as port:
        calls = Calls(grpc.aio.insecure_channel(f"127.0.0.1:{port}"), 1000)
        read = [chunk.data async for chunk in calls.stream(STREAM, EndpointRequest(), EndpointResponseChunk)]
        assert read == [b"0", b"1", b"2"]
        with pytest.raises(CallFailed, match="UNIMPLEMENTED"):
            _ = [chunk async for chunk in calls.stream(PLUGIN + "Other", EndpointRequest(), EndpointResponseChunk)]
        assert calls.absent == {PLUGIN + "Other"}
        await calls.close("done")
    async with serving(Streaming(1, last=b"\xff")) as port:
        calls = Calls(grpc.aio.insecure_channel(f"127.0.0.1:{port}"), 1000)
        with pytest.raises(CallFailed, match="1 bytes that are no EndpointResponseChunk"):
            _ = [chunk async for chunk in calls.stream(STREAM, EndpointRequest(), EndpointResponseChunk)]
        await calls.close("done")


NOISY = """
import asyncio
import sluice.plugin_host.processes
from tests.sluice.plugin_host.processes.test_calls import *

async def main():
    for _ in range(30):
        peer = Hanging()
        async with AsyncExitStack() as stack:
            port = await stack.enter_async_context(serving(peer))
            calls = Calls(grpc.aio.insecure_channel(f"127.0.0.1:{port}"), 1000)
            waiting = asyncio.gather(*(call(calls) for _ in range(3)), return_exceptions=True)
            while peer.begun < 3:
                await asyncio.sleep(0.001)
        await waiting
        await calls.close("done")

asyncio.run(main())
"""


async def test_grpc_s_own_notes_stay_out_of_the_log() -> None:
    """Connections that are cut are said by us, where they matter."""
    run = await asyncio.create_subprocess_exec(sys.executable, "-c", NOISY, stderr=asyncio.subprocess.PIPE)
    _, printed = await run.communicate()
    assert (run.returncode, printed) == (0, b"")
