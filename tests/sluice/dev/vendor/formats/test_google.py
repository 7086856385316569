"""Google's format, as the real ``google-genai`` SDK reads it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from google import genai
from google.genai import errors, types

from sluice.dev.vendor import MockVendor
from tests.sluice.dev.vendor.talking import TIMEOUT_SECONDS, script

Make = Callable[[str], Any]
ASK: dict[str, Any] = {"model": "mock-gemini", "contents": "hello"}


@pytest.fixture
def models(mock_vendor: MockVendor) -> Iterator[Make]:
    """``models`` of a client that sends a script."""
    with httpx.Client(trust_env=False) as http:

        def make(text: str) -> Any:
            options = types.HttpOptions(
                base_url=mock_vendor.origin, headers=script(text), timeout=int(TIMEOUT_SECONDS * 1000),
                httpx_client=http, api_version="v1beta",
            )  # fmt: skip
            return genai.Client(api_key="none", vertexai=False, http_options=options).models

        yield make


async def test_a_stream_counts_what_a_plain_answer_counts(models: Make) -> None:
    """Thoughts beside the candidates, what is cached among the prompt; joined, the text is the same."""
    text = "chunks=4;prompt_tokens=50;cached=20;response_tokens=30;reasoning=6"
    plain = await asyncio.to_thread(lambda: models(text).generate_content(**ASK))
    chunks = await asyncio.to_thread(lambda: list(models(text).generate_content_stream(**ASK)))
    assert plain.usage_metadata == chunks[-1].usage_metadata
    counts = plain.usage_metadata
    assert (counts.candidates_token_count, counts.thoughts_token_count, counts.total_token_count) == (24, 6, 80)
    assert counts.cached_content_token_count == 20
    assert "".join(chunk.text or "" for chunk in chunks) == plain.text == "The mock vendor answers"
    assert str(chunks[-1].candidates[0].finish_reason) == "FinishReason.STOP"


async def test_calls_counts_embeddings_and_models(models: Make) -> None:
    """The other answers have shapes that the SDK reads."""
    called = await asyncio.to_thread(lambda: models("tool_calls=2").generate_content(**ASK))
    assert [call.name for call in called.function_calls] == ["tool_0", "tool_1"]
    counted = await asyncio.to_thread(lambda: models("prompt_tokens=8").count_tokens(**ASK))
    assert counted.total_tokens == 8
    embedded = await asyncio.to_thread(lambda: models("").embed_content(**ASK))
    assert len(embedded.embeddings[0].values) == 8
    listed = await asyncio.to_thread(lambda: [model.name for model in models("").list()])
    assert listed == ["models/mock-gemini-small", "models/mock-gemini-large"]


async def test_an_array_is_json_however_short(mock_vendor: MockVendor) -> None:
    """Without ``alt=sse`` a stream is one array, with an element for each piece and the last."""
    async with httpx.AsyncClient(trust_env=False) as http:
        for chunks in (0, 1, 3):
            url = f"{mock_vendor.origin}/v1beta/models/m:streamGenerateContent"
            answer = await http.post(url, json={}, headers=script(f"chunks={chunks}"))
            assert len(answer.json()) == chunks + 1


@pytest.mark.parametrize("after", [0, 2])
async def test_an_error_in_mid_stream_is_raised(models: Make, after: int) -> None:
    """After as many pieces as the script says."""
    seen = []

    def read() -> None:
        for chunk in models(f"chunks=5;fail_after={after}").generate_content_stream(**ASK):
            seen.append(chunk.text)  # noqa: PERF401 - what came before the error must be kept

    with pytest.raises(errors.APIError):
        await asyncio.to_thread(read)
    assert len(seen) == after
