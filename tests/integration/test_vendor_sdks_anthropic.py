"""The real ``anthropic`` SDK through the gateway: every figure of every event against the vendor's log, the right class
for every error."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import pytest
import pytest_asyncio
from anthropic import Anthropic, AsyncAnthropic

from tests.gateway.flow import SECONDS, STRANGER, TOKEN
from tests.integration.vendor_bench import POOR, SLOW, Bench, Expected, check, open_bench, script

MODEL = "mock-claude"
ASK: dict[str, Any] = {"model": MODEL, "max_tokens": 100, "messages": [{"role": "user", "content": "hello"}]}
COUNTS = "prompt_tokens=2000;response_tokens=90;cached=1500;cache_write=400;cache_write_1h=150;reasoning=30"
TOOLS: Any = [{"name": "tool_0", "input_schema": {"type": "object"}}]
PATH = "/v1/messages"

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


def options(bench: Bench, token: str = TOKEN, slug: str = "anthropic", **more: Any) -> dict[str, Any]:
    """Of a client that does not try twice."""
    return {"base_url": bench.url(slug), "api_key": token, "max_retries": 0, "timeout": SECONDS, **more}


@pytest_asyncio.fixture(loop_scope="module")
async def client(bench: Bench) -> AsyncIterator[AsyncAnthropic]:
    """One with our token."""
    async with AsyncAnthropic(**options(bench)) as made:
        yield made


async def call(bench: Bench, client: AsyncAnthropic, way: str, **arguments: Any) -> Any:
    """``messages.create`` in one of two ways; a stream is read to its end."""
    if way == "async":
        answer = await client.messages.create(**arguments)
        return [event async for event in answer] if arguments.get("stream") else answer

    def run() -> Any:
        with Anthropic(**options(bench)) as made:
            answer = made.messages.create(**arguments)
            return list(answer) if arguments.get("stream") else answer

    return await asyncio.to_thread(run)


CASES: list[Any] = [
    pytest.param(ASK, COUNTS, Expected("anthropic", PATH, written_1h=150), id="cache-and-thinking"),
    pytest.param({**ASK, "tools": TOOLS}, "tool_calls=3", Expected("anthropic", PATH), id="tools"),
    pytest.param(ASK, "prompt_tokens=0;response_tokens=0", Expected("anthropic", PATH), id="zeros"),
    pytest.param(ASK, "model=mock-claude-20990101", Expected("anthropic", PATH, model="mock-claude-20990101",
                 labels=["priced:model=mock-claude"]), id="another-name"),
    pytest.param(ASK, COUNTS + ";coding=br", Expected("anthropic", PATH, written_1h=150), id="brotli"),
    pytest.param(ASK, "finish=length", Expected("anthropic", PATH), id="length"),
]  # fmt: skip


@pytest.mark.parametrize("way", ["async", "sync"])
@pytest.mark.parametrize(("asked", "text", "expected"), CASES)
async def test_plain_answers(
    bench: Bench, client: AsyncAnthropic, asked: Any, text: str, expected: Expected, way: str
) -> None:
    """Both clients read the answer; the prompt is what was read from, written to and apart from the cache."""
    answer = await call(bench, client, way, **asked, extra_headers=script(text))
    assert answer.usage.cache_read_input_tokens == bench.served.cached
    assert [block.type for block in answer.content].count("tool_use") == bench.served.tool_calls
    check(bench, await bench.events(), expected)
    seen = bench.vendor.requests[-1]
    assert (seen.header("x-api-key"), seen.header("authorization")) == ("vendor-key", None)


STREAMS: list[Any] = [
    pytest.param(ASK, COUNTS, Expected("anthropic", PATH, written_1h=150), id="cache-and-thinking"),
    pytest.param({**ASK, "tools": TOOLS}, "tool_calls=3;drip=7", Expected("anthropic", PATH), id="tools-cut-anywhere"),
    pytest.param(ASK, COUNTS + ";chunks=300;piece_bytes=60", Expected("anthropic", PATH, written_1h=150), id="long"),
    pytest.param(ASK, "framing=eof", Expected("anthropic", PATH), id="no-length"),
]


@pytest.mark.parametrize("way", ["async", "sync"])
@pytest.mark.parametrize(("asked", "text", "expected"), STREAMS)
async def test_streams(
    bench: Bench, client: AsyncAnthropic, asked: Any, text: str, expected: Expected, way: str
) -> None:
    """Cumulative counts are not added up; the SDK sees every event to ``message_stop``."""
    events = await call(bench, client, way, **asked, stream=True, extra_headers=script(text))
    assert events[-1].type == "message_stop"
    assert events[-2].usage.output_tokens == bench.served.response_tokens
    check(bench, await bench.events(), expected)


async def test_the_helper_that_gathers_a_stream(bench: Bench, client: AsyncAnthropic) -> None:
    """It makes the same message of a stream as a plain answer is, calls and thoughts included."""
    async with client.messages.stream(**ASK, extra_headers=script("tool_calls=1;reasoning=2")) as stream:
        message = await stream.get_final_message()
    assert [block.type for block in message.content] == ["thinking", "tool_use"]
    assert message.content[1].input == {"n": 1}  # type: ignore[union-attr] # the line before says which it is
    check(bench, await bench.events(), Expected("anthropic", PATH))


async def test_counts_of_tokens_are_free(bench: Bench, client: AsyncAnthropic) -> None:
    """The SDK gets the count; the event says that it costs nothing, exactly."""
    counted = await client.messages.count_tokens(
        model=MODEL, messages=ASK["messages"], extra_headers=script("prompt_tokens=77")
    )
    assert counted.input_tokens == 77
    events = await bench.events()
    assert set(events) == {"proxy_log", "analytics"}
    analytics = events["analytics"]
    assert (analytics["cost_nanos"], analytics["cost_status"], analytics["total_tokens"]) == (0, "exact", 0)
    assert (analytics["model_name"], analytics["choices"]) == (MODEL, 0)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, anthropic.BadRequestError),
        (401, anthropic.AuthenticationError),
        (403, anthropic.PermissionDeniedError),
        (404, anthropic.NotFoundError),
        (413, anthropic.RequestTooLargeError),
        (429, anthropic.RateLimitError),
        (500, anthropic.InternalServerError),
        (529, anthropic.OverloadedError),
    ],
)
async def test_errors_of_the_vendor(
    bench: Bench, client: AsyncAnthropic, status: int, error: type[anthropic.APIStatusError], stream: bool
) -> None:
    """Each raises its class, with the vendor's words and ``retry-after``; it costs nothing, exactly."""
    with pytest.raises(error, match=f"status {status}") as caught:
        await client.messages.create(**ASK, stream=stream, extra_headers=script(f"status={status};retry_after=7"))
    assert caught.value.response.headers["retry-after"] == "7"
    events = await bench.events()
    assert set(events) == {"proxy_log", "analytics"}
    analytics = events["analytics"]
    assert (analytics["outcome"], analytics["response_code"], analytics["choices"]) == ("upstream_error", status, 0)
    assert (analytics["cost_nanos"], analytics["cost_status"], analytics["total_tokens"]) == (0, "exact", None)
    assert events["proxy_log"]["upstream_status"] == status


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("token", "slug", "error", "kind", "outcome"),
    [
        pytest.param("wrong", "anthropic", anthropic.AuthenticationError, "authentication_error", "auth_failed",
                     id="bad-token"),
        pytest.param(STRANGER, "anthropic", anthropic.PermissionDeniedError, "permission_error", "access_denied",
                     id="another-app"),
        pytest.param(TOKEN, "narrow-anthropic", anthropic.PermissionDeniedError, "permission_error", "model_denied",
                     id="model"),
        pytest.param(POOR, "anthropic", anthropic.PermissionDeniedError, "permission_error", "budget_exceeded",
                     id="budget"),
    ],
)  # fmt: skip
async def test_errors_of_the_gateway(
    bench: Bench, token: str, slug: str, error: type[anthropic.APIStatusError], kind: str, outcome: str, stream: bool
) -> None:
    """Each raises its class, in Anthropic's shape; the vendor is not asked, and nothing is charged."""
    async with AsyncAnthropic(**options(bench, token, slug)) as client:
        with pytest.raises(error) as caught:
            await client.messages.create(**ASK, stream=stream)
    body: Any = caught.value.body
    assert (body["type"], body["error"]["type"]) == ("error", kind)
    events = await bench.events()
    assert {event["outcome"] for event in events.values()} == {outcome}
    assert "budget" not in events
    assert not bench.vendor.served


async def test_a_rate_limit_of_the_gateway(bench: Bench) -> None:
    """429 with the seconds until there is room, as ``RateLimitError``."""
    async with AsyncAnthropic(**options(bench, SLOW)) as client:
        await client.messages.create(**ASK)
        with pytest.raises(anthropic.RateLimitError) as caught:
            await client.messages.create(**ASK)
    assert 0 < int(caught.value.response.headers["retry-after"]) <= 120
    assert (await bench.events(2))["analytics"]["outcome"] == "rate_limited"


async def test_the_sdk_tries_again(bench: Bench) -> None:
    """Each of its attempts is an exchange, refused by the vendor and free."""
    async with AsyncAnthropic(**options(bench, max_retries=1)) as client:
        with pytest.raises(anthropic.OverloadedError):
            await client.messages.create(**ASK, extra_headers=script("status=529;retry_after=0"))
    await bench.events(2)
    assert [served.status for served in bench.vendor.served] == [529, 529]
    assert [(event["outcome"], event["cost_nanos"]) for event in bench.analytics] == [("upstream_error", 0)] * 2


async def test_timeouts(bench: Bench, client: AsyncAnthropic) -> None:
    """The SDK's own raises ``APITimeoutError`` and is a client that left; the gateway's is 504. Both are estimated."""
    with pytest.raises(anthropic.APITimeoutError):
        await client.with_options(timeout=1).messages.create(**ASK, extra_headers=script("hang=body"))
    async with AsyncAnthropic(**options(bench, slug="impatient-anthropic")) as impatient:
        with pytest.raises(anthropic.InternalServerError) as caught:
            await impatient.messages.create(**ASK, extra_headers=script("hang=head"))
    assert caught.value.status_code == 504
    await bench.events(2)
    found = {event["outcome"]: (event["cost_status"], event["cost_nanos"] > 0) for event in bench.analytics}
    assert found == {"client_closed": ("estimated", True), "upstream_timeout": ("estimated", True)}


async def test_a_stream_that_its_client_leaves(bench: Bench, client: AsyncAnthropic) -> None:
    """What is left of it is read for its usage, within a bound; so the bill is exact, or what came so far."""
    for text, status, is_exact in (
        (COUNTS + ";chunks=20;pace_ms=5", "exact", True),
        (COUNTS + ";endless=1;pace_ms=5", "estimated", False),
    ):
        bench.begin()
        stream = await client.messages.create(**ASK, stream=True, extra_headers=script(text))
        await anext(aiter(stream))
        await stream.close()
        analytics = (await bench.events())["analytics"]
        assert (analytics["outcome"], analytics["partial"], analytics["cost_status"]) == ("client_closed", True, status)
        assert (analytics["response_tokens"] == 90) == is_exact
        assert analytics["prompt_tokens"] == 2000  # which the first event counts
        assert bench.served.complete == is_exact


@pytest.mark.parametrize(("text", "label"), [("fail_after=2", "vendor_error"), ("cut_after=2;pace_ms=5", "truncated")])
async def test_a_stream_that_the_vendor_breaks_off(bench: Bench, client: AsyncAnthropic, text: str, label: str) -> None:
    """The SDK raises; the prompt is charged as counted, what was made by the event, as an estimate."""
    stream = await client.messages.create(**ASK, stream=True, extra_headers=script(text + ";prompt_tokens=500"))
    with pytest.raises((anthropic.APIError, Exception), match=r".") as caught:
        [event async for event in stream]
    assert isinstance(caught.value, anthropic.APIError) or "closed" in str(caught.value) or "read" in str(caught.value)
    analytics = (await bench.events())["analytics"]
    assert (analytics["cost_status"], analytics["labels"]) == ("estimated", [f"usage:{label}"])
    assert analytics["prompt_tokens"] == 500
    assert analytics["response_tokens"] >= 4
