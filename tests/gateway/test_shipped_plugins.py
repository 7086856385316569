"""The plugins we ship, several on one LLM, through the gateway's real HTTP server and a vendor on real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from sluice.plugins.custom_auth import CustomAuth
from sluice.plugins.firewall import Firewall, PreAuthFirewall
from sluice.plugins.pii_redactor import PiiRedactor
from sluice.plugins.prompt_size_limit import PromptSizeLimit
from sluice.plugins.rate_limiter import RateLimiter
from sluice.plugins.request_enricher import RequestEnricher
from sluice.plugins.response_cache import ResponseCache
from sluice.plugins.response_firewall import ResponseFirewall
from sluice.plugins.response_modifier import ResponseBodyModifier, ResponseModifier
from tests.contracts.scripted_upstream import Asked, Peer, ScriptedUpstream
from tests.gateway.flow import SECONDS, STRANGER, TOKEN, Flow, chat_request, raw, running
from tests.gateway.plugged import Plugins, plugged_sections
from tests.gateway.stream_plugins import STREAM, chunk
from tests.gateway.test_respond import BROKEN, DONE, FRAMES, PLAIN, USAGE, Vendor

JSON = "content-type: application/json"
END = b'data: {"model":"gpt-4o","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
WHOLE_STREAM = FRAMES + END + USAGE + DONE
FORBIDDEN = {"config": {"patterns": ["launch code"]}}
PHRASE = {"config": {"rules": [{"phrases": [{"pattern": "launch code"}]}]}}
ONE_AT_ONCE = {"config": {"rules": [{"id": "one", "limit": {"type": "concurrent", "value": 1}}]}}


class Model:
    """A vendor that remembers what it was asked, and answers when it is told to."""

    def __init__(self, vendor: Vendor) -> None:
        self.vendor = vendor
        self.asked: list[Asked] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        vendor.script = self._serve

    async def _serve(self, peer: Peer) -> None:
        while asked := await peer.request():
            self.asked.append(asked)
            await self.may_answer.wait()
            await peer.send(*self.vendor.pieces)
            if self.vendor.closes:
                return

    def says(self, body: bytes = PLAIN, *headers: str, **how: Any) -> None:
        """Its next answers; a stream where it is made of SSE frames."""
        kind = STREAM if body.startswith((b"data:", b"event:")) else JSON
        self.vendor.answer(body, *(headers or (kind,)), **how)

    @property
    def bodies(self) -> list[Any]:
        """What it was asked, as JSON."""
        return [json.loads(asked.body) for asked in self.asked]


@contextlib.asynccontextmanager
async def serving(
    folder: Path, plugins: Plugins, attached: Mapping[str, Any] | None = None
) -> AsyncIterator[tuple[Flow, Model]]:
    """A gateway whose LLM has these plugins, and whose two apps may both use it; ``attached`` is said of the first."""
    vendor = Vendor()
    async with ScriptedUpstream(vendor.serve) as upstream:
        url = f"http://{upstream.origin.host}:{upstream.origin.port}/v1"
        settings = plugged_sections(url, plugins)
        settings["apps"][0]["llms"] = settings["apps"][1]["llms"] = ["demo"]
        if attached:
            names = settings["llms"][0]["plugins"]
            settings["llms"][0]["plugins"] = [{"plugin": names[0], **attached}, *names[1:]]
        async with running(folder, url, **settings) as flow:
            model = Model(vendor)
            model.says()
            yield flow, model


async def ask(flow: Flow, text: str = "hi", *, token: str = TOKEN, stream: bool = False, **more: Any) -> httpx.Response:
    """One chat request, its answer whole."""
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": text}], "stream": stream}
    headers = {"authorization": f"Bearer {token}", **more.pop("headers", {})}
    return await flow.post(body={**body, **more.pop("body", {})}, headers=headers, **more)


async def settled(flow: Flow) -> None:
    """Nothing is under way, ``stream_complete`` plugins included."""
    await flow.recorded(0 if not flow.log.exchanges else 1)


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for what the server or its vendor does, not for ever."""
    async with asyncio.timeout(SECONDS):
        while not is_so():  # noqa: ASYNC110 - it is another task's to say, and nobody tells
            await asyncio.sleep(0.001)


def said(body: bytes) -> str:
    """The text of a stream."""
    values = [json.loads(line[6:]) for line in body.splitlines() if line.startswith(b"data: {")]
    choices = [choice for value in values for choice in value.get("choices", ())]
    return "".join(choice["delta"].get("content", "") for choice in choices)


def cache_status(answer: httpx.Response) -> str:
    """What the cache says of it."""
    return str(answer.headers.get("x-cache-status"))


@pytest.fixture
def no_collector() -> Iterator[None]:
    """What is given back must not wait for the garbage collector."""
    gc.disable()
    yield
    gc.enable()


async def test_a_hit_is_the_vendor_s_answer_and_costs_nothing(tmp_path: Path) -> None:
    """One call of the vendor, one charge; a hit has no tokens and no cost. Who wants to goes past it."""
    async with serving(tmp_path, {ResponseCache: {}}) as (flow, model):
        miss = await ask(flow)
        charged = await flow.recorded(1)
        hit = await ask(flow)
        free = await flow.recorded(2)
        past = await ask(flow, headers={"x-cache": "bypass"})
        assert [cache_status(answer) for answer in (miss, hit, past)] == ["MISS", "HIT", "BYPASS"]
        assert [answer.content for answer in (miss, hit, past)] == [PLAIN] * 3
        assert hit.headers["content-type"] == "application/json"
        assert len(model.asked) == 2
    assert charged["analytics"]["cost_nanos"] > 0
    assert (free["proxy_log"]["response_code"], free["proxy_log"]["response_body"]) == (200, PLAIN)
    assert not any(event.get("cost_nanos") or event.get("total_tokens") for event in free.values())


async def test_entries_are_an_app_s_own_and_never_an_error(tmp_path: Path) -> None:
    """Another app asks its vendor itself; a vendor's error, also one with status 200, is asked again."""
    async with serving(tmp_path, {ResponseCache: {}}) as (flow, model):
        assert [cache_status(await ask(flow, token=token)) for token in (TOKEN, STRANGER, TOKEN, STRANGER)] == [
            "MISS", "MISS", "HIT", "HIT",
        ]  # fmt: skip
        for body, status in ((b'{"error":{}}', 500), (b'{"error":{}}', 200), (b'{"error":{}}', 429)):
            model.says(body, status=status)
            text = f"{status}"
            assert [cache_status(await ask(flow, text)) for _ in range(2)] == ["MISS", "MISS"]
        model.says(PLAIN, JSON, "content-encoding: gzip")
        for _ in range(2):  # httpx cannot decode what is no gzip: the head is enough
            head, _, writer = await raw(flow, chat_request(), b"\r\n\r\n")
            assert b"x-cache-status: MISS" in head
            writer.close()


async def test_of_equal_requests_at_once_one_asks_the_vendor(tmp_path: Path) -> None:
    """The others have its answer; where it fails the next one asks, and none is left waiting."""
    plugins: Plugins = {ResponseCache: {"timeout_ms": 60_000, "config": {"wait_seconds": 30}}}
    async with serving(tmp_path, plugins) as (flow, model):
        for status, calls in ((200, 1), (500, 8)):
            model.asked.clear()
            model.may_answer.clear()
            model.says(status=status)
            async with asyncio.TaskGroup() as group:
                asking = [group.create_task(ask(flow, f"{status}")) for _ in range(8)]
                await until(lambda: flow.parts.sweep.in_flight == 8 and bool(model.asked))
                assert len(model.asked) == 1
                model.may_answer.set()
            answers = [task.result() for task in asking]
            assert len(model.asked) == calls
            assert {(answer.status_code, answer.content) for answer in answers} == {(status, PLAIN)}
            assert [cache_status(answer) for answer in answers].count("MISS") == calls


async def test_streams_are_kept_whole_or_not_at_all(tmp_path: Path) -> None:
    """A hit is byte for byte what the first client got; one that broke off, had an error, or that a later plugin ended
    is asked again."""
    plugins: Plugins = {ResponseFirewall: FORBIDDEN, ResponseCache: {}}
    broken = FRAMES + b'data: {"error":{"message":"overloaded"}}\n\n' + DONE
    async with serving(tmp_path, plugins) as (flow, model):
        model.says(WHOLE_STREAM, cuts=9)
        got = []
        for _ in range(2):
            got.append(await ask(flow, stream=True))
            await settled(flow)
        assert [cache_status(answer) for answer in got] == ["MISS", "HIT"]
        assert got[0].content == got[1].content
        assert (said(got[1].content), got[1].headers["content-type"]) == ("hello world", "text/event-stream")
        for number, body in enumerate((broken, FRAMES, chunk("the launch") + chunk(" code") + END + DONE)):
            model.says(body)
            for _ in range(2):
                assert cache_status(await ask(flow, f"{number}", stream=True)) == "MISS"
                await settled(flow)


async def test_what_was_withheld_is_not_in_the_cache_behind(tmp_path: Path) -> None:
    """A cache behind a filter keeps what the filter left, and nothing of what it withheld."""
    plugins: Plugins = {ResponseFirewall: FORBIDDEN, ResponseBodyModifier: {"config": {"append_text": "!"}}}
    async with serving(tmp_path, {**plugins, ResponseCache: {}}) as (flow, model):
        model.says(b'{"choices":[{"message":{"content":"the launch code"}}]}')
        assert [(await ask(flow)).status_code for _ in range(2)] == [403, 403]
        model.says(b'{"choices":[{"message":{"content":"no"}}]}')
        answers = [await ask(flow) for _ in range(2)]
        assert [cache_status(answer) for answer in answers] == ["MISS", "HIT"]
        assert {answer.json()["choices"][0]["message"]["content"] for answer in answers} == {"no!"}


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("way_out", ["whole", "stream", "blocked", "vendor_error", "vendor_away", "broken", "gone"])
async def test_what_is_under_way_counts_until_its_exchange_ends(tmp_path: Path, way_out: str) -> None:
    """Refused meanwhile, given back by every way out, at once: of answers, of streams, of a block by a later plugin, of
    errors, of vendors that die and of clients that leave."""
    plugins: Plugins = {RateLimiter: ONE_AT_ONCE, PromptSizeLimit: {"config": {"max_body_bytes": 2000}}}
    async with serving(tmp_path, plugins) as (flow, model):
        for round_number in range(2):
            await _leave(flow, model, way_out)
            await settled(flow)
            model.says()
            assert (await ask(flow)).status_code == 200, round_number
            await settled(flow)


async def _leave(flow: Flow, model: Model, way_out: str) -> None:
    """One exchange that ends so."""
    if way_out == "blocked":
        assert (await ask(flow, "x" * 3000)).status_code == 413
    elif way_out == "vendor_error":
        model.says(b"{}", status=503)
        assert (await ask(flow)).status_code == 503
    elif way_out == "vendor_away":
        model.vendor.pieces, model.vendor.closes = [], True
        assert (await ask(flow)).status_code == 502
    elif way_out == "broken":
        model.says(WHOLE_STREAM, cuts=3)
        model.vendor.pieces, model.vendor.closes = model.vendor.pieces[:2], True
        with pytest.raises(BROKEN):
            await ask(flow, stream=True)
    elif way_out == "gone":
        model.may_answer.clear()
        model.says(WHOLE_STREAM)
        asked = len(model.asked)
        writer = await begun(flow, model, asked)
        writer.transport.abort()
        model.may_answer.set()
    else:
        await _while_another_is_refused(flow, model, is_stream=way_out == "stream")


async def begun(flow: Flow, model: Model, asked: int) -> asyncio.StreamWriter:
    """A client whose stream the vendor was asked for."""
    host, port = flow.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(chat_request(stream=True))
    await until(lambda: len(model.asked) > asked)
    return writer


async def _while_another_is_refused(flow: Flow, model: Model, *, is_stream: bool) -> None:
    model.says(WHOLE_STREAM if is_stream else PLAIN)
    model.may_answer.clear()
    asked = len(model.asked)
    async with asyncio.TaskGroup() as group:
        first = group.create_task(ask(flow, stream=is_stream))
        await until(lambda: len(model.asked) > asked)
        refused = await ask(flow)
        others = group.create_task(ask(flow, token=STRANGER, stream=is_stream))
        await until(lambda: len(model.asked) > asked + 1)
        model.may_answer.set()
    assert (refused.status_code, refused.json()["limit_type"]) == (429, "concurrent")
    assert refused.headers["retry-after"] == "1"
    assert (first.result().status_code, others.result().status_code) == (200, 200)


async def test_requests_and_tokens_are_limited_by_app(tmp_path: Path) -> None:
    """What is left is said on every answer, streams too; a stream whose usage was hidden counts by its size."""
    rules = [
        {"id": "requests", "limit": {"type": "requests", "value": 4}},
        {"id": "tokens", "limit": {"type": "tokens", "value": 60}, "priority": 200},
    ]
    async with serving(tmp_path, {RateLimiter: {"config": {"rules": rules}}}) as (flow, model):
        assert (await ask(flow)).headers["x-ratelimit-remaining"] == "3"
        model.says(WHOLE_STREAM)
        assert (await ask(flow, "x" * 200, stream=True)).headers["x-ratelimit-remaining"] == "2"
        await settled(flow)
        refused = await ask(flow)
        assert (refused.status_code, refused.json()["limit_type"]) == (429, "tokens")
        assert (await ask(flow, token=STRANGER)).status_code == 200


@pytest.mark.parametrize("cuts", [0, 5, 40])
async def test_a_phrase_is_found_wherever_a_stream_is_cut(tmp_path: Path, cuts: int) -> None:
    """The client gets what stood before it and an error, nothing of the phrase; a prompt with it asks no vendor."""
    plugins: Plugins = {PreAuthFirewall: FORBIDDEN, Firewall: PHRASE, ResponseFirewall: FORBIDDEN}
    async with serving(tmp_path, plugins) as (flow, model):
        for text in ("the launch code", "the launch\n code"):
            assert (await ask(flow, text)).json()["error"]["type"] == "content_policy_violation"
        assert not model.asked
        body = chunk("so it is ") + chunk("the lau") + chunk("nch co") + chunk("de 7") + END + DONE
        model.says(body, cuts=cuts)
        got = await ask(flow, stream=True)
        events = await flow.recorded(3)
        assert b"launch" not in got.content
        assert b"lau" not in got.content
        assert b"content_policy_violation" in got.content or b"the answer is not allowed here" in got.content
        assert events["proxy_log"]["outcome"] == "response_blocked"
        model.says(b'{"choices":[{"message":{"content":"launch code"}}]}')
        assert (await ask(flow)).status_code == 403


@pytest.mark.parametrize("restore", [True, False])
async def test_the_vendor_sees_no_personal_data_and_is_paid_for_what_it_did(tmp_path: Path, restore: bool) -> None:
    """Nor does the client see what the model made up; usage is the vendor's, however the stream was changed."""
    async with serving(tmp_path, {PiiRedactor: {"config": {"restore": restore}}}) as (flow, model):
        texts = ("to [EMA", "IL_1] and new@exam", "ple.com!")
        model.says(b"".join(map(chunk, texts)) + END + USAGE + DONE, cuts=11)
        got = await ask(flow, "mail ada@example.com", stream=True)
        events = await flow.recorded(1)
        assert model.bodies[0]["messages"][0]["content"] == "mail [EMAIL_1]"
        assert said(got.content) == f"to {'ada@example.com' if restore else '[EMAIL_1]'} and [EMAIL]!"
        analytics = events["analytics"]
        assert (analytics["prompt_tokens"], analytics["response_tokens"]) == (10, 5)
        assert analytics["cost_status"] == "exact"
        assert got.content.endswith(DONE)


AUTH = {"config": {"valid_token": "theirs", "tokens": [{"token": "second", "app_id": 2, "user_id": "bob"}]}}


async def test_custom_auth_says_which_app_asks(tmp_path: Path) -> None:
    """By the token's own app, else by the attachment's; who has neither, or no token, is nobody."""
    enrich = {"config": {"headers": {"x-caller": "{app_id}/{user_id}"}}}
    for app, answers in ((1, (200, 200, 401)), (None, (401, 200, 401))):
        folder = tmp_path / str(app)
        folder.mkdir()
        plugins: Plugins = {CustomAuth: AUTH, RequestEnricher: enrich}
        async with serving(folder, plugins, {"app": app} if app else None) as (flow, model):
            got = [await ask(flow, token=token) for token in ("theirs", "second", TOKEN)]
            assert tuple(answer.status_code for answer in got) == answers
            assert got[2].headers["www-authenticate"] == "Bearer"
            callers = [line for asked in model.asked for line in asked.lines if line.lower().startswith(b"x-caller")]
            assert callers == ([b"x-caller: 1/plugin-user"] if app else []) + [b"x-caller: 2/bob"]
            assert all(b"theirs" not in asked.head and b"second" not in asked.head for asked in model.asked)


SHAPES: Mapping[str, tuple[str, bytes, Any]] = {
    "openai": ("chat/completions", b'{"choices":[{"message":{"content":"%s"}}]}', {"content": "hi\n\nBe brief."}),
    "anthropic": (
        "messages",
        b'{"content":[{"type":"text","text":"%s"}]}',
        {"content": [{"type": "text", "text": "hi"}, {"type": "text", "text": "Be brief."}]},
    ),
}


@pytest.mark.parametrize("vendor", SHAPES)
async def test_both_sides_are_changed_in_the_vendor_s_own_shape(tmp_path: Path, vendor: str) -> None:
    """The instruction behind the last user message, the text behind the answer; headers come and go; no error and no
    prompt of another plugin's refusal is touched."""
    path, answer, asked = SHAPES[vendor]
    plugins: Plugins = {
        RequestEnricher: {"config": {"additional_instruction": "Be brief.", "headers": {"x-app": "{app_id}"}}},
        Firewall: FORBIDDEN,
        ResponseModifier: {"config": {"add_headers": {"x-by": "us"}, "remove_headers": ["x-vendor"]}},
        ResponseBodyModifier: {"config": {"replace": {"Ada": "Bob"}, "append_text": " Bye."}},
    }
    content: Any = "hi" if vendor == "openai" else [{"type": "text", "text": "hi"}]
    body = {"messages": [{"role": "user", "content": content}, {"role": "assistant", "content": "ho"}]}
    async with serving(tmp_path, plugins) as (flow, model):
        model.says(answer.replace(b"%s", b"I am Ada."), JSON, "x-vendor: v")
        got = await ask(flow, path=f"/llm/call/demo/{path}", body=body)
        assert got.content == json.dumps(json.loads(answer.replace(b"%s", b"I am Bob. Bye."))).encode()
        assert (got.headers["x-by"], got.headers["x-modification-type"]) == ("us", "replace,append")
        assert "x-vendor" not in got.headers
        assert model.bodies[0]["messages"][0] == {"role": "user", **asked}
        assert model.bodies[0]["messages"][1] == body["messages"][1]
        assert b"x-app: 1" in model.asked[0].lines
        model.says(b'{"error":{"message":"Ada"}}', status=400)
        assert (await ask(flow, path=f"/llm/call/demo/{path}")).content == b'{"error":{"message":"Ada"}}'


async def test_all_of_them_on_one_llm(tmp_path: Path) -> None:
    """In a sensible order each does its own: enriched, read, redacted, counted, asked once, kept."""
    rules = [{"id": "few", "limit": {"type": "requests", "value": 2}}, *ONE_AT_ONCE["config"]["rules"]]
    plugins: Plugins = {
        RequestEnricher: {"config": {"additional_instruction": "Be brief."}},
        Firewall: FORBIDDEN,
        PromptSizeLimit: {},
        ResponseModifier: {"config": {"add_headers": {"x-by": "us"}}},
        ResponseFirewall: FORBIDDEN,
        PiiRedactor: {},
        ResponseCache: {},
        RateLimiter: {"config": {"rules": rules}},
    }
    async with serving(tmp_path, plugins) as (flow, model):
        for stream, body in ((False, PLAIN), (True, WHOLE_STREAM)):
            model.says(body, cuts=4)
            for status in ("MISS", "HIT", "HIT"):
                got = await ask(flow, "I am ada@example.com", stream=stream)
                assert (got.status_code, cache_status(got)) == (200, status)
                await settled(flow)
        assert [body["messages"][0]["content"] for body in model.bodies] == ["I am [EMAIL_1]\n\nBe brief."] * 2
        assert (await ask(flow, "another")).status_code == 429
        assert (await ask(flow, "launch code")).status_code == 403
        assert (await ask(flow, "I am ada@example.com")).status_code == 200
        assert len(model.asked) == 2
        assert not flow.parts.sweep.in_flight
