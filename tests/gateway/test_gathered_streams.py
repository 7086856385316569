"""Streams whose plugins read whole bodies: gathered within a bound, refused, or passed by for all to see."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.flow import SECONDS, chat_request, raw
from tests.gateway.plugged import plugged
from tests.gateway.stream_plugins import (
    SEEN,
    STREAM,
    CensorWhole,
    Look,
    LookWhole,
    Rewrite,
    chunk,
    cuts_of,
    streamed,
)
from tests.gateway.test_respond import DONE, FRAMES, USAGE, ask


@pytest.fixture(autouse=True)
def _unseen() -> None:
    SEEN.clear()


# gathered streams


async def test_a_plugin_that_reads_whole_bodies_gets_a_stream_gathered(tmp_path: Path) -> None:
    """Once, all of it, by default; then it goes out as the stream that it is."""
    async with plugged(tmp_path, {LookWhole: {}}) as (flow, vendor):
        for cuts in (0, 1, 40):
            SEEN.clear()
            cuts_of(vendor, FRAMES + USAGE + DONE, cuts)
            got = await streamed(flow)
            assert got.body == got.log["response_body"] == FRAMES + DONE
            (seen,) = SEEN
            assert (seen.body, seen.is_stream_chunk, seen.is_event_stream) == (FRAMES + DONE, False, True)
            assert (got.log["outcome"], got.log["is_stream"], got.log["chunk_count"] > 0) == ("ok", True, True)
            assert (got.analytics["response_tokens"], got.analytics["cost_status"]) == (5, "exact")
            assert got.log["total_micros"] >= got.log["upstream_micros"] > 0


async def test_a_gathered_stream_may_become_another(tmp_path: Path) -> None:
    """With headers, since none are out; usage and cost are the vendor's own."""
    async with plugged(tmp_path, {Rewrite: {}}) as (flow, vendor):
        cuts_of(vendor, FRAMES + USAGE + DONE, 9)
        async with flow.client.stream("POST", "/llm/call/demo/chat/completions",
                                      json={"model": "gpt-4o", "stream": True}) as answer:  # fmt: skip
            body = await answer.aread()
        assert body == FRAMES + chunk("x" * 1000) * 300 + DONE
        assert answer.headers["x-rewritten"] == "yes"
        assert "content-length" not in answer.headers
        events = await flow.recorded()
    assert events["proxy_log"]["response_body_bytes"] == len(body)
    assert (events["analytics"]["response_tokens"], events["analytics"]["cost_status"]) == (5, "exact")


async def test_a_block_of_a_gathered_stream_has_its_status(tmp_path: Path) -> None:
    """None of it is out."""
    async with plugged(tmp_path, {CensorWhole: {}}) as (flow, vendor):
        cuts_of(vendor, FRAMES + chunk("secret") + USAGE + DONE, 9)
        got = await streamed(flow)
        assert (got.status, got.log["outcome"], got.log["response_code"]) == (451, "response_blocked", 451)
        assert (got.analytics["cost_status"], got.analytics["response_tokens"]) == ("exact", 5)


async def test_a_stream_too_large_to_gather_is_refused(tmp_path: Path) -> None:
    """502, as a whole body is; the vendor's connection is closed, what came is charged."""
    async with plugged(tmp_path, {LookWhole: {}}, gateway={"max_response_bytes": 1_000}) as (flow, vendor):
        cuts_of(vendor, FRAMES * 20 + DONE, 9)
        got = await streamed(flow)
        assert (got.status, got.log["outcome"], got.log["partial"]) == (502, "upstream_error", True)
        assert b"gateway.max_response_bytes" in got.body
        assert got.analytics["response_tokens"] > 0
        assert SEEN == []


async def test_the_last_byte_of_a_gathered_stream_waits_for_the_record(tmp_path: Path) -> None:
    """The terminal event as the plugin left it, in whatever place."""
    async with plugged(tmp_path, {Rewrite: {}}) as (flow, vendor):
        cuts_of(vendor, FRAMES + DONE, 9)
        flow.log.released.clear()
        request = chat_request(stream=True, more="connection: close\r\n")
        got, reader, writer = await raw(flow, request, until=b"x" * 1000)
        async with asyncio.timeout(SECONDS):
            while not flow.log.waiting:  # noqa: ASYNC110 - the exchange is another task's
                await asyncio.sleep(0.002)
            while got.count(b"data: ") < 302:
                got += await reader.read(1 << 16)
            assert b"[DONE]" not in got
            flow.log.released.set()
            assert DONE in await reader.read()
        writer.close()


async def test_a_client_that_leaves_while_its_stream_is_gathered(tmp_path: Path) -> None:
    """Drained within the bound and charged; no plugin runs for it."""
    async with plugged(tmp_path, {LookWhole: {}}) as (flow, vendor):
        go_on = asyncio.Event()

        async def serve(peer: Any) -> None:
            await peer.request()
            await peer.send(f"HTTP/1.1 200 Any\r\n{STREAM}\r\n\r\n".encode(), chunk("one"))
            await go_on.wait()
            await peer.send(chunk("two"), USAGE, DONE)

        vendor.script = serve
        host, port = flow.url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(chat_request(stream=True))
        async with asyncio.timeout(SECONDS):
            while not any(exchange.chunk_count for exchange in flow.parts.sweep.exchanges):  # noqa: ASYNC110
                await asyncio.sleep(0.002)
            writer.transport.abort()
            while not any(exchange.client_left for exchange in flow.parts.sweep.exchanges):  # noqa: ASYNC110
                await asyncio.sleep(0.002)
        go_on.set()
        events = await flow.recorded()
    assert events["proxy_log"]["outcome"] == "client_closed"
    assert (events["analytics"]["response_tokens"], events["analytics"]["cost_status"]) == (5, "exact")
    assert SEEN == []


async def test_one_that_reads_whole_bodies_makes_its_chain_whole(tmp_path: Path) -> None:
    """A plugin that handles chunks gets the whole body too, once."""
    async with plugged(tmp_path, {Look: {}, LookWhole: {}}) as (flow, vendor):
        cuts_of(vendor, FRAMES + DONE, 30)
        assert (await streamed(flow)).body == FRAMES + DONE
        assert [seen.body for seen in SEEN] == [FRAMES + DONE] * 2


# refused, skipped, and not asked for


async def test_a_plugin_may_refuse_streams(tmp_path: Path) -> None:
    """400 that names it, before the vendor is called; whole answers it reads."""
    async with plugged(tmp_path, {LookWhole: {"on_stream": "refuse"}}) as (flow, vendor):
        got = await streamed(flow)
        assert (got.status, got.log["outcome"], got.log["error_kind"]) == (400, "request_invalid", "stream_refused")
        assert b"plugin 'LookWhole'" in got.body
        assert got.analytics["attempts"] == []
        vendor.answer(b"{}", "content-type: application/json")
        assert (await ask(flow)).status == 200
        assert [seen.body for seen in SEEN] == [b"{}"]


async def test_a_stream_that_nobody_asked_for_is_no_way_around_it(tmp_path: Path) -> None:
    """A vendor that streams all the same is refused: 502, and what it did is charged."""
    async with plugged(tmp_path, {LookWhole: {"on_stream": "refuse"}}) as (flow, vendor):
        cuts_of(vendor, FRAMES + DONE, 3)
        got = await ask(flow)
        assert (got.status, got.log["outcome"], got.log["error_kind"]) == (502, "upstream_error", "stream_refused")
        assert b"plugin 'LookWhole'" in got.body
        assert got.analytics["cost_status"] == "estimated"


async def test_a_skipped_plugin_is_counted_and_shown_once(tmp_path: Path) -> None:
    """``on_stream: skip``: the stream passes it by; its whole answers do not."""
    async with plugged(tmp_path, {CensorWhole: {"on_stream": "skip"}}) as (flow, vendor):
        cuts_of(vendor, chunk("secret") + DONE, 9)
        got = await streamed(flow)
        assert got.body == chunk("secret") + DONE
        skipped = {"plugin": "CensorWhole", "hook": "response_body", "micros": 0, "decision": "skipped"}
        assert got.log["plugins"] == [skipped]
        (link,) = flow.parts.snapshots.get().llms_by_id[1].chains.stream_skipped
        assert link.tally.skipped_streams == 1
        vendor.answer(b"secret", "content-type: text/plain")
        assert (await ask(flow)).status == 451


async def test_a_stream_that_no_body_asked_for_is_recorded_as_one(tmp_path: Path) -> None:
    """A GET names no model: what it got was a stream, though a plugin withheld it."""
    async with plugged(tmp_path, {CensorWhole: {}}) as (flow, vendor):
        cuts_of(vendor, FRAMES + chunk("secret") + DONE, 3)
        answer = await flow.client.get("/llm/call/demo/responses/one?stream=true")
        log = (await flow.recorded())["proxy_log"]
        assert (answer.status_code, log["outcome"], log["is_stream"]) == (451, "response_blocked", True)


@pytest.mark.parametrize("plugin", [None, Look, LookWhole])
async def test_an_estimate_is_the_same_whoever_reads_the_stream(tmp_path: Path, plugin: type | None) -> None:
    """A token for each whole SSE frame; what is none, at the end, is not charged for a plugin that sees it."""
    async with plugged(tmp_path, {plugin: {}} if plugin else {}) as (flow, vendor):
        cuts_of(vendor, FRAMES + b'data: {"unfinished', 5)
        got = await streamed(flow)
        assert (got.analytics["response_tokens"], got.analytics["cost_status"]) == (2, "estimated")
