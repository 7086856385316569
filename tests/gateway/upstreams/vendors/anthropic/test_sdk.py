"""Anthropic's own SDK through the gateway: every figure of every event, and the right class for every error."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import anthropic
import pytest
import pytest_asyncio

from tests.gateway.flow import TOKEN, Flow, running
from tests.gateway.upstreams.vendors.anthropic.scripted import Reply, ScriptedVendor, scripted_vendor, stream_reply
from tests.gateway.upstreams.vendors.anthropic.streams import (
    OVERLOADED,
    PLAIN,
    SEARCH,
    THINKING,
    TOOLS,
    USAGE,
    message,
    start,
    text,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")
MODEL = "claude-sonnet-4-6"
ANSWERED = "claude-sonnet-4-5-20250929"
PRICE = {
    "id": "sonnet",
    "vendor": "anthropic",
    "model": "claude-sonnet-4-*",
    "prompt": "3",
    "response": "15",
    "cache_read": "0.30",
    "cache_write": "3.75",
    "cache_write_1h": "6",
    "per_tool_request": "0.01",
    "batch_percent": 50,
}
HELLO: Any = {"model": MODEL, "max_tokens": 100, "messages": [{"role": "user", "content": "Hello"}]}
WEATHER: Any = {"name": "get_weather", "input_schema": {"type": "object", "properties": {}}}
ASKED = f"priced:model={MODEL}"
"""By which an answer that names its model otherwise is priced."""
TIMES = {"total_micros", "upstream_micros", "first_byte_micros", "attempts", "price_version"}
COMMON = {
    "exchange_id", "request_id", "occurred_at", "completed_at", "gateway_id", "worker", "boot_id", "trace_id",
    "event_id", "sequence",
}  # fmt: skip
EXACT: dict[str, Any] = {
    "app_id": 1,
    "user_id": 7,
    "llm_id": 1,
    "llm_slug": "claude",
    "vendor": "anthropic",
    "outcome": "ok",
    "labels": [ASKED],
    "model_name": ANSWERED,
    "cache_read_prompt_tokens": None,
    "cache_write_prompt_tokens": None,
    "reasoning_tokens": None,
    "currency": "USD",
    "price_id": "sonnet",
    "cost_status": "exact",
    "tool_calls": 0,
    "choices": 1,
    "response_code": 200,
    "is_stream": False,
    "partial": False,
}


@dataclass
class Bench:
    """A gateway before a scripted vendor, and the SDK's client. ``seen`` is how many exchanges there were before."""

    flow: Flow
    vendor: ScriptedVendor
    client: anthropic.AsyncAnthropic
    seen: int = 0

    def options(self, token: str = TOKEN, llm: str = "claude") -> dict[str, Any]:
        """What makes a client of the SDK's a client of the gateway."""
        return {"base_url": f"{self.flow.url}/llm/call/{llm}", "api_key": token, "max_retries": 0}

    async def events(self) -> dict[Any, dict[str, Any]]:
        """Those of the one exchange since."""
        self.seen += 1
        return await self.flow.recorded(self.seen)


def sections(url: str) -> dict[str, Any]:
    """LLMs and apps, of which most lack something."""
    llm = {"vendor": "anthropic", "base_url": url, "api_key": "vendor-key"}
    llms = [
        {"id": 1, "slug": "claude", **llm},
        {"id": 2, "slug": "narrow", **llm, "allowed_models": ["claude-haiku.*"]},
        {"id": 3, "slug": "small", **llm, "max_request_bytes": 10},
        {"id": 4, "slug": "away", **llm, "base_url": "http://127.0.0.1:1"},
        {"id": 5, "slug": "quick", **llm, "timeout_seconds": 0.2},
    ]
    slugs = [entry["slug"] for entry in llms]
    apps = [
        {"id": 1, "name": "tests", "user_id": 7, "llms": slugs},
        {"id": 2, "name": "stranger"},
        {"id": 3, "name": "eager", "llms": slugs, "rate_limit_rpm": 1},
        {"id": 4, "name": "poor", "llms": slugs, "monthly_budget": "0.00001"},
    ]
    names = {1: TOKEN, 2: "stranger", 3: "eager", 4: "poor"}
    tokens = [{"app": app, "sha256": hashlib.sha256(name.encode()).hexdigest()} for app, name in names.items()]
    return {"llms": llms, "apps": apps, "tokens": tokens, "prices": [PRICE]}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_bench(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    """One for all tests: they take turns."""
    async with scripted_vendor() as vendor:
        folder = tmp_path_factory.mktemp("sdk")
        async with running(folder, vendor.url, **sections(vendor.url)) as flow:
            bench = Bench(flow, vendor, anthropic.AsyncAnthropic(api_key=TOKEN))
            async with anthropic.AsyncAnthropic(**bench.options()) as client:
                bench.client = client
                yield bench


@pytest.fixture
def bench(shared_bench: Bench) -> Bench:
    """The bench, as if nothing had happened before."""
    shared_bench.seen = len(shared_bench.flow.log.exchanges)
    shared_bench.vendor.seen.clear()
    return shared_bench


async def figures(bench: Bench) -> dict[str, Any]:
    """Everything the analytics event says but ids and times; raw usage decoded."""
    event = (await bench.events())["analytics"]
    assert event["total_micros"] >= event["first_byte_micros"] > 0
    if not event["is_stream"]:
        assert event["total_micros"] >= event["upstream_micros"] > 0
    [attempt] = event["attempts"]
    assert (attempt["llm_id"], attempt["llm_slug"], attempt["error_kind"]) == (1, "claude", "")
    found = {name: value for name, value in event.items() if name not in TIMES | COMMON}
    if found["raw_usage"] is not None:
        found["raw_usage"] = json.loads(found["raw_usage"])
    return found


async def test_a_message(bench: Bench) -> None:
    """Whole: the SDK gets what the vendor wrote, the vendor our key and the client's version; the bill to the nano."""
    usage = {**USAGE, "output_tokens": 9, "output_tokens_details": {"thinking_tokens": 4}}
    bench.vendor.reply = Reply(json.dumps(message(usage=usage)).encode())
    own = {"anthropic-version": "2023-06-01", "anthropic-beta": "context-1m-2025-08-07"}
    answer = await bench.client.messages.create(**HELLO, extra_headers=own)
    assert answer.content[0].type == "text"
    assert answer.content[0].text == "Hi!"
    assert (answer.usage.input_tokens, answer.usage.cache_read_input_tokens) == (25, 300)
    [seen] = bench.vendor.seen
    assert (seen.method, seen.target) == ("POST", "/v1/messages")
    assert json.loads(seen.body) == HELLO
    assert seen.headers["x-api-key"] == "vendor-key"
    assert "authorization" not in seen.headers
    assert seen.headers["anthropic-version"] == "2023-06-01"
    assert seen.headers["anthropic-beta"] == "context-1m-2025-08-07"
    assert await figures(bench) == EXACT | {
        "prompt_tokens": 365,
        "response_tokens": 9,
        "cache_read_prompt_tokens": 300,
        "cache_write_prompt_tokens": 40,
        "reasoning_tokens": 4,
        "total_tokens": 374,
        "raw_usage": usage,
        "cost_nanos": 25 * 3000 + 300 * 300 + 10 * 3750 + 30 * 6000 + 9 * 15_000,
    }


STREAMS = [
    (
        PLAIN,
        {
            "prompt_tokens": 365,
            "response_tokens": 15,
            "cache_read_prompt_tokens": 300,
            "cache_write_prompt_tokens": 40,
            "total_tokens": 380,
            "raw_usage": {**USAGE, "output_tokens": 15},
            "cost_nanos": 25 * 3000 + 300 * 300 + 10 * 3750 + 30 * 6000 + 15 * 15_000,
        },
    ),
    (
        TOOLS,
        {
            "prompt_tokens": 472,
            "response_tokens": 89,
            "total_tokens": 561,
            "tool_calls": 2,
            "raw_usage": {"input_tokens": 472, "output_tokens": 89},
            "cost_nanos": 472 * 3000 + 89 * 15_000,
        },
    ),
    (
        THINKING,
        {
            "prompt_tokens": 44,
            "response_tokens": 300,
            "reasoning_tokens": 250,
            "total_tokens": 344,
            "raw_usage": {
                "input_tokens": 44,
                "output_tokens": 300,
                "output_tokens_details": {"thinking_tokens": 250},
            },
            "cost_nanos": 44 * 3000 + 300 * 15_000,
        },
    ),
    (
        SEARCH,
        {
            "prompt_tokens": 10_682,
            "response_tokens": 510,
            "cache_read_prompt_tokens": 0,
            "cache_write_prompt_tokens": 0,
            "total_tokens": 11_192,
            "tool_calls": 1,
            "raw_usage": {
                "input_tokens": 10_682,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0,
                "output_tokens": 510,
                "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 1},
            },
            "cost_nanos": 10_682 * 3000 + 510 * 15_000 + 2 * 10_000_000,
            "labels": [ASKED, "priced:tools=2"],
        },
    ),
]


@pytest.mark.parametrize(("stream", "expected"), STREAMS, ids=["plain", "tools", "thinking", "search"])
async def test_a_stream(bench: Bench, stream: bytes, expected: dict[str, Any]) -> None:
    """The SDK's own sums are ours: what it says of usage at the end is what was charged."""
    bench.vendor.reply = stream_reply(stream)
    raw = await bench.client.messages.create(**HELLO, stream=True)
    events = [event.type async for event in raw]
    assert events[0] == "message_start"
    assert events[-1] == "message_stop"
    assert await figures(bench) == EXACT | {"is_stream": True} | expected
    bench.vendor.reply = stream_reply(stream, 1)
    if stream is not SEARCH:  # which has a block that only a later SDK knows
        async with bench.client.messages.stream(**HELLO) as helper:
            final = await helper.get_final_message()
        assert final.usage.output_tokens == expected["response_tokens"]
        assert sum(block.type == "tool_use" for block in final.content) == expected.get("tool_calls", 0)
    else:
        assert [event.type async for event in await bench.client.messages.create(**HELLO, stream=True)] == events
    assert await figures(bench) == EXACT | {"is_stream": True} | expected
    recorded = bench.flow.log.exchanges[-1]["proxy_log"]
    assert recorded["response_body"] == stream


async def test_without_async(bench: Bench) -> None:
    """The other client: a message with tools, then a stream; its key in the older header, where that goes first."""
    call = {"type": "tool_use", "id": "toolu_01", "name": "get_weather", "input": {"city": "Paris"}}
    bench.vendor.reply = Reply(json.dumps(message([call], stop_reason="tool_use")).encode())

    def ask() -> anthropic.types.Message:
        with anthropic.Anthropic(**bench.options("unknown"), default_headers={"x-api-key": TOKEN}) as client:
            found: anthropic.types.Message = client.messages.create(**HELLO, tools=[WEATHER])
            return found

    answer = await asyncio.to_thread(ask)
    assert answer.content[0].type == "tool_use"
    assert answer.content[0].input == {"city": "Paris"}
    assert await figures(bench) == EXACT | {
        "prompt_tokens": 2095,
        "response_tokens": 503,
        "total_tokens": 2598,
        "tool_calls": 1,
        "raw_usage": {"input_tokens": 2095, "output_tokens": 503},
        "cost_nanos": 2095 * 3000 + 503 * 15_000,
    }
    bench.vendor.reply = stream_reply(PLAIN)

    def stream() -> str:
        with anthropic.Anthropic(**bench.options()) as client, client.messages.stream(**HELLO) as found:
            return found.get_final_text()

    assert (await asyncio.to_thread(stream)).startswith("Hello é漢😀")
    assert (await figures(bench))["response_tokens"] == 15


async def test_counting_tokens_costs_nothing(bench: Bench) -> None:
    """Though it counts: what it counted is in the raw usage."""
    bench.vendor.reply = Reply(b'{"input_tokens":2095}')
    found = await bench.client.messages.count_tokens(model=MODEL, messages=HELLO["messages"])
    assert found.input_tokens == 2095
    assert await figures(bench) == EXACT | {
        "model_name": MODEL,
        "labels": [],
        "prompt_tokens": 0,
        "response_tokens": 0,
        "total_tokens": 0,
        "choices": 0,
        "raw_usage": {"input_tokens": 2095},
        "cost_nanos": 0,
    }


BATCH: dict[str, Any] = {
    "id": "msgbatch_1",
    "type": "message_batch",
    "processing_status": "ended",
    "request_counts": {"processing": 0, "succeeded": 2, "errored": 0, "canceled": 0, "expired": 0},
    "created_at": "2026-01-01T00:00:00Z",
    "expires_at": "2026-01-02T00:00:00Z",
    "ended_at": None,
    "archived_at": None,
    "cancel_initiated_at": None,
    "results_url": None,
}


async def test_a_batch_is_charged_once_when_it_is_made(bench: Bench) -> None:
    """As an estimate at the batch price: all its output may come. Reading its results costs nothing, and says what
    there was."""
    bench.vendor.reply = Reply(json.dumps(BATCH).encode())
    entries: Any = [{"custom_id": name, "params": HELLO} for name in ("a", "b")]
    made = await bench.client.messages.batches.create(requests=entries)
    assert made.id == "msgbatch_1"
    tokens = -(-len(bench.vendor.seen[0].body) // 4)
    charged = EXACT | {
        "model_name": MODEL,
        "prompt_tokens": tokens,
        "response_tokens": 200,
        "total_tokens": tokens + 200,
        "choices": 0,
        "raw_usage": None,
        "cost_nanos": (tokens * 3000 + 200 * 15_000) // 2,
        "cost_status": "estimated",
        "labels": ["usage:missing", "priced:batch"],
    }
    assert await figures(bench) == charged

    line = json.dumps({"custom_id": "a", "result": {"type": "succeeded", "message": message()}}).encode() + b"\n"
    bench.vendor.reply = Reply(line * 2, content_type="application/x-jsonl")
    url = f"/llm/call/claude/v1/messages/batches/{made.id}/results"
    answer = await bench.flow.client.get(url, headers={"anthropic-version": "2023-06-01"})
    assert answer.content == line * 2
    read = await figures(bench)
    assert read["raw_usage"] == {"succeeded_requests": 2, "prompt_tokens": 4190, "response_tokens": 1006}
    assert (read["prompt_tokens"], read["response_tokens"], read["cost_nanos"] or 0) == (0, 0, 0)


async def test_models_are_listed(bench: Bench) -> None:
    """Free, with its query."""
    entry = {"id": ANSWERED, "type": "model", "display_name": "Sonnet", "created_at": "2025-02-19T00:00:00Z"}
    bench.vendor.reply = Reply(json.dumps({"data": [entry], "has_more": False, "first_id": "", "last_id": ""}).encode())
    found = await bench.client.models.list(limit=20)
    assert found.data[0].id == ANSWERED
    assert (bench.vendor.seen[0].method, bench.vendor.seen[0].target) == ("GET", "/v1/models?limit=20")
    event = (await bench.events())["analytics"]
    assert (event["prompt_tokens"], event["response_tokens"], event["cost_nanos"] or 0) == (0, 0, 0)


REFUSALS = [
    ("eager", "claude", 429, anthropic.RateLimitError, "rate_limit_error", "rate_limited"),
    ("poor", "claude", 403, anthropic.PermissionDeniedError, "permission_error", "budget_exceeded"),
    (TOKEN, "narrow", 403, anthropic.PermissionDeniedError, "permission_error", "model_denied"),
    (TOKEN, "small", 413, anthropic.APIStatusError, "request_too_large", "request_too_large"),
    (TOKEN, "away", 502, anthropic.InternalServerError, "api_error", "upstream_unreachable"),
    (TOKEN, "quick", 504, anthropic.InternalServerError, "timeout_error", "upstream_timeout"),
    ("unknown", "claude", 401, anthropic.AuthenticationError, "authentication_error", "invalid_token"),
    ("stranger", "claude", 403, anthropic.PermissionDeniedError, "permission_error", "access_denied"),
]


@pytest.mark.parametrize(("token", "llm", "status", "kind", "type_", "code"), REFUSALS)
@pytest.mark.parametrize("stream", [False, True])
async def test_our_refusals_are_the_sdk_s_own_errors(
    bench: Bench,
    token: str,
    llm: str,
    status: int,
    kind: type[anthropic.APIStatusError],
    type_: str,
    code: str,
    stream: bool,
) -> None:
    """Class, type, our stable code, and whatever a client needs to try again."""
    bench.vendor.reply = Reply(json.dumps(message()).encode(), hangs=llm == "quick")
    async with anthropic.AsyncAnthropic(**bench.options(token, llm)) as client:
        if token == "eager" and not stream:  # the first of the minute passes
            await client.messages.create(**HELLO)
            await bench.events()
        with pytest.raises(kind) as caught:
            await client.messages.create(**HELLO, stream=stream)
    assert (caught.value.status_code, caught.value.type, caught.value.error_code) == (status, type_, code)
    assert caught.value.api_message
    assert (int(caught.value.response.headers.get("retry-after", 0)) > 0) == (status == 429)
    assert (await bench.events())["proxy_log"]["response_code"] == status


@pytest.mark.parametrize(
    ("status", "type_", "kind"),
    [
        (400, "invalid_request_error", anthropic.BadRequestError),
        (401, "authentication_error", anthropic.AuthenticationError),
        (404, "not_found_error", anthropic.NotFoundError),
        (429, "rate_limit_error", anthropic.RateLimitError),
        (500, "api_error", anthropic.InternalServerError),
        (529, "overloaded_error", anthropic.InternalServerError),
    ],
)
async def test_the_vendor_s_refusals_pass(
    bench: Bench, status: int, type_: str, kind: type[anthropic.APIStatusError]
) -> None:
    """As they came, with when to try again; they cost nothing."""
    body = json.dumps({"type": "error", "error": {"type": type_, "message": "no"}, "request_id": "req_1"}).encode()
    bench.vendor.reply = Reply(body, status=status, headers=("retry-after: 7", "request-id: req_1"))
    with pytest.raises(kind) as caught:
        await bench.client.messages.create(**HELLO)
    assert (caught.value.type, caught.value.request_id) == (type_, "req_1")
    assert caught.value.response.headers["retry-after"] == "7"
    assert await figures(bench) == EXACT | {
        "outcome": "upstream_error",
        "model_name": MODEL,
        "labels": [],
        "response_code": status,
        "prompt_tokens": None,
        "response_tokens": None,
        "total_tokens": None,
        "raw_usage": None,
        "choices": 0,
        "cost_nanos": 0,
    }


async def test_an_error_in_mid_stream_is_raised(bench: Bench) -> None:
    """What was made by then is an estimate: the prompt as the vendor counted it, and a token for each frame."""
    bench.vendor.reply = stream_reply(start() + text("Hello") + OVERLOADED)
    stream = await bench.client.messages.create(**HELLO, stream=True)
    with pytest.raises(anthropic.APIStatusError) as caught:
        [event async for event in stream]
    assert caught.value.type == "overloaded_error"
    assert await figures(bench) == EXACT | {
        "is_stream": True,
        "prompt_tokens": 365,
        "response_tokens": 3,
        "cache_read_prompt_tokens": 300,
        "cache_write_prompt_tokens": 40,
        "total_tokens": 368,
        "raw_usage": USAGE,
        "cost_nanos": 25 * 3000 + 300 * 300 + 10 * 3750 + 30 * 6000 + 3 * 15_000,
        "cost_status": "estimated",
        "labels": ["usage:vendor_error", ASKED],
    }


async def test_garbage_passes_and_is_estimated(bench: Bench) -> None:
    """A usage that cannot be true is none; the bytes are the vendor's."""
    usage = {"input_tokens": -5, "output_tokens": 10**30}
    body = json.dumps(message(usage=usage)).encode()
    bench.vendor.reply = Reply(body)
    answer = await bench.flow.post(path="/llm/call/claude/v1/messages", body=HELLO)
    assert answer.content == body
    sent = -(-len(bench.vendor.seen[0].body) // 4)
    received = -(-len(body) // 4)
    assert await figures(bench) == EXACT | {
        "prompt_tokens": sent,
        "response_tokens": received,
        "total_tokens": sent + received,
        "raw_usage": usage,
        "cost_nanos": sent * 3000 + received * 15_000,
        "cost_status": "estimated",
        "labels": ["usage:negative_tokens", ASKED],
    }
