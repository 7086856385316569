"""Streams that plugins act on piece by piece: nothing passes a filter, is cut, or waits beyond a deadline."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path
from typing import Any

import openai
import pytest

from gateway.upstreams.sse_frames import MAX_FRAME_BYTES
from tests.gateway.flow import SECONDS, TOKEN, chat_request, raw
from tests.gateway.plugged import Plugins, plugged
from tests.gateway.stream_plugins import (
    SEEN,
    STREAM,
    Censor,
    Halve,
    HoldBack,
    Label,
    Look,
    Measure,
    Shout,
    chunk,
    cuts_of,
    streamed,
)
from tests.gateway.test_respond import BROKEN, DONE, FRAMES, USAGE, cut


@pytest.fixture(autouse=True)
def _unseen() -> None:
    SEEN.clear()


@pytest.mark.parametrize("client", ["lean", "aiohttp"])
async def test_bytes_pass_unchanged_unless_a_plugin_changed_them(tmp_path: Path, client: str) -> None:
    """However they are cut: what the client gets is the vendor's, but for the usage that we asked for."""
    async with plugged(tmp_path, {Look: {}}, gateway={"upstream": {"client": client}}) as (flow, vendor):
        for cuts in (0, 1, 7, 60):
            cuts_of(vendor, b": hi\n\n" + FRAMES + USAGE + DONE, cuts)
            got = await streamed(flow)
            assert (got.body, got.log["response_body"]) == (b": hi\n\n" + FRAMES + DONE,) * 2
            assert got.log["response_body_bytes"] == len(got.body)
            assert (got.log["outcome"], got.log["partial"], got.log["is_stream"]) == ("ok", False, True)
            assert (got.analytics["response_tokens"], got.analytics["cost_status"]) == (5, "exact")


async def test_pieces_are_whole_sse_frames_in_order(tmp_path: Path) -> None:
    """Never cut, whatever ends their lines; then one call is the last, before the terminal event, which is ours."""
    async with plugged(tmp_path, {Look: {}}) as (flow, vendor):
        for end in (b"\n", b"\r\n"):
            body, done = ((FRAMES * 20).replace(b"\n", end), DONE.replace(b"\n", end))
            for cuts in (0, 5, 300):
                SEEN.clear()
                cuts_of(vendor, body + done, cuts)
                assert (await streamed(flow)).body == body + done
                *pieces, last = SEEN
                assert all(piece.is_stream_chunk and not piece.is_last_chunk for piece in pieces)
                assert (last.is_stream_chunk, last.is_last_chunk, last.body) == (True, True, b"")
                assert b"".join(piece.body for piece in pieces) == body
                assert all(piece.body.endswith(end * 2) for piece in pieces)
                assert all(piece.status_code == 200 and piece.request_id for piece in SEEN)


async def test_what_cannot_be_told_to_be_whole_is_in_the_last_piece(tmp_path: Path) -> None:
    """Where lines end with CR alone a last one may be half of a line's end; and an incomplete frame is seen too."""
    async with plugged(tmp_path, {Look: {}}) as (flow, vendor):
        for body in ((FRAMES * 3 + DONE).replace(b"\n", b"\r"), FRAMES + b"data: {", b""):
            for cuts in (0, 30):
                SEEN.clear()
                cuts_of(vendor, body, cuts)
                assert (await streamed(flow)).body == body
                assert b"".join(piece.body for piece in SEEN) == body
                assert [piece.is_last_chunk for piece in SEEN] == [False] * (len(SEEN) - 1) + [True]


async def test_a_piece_may_grow_vanish_and_come_late(tmp_path: Path) -> None:
    """What the last call leaves is out before the terminal event; headers of pieces are too late."""
    async with plugged(tmp_path, {Shout: {}}) as (flow, vendor):
        cuts_of(vendor, chunk("hello") + chunk("drop") + chunk("end") + USAGE + DONE, 40)
        got = await streamed(flow)
        assert got.body == chunk("HELLO-" * 500) + chunk("end") + chunk("bye") + DONE
        assert (got.analytics["response_tokens"], got.analytics["cost_status"]) == (5, "exact")
        assert got.log["total_micros"] >= got.log["upstream_micros"] > 0
        assert got.log["response_body"] == got.body
        assert not any("x-too" in line for line in got.log["response_headers"])


async def test_chunks_go_through_their_chain_in_its_order(tmp_path: Path) -> None:
    """The next plugin sees what the one before it left; each leaves one timing, with its heaviest decision."""
    async with plugged(tmp_path, {Shout: {}, Look: {}}) as (flow, vendor):
        cuts_of(vendor, chunk("hello") + chunk("drop") + DONE, 10)
        got = await streamed(flow)
        assert b"".join(piece.body for piece in SEEN) == chunk("HELLO-" * 500) + chunk("bye")
        timings = [(timing["plugin"], timing["hook"], timing["decision"]) for timing in got.log["plugins"]]
        assert timings == [("Shout", "response_body", "modify"), ("Look", "response_body", "allow")]


async def test_held_back_text_is_its_exchange_s_alone(tmp_path: Path) -> None:
    """Two streams at once through a plugin that holds everything."""
    async with plugged(tmp_path, {HoldBack: {}}) as (flow, vendor):
        cuts_of(vendor, FRAMES * 9 + DONE, 30)
        both = await asyncio.gather(*(flow.post(body={"model": "gpt-4o", "stream": True}) for _ in range(2)))
        assert [answer.content for answer in both] == [FRAMES * 9 + DONE] * 2


async def test_a_terminal_event_that_repeats_the_answer_is_no_way_around_a_filter(tmp_path: Path) -> None:
    """Of the responses API: it is the last piece, and nothing behind a terminal event passes unseen either."""
    completed = (
        b'event: response.completed\ndata: {"type":"response.completed","response":{"output":[],"x":"secret"}}\n\n'
    )
    async with plugged(tmp_path, {Censor: {}}) as (flow, vendor):
        for end in (completed, DONE + chunk("secret"), chunk("secret")[:-2]):
            for cuts in (0, 20):
                cuts_of(vendor, FRAMES + end, cuts)
                got = await streamed(flow)
                assert b"secret" not in got.body, (end, cuts)
                assert got.log["outcome"] == ("ok" if end.startswith(DONE) and cuts else "response_blocked")


async def test_a_terminal_event_of_the_responses_api_is_held(tmp_path: Path) -> None:
    """What the plugin's last call leaves of it is the last byte."""
    completed = b'event: response.completed\ndata: {"type":"response.completed","response":{"output":[]}}\n\n'
    async with plugged(tmp_path, {Look: {}}) as (flow, vendor):
        cuts_of(vendor, FRAMES + completed, 9)
        flow.log.released.clear()
        got, _, writer = await raw(flow, chat_request(stream=True), until=b"world")
        async with asyncio.timeout(SECONDS):
            while not flow.log.waiting:  # noqa: ASYNC110 - the exchange is another task's
                await asyncio.sleep(0.002)
        assert SEEN[-1].body == completed
        assert b"completed" not in got
        writer.transport.abort()
        flow.log.released.set()
        assert (await flow.recorded())["proxy_log"]["outcome"] == "ok"


@pytest.mark.parametrize("cuts", [0, 8])
async def test_a_block_in_mid_stream_is_an_error_that_the_sdk_raises(tmp_path: Path, cuts: int) -> None:
    """What went out before it stays, nothing behind it does; no end that looks like one; charged for what was seen."""
    async with plugged(tmp_path, {Censor: {}}) as (flow, vendor):
        sent = FRAMES + chunk("a secret") + chunk("more")
        vendor.pieces = [f"HTTP/1.1 200 Any\r\n{STREAM}\r\n\r\n".encode(), FRAMES, *cut(sent[len(FRAMES) :], cuts)]
        vendor.closes = True
        client = openai.AsyncOpenAI(base_url=f"{flow.url}/llm/call/demo", api_key=TOKEN, max_retries=0)
        stream = await client.chat.completions.create(model="gpt-4o", messages=[], stream=True)
        got: list[str] = []

        async def read() -> None:
            async for event in stream:
                got.append(event.choices[0].delta.content or "")  # noqa: PERF401 - what came before it raised

        with pytest.raises(openai.APIError, match="not for you") as caught:
            await read()
        await client.close()
        events = await flow.recorded()
    assert "secret" not in "".join(got)
    assert (caught.value.code, caught.value.body["code"]) == ("response_blocked",) * 2  # type: ignore[index]
    log, analytics = events["proxy_log"], events["analytics"]
    assert (log["outcome"], log["response_code"], log["partial"]) == ("response_blocked", 200, True)
    assert (log["error_kind"], log["error_message"]) == ("response_blocked", "not for you")
    assert log["response_body"].startswith(FRAMES[:10])
    assert b"not for you" in log["response_body"]
    assert b"[DONE]" not in log["response_body"]
    assert (analytics["cost_status"], log["plugins"][-1]["decision"]) == ("estimated", "block")
    assert analytics["response_tokens"] >= 2


async def test_a_block_aborts_the_vendor(tmp_path: Path) -> None:
    """Nobody pays for what nobody will see: its connection is closed at once, not when the record is made."""
    async with plugged(tmp_path, {Censor: {}}) as (flow, vendor):
        closed = asyncio.Event()

        async def serve(peer: Any) -> None:
            await peer.request()
            await peer.send(f"HTTP/1.1 200 Any\r\n{STREAM}\r\n\r\n".encode(), chunk("secret"))
            await peer.until_closed()
            closed.set()

        vendor.script = serve
        flow.log.released.clear()
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(flow.post(body={"model": "gpt-4o", "stream": True}))
            async with asyncio.timeout(SECONDS):
                await closed.wait()
            assert not asking.done()
            flow.log.released.set()
        assert b"not for you" in asking.result().content


async def test_in_mid_stream_no_status_makes_a_block_an_answer(tmp_path: Path) -> None:
    """The status is out, and what the client got is no whole answer."""
    async with plugged(tmp_path, {Censor: {}}) as (flow, vendor):
        cuts_of(vendor, chunk("cached") + DONE, 0)
        got = await streamed(flow)
        assert (got.status, got.log["outcome"]) == (200, "response_blocked")
        assert got.body.startswith(b'data: {"error":{"message":"blocked by a plugin","type":"permission_error"')


async def test_a_failure_that_closes_ends_the_stream_without_its_reason(tmp_path: Path) -> None:
    """``on_failure: closed``: the plugin's name for the client, what it raised for the event."""
    async with plugged(tmp_path, {Censor: {"on_failure": "closed"}}) as (flow, vendor):
        cuts_of(vendor, FRAMES + chunk("broken") + chunk("never seen") + DONE, 20)
        got = await streamed(flow)
        assert b"plugin 'Censor' failed" in got.body
        assert b"its own reason" not in got.body
        assert b"never seen" not in got.body
        assert (got.log["outcome"], got.log["error_kind"]) == ("plugin_failed", "plugin_failed")
        assert "its own reason" in got.log["error_message"]


async def test_an_error_is_a_frame_of_its_own(tmp_path: Path) -> None:
    """Also where a plugin before it left half of one."""
    async with plugged(tmp_path, {Halve: {}, Censor: {}}) as (flow, vendor):
        vendor.pieces = [f"HTTP/1.1 200 Any\r\n{STREAM}\r\n\r\n".encode(), chunk("half"), chunk("secret")]
        vendor.closes = True
        got = await streamed(flow)
        assert got.body.startswith(chunk("half")[:-9] + b'\n\ndata: {"error"')
        assert got.log["response_body"] == got.body


async def test_a_failure_that_opens_passes_its_piece_alone(tmp_path: Path) -> None:
    """The default of response hooks; the next piece is looked at again."""
    async with plugged(tmp_path, {Censor: {}}) as (flow, vendor):
        vendor.pieces = [f"HTTP/1.1 200 Any\r\n{STREAM}\r\n\r\n".encode(), chunk("broken"), chunk("secret"), DONE]
        vendor.closes = True
        got = await streamed(flow)
        assert got.body.startswith(chunk("broken") + b'data: {"error"')
        assert [timing["decision"] for timing in got.log["plugins"]] == ["block"]


async def test_a_hanging_plugin_costs_its_stream_its_deadline_alone(tmp_path: Path) -> None:
    """Then its stream ends, with the plugin's name."""
    async with plugged(tmp_path, {Censor: {"timeout_ms": 400, "on_failure": "closed"}}) as (flow, vendor):
        cuts_of(vendor, FRAMES + chunk("hang") + DONE, 0)
        started = time.monotonic()
        answer = await flow.post(body={"model": "gpt-4o", "stream": True})
        assert 0.4 <= time.monotonic() - started < 0.4 + SECONDS / 3
        assert b"plugin 'Censor' failed" in answer.content


async def test_a_hanging_plugin_holds_up_no_other_stream(tmp_path: Path) -> None:
    """Others go on through the very same plugin while one hangs in it, however long that one may."""
    held: Plugins = {Censor: {"timeout_ms": 600_000}}
    async with plugged(tmp_path, held, gateway={"shutdown_seconds": 0.1}) as (flow, vendor):
        cuts_of(vendor, FRAMES + chunk("hang") + DONE, 0)
        async with asyncio.TaskGroup() as tasks, asyncio.timeout(SECONDS):
            hanging = tasks.create_task(flow.post(body={"model": "gpt-4o", "stream": True}))
            while not any(exchange.attempts for exchange in flow.parts.sweep.exchanges):  # noqa: ASYNC110
                await asyncio.sleep(0.002)
            cuts_of(vendor, FRAMES + DONE, 0)
            others = [await flow.post(body={"model": "gpt-4o", "stream": True}) for _ in range(5)]
            assert not hanging.done()
            hanging.cancel()
        assert {answer.content for answer in others} == {FRAMES + DONE}


async def test_a_frame_too_large_to_wait_for_is_refused(tmp_path: Path) -> None:
    """No plugin would have seen it whole: an error in mid-stream, and the bound is the smaller of two."""
    for bound, size in ((2_000, 3_000), (10 << 20, MAX_FRAME_BYTES + 1_000)):
        folder = tmp_path / str(bound)
        folder.mkdir()
        async with plugged(folder, {Look: {}}, gateway={"max_response_bytes": bound}) as (flow, vendor):
            cuts_of(vendor, FRAMES + chunk("x" * size) + DONE, 5)
            got = await streamed(flow)
            assert got.body.startswith(FRAMES + b'data: {"error"')
            assert (got.log["outcome"], got.log["error_kind"]) == ("upstream_error", "response_too_large")
            assert max(len(piece.body) for piece in SEEN) <= min(bound, MAX_FRAME_BYTES)


async def test_an_llm_s_own_bound_is_of_the_vendor_s_bytes(tmp_path: Path) -> None:
    """Whatever plugins make of them: what grows beyond it is cut, without an end."""
    async with plugged(tmp_path, {HoldBack: {}}, llm={"max_response_bytes": len(FRAMES)}) as (flow, vendor):
        cuts_of(vendor, FRAMES, 5)
        assert (await streamed(flow)).body == FRAMES
        cuts_of(vendor, FRAMES + DONE, 5)
        with pytest.raises(BROKEN):
            await streamed(flow)
        log = (await flow.recorded(2))["proxy_log"]
        assert (log["outcome"], log["error_kind"]) == ("upstream_error", "response_too_large")


async def test_headers_of_a_stream_are_for_plugins_too(tmp_path: Path) -> None:
    """Before its first piece; pieces come with what was made of them."""
    async with plugged(tmp_path, {Label: {}, Look: {}}) as (flow, vendor):
        cuts_of(vendor, FRAMES + DONE, 3)
        got = await streamed(flow)
        assert "x-label: yes" in got.log["response_headers"]
        assert {piece.headers["x-label"] for piece in SEEN} == {"yes"}
        assert [timing["hook"] for timing in got.log["plugins"]] == ["response_headers", "response_body"]


async def test_no_plugin_gives_a_stream_a_length(tmp_path: Path) -> None:
    """With one its last byte would be the answer's end, before the record."""
    async with plugged(tmp_path, {Measure: {}}) as (flow, vendor):
        cuts_of(vendor, FRAMES + DONE, 3)
        got = await streamed(flow)
    assert got.body == FRAMES + DONE
    assert not [line for line in got.log["response_headers"] if line.lower().startswith("content-length")]


async def test_a_plugin_that_hangs_for_a_client_that_left(tmp_path: Path) -> None:
    """Costs its deadline; then the rest is drained, and no other piece waits for it."""
    async with plugged(tmp_path, {Censor: {"timeout_ms": 300}}) as (flow, vendor):
        vendor.pieces = [
            f"HTTP/1.1 200 Any\r\n{STREAM}\r\n\r\n".encode(),
            chunk("one"),
            *[chunk("hang")] * 99,
            USAGE,
            DONE,
        ]
        vendor.closes = True
        _, _, writer = await raw(flow, chat_request(stream=True), until=b"one")
        started = time.monotonic()
        writer.transport.abort()
        events = await flow.recorded()
    assert time.monotonic() - started < SECONDS, "one deadline, not one for each of its pieces"
    assert events["proxy_log"]["outcome"] == "client_closed"
    assert events["analytics"]["cost_status"] == "exact"


async def test_a_vendor_that_breaks_off_breaks_the_client_s_stream(tmp_path: Path) -> None:
    """No last call, no end: what a plugin held back is not the client's."""
    async with plugged(tmp_path, {HoldBack: {}}) as (flow, vendor):
        vendor.pieces = [f"HTTP/1.1 200 Any\r\n{STREAM}\r\ncontent-length: 9999\r\n\r\n".encode(), FRAMES]
        vendor.closes = True
        with pytest.raises(BROKEN):
            await streamed(flow)
        log = (await flow.recorded())["proxy_log"]
        assert (log["outcome"], log["partial"], log["response_body"]) == ("upstream_error", True, b"")


async def test_a_client_that_leaves_is_drained_and_no_plugin_waits_for_it(tmp_path: Path) -> None:
    """Its usage still counts; pieces that nobody will get go through no plugin, and no last call is made."""
    async with plugged(tmp_path, {Look: {}}) as (flow, vendor):
        go_on = asyncio.Event()

        async def serve(peer: Any) -> None:
            await peer.request()
            await peer.send(f"HTTP/1.1 200 Any\r\n{STREAM}\r\n\r\n".encode(), chunk("one"))
            await go_on.wait()
            await peer.send(chunk("two"), chunk("three"), USAGE, DONE)

        vendor.script = serve
        _, _, writer = await raw(flow, chat_request(stream=True), until=b"one")
        writer.transport.abort()
        async with asyncio.timeout(SECONDS):
            while not any(exchange.client_left for exchange in flow.parts.sweep.exchanges):  # noqa: ASYNC110
                await asyncio.sleep(0.002)
        go_on.set()
        events = await flow.recorded()
    assert events["proxy_log"]["outcome"] == "client_closed"
    assert (events["analytics"]["response_tokens"], events["analytics"]["cost_status"]) == (5, "exact")
    assert [piece.body for piece in SEEN] == [chunk("one")]


async def test_a_slow_client_slows_the_vendor_down(tmp_path: Path) -> None:
    """Neither we nor the kernel take a stream that nobody reads; one who takes nothing is given up."""
    async with plugged(tmp_path, {Look: {}}, gateway={"client_write_timeout_seconds": 0.4}) as (flow, vendor):
        sent = asyncio.Event()
        frame = chunk("x" * 60_000)

        async def serve(peer: Any) -> None:
            await peer.request()
            peer.shrink_buffers()
            await peer.send(f"HTTP/1.1 200 Any\r\n{STREAM}\r\n\r\n".encode())
            for _ in range(1_000):
                await peer.send(frame)
            sent.set()

        vendor.script = serve
        _, _, writer = await raw(flow, chat_request(stream=True), until=b"data: ")
        events = await flow.recorded()
        assert not sent.is_set()
        assert events["proxy_log"]["outcome"] == "client_closed"
        assert sum(len(piece.body) for piece in SEEN) < 40 << 20
        writer.transport.abort()


async def test_random_cuts_change_nothing(tmp_path: Path) -> None:
    """Many streams of many lengths in many pieces, two plugins: what comes out is what went in."""
    chance = random.Random(5)
    async with plugged(tmp_path, {Look: {}, HoldBack: {}}) as (flow, vendor):
        for _ in range(25):
            body = b"".join(chunk("y" * chance.randrange(200)) for _ in range(chance.randrange(1, 30)))
            cuts_of(vendor, body + DONE, chance.randrange(60))
            assert (await streamed(flow)).body == body + DONE
