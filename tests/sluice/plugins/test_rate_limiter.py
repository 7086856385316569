"""``rate_limiter``."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Sequence
from typing import Any

import pytest
from pydantic import ValidationError

from sluice.plugins.rate_limiter import RateLimiter
from sluice.sdk import NotFound, PluginResponse, ServiceUnavailable, SlidingCounters
from sluice.sdk.capabilities import hooks_of
from sluice.sdk.fakes import MemoryKeyValue
from sluice.sdk.testing import (
    ManualClock,
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

BODY = b'{"model":"gpt-4o","prompt":"hi"}'
USAGE = b'{"usage":{"prompt_tokens":30,"completion_tokens":70,"total_tokens":100}}'


class Bench:
    """A limiter on a clock of its own."""

    def __init__(self, limiter: RateLimiter, services: RecordingServices) -> None:
        self.limiter, self.services = limiter, services

    async def ask(self, ctx: RecordingContext | None = None, **request: Any) -> tuple[RecordingContext, PluginResponse]:
        """One exchange up to its vendor."""
        ctx = ctx or make_context(services=self.services, app_id=1)
        return ctx, await self.limiter.handle_post_auth(ctx, make_request(**{"body": BODY, **request}))

    async def is_allowed(self, **request: Any) -> bool:
        """Whether one more may."""
        return (await self.ask(**request))[1].decision == "allow"

    async def said(self, ctx: RecordingContext) -> dict[str, str]:
        """The headers of its answer that speak of limits."""
        answer = await self.limiter.on_before_write_headers(ctx, make_response())
        return {name: str(value) for name, value in dict(answer.headers or {}).items() if name.startswith("x-")}


async def bench(rule: dict[str, Any], *others: dict[str, Any], **config: Any) -> Bench:
    """A limiter with these rules."""
    clock = ManualClock()
    services = RecordingServices(clock=clock)
    rules = [{"id": f"rule-{number}", **each} for number, each in enumerate([rule, *others])]
    limiter = await start_plugin(RateLimiter, make_context(services=services), rules=rules, **config)
    limiter._counters = SlidingCounters(limiter.config.window_size_seconds, clock.seconds)
    return Bench(limiter, services)


def limit(kind: str, value: int) -> dict[str, Any]:
    """A rule's."""
    return {"limit": {"type": kind, "value": value}}


async def test_requests_beyond_the_limit_are_answered_429_until_the_window_slid() -> None:
    """With what was exceeded, and when to come again."""
    limits = await bench({**limit("requests", 2), "name": "two a minute"})
    assert await limits.is_allowed()
    assert await limits.is_allowed()
    _, answer = await limits.ask()
    headers = dict(answer.headers or {})
    body = json.loads(answer.body or b"")
    assert (answer.decision, answer.status_code) == ("block", 429)
    assert headers.pop("retry-after") == headers.pop("x-ratelimit-reset") == "60"
    assert headers == {
        "x-ratelimit-limit": "2", "x-ratelimit-remaining": "0", "content-type": "application/json",
    }  # fmt: skip
    assert body.pop("reset_at") > 1_700_000_000
    assert body == {
        "error": "rate limit exceeded", "rule": "two a minute", "limit_type": "requests", "limit_value": 2,
        "current_usage": 2,
    }  # fmt: skip
    limits.services.clock.advance(60)
    assert not await limits.is_allowed()
    limits.services.clock.advance(31)
    assert await limits.is_allowed()
    assert not await limits.is_allowed()


async def test_a_refused_request_counts_nowhere() -> None:
    """Not for a rule that was looked at before the one that refused either."""
    limits = await bench(limit("requests", 3), limit("requests", 1))
    assert await limits.is_allowed()
    for _ in range(5):
        assert not await limits.is_allowed()
    key = json.dumps(["rule-0", "1"])
    assert await limits.limiter._counters.used(key) == 1


@pytest.mark.parametrize(
    ("dimensions", "other", "is_shared"),
    [
        (["app_id"], {"app_id": 2}, False),
        (["global"], {"app_id": 2}, True),
        (["app_id"], {"user_id": "bob"}, True),
        (["app_id", "user_id"], {"user_id": "bob"}, False),
        (["model"], {"body": b'{"model":"gpt-5"}'}, False),
        (["model"], {"app_id": 2}, True),
        (["llm_id"], {"llm_id": 2}, False),
        (["api_key"], {"headers": {"authorization": "Bearer b"}}, False),
        (["api_key"], {"headers": {"x-api-key": "b"}}, False),
        (["api_key"], {"app_id": 2}, False),
    ],
)
async def test_a_limit_is_shared_by_those_who_are_equal_in_its_dimensions(
    dimensions: list[str], other: dict[str, Any], is_shared: bool
) -> None:
    """And by nobody else."""
    limits = await bench({**limit("requests", 1), "dimensions": dimensions})
    assert await limits.is_allowed(user_id="ada")
    facts = {"app_id": 1, **{name: other[name] for name in ("app_id", "llm_id") if name in other}}
    asked = {"user_id": "ada", **{name: value for name, value in other.items() if name not in {"app_id", "llm_id"}}}
    _, answer = await limits.ask(make_context(services=limits.services, **facts), **asked)
    assert (answer.decision == "block") is is_shared


@pytest.mark.parametrize(
    ("match", "body", "is_limited"),
    [
        ({"model": "gpt-4*"}, BODY, True),
        ({"model": "gpt-4*"}, b'{"model":"cheap","model":"gpt-4o"}', True),
        ({"model": "gpt-4*"}, b'{"model":"gpt-4o","model":"cheap"}', True),
        ({"model": "gpt-4*"}, b'{"model":"gpt-5"}', False),
        ({"model": "gpt-4*"}, b"not JSON", False),
        ({"model": "gpt-4*", "app_id": "2"}, BODY, False),
        ({"app_id": "1"}, BODY, True),
    ],
)
async def test_a_rule_is_for_those_that_it_matches(match: dict[str, str], body: bytes, is_limited: bool) -> None:
    """In all that it names; naming two models does not get around it."""
    limits = await bench({**limit("requests", 1), "match": match, "dimensions": ["global"]})
    await limits.is_allowed(body=body)
    assert (not await limits.is_allowed(body=body)) is is_limited


async def test_tokens_count_when_the_answer_says_them() -> None:
    """The request that exceeds the limit passes, the next does not; the remaining are said."""
    limits = await bench(limit("tokens", 150))
    for left in ("150", "50"):
        ctx, answer = await limits.ask()
        assert answer.decision == "allow"
        assert (await limits.said(ctx))["x-ratelimit-remaining"] == left
        assert (await limits.limiter.on_before_write(ctx, make_response(USAGE))).decision == "allow"
    assert not await limits.is_allowed()


@pytest.mark.parametrize(
    ("body", "used"),
    [
        (b'data: {"choices":[],"usage":{"total_tokens":100}}\n\n', 100),
        (b'{"usage":{"input_tokens":25,"output_tokens":1}}\n\ndata: {"usage":{"output_tokens":75}}\n\n', 100),
        (b'data: {"usageMetadata":{"promptTokenCount":1,"totalTokenCount":100}}\n\n', 100),
        (b'data: {"choices":[{"delta":{"content":"\\"total_tokens\\": 999999"}}]}\n\n', 15),
        (b"", 15),
    ],
)
async def test_tokens_of_streams_count_too(body: bytes, used: int) -> None:
    """As the vendor says them, in its dialect; else as many as there were pieces, beside a quarter of the prompt's
    bytes. What a model says does not count."""
    limits = await bench({**limit("tokens", 1000)})
    ctx, _ = await limits.ask()
    assert (await run_stream(limits.limiter, make_frames(["a"]), ctx)).blocked is None
    await limits.limiter.on_stream_complete(ctx, make_stream_complete(body, chunk_count=7, is_whole=False))
    await limits.limiter.on_stream_complete(ctx, make_stream_complete(body, chunk_count=7))
    assert await limits.limiter._counters.used(json.dumps(["rule-0", "1"])) == used


async def test_what_is_under_way_is_given_back_at_every_end() -> None:
    """By an answer, by the end of a stream, and by an exchange that ended with neither."""
    limits = await bench(limit("concurrent", 3))
    whole, _ = await limits.ask()
    stream, _ = await limits.ask()
    lost, _ = await limits.ask()
    _, answer = await limits.ask()
    assert (answer.status_code, dict(answer.headers or {})["retry-after"]) == (429, "1")
    await limits.limiter.on_before_write(whole, make_response())
    assert await limits.is_allowed()
    await limits.limiter.on_stream_complete(stream, make_stream_complete(b""))
    assert await limits.is_allowed()
    del lost
    gc.collect()
    assert await limits.is_allowed()


async def test_a_rule_that_only_logs_refuses_nobody() -> None:
    """It says which rule would have, on the answer."""
    limits = await bench({**limit("requests", 1), "action": "log"})
    assert await limits.is_allowed()
    ctx, answer = await limits.ask()
    assert answer.decision == "allow"
    assert await limits.said(ctx) == {"x-ratelimit-shadow-breach": "rule-0"}


async def test_rules_are_looked_at_by_priority_and_not_at_all_where_they_are_off() -> None:
    """The first that is exceeded refuses, the first speaks for all."""
    limits = await bench(
        {**limit("requests", 5), "priority": 2},
        {**limit("requests", 3), "priority": 1},
        {**limit("requests", 1), "enabled": False},
    )
    ctx, _ = await limits.ask()
    assert await limits.said(ctx) == {
        "x-ratelimit-limit": "3", "x-ratelimit-remaining": "2", "x-ratelimit-reset": "60",
    }  # fmt: skip


class Broken:
    """A store that does not answer."""

    def __getattr__(self, name: str) -> Any:
        message = "kv is away"
        raise ServiceUnavailable(message)


class Slow(MemoryKeyValue):
    """A store that lets others run before it answers."""

    async def list(self, prefix: str = "", limit: int = 1000) -> Sequence[str]:
        await asyncio.sleep(0)
        return await super().list(prefix, limit)

    async def write_with_ttl(self, key: str, value: bytes, ttl_seconds: float) -> bool:
        await asyncio.sleep(0)
        return await super().write_with_ttl(key, value, ttl_seconds)


@pytest.mark.parametrize("kind", ["requests", "concurrent"])
async def test_a_limit_holds_for_requests_at_once(kind: str) -> None:
    """However slow the store is: between looking and counting nobody else counts."""
    limits = await bench(limit(kind, 3), limit("requests", 100), storage="kv")
    limits.services.kv = Slow(limits.services.clock)
    answers = await asyncio.gather(*(limits.ask() for _ in range(20)))
    assert [answer.decision for _, answer in answers].count("allow") == 3


async def test_an_answer_is_not_lost_for_a_store_that_is_away() -> None:
    """Its tokens are this worker's to know."""
    limits = await bench(limit("tokens", 1000), storage="kv")
    ctx, _ = await limits.ask()
    limits.services.kv = ctx.state["kv"] = Broken()  # type: ignore[assignment]
    assert (await limits.limiter.on_before_write(ctx, make_response(USAGE))).decision == "allow"
    assert await limits.limiter._counters.used(json.dumps(["rule-0", "1"])) == 100


@pytest.mark.parametrize(("fail_open", "decision", "status"), [(True, "allow", 403), (False, "block", 503)])
async def test_without_its_store_it_does_as_the_operator_chose(fail_open: bool, decision: str, status: int) -> None:
    """And says so on the answer."""
    limits = await bench(limit("requests", 1), storage="kv", fail_open=fail_open)
    limits.services.kv = Broken()  # type: ignore[assignment]
    ctx, answer = await limits.ask()
    assert (answer.decision, answer.status_code) == (decision, status)
    assert await limits.said(ctx) == {"x-ratelimit-error": "storage"}
    assert [entry.level for entry in limits.services.logger.entries] == ["warning"]


async def test_workers_of_a_host_count_together_in_the_store() -> None:
    """Two limiters over one kv have one limit."""
    first = await bench(limit("requests", 2), storage="kv")
    second = Bench(await start_plugin(RateLimiter, make_context(), **_config(first)), first.services)
    second.limiter._counters = SlidingCounters(60, first.services.clock.seconds)
    assert await first.is_allowed()
    assert await second.is_allowed()
    assert not await first.is_allowed()
    assert not await second.is_allowed()
    with pytest.raises(NotFound):
        await first.services.kv.read("nothing else")


def _config(limits: Bench) -> dict[str, Any]:
    return dict(limits.limiter.config.model_dump())


def test_streams_are_not_read_whole_for_it() -> None:
    """It sees their pieces, and their end."""
    assert RateLimiter.handles_chunks
    assert set(hooks_of(RateLimiter)) == {"post_auth", "response_headers", "response_body", "stream_complete"}


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"rules": []},
        {"rules": [{"id": "a", "limit": {"type": "requests", "value": 0}}]},
        {"rules": [{"id": "a", "limit": {"type": "words", "value": 1}}]},
        {"rules": [{"id": "a", "limit": {"type": "tokens", "value": 1}, "dimensions": []}]},
        {"rules": [{"id": "a", "limit": {"type": "tokens", "value": 1}, "match": {"colour": "red"}}]},
        {"rules": [{"id": "a", "limit": {"type": "tokens", "value": 1}}], "window_size_seconds": 9},
    ],
)
def test_a_limit_that_could_not_hold_is_refused(config: dict[str, Any]) -> None:
    """Of nothing, of what is not counted, for nobody, or in no time."""
    with pytest.raises(ValidationError):
        make_plugin(RateLimiter, **config)
