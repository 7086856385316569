"""OpenAI's own SDK against vendors of two dialects through the bridge: the same client code works with both, and what
is recorded is the vendor's own count."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from pydantic import BaseModel

from sluice.dev.vendor import MockVendor
from tests.gateway.bridge.house import CLAUDE, QUESTION, asked_of, bridge, sdk
from tests.gateway.flow import TOKEN

TOOLS: list[Any] = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "The weather in a city",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
]
BOTH = pytest.mark.parametrize("slug", ["claude", "gpt"])


@BOTH
async def test_a_whole_answer(slug: str, mock_vendor: MockVendor, tmp_path: Path) -> None:
    """Text, finish reason and usage arrive; the event has the vendor's figures in the vendor's own words."""
    script = "prompt_tokens=120;response_tokens=34;cached=20"
    async with bridge(tmp_path, mock_vendor) as flow, sdk(flow, slug) as client:
        model = CLAUDE if slug == "claude" else "gpt-4o"
        answer = await client.chat.completions.create(model=model, messages=QUESTION, extra_headers={"x-mock": script})
        events = await flow.recorded()
    assert answer.choices[0].message.content == "The mock vendor answers"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.prompt_tokens_details is not None
    counts = (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens)
    assert (counts, answer.usage.prompt_tokens_details.cached_tokens) == ((120, 34, 154), 20)
    row = events["analytics"]
    assert (row["prompt_tokens"], row["response_tokens"], row["cache_read_prompt_tokens"]) == (120, 34, 20)
    prices = (3_000, 15_000, 300) if slug == "claude" else (150, 600, 75)
    assert row["cost_nanos"] == 100 * prices[0] + 34 * prices[1] + 20 * prices[2]
    assert (row["cost_status"], row["model_name"]) == ("exact", model)
    assert json.loads(row["raw_usage"]) == json.loads(mock_vendor.served[-1].raw_usage)
    assert ("input_tokens" in row["raw_usage"]) == (slug == "claude")
    assert events["budget"]["cost_nanos"] == row["cost_nanos"]


@BOTH
async def test_a_stream(slug: str, mock_vendor: MockVendor, tmp_path: Path) -> None:
    """Pieces arrive with the role first and one id; usage comes where it was asked for; ``[DONE]`` ends it."""
    async with bridge(tmp_path, mock_vendor) as flow, sdk(flow, slug) as client:
        stream = await client.chat.completions.create(
            model=CLAUDE, messages=QUESTION, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
        events = await flow.recorded()
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "The mock vendor answers"
    assert chunks[0].choices[0].delta.role == "assistant"
    assert len({chunk.id for chunk in chunks}) == 1
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].usage is not None
    assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == (11, 7)
    row = events["analytics"]
    assert (row["prompt_tokens"], row["response_tokens"], row["is_stream"], row["outcome"]) == (11, 7, True, "ok")


@BOTH
async def test_usage_that_nobody_asked_for_is_not_shown(slug: str, mock_vendor: MockVendor, tmp_path: Path) -> None:
    """Yet it is recorded: the vendor's count, not an estimate."""
    async with bridge(tmp_path, mock_vendor) as flow, sdk(flow, slug) as client:
        stream = await client.chat.completions.create(model=CLAUDE, messages=QUESTION, stream=True)
        chunks = [chunk async for chunk in stream]
        events = await flow.recorded()
    assert all(chunk.usage is None for chunk in chunks)
    assert (events["analytics"]["prompt_tokens"], events["analytics"]["response_tokens"]) == (11, 7)
    assert events["analytics"]["raw_usage"]


@BOTH
@pytest.mark.parametrize("is_stream", [False, True])
async def test_tools(slug: str, is_stream: bool, mock_vendor: MockVendor, tmp_path: Path) -> None:
    """Calls arrive with ids, names and arguments that are JSON, and are counted; what comes back is understood."""
    async with bridge(tmp_path, mock_vendor) as flow, sdk(flow, slug) as client:
        asked: dict[str, Any] = {
            "model": CLAUDE,
            "messages": QUESTION,
            "tools": TOOLS,
            "extra_headers": {"x-mock": "tool_calls=2"},
        }
        if is_stream:
            async with client.chat.completions.stream(**asked) as stream:
                answer = await stream.get_final_completion()
        else:
            answer = await client.chat.completions.create(**asked)
        calls = answer.choices[0].message.tool_calls or []
        events = await flow.recorded()
        messages = [
            *QUESTION,
            answer.choices[0].message.model_dump(exclude_none=True, exclude={"parsed"}),
            *({"role": "tool", "tool_call_id": call.id, "content": "sunny"} for call in calls),
        ]
        for message in messages:
            for call in message.get("tool_calls", []):
                call["function"].pop("parsed_arguments", None)
        await client.chat.completions.create(model=CLAUDE, messages=messages, tools=TOOLS)
    assert answer.choices[0].finish_reason == "tool_calls"
    assert len({call.id for call in calls}) == len(calls) == 2
    assert all(isinstance(json.loads(call.function.arguments), dict) for call in calls)
    assert events["analytics"]["tool_calls"] == 2
    if slug == "claude":
        *_, assistant, results = asked_of(mock_vendor)["messages"]
        assert [block["id"] for block in assistant["content"] if block["type"] == "tool_use"] == [c.id for c in calls]
        assert [block["tool_use_id"] for block in results["content"]] == [call.id for call in calls]


async def test_structured_output(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """``parse`` with a model of pydantic's: the schema is Anthropic's own output format, the answer an object."""

    class City(BaseModel):
        name: str

    async with bridge(tmp_path, mock_vendor) as flow, sdk(flow) as client:
        script = 'chunks=1;text={"name":"Rome"}'
        answer = await client.chat.completions.parse(
            model=CLAUDE, messages=QUESTION, response_format=City, extra_headers={"x-mock": script}
        )
    assert answer.choices[0].message.parsed == City(name="Rome")
    asked = asked_of(mock_vendor)["output_config"]["format"]
    assert (asked["type"], list(asked["schema"]["properties"])) == ("json_schema", ["name"])


@BOTH
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (413, openai.APIStatusError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (529, openai.InternalServerError),
    ],
)
async def test_a_vendors_refusal_raises_the_right_class(
    slug: str, status: int, kind: type[openai.APIStatusError], mock_vendor: MockVendor, tmp_path: Path
) -> None:
    """With its status, its message and ``retry-after``; a refusal costs nothing."""
    async with bridge(tmp_path, mock_vendor) as flow, sdk(flow, slug) as client:
        with pytest.raises(kind) as caught:
            await client.chat.completions.create(
                model=CLAUDE, messages=QUESTION, extra_headers={"x-mock": f"status={status};retry_after=3"}
            )
        events = await flow.recorded()
    assert caught.value.status_code == status
    assert f"status {status}" in caught.value.message
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["type"]
    assert caught.value.response.headers["retry-after"] == "3"
    assert (events["analytics"]["outcome"], events["analytics"]["cost_nanos"]) == ("upstream_error", 0)


async def test_a_vendors_error_inside_a_stream_raises(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """What came before it is there, and nothing says that the answer is complete."""
    async with bridge(tmp_path, mock_vendor) as flow, sdk(flow) as client:
        stream = await client.chat.completions.create(
            model=CLAUDE, messages=QUESTION, stream=True, extra_headers={"x-mock": "fail_after=2"}
        )
        seen: list[str | None] = []

        async def read() -> None:
            async for chunk in stream:
                seen.append(chunk.choices[0].delta.content)  # noqa: PERF401 - what came before it raises is wanted

        with pytest.raises(openai.APIError) as caught:
            await read()
        events = await flow.recorded()
    assert [text for text in seen if text] == ["The", " mock"]
    assert caught.value.code
    assert b"[DONE]" not in events["proxy_log"]["response_body"]
    assert events["analytics"]["cost_status"] == "estimated"


async def test_time_that_runs_out_raises(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """The client's own, and the gateway's (504); both are recorded."""
    outcomes, hang = [], {"x-mock": "hang=head"}
    for name, gateway_has, client_has, error in (
        ("gateway", 0.3, 15, openai.InternalServerError),
        ("client", 60, 0.3, openai.APITimeoutError),
    ):
        (tmp_path / name).mkdir()
        settings = {"upstream": {"first_byte_timeout_seconds": gateway_has}, "drain_timeout_seconds": 0.1}
        async with bridge(tmp_path / name, mock_vendor, gateway=settings) as flow:
            async with sdk(flow, timeout=client_has) as client:
                with pytest.raises(error) as caught:
                    await client.chat.completions.create(model=CLAUDE, messages=QUESTION, extra_headers=hang)
            log = (await flow.recorded())["proxy_log"]
            outcomes.append((getattr(caught.value, "status_code", 0), log["outcome"]))
    assert outcomes == [(504, "upstream_timeout"), (0, "client_closed")]


async def test_a_stream_that_breaks_off_raises(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """As a connection that broke; it never looks complete."""
    async with bridge(tmp_path, mock_vendor) as flow, sdk(flow) as client:
        stream = await client.chat.completions.create(
            model=CLAUDE, messages=QUESTION, stream=True, extra_headers={"x-mock": "cut_after=2"}
        )
        with pytest.raises((openai.APIConnectionError, httpx.RemoteProtocolError)):
            await anext(chunk async for chunk in stream if chunk.choices[0].finish_reason)
        events = await flow.recorded()
    assert (events["analytics"]["outcome"], events["proxy_log"]["partial"]) == ("upstream_error", True)


async def test_refusals_of_ours_raise_the_right_class(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """A wrong token, an LLM or path that is not there, a model that is not allowed, what the vendor has not."""
    async with bridge(tmp_path, mock_vendor, claude={"allowed_models": ["claude-.*"]}) as flow:
        async with sdk(flow, api_key="wrong") as client:
            with pytest.raises(openai.AuthenticationError):
                await client.chat.completions.create(model=CLAUDE, messages=QUESTION)
        async with sdk(flow, "nobody") as client:
            with pytest.raises(openai.NotFoundError):
                await client.chat.completions.create(model=CLAUDE, messages=QUESTION)
        async with sdk(flow) as client:
            with pytest.raises(openai.PermissionDeniedError):
                await client.chat.completions.create(model="gpt-4o", messages=QUESTION)
            with pytest.raises(openai.BadRequestError) as caught:
                await client.chat.completions.create(model=CLAUDE, messages=QUESTION, logprobs=True)
            with pytest.raises(openai.NotFoundError, match="/v1/chat/completions"):
                await client.responses.create(model=CLAUDE, input="hi")
    assert (caught.value.code, caught.value.param) == ("unsupported_parameter", "logprobs")
    assert not mock_vendor.requests


async def test_models(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """What the configuration names is listed and found; what the allow-list does not let through is not."""
    llm = {"default_model": "claude-haiku", "allowed_models": ["claude-opus-4", "claude-haiku", "claude-x.*"]}
    async with bridge(tmp_path, mock_vendor, claude=llm) as flow, sdk(flow) as client:
        names = [model.id async for model in client.models.list()]
        found = await client.models.retrieve("claude-x-1")
        with pytest.raises(openai.NotFoundError) as caught:
            await client.models.retrieve("gpt-4o")
        events = await flow.recorded(3)
    assert names == ["claude-haiku", "claude-opus-4"]
    assert (found.id, found.owned_by) == ("claude-x-1", "anthropic")
    assert caught.value.code == "model_not_found"
    assert events["proxy_log"]["response_code"] == 404
    assert not mock_vendor.requests


async def test_older_completions(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """A prompt is one message of a user; the answer is a text, whole and streamed."""
    async with bridge(tmp_path, mock_vendor) as flow, sdk(flow) as client:
        whole = await client.completions.create(model=CLAUDE, prompt="Say it", max_tokens=5)
        asked = asked_of(mock_vendor)
        stream = await client.completions.create(model=CLAUDE, prompt="Say it", stream=True)
        pieces = [chunk async for chunk in stream]
        events = await flow.recorded(2)
    assert (whole.object, whole.choices[0].text) == ("text_completion", "The mock vendor answers")
    assert asked["messages"] == [{"role": "user", "content": [{"type": "text", "text": "Say it"}]}]
    assert asked["max_tokens"] == 5
    assert "".join(piece.choices[0].text for piece in pieces) == "The mock vendor answers"
    assert pieces[-1].choices[0].finish_reason == "stop"
    assert events["analytics"]["prompt_tokens"] == 11


async def test_embeddings_are_refused_where_there_are_none(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """Anthropic has none: 400, and the vendor is not asked. OpenAI's pass."""
    async with bridge(tmp_path, mock_vendor) as flow:
        async with sdk(flow) as client:
            with pytest.raises(openai.BadRequestError, match="anthropic has no embeddings") as caught:
                await client.embeddings.create(model=CLAUDE, input="hi")
        assert not mock_vendor.requests
        async with sdk(flow, "gpt") as client:
            found = await client.embeddings.create(model="gpt-4o", input="hi", encoding_format="float")
    assert caught.value.code == "unsupported_parameter"
    assert found.data[0].embedding


async def test_the_blocking_client(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """Whole and streamed, in a thread of its own."""

    def ask(url: str) -> tuple[str | None, str]:
        with openai.OpenAI(api_key=TOKEN, base_url=f"{url}/ai/claude/v1", max_retries=0) as client:
            whole = client.chat.completions.create(model=CLAUDE, messages=QUESTION)
            stream = client.chat.completions.create(model=CLAUDE, messages=QUESTION, stream=True)
            pieces = [chunk.choices[0].delta.content or "" for chunk in stream]
        return whole.choices[0].message.content, "".join(pieces)

    async with bridge(tmp_path, mock_vendor) as flow:
        answers = await asyncio.to_thread(ask, flow.url)
    assert answers == ("The mock vendor answers",) * 2


async def test_reasoning_comes_and_goes_back_signed(mock_vendor: MockVendor, tmp_path: Path) -> None:
    """``reasoning_effort`` makes it think; what it thought is shown, and goes back to it as it was signed."""
    async with bridge(tmp_path, mock_vendor) as flow, sdk(flow) as client:
        answer = await client.chat.completions.create(
            model=CLAUDE,
            messages=QUESTION,
            reasoning_effort="low",
            max_completion_tokens=4000,
            extra_headers={"x-mock": "reasoning=5;tool_calls=1"},
        )
        asked = asked_of(mock_vendor)
        message: Any = answer.choices[0].message.model_dump(exclude_none=True)
        call = message["tool_calls"][0]["id"]
        result: Any = {"role": "tool", "tool_call_id": call, "content": "42"}
        await client.chat.completions.create(model=CLAUDE, messages=[*QUESTION, message, result])
    assert asked["thinking"] == {"type": "enabled", "budget_tokens": 1024}
    assert message["reasoning_content"]
    first = asked_of(mock_vendor)["messages"][1]["content"][0]
    assert (first["type"], bool(first["signature"])) == ("thinking", True)
    assert first["thinking"] == message["reasoning_content"]
