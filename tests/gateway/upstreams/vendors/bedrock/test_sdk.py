"""The real boto3 through the real gateway to a scripted Bedrock that verifies every signature; every figure of every
analytics event."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
import trustme
from botocore.config import Config
from botocore.eventstream import ChecksumMismatch
from botocore.exceptions import ClientError, EventStreamError

from gateway.upstreams.vendors.bedrock.errors import stream_error
from tests.gateway.flow import TOKEN, Flow, running
from tests.gateway.upstreams.vendors.bedrock.aws import (
    ACCESS_KEY,
    API_KEY,
    REGION,
    SECRET,
    STREAM_TYPE,
    Aws,
    scripted_aws,
)
from tests.gateway.upstreams.vendors.bedrock.streams import (
    CLAUDE_START,
    CLAUDE_USAGE,
    METRICS,
    METRICS_NAME,
    USAGE,
    claude_stream,
    converse,
    converse_stream,
    dumps,
    exception,
    metadata,
)

MODEL = "anthropic.claude-3-5-sonnet-20241022-v2:0"
PROFILE = "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.anthropic.claude-3-5-sonnet-20241022-v2:0"
SESSION = boto3.Session()
"""One for all: what describes the service is read once."""
ASK: Any = {"modelId": MODEL, "messages": [{"role": "user", "content": [{"text": "Hi"}]}]}
CLAUDE_ASK = dumps({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 100, "messages": []})
PRICES = [
    {
        "id": "claude", "vendor": "bedrock", "model": "*anthropic.claude-*", "prompt": "3", "response": "15",
        "cache_read": "0.3", "cache_write": "3.75", "cache_write_1h": "6",
    },
]  # fmt: skip


@contextlib.asynccontextmanager
async def gateway(
    folder: Path, *, key: str = f"{ACCESS_KEY}:{SECRET}@{REGION}", **llm: Any
) -> AsyncIterator[tuple[Flow, Aws]]:
    """A gateway with one LLM, and the vendor behind it."""
    folder.mkdir(exist_ok=True)
    async with scripted_aws() as aws:
        bedrock = {"id": 1, "slug": "demo", "vendor": "bedrock", "base_url": aws.url, "api_key": key} | llm
        apps = [{"id": 1, "name": "tests", "llms": ["demo"]}, {"id": 2, "name": "stranger"}]
        async with running(folder, aws.url, llms=[bedrock], apps=apps, prices=PRICES, plugins=[]) as flow:
            yield flow, aws


def client_of(flow: Flow, token: str = TOKEN, **config: Any) -> Any:
    """The SDK with AWS keys of anybody's, and our token beside its signature."""
    client = SESSION.client(
        "bedrock-runtime",
        endpoint_url=f"{flow.url}/llm/call/demo",
        region_name="us-east-1",
        aws_access_key_id="AKIDOFTHECLIENT00000",
        aws_secret_access_key="client-secret",
        aws_session_token="client-session",
        config=Config(retries={"max_attempts": 0}, **config),
    )

    def add_token(request: Any, **_: Any) -> None:
        request.headers["x-api-key"] = token

    client.meta.events.register("before-sign.bedrock-runtime", add_token)
    return client


async def ask(call: Callable[..., Any], **options: Any) -> Any:
    """What the SDK returns; streams are read to their end."""

    def run() -> Any:
        answer = call(**options)
        name = "stream" if "stream" in answer else "body"
        body = answer.get(name)
        if body is not None:
            with contextlib.closing(body):
                answer[name] = body.read() if hasattr(body, "read") else list(body)
        return answer

    return await asyncio.to_thread(run)


async def figures(flow: Flow, count: int = 1) -> dict[str, Any]:
    """What the analytics event says of an exchange's worth."""
    event = (await flow.recorded(count))["analytics"]
    names = (
        "vendor", "llm_slug", "app_id", "model_name", "prompt_tokens", "response_tokens", "cache_read_prompt_tokens",
        "cache_write_prompt_tokens", "reasoning_tokens", "total_tokens", "choices", "tool_calls", "cost_nanos",
        "currency", "price_id", "cost_status", "labels", "outcome", "response_code", "is_stream", "partial",
    )  # fmt: skip
    return {name: event[name] for name in names} | {"raw_usage": json.loads(event["raw_usage"] or "null")}


CONVERSED: dict[str, Any] = {
    "vendor": "bedrock",
    "llm_slug": "demo",
    "app_id": 1,
    "model_name": MODEL,
    "prompt_tokens": 1412,
    "response_tokens": 30,
    "cache_read_prompt_tokens": 1000,
    "cache_write_prompt_tokens": 400,
    "reasoning_tokens": None,
    "total_tokens": 1442,
    "raw_usage": USAGE,
    "choices": 1,
    "tool_calls": 0,
    # 12 x 3 + 1000 x 0.3 + 250 x 3.75 + 150 x 6 + 30 x 15 dollars a million
    "cost_nanos": 36_000 + 300_000 + 937_500 + 900_000 + 450_000,
    "currency": "USD",
    "price_id": "claude",
    "cost_status": "exact",
    "labels": [],
    "outcome": "ok",
    "response_code": 200,
    "is_stream": False,
    "partial": False,
}
INVOKED: dict[str, Any] = CONVERSED | {
    "prompt_tokens": 16731,
    "response_tokens": 126,
    "cache_read_prompt_tokens": 14486,
    "cache_write_prompt_tokens": 2238,
    "total_tokens": 16857,
    "raw_usage": {**CLAUDE_USAGE, "output_tokens": 126},
    # 7 x 3 + 14486 x 0.3 + 238 x 3.75 + 2000 x 6 + 126 x 15
    "cost_nanos": 21_000 + 4_345_800 + 892_500 + 12_000_000 + 1_890_000,
}


async def test_converse_is_signed_answered_and_counted(tmp_path: Path) -> None:
    """The client's own signature and session are dropped, ours is right for the bytes that arrive; the client sees the
    vendor's answer."""
    async with gateway(tmp_path) as (flow, aws):
        aws.will(converse([{"text": "Hi"}, {"toolUse": {"toolUseId": "t1", "name": "weather", "input": {}}}]))
        answer = await ask(client_of(flow).converse, **ASK, inferenceConfig={"maxTokens": 50})
        assert answer["usage"] == USAGE
        assert answer["output"]["message"]["content"][1]["toolUse"]["name"] == "weather"
        assert await figures(flow) == CONVERSED | {"tool_calls": 1}
    arrived = aws.asked[0]
    assert arrived.target == "/model/anthropic.claude-3-5-sonnet-20241022-v2%3A0/converse"
    assert json.loads(arrived.body)["inferenceConfig"] == {"maxTokens": 50}
    assert arrived.signed >= {"host", "content-type", "x-amz-date"}
    assert not arrived.signed & {"user-agent", "accept-encoding", "connection", "x-request-id", "traceparent"}
    assert arrived.session is None
    assert "x-api-key" not in arrived.headers


async def test_a_session_token_of_ours_is_signed(tmp_path: Path) -> None:
    """And no other's."""
    async with gateway(tmp_path, key=f"{ACCESS_KEY}:{SECRET}:our/session+token==@{REGION}") as (flow, aws):
        aws.will(converse())
        await ask(client_of(flow).converse, **ASK)
    assert aws.asked[0].session == "our/session+token=="
    assert "x-amz-security-token" in aws.asked[0].signed


async def test_an_inference_profile_s_arn_is_its_model(tmp_path: Path) -> None:
    """Encoded once on the wire, its slash too; allowed and priced by the model's name."""
    async with gateway(tmp_path, allowed_models=["eu\\.anthropic\\..*"]) as (flow, aws):
        aws.will(converse())
        await ask(client_of(flow).converse, **(ASK | {"modelId": PROFILE}))
        model = PROFILE.partition("/")[2]
        assert await figures(flow) == CONVERSED | {"model_name": model}
    assert aws.asked[0].target.startswith(
        "/model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A123456789012%3Ainference-profile%2F"
    )


async def test_a_stream_of_converse_is_counted(tmp_path: Path) -> None:
    """By its last event, in however many pieces it comes."""
    stream = converse_stream("weather", "weather")
    async with gateway(tmp_path) as (flow, aws):
        aws.will(*(stream[at : at + 37] for at in range(0, len(stream), 37)), content_type=STREAM_TYPE)
        answer = await ask(client_of(flow).converse_stream, **ASK)
        assert answer["stream"][-1]["metadata"]["usage"] == USAGE
        assert [next(iter(event)) for event in answer["stream"]][-2:] == ["messageStop", "metadata"]
        assert await figures(flow) == CONVERSED | {"tool_calls": 2, "is_stream": True}


async def test_a_model_s_own_body_is_counted(tmp_path: Path) -> None:
    """Anthropic's, the parts of its cache told apart."""
    body = dumps({
        "id": "msg_bdrk_1", "type": "message", "role": "assistant", "model": "claude-3-5-sonnet-20241022",
        "content": [{"type": "text", "text": "Hi"}], "usage": CLAUDE_USAGE | {"output_tokens": 126},
    })  # fmt: skip
    async with gateway(tmp_path) as (flow, aws):
        aws.will(body)
        answer = await ask(client_of(flow).invoke_model, modelId=MODEL, body=CLAUDE_ASK)
        assert answer["body"] == body
        assert await figures(flow) == INVOKED


async def test_a_model_s_own_stream_is_counted(tmp_path: Path) -> None:
    """By Bedrock's metrics in its last chunk."""
    stream = claude_stream()
    async with gateway(tmp_path) as (flow, aws):
        aws.will(stream[:100], stream[100:], content_type=STREAM_TYPE)
        call = client_of(flow).invoke_model_with_response_stream
        answer = await ask(call, modelId=MODEL, body=CLAUDE_ASK)
        assert json.loads(answer["body"][-1]["chunk"]["bytes"])[METRICS_NAME] == METRICS
        assert await figures(flow) == INVOKED | {
            "tool_calls": 1,
            "is_stream": True,
            "raw_usage": {"usage": INVOKED["raw_usage"], METRICS_NAME: METRICS},
        }


async def test_a_count_of_tokens_is_free(tmp_path: Path) -> None:
    """Whatever it counts."""
    async with gateway(tmp_path) as (flow, aws):
        aws.will(b'{"inputTokens":4711}')
        body = {"converse": {"messages": ASK["messages"]}}
        answer = await ask(client_of(flow).count_tokens, modelId=MODEL, input=body)
        assert answer["inputTokens"] == 4711
        nothing: dict[str, Any] = {
            "prompt_tokens": 0,
            "response_tokens": 0,
            "cost_nanos": 0,
            "choices": 0,
            "total_tokens": 0,
            "raw_usage": None,
        }
        nothing |= dict.fromkeys(("cache_read_prompt_tokens", "cache_write_prompt_tokens"), None)
        assert await figures(flow) == CONVERSED | nothing


async def test_a_bearer_token_of_the_environment_is_our_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the SDK sends it for Bedrock API keys, over TLS alone; and such a key of ours goes out as one, unsigned."""
    async with gateway(tmp_path, key=API_KEY) as (flow, aws), behind_tls(flow, tmp_path) as (url, certificate):
        monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", TOKEN)
        endpoint = f"{url}/llm/call/demo"
        client = SESSION.client("bedrock-runtime", endpoint_url=endpoint, region_name="us-east-1", verify=certificate)
        aws.will(converse())
        assert (await ask(client.converse, **ASK))["stopReason"] == "end_turn"
        client.close()
        assert await figures(flow) == CONVERSED
    assert aws.asked[0].headers["authorization"] == f"Bearer {API_KEY}"
    assert not aws.asked[0].signed


@contextlib.asynccontextmanager
async def behind_tls(flow: Flow, folder: Path) -> AsyncIterator[tuple[str, str]]:
    """What stands before a gateway and ends TLS; its address, and the certificate to trust."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    host, port = flow.url.removeprefix("http://").split(":")

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, before = await asyncio.open_connection(host, int(port))
        await asyncio.gather(copy(reader, before), copy(behind, writer))

    server = await asyncio.start_server(relay, "localhost", 0, ssl=context)
    async with server:
        yield f"https://localhost:{server.sockets[0].getsockname()[1]}", str(folder / "ca.pem")


@pytest.mark.parametrize(
    ("token", "options", "name", "status"),
    [
        ("nobody-s", {}, "AccessDeniedException", 401),
        ("stranger-token", {}, "AccessDeniedException", 403),
        (TOKEN, {"modelId": "meta.llama3-70b"}, "AccessDeniedException", 403),
    ],
)
async def test_our_refusals_are_exceptions_of_the_sdk(
    tmp_path: Path, token: str, options: Mapping[str, str], name: str, status: int
) -> None:
    """Of the class that it has for them; nothing reaches the vendor."""
    async with gateway(tmp_path, allowed_models=["anthropic\\..*"]) as (flow, aws):
        client = client_of(flow, token)
        with pytest.raises(getattr(client.exceptions, name)) as raised:
            await ask(client.converse, **{**ASK, **options})
        assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
        assert raised.value.response["Error"]["Message"]
    assert not aws.asked


async def test_a_signature_alone_is_no_credential(tmp_path: Path) -> None:
    """It proves its client to AWS, not to us."""
    async with gateway(tmp_path) as (flow, _):
        client = client_of(flow, "")
        with pytest.raises(client.exceptions.AccessDeniedException) as raised:
            await ask(client.converse, **ASK)
        assert "no credential" in raised.value.response["Error"]["Message"]


async def test_a_limit_of_ours_is_throttling(tmp_path: Path) -> None:
    """With the time after which it may try again."""
    async with gateway(tmp_path, rate_limit_rpm=1) as (flow, aws):
        client = client_of(flow)
        aws.will(converse())
        await ask(client.converse, **ASK)
        with pytest.raises(client.exceptions.ThrottlingException) as raised:
            await ask(client.converse_stream, **ASK)
        assert int(raised.value.response["ResponseMetadata"]["HTTPHeaders"]["retry-after"]) > 0


async def test_the_vendor_s_refusals_pass_as_they_are(tmp_path: Path) -> None:
    """The header that names their class too; they cost nothing."""
    async with gateway(tmp_path) as (flow, aws):
        aws.will(b'{"message":"slow down"}', status=429, x_amzn_ErrorType="ThrottlingException:http://internal/")
        client = client_of(flow)
        with pytest.raises(client.exceptions.ThrottlingException, match="slow down"):
            await ask(client.converse, **ASK)
        found = await figures(flow)
        assert (found["cost_nanos"], found["cost_status"], found["outcome"]) == (0, "exact", "upstream_error")


async def test_a_wrong_key_of_ours_is_the_vendor_s_refusal(tmp_path: Path) -> None:
    """So the scripted vendor checks what it says it checks."""
    async with gateway(tmp_path, key=f"{ACCESS_KEY}:another-secret@{REGION}") as (flow, _):
        client = client_of(flow)
        with pytest.raises(ClientError, match="InvalidSignature"):
            await ask(client.converse, **ASK)


async def test_a_stream_that_breaks_off_with_an_exception_is_an_estimate(tmp_path: Path) -> None:
    """The SDK raises; nobody knows what was charged."""
    events = converse_stream()[: -len(metadata())] + exception("throttlingException")
    async with gateway(tmp_path) as (flow, aws):
        aws.will(events, content_type=STREAM_TYPE)
        with pytest.raises(EventStreamError, match=r"throttlingException.*slow down"):
            await ask(client_of(flow).converse_stream, **ASK)
        event = (await flow.recorded())["analytics"]
        assert (event["cost_status"], event["response_tokens"]) == ("estimated", 5)
        assert "usage:vendor_error" in event["labels"]


@pytest.mark.parametrize(
    ("status", "name"),
    [(403, "validationException"), (429, "throttlingException"), (502, "internalServerException")],
)
async def test_our_own_last_frame_of_a_stream_is_an_exception_of_the_sdk(
    tmp_path: Path, status: int, name: str
) -> None:
    """With which a plugin ends a stream that has begun; on both kinds of streams."""
    last = stream_error(status, "a plugin says no", "response_blocked")
    async with gateway(tmp_path) as (flow, aws):
        client = client_of(flow)
        aws.will(converse_stream()[: -len(metadata())] + last, content_type=STREAM_TYPE)
        with pytest.raises(EventStreamError, match=f"{name}.*a plugin says no"):
            await ask(client.converse_stream, **ASK)
        aws.will(claude_stream(CLAUDE_START) + last, content_type=STREAM_TYPE)
        with pytest.raises(EventStreamError, match=f"{name}.*a plugin says no"):
            await ask(client.invoke_model_with_response_stream, modelId=MODEL, body=CLAUDE_ASK)


async def test_a_vendor_that_cannot_be_reached_is_an_exception_of_the_sdk(tmp_path: Path) -> None:
    """And so is an LLM whose key cannot sign; what is wrong with that is no client's business."""
    async with gateway(tmp_path, base_url="http://127.0.0.1:1") as (flow, _):
        client = client_of(flow)
        with pytest.raises(client.exceptions.InternalServerException):
            await ask(client.converse, **ASK)
    async with gateway(tmp_path / "other", key=f"{ACCESS_KEY}:{SECRET}@nowhere") as (flow, aws):
        client = client_of(flow)
        with pytest.raises(client.exceptions.InternalServerException, match="configuration is not complete") as raised:
            await ask(client.converse, **ASK)
        assert SECRET not in str(raised.value)
    assert not aws.asked


async def test_a_broken_checksum_passes_and_is_not_believed(tmp_path: Path) -> None:
    """The client gets the same bytes, on which its SDK raises; ours is an estimate that says why."""
    stream = bytearray(converse_stream())
    stream[-20] ^= 1
    async with gateway(tmp_path) as (flow, aws):
        aws.will(bytes(stream), content_type=STREAM_TYPE)
        with pytest.raises(ChecksumMismatch):
            await ask(client_of(flow).converse_stream, **ASK)
        event = (await flow.recorded())["analytics"]
        assert event["cost_status"] == "estimated"
        assert "usage:broken_frame" in event["labels"]
        aws.will(bytes(stream), content_type=STREAM_TYPE)
        response = await flow.post(path=f"/llm/call/demo/model/{MODEL}/converse-stream", body={"messages": []})
        assert response.content == stream
    assert aws.asked[1].signed, "a model that its client did not encode is signed as it is sent"
    assert aws.asked[1].target == aws.asked[0].target


async def test_openai_s_path_of_bedrock_speaks_openai(tmp_path: Path) -> None:
    """Its requests are signed as any."""
    answer = {
        "id": "c1", "object": "chat.completion", "created": 1, "model": "openai.gpt-oss-20b-1:0",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13},
    }  # fmt: skip
    async with gateway(tmp_path) as (flow, aws):
        aws.will(dumps(answer))
        body = {"model": "openai.gpt-oss-20b-1:0", "messages": []}
        response = await flow.post(path="/llm/call/demo/openai/v1/chat/completions", body=body)
        assert response.status_code == 200
        found = await figures(flow)
        assert (found["model_name"], found["prompt_tokens"], found["response_tokens"]) == (body["model"], 9, 4)
    assert aws.asked[0].signed
