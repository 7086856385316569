"""Tests of ``gateway.receipts``: what an exchange cost, in its own answer, for those who ask."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import hashlib
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest
from google import genai

from gateway.exchange import Exchange
from gateway.receipts import is_wanted, lines_of, with_receipt
from sluice.money.prices import Price
from sluice.money.usage import Usage
from tests.gateway.flow import TOKEN, Flow, raw, running
from tests.gateway.plugged import plugged
from tests.gateway.stream_plugins import SEEN, Look, LookWhole
from tests.gateway.test_exchange import an_exchange
from tests.gateway.test_respond import DONE, FRAMES, PLAIN, USAGE, serving
from tests.gateway.upstreams.vendors.anthropic.scripted import Reply, ScriptedVendor, scripted_vendor, stream_reply
from tests.gateway.upstreams.vendors.anthropic.streams import OVERLOADED, STOP, block, delta, end, start, text
from tests.gateway.upstreams.vendors.google.streams import GENERATE, STREAM, array, events
from tests.gateway.upstreams.vendors.google.streams import PLAIN as GEMINI

ASK = {"x-sluice-cost": "true"}
TOLD = {
    "x-sluice-cost": "0.0000045",
    "x-sluice-cost-currency": "USD",
    "x-sluice-cost-status": "exact",
    "x-sluice-tokens": "prompt=10; response=5; cached=0; reasoning=0; total=15",
}
"""What ``PLAIN`` and a stream with ``USAGE`` are worth."""
NOTHING = {
    "x-sluice-cost": "0",
    "x-sluice-cost-currency": "USD",
    "x-sluice-cost-status": "exact",
    "x-sluice-tokens": "prompt=0; response=0; cached=0; reasoning=0; total=0",
}
COMMENTS = b"".join([f": {name}: {value}\n".encode() for name, value in TOLD.items()])
JSON, SSE = "content-type: application/json", "content-type: text/event-stream"
HELLO = text("hello")
CLAUDE = (
    start({"input_tokens": 40, "output_tokens": 1}) + block("text", text="") + HELLO + end() + delta(output_tokens=6)
)
VENDORS = ("openai", "anthropic", "google_ai")
PRICE = Price("p", "1", "openai", "m", "EUR", 150_000_000, 600_000_000, 75_000_000, 150_000_000)


def told(answer: httpx.Response) -> dict[str, str]:
    """What its head says of its worth."""
    return {name: value for name, value in answer.headers.items() if name.startswith(("x-sluice-cost", "x-sluice-tok"))}


async def ask(flow: Flow, *, stream: bool = False, slug: str = "demo", **headers: str) -> tuple[httpx.Response, bytes]:
    """One chat request; its answer, and its bytes as they are on the wire."""
    body = {"model": "gpt-4o", "messages": [], "stream": stream}
    path = f"/llm/call/{slug}/chat/completions"
    async with flow.client.stream("POST", path, json=body, headers=ASK | headers) as answer:
        return answer, b"".join([chunk async for chunk in answer.aiter_raw()])


@pytest.mark.parametrize(
    ("rule", "value", "wanted"),
    [
        ("on_request", None, False),
        ("on_request", b"true", True),
        ("on_request", b" True ", True),
        ("on_request", b"1", True),
        ("on_request", b"yes", True),
        ("on_request", b"false", False),
        ("on_request", b"", False),
        ("on_request", b"\xff" * 9000, False),
        ("always", None, True),
        ("always", b"false", False),
        ("always", b"0", False),
        ("always", b"nonsense", True),
        ("never", None, False),
        ("never", b"true", False),
    ],
)
def test_the_setting_and_the_request_say_who_is_told(rule: Any, value: bytes | None, wanted: bool) -> None:
    """Nobody unasked, unless the operator says so; nobody at all, where the operator says so."""
    assert is_wanted(rule, value) is wanted


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, NOTHING),
        (
            {"price": PRICE, "cost_nanos": 1, "cost_status": "exact", "usage": Usage(1, None, 7, reasoning_tokens=3)},
            {
                "x-sluice-cost": "0.000000001",
                "x-sluice-cost-currency": "EUR",
                "x-sluice-cost-status": "exact",
                "x-sluice-tokens": "prompt=1; response=0; cached=7; reasoning=3; total=1",
            },
        ),
        (
            {"price": PRICE, "cost_nanos": (1 << 62) - 1, "cost_status": "estimated", "usage": Usage(1 << 40, 1 << 40)},
            {
                "x-sluice-cost": "4611686018.427387903",
                "x-sluice-cost-currency": "EUR",
                "x-sluice-cost-status": "estimated",
                "x-sluice-tokens": f"prompt={1 << 40}; response={1 << 40}; cached=0; reasoning=0; total={1 << 41}",
            },
        ),
        (
            {"cost_status": "unpriced", "usage": Usage(3, 4)},
            {
                "x-sluice-cost-status": "unpriced",
                "x-sluice-tokens": "prompt=3; response=4; cached=0; reasoning=0; total=7",
            },
        ),
    ],
)
def test_amounts_are_exact_decimal_text(values: dict[str, Any], expected: dict[str, str]) -> None:
    """To the nano, never in exponents; an amount that nobody knows is not there, and never a zero."""
    lines = lines_of(an_exchange(**values))
    assert {name.decode(): value.decode() for name, value in lines} == expected


STREAMED: dict[str, Any] = {
    "outcome": "ok",
    "response_headers": [(b"content-type", b"Text/Event-Stream; charset=utf-8")],
    "price": PRICE,
    "cost_nanos": 5,
    "cost_status": "exact",
}


@pytest.mark.parametrize(
    ("held", "values", "is_told"),
    [
        (DONE, {}, True),
        (b'event: message_stop\r\ndata: {"type":"message_stop"}\r\n\r\n', {}, True),
        (b"data:[DONE]\r\r", {}, True),
        (b": a comment\n\ndata: [DONE]\n\n", {}, True),
        (b"", {}, False),
        (b'data: {"cut', {}, False),
        (b"data: [DONE]\n", {}, False),
        (b"\n\ndata: [DONE]\n\n", {}, False),
        (b"}\n\n", {}, False),
        (DONE, {"response_headers": [(b"content-type", b"application/x-ndjson")]}, False),
        (DONE, {"response_headers": [(b"content-type", b"application/json")]}, False),
        (DONE, {"response_headers": []}, False),
        (
            DONE,
            {"response_headers": [(b"content-type", b"text/event-stream"), (b"content-encoding", b"gzip")]},
            False,
        ),
        (DONE, {"outcome": "response_blocked"}, False),
    ],
)
def test_comments_stand_before_a_whole_terminal_frame_or_nowhere(
    held: bytes, values: dict[str, Any], is_told: bool
) -> None:
    """No byte of an answer changes, and no frame gets one that was not there; a cut one stays cut."""
    last: list[Any] = [{"type": "http.response.body", "body": held, "more_body": False}]
    [message] = with_receipt(an_exchange(**{**STREAMED, **values}), last)
    body: bytes = message["body"]
    assert body.endswith(held)
    assert (body != held) == is_told
    comments = body[: len(body) - len(held)].splitlines()
    assert all(line.startswith(b": x-sluice-") for line in comments)
    assert message["more_body"] is False


def test_where_nothing_is_sent_nothing_is_told() -> None:
    """A client that left, an answer that broke off."""
    exchange: Exchange = an_exchange(response_headers=[(b"a", b"b")])
    assert with_receipt(exchange, []) == []
    assert exchange.response_headers == [(b"a", b"b")]


async def test_a_plain_answer_says_in_its_head_what_it_cost(tmp_path: Path) -> None:
    """However it is framed and cut: every byte as it came, and the same figures as in the events."""
    async with serving(tmp_path) as (flow, vendor):
        for at, (framing, cuts) in enumerate([("length", 0), ("length", 7), ("chunked", 5), ("eof", 3)], 1):
            vendor.answer(PLAIN, JSON, framing=framing, cuts=cuts)
            answer, body = await ask(flow)
            assert (answer.status_code, body, told(answer)) == (200, PLAIN, TOLD), (framing, cuts)
            events = await flow.recorded(at)
            assert events["analytics"]["cost_nanos"] == 4500
            assert events["proxy_log"]["response_body"] == PLAIN
            assert "x-sluice-cost: 0.0000045" in str(events["proxy_log"]["response_headers"])


async def test_who_does_not_ask_is_not_told(tmp_path: Path) -> None:
    """Nor may a vendor say it in our name; and what is asked of us is nothing that a vendor sees."""
    liar = ("x-sluice-cost: 9", "x-sluice-cost-status: exact", "x-sluice-tokens: prompt=9", "x-sluice-cost-currency: X")
    async with scripted_vendor() as vendor, running(tmp_path, vendor.url) as flow:
        vendor.reply = Reply(PLAIN, headers=liar)
        for value in ("", "false", "nonsense"):
            answer = await flow.post(headers={"x-sluice-cost": value} if value else {})
            assert (answer.content, told(answer)) == (PLAIN, {})
        answer = await flow.post(headers=ASK)
        assert told(answer) == TOLD
        assert all("x-sluice-cost" not in seen.headers for seen in vendor.seen)
        vendor.reply = stream_reply(FRAMES + USAGE + DONE)
        answer = await flow.post(body={"model": "gpt-4o", "messages": [], "stream": True})
        assert answer.content == FRAMES + DONE


@pytest.mark.parametrize(
    ("setting", "value", "expected"),
    [("never", "true", {}), ("always", "", TOLD), ("always", "false", {}), ("on_request", "true", TOLD)],
)
async def test_the_operator_decides(tmp_path: Path, setting: str, value: str, expected: dict[str, str]) -> None:
    """``gateway.cost_in_answers``."""
    async with scripted_vendor() as vendor, running(tmp_path, vendor.url, gateway={"cost_in_answers": setting}) as flow:
        vendor.reply = Reply(PLAIN)
        answer = await flow.post(headers={"x-sluice-cost": value} if value else {})
        assert (answer.content, told(answer)) == (PLAIN, expected)


async def test_a_stream_says_it_in_comments_before_its_end(tmp_path: Path) -> None:
    """Usage that we asked for is hidden all the same; without its comments it is the stream that others get."""
    async with serving(tmp_path) as (flow, vendor):
        for at, cuts in enumerate((0, 3, 40), 1):
            vendor.answer(FRAMES + USAGE + DONE, SSE, cuts=cuts)
            answer, body = await ask(flow, stream=True)
            assert (body, told(answer)) == (FRAMES + COMMENTS + DONE, {})
            events = await flow.recorded(at)
            assert events["analytics"]["cost_nanos"] == 4500
            assert events["proxy_log"]["total_micros"] >= events["proxy_log"]["upstream_micros"] > 0


async def test_streams_that_plugins_act_on_say_it_too(tmp_path: Path) -> None:
    """Piece by piece or gathered whole: plugins never see the comments, which come behind their last call."""
    for plugin in (Look, LookWhole):
        SEEN.clear()
        folder = tmp_path / plugin.__name__
        folder.mkdir()
        async with plugged(folder, {plugin: {}}) as (flow, vendor):
            vendor.answer(FRAMES + USAGE + DONE, SSE, cuts=9)
            _, body = await ask(flow, stream=True)
            assert body == FRAMES + COMMENTS + DONE
            assert all(b"x-sluice" not in piece.body for piece in SEEN)


async def test_what_has_no_place_for_a_comment_says_nothing(tmp_path: Path) -> None:
    """A stream without its end, lines of JSON; and the frame that was cut is not completed."""
    for content_type, stream in [
        (SSE, FRAMES),
        (SSE, FRAMES + b'data: {"cho'),
        ("content-type: application/x-ndjson", b'{"usage":{"prompt_tokens":1,"completion_tokens":1}}\n{"done":true}\n'),
    ]:
        async with serving(tmp_path) as (flow, vendor):
            vendor.answer(stream, content_type, cuts=2)
            answer, body = await ask(flow, stream=True)
            assert (answer.status_code, body) == (200, stream)


async def test_head_and_comments_wait_for_the_record(tmp_path: Path) -> None:
    """The last byte goes out behind it, and so does whatever says what it cost."""
    async with serving(tmp_path) as (flow, vendor):
        for stream, terminal in ((False, b"}"), (True, DONE)):
            vendor.answer(FRAMES + USAGE + DONE if stream else PLAIN, SSE if stream else JSON, framing="length")
            flow.log.released.clear()
            body = b'{"model":"gpt-4o","messages":[],"stream":%s}' % (b"true" if stream else b"false")
            head = (
                f"POST /llm/call/demo/chat/completions HTTP/1.1\r\nhost: g\r\nauthorization: Bearer {TOKEN}\r\n"
                f"connection: close\r\nx-sluice-cost: true\r\ncontent-length: {len(body)}\r\n\r\n"
            ).encode()
            asking = asyncio.create_task(raw(flow, head + body))  # noqa: TID251 - the client's side
            async with asyncio.timeout(10):
                while not flow.log.waiting:  # noqa: ASYNC110 - another task's end
                    await asyncio.sleep(0.002)
            assert not asking.done()
            flow.log.released.set()
            got, _, writer = await asking
            writer.close()
            assert b"0.0000045" in got
            assert terminal in got


async def test_nothing_goes_out_where_the_record_fails(tmp_path: Path) -> None:
    """Not a byte of an answer whose head was held."""
    from sluice.eventlog.interface import CommitFailedError  # noqa: PLC0415 - for this one

    async with serving(tmp_path) as (flow, vendor):
        vendor.answer(PLAIN, JSON, cuts=3)
        flow.log.error = CommitFailedError("disk")
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            await ask(flow)
        flow.log.error = None


async def test_errors_say_what_they_cost(tmp_path: Path) -> None:
    """Ours nothing, since nobody was called; nor a vendor's refusal; a vendor that fell silent an estimate."""
    async with serving(tmp_path) as (flow, vendor):
        answer = await flow.post(body={"model": "claude"}, headers=ASK)
        assert (answer.status_code, told(answer)) == (403, NOTHING)
        answer = await flow.post(body=b"{", headers=ASK)
        assert (answer.status_code, told(answer)) == (400, NOTHING)
        answer = await flow.post(headers=ASK | {"authorization": "Bearer nobody"})
        assert (answer.status_code, told(answer)) == (401, NOTHING)
        answer = await flow.post("nowhere", headers=ASK)
        assert (answer.status_code, told(answer)) == (502, NOTHING)
        vendor.answer(b'{"error":{"message":"slow down"}}', JSON, "retry-after: 7", status=429)
        answer, body = await ask(flow)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
        assert (body, told(answer)) == (b'{"error":{"message":"slow down"}}', NOTHING)


async def test_an_answer_that_breaks_off_is_refused_while_its_head_is_held(tmp_path: Path) -> None:
    """A client that asks gets a status that says so, instead of a connection that is cut."""
    async with serving(tmp_path) as (flow, vendor):
        vendor.answer(PLAIN, JSON, framing="none")
        vendor.pieces[0] = vendor.pieces[0].replace(b"\r\n\r\n", b"\r\ncontent-length: 5000\r\n\r\n")
        vendor.closes = True
        answer, _ = await ask(flow)
        assert (answer.status_code, told(answer)["x-sluice-cost-status"]) == (502, "estimated")


async def test_what_plugins_make_of_an_answer(tmp_path: Path) -> None:
    """The cost is that of the vendor's bytes, whatever becomes of them; a cache's answer costs nothing."""
    async with serving(tmp_path) as (flow, vendor):
        vendor.answer(PLAIN, JSON)
        answer, body = await ask(flow, slug="changebody")
        assert (body, told(answer)) == (b"changed:{", TOLD)
        assert answer.headers["content-length"] == "9"
        answer, body = await ask(flow, slug="blockheaders")
        assert (answer.status_code, told(answer)) == (451, TOLD)
        answer, body = await ask(flow, slug="answer")
        assert (body, told(answer)) == (b"from the cache", NOTHING)


async def test_answers_without_a_body_and_compressed_ones(tmp_path: Path) -> None:
    """HEAD says its length and no more; a coding stays as the vendor chose it."""
    packed = gzip.compress(PLAIN)
    async with serving(tmp_path) as (flow, vendor):
        vendor.answer(packed, JSON, "content-encoding: gzip", cuts=2)
        answer, body = await ask(flow)
        assert (body, answer.headers["content-encoding"], told(answer)) == (packed, "gzip", TOLD)
        vendor.pieces = [b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n"]
        answer = await flow.client.head("/llm/call/demo/models", headers=ASK)
        assert (answer.headers["content-length"], told(answer)) == ("12", NOTHING)
        vendor.pieces = [b"HTTP/1.1 204 No Content\r\n\r\n"]
        answer = await flow.client.delete("/llm/call/demo/files/f", headers=ASK)
        assert (answer.status_code, told(answer)) == (204, NOTHING)


async def test_an_answer_beyond_what_is_read_goes_out_as_it_comes(tmp_path: Path) -> None:
    """All of it, and without a word of its cost, of which nothing is known but an estimate; the event has that."""
    large = PLAIN + b" " * 5000
    async with serving(tmp_path, gateway={"max_response_bytes": 1024}) as (flow, vendor):
        vendor.answer(large, JSON, cuts=20)
        answer, body = await ask(flow)
        assert (body, told(answer)) == (large, {})
        assert (await flow.recorded(1))["analytics"]["cost_status"] == "estimated"
        vendor.answer(PLAIN + b" " * (1024 - len(PLAIN)), JSON, cuts=20)
        answer, body = await ask(flow)
        assert (len(body), told(answer)) == (1024, TOLD)


async def test_a_model_without_a_price_has_tokens_and_no_cost(tmp_path: Path) -> None:
    """Unknown is no zero."""
    async with serving(tmp_path, prices=[], prices_base="none") as (flow, vendor):
        vendor.answer(PLAIN, JSON)
        answer, _ = await ask(flow)
        assert told(answer) == {
            "x-sluice-cost-status": "unpriced",
            "x-sluice-tokens": TOLD["x-sluice-tokens"],
        }


async def test_a_vendor_that_streams_unasked_is_a_stream(tmp_path: Path) -> None:
    """Its head goes out at once, its comments come at its end."""
    async with serving(tmp_path) as (flow, vendor):
        vendor.answer(FRAMES + USAGE + DONE, SSE)
        answer, body = await ask(flow)
        assert (body, told(answer)) == (FRAMES + USAGE + COMMENTS + DONE, {})


LLMS = [
    {"id": 1, "slug": "openai", "vendor": "openai"},
    {"id": 2, "slug": "claude", "vendor": "anthropic"},
    {"id": 3, "slug": "gem", "vendor": "google_ai"},
]


@contextlib.asynccontextmanager
async def three_vendors(folder: Path) -> AsyncIterator[tuple[Flow, ScriptedVendor]]:
    """A gateway that always says what answers cost, before one server that speaks as three."""
    async with scripted_vendor() as vendor:
        llms = [{**llm, "base_url": vendor.url, "api_key": "k"} for llm in LLMS]
        prices = [{"id": v, "vendor": v, "model": "*", "prompt": "1", "response": "2"} for v in VENDORS]
        apps = [{"id": 1, "name": "tests", "llms": [llm["slug"] for llm in LLMS]}]
        token = {"app": 1, "sha256": hashlib.sha256(TOKEN.encode()).hexdigest()}
        sections: Any = {"llms": llms, "apps": apps, "tokens": [token], "prices": prices}
        async with running(folder, vendor.url, gateway={"cost_in_answers": "always"}, **sections) as flow:
            yield flow, vendor


def openai_client(flow: Flow) -> openai.AsyncOpenAI:
    """The real one."""
    return openai.AsyncOpenAI(base_url=f"{flow.url}/llm/call/openai/v1", api_key=TOKEN, max_retries=0)


def anthropic_client(flow: Flow) -> anthropic.AsyncAnthropic:
    """The real one."""
    return anthropic.AsyncAnthropic(base_url=f"{flow.url}/llm/call/claude", api_key=TOKEN, max_retries=0)


async def test_openai_s_sdk_reads_headers_and_passes_over_comments(tmp_path: Path) -> None:
    """Chats and responses, streamed and whole; frames with an ``id``, of which an empty line would make an event."""
    response = b'{"id":"r","object":"response","model":"m","output":[],"usage":{"input_tokens":3,"output_tokens":4}}'
    completed = b'event: response.completed\ndata: {"type":"response.completed","response":' + response + b"}\n\n"
    created = b'event: response.created\ndata: {"type":"response.created","response":' + response + b"}\n\n"
    chat = b"".join(b"id: 7\n" + frame + b"\n\n" for frame in (FRAMES + USAGE + DONE).split(b"\n\n") if frame)
    async with three_vendors(tmp_path) as (flow, vendor), openai_client(flow) as client:
        hello: Any = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
        vendor.reply = Reply(PLAIN)
        raw_answer = await client.chat.completions.with_raw_response.create(**hello)
        assert Decimal(raw_answer.headers["x-sluice-cost"]) == Decimal("0.00002")
        assert raw_answer.parse().usage.prompt_tokens == 10
        vendor.reply = stream_reply(chat)
        chunks = [chunk async for chunk in await client.chat.completions.create(**hello, stream=True)]
        assert [chunk.choices[0].delta.content for chunk in chunks if chunk.choices] == ["hello", " world"]
        vendor.reply = stream_reply(created + completed)
        events = [event async for event in await client.responses.create(model="m", input="hi", stream=True)]
        assert [event.type for event in events] == ["response.created", "response.completed"]
        answer = await flow.client.post("/llm/call/openai/v1/responses", json={"model": "m", "stream": True})
        assert answer.content.startswith(created + b": x-sluice-cost: 0.000011\n")
        assert answer.content.endswith(b"total=7\n" + completed)


async def test_anthropic_s_sdk_passes_over_comments(tmp_path: Path) -> None:
    """Its helper that gathers a message, too; and an error in a stream is still raised."""
    async with three_vendors(tmp_path) as (flow, vendor), anthropic_client(flow) as client:
        hello: Any = {"model": "c", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
        vendor.reply = stream_reply(CLAUDE + STOP)
        async with client.messages.stream(**hello) as stream:
            assert await stream.get_final_text() == "hello"
        answer = await flow.client.post("/llm/call/claude/v1/messages", json={**hello, "stream": True})
        first, *_, last = answer.content.removeprefix(CLAUDE).removesuffix(STOP).splitlines()
        assert (first, last) == (
            b": x-sluice-cost: 0.000052",
            b": x-sluice-tokens: prompt=40; response=6; cached=0; reasoning=0; total=46",
        )
        vendor.reply = stream_reply(CLAUDE + OVERLOADED)
        with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
            async for _ in await client.messages.create(**hello, stream=True):
                pass


async def test_google_s_streams_are_left_alone(tmp_path: Path) -> None:
    """They have no end that is held, and Google's SDK takes a comment for an answer; whole answers have headers."""
    async with three_vendors(tmp_path) as (flow, vendor):
        vendor.reply = stream_reply(events(GEMINI))
        path, body = STREAM + "?alt=sse", {"contents": [{"parts": [{"text": "hi"}]}]}
        answer = await flow.client.post(f"/llm/call/gem{path}", json=body)
        assert (answer.content, told(answer)) == (events(GEMINI), {})
        options: Any = {"base_url": f"{flow.url}/llm/call/gem", "client_args": {"trust_env": False}}
        with genai.Client(api_key=TOKEN, http_options=genai.types.HttpOptions(**options)) as client:
            asked = client.models.generate_content_stream(model="gemini-2.5-flash", contents="hi")
            chunks = await asyncio.to_thread(list, asked)
        assert [chunk.text for chunk in chunks] == [
            each["candidates"][0]["content"]["parts"][0]["text"] for each in GEMINI
        ]
        vendor.reply = Reply(array(GEMINI), content_type="application/json")
        answer = await flow.client.post(f"/llm/call/gem{STREAM}", json=body)
        assert (answer.content, told(answer)) == (array(GEMINI), {})
        vendor.reply = Reply(json.dumps(GEMINI[-1]).encode())
        answer = await flow.client.post(f"/llm/call/gem{GENERATE}", json=body)
        assert told(answer)["x-sluice-cost"] == "0.000022"
