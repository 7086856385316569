"""Anthropic's format, as the real ``anthropic`` SDK reads it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anthropic
import pytest
from anthropic import AsyncAnthropic

from sluice.dev.vendor import MockVendor
from tests.sluice.dev.vendor.talking import MESSAGES, script

ASK: dict[str, Any] = {"model": "mock-claude", "max_tokens": 10, "messages": MESSAGES}


@pytest.fixture
async def client(mock_vendor: MockVendor) -> AsyncIterator[AsyncAnthropic]:
    """A client that does not try twice."""
    async with AsyncAnthropic(base_url=mock_vendor.origin, api_key="none", max_retries=0, timeout=60) as client:
        yield client


async def test_the_parts_of_the_prompt_are_counted_apart(client: AsyncAnthropic, mock_vendor: MockVendor) -> None:
    """Input, what is read from the cache and what is written to it make the prompt that the log tells."""
    text = "prompt_tokens=100;cached=60;cache_write=30;cache_write_1h=10;reasoning=5;response_tokens=9"
    usage = (await client.messages.create(**ASK, extra_headers=script(text))).usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (10, 60, 30)
    assert usage.cache_creation is not None
    assert usage.cache_creation.ephemeral_1h_input_tokens == 10
    served = mock_vendor.served[-1]
    assert (served.prompt_tokens, served.cached, served.cache_write, served.format) == (100, 60, 30, "anthropic")


async def test_more_in_the_cache_than_in_the_prompt_is_counted_as_told(
    client: AsyncAnthropic, mock_vendor: MockVendor
) -> None:
    """The log tells the prompt that the answer tells, not one that it cannot."""
    usage = (await client.messages.create(**ASK, extra_headers=script("prompt_tokens=5;cached=60"))).usage
    assert (usage.input_tokens, mock_vendor.served[-1].prompt_tokens) == (0, 60)


async def test_a_stream_is_gathered_to_the_plain_answer(client: AsyncAnthropic) -> None:
    """Thoughts, calls, usage and the reason of its end included."""
    for text in ("chunks=5;reasoning=2", "tool_calls=2", "finish=length"):
        async with client.messages.stream(**ASK, extra_headers=script(text)) as stream:
            gathered = await stream.get_final_message()
        plain = await client.messages.create(**ASK, extra_headers=script(text))
        found, expected = gathered.model_dump(), plain.model_dump()
        for message in (found, expected):
            for block in message["content"]:
                block.pop("parsed_output", None)
        assert found == expected


async def test_counts_and_models(client: AsyncAnthropic) -> None:
    """The other endpoints answer in shapes that the SDK reads; the list of models is Anthropic's."""
    counted = await client.messages.count_tokens(model="m", messages=MESSAGES, extra_headers=script("prompt_tokens=3"))
    assert counted.input_tokens == 3
    assert [model.id async for model in client.models.list()] == ["mock-claude-small", "mock-claude-large"]


async def test_an_error_in_mid_stream_is_raised(client: AsyncAnthropic) -> None:
    """After as many pieces as the script says."""
    stream = await client.messages.create(**ASK, stream=True, extra_headers=script("chunks=5;fail_after=2"))
    seen = []

    async def read() -> None:
        async for event in stream:
            seen.append(event.type)  # noqa: PERF401 - what came before the error must be kept

    with pytest.raises(anthropic.APIStatusError, match="ends this stream"):
        await read()
    assert seen.count("content_block_delta") == 2
