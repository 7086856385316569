"""The real ``google-genai`` SDK through the gateway: every figure of every event against the vendor's log, the right
class for every error."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from google import genai
from google.genai import errors, types

from tests.gateway.flow import SECONDS, STRANGER, TOKEN
from tests.integration.vendor_bench import POOR, SLOW, Bench, Expected, check, open_bench, script

MODEL = "mock-gemini"
COUNTS = "prompt_tokens=2000;response_tokens=90;cached=1500;reasoning=30"
PATH = f"/v1beta/models/{MODEL}"
PLAIN, STREAM = f"{PATH}:generateContent", f"{PATH}:streamGenerateContent?alt=sse"
MANUAL = types.AutomaticFunctionCallingConfig(disable=True)
TOOL = types.Tool(function_declarations=[types.FunctionDeclaration(name="tool_0")])

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


@pytest_asyncio.fixture(loop_scope="module")
async def http() -> AsyncIterator[httpx.AsyncClient]:
    """What the SDK's async clients send with: its own choice, aiohttp, warns of itself."""
    async with httpx.AsyncClient(trust_env=False) as made:
        yield made


@pytest.fixture
def sync_http() -> Iterator[httpx.Client]:
    """The same for sync ones."""
    with httpx.Client(trust_env=False) as made:
        yield made


class Clients:
    """Makes the SDK's clients."""

    def __init__(self, bench: Bench, http: httpx.AsyncClient, sync_http: httpx.Client) -> None:
        self.bench, self._http, self._sync_http = bench, http, sync_http

    def one(self, token: str = TOKEN, slug: str = "google-ai", **options: Any) -> genai.Client:
        """With our token."""
        options = {"timeout": int(SECONDS * 1000), "api_version": "v1beta", **options}
        http_options = types.HttpOptions(
            base_url=self.bench.url(slug), httpx_async_client=self._http, httpx_client=self._sync_http, **options
        )
        return genai.Client(api_key=token, http_options=http_options, vertexai=False)


@pytest.fixture
def clients(bench: Bench, http: httpx.AsyncClient, sync_http: httpx.Client) -> Clients:
    """Those of a test."""
    return Clients(bench, http, sync_http)


def config(text: str, **more: Any) -> types.GenerateContentConfig:
    """With a script."""
    return types.GenerateContentConfig(http_options=types.HttpOptions(headers=script(text)), **more)


async def call(clients: Clients, way: str, text: str, *, stream: bool = False, **more: Any) -> Any:
    """One question in one of two ways; of a stream all chunks."""
    client = clients.one()
    asked: dict[str, Any] = {"model": MODEL, "contents": "hello", "config": config(text, **more)}
    if way == "async":
        if not stream:
            return await client.aio.models.generate_content(**asked)
        return [chunk async for chunk in await client.aio.models.generate_content_stream(**asked)]
    models = client.models
    if not stream:
        return await asyncio.to_thread(lambda: models.generate_content(**asked))
    return await asyncio.to_thread(lambda: list(models.generate_content_stream(**asked)))


CASES: list[Any] = [
    pytest.param(COUNTS, {}, 1, id="cache-and-thoughts"),
    pytest.param("tool_calls=3", {"tools": [TOOL], "automatic_function_calling": MANUAL}, 1, id="tools"),
    pytest.param("response_tokens=8", {"candidate_count": 2}, 2, id="candidates"),
    pytest.param("coding=zstd", {}, 1, id="zstd"),
    pytest.param("finish=length", {}, 1, id="length"),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("way", ["async", "sync"])
@pytest.mark.parametrize(("text", "more", "choices"), CASES)
async def test_answers_and_streams(
    bench: Bench, clients: Clients, text: str, more: dict[str, Any], choices: int, way: str, stream: bool
) -> None:
    """Both clients read the answer, whole and chunk by chunk; the last count of a stream is the usage."""
    if stream and "coding" in text:
        text = "drip=9"
    if way == "sync" and "coding" in text:
        text = "coding=gzip"
    answer = await call(clients, way, text, stream=stream, **more)
    last = answer[-1] if stream else answer
    assert last.usage_metadata.total_token_count == (bench.served.prompt_tokens or 0) + (
        bench.served.response_tokens or 0
    )
    check(bench, await bench.events(), Expected("google_ai", STREAM if stream else PLAIN, choices))
    seen = bench.vendor.requests[-1]
    assert (seen.header("x-goog-api-key"), seen.header("authorization")) == ("vendor-key", None)


async def test_a_stream_that_is_one_array(bench: Bench) -> None:
    """Without ``alt=sse`` Google sends one JSON array, element by element: passed as it came, counted the same."""
    answer = await bench.flow.client.post(
        f"/llm/call/google-ai{PATH}:streamGenerateContent",
        json={"contents": [{"parts": [{"text": "hello"}]}]},
        headers=script(COUNTS + ";drip=11"),
    )
    elements = answer.json()
    assert elements[-1]["usageMetadata"]["thoughtsTokenCount"] == 30
    check(bench, await bench.events(), Expected("google_ai", f"{PATH}:streamGenerateContent"))


async def test_counts_of_tokens_are_free(bench: Bench, clients: Clients) -> None:
    """The SDK gets the count; the event says that it costs nothing, exactly."""
    options = types.CountTokensConfig(http_options=types.HttpOptions(headers=script("prompt_tokens=77")))
    counted = await clients.one().aio.models.count_tokens(model=MODEL, contents="hello", config=options)
    assert counted.total_tokens == 77
    events = await bench.events()
    assert set(events) == {"proxy_log", "analytics"}
    analytics = events["analytics"]
    assert (analytics["cost_nanos"], analytics["cost_status"], analytics["total_tokens"]) == (0, "exact", 0)


async def test_embeddings(bench: Bench, clients: Clients) -> None:
    """Counted where the vendor counts them."""
    options = types.EmbedContentConfig(http_options=types.HttpOptions(headers=script("prompt_tokens=60")))
    made = await clients.one().aio.models.embed_content(model=MODEL, contents=["a", "b"], config=options)
    assert [len(one.values or ()) for one in made.embeddings or ()] == [8]
    check(bench, await bench.events(), Expected("google_ai", f"{PATH}:batchEmbedContents", 0))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("status", "error", "named"),
    [
        (400, errors.ClientError, "INVALID_ARGUMENT"),
        (401, errors.ClientError, "UNAUTHENTICATED"),
        (403, errors.ClientError, "PERMISSION_DENIED"),
        (404, errors.ClientError, "NOT_FOUND"),
        (429, errors.ClientError, "RESOURCE_EXHAUSTED"),
        (500, errors.ServerError, "INTERNAL"),
        (503, errors.ServerError, "UNAVAILABLE"),
    ],
)
async def test_errors_of_the_vendor(
    bench: Bench, clients: Clients, status: int, error: type[errors.APIError], named: str, stream: bool
) -> None:
    """Each raises its class with Google's status; it costs nothing, exactly."""
    with pytest.raises(error, match=f"status {status}") as caught:
        await call(clients, "async", f"status={status};retry_after=7", stream=stream)
    assert (caught.value.code, caught.value.status) == (status, named)
    assert caught.value.response.headers["retry-after"] == "7"
    events = await bench.events()
    assert set(events) == {"proxy_log", "analytics"}
    analytics = events["analytics"]
    assert (analytics["outcome"], analytics["response_code"], analytics["choices"]) == ("upstream_error", status, 0)
    assert (analytics["cost_nanos"], analytics["cost_status"], analytics["total_tokens"]) == (0, "exact", None)
    assert events["proxy_log"]["upstream_status"] == status


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("token", "slug", "status", "named", "outcome"),
    [
        pytest.param("wrong", "google-ai", 401, "UNAUTHENTICATED", "auth_failed", id="bad-token"),
        pytest.param(STRANGER, "google-ai", 403, "PERMISSION_DENIED", "access_denied", id="another-app"),
        pytest.param(TOKEN, "narrow-google_ai", 403, "PERMISSION_DENIED", "model_denied", id="model"),
        pytest.param(POOR, "google-ai", 403, "PERMISSION_DENIED", "budget_exceeded", id="budget"),
    ],
)
async def test_errors_of_the_gateway(
    bench: Bench, clients: Clients, token: str, slug: str, status: int, named: str, outcome: str, stream: bool
) -> None:
    """Each raises ``ClientError`` in Google's shape; the vendor is not asked, and nothing is charged."""
    client = clients.one(token, slug.replace("_", "-"))

    async def ask() -> None:
        if stream:
            await anext(aiter(await client.aio.models.generate_content_stream(model=MODEL, contents="hello")))
        else:
            await client.aio.models.generate_content(model=MODEL, contents="hello")

    with pytest.raises(errors.ClientError) as caught:
        await ask()
    assert (caught.value.code, caught.value.status) == (status, named)
    events = await bench.events()
    assert {event["outcome"] for event in events.values()} == {outcome}
    assert "budget" not in events
    assert not bench.vendor.served


async def test_a_rate_limit_of_the_gateway(bench: Bench, clients: Clients) -> None:
    """429 with the seconds until there is room, as ``RESOURCE_EXHAUSTED``."""
    client = clients.one(SLOW)
    await client.aio.models.generate_content(model=MODEL, contents="hello")
    with pytest.raises(errors.ClientError) as caught:
        await client.aio.models.generate_content(model=MODEL, contents="hello")
    assert (caught.value.code, caught.value.status) == (429, "RESOURCE_EXHAUSTED")
    assert 0 < int(caught.value.response.headers["retry-after"]) <= 120
    assert (await bench.events(2))["analytics"]["outcome"] == "rate_limited"


async def test_the_sdk_tries_again(bench: Bench, clients: Clients) -> None:
    """Each of its attempts is an exchange, refused by the vendor and free."""
    again = types.HttpRetryOptions(attempts=2, initial_delay=0.01, max_delay=0.02, http_status_codes=[503])
    client = clients.one(retry_options=again)
    with pytest.raises(errors.ServerError):
        await client.aio.models.generate_content(model=MODEL, contents="hello", config=config("status=503"))
    await bench.events(2)
    assert [served.status for served in bench.vendor.served] == [503, 503]
    assert [(event["outcome"], event["cost_nanos"]) for event in bench.analytics] == [("upstream_error", 0)] * 2


async def test_timeouts(bench: Bench, clients: Clients) -> None:
    """The SDK's own is a client that left; the gateway's is 504, ``ServerError``. Both are estimated."""
    client = clients.one(timeout=1000)
    with pytest.raises(httpx.TimeoutException):
        await client.aio.models.generate_content(model=MODEL, contents="hello", config=config("hang=body"))
    impatient = clients.one(slug="impatient-google-ai")
    with pytest.raises(errors.ServerError) as caught:
        await impatient.aio.models.generate_content(model=MODEL, contents="hello", config=config("hang=head"))
    assert (caught.value.code, caught.value.status) == (504, "DEADLINE_EXCEEDED")
    await bench.events(2)
    found = {event["outcome"]: (event["cost_status"], event["cost_nanos"] > 0) for event in bench.analytics}
    assert found == {"client_closed": ("estimated", True), "upstream_timeout": ("estimated", True)}


async def test_a_stream_that_its_client_leaves(bench: Bench, sync_http: httpx.Client) -> None:
    """What is left of it is read for its usage, within a bound; so the bill is exact, or what came so far."""
    for text, status, is_exact in (
        (COUNTS + ";chunks=20;pace_ms=5", "exact", True),
        (COUNTS + ";endless=1;pace_ms=5", "estimated", False),
    ):
        bench.begin()
        async with httpx.AsyncClient(trust_env=False) as own:  # its end is what closes the connection
            client = Clients(bench, own, sync_http).one()
            stream = await client.aio.models.generate_content_stream(model=MODEL, contents="hello", config=config(text))
            await anext(aiter(stream))
        analytics = (await bench.events())["analytics"]
        assert (analytics["outcome"], analytics["partial"], analytics["cost_status"]) == ("client_closed", True, status)
        assert (analytics["response_tokens"] == 90) == is_exact
        assert analytics["prompt_tokens"] == 2000  # which each element counts
        assert bench.served.complete == is_exact


@pytest.mark.parametrize(("text", "label"), [("fail_after=2", "vendor_error"), ("cut_after=2;pace_ms=5", "truncated")])
async def test_a_stream_that_the_vendor_breaks_off(bench: Bench, clients: Clients, text: str, label: str) -> None:
    """The SDK raises; what was counted so far is charged, as an estimate."""
    with pytest.raises((errors.APIError, httpx.HTTPError)):
        await call(clients, "async", text + ";prompt_tokens=500", stream=True)
    analytics = (await bench.events())["analytics"]
    assert (analytics["cost_status"], analytics["labels"]) == ("estimated", [f"usage:{label}"])
    assert (analytics["prompt_tokens"], analytics["response_tokens"]) == (500, 2)
