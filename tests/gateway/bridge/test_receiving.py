"""A vendor's answer on its way to a client of another dialect: hooks, holds, drains, cuts and lies."""

from __future__ import annotations

import asyncio
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from sluice.dev.vendor import MockVendor
from tests.contracts.scripted_upstream import Peer, ScriptedUpstream
from tests.gateway.bridge import plugins
from tests.gateway.bridge.house import CLAUDE, QUESTION, bridge, chat, frames_of, llms_of, text_of
from tests.gateway.flow import SECONDS, TOKEN, Flow, raw, running
from tests.gateway.test_respond import Vendor
from tests.gateway.upstreams.vendors.anthropic.streams import delta, end, message, start, text

HOOKS = "python://tests.gateway.bridge.plugins"
JSON, STREAM = "content-type: application/json", "content-type: text/event-stream"
USAGE = {"input_tokens": 25, "output_tokens": 1}


def request_of(*, is_stream: bool = True, script: str = "") -> bytes:
    """A chat request as bytes."""
    body = json.dumps({"model": CLAUDE, "messages": QUESTION, "stream": is_stream})
    return (
        f"POST /ai/claude/v1/chat/completions HTTP/1.1\r\nhost: g\r\nauthorization: Bearer {TOKEN}\r\n"
        f"content-length: {len(body)}\r\nx-mock: {script}\r\n\r\n{body}"
    ).encode()


def with_hook(name: str) -> dict[str, Any]:
    """The sections of a gateway whose Claude has this plugin."""
    plugin = {"id": 1, "name": "hook", "command": f"{HOOKS}:{name}"}
    return {"plugins": [plugin], "claude": {"plugins": ["hook"]}}


async def scripted(folder: Path, vendor: Vendor, *, is_stream: bool, **sections: Any) -> tuple[int, bytes, Any]:
    """One request of a gateway before this vendor: status, body, events."""
    folder.mkdir(exist_ok=True)
    async with ScriptedUpstream(vendor.serve) as upstream:
        llms = llms_of(f"http://{upstream.origin.host}:{upstream.origin.port}")
        apps = [{"id": 1, "name": "tests", "llms": ["claude", "gpt"]}, {"id": 2, "name": "stranger"}]
        async with running(
            folder, "http://127.0.0.1:1", llms=llms, apps=apps, plugins=[], prices=[], **sections
        ) as flow:
            answer = await chat(flow, stream=is_stream)
            return answer.status_code, answer.content, await flow.recorded()


async def waits(flow: Flow) -> None:
    """Until the record waits to be durable."""
    async with asyncio.timeout(SECONDS):
        while not flow.log.waiting:  # noqa: ASYNC110 - the exchange is another task's
            await asyncio.sleep(0.002)


async def test_hooks_see_openais_request(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """Not the vendor's."""
    plugins.REQUESTS.clear()
    async with bridge(tmp_path, mock_vendor, **with_hook("See")) as flow:
        await chat(flow)
    (seen,) = plugins.REQUESTS
    assert (seen.path, json.loads(seen.body)["messages"]) == ("/v1/chat/completions", QUESTION)


@pytest.mark.parametrize("hook", ["Shout", "ShoutWhole"])
@pytest.mark.parametrize("is_stream", [False, True])
async def test_hooks_change_openais_answer(hook: str, is_stream: bool, mock_vendor: MockVendor, tmp_path: Path) -> None:
    """Piece by piece or whole: what they make of it is sent and logged, what the vendor counted is recorded."""
    plugins.PIECES.clear()
    async with bridge(tmp_path, mock_vendor, **with_hook(hook)) as flow:
        answer = await chat(flow, stream=is_stream)
        events = await flow.recorded()
    if is_stream:
        frames = frames_of(answer.content)
        assert (text_of(frames), frames[-1]) == ("The mock VENDOR answers", "[DONE]")
    else:
        assert answer.json()["choices"][0]["message"]["content"] == "The mock VENDOR answers"
    assert b"content_block" not in b"".join(plugins.PIECES)
    assert len(plugins.PIECES) > 1 if (hook, is_stream) == ("Shout", True) else len(plugins.PIECES) == 1
    assert events["proxy_log"]["response_body"] == answer.content
    assert (events["analytics"]["prompt_tokens"], events["analytics"]["response_tokens"]) == (11, 7)


async def test_a_block_in_mid_stream_is_openais_error(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """No end that looks like one."""
    async with bridge(tmp_path, mock_vendor, **with_hook("Stop")) as flow:
        answer = await chat(flow, stream=True, script="pace_ms=20")
        events = await flow.recorded()
    frames = frames_of(answer.content)
    assert frames[-1]["error"]["message"] == "not for you"
    assert text_of(frames) == "The mock"
    assert events["proxy_log"]["outcome"] == "response_blocked"


async def test_done_is_held_until_the_record_is_durable(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """All but ``data: [DONE]`` is out before."""
    async with bridge(tmp_path, mock_vendor) as flow:
        flow.log.released.clear()
        got, reader, writer = await raw(flow, request_of(), until=b'"finish_reason":"stop"')
        await waits(flow)
        assert b"[DONE]" not in got
        flow.log.released.set()
        async with asyncio.timeout(SECONDS):
            rest = await reader.readuntil(b"0\r\n\r\n")
        writer.close()
    assert b"data: [DONE]\n\n" in rest


async def test_a_whole_answer_is_held_until_the_record_is_durable(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """It has a length, and no byte of it is out before."""
    async with bridge(tmp_path, mock_vendor) as flow:
        flow.log.released.clear()
        async with asyncio.TaskGroup() as tasks:
            asking = tasks.create_task(chat(flow))
            await waits(flow)
            assert not asking.done()
            flow.log.released.set()
        answer = asking.result()
    assert answer.headers["content-length"] == str(len(answer.content))


async def test_a_client_that_leaves_is_drained(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """To the vendor's end, so that its count is exact."""
    async with bridge(tmp_path, mock_vendor) as flow:
        _, _, writer = await raw(flow, request_of(script="chunks=20;pace_ms=10"), until=b"data: ")
        writer.transport.abort()
        events = await flow.recorded()
    assert events["proxy_log"]["outcome"] == "client_closed"
    assert (events["analytics"]["cost_status"], events["analytics"]["prompt_tokens"]) == ("exact", 11)


async def test_a_client_that_leaves_a_slow_vendor_is_not_drained_for_ever(
    mock_vendor: MockVendor, tmp_path: Path
) -> None:
    """Whole and streamed: partial, charged for what was seen."""
    async with bridge(tmp_path, mock_vendor, gateway={"drain_timeout_seconds": 0.2}) as flow:
        _, _, writer = await raw(flow, request_of(script="chunks=500;pace_ms=50"), until=b"data: ")
        writer.transport.abort()
        events = await flow.recorded()
    assert (events["proxy_log"]["outcome"], events["proxy_log"]["partial"]) == ("client_closed", True)
    assert events["analytics"]["cost_status"] == "estimated"


async def test_a_client_that_leaves_a_whole_answer_is_settled(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """Which the vendor never ends: after the drain's time."""
    async with bridge(tmp_path, mock_vendor, gateway={"drain_timeout_seconds": 0.2}) as flow:
        host, port = flow.url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(request_of(is_stream=False, script="hang=body"))
        async with asyncio.timeout(SECONDS):
            while not mock_vendor.requests:  # noqa: ASYNC110 - the vendor is a server of its own
                await asyncio.sleep(0.005)
        writer.transport.abort()
        events = await flow.recorded()
    assert events["proxy_log"]["outcome"] == "client_closed"
    assert events["analytics"]["cost_status"] == "estimated"


@pytest.mark.parametrize("slug", ["claude", "gpt"])
async def test_a_stream_that_is_refused_is_an_error(slug: str, mock_vendor: MockVendor, tmp_path: Path) -> None:
    """A whole one, with the vendor's status and ``retry-after``."""
    async with bridge(tmp_path, mock_vendor) as flow:
        answer = await chat(flow, slug, stream=True, script="status=429;retry_after=9")
        events = await flow.recorded()
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "9")
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.json()["error"]["type"]
    assert (events["analytics"]["cost_nanos"], events["analytics"]["cost_status"]) == (0, "exact")


async def test_a_whole_answer_that_breaks_off_is_refused(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """Nothing of it went out, so the status is ours."""
    async with bridge(tmp_path, mock_vendor) as flow:
        answer = await chat(flow, script="cut_after=20")
        events = await flow.recorded()
    assert (answer.status_code, answer.json()["error"]["type"]) == (502, "server_error")
    assert (events["analytics"]["outcome"], events["proxy_log"]["partial"]) == ("upstream_error", True)


async def test_a_stream_that_is_cut_never_ends_well(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """The vendor's connection breaks inside a stream: so does the client's."""
    async with bridge(tmp_path, mock_vendor) as flow:
        got, _, writer = await raw(flow, request_of(script="cut_after=2"))
        writer.close()
        events = await flow.recorded()
    assert b"data: " in got
    assert b"[DONE]" not in got
    assert not got.endswith(b"0\r\n\r\n")
    assert (events["analytics"]["outcome"], events["proxy_log"]["partial"]) == ("upstream_error", True)


async def test_a_stream_without_its_end_ends_in_an_error(tmp_path: Path) -> None:
    """Closed properly, but before ``message_stop``: an error frame, and no ``[DONE]``."""
    vendor = Vendor()
    vendor.answer(start(USAGE) + text("hello"), STREAM)
    status, body, events = await scripted(tmp_path, vendor, is_stream=True)
    frames = frames_of(body)
    assert (status, text_of(frames)) == (200, "hello")
    assert "stopped" in frames[-1]["error"]["message"]
    assert events["analytics"]["prompt_tokens"] == 25
    assert "usage:truncated" in events["analytics"]["labels"]


async def test_a_compressed_answer_is_translated_too(tmp_path: Path) -> None:
    """Whole and streamed, though none was asked for."""
    stream = start(USAGE) + text("hello") + end() + delta(output_tokens=5)
    stream += b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
    for at, (body, kind, is_stream) in enumerate(
        ((json.dumps(message(usage=USAGE)).encode(), JSON, False), (stream, STREAM, True))
    ):
        vendor = Vendor()
        vendor.answer(gzip.compress(body), kind, "content-encoding: gzip")
        status, got, events = await scripted(tmp_path / str(at), vendor, is_stream=is_stream)
        assert status == 200, got
        assert (text_of(frames_of(got)) if is_stream else json.loads(got)["choices"][0]["message"]["content"]) in {
            "hello",
            "Hi!",
        }
        assert events["analytics"]["prompt_tokens"] == 25


@pytest.mark.parametrize(
    ("body", "kind", "is_stream", "reason"),
    [
        (b"<html>", JSON, False, "content"),
        (b'{"content": "text"}', JSON, False, "content"),
        (b"[]", JSON, False, "content"),
        (b"{}", JSON, True, "no stream"),
        (b"data: {}\n\n", STREAM, False, "a stream"),
        (b"\x1f\x8bbroken", JSON + "\r\ncontent-encoding: gzip", False, "content-encoding"),
        (b"data", JSON + "\r\ncontent-encoding: nobody", False, "content-encoding"),
    ],
)
async def test_an_answer_that_is_none_is_a_502(
    body: bytes, kind: str, is_stream: bool, reason: str, tmp_path: Path
) -> None:
    """In OpenAI's dialect, with the reason; charged as an estimate: the vendor may have done its work."""
    vendor = Vendor()
    vendor.answer(body, kind)
    status, got, events = await scripted(tmp_path, vendor, is_stream=is_stream)
    error = json.loads(got)["error"]
    assert (status, error["code"]) == (502, "answer_unreadable")
    assert reason in error["message"]
    assert events["analytics"]["outcome"] == "upstream_error"
    assert events["analytics"]["cost_status"] == "unpriced"
    assert events["analytics"]["prompt_tokens"]


async def test_an_answer_that_is_too_large_is_refused(tmp_path: Path) -> None:
    """Nothing without a bound is gathered."""
    vendor = Vendor()
    vendor.answer(json.dumps(message([{"type": "text", "text": "x" * 5000}])).encode(), JSON)
    sections = {"gateway": {"max_response_bytes": 2000}}
    status, got, events = await scripted(tmp_path, vendor, is_stream=False, **sections)
    assert (status, json.loads(got)["error"]["code"]) == (502, "response_too_large")
    assert events["proxy_log"]["partial"]


async def test_memory_is_flat_on_a_vendor_that_sends_garbage(tmp_path: Path) -> None:
    """A frame without an end is given up, with an error frame, and its connection is closed."""
    done = asyncio.Event()

    async def endless(peer: Peer) -> None:
        await peer.request()
        head = b"HTTP/1.1 200 X\r\ncontent-type: text/event-stream\r\n\r\n"
        await peer.send(head + start(USAGE) + b"data: ")
        try:
            while True:
                await peer.send(b"x" * (1 << 18))
        finally:
            done.set()

    async with ScriptedUpstream(endless) as upstream:
        llms = llms_of(f"http://{upstream.origin.host}:{upstream.origin.port}")[:1]
        apps = [{"id": 1, "name": "tests", "llms": ["claude"]}, {"id": 2, "name": "stranger"}]
        async with running(tmp_path, "http://127.0.0.1:1", llms=llms, apps=apps, plugins=[], prices=[]) as flow:
            answer = await chat(flow, stream=True)
            events = await flow.recorded()
            async with asyncio.timeout(SECONDS):
                await done.wait()
    frames = frames_of(answer.content)
    assert frames[-1]["error"]["code"] == "answer_unreadable"
    assert events["analytics"]["labels"]


async def test_what_it_cost_is_told(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """As elsewhere: in headers of a whole answer, in a comment of a stream; by the vendor's own count."""
    async with bridge(tmp_path, mock_vendor) as flow:
        flow.client.headers["x-sluice-cost"] = "true"
        whole, stream = await chat(flow), await chat(flow, stream=True)
        events = await flow.recorded(2)
    cost = 11 * 3_000 + 7 * 15_000
    assert events["analytics"]["cost_nanos"] == cost
    assert "0.000138" in whole.headers["x-sluice-cost"]
    assert b"0.000138" in stream.content
    assert stream.content.endswith(b"data: [DONE]\n\n")
