"""The real ``openai`` SDK through the gateway: every figure of every event against the vendor's log, the right class
for every error."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
import pytest_asyncio
from openai import AsyncAzureOpenAI, AsyncOpenAI, OpenAI

from tests.gateway.flow import SECONDS, STRANGER, TOKEN
from tests.integration.vendor_bench import (
    AUDIO_PROMPT,
    IMAGE_RESPONSE,
    POOR,
    PRICES,
    SLOW,
    Bench,
    Expected,
    check,
    cost_of,
    open_bench,
    script,
)

MODEL = "mock-gpt"
CHAT: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "hello"}]}
COUNTS = "prompt_tokens=1200;response_tokens=90;cached=1000;cache_write=150;reasoning=64"
TOOLS: Any = [{"type": "function", "function": {"name": "tool_0", "parameters": {"type": "object", "properties": {}}}}]


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="shared")
async def shared_bench(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bench]:
    """A gateway before a scripted vendor."""
    async with open_bench(tmp_path_factory.mktemp("bench")) as made:
        yield made


@pytest.fixture(name="bench")
def bench_of_a_test(shared: Bench) -> Bench:
    """The same, with nothing recorded."""
    return shared.begin()


def options(bench: Bench, token: str = TOKEN, slug: str = "openai", **more: Any) -> dict[str, Any]:
    """Of a client that does not try twice."""
    return {"base_url": bench.url(slug), "api_key": token, "max_retries": 0, "timeout": SECONDS, **more}


@pytest_asyncio.fixture(loop_scope="module")
async def client(bench: Bench) -> AsyncIterator[AsyncOpenAI]:
    """One with our token."""
    async with AsyncOpenAI(**options(bench)) as made:
        yield made


EMBEDDED = {"response_tokens": None, "cache_read_prompt_tokens": None, "reasoning_tokens": None}
CASES: list[Any] = [
    pytest.param("chat.completions", CHAT, COUNTS, Expected("openai", "/chat/completions"), id="chat"),
    pytest.param("chat.completions", {**CHAT, "tools": TOOLS}, "tool_calls=3", Expected("openai", "/chat/completions"),
                 id="tools"),
    pytest.param("chat.completions", {**CHAT, "n": 3}, "tool_calls=2", Expected("openai", "/chat/completions", 3),
                 id="choices"),
    pytest.param("chat.completions", CHAT, "prompt_tokens=0;response_tokens=0", Expected("openai", "/chat/completions"),
                 id="zeros"),
    pytest.param("chat.completions", CHAT, COUNTS + ";coding=gzip", Expected("openai", "/chat/completions"), id="gzip"),
    pytest.param("completions", {"model": MODEL, "prompt": "hello"}, COUNTS, Expected("openai", "/completions"),
                 id="completions"),
    pytest.param("responses", {"model": MODEL, "input": "hello"}, COUNTS, Expected("openai", "/responses"),
                 id="responses"),
    pytest.param("responses", {"model": MODEL, "input": "hello"}, "tool_calls=2", Expected("openai", "/responses", 2),
                 id="responses-tools"),
    pytest.param("embeddings", {"model": MODEL, "input": ["a", "b"]}, "prompt_tokens=9",
                 Expected("openai", "/embeddings", 0, changes=EMBEDDED), id="embeddings"),
]  # fmt: skip


@pytest.mark.parametrize("way", ["async", "sync"])
@pytest.mark.parametrize(("resource", "asked", "text", "expected"), CASES)
async def test_plain_answers(
    bench: Bench, client: AsyncOpenAI, resource: str, asked: Any, text: str, expected: Expected, way: str
) -> None:
    """Both clients read the answer; what the events say is what the vendor says that it served."""
    answer = await call(bench, client, resource, way, **asked, extra_headers=script(text))
    assert answer.model == MODEL
    check(bench, await bench.events(), expected)
    assert bench.vendor.requests[-1].header("authorization") == "Bearer vendor-key"


async def call(bench: Bench, client: AsyncOpenAI, resource: str, way: str, **arguments: Any) -> Any:
    """``create`` of a resource, in one of two ways; a stream is read to its end."""
    if way == "async":
        answer = await of(client, resource).create(**arguments)
        return [piece async for piece in answer] if arguments.get("stream") else answer

    def run() -> Any:
        with OpenAI(**options(bench)) as made:
            answer = of(made, resource).create(**arguments)
            return list(answer) if arguments.get("stream") else answer

    return await asyncio.to_thread(run)


def of(client: Any, resource: str) -> Any:
    """``client.chat.completions`` and the like."""
    for name in resource.split("."):
        client = getattr(client, name)
    return client


STREAMS: list[Any] = [
    pytest.param("chat.completions", CHAT, COUNTS, Expected("openai", "/chat/completions", asks=False), id="chat"),
    pytest.param("chat.completions", {**CHAT, "stream_options": {"include_usage": True}}, COUNTS,
                 Expected("openai", "/chat/completions"), id="usage-asked"),
    pytest.param("chat.completions", {**CHAT, "tools": TOOLS, "n": 2}, "tool_calls=3;drip=5",
                 Expected("openai", "/chat/completions", 2, asks=False), id="tools-and-choices"),
    pytest.param("chat.completions", CHAT, COUNTS + ";chunks=300;piece_bytes=90",
                 Expected("openai", "/chat/completions", asks=False), id="long"),
    pytest.param("completions", {"model": MODEL, "prompt": "hello"}, COUNTS,
                 Expected("openai", "/completions", asks=False), id="completions"),
    pytest.param("responses", {"model": MODEL, "input": "hello"}, COUNTS, Expected("openai", "/responses"),
                 id="responses"),
    pytest.param("responses", {"model": MODEL, "input": "hello"}, "tool_calls=2", Expected("openai", "/responses", 2),
                 id="responses-tools"),
]  # fmt: skip


@pytest.mark.parametrize("way", ["async", "sync"])
@pytest.mark.parametrize(("resource", "asked", "text", "expected"), STREAMS)
async def test_streams(
    bench: Bench, client: AsyncOpenAI, resource: str, asked: Any, text: str, expected: Expected, way: str
) -> None:
    """The SDK reads them to their end; usage that it did not ask for it does not see, and the events have."""
    pieces = await call(bench, client, resource, way, **asked, stream=True, extra_headers=script(text))
    check(bench, await bench.events(), expected)
    if resource == "responses":
        assert pieces[-1].response.usage.input_tokens == bench.served.prompt_tokens
    else:
        shown = [piece.usage.prompt_tokens for piece in pieces if piece.usage]
        assert shown == ([bench.served.prompt_tokens] if expected.asks else [])
    if "n" not in asked and resource == "chat.completions" and "tools" not in asked:
        text = "".join(choice.delta.content or "" for piece in pieces for choice in piece.choices)
        assert text.startswith("The")


COMPATIBLE = ("mistral", "groq", "deepseek", "openrouter", "xai", "compatible", "mock")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("vendor", COMPATIBLE)
async def test_vendors_that_speak_openai_s_dialect(bench: Bench, vendor: str, stream: bool) -> None:
    """By configuration alone: the same SDK, the same figures, the vendor's own prices."""
    async with AsyncOpenAI(**options(bench, slug=vendor)) as client:
        answer: Any = await client.chat.completions.create(
            **CHAT, stream=stream, extra_headers=script(COUNTS + ";usage=always")
        )
        if stream:
            assert [piece async for piece in answer]
    check(bench, await bench.events(), Expected(vendor, "/chat/completions", asks=not stream))


@pytest.mark.parametrize("stream", [False, True])
async def test_azure(bench: Bench, stream: bool) -> None:
    """The key in ``api-key`` both ways, the deployment in the path; priced as the model that answers."""
    client = AsyncAzureOpenAI(
        azure_endpoint=bench.url("azure"), api_key=TOKEN, api_version="2024-10-21", max_retries=0, timeout=SECONDS
    )
    async with client:
        answer: Any = await client.chat.completions.create(
            model="mock-deployment", messages=CHAT["messages"], stream=stream,
            extra_headers=script(COUNTS + ";model=mock-gpt;usage=always"),
        )  # fmt: skip
        if stream:
            assert [piece async for piece in answer]
    events = await bench.events()
    analytics = events["analytics"]
    assert (analytics["outcome"], analytics["vendor"], analytics["cost_status"]) == ("ok", "azure", "exact")
    assert (analytics["model_name"], analytics["cost_nanos"]) == ("mock-gpt", cost_of(analytics))
    assert (analytics["prompt_tokens"], analytics["response_tokens"]) == (1200, 90)
    assert events["proxy_log"]["model_name"] == "mock-deployment"
    assert bench.vendor.requests[-1].header("api-key") == "vendor-key"
    assert bench.vendor.requests[-1].path == "/openai/deployments/mock-deployment/chat/completions"


async def test_sound_and_images(bench: Bench, client: AsyncOpenAI) -> None:
    """What a vendor counts of them is charged at their own prices; speech, which counts nothing, is estimated."""
    heard = await client.audio.transcriptions.create(
        model="mock-hear", file=("a.mp3", b"ID3 sound"), extra_headers=script("prompt_tokens=40;response_tokens=5")
    )
    assert heard.text == "The mock vendor answers"
    absent = {"cache_read_prompt_tokens": None, "reasoning_tokens": None, "choices": 0}
    cost = 40 * AUDIO_PROMPT + 5 * PRICES["response"]
    expected = Expected("openai", "/audio/transcriptions", changes={**absent, "cost_nanos": cost})
    check(bench, await bench.events(), expected)
    drawn = await client.images.generate(
        model="mock-draw", prompt="a cat", n=2, extra_headers=script("prompt_tokens=8;response_tokens=4096")
    )
    assert len(drawn.data or ()) == 2
    analytics = (await bench.events(2))["analytics"]
    assert (analytics["prompt_tokens"], analytics["response_tokens"]) == (8, 4096)
    assert analytics["cost_nanos"] == 8 * PRICES["prompt"] + 4096 * IMAGE_RESPONSE
    spoken = await client.audio.speech.create(model="mock-speak", voice="alloy", input="hello")
    assert spoken.content.startswith(b"ID3")
    assert (await bench.events(3))["analytics"]["cost_status"] == "estimated"


VENDOR_ERRORS: list[Any] = [
    (400, openai.BadRequestError),
    (401, openai.AuthenticationError),
    (403, openai.PermissionDeniedError),
    (404, openai.NotFoundError),
    (409, openai.ConflictError),
    (422, openai.UnprocessableEntityError),
    (429, openai.RateLimitError),
    (500, openai.InternalServerError),
    (503, openai.InternalServerError),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("status", "error"), VENDOR_ERRORS)
async def test_errors_of_the_vendor(
    bench: Bench, client: AsyncOpenAI, status: int, error: type[openai.APIStatusError], stream: bool
) -> None:
    """Each raises its class, with the vendor's words and ``retry-after``; it costs nothing, exactly."""
    with pytest.raises(error, match=f"status {status}") as caught:
        await client.chat.completions.create(
            **CHAT, stream=stream, extra_headers=script(f"status={status};retry_after=7")
        )
    assert caught.value.response.headers["retry-after"] == "7"
    assert caught.value.request_id == bench.served.exchange_id
    events = await bench.events()
    assert set(events) == {"proxy_log", "analytics"}
    analytics = events["analytics"]
    assert (analytics["outcome"], analytics["response_code"], analytics["choices"]) == ("upstream_error", status, 0)
    assert (analytics["cost_nanos"], analytics["cost_status"], analytics["total_tokens"]) == (0, "exact", None)
    assert [attempt["status"] for attempt in analytics["attempts"]] == [status]
    assert events["proxy_log"]["upstream_status"] == status


OUR_ERRORS: list[Any] = [
    pytest.param("wrong", "openai", openai.AuthenticationError, "auth_failed", id="bad-token"),
    pytest.param(STRANGER, "openai", openai.PermissionDeniedError, "access_denied", id="another-app"),
    pytest.param(TOKEN, "narrow-openai", openai.PermissionDeniedError, "model_denied", id="model"),
    pytest.param(POOR, "openai", openai.PermissionDeniedError, "budget_exceeded", id="budget"),
    pytest.param(TOKEN, "missing", openai.NotFoundError, "llm_unknown", id="llm"),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("token", "slug", "error", "outcome"), OUR_ERRORS)
async def test_errors_of_the_gateway(
    bench: Bench, token: str, slug: str, error: type[openai.APIStatusError], outcome: str, stream: bool
) -> None:
    """Each raises its class, with a code; the vendor is not asked, and nothing is charged."""
    async with AsyncOpenAI(**options(bench, token, slug)) as client:
        with pytest.raises(error) as caught:
            await client.chat.completions.create(**CHAT, stream=stream)
    assert caught.value.code
    assert caught.value.message
    events = await bench.events()
    assert {event["outcome"] for event in events.values()} == {outcome}
    assert "budget" not in events
    assert not bench.vendor.served


async def test_a_rate_limit_of_the_gateway(bench: Bench) -> None:
    """429 with the seconds until the next minute, as ``RateLimitError``."""
    async with AsyncOpenAI(**options(bench, SLOW)) as client:
        await client.chat.completions.create(**CHAT)
        with pytest.raises(openai.RateLimitError) as caught:
            await client.chat.completions.create(**CHAT)
    assert 0 < int(caught.value.response.headers["retry-after"]) <= 120
    assert (await bench.events(2))["analytics"]["outcome"] == "rate_limited"


async def test_the_sdk_tries_again(bench: Bench) -> None:
    """Each of its attempts is an exchange, refused by the vendor and free; the last one is charged."""
    vendor = bench.vendor
    async with AsyncOpenAI(**options(bench, max_retries=1)) as client:
        with pytest.raises(openai.RateLimitError):
            await client.chat.completions.create(**CHAT, extra_headers=script("status=429;retry_after=0"))
    await bench.events(2)
    assert [served.status for served in vendor.served] == [429, 429]
    outcomes = [(event["outcome"], event["cost_nanos"]) for event in bench.analytics]
    assert outcomes == [("upstream_error", 0)] * 2


async def test_timeouts(bench: Bench, client: AsyncOpenAI) -> None:
    """The SDK's own raises ``APITimeoutError`` and is a client that left; the gateway's is 504. Of both the vendor may
    charge: estimated."""
    with pytest.raises(openai.APITimeoutError):
        await client.with_options(timeout=1).chat.completions.create(**CHAT, extra_headers=script("hang=body"))
    async with AsyncOpenAI(**options(bench, slug="impatient-openai")) as impatient:
        with pytest.raises(openai.InternalServerError) as caught:
            await impatient.chat.completions.create(**CHAT, extra_headers=script("hang=head"))
    assert caught.value.status_code == 504
    await bench.events(2)
    found = {event["outcome"]: (event["cost_status"], event["cost_nanos"] > 0) for event in bench.analytics}
    assert found == {"client_closed": ("estimated", True), "upstream_timeout": ("estimated", True)}


async def test_a_stream_that_its_client_leaves(bench: Bench, client: AsyncOpenAI) -> None:
    """What is left of it is read for its usage, within a bound; so the bill is exact, or an estimate."""
    stream = await client.chat.completions.create(
        **CHAT, stream=True, extra_headers=script(COUNTS + ";chunks=20;pace_ms=5")
    )
    await anext(aiter(stream))
    await stream.close()
    analytics = (await bench.events())["analytics"]
    assert (analytics["outcome"], analytics["partial"]) == ("client_closed", True)
    assert (analytics["cost_status"], analytics["response_tokens"]) == ("exact", bench.served.response_tokens)
    stream = await client.chat.completions.create(**CHAT, stream=True, extra_headers=script("endless=1;pace_ms=5"))
    await anext(aiter(stream))
    await stream.close()
    analytics = (await bench.events(2))["analytics"]
    assert (analytics["outcome"], analytics["partial"], analytics["cost_status"]) == (
        "client_closed",
        True,
        "estimated",
    )
    assert analytics["response_tokens"] > 1
    assert not bench.served.complete


@pytest.mark.parametrize("text", ["fail_after=2;pace_ms=2", "cut_after=2;pace_ms=5"])
async def test_a_stream_that_the_vendor_breaks_off(bench: Bench, client: AsyncOpenAI, text: str) -> None:
    """The SDK raises; what came is charged by the frame, as an estimate."""
    stream = await client.chat.completions.create(**CHAT, stream=True, extra_headers=script(text))
    with pytest.raises(openai.APIError):
        [piece async for piece in stream]
    events = await bench.events()
    assert events["analytics"]["cost_status"] == "estimated"
    assert events["analytics"]["response_tokens"] == 2 + 1 + ("fail" in text)
    assert events["analytics"]["labels"] == ["usage:truncated"]
