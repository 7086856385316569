"""Google's own SDK through the gateway: every figure of every event, and the right class for every error."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from google import genai
from google.genai import errors, types

from tests.gateway.flow import STRANGER, TOKEN, Flow, running
from tests.gateway.upstreams.vendors.anthropic.scripted import Reply, ScriptedVendor, scripted_vendor, stream_reply
from tests.gateway.upstreams.vendors.google.streams import (
    MODEL,
    PLAIN,
    TOOLS,
    USAGE,
    answer,
    array,
    call,
    candidate,
    counts,
    events,
)
from tests.gateway.upstreams.vendors.google.test_service_account import key_file

PRICE = {
    "id": "flash",
    "vendor": "google_ai",
    "model": "gemini-*",
    "prompt": "0.30",
    "response": "2.50",
    "cache_read": "0.075",
    "audio_prompt": "1",
    "per_tool_request": "0.035",
}
TIMES = {"total_micros", "upstream_micros", "first_byte_micros", "attempts", "price_version"}
COMMON = {
    "exchange_id", "request_id", "occurred_at", "completed_at", "gateway_id", "worker", "boot_id", "trace_id",
    "event_id", "sequence",
}  # fmt: skip
EXACT: dict[str, Any] = {
    "app_id": 1,
    "user_id": 7,
    "llm_id": 1,
    "llm_slug": "gem",
    "vendor": "google_ai",
    "outcome": "ok",
    "labels": [],
    "model_name": MODEL,
    "cache_read_prompt_tokens": None,
    "cache_write_prompt_tokens": None,
    "reasoning_tokens": None,
    "currency": "USD",
    "price_id": "flash",
    "cost_status": "exact",
    "tool_calls": 0,
    "choices": 1,
    "response_code": 200,
    "is_stream": False,
    "partial": False,
}
WEATHER = types.Tool(function_declarations=[types.FunctionDeclaration(name="get_weather")])
WITH_TOOLS = types.GenerateContentConfig(
    tools=[WEATHER], automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True)
)


class Bench(NamedTuple):
    """A gateway before a scripted vendor, and what the SDK's clients send with."""

    flow: Flow
    vendor: ScriptedVendor
    http: httpx.AsyncClient
    """The SDK's own choice, aiohttp, warns of itself."""

    def client(self, token: str = TOKEN, slug: str = "gem") -> genai.Client:
        """The SDK's client."""
        options = types.HttpOptions(
            base_url=f"{self.flow.url}/llm/call/{slug}",
            timeout=10_000,
            api_version="v1beta",
            httpx_async_client=self.http,
        )
        return genai.Client(api_key=token, http_options=options, vertexai=False)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """One."""
    async with scripted_vendor() as vendor:
        llm = {"vendor": "google_ai", "base_url": vendor.url, "api_key": "AIza-vendor-key"}
        vertex = {"vendor": "vertex", "base_url": vendor.url, "api_key": key_file(f"{vendor.url}/token")}
        tree: dict[str, Any] = {
            "llms": [
                {"id": 1, "slug": "gem", **llm},
                {"id": 2, "slug": "narrow", "allowed_models": ["nothing"], **llm},
                {"id": 3, "slug": "away", "vendor": "google_ai", "base_url": "http://127.0.0.1:1"},
                {"id": 4, "slug": "vertex", **vertex},
            ],
            "apps": [
                {"id": 1, "name": "tests", "user_id": 7, "llms": ["gem", "narrow", "away", "vertex"]},
                {"id": 2, "name": "stranger"},
            ],
            "prices": [PRICE, {**PRICE, "id": "vertex", "vendor": "vertex"}],
        }
        async with running(tmp_path, vendor.url, **tree) as flow, httpx.AsyncClient(trust_env=False) as http:
            yield Bench(flow, vendor, http)


async def figures(bench: Bench, count: int = 1) -> dict[str, Any]:
    """Everything the last analytics event says but ids and times; raw usage decoded."""
    event = (await bench.flow.recorded(count))["analytics"]
    found = {name: value for name, value in event.items() if name not in TIMES | COMMON}
    if found["raw_usage"] is not None:
        found["raw_usage"] = json.loads(found["raw_usage"])
    return found


async def test_an_answer(bench: Bench) -> None:
    """Whole: the vendor gets our key and no other; the bill to the nano."""
    client = bench.client()
    bench.vendor.reply = Reply(
        json.dumps(answer(candidate({"text": "Hi!"}, finishReason="STOP"), usage=USAGE)).encode()
    )
    found = await client.aio.models.generate_content(model=MODEL, contents="Hello")
    assert found.text == "Hi!"
    assert found.usage_metadata is not None
    assert found.usage_metadata.thoughts_token_count == 40
    [seen] = bench.vendor.seen
    assert (seen.method, seen.target) == ("POST", f"/v1beta/models/{MODEL}:generateContent")
    assert seen.headers["x-goog-api-key"] == "aiza-vendor-key"
    assert TOKEN not in str(seen.headers)
    assert await figures(bench) == EXACT | {
        "prompt_tokens": 135,
        "response_tokens": 70,
        "cache_read_prompt_tokens": 40,
        "reasoning_tokens": 40,
        "total_tokens": 205,
        "raw_usage": USAGE,
        "cost_nanos": 70 * 300 + 25 * 1000 + 40 * 75 + 70 * 2500,
    }


@pytest.mark.parametrize("size", [7, 100_000])
async def test_a_stream(bench: Bench, size: int) -> None:
    """As the SDK asks for it, in server-sent events; all of them arrive."""
    client = bench.client()
    bench.vendor.reply = stream_reply(events(PLAIN), size)
    stream = await client.aio.models.generate_content_stream(model=MODEL, contents="Hello")
    texts = [chunk.text or "" async for chunk in stream]
    assert "".join(texts) == 'Grüezi 😀 ]} "usageMetadata" \\!'
    assert bench.vendor.seen[0].target.endswith(":streamGenerateContent?alt=sse")
    expected = {"prompt_tokens": 8, "response_tokens": 7, "total_tokens": 15, "raw_usage": counts(8, 7)}
    assert await figures(bench) == EXACT | expected | {"is_stream": True, "cost_nanos": 8 * 300 + 7 * 2500}


async def test_an_array(bench: Bench) -> None:
    """The other way of streaming, with the key in the query, which neither the vendor nor a record sees."""
    data = array(PLAIN)
    bench.vendor.reply = Reply(pieces=[data[:50], data[50:200], data[200:]], content_type="application/json")
    url = f"{bench.flow.url}/llm/call/gem/v1beta/models/{MODEL}:streamGenerateContent?key={TOKEN}&x=1"
    async with httpx.AsyncClient(trust_env=False) as client:
        found = await client.post(url, json={"contents": []})
    assert found.content == data
    assert bench.vendor.seen[0].target.endswith(":streamGenerateContent?x=1")
    expected = {"prompt_tokens": 8, "response_tokens": 7, "total_tokens": 15, "raw_usage": counts(8, 7)}
    assert await figures(bench) == EXACT | expected | {"is_stream": True, "cost_nanos": 8 * 300 + 7 * 2500}
    assert TOKEN not in repr(bench.flow.log.exchanges)


async def test_without_async_and_with_tools(bench: Bench) -> None:
    """The other client, whole and streamed; calls of tools add up."""
    whole = answer(candidate(call(), call("b"), finishReason="STOP"), usage=counts(50, 25))
    bench.vendor.reply = Reply(json.dumps(whole).encode())

    client = bench.client()

    def ask() -> int:
        found = client.models.generate_content(model=MODEL, contents="x", config=WITH_TOOLS)
        return len(found.function_calls or ())

    assert await asyncio.to_thread(ask) == 2
    expected = {"prompt_tokens": 50, "response_tokens": 25, "total_tokens": 75, "raw_usage": counts(50, 25)}
    expected |= {"tool_calls": 2, "cost_nanos": 50 * 300 + 25 * 2500}
    assert await figures(bench) == EXACT | expected
    bench.vendor.reply = stream_reply(events(TOOLS))

    def stream() -> int:
        found = client.models.generate_content_stream(model=MODEL, contents="x", config=WITH_TOOLS)
        return sum(1 for chunk in found for _ in chunk.function_calls or ())

    assert await asyncio.to_thread(stream) >= 2
    assert await figures(bench, 2) == EXACT | expected | {"is_stream": True}


async def test_counting_is_free_and_embeddings_have_no_response(bench: Bench) -> None:
    """And neither is an estimate."""
    bench.vendor.reply = Reply(b'{"totalTokens":31}')
    client = bench.client()
    assert (await client.aio.models.count_tokens(model=MODEL, contents="x")).total_tokens == 31
    event = await figures(bench)
    assert (event["prompt_tokens"], event["response_tokens"], event["cost_nanos"]) == (0, 0, 0)
    assert event["cost_status"] == "exact"
    bench.vendor.reply = Reply(b'{"embeddings":[{"values":[0.5]}],"usageMetadata":{"promptTokenCount":4}}')
    found = await client.aio.models.embed_content(model="gemini-embedding-001", contents="x")
    assert found.embeddings is not None
    event = await figures(bench, 2)
    assert (event["model_name"], event["prompt_tokens"], event["response_tokens"]) == ("gemini-embedding-001", 4, 0)
    assert (event["cost_nanos"], event["cost_status"]) == (4 * 300, "exact")


@pytest.mark.parametrize(
    ("token", "slug", "status", "name", "kind"),
    [
        ("wrong", "gem", 401, "UNAUTHENTICATED", errors.ClientError),
        (STRANGER, "gem", 403, "PERMISSION_DENIED", errors.ClientError),
        (TOKEN, "narrow", 403, "PERMISSION_DENIED", errors.ClientError),
        (TOKEN, "unknown", 404, "NOT_FOUND", errors.ClientError),
        (TOKEN, "away", 502, "UNAVAILABLE", errors.ServerError),
    ],
)
@pytest.mark.parametrize("is_stream", [False, True])
async def test_our_refusals(
    bench: Bench, token: str, slug: str, status: int, name: str, kind: type[errors.APIError], is_stream: bool
) -> None:
    """The SDK raises its class, and knows Google's name of it."""
    client = bench.client(token, slug)
    models = client.aio.models

    async def ask() -> None:
        if is_stream:
            _ = [chunk async for chunk in await models.generate_content_stream(model=MODEL, contents="x")]
        else:
            await models.generate_content(model=MODEL, contents="x")

    with pytest.raises(kind) as caught:
        await ask()
    assert caught.value.code == status
    if slug != "unknown":  # no LLM, no dialect
        assert caught.value.status == name
    assert not bench.vendor.seen


async def test_the_vendor_s_refusals_pass(bench: Bench) -> None:
    """As they came; they cost nothing."""
    client = bench.client()
    body = {"error": {"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED"}}
    bench.vendor.reply = Reply(json.dumps(body).encode(), status=429, headers=("retry-after: 7",))
    with pytest.raises(errors.ClientError) as caught:
        await client.aio.models.generate_content(model=MODEL, contents="x")
    assert (caught.value.code, caught.value.status, caught.value.message) == (429, "RESOURCE_EXHAUSTED", "slow down")
    event = await figures(bench)
    assert (event["cost_nanos"], event["cost_status"], event["response_code"]) == (0, "exact", 429)


async def test_an_error_in_mid_stream(bench: Bench) -> None:
    """The SDK raises on it; what came before is charged as an estimate."""
    client = bench.client()
    error = {"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}
    stream = events(PLAIN[:2]) + b"data: " + json.dumps(error, separators=(",", ":")).encode() + b"\r\n\r\n"
    bench.vendor.reply = stream_reply(stream)
    with pytest.raises(errors.ServerError):
        async for _ in await client.aio.models.generate_content_stream(model=MODEL, contents="x"):
            pass
    event = await figures(bench)
    assert (event["prompt_tokens"], event["response_tokens"]) == (8, 5)
    assert (event["cost_status"], event["labels"]) == ("estimated", ["usage:vendor_error"])


async def test_two_credentials_that_differ(bench: Bench) -> None:
    """Refused before anything is sent."""
    url = f"{bench.flow.url}/llm/call/gem/v1beta/models/{MODEL}:generateContent?key={STRANGER}"
    async with httpx.AsyncClient(trust_env=False) as client:
        found = await client.post(url, json={}, headers={"x-goog-api-key": TOKEN})
    assert found.status_code == 401
    assert found.json()["error"]["details"][0]["metadata"]["code"] == "ambiguous_credential"
    assert not bench.vendor.seen


async def test_vertex_with_a_service_account(bench: Bench) -> None:
    """A token is had once, each request carries it; an endpoint that gives none is an upstream that is not there."""
    path = f"/llm/call/vertex/v1/projects/p/locations/l/publishers/google/models/{MODEL}:generateContent"
    bench.vendor.reply = Reply(b'{"error":"invalid_grant"}', status=400)
    found = await bench.flow.client.post(path, json={"contents": []})
    assert (found.status_code, found.json()["error"]["status"]) == (502, "UNAVAILABLE")
    assert "PRIVATE" not in found.text
    body = answer(candidate({"text": "x"}, finishReason="STOP"), usage=counts(3, 4))
    bench.vendor.reply = Reply(json.dumps({**body, "access_token": "ya29.x", "expires_in": 3600}).encode())
    for _ in range(2):
        found = await bench.flow.client.post(path, json={"contents": []}, headers={"x-goog-user-project": "other"})
        assert found.status_code == 200
    token, first, second = bench.vendor.seen[-3:]
    assert (token.target, bench.vendor.seen[0].target) == ("/token", "/token")
    assert first.headers["authorization"] == second.headers["authorization"] == "bearer ya29.x"
    assert "x-goog-user-project" not in first.headers
    event = await figures(bench, 3)
    assert (event["vendor"], event["prompt_tokens"], event["response_tokens"]) == ("vertex", 3, 4)
    assert event["cost_nanos"] == 3 * 300 + 4 * 2500
