"""One client program, every vendor: OpenAI's SDK through the whole flow, with what is recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import openai
import pytest

from gateway.upstreams.vendors.registry import VENDORS
from sluice.dev.vendor import MockVendor
from tests.gateway.bridge.house import QUESTION, sdk
from tests.gateway.flow import running

ENDPOINTS = {"vertex": "/v1/projects/p/locations/global", "mistral": "/v1", "groq": "/openai/v1"}
KEYS = {"bedrock": "AKIAIOSFODNN7EXAMPLE:c2VjcmV0@eu-west-1", "vertex": "ya29.token", "ollama": ""}
MODELS = {
    "google_ai": "gemini-2.5-flash",
    "vertex": "gemini-2.5-flash",
    "bedrock": "anthropic.claude-3-5-sonnet-20241022-v2:0",
    "anthropic": "claude-sonnet-4-5",
}


def sections_of(vendor: str, origin: str) -> dict[str, Any]:
    """A gateway with this vendor's LLM, and a price for its model."""
    model = MODELS.get(vendor, "gpt-4o")
    llm = {
        "id": 1,
        "slug": "any",
        "vendor": vendor,
        "base_url": origin + ENDPOINTS.get(vendor, ""),
        "api_key": KEYS.get(vendor, "key"),
        "default_model": model,
    }
    return {
        "llms": [llm],
        "apps": [{"id": 1, "name": "tests", "llms": ["any"]}, {"id": 2, "name": "stranger"}],
        "prices": [{"id": "any", "vendor": vendor, "model": model, "prompt": "1", "response": "10"}],
        "plugins": [],
    }


@pytest.mark.parametrize("vendor", VENDORS)
async def test_the_same_program_works_with_every_vendor(vendor: str, mock_vendor: MockVendor, tmp_path: Path) -> None:
    """Whole, streamed, refused: the SDK sees OpenAI; the events have the vendor's own count, and its price."""
    model = MODELS.get(vendor, "gpt-4o")
    usage = {"x-mock": "usage=always"}  # Mistral's streams have it without being asked
    sections = sections_of(vendor, mock_vendor.origin)
    async with running(tmp_path, mock_vendor.origin, **sections) as flow, sdk(flow, "any") as client:
        whole = await client.chat.completions.create(model=model, messages=QUESTION)
        stream = await client.chat.completions.create(model=model, messages=QUESTION, stream=True, extra_headers=usage)
        pieces = [chunk async for chunk in stream]
        with pytest.raises(openai.RateLimitError) as caught:
            await client.chat.completions.create(
                model=model, messages=QUESTION, extra_headers={"x-mock": "status=429;retry_after=7"}
            )
        await flow.recorded(3)
    assert whole.choices[0].message.content == "The mock vendor answers"
    assert "".join(c.choices[0].delta.content or "" for c in pieces if c.choices) == "The mock vendor answers"
    assert [c.choices[0].finish_reason for c in pieces if c.choices][-1] == "stop"
    assert caught.value.response.headers["retry-after"] == "7"
    for events, served in zip(flow.log.exchanges[:2], list(mock_vendor.served)[:2], strict=True):
        row = events["analytics"]
        assert (row["prompt_tokens"], row["response_tokens"], row["cost_nanos"]) == (11, 7, 11 * 1_000 + 7 * 10_000)
        assert (row["cost_status"], row["vendor"], row["outcome"]) == ("exact", vendor, "ok")
        told, recorded = json.loads(served.raw_usage), json.loads(row["raw_usage"])
        assert recorded.items() <= told.items() or recorded == told
        assert events["budget"]["cost_nanos"] == row["cost_nanos"]
    assert flow.log.exchanges[2]["analytics"]["cost_nanos"] == 0


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_stream_can_be_put_together(vendor: str, mock_vendor: MockVendor, tmp_path: Path) -> None:
    """By the SDK's own helper, with thoughts and calls of tools; what comes back is taken."""
    model = MODELS.get(vendor, "gpt-4o")
    function: Any = {"name": "f", "parameters": {"type": "object", "properties": {}}}
    tools: list[Any] = [{"type": "function", "function": function}]
    sections = sections_of(vendor, mock_vendor.origin)
    script = {"x-mock": "reasoning=3;tool_calls=2"}
    async with running(tmp_path, mock_vendor.origin, **sections) as flow, sdk(flow, "any") as client:
        asking = client.chat.completions.stream(model=model, messages=QUESTION, tools=tools, extra_headers=script)
        async with asking as stream:
            answer = await stream.get_final_completion()
        events = await flow.recorded()
        message: Any = answer.choices[0].message.model_dump(exclude_none=True, exclude={"parsed"})
        for call in message["tool_calls"]:
            call["function"].pop("parsed_arguments", None)
        results = [{"role": "tool", "tool_call_id": call["id"], "content": "1"} for call in message["tool_calls"]]
        messages: Any = [*QUESTION, message, *results]
        again = await client.chat.completions.create(model=model, messages=messages, tools=tools)
    assert answer.choices[0].finish_reason == "tool_calls"
    calls = answer.choices[0].message.tool_calls or []
    assert len({call.id for call in calls}) == 2
    assert all(isinstance(json.loads(call.function.arguments), dict) for call in calls)
    assert events["analytics"]["tool_calls"] == 2
    assert again.choices[0].message.content
