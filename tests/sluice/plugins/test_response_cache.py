"""``response_cache``."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from sluice.plugins import response_cache
from sluice.plugins.response_cache import ResponseCache
from sluice.sdk import PluginResponse, ServiceUnavailable
from sluice.sdk.testing import (
    RecordingContext,
    RecordingServices,
    make_context,
    make_frames,
    make_plugin,
    make_request,
    make_response,
    make_stream_complete,
    run_stream,
    start_plugin,
)

QUESTION = b'{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}]}'
ANSWER = b'{"choices":[{"message":{"content":"hello"}}]}'
STREAM = b"".join(make_frames(["hel", "lo"]))


class Bench:
    """A cache, and those who ask it."""

    def __init__(self, cache: ResponseCache, services: RecordingServices) -> None:
        self.cache, self.services = cache, services

    def exchange(self, app_id: int = 1, **facts: Any) -> RecordingContext:
        """A new one."""
        return make_context(services=self.services, app_id=app_id, **facts)

    async def ask(self, ctx: RecordingContext | None = None, **request: Any) -> tuple[RecordingContext, PluginResponse]:
        """One exchange up to its vendor, or to its answer."""
        ctx = ctx or self.exchange()
        return ctx, await self.cache.handle_post_auth(ctx, make_request(**{"body": QUESTION, **request}))

    async def learn(self, ctx: RecordingContext | None = None, body: bytes = ANSWER, **request: Any) -> None:
        """One exchange, with its vendor's answer."""
        ctx, answer = await self.ask(ctx, **request)
        assert answer.decision == "allow"
        await self.cache.on_before_write(ctx, make_response(body))

    async def is_hit(self, ctx: RecordingContext | None = None, **request: Any) -> bool:
        """Whether one is answered from the cache."""
        return (await self.ask(ctx, **request))[1].decision == "block"

    async def said(self, ctx: RecordingContext) -> dict[str, str]:
        """The headers of an answer that speak of the cache."""
        answer = await self.cache.on_before_write_headers(ctx, make_response())
        return {name: str(value) for name, value in dict(answer.headers or {}).items() if name.startswith("x-")}


Make = Callable[..., Any]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes caches on the clock of their services."""

    async def made(services: RecordingServices | None = None, **config: Any) -> Bench:
        services = services or RecordingServices()
        monkeypatch.setattr(response_cache, "now_seconds", services.clock.seconds)
        cache = await start_plugin(ResponseCache, make_context(services=services), **config)
        return Bench(cache, services)

    return made


@pytest.mark.parametrize("storage", ["memory", "kv"])
async def test_an_equal_request_is_answered_from_the_cache(make: Make, storage: str) -> None:
    """With the vendor's body and content type, and how old it is."""
    bench = await make(storage=storage)
    await bench.learn()
    bench.services.clock.advance(100)
    _, answer = await bench.ask(body=b'{"messages":[{"content":"hi","role":"user"}], "model":"gpt-4o"}')
    assert (answer.decision, answer.status_code, answer.body) == ("block", 200, ANSWER)
    assert answer.headers == {
        "content-type": "application/json", "x-cache-status": "HIT", "x-cache-age": "100", "x-cache-ttl": "3500",
    }  # fmt: skip


@pytest.mark.parametrize("storage", ["memory", "kv"])
async def test_what_is_too_old_is_asked_again(make: Make, storage: str) -> None:
    """At its age."""
    bench = await make(storage=storage, ttl_seconds=60)
    await bench.learn()
    bench.services.clock.advance(59)
    assert await bench.is_hit()
    bench.services.clock.advance(1)
    assert not await bench.is_hit()


@pytest.mark.parametrize(
    "request_of_another",
    [
        {"body": b'{"model":"gpt-4o","messages":[{"role":"user","content":"ho"}]}'},
        {"body": b'{"model":"gpt-5","messages":[{"role":"user","content":"hi"}]}'},
        {"body": b'{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}],"temperature":1}'},
        {"body": b'{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}],"stream":true}'},
        {"path": "/completions"},
        {"query": "api-version=2"},
        {"query": "x=1", "path": "/v1/responses"},
        {"headers": {"anthropic-beta": "b"}},
    ],
)
async def test_another_question_is_another_entry(make: Make, request_of_another: dict[str, Any]) -> None:
    """In its body, its path or its query, or in what its vendor is asked for in headers."""
    bench = await make()
    await bench.learn()
    assert not await bench.is_hit(**request_of_another)


@pytest.mark.parametrize(
    ("namespaces", "facts", "headers", "is_shared"),
    [
        (["app_id"], {"app_id": 2}, {}, False),
        (["app_id"], {"llm_slug": "other"}, {}, False),
        ([], {"app_id": 2}, {}, True),
        (["api_key"], {}, {"authorization": "Bearer b"}, False),
        (["api_key"], {}, {"api-key": "b"}, False),
        (["api_key"], {}, {"authorization": "app 1"}, False),
        (["api_key"], {"app_id": 2}, {}, False),
        ([], {"metadata": {"upstream_override": "https://eu"}}, {}, False),
        (["org_id"], {"claims": {"org_id": "app 1"}}, {}, False),
        (["org_id"], {"app_id": 2}, {}, False),
        (["org_id"], {"app_id": 2, "claims": {"org_id": "acme"}}, {}, False),
    ],
)
async def test_entries_are_for_those_of_one_namespace(
    make: Make, namespaces: list[str], facts: dict[str, Any], headers: dict[str, str], is_shared: bool
) -> None:
    """Of one app, unless the operator says otherwise; who has no key or organisation shares with its app alone."""
    bench = await make(namespaces=namespaces)
    await bench.learn()
    assert await bench.is_hit(bench.exchange(**facts), headers=headers) is is_shared


async def test_an_organisation_shares(make: Make) -> None:
    """By its claim."""
    bench = await make(namespaces=["org_id"])
    acme = {"claims": {"org_id": "acme"}}
    await bench.learn(bench.exchange(app_id=1, **acme))
    assert await bench.is_hit(bench.exchange(app_id=2, **acme))


async def test_prompts_can_be_equal_but_for_case_and_space(make: Make) -> None:
    """Where the operator says so."""
    other = QUESTION.replace(b'"hi"', b'" HI "')
    for normalize in (True, False):
        bench = await make(normalize_prompts=normalize)
        await bench.learn()
        assert await bench.is_hit(body=other) is normalize


@pytest.mark.parametrize(
    "request_of_one",
    [
        {"headers": {"x-cache": "Bypass"}},
        {"query": "a=1&cache=bypass"},
        {"body": b"not JSON"},
        {"path": "/batches"},
        {"path": "/threads/7/messages"},
        {"method": "DELETE"},
        {"body": b'{"conversation":"c","input":"go on"}'},
    ],
)
async def test_who_wants_to_goes_past_it(make: Make, request_of_one: dict[str, Any]) -> None:
    """Neither answered nor kept, and told; so with what cannot be told apart, and with what does something: a second
    batch is not the first, and a conversation goes on."""
    bench = await make()
    for _ in range(2):
        ctx, answer = await bench.ask(**request_of_one)
        assert answer.decision == "allow"
        assert await bench.said(ctx) == {"x-cache-status": "BYPASS"}
        await bench.cache.on_before_write(ctx, make_response(ANSWER))


async def test_a_cache_that_is_off_does_nothing(make: Make) -> None:
    """It can be switched off without being detached."""
    bench = await make(enabled=False)
    await bench.learn()
    assert not await bench.is_hit()


async def test_a_miss_is_told_and_its_key_where_the_operator_wants_it(make: Make) -> None:
    """The same key as the hit's."""
    bench = await make(expose_cache_key_header=True)
    ctx, _ = await bench.ask()
    said = await bench.said(ctx)
    assert said["x-cache-status"] == "MISS"
    await bench.cache.on_before_write(ctx, make_response(ANSWER))
    _, answer = await bench.ask()
    assert answer.headers["x-cache-key"] == said["x-cache-key"]
    assert len(said["x-cache-key"]) == 64


@pytest.mark.parametrize(
    ("response", "config"),
    [
        (make_response(ANSWER, status_code=500), {}),
        (make_response(ANSWER, status_code=429), {}),
        (make_response(b"x" * 1025), {"max_entry_size_kb": 1}),
        (make_response(b'{"error":{"message":"overloaded"}}'), {}),
        (make_response(b""), {}),
        (make_response(b"\x1f\x8b", headers={"content-encoding": "gzip"}), {}),
        (make_response(STREAM, headers={"content-type": "text/event-stream"}), {"cache_streaming_responses": False}),
    ],
)
async def test_what_is_no_good_answer_is_not_kept(make: Make, response: Any, config: dict[str, Any]) -> None:
    """Errors, also those with status 200, what is too large, coded, or empty, and streams that another plugin gathered
    where none shall be kept; those who wait go on."""
    bench = await make(**config)
    ctx, _ = await bench.ask()
    await bench.cache.on_before_write(ctx, response)
    assert not await bench.is_hit()


async def test_the_cache_is_bounded(make: Make) -> None:
    """What was not asked for longest goes first."""
    bench = await make(max_cache_size_mb=1, max_entry_size_kb=512)
    for number in range(4):
        await bench.learn(body=b"x" * (400 << 10), path=f"/{number}/completions")
        assert bench.cache._entries.used_bytes <= 1 << 20
    assert [await bench.is_hit(path=f"/{number}/completions") for number in range(4)] == [False, False, True, True]


async def test_a_stream_is_kept_when_it_is_over_and_answered_as_a_stream(make: Make) -> None:
    """Byte for byte; its pieces pass as they are."""
    bench = await make()
    ctx, _ = await bench.ask()
    assert (await run_stream(bench.cache, make_frames(["hel", "lo"]), ctx)).body == STREAM
    await bench.cache.on_stream_complete(ctx, make_stream_complete(STREAM))
    _, answer = await bench.ask()
    assert (answer.body, answer.headers["content-type"]) == (STREAM, "text/event-stream")


@pytest.mark.parametrize(
    ("stream", "config"),
    [
        (make_stream_complete(STREAM, is_whole=False), {}),
        (make_stream_complete(STREAM, status_code=500), {}),
        (make_stream_complete(STREAM.partition(b"data: [DONE]")[0].replace(b'"stop"', b"null")), {}),
        (make_stream_complete(b'event: error\ndata: {"type":"error"}\n\n' + STREAM), {}),
        (make_stream_complete(STREAM.replace(b"data: [DONE]", b'data: {"error": {"message":"x"}}')), {}),
        (make_stream_complete(STREAM), {"cache_streaming_responses": False}),
    ],
)
async def test_a_stream_that_broke_off_is_not_kept(make: Make, stream: Any, config: dict[str, Any]) -> None:
    """Nor one that ended without an end or with an error, nor any, where the operator wants none."""
    bench = await make(**config)
    ctx, _ = await bench.ask()
    await bench.cache.on_stream_complete(ctx, stream)
    assert not await bench.is_hit()


async def test_of_equal_requests_at_once_one_asks_the_vendor(make: Make) -> None:
    """The others wait, and have its answer."""
    bench = await make(wait_seconds=30)
    ctx, _ = await bench.ask()
    async with asyncio.TaskGroup() as group:
        others = [group.create_task(bench.ask()) for _ in range(20)]
        await asyncio.sleep(0)
        assert not any(other.done() for other in others)
        await bench.cache.on_before_write(ctx, make_response(ANSWER))
    assert {other.result()[1].body for other in others} == {ANSWER}


async def test_who_waited_long_enough_asks_itself(make: Make) -> None:
    """A slow vendor delays nobody for longer than that."""
    bench = await make(wait_seconds=0)
    first, _ = await bench.ask()
    _, answer = await bench.ask()
    assert answer.decision == "allow"
    assert first.state["flight"].key


async def test_an_exchange_that_ends_without_an_answer_lets_another_one_ask(make: Make) -> None:
    """Its client left, or its vendor could not be reached: no hook told of it."""
    bench = await make(wait_seconds=30)
    lost, _ = await bench.ask()
    async with asyncio.TaskGroup() as group:
        other = group.create_task(bench.ask())
        await asyncio.sleep(0)
        assert not other.done()
        del lost
        gc.collect()
    assert other.result()[1].decision == "allow"


@pytest.mark.parametrize("storage", ["memory", "kv"])
async def test_a_message_empties_it(make: Make, storage: str) -> None:
    """From control or from another plugin; what others keep in the store stays."""
    bench = await make(storage=storage)
    await bench.services.kv.write("mine", b"1")
    await bench.learn()
    await bench.services.messages.publish("response_cache.clear", b"{}", "down")
    assert not await bench.is_hit()
    assert await bench.services.kv.list() == ["mine"]


async def test_workers_share_what_is_in_the_store(make: Make) -> None:
    """Another worker's cache finds it, after a restart too."""
    first = await make(storage="kv")
    await first.learn()
    assert await (await make(first.services, storage="kv")).is_hit()


class Broken:
    """A store that does not answer."""

    def __getattr__(self, name: str) -> Any:
        message = "away"
        raise ServiceUnavailable(message)


async def test_without_its_services_it_is_a_cache_that_never_hits(make: Make) -> None:
    """No exchange fails for it: not for the store, not for messages, not for its report."""
    services = RecordingServices(scopes=())
    services.kv = services.messages = Broken()  # type: ignore[assignment]
    bench = await make(services, storage="kv")
    services.clock.advance(1000)
    await bench.learn()
    assert not await bench.is_hit()


async def test_it_reports_to_control(make: Make) -> None:
    """How often it hit, how much it keeps: once in an interval."""
    bench = await make(report_interval_seconds=10)
    await bench.learn()
    await bench.is_hit()
    await bench.is_hit(query="cache=bypass")
    assert bench.services.sent == []
    bench.services.clock.advance(10)
    await bench.is_hit()
    await bench.is_hit()
    (sent,) = bench.services.sent
    assert sent.metadata == {"metric_type": "cache_stats"}
    told = json.loads(sent.payload)
    assert told.pop("bytes") > len(ANSWER)
    assert told == {"HIT": 1, "MISS": 1, "BYPASS": 1, "entries": 1}


@pytest.mark.parametrize(
    "config",
    [{"ttl_seconds": 59}, {"ttl_seconds": 86_401}, {"max_entry_size_kb": 0}, {"namespaces": ["planet"]},
     {"report_interval_seconds": 9}, {"storage": "redis"}],
)  # fmt: skip
def test_bounds_hold(config: dict[str, Any]) -> None:
    """Before it is loaded."""
    with pytest.raises(ValidationError):
        make_plugin(ResponseCache, **config)
