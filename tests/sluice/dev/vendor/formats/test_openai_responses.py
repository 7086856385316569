"""The responses API, as the real ``openai`` SDK reads it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from openai import AsyncOpenAI

from sluice.dev.vendor import MockVendor
from tests.sluice.dev.vendor.talking import script


@pytest.fixture
async def client(mock_vendor: MockVendor) -> AsyncIterator[AsyncOpenAI]:
    """A client that does not try twice."""
    async with AsyncOpenAI(base_url=mock_vendor.url, api_key="none", max_retries=0, timeout=60) as client:
        yield client


async def test_the_responses_api_plain_and_streamed(client: AsyncOpenAI) -> None:
    """Whole and as events, with usage in the object that ends the stream."""
    plain = await client.responses.create(model="m", input="hello", extra_headers=script("cached=3"))
    assert plain.output_text == "The mock vendor answers"
    assert plain.usage is not None
    assert plain.usage.input_tokens_details.cached_tokens == 3
    async with client.responses.stream(model="m", input="hello") as stream:
        final = await stream.get_final_response()
    assert final.output_text == plain.output_text
    assert final.usage is not None
    assert final.usage.output_tokens == 7
    calling = await client.responses.create(model="m", input="hello", extra_headers=script("tool_calls=1"))
    assert [item.type for item in calling.output] == ["function_call"]
