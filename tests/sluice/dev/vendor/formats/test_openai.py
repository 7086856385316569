"""Answers in OpenAI's dialect, as the real ``openai`` SDK reads them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from sluice.dev.vendor import MockVendor
from tests.sluice.dev.vendor.talking import MESSAGES, script


@pytest.fixture
async def client(mock_vendor: MockVendor) -> AsyncIterator[AsyncOpenAI]:
    """A client that does not try twice."""
    async with AsyncOpenAI(base_url=mock_vendor.url, api_key="none", max_retries=0, timeout=60) as client:
        yield client


async def test_a_plain_answer_has_the_text_usage_and_model_that_were_asked_for(client: AsyncOpenAI) -> None:
    """The script's counts arrive as usage; the model is the one asked for."""
    answer = await client.chat.completions.create(
        model="mock-small",
        messages=MESSAGES,
        extra_headers=script("chunks=3;prompt_tokens=21;response_tokens=5;cached=4;reasoning=2"),
    )
    assert answer.choices[0].message.content == "The mock vendor"
    assert answer.model == "mock-small"
    assert answer.usage is not None
    assert answer.usage.prompt_tokens_details is not None
    assert answer.usage.completion_tokens_details is not None
    counts = (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens)
    assert counts == (21, 5, 26)
    assert answer.usage.prompt_tokens_details.cached_tokens == 4
    assert answer.usage.completion_tokens_details.reasoning_tokens == 2


async def streamed(client: AsyncOpenAI, text: str, **arguments: Any) -> tuple[str, Any]:
    """The joined text of a stream, and its usage."""
    content, usage = "", None
    stream = await client.chat.completions.create(
        model="mock-small", messages=MESSAGES, stream=True, extra_headers=script(text), **arguments
    )
    async for chunk in stream:
        content += "".join(choice.delta.content or "" for choice in chunk.choices)
        usage = chunk.usage or usage
    return content, usage


async def test_a_stream_has_the_same_text_as_a_plain_answer(client: AsyncOpenAI) -> None:
    """Joined, the chunks are the plain answer's text, also where the bytes are dripped through every boundary."""
    plain = await client.chat.completions.create(model="m", messages=MESSAGES, extra_headers=script("chunks=20"))
    expected = plain.choices[0].message.content
    assert (await streamed(client, "chunks=20"))[0] == expected
    assert (await streamed(client, "chunks=20;drip=7"))[0] == expected
    assert (await streamed(client, "chunks=20;framing=eof"))[0] == expected


async def test_a_stream_tells_usage_only_where_asked(client: AsyncOpenAI) -> None:
    """``stream_options.include_usage`` decides, unless the script says ``none`` or ``always``."""
    asked = {"stream_options": {"include_usage": True}}
    assert (await streamed(client, "chunks=2"))[1] is None
    assert (await streamed(client, "chunks=2", **asked))[1].prompt_tokens == 11
    assert (await streamed(client, "chunks=2;usage=none", **asked))[1] is None
    assert (await streamed(client, "chunks=2;usage=always"))[1].prompt_tokens == 11


async def test_tool_calls_come_whole_and_in_pieces(client: AsyncOpenAI) -> None:
    """Both ways the SDK assembles the same calls."""
    arguments: dict[str, Any] = {"model": "m", "messages": MESSAGES, "extra_headers": script("tool_calls=2")}
    plain = await client.chat.completions.create(**arguments)
    assert plain.choices[0].finish_reason == "tool_calls"
    calls = plain.choices[0].message.tool_calls
    assert calls is not None
    assert [call.id for call in calls] == ["call_0", "call_1"]
    pieces: dict[int, str] = {}
    async for chunk in await client.chat.completions.create(**arguments, stream=True):
        for part in (chunk.choices[0].delta.tool_calls or ()) if chunk.choices else ():
            assert part.function is not None
            pieces[part.index] = pieces.get(part.index, "") + (part.function.arguments or "")
    assert pieces == {0: '{"n":1}', 1: '{"n":1}'}


async def test_several_choices(client: AsyncOpenAI) -> None:
    """``n`` is obeyed."""
    answer = await client.chat.completions.create(model="m", messages=MESSAGES, n=3)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]


async def test_completions_embeddings_and_models(client: AsyncOpenAI) -> None:
    """The other endpoints of the dialect answer in shapes that the SDK reads."""
    completion = await client.completions.create(model="m", prompt="hello")
    assert completion.choices[0].text == "The mock vendor answers"
    text = ""
    async for chunk in await client.completions.create(model="m", prompt="hello", stream=True):
        text += chunk.choices[0].text
    assert text == completion.choices[0].text
    embeddings = await client.embeddings.create(model="m", input=["one", "two"])
    assert [len(entry.embedding) for entry in embeddings.data] == [8, 8]
    assert embeddings.usage.prompt_tokens == 11
    assert "mock-small" in [model.id async for model in client.models.list()]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_errors_raise_the_class_that_the_sdk_has_for_them(
    client: AsyncOpenAI, status: int, error: type[openai.APIStatusError], stream: bool
) -> None:
    """Statuses arrive in OpenAI's error shape, with ``retry-after`` where the script says so."""
    with pytest.raises(error) as caught:
        await client.chat.completions.create(
            model="m", messages=MESSAGES, stream=stream, extra_headers=script(f"status={status};retry_after=3")
        )
    assert caught.value.response.headers["retry-after"] == "3"
    assert f"status {status}" in caught.value.message


async def test_the_synchronous_sdk_is_served_too(mock_vendor: MockVendor) -> None:
    """Plain and streamed, from a thread."""

    def ask() -> tuple[str | None, str]:
        with OpenAI(base_url=mock_vendor.url, api_key="none", max_retries=0, timeout=60) as client:
            plain = client.chat.completions.create(model="m", messages=MESSAGES).choices[0].message.content
            stream = client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
            return plain, "".join(chunk.choices[0].delta.content or "" for chunk in stream)

    plain, text = await asyncio.to_thread(ask)
    assert plain == text == "The mock vendor answers"
