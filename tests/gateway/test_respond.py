"""Step 7: what the vendor sent is what the client gets, its end is held back, and its worth is read on the way."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import random
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import brotli
import httpx
import pytest
import zstandard

from gateway.hooks import Hooks
from gateway.respond import Responder
from gateway.settings import GatewaySettings
from gateway.transfer import BrokenAnswer
from sluice.dev.vendor import MockVendor
from sluice.eventlog.interface import CommitFailedError
from sluice.sdk import BasePlugin, Context, EnrichedRequest, PluginResponse, PostAuthHandler
from tests.contracts.scripted_upstream import Peer, ScriptedUpstream
from tests.gateway.flow import Flow, running
from tests.gateway.test_exchange import Upstream, a_snapshot, an_exchange

PLAIN = b'{"model":"gpt-4o","choices":[{}],"usage":{"prompt_tokens":10,"completion_tokens":5}}'
FRAMES = (
    b'data: {"model":"gpt-4o","choices":[{"index":0,"delta":{"content":"hello"}}]}\n\n'
    b'data: {"model":"gpt-4o","choices":[{"index":0,"delta":{"content":" world"}}]}\n\n'
)
USAGE = b'data: {"model":"gpt-4o","choices":[],"usage":{"prompt_tokens":10,"completion_tokens":5}}\n\n'
DONE = b"data: [DONE]\n\n"
BROKEN = (httpx.RemoteProtocolError, httpx.ReadError)


class Got(NamedTuple):
    """What a client got, its coding kept, and what was recorded of it."""

    status: int
    body: bytes
    log: dict[str, Any]
    analytics: dict[str, Any]


class Vendor:
    """A vendor that answers with the bytes it is given, and how it ends."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.closes = False
        self.script: Callable[[Peer], Awaitable[None]] | None = None
        """What it does with a connection instead."""

    async def serve(self, peer: Peer) -> None:
        """Every request of a connection."""
        if self.script is not None:
            await self.script(peer)
            return
        while await peer.request():
            await peer.send(*self.pieces)
            if self.closes:
                return

    def answer(self, body: bytes, *headers: str, framing: str = "chunked", status: int = 200, cuts: int = 0) -> None:
        """The next answer; its body in so many pieces more than one."""
        lines = [f"HTTP/1.1 {status} Any", *headers]
        lines += {"chunked": ["transfer-encoding: chunked"], "length": [f"content-length: {len(body)}"]}.get(
            framing, []
        )
        pieces = cut(body, cuts)
        if framing == "chunked":
            pieces = [*(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces), b"0\r\n\r\n"]
        self.pieces = [("\r\n".join(lines) + "\r\n\r\n").encode(), *pieces]
        self.closes = framing == "eof"


def cut(body: bytes, cuts: int) -> list[bytes]:
    """A body, cut at places that are the same in each run."""
    chance = random.Random(cuts)
    places = sorted({0, len(body), *(chance.randrange(len(body) + 1) for _ in range(cuts))})
    return [body[start:end] for start, end in pairwise(places)]


@contextlib.asynccontextmanager
async def serving(folder: Path, **sections: Any) -> AsyncIterator[tuple[Flow, Vendor]]:
    """A gateway before a scripted vendor."""
    vendor = Vendor()
    async with ScriptedUpstream(vendor.serve) as upstream:
        origin = upstream.origin
        async with running(folder, f"http://{origin.host}:{origin.port}/v1", **sections) as flow:
            yield flow, vendor


async def ask(flow: Flow, *, stream: bool = False, slug: str = "demo", **more: Any) -> Got:
    """One chat request; its answer as it is on the wire, and its events."""
    path = f"/llm/call/{slug}/chat/completions"
    count = len(flow.log.exchanges) + 1
    body = {"model": "gpt-4o", "messages": [], "stream": stream, **more}
    async with flow.client.stream("POST", path, json=body) as answer:
        got = b"".join([chunk async for chunk in answer.aiter_raw()])
    events = await flow.recorded(count)
    return Got(answer.status_code, got, events["proxy_log"], events.get("analytics", {}))


async def test_a_plain_answer_passes_whole_in_whatever_pieces(tmp_path: Path) -> None:
    """By length, chunked, or to the connection's end: every byte, recorded, and its usage read."""
    async with serving(tmp_path) as (flow, vendor):
        for framing in ("length", "chunked", "eof"):
            for cuts in (0, 1, 7):
                vendor.answer(PLAIN, "content-type: application/json", framing=framing, cuts=cuts)
                got = await ask(flow)
                assert (got.status, got.body, got.log["response_body"]) == (200, PLAIN, PLAIN), (framing, cuts)
                assert (got.analytics["prompt_tokens"], got.analytics["response_tokens"]) == (10, 5)
                assert (got.log["outcome"], got.log["partial"], got.analytics["choices"]) == ("ok", False, 1)


async def test_a_stream_passes_in_whatever_pieces(tmp_path: Path) -> None:
    """Usage that the client asked for is shown, usage that we asked for is read and hidden."""
    async with serving(tmp_path) as (flow, vendor):
        for framing in ("chunked", "eof"):
            for cuts in (0, 3, 30):
                vendor.answer(FRAMES + USAGE + DONE, "content-type: text/event-stream", framing=framing, cuts=cuts)
                hidden = await ask(flow, stream=True)
                shown = await ask(flow, stream=True, stream_options={"include_usage": True})
                assert hidden.body == FRAMES + DONE, (framing, cuts)
                assert shown.body == FRAMES + USAGE + DONE, (framing, cuts)
                for got in (hidden, shown):
                    assert (got.analytics["response_tokens"], got.analytics["cost_status"]) == (5, "exact")
                    assert (got.log["outcome"], got.log["is_stream"], got.log["partial"]) == ("ok", True, False)


async def test_a_stream_without_a_terminal_event_ends_with_its_coding(tmp_path: Path) -> None:
    """All that came is out; an incomplete frame too."""
    async with serving(tmp_path) as (flow, vendor):
        for body in (FRAMES, FRAMES + b"data: {", b""):
            vendor.answer(body, "content-type: text/event-stream", cuts=3)
            got = await ask(flow, stream=True)
            assert (got.body, got.log["outcome"]) == (body, "ok")
            assert got.analytics["cost_status"] == "estimated"


async def test_what_is_a_stream_is_said_by_the_vendor(tmp_path: Path) -> None:
    """By its content type, whatever the client asked; a coded one cannot be read, and passes as it is."""
    body = FRAMES + USAGE + DONE
    cases: list[tuple[list[str], bool]] = [
        (["content-type: text/event-stream"], True),
        (["content-type: Text/Event-Stream; charset=utf-8"], True),
        (["content-type: text/event-stream", "content-encoding: identity"], True),
        (["content-type: text/event-stream", "content-encoding: gzip"], False),
        (["content-type: text/plain"], False),
        ([], False),
    ]
    async with serving(tmp_path) as (flow, vendor):
        for headers, is_stream in cases:
            vendor.answer(body, *headers)
            got = await ask(flow)
            assert (got.body, got.log["is_stream"], got.log["outcome"]) == (body, is_stream, "ok"), headers


async def test_usage_of_a_coded_answer_is_read_where_it_can_be(tmp_path: Path) -> None:
    """The bytes go on as they came: garbage, another coding, a body that grows a thousandfold are the client's."""
    cases = [
        (gzip.compress(PLAIN), "gzip", "exact"),
        (zlib.compress(PLAIN), "deflate", "exact"),
        (brotli.compress(PLAIN), "br", "exact"),
        (zstandard.compress(PLAIN), "zstd", "exact"),
        (brotli.compress(gzip.compress(PLAIN)), "gzip, br", "exact"),
        (b"no gzip at all", "gzip", "estimated"),
        (gzip.compress(PLAIN)[:30], "gzip", "estimated"),
        (b"\x00\xff" * 50, "br", "estimated"),
        (b"[" * 100_000, "identity", "estimated"),
        (gzip.compress(b"[" * 20_000_000), "gzip", "estimated"),
    ]
    async with serving(tmp_path) as (flow, vendor):
        for body, coding, status in cases:
            vendor.answer(body, f"content-encoding: {coding}", framing="length", cuts=2)
            got = await ask(flow)
            assert (got.body, got.log["outcome"], got.analytics["cost_status"]) == (body, "ok", status), coding


async def test_usage_of_a_coded_stream_is_read_when_it_is_over(tmp_path: Path) -> None:
    """We ask for none, and some vendors compress all the same: its bytes pass as they came, its usage counts."""
    body = gzip.compress(FRAMES + USAGE + DONE)
    async with serving(tmp_path) as (flow, vendor):
        for cut, status, labels in ((len(body), "exact", []), (60, "estimated", ["usage:coding_broken"])):
            headers = ("content-type: text/event-stream", "content-encoding: gzip")
            vendor.answer(body[:cut], *headers, framing="length", cuts=3)
            got = await ask(flow, stream=True)
            assert (got.body, got.log["outcome"]) == (body[:cut], "ok")
            assert (got.analytics["cost_status"], got.analytics["labels"]) == (status, labels)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b'{"usage":{"prompt_tokens":-1,"completion_tokens":5}}', "negative_tokens"),
        (b'{"usage":{"prompt_tokens":' + b"9" * 31 + b"}}", "absurd_tokens"),
        (b'{"usage":{"prompt_tokens":"5"}}', "wrong_type"),
        (b'{"usage":{"prompt_tokens":5,"prompt_tokens_details":{"cached_tokens":6}}}', "cache_tokens_exceed_prompt"),
        (b'{"usage":{"prompt_tokens":5},"service_tier":"flex"}', "service_tier"),
        (b'{"usage":', "missing"),
        (b"{}", "missing"),
    ],
)
async def test_why_a_cost_is_an_estimate_is_recorded(tmp_path: Path, answer: bytes, reason: str) -> None:
    """As a label, whatever was wrong with the usage; the client gets what came."""
    async with serving(tmp_path) as (flow, vendor):
        vendor.answer(answer, framing="length")
        got = await ask(flow)
        assert (got.body, got.log["outcome"], got.analytics["cost_status"]) == (answer, "ok", "estimated")
        assert got.analytics["labels"] == [f"usage:{reason}"]


async def test_why_a_stream_s_cost_is_an_estimate_is_recorded(tmp_path: Path) -> None:
    """One that broke off, and one whose frames are garbage."""
    async with serving(tmp_path) as (flow, vendor):
        for body, reason in ((FRAMES, "truncated"), (FRAMES + b"data: {garbage\n\n" + DONE, "missing")):
            vendor.answer(body, "content-type: text/event-stream", cuts=3)
            got = await ask(flow, stream=True)
            assert (got.body, got.analytics["labels"]) == (body, [f"usage:{reason}"])


async def test_what_streams_on_paths_that_nobody_knows_counts(tmp_path: Path) -> None:
    """Lines of JSON here: nothing is free by accident."""
    lines = b'{"model":"gpt-4o","response":"hi"}\n' * 3 + b'{"done":true,"prompt_eval_count":10,"eval_count":5}\n'
    async with serving(tmp_path) as (flow, vendor):
        vendor.answer(lines, "content-type: application/x-ndjson", cuts=9)
        got = await ask(flow, stream=True)
        assert got.body == lines
        assert (got.analytics["prompt_tokens"], got.analytics["response_tokens"]) == (10, 5)
        assert got.analytics["cost_status"] == "exact"


async def test_an_answer_beyond_the_bound_is_the_client_s_alone(tmp_path: Path) -> None:
    """``max_response_bytes`` bounds what is read of an answer, not what passes; a body hook refuses it instead."""
    padded = PLAIN[:-1] + b" " * 2_000 + b"}"
    async with serving(tmp_path, gateway={"max_response_bytes": 1_000}) as (flow, vendor):
        for body, status in ((PLAIN, "exact"), (padded, "estimated")):
            vendor.answer(body, framing="length", cuts=5)
            got = await ask(flow)
            assert (got.body, got.analytics["cost_status"]) == (body, status)
        vendor.answer(PLAIN)
        assert (await ask(flow, slug="changebody")).body == b"changed:{"
        vendor.answer(padded, cuts=5)
        got = await ask(flow, slug="changebody")
        assert (got.status, got.log["outcome"], got.log["partial"]) == (502, "upstream_error", True)
        assert b"gateway.max_response_bytes" in got.body


def limited(base_url: str, max_response_bytes: int) -> dict[str, Any]:
    """LLMs that allow so many bytes; one of them with a body hook."""
    llm = {"base_url": base_url, "max_response_bytes": max_response_bytes}
    llms = [{"id": 1, "slug": "demo", **llm}, {"id": 2, "slug": "changebody", "plugins": ["ChangeBody"], **llm}]
    apps = [{"id": 1, "name": "tests", "llms": ["demo", "changebody"]}, {"id": 2, "name": "stranger"}]
    return {"llms": llms, "apps": apps}


@contextlib.asynccontextmanager
async def serving_at_most(folder: Path, max_response_bytes: int, client: str) -> AsyncIterator[tuple[Flow, Vendor]]:
    """A gateway whose LLMs have a ``max_response_bytes`` of their own."""
    vendor = Vendor()
    async with ScriptedUpstream(vendor.serve) as upstream:
        url = f"http://{upstream.origin.host}:{upstream.origin.port}/v1"
        sections = limited(url, max_response_bytes)
        async with running(folder, url, **sections, gateway={"upstream": {"client": client}}) as flow:
            yield flow, vendor


async def refused(flow: Flow, **options: Any) -> tuple[bytes, dict[str, Any], dict[str, Any]]:
    """An exchange that ends by the limit: what the client got, its proxy log and analytics."""
    count, got = len(flow.log.exchanges) + 1, b""
    with contextlib.suppress(*BROKEN):
        path = f"/llm/call/{options.pop('slug', 'demo')}/chat/completions"
        async with flow.client.stream("POST", path, json={"model": "gpt-4o", "messages": [], **options}) as answer:
            async for chunk in answer.aiter_raw():
                got += chunk
            assert answer.status_code == 502
    events = await flow.recorded(count)
    log = events["proxy_log"]
    assert (log["outcome"], log["error_kind"], log["partial"]) == ("upstream_error", "response_too_large", True)
    return got, log, events["analytics"]


CLIENTS = pytest.mark.parametrize("client", ["lean", "aiohttp"])


@CLIENTS
async def test_an_llm_s_own_bound_passes_what_fits_it(tmp_path: Path, client: str) -> None:
    """To the byte: whole, chunked and streamed."""
    stream = FRAMES + USAGE + DONE
    async with serving_at_most(tmp_path, max(len(PLAIN), len(stream)), client) as (flow, vendor):
        for framing in ("length", "chunked", "eof"):
            vendor.answer(PLAIN, "content-type: application/json", framing=framing, cuts=3)
            assert (await ask(flow)).body == PLAIN
            vendor.answer(stream, "content-type: text/event-stream", framing=framing, cuts=3)
            assert (await ask(flow, stream=True)).body == FRAMES + DONE


@CLIENTS
async def test_an_answer_that_says_it_is_too_large_is_refused_whole(tmp_path: Path, client: str) -> None:
    """502 before any of it is out, with a code; it may have been charged."""
    async with serving_at_most(tmp_path, len(PLAIN) - 1, client) as (flow, vendor):
        for content_type in ("application/json", "text/event-stream"):
            for slug in ("demo", "changebody"):
                vendor.answer(PLAIN, f"content-type: {content_type}", framing="length")
                got, log, analytics = await refused(flow, slug=slug)
                assert b'"code":"response_too_large"' in got
                assert b"max_response_bytes" in got
                assert (log["response_code"], log["upstream_status"]) == (502, 200)
                assert (analytics["cost_status"], analytics["response_tokens"]) == ("estimated", 0)


async def test_no_vendor_goes_on_with_an_answer_that_is_too_large() -> None:
    """Its connection is closed with the refusal: nobody will read what it still sends."""
    _, llm = a_snapshot()
    answer = Upstream()
    answer.headers = [(b"content-length", b"11")]
    responder = Responder(GatewaySettings(), Hooks(), None)  # type: ignore[arg-type]
    exchange = an_exchange()
    with pytest.raises(BrokenAnswer, match="larger than 10 bytes"):
        await responder.respond(exchange, dataclasses.replace(llm, max_response_bytes=10), answer, None)  # type: ignore[arg-type]
    assert (answer.aborted, exchange.partial) == (1, True)


@CLIENTS
async def test_an_answer_that_grows_too_large_is_cut(tmp_path: Path, client: str) -> None:
    """Behind its head the connection is closed without the last byte, and nothing beyond the bound is passed on; what
    came is charged."""
    frames = FRAMES * 20
    async with serving_at_most(tmp_path, len(frames) - 1, client) as (flow, vendor):
        for content_type, is_stream in (("application/json", False), ("text/event-stream", True)):
            vendor.answer(frames, f"content-type: {content_type}", cuts=9)
            got, log, analytics = await refused(flow, stream=is_stream)
            assert (frames.startswith(got) and len(got) < len(frames)) or b"response_too_large" in got
            assert (analytics["cost_status"], log["is_stream"]) == ("estimated", is_stream)
            assert analytics["response_tokens"] > 0


async def test_an_answer_a_plugin_reads_is_refused_where_it_grows_too_large(tmp_path: Path) -> None:
    """None of it is out: 502, as where its length says so."""
    async with serving_at_most(tmp_path, len(PLAIN) - 1, "lean") as (flow, vendor):
        vendor.answer(PLAIN, cuts=4)
        got, _, _ = await refused(flow, slug="changebody")
        assert b"response_too_large" in got


async def test_a_refusal_that_is_too_large_costs_nothing(tmp_path: Path) -> None:
    """The vendor did no work, however much it says about it."""
    async with serving_at_most(tmp_path, 10, "lean") as (flow, vendor):
        vendor.answer(PLAIN, status=400, framing="length")
        _, _, analytics = await refused(flow)
        assert (analytics["cost_nanos"], analytics["cost_status"]) == (0, "exact")


async def test_a_length_without_a_body_is_not_too_large(tmp_path: Path) -> None:
    """HEAD: the length is of what a GET would get."""
    async with serving_at_most(tmp_path, 10, "lean") as (flow, vendor):
        vendor.pieces = [b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n"]
        answer = await flow.client.head("/llm/call/demo/models")
        assert (answer.status_code, answer.headers["content-length"]) == (200, "5000")


async def test_a_vendor_s_status_is_passed_on(tmp_path: Path) -> None:
    """With its body; from 400 on the outcome says whose it is, and nothing is charged."""
    async with serving(tmp_path) as (flow, vendor):
        for status in (201, 399, 400, 599):
            vendor.answer(b'{"error":{}}', "x-from: the vendor", status=status, framing="length")
            got = await ask(flow)
            outcome = "ok" if status < 400 else "upstream_error"
            assert (got.status, got.body, got.log["outcome"]) == (status, b'{"error":{}}', outcome)
            assert got.log["upstream_status"] == status
            assert (got.analytics["cost_nanos"] == 0) == (status >= 400)


async def test_an_answer_that_breaks_off_looks_broken(tmp_path: Path) -> None:
    """Behind its head the client sees a broken connection; before any of it is out, a refusal of ours."""
    async with serving(tmp_path) as (flow, vendor):
        for content_type in ("application/json", "text/event-stream"):
            vendor.pieces = [
                f"HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: 9999\r\n\r\n".encode(), FRAMES,
            ]  # fmt: skip
            vendor.closes = True
            count = len(flow.log.exchanges) + 1
            with pytest.raises(BROKEN):
                await ask(flow)
            log = (await flow.recorded(count))["proxy_log"]
            assert (log["outcome"], log["partial"]) == ("upstream_error", True), content_type
        vendor.pieces = [b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n"]
        got = await ask(flow)
        assert (got.status, got.log["outcome"]) == (502, "upstream_error")


class SaysHalfAPair(BasePlugin, PostAuthHandler):
    """Refuses with what no encoding can carry."""

    async def handle_post_auth(self, ctx: Context, request: EnrichedRequest) -> PluginResponse:
        return PluginResponse.block(403, "half a pair: \ud800")


async def test_a_refusal_that_cannot_be_encoded_is_still_one(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """A plugin may quote its client's prompt, and JSON may hold half a surrogate pair."""
    llm = {"id": 1, "slug": "demo", "base_url": mock_vendor.url, "plugins": ["half"]}
    plugin = {"id": 1, "name": "half", "command": f"python://{__name__}:SaysHalfAPair"}
    apps = [{"id": 1, "name": "tests", "llms": ["demo"]}, {"id": 2, "name": "stranger"}]
    async with running(tmp_path, mock_vendor.url, llms=[llm], plugins=[plugin], apps=apps) as flow:
        answer = await flow.post()
        assert answer.status_code == 403
        assert flow.metrics.exchanges.value("blocked_post_auth") == 1
        assert flow.log.reserved == 0


async def test_a_stream_never_ends_by_its_length(tmp_path: Path) -> None:
    """A vendor that gives one: its last byte would be the answer's end, before the record; and what comes behind the
    terminal event is no contradiction."""
    event_stream = "content-type: text/event-stream"
    async with serving(tmp_path) as (flow, vendor):
        for body, shown in ((FRAMES, FRAMES), (FRAMES + DONE + b": bye\n\n", FRAMES + DONE)):
            vendor.answer(body, event_stream, framing="length", cuts=20)
            payload = {"model": "gpt-4o", "messages": [], "stream": True, "stream_options": {"include_usage": True}}
            async with flow.client.stream("POST", "/llm/call/demo/chat/completions", json=payload) as answer:
                assert "content-length" not in answer.headers
                assert (await answer.aread()).startswith(shown)
            assert (await flow.recorded(len(flow.log.exchanges) or 1))["proxy_log"]["outcome"] == "ok"
            vendor.answer(FRAMES, event_stream, framing="length")
        flow.log.error = CommitFailedError("disk full")
        with pytest.raises(BROKEN):
            await flow.client.post("/llm/call/demo/chat/completions", json={"model": "gpt-4o", "stream": True})
        flow.log.error = None


async def test_an_answer_that_a_plugin_withholds_is_charged(tmp_path: Path) -> None:
    """By its head: the vendor did the work, so its usage is read; of a stream, which is given up, what was sent."""
    async with serving(tmp_path) as (flow, vendor):
        vendor.answer(PLAIN, "content-type: application/json", cuts=3)
        got = await ask(flow, slug="blockheaders")
        assert (got.status, got.log["outcome"], got.log["partial"]) == (451, "response_blocked", False)
        assert (got.analytics["response_tokens"], got.analytics["cost_status"]) == (5, "exact")
        assert PLAIN not in got.log["response_body"]
        vendor.answer(FRAMES + USAGE + DONE, "content-type: text/event-stream")
        got = await ask(flow, slug="blockheaders", stream=True)
        assert (got.status, got.log["outcome"], got.log["partial"]) == (451, "response_blocked", True)
        assert (got.log["is_stream"], got.analytics["cost_status"]) == (True, "estimated")


async def test_a_withheld_answer_that_breaks_off_is_still_withheld(tmp_path: Path) -> None:
    """What the plugin said counts, whatever becomes of what nobody will see."""
    async with serving(tmp_path, gateway={"max_response_bytes": len(PLAIN)}) as (flow, vendor):
        for length in (len(PLAIN) - 10, len(PLAIN) + 10):
            vendor.pieces = [b"HTTP/1.1 200 Any\r\ncontent-length: %d\r\n\r\n" % (len(PLAIN) + 10), PLAIN, b"." * 10]
            vendor.pieces[1:] = [b"".join(vendor.pieces[1:])[:length]]
            vendor.closes = True
            got = await ask(flow, slug="blockheaders")
            assert (got.status, got.log["outcome"]) == (451, "response_blocked")
            assert (got.log["partial"], got.analytics["cost_status"]) == (True, "estimated")


@pytest.mark.parametrize(("method", "status"), [("POST", 204), ("POST", 304), ("HEAD", 200)])
async def test_what_has_no_body_is_shown_to_no_hook_of_bodies(tmp_path: Path, method: str, status: int) -> None:
    """It could only say what nobody gets: its length stays the vendor's, and no body is recorded."""
    async with serving(tmp_path) as (flow, vendor):
        for at, kind in enumerate(("application/json", "text/event-stream"), 1):
            vendor.pieces = [f"HTTP/1.1 {status} Any\r\ncontent-type: {kind}\r\ncontent-length: 0\r\n\r\n".encode()]
            if status != 204:
                vendor.pieces = [vendor.pieces[0].replace(b": 0", b": 77")]
            answer = await flow.client.request(method, "/llm/call/changebody/models")
            log = (await flow.recorded(at))["proxy_log"]
            assert (answer.status_code, log["outcome"], log["response_body_bytes"]) == (status, "ok", 0)
            assert (log["plugins"], "x-changed" in answer.headers) == ([], False)
            if kind == "application/json" and status != 204:
                assert answer.headers["content-length"] == "77"


class NotModified(BasePlugin, PostAuthHandler):
    """Answers with a body where there is none."""

    async def handle_post_auth(self, ctx: Context, request: EnrichedRequest) -> PluginResponse:
        return PluginResponse.block(304, body=b"ignored")


async def test_an_answer_of_ours_without_a_body_has_none(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """Whatever a plugin gives it: what is recorded is what went out."""
    llm = {"id": 1, "slug": "demo", "base_url": mock_vendor.url, "plugins": ["none"]}
    plugin = {"id": 1, "name": "none", "command": f"python://{__name__}:NotModified"}
    apps = [{"id": 1, "name": "tests", "llms": ["demo"]}, {"id": 2, "name": "stranger"}]
    async with running(tmp_path, mock_vendor.url, llms=[llm], plugins=[plugin], apps=apps) as flow:
        assert (await flow.post()).status_code == 304
        log = (await flow.recorded())["proxy_log"]
        assert (log["outcome"], log["response_body_bytes"]) == ("answered_by_plugin", 0)
