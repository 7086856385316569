"""``stream_complete``: told once after each stream that had begun, behind its last byte, to nobody's harm."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.ended_streams import EndedStreams
from gateway.hooks import Hooks
from gateway.stream_copy import StreamCopy
from gateway.sweep import Sweep
from gateway.telemetry import GatewayMetrics
from sluice.eventlog.interface import CommitFailedError
from sluice.sdk import (
    BasePlugin,
    Context,
    EnrichedRequest,
    PluginResponse,
    PostAuthHandler,
    ResponseHandler,
    ResponseWriteRequest,
    ResponseWriteResponse,
    StreamCompleteHandler,
    StreamCompleteRequest,
    StreamCompleteResponse,
)
from tests.gateway.flow import SECONDS, Flow, chat_request, raw
from tests.gateway.plugged import plugged
from tests.gateway.stream_plugins import STREAM, Censor, HoldBack, Rewrite, Shout, chunk, cuts_of, streamed
from tests.gateway.test_exchange import an_exchange
from tests.gateway.test_respond import BROKEN, DONE, FRAMES, USAGE, ask

TOLD: list[tuple[StreamCompleteRequest, dict[str, Any]]] = []
"""What plugins were told, with their context as it was."""


@pytest.fixture(autouse=True)
def _untold() -> None:
    TOLD.clear()
    Hang.let_go, Hang.ended = asyncio.Event(), 0


class Listen(BasePlugin, PostAuthHandler, StreamCompleteHandler):
    """Changes the request, and hears how its stream ended."""

    async def handle_post_auth(self, ctx: Context, request: EnrichedRequest) -> PluginResponse:
        ctx.state["asked"] = True
        return PluginResponse.modify(headers=request.headers | {"x-by": "it"}, body=request.body.replace(b"4o", b"4x"))

    async def on_stream_complete(self, ctx: Context, request: StreamCompleteRequest) -> StreamCompleteResponse:
        TOLD.append((request, {"state": dict(ctx.state), "app_id": ctx.app_id, "exchange_id": ctx.exchange_id}))
        return StreamCompleteResponse(cached=True)


class Hang(BasePlugin, StreamCompleteHandler):
    """Never ends, unless a test lets it."""

    let_go: asyncio.Event
    ended = 0

    async def on_stream_complete(self, ctx: Context, request: StreamCompleteRequest) -> StreamCompleteResponse:
        TOLD.append((request, {}))
        await self.let_go.wait()
        Hang.ended += 1
        return StreamCompleteResponse()


class Break(BasePlugin, StreamCompleteHandler):
    """Raises."""

    async def on_stream_complete(self, ctx: Context, request: StreamCompleteRequest) -> StreamCompleteResponse:
        raise ValueError("its own reason")


class NoHead(BasePlugin, ResponseHandler):
    """Blocks before anything is out."""

    async def on_before_write_headers(self, ctx: Context, request: ResponseWriteRequest) -> ResponseWriteResponse:
        return ResponseWriteResponse.block(451, "no")


async def until_told(flow: Flow, count: int = 1, still_there: int = 0) -> None:
    """So many were told, and all of them are done but these."""
    async with asyncio.timeout(SECONDS):
        while len(TOLD) < count or len(flow.parts.sweep.exchanges) > still_there:  # noqa: ASYNC110 - another task's
            await asyncio.sleep(0.002)


async def test_a_plugin_is_told_what_the_client_got(tmp_path: Path) -> None:
    """All of it, terminal event and all, without the usage that we asked for; and the request as plugins left it."""
    async with plugged(tmp_path, {Listen: {}}) as (flow, vendor):
        for cuts in (0, 30):
            TOLD.clear()
            cuts_of(vendor, FRAMES + USAGE + DONE, cuts, "x-from: the vendor")
            got = await streamed(flow)
            await until_told(flow)
            ((told, context),) = TOLD
            assert told.accumulated_response == got.body == FRAMES + DONE
            assert (told.status_code, told.headers["x-from"], told.is_whole) == (200, "the vendor", True)
            assert told.chunk_count == got.log["chunk_count"]
            assert told.request_body == b'{"model":"gpt-4x","messages":[],"stream":true}'
            assert (context["state"], context["app_id"]) == ({"asked": True}, 1)
            assert context["exchange_id"] == got.log["exchange_id"]


@pytest.mark.parametrize(
    ("plugin", "expected"),
    [
        (Shout, FRAMES.replace(b"hello", b"HELLO-" * 500) + chunk("bye") + DONE),
        (Rewrite, FRAMES + chunk("x" * 1000) * 300 + DONE),
    ],
)
async def test_what_other_plugins_changed_is_told_as_it_went_out(tmp_path: Path, plugin: type, expected: bytes) -> None:
    """Piece by piece or whole."""
    async with plugged(tmp_path, {plugin: {}, Listen: {}}) as (flow, vendor):
        cuts_of(vendor, FRAMES + USAGE + DONE, 9)
        got = await streamed(flow)
        await until_told(flow)
        assert TOLD[0][0].accumulated_response == got.body == expected
        assert TOLD[0][0].is_whole


async def test_answers_that_are_no_streams_are_not_told(tmp_path: Path) -> None:
    """Nor those that were refused, or blocked before their head was out."""
    async with plugged(tmp_path, {Listen: {}}) as (flow, vendor):
        vendor.answer(b"{}", "content-type: application/json")
        await ask(flow)
        await streamed(flow)
        await ask(flow, model=7)
    async with plugged(tmp_path, {NoHead: {}, Listen: {}}) as (flow, vendor):
        cuts_of(vendor, FRAMES + DONE, 0)
        assert (await streamed(flow)).status == 451
        assert not flow.parts.sweep.exchanges
    assert TOLD == []


async def test_a_stream_that_breaks_is_told_to_be_broken(tmp_path: Path) -> None:
    """By the vendor, by a plugin in mid-stream, or by a record that could not be made."""
    async with plugged(tmp_path, {Listen: {}}) as (flow, vendor):
        vendor.pieces = [f"HTTP/1.1 200 Any\r\n{STREAM}\r\ncontent-length: 9999\r\n\r\n".encode(), FRAMES]
        vendor.closes = True
        with pytest.raises(BROKEN):
            await flow.post(body={"model": "gpt-4o", "stream": True})
        await until_told(flow)
        vendor.answer(FRAMES + DONE, STREAM)
        flow.log.error = CommitFailedError("disk full")
        with pytest.raises(BROKEN):
            await flow.post(body={"model": "gpt-4o", "stream": True})
        await until_told(flow, 2)
        assert [(told.accumulated_response, told.is_whole) for told, _ in TOLD] == [(FRAMES, False)] * 2
    TOLD.clear()
    (tmp_path / "blocked").mkdir()
    async with plugged(tmp_path / "blocked", {Censor: {}, Listen: {}}) as (flow, vendor):
        vendor.pieces = [f"HTTP/1.1 200 Any\r\n{STREAM}\r\n\r\n".encode(), FRAMES, chunk("secret"), DONE]
        vendor.closes = True
        got = await streamed(flow)
        await until_told(flow)
        assert TOLD[0][0].accumulated_response == got.body
        assert (b"not for you" in got.body, TOLD[0][0].is_whole) == (True, False)


async def test_a_stream_that_is_blocked_at_its_end_is_no_whole_one(tmp_path: Path) -> None:
    """The vendor's was: but who keeps whole streams must not keep an error."""
    async with plugged(tmp_path, {HoldBack: {}, Censor: {}, Listen: {}}) as (flow, vendor):
        cuts_of(vendor, FRAMES + chunk("secret") + DONE, 0)
        got = await streamed(flow)
        await until_told(flow)
        assert (got.log["outcome"], got.log["partial"]) == ("response_blocked", False)
        told = TOLD[0][0]
        assert (told.accumulated_response, told.is_whole) == (got.body, False)


async def test_a_client_that_leaves_is_told_of_too(tmp_path: Path) -> None:
    """With what it got until then."""
    async with plugged(tmp_path, {Listen: {}}) as (flow, vendor):
        go_on = asyncio.Event()

        async def serve(peer: Any) -> None:
            await peer.request()
            await peer.send(f"HTTP/1.1 200 Any\r\n{STREAM}\r\n\r\n".encode(), chunk("one"))
            await go_on.wait()
            await peer.send(chunk("two"), DONE)

        vendor.script = serve
        _, _, writer = await raw(flow, chat_request(stream=True), until=b"one")
        writer.transport.abort()
        async with asyncio.timeout(SECONDS):
            while not any(exchange.client_left for exchange in flow.parts.sweep.exchanges):  # noqa: ASYNC110
                await asyncio.sleep(0.002)
        go_on.set()
        await until_told(flow)
        assert (TOLD[0][0].accumulated_response, TOLD[0][0].is_whole) == (chunk("one"), False)


async def test_who_left_before_the_last_byte_has_not_got_all(tmp_path: Path) -> None:
    """Though all that was missing is the terminal event, so that the exchange is ``ok``."""
    async with plugged(tmp_path, {Listen: {}}) as (flow, vendor):
        cuts_of(vendor, FRAMES + DONE, 0)
        flow.log.released.clear()
        _, _, writer = await raw(flow, chat_request(stream=True), until=b"world")
        async with asyncio.timeout(SECONDS):
            while not flow.log.waiting:  # noqa: ASYNC110 - the exchange is another task's
                await asyncio.sleep(0.002)
            writer.transport.abort()
            while not any(exchange.client_left for exchange in flow.parts.sweep.exchanges):  # noqa: ASYNC110
                await asyncio.sleep(0.002)
        flow.log.released.set()
        await until_told(flow)
        assert (await flow.recorded())["proxy_log"]["outcome"] == "ok"
        assert (TOLD[0][0].accumulated_response[: len(FRAMES)], TOLD[0][0].is_whole) == (FRAMES, False)


async def test_a_stream_beyond_the_bound_is_told_cut(tmp_path: Path) -> None:
    """It passes all the same: the bound is of the copy."""
    async with plugged(tmp_path, {Listen: {}}, gateway={"max_response_bytes": 100}) as (flow, vendor):
        cuts_of(vendor, FRAMES * 3 + DONE, 9)
        assert (await streamed(flow)).body == FRAMES * 3 + DONE
        await until_told(flow)
        assert (TOLD[0][0].accumulated_response, TOLD[0][0].is_whole) == ((FRAMES * 3)[:100], False)


async def test_a_plugin_that_hangs_costs_nobody_anything(tmp_path: Path) -> None:
    """Its client has its last byte, and the next answer on the very same connection, while it hangs; it is not in
    flight any more, but its plugin is not shut down under it."""
    own = {"max_in_flight": 1, "shutdown_seconds": 60}
    async with plugged(tmp_path, {Hang: {"timeout_ms": 600_000}}, gateway=own) as (flow, vendor):
        cuts_of(vendor, FRAMES + DONE, 0)
        for _ in range(3):
            assert (await streamed(flow)).body == FRAMES + DONE
        await until_told(flow, 3, still_there=3)
        assert (len(TOLD), flow.parts.sweep.in_flight, Hang.ended) == (3, 0, 0)
        asyncio.get_running_loop().call_later(0.1, Hang.let_go.set)
    assert Hang.ended == 3, "the worker waited for what was told"


async def test_a_plugin_that_hangs_has_its_deadline(tmp_path: Path) -> None:
    """Then the worker is free of it, long before it would be cut."""
    own = {"shutdown_seconds": 600}
    async with plugged(tmp_path, {Hang: {"timeout_ms": 100}}, gateway=own) as (flow, vendor):
        cuts_of(vendor, FRAMES + DONE, 0)
        assert (await streamed(flow)).body == FRAMES + DONE
        await until_told(flow)
    assert Hang.ended == 0


async def test_a_worker_that_stops_does_not_wait_for_ever(tmp_path: Path) -> None:
    """For ``gateway.shutdown_seconds``, as for any exchange."""
    async with plugged(tmp_path, {Hang: {"timeout_ms": 600_000}}, gateway={"shutdown_seconds": 1}) as (flow, vendor):
        cuts_of(vendor, FRAMES + DONE, 0)
        assert (await streamed(flow)).body == FRAMES + DONE
        started = time.monotonic()
    assert 0.5 < time.monotonic() - started < SECONDS


async def test_a_plugin_that_raises_stops_no_other(tmp_path: Path) -> None:
    """Its failure is counted at its place; whether it is ``closed`` makes no difference here."""
    async with plugged(tmp_path, {Break: {"on_failure": "closed"}, Listen: {}}) as (flow, vendor):
        cuts_of(vendor, FRAMES + DONE, 0)
        assert (await streamed(flow)).log["outcome"] == "ok"
        await until_told(flow)
        chain = flow.parts.snapshots.get().llms_by_id[1].chains.stream_complete
        assert chain
        assert [link.failures for link in chain.links] == [1, 0]


class Slow(Hooks):
    """Hooks whose chain waits, and may fail as none should."""

    def __init__(self) -> None:
        super().__init__()
        self.bodies: list[bytes] = []
        self.go_on = asyncio.Event()
        self.error: Exception | None = None

    async def stream_complete(self, *args: Any, **_: Any) -> None:
        """Wait."""
        self.bodies.append(args[2])
        await self.go_on.wait()
        if self.error:
            raise self.error


def ended(size: int) -> StreamCopy:
    """A stream's copy, of so many bytes."""
    copy = StreamCopy(size)
    copy.has_begun = True
    copy.keep(b"x" * size)
    return copy


async def test_what_waits_is_bounded_and_the_rest_is_counted() -> None:
    """In bytes: sixteen of the largest copies. What has no room is never told, and what was told makes room."""
    hooks, metrics = Slow(), GatewayMetrics()
    streams = EndedStreams(hooks, Sweep(1), metrics, 1_000_000)
    with capture_logs() as logs:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(20):
                tasks.create_task(streams.tell(an_exchange(llm=object()), ended(1_000_000)))
            while len(hooks.bodies) < 16 or metrics.untold_streams.value() < 4:  # noqa: ASYNC110 - other tasks'
                await asyncio.sleep(0)
            hooks.go_on.set()
    assert [entry["event"] for entry in logs] == ["ended streams not told"], "one line, not one for each"
    assert len(hooks.bodies) == 16
    await streams.tell(an_exchange(llm=object()), ended(1_000_000))
    assert (len(hooks.bodies), metrics.untold_streams.value()) == (17, 4)


async def test_a_fault_of_ours_ends_with_the_telling() -> None:
    """It is logged, gives its room back, and is raised to nobody; a cancellation passes."""
    hooks, sweep = Slow(), Sweep(1)
    streams = EndedStreams(hooks, sweep, GatewayMetrics(), 10)
    hooks.error = RuntimeError("ours")
    hooks.go_on.set()
    with capture_logs() as logs:
        for _ in range(50):
            await streams.tell(an_exchange(llm=object()), ended(10))
    assert (len(hooks.bodies), len(sweep.exchanges)) == (50, 0)
    assert {entry["event"] for entry in logs} == {"ended stream not told"}
    hooks.go_on.clear()
    async with asyncio.TaskGroup() as tasks:
        telling = tasks.create_task(streams.tell(an_exchange(llm=object()), ended(10)))
        await asyncio.sleep(0)
        telling.cancel()
    assert telling.cancelled()
    assert not sweep.exchanges


async def test_what_has_not_begun_is_not_told() -> None:
    """The head was never sent."""
    hooks = Slow()
    await EndedStreams(hooks, Sweep(1), GatewayMetrics(), 10).tell(an_exchange(llm=object()), StreamCopy(10))
    assert hooks.bodies == []
