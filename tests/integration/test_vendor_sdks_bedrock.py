"""The real ``boto3`` through the gateway: every figure of every event against the vendor's log, the right class for
every error. Its client signs with keys of nobody's and brings our token in ``x-api-key``; the gateway signs anew."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import boto3
import pytest
import pytest_asyncio
from botocore.config import Config
from botocore.eventstream import ChecksumMismatch
from botocore.exceptions import ClientError, EventStreamError, ReadTimeoutError

from tests.gateway.flow import SECONDS, STRANGER, TOKEN
from tests.integration.vendor_bench import POOR, SLOW, Bench, Expected, check, open_bench, script

MODEL, NOVA, TITAN, LLAMA = "anthropic.mock-v1:0", "amazon.nova-mock-v1:0", "amazon.titan-mock", "meta.llama-mock"
QUOTED = "anthropic.mock-v1%3A0"
EMBEDDER = "amazon.titan-embed-mock"
SESSION = boto3.Session()
"""One for all: what describes the service is read once."""
ASK: Any = {"modelId": MODEL, "messages": [{"role": "user", "content": [{"text": "hello"}]}]}
COUNTS = "prompt_tokens=2000;response_tokens=90;cached=1500;cache_write=400;cache_write_1h=150"
BODY = json.dumps({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 100, "messages": []})
JSON = "application/json"
CONVERSE, STREAM = f"/model/{QUOTED}/converse", f"/model/{QUOTED}/converse-stream"

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


def client_of(bench: Bench, text: str = "", token: str = TOKEN, slug: str = "bedrock", **config: Any) -> Any:
    """A client that sends a script with every request, and does not try twice unless it is told to."""
    client = SESSION.client(
        "bedrock-runtime",
        endpoint_url=bench.url(slug),
        region_name="us-east-1",
        aws_access_key_id="AKIDOFTHECLIENT00000",
        aws_secret_access_key="client-secret",
        config=Config(**{"retries": {"max_attempts": 0}, "read_timeout": SECONDS, **config}),
    )

    def add(request: Any, **_: Any) -> None:
        request.headers["x-api-key"] = token
        for name, value in script(text).items():
            request.headers[name] = value

    client.meta.events.register("before-sign.bedrock-runtime", add)
    return client


async def ask(call: Callable[..., Any], **options: Any) -> Any:
    """What the SDK returns; bodies and streams are read to their end."""

    def run() -> Any:
        answer = call(**options)
        name = "stream" if "stream" in answer else "body"
        body = answer.get(name)
        if body is not None:
            with contextlib.closing(body):
                answer[name] = json.loads(body.read()) if hasattr(body, "read") else list(body)
        return answer

    return await asyncio.to_thread(run)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(COUNTS + ";reasoning=30", Expected("bedrock", CONVERSE, written_1h=150), id="cache-and-reasoning"),
        pytest.param("tool_calls=3", Expected("bedrock", CONVERSE), id="tools"),
        pytest.param("prompt_tokens=0;response_tokens=0", Expected("bedrock", CONVERSE), id="zeros"),
    ],
)
async def test_converse(bench: Bench, text: str, expected: Expected) -> None:
    """The prompt is what was read from, written to and apart from the cache; the vendor gets our signature."""
    answer = await ask(client_of(bench, text).converse, **ASK)
    assert answer["usage"]["outputTokens"] == bench.served.response_tokens
    check(bench, await bench.events(), expected)
    assert bench.served.signed == "sigv4"
    authorization = bench.vendor.requests[-1].header("authorization") or ""
    assert authorization.startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE00000/")
    assert "/eu-west-1/bedrock/aws4_request" in authorization
    assert bench.vendor.requests[-1].header("x-api-key") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(COUNTS + ";reasoning=30", Expected("bedrock", STREAM, written_1h=150), id="cache-and-reasoning"),
        pytest.param("tool_calls=3;drip=7", Expected("bedrock", STREAM), id="tools-cut-anywhere"),
        pytest.param(COUNTS + ";chunks=300;piece_bytes=60", Expected("bedrock", STREAM, written_1h=150), id="long"),
    ],
)
async def test_converse_stream(bench: Bench, text: str, expected: Expected) -> None:
    """The SDK checks every checksum and sees every event, ``metadata`` the last."""
    answer = await ask(client_of(bench, text).converse_stream, **ASK)
    assert answer["stream"][-1]["metadata"]["usage"]["outputTokens"] == bench.served.response_tokens
    check(bench, await bench.events(), expected)


TITANS_RAW_USAGE = {"raw_usage": {"inputTextTokenCount": 9, "results": [{"tokenCount": 7}]}}
"""What is counted in the results is kept too, without their texts."""


@pytest.mark.parametrize(
    ("model", "text", "choices", "more"),
    [
        pytest.param(MODEL, COUNTS, 1, {"written_1h": 150}, id="anthropic"),
        pytest.param(MODEL, "tool_calls=2", 1, {}, id="anthropic-tools"),
        pytest.param(NOVA, "prompt_tokens=2000;cached=1500;cache_write=400", 1, {}, id="nova"),
        pytest.param(TITAN, "prompt_tokens=9", 1, {"raw": TITANS_RAW_USAGE}, id="titan"),
        pytest.param(LLAMA, "prompt_tokens=9", 1, {"raw": {}}, id="llama"),
        pytest.param(EMBEDDER, "prompt_tokens=9", 0, {"raw": {}}, id="embeddings"),
    ],
)
async def test_invoke(bench: Bench, model: str, text: str, choices: int, more: dict[str, Any]) -> None:
    """Each family counts in its own way, and its usage is kept as it stands."""
    await ask(client_of(bench, text).invoke_model, modelId=model, body=BODY, contentType=JSON)
    changes: dict[str, Any] = {}
    if "raw" in more:
        changes = {"cache_read_prompt_tokens": None, "cache_write_prompt_tokens": None, **more["raw"]}
    path = f"/model/{model.replace(':', '%3A')}/invoke"
    written = more.get("written_1h", 0)
    check(bench, await bench.events(), Expected("bedrock", path, choices, changes=changes, written_1h=written))


@pytest.mark.parametrize(
    ("model", "text"),
    [
        pytest.param(MODEL, "prompt_tokens=2000;response_tokens=90;cached=1500;cache_write=400", id="anthropic"),
        pytest.param(MODEL, "tool_calls=2;drip=7;cached=1", id="anthropic-tools-cut-anywhere"),
        pytest.param(NOVA, "prompt_tokens=2000;cached=1500;cache_write=400", id="nova"),
        pytest.param(LLAMA, "prompt_tokens=9", id="llama"),
        pytest.param(TITAN, "prompt_tokens=9", id="titan"),
    ],
)
async def test_invoke_with_response_stream(bench: Bench, model: str, text: str) -> None:
    """Bedrock's metrics in the last chunk hold; the model's own usage stands beside them."""
    answer = await ask(
        client_of(bench, text).invoke_model_with_response_stream, modelId=model, body=BODY, contentType=JSON
    )
    last = json.loads(answer["body"][-1]["chunk"]["bytes"])
    assert last["amazon-bedrock-invocationMetrics"]["outputTokenCount"] == bench.served.response_tokens
    path = f"/model/{model.replace(':', '%3A')}/invoke-with-response-stream"
    has_cache = model in {MODEL, NOVA}
    changes = {} if has_cache else {"cache_read_prompt_tokens": None, "cache_write_prompt_tokens": None}
    check(bench, await bench.events(), Expected("bedrock", path, 1, changes=changes))


async def test_counts_of_tokens_are_free(bench: Bench) -> None:
    """The SDK gets the count; the event says that it costs nothing, exactly."""
    converse = {"converse": {"messages": ASK["messages"]}}
    counted = await ask(client_of(bench, "prompt_tokens=77").count_tokens, modelId=MODEL, input=converse)
    assert counted["inputTokens"] == 77
    events = await bench.events()
    assert set(events) == {"proxy_log", "analytics"}
    analytics = events["analytics"]
    assert (analytics["cost_nanos"], analytics["cost_status"], analytics["total_tokens"]) == (0, "exact", 0)


@pytest.mark.parametrize("operation", ["converse", "converse_stream"])
@pytest.mark.parametrize(
    ("status", "name"),
    [
        (400, "ValidationException"),
        (403, "AccessDeniedException"),
        (404, "ResourceNotFoundException"),
        (429, "ThrottlingException"),
        (500, "InternalServerException"),
        (503, "ServiceUnavailableException"),
    ],
)
async def test_errors_of_the_vendor(bench: Bench, status: int, name: str, operation: str) -> None:
    """Each raises its class, with the vendor's words and ``retry-after``; it costs nothing, exactly."""
    client = client_of(bench, f"status={status};retry_after=7")
    with pytest.raises(getattr(client.exceptions, name), match=f"status {status}") as caught:
        await ask(getattr(client, operation), **ASK)
    assert caught.value.response["ResponseMetadata"]["HTTPHeaders"]["retry-after"] == "7"
    events = await bench.events()
    assert set(events) == {"proxy_log", "analytics"}
    analytics = events["analytics"]
    assert (analytics["outcome"], analytics["response_code"], analytics["choices"]) == ("upstream_error", status, 0)
    assert (analytics["cost_nanos"], analytics["cost_status"], analytics["total_tokens"]) == (0, "exact", None)
    assert events["proxy_log"]["upstream_status"] == status


@pytest.mark.parametrize("operation", ["converse", "converse_stream"])
@pytest.mark.parametrize(
    ("token", "slug", "status", "name", "outcome"),
    [
        pytest.param("wrong", "bedrock", 401, "AccessDeniedException", "auth_failed", id="bad-token"),
        pytest.param(STRANGER, "bedrock", 403, "AccessDeniedException", "access_denied", id="another-app"),
        pytest.param(TOKEN, "narrow-bedrock", 403, "AccessDeniedException", "model_denied", id="model"),
        pytest.param(POOR, "bedrock", 403, "AccessDeniedException", "budget_exceeded", id="budget"),
    ],
)
async def test_errors_of_the_gateway(
    bench: Bench, token: str, slug: str, status: int, name: str, outcome: str, operation: str
) -> None:
    """Each raises its class; the vendor is not asked, and nothing is charged."""
    client = client_of(bench, "", token, slug)
    with pytest.raises(ClientError) as caught:
        await ask(getattr(client, operation), **ASK)
    response = caught.value.response
    assert (response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]) == (status, name)
    events = await bench.events()
    assert {event["outcome"] for event in events.values()} == {outcome}
    assert "budget" not in events
    assert not bench.vendor.served


async def test_a_rate_limit_of_the_gateway(bench: Bench) -> None:
    """429 with the seconds until there is room, as ``ThrottlingException``."""
    client = client_of(bench, token=SLOW)
    await ask(client.converse, **ASK)
    with pytest.raises(client.exceptions.ThrottlingException) as caught:
        await ask(client.converse, **ASK)
    assert 0 < int(caught.value.response["ResponseMetadata"]["HTTPHeaders"]["retry-after"]) <= 120
    assert (await bench.events(2))["analytics"]["outcome"] == "rate_limited"


async def test_the_sdk_tries_again(bench: Bench) -> None:
    """Each of its attempts is an exchange, refused by the vendor and free."""
    client = client_of(bench, "status=503", retries={"total_max_attempts": 2, "mode": "standard"})
    with pytest.raises(client.exceptions.ServiceUnavailableException):
        await ask(client.converse, **ASK)
    await bench.events(2)
    assert [served.status for served in bench.vendor.served] == [503, 503]
    assert [(event["outcome"], event["cost_nanos"]) for event in bench.analytics] == [("upstream_error", 0)] * 2


async def test_timeouts(bench: Bench) -> None:
    """The SDK's own is a client that left; the gateway's is 504, an error of the model's. Both are estimated."""
    with pytest.raises(ReadTimeoutError):
        await ask(client_of(bench, "hang=head", read_timeout=1).converse, **ASK)
    with pytest.raises(ClientError) as caught:
        await ask(client_of(bench, "hang=head", slug="impatient-bedrock").converse, **ASK)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 504
    await bench.events(2)
    found = {event["outcome"]: (event["cost_status"], event["cost_nanos"] > 0) for event in bench.analytics}
    assert found == {"client_closed": ("estimated", True), "upstream_timeout": ("estimated", True)}


async def test_a_stream_that_its_client_leaves(bench: Bench) -> None:
    """What is left of it is read for its usage, within a bound; so the bill is exact, or an estimate."""

    def leave(text: str) -> None:
        stream = client_of(bench, text).converse_stream(**ASK)["stream"]
        next(iter(stream))
        stream.close()

    for text, status, is_exact in (
        (COUNTS + ";chunks=20;pace_ms=5", "exact", True),
        (COUNTS + ";endless=1;pace_ms=5", "estimated", False),
    ):
        bench.begin()
        await asyncio.to_thread(leave, text)
        analytics = (await bench.events())["analytics"]
        assert (analytics["outcome"], analytics["partial"], analytics["cost_status"]) == ("client_closed", True, status)
        assert (analytics["response_tokens"] == 90) == is_exact
        assert bench.served.complete == is_exact


async def test_a_stream_that_the_vendor_breaks_off(bench: Bench) -> None:
    """An exception in the stream is the SDK's ``EventStreamError``; what came is charged, as an estimate."""
    with pytest.raises(EventStreamError, match="the script ends this stream"):
        await ask(client_of(bench, "fail_after=2").converse_stream, **ASK)
    analytics = (await bench.events())["analytics"]
    assert (analytics["cost_status"], analytics["labels"]) == ("estimated", ["usage:vendor_error"])
    assert analytics["response_tokens"] >= 2


async def test_a_message_whose_checksum_is_wrong(bench: Bench) -> None:
    """It passes as it came, so that the SDK sees that it is broken; what follows is counted all the same."""
    with pytest.raises(ChecksumMismatch):
        await ask(client_of(bench, "garbage=body").converse_stream, **ASK)
    analytics = (await bench.events())["analytics"]
    assert (analytics["prompt_tokens"], analytics["response_tokens"]) == (11, 7)
