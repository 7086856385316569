"""Hooks: what plugins see of an exchange, what they may change of it, and what their verdict is to the client."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest

from gateway.control.file_entities import entities_of
from gateway.exchange import Exchange
from gateway.hooks import Hooks, plugin_refusal
from gateway.snapshot import Llm
from sluice.dev.vendor import MockVendor
from sluice.plugin_host.errors import PluginBlocked, PluginFailed
from sluice.sdk import (
    BasePlugin,
    Context,
    EnrichedRequest,
    PluginRequest,
    PluginResponse,
    PostAuthHandler,
    PreAuthHandler,
    ResponseHandler,
    ResponseWriteRequest,
    ResponseWriteResponse,
)
from tests.gateway.flow import TOKEN, running, settings_of, started_plugins
from tests.gateway.plugged import plugged_sections
from tests.gateway.recording.test_recorder import APP
from tests.gateway.test_exchange import a_snapshot, an_exchange

HEADERS = [(b"accept", b"a"), (b"accept", b"b"), (b"content-type", b"text/plain")]
SEEN: list[tuple[str, Any, dict[str, Any]]] = []
"""What ``Spy`` saw: hook, message, and the context as it was then."""


class Spy(BasePlugin, PreAuthHandler, PostAuthHandler, ResponseHandler):
    """Changes nothing, and leaves a note for the next."""

    def note(self, hook: str, ctx: Context, message: Any) -> None:
        names = ("request_id", "exchange_id", "app_id", "user_id", "llm_id", "llm_slug", "vendor", "trace_context")
        SEEN.append((hook, message, {name: getattr(ctx, name) for name in names} | {"metadata": dict(ctx.metadata)}))

    async def handle_pre_auth(self, ctx: Context, request: PluginRequest) -> PluginResponse:
        self.note("pre_auth", ctx, request)
        return PluginResponse.modify(context_updates={"from": "pre_auth"})

    async def handle_post_auth(self, ctx: Context, request: EnrichedRequest) -> PluginResponse:
        self.note("post_auth", ctx, request)
        return PluginResponse.allow()

    async def on_before_write_headers(self, ctx: Context, request: ResponseWriteRequest) -> ResponseWriteResponse:
        self.note("response_headers", ctx, request)
        return ResponseWriteResponse.allow()

    async def on_before_write(self, ctx: Context, request: ResponseWriteRequest) -> ResponseWriteResponse:
        self.note("response_body", ctx, request)
        return ResponseWriteResponse.allow()


class Change(BasePlugin, PreAuthHandler, PostAuthHandler, ResponseHandler):
    """Adds its name to every body and header."""

    async def handle_pre_auth(self, ctx: Context, request: PluginRequest) -> PluginResponse:
        return PluginResponse.modify(headers=request.headers | {"x-by": "pre"}, body=request.body + b"+pre")

    async def handle_post_auth(self, ctx: Context, request: EnrichedRequest) -> PluginResponse:
        return PluginResponse.modify(headers=request.headers | {"x-by": "post"}, body=request.body + b"+post")

    async def on_before_write_headers(self, ctx: Context, request: ResponseWriteRequest) -> ResponseWriteResponse:
        return ResponseWriteResponse.modify(headers=request.headers | {"x-by": "headers"})

    async def on_before_write(self, ctx: Context, request: ResponseWriteRequest) -> ResponseWriteResponse:
        return ResponseWriteResponse.modify(headers=request.headers | {"x-by": "body"}, body=request.body + b"+body")


class Refuse(BasePlugin, PreAuthHandler, PostAuthHandler, ResponseHandler):
    """Blocks whatever it sees, or fails where the body says so."""

    async def handle_pre_auth(self, ctx: Context, request: PluginRequest) -> PluginResponse:
        return verdict(PluginResponse.block(401, "pre"), request.body)

    async def handle_post_auth(self, ctx: Context, request: EnrichedRequest) -> PluginResponse:
        return verdict(PluginResponse.block(403, "post", {"x-why": "because"}), request.body)

    async def on_before_write_headers(self, ctx: Context, request: ResponseWriteRequest) -> ResponseWriteResponse:
        return ResponseWriteResponse.block(451, "headers")

    async def on_before_write(self, ctx: Context, request: ResponseWriteRequest) -> ResponseWriteResponse:
        return ResponseWriteResponse.block(500, "body", body=b"withheld")


def verdict(block: PluginResponse, body: bytes) -> PluginResponse:
    """The block, unless it is to fail."""
    if body == b"fail":
        raise ValueError("its own secret")
    return block


@contextlib.asynccontextmanager
async def chained(*names: str, **registration: Any) -> AsyncIterator[tuple[Llm, Hooks]]:
    """An LLM with these plugins in this order."""
    command = f"python://{__name__}:"
    plugins = [{"id": at, "name": name, "command": command + name, **registration} for at, name in enumerate(names, 1)]
    llm = {"id": 1, "slug": "demo", "base_url": "http://127.0.0.1:9/v1", "plugins": list(names)}
    apps = [{"id": 1, "name": "tests"}, {"id": 2, "name": "stranger"}]
    settings = settings_of("http://127.0.0.1:9", plugins=plugins, llms=[llm], apps=apps)
    entities = entities_of(settings)
    host = await started_plugins(settings, Path(), entities)
    chains = host.chains(entities.llms[1])
    assert chains
    try:
        yield dataclasses.replace(a_snapshot()[1], chains=chains), Hooks()
    finally:
        await host.close()


def asked(**values: Any) -> Exchange:
    """A request of the known app, and the head of its answer."""
    given = {"headers": list(HEADERS), "query": b"q=\xe9", "body": b"body", "traceparent": "00-a-b-01", "app": APP}
    return an_exchange(**{**given, "response_code": 200, "response_headers": [(b"x-vendor", b"1")], **values})


async def all_hooks(hooks: Hooks, exchange: Exchange, llm: Llm) -> bytes:
    """Each in its turn."""
    await hooks.pre_auth(exchange, llm)
    await hooks.post_auth(exchange, llm)
    await hooks.response_headers(exchange, llm)
    return await hooks.response_body(exchange, llm, b"answer")


async def test_without_plugins_nothing_is_made() -> None:
    """No facts, no timings; request and answer are the very same objects."""
    exchange, hooks, (_, llm) = asked(), Hooks(), a_snapshot()
    headers, answer_headers, answer = exchange.headers, exchange.response_headers, b"answer"
    await hooks.pre_auth(exchange, llm)
    await hooks.post_auth(exchange, llm)
    await hooks.response_headers(exchange, llm)
    assert await hooks.response_body(exchange, llm, answer) is answer
    assert exchange.headers is headers
    assert exchange.response_headers is answer_headers
    assert (exchange.facts, exchange.timings) == (None, [])


async def test_a_plugin_sees_what_is_known_at_its_hook() -> None:
    """No app before authentication; the request as it came, then the answer's head, then its body."""
    SEEN.clear()
    exchange = asked(app=None)
    async with chained("Spy") as (llm, hooks):
        await hooks.pre_auth(exchange, llm)
        exchange.app, exchange.user_id = APP, APP.user_id
        await hooks.post_auth(exchange, llm)
        await hooks.response_headers(exchange, llm)
        assert await hooks.response_body(exchange, llm, b"answer") == b"answer"
    (_, pre, before), (_, post, after), (_, head, _), (_, body, last) = SEEN
    assert (type(pre), type(post)) == (PluginRequest, EnrichedRequest)
    for request in (pre, post):
        assert (request.method, request.path, request.query) == ("POST", "/chat/completions", "q=\u00e9")
        assert (request.body, request.remote_addr, request.headers.raw) == (b"body", "192.0.2.7", HEADERS)
    assert (post.app_id, post.user_id, dict(post.auth_claims), post.authenticated) == (1, "7", {}, True)
    assert (head.status_code, head.body, body.body) == (200, b"", b"answer")
    assert (head.request_id, body.request_id) == ("request-1", "request-1")
    assert head.headers["x-vendor"] == "1"
    assert (before["app_id"], before["user_id"], before["metadata"]) == (None, None, {})
    assert (after["app_id"], after["user_id"], after["metadata"]) == (1, 7, {"from": "pre_auth"})
    assert last | {"metadata": {}} == {
        "request_id": "request-1", "exchange_id": exchange.exchange_id, "app_id": 1, "user_id": 7, "llm_id": 1,
        "llm_slug": "demo", "vendor": "openai", "trace_context": {"traceparent": "00-a-b-01"}, "metadata": {},
    }  # fmt: skip


async def test_no_plugin_sees_a_credential_in_the_query() -> None:
    """Google's SDKs may put it there: it is the gateway's, at every hook; the rest stays as it was written."""
    SEEN.clear()
    exchange = asked(query=b"key=SECRET&alt=sse&%6bey=SECRET&access_token=SECRET&q=\xe9+b")
    async with chained("Spy") as (llm, hooks):
        await all_hooks(hooks, exchange, llm)
    queries = [message.query for _, message, _ in SEEN if hasattr(message, "query")]
    assert queries == ["alt=sse&q=\u00e9+b"] * 2
    assert exchange.query.startswith(b"key=SECRET")


async def test_who_changes_nothing_leaves_no_copies() -> None:
    """The exchange's own headers and body stay; each hook leaves its timing."""
    exchange = asked()
    headers = exchange.headers
    async with chained("Spy") as (llm, hooks):
        await all_hooks(hooks, exchange, llm)
    assert exchange.headers == headers
    assert [(timing["hook"], timing["decision"]) for timing in exchange.timings] == [
        ("pre_auth", "modify"), ("post_auth", "allow"), ("response_headers", "allow"), ("response_body", "allow"),
    ]  # fmt: skip


async def test_changes_are_the_exchange_s_and_the_next_plugin_s() -> None:
    """Headers and body of the request, headers and body of the answer; nothing else."""
    exchange = asked()
    async with chained("Change", "Spy") as (llm, hooks):
        SEEN.clear()
        answer = await all_hooks(hooks, exchange, llm)
    assert exchange.body == b"body+pre+post"
    assert [value for name, value in exchange.headers if name == b"x-by"] == [b"post"]
    assert exchange.headers[:3] == HEADERS
    assert exchange.response_headers == [(b"x-vendor", b"1"), (b"x-by", b"body")]
    assert answer == b"answer+body"
    assert [message.headers["x-by"] for _, message, _ in SEEN] == ["pre", "post", "headers", "body"]
    assert (exchange.path, exchange.query, exchange.response_code) == ("/chat/completions", b"q=\xe9", 200)


async def test_the_headers_of_the_request_as_it_came_are_not_touched() -> None:
    """A list that the server made is replaced, never changed."""
    headers = list(HEADERS)
    exchange = asked(headers=headers)
    async with chained("Change") as (llm, hooks):
        await all_hooks(hooks, exchange, llm)
    assert headers == HEADERS


async def test_nobody_is_post_auth_before_he_is_known() -> None:
    """Without an app the hook is not run."""
    exchange = asked(app=None)
    async with chained("Refuse") as (llm, hooks):
        await hooks.post_auth(exchange, llm)
    assert exchange.timings == []


@pytest.mark.parametrize(
    ("hook", "status", "outcome"),
    [
        ("pre_auth", 401, "blocked_pre_auth"),
        ("post_auth", 403, "blocked_post_auth"),
        ("response_headers", 451, "response_blocked"),
        ("response_body", 500, "response_blocked"),
    ],
)
async def test_a_block_is_a_refusal_of_its_hook(hook: str, status: int, outcome: str) -> None:
    """With the plugin's status, message, headers and body; an empty message is nobody's business."""
    exchange = asked()
    async with chained("Refuse") as (llm, hooks):
        more = (b"answer",) if hook == "response_body" else ()
        with pytest.raises(PluginBlocked) as caught:
            await getattr(hooks, hook)(exchange, llm, *more)
    refusal = plugin_refusal(exchange, caught.value)
    assert (refusal.status, refusal.outcome, refusal.code, refusal.close) == (status, outcome, outcome, False)
    assert refusal.message in {"pre", "post", "headers", "body"}
    assert refusal.headers == (((b"x-why", b"because"),) if hook == "post_auth" else ())
    assert refusal.body == (b"withheld" if hook == "response_body" else None)
    assert exchange.body == b"body"
    assert exchange.timings[-1]["decision"] == "block"


@pytest.mark.parametrize("hook", ["pre_auth", "post_auth"])
async def test_a_failure_is_named_and_keeps_its_reason_from_the_client(hook: str) -> None:
    """502 with the plugin's name; what it raised is in the event alone."""
    exchange = asked(body=b"fail")
    async with chained("Refuse") as (llm, hooks):
        with pytest.raises(PluginFailed) as caught:
            await getattr(hooks, hook)(exchange, llm)
    refusal = plugin_refusal(exchange, caught.value)
    assert (refusal.status, refusal.outcome, exchange.error_kind) == (502, "plugin_failed", "plugin_failed")
    assert "Refuse" in refusal.message
    assert "secret" not in refusal.message
    assert "its own secret" in refusal.detail


async def test_a_plugin_that_may_fail_is_gone_on_without() -> None:
    """``on_failure: open``: the request passes as it was, and the timing says it failed."""
    exchange = asked(body=b"fail")
    async with chained("Refuse", on_failure="open") as (llm, hooks):
        await hooks.pre_auth(exchange, llm)
    assert (exchange.body, exchange.headers) == (b"fail", HEADERS)
    assert [timing["decision"] for timing in exchange.timings] == ["failed"]


@pytest.mark.parametrize(
    ("status", "body", "outcome", "sent"),
    [
        (200, None, "answered_by_plugin", b""),
        (399, b"cached", "answered_by_plugin", b"cached"),
        (400, None, "blocked_pre_auth", None),
        (400, b"", "blocked_pre_auth", b""),
    ],
)
def test_below_400_a_block_is_an_answer(status: int, body: bytes | None, outcome: str, sent: bytes | None) -> None:
    """Without a body it is empty, never in the shape of an error; from 400 on ``None`` is that shape."""
    refusal = plugin_refusal(an_exchange(), PluginBlocked("p", "pre_auth", status, [], body, "text"))
    assert (refusal.outcome, refusal.body) == (outcome, sent)


class Cache(BasePlugin, PostAuthHandler):
    """Answers every stream from memory."""

    async def handle_post_auth(self, ctx: Context, request: EnrichedRequest) -> PluginResponse:
        return PluginResponse.block(200, headers={"content-type": "text/event-stream"}, body=CACHED)


EVENT = b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[]}\n\n'
CACHED = EVENT * 20_000 + b"data: [DONE]\n\n"


@pytest.mark.parametrize("intent", ["call", "stream"])
async def test_a_stream_may_be_answered_from_a_cache(mock_vendor: MockVendor, tmp_path: Path, intent: str) -> None:
    """With the plugin's headers, megabytes of it, and the SDK reads it as a stream; the vendor is not called."""
    async with running(tmp_path, mock_vendor.url, **plugged_sections(mock_vendor.url, {Cache: {}})) as flow:
        client = openai.AsyncOpenAI(base_url=f"{flow.url}/llm/{intent}/demo", api_key=TOKEN, max_retries=0)
        stream = await client.chat.completions.create(model="gpt-4o", messages=[], stream=True)
        assert stream.response.headers["content-type"] == "text/event-stream"
        assert sum([1 async for _ in stream]) == 20_000
        await client.close()
        events = await flow.recorded()
    log = events["proxy_log"]
    assert (log["outcome"], log["response_code"], log["response_body_bytes"]) == (
        "answered_by_plugin",
        200,
        len(CACHED),
    )
    assert (log["model_name"], log["is_stream"], set(events)) == ("gpt-4o", True, {"proxy_log", "analytics"})
    assert not mock_vendor.requests
