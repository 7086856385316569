"""Misbehaviour, as the real ``openai`` SDK and the wire see it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import openai
import orjson
import pytest
from openai import AsyncOpenAI

from sluice.dev.vendor import MockVendor
from tests.sluice.dev.vendor.talking import MESSAGES, chat_request, on_the_wire, script


@pytest.fixture
async def client(mock_vendor: MockVendor) -> AsyncIterator[AsyncOpenAI]:
    """A client that does not try twice."""
    async with AsyncOpenAI(base_url=mock_vendor.url, api_key="none", max_retries=0, timeout=10) as client:
        yield client


@pytest.mark.parametrize(
    "misbehaviour", ["garbage=1", "cut_after=10", "cut_after=10;cut=close", "length=long", "cut_after=0"]
)
async def test_broken_answers_are_connection_errors(client: AsyncOpenAI, misbehaviour: str) -> None:
    """What is not whole never looks like an answer."""
    with pytest.raises(openai.APIConnectionError):
        await client.chat.completions.create(model="m", messages=MESSAGES, extra_headers=script(misbehaviour))


@pytest.mark.parametrize("where", ["head", "body"])
async def test_a_hang_lasts_until_the_client_gives_up(client: AsyncOpenAI, mock_vendor: MockVendor, where: str) -> None:
    """The client's own timeout ends it, and the log says that the answer is not complete."""
    with pytest.raises(openai.APITimeoutError):
        await client.with_options(timeout=0.05).chat.completions.create(
            model="m", messages=MESSAGES, extra_headers=script(f"hang={where}")
        )
    assert [served.complete for served in mock_vendor.served] == [False]


async def test_a_stream_is_cut_after_as_many_pieces_as_the_script_says(
    client: AsyncOpenAI, mock_vendor: MockVendor
) -> None:
    """Two of five words arrive, then the connection breaks; the log tells no usage."""
    stream = await client.chat.completions.create(
        model="m",
        messages=MESSAGES,
        stream=True,
        stream_options={"include_usage": True},
        extra_headers=script("chunks=5;cut_after=2;pace_ms=5"),
    )
    words: list[str | None] = []

    async def read() -> None:
        async for chunk in stream:
            words.append(chunk.choices[0].delta.content)  # noqa: PERF401 - what came before the cut must be kept

    with pytest.raises(openai.APIConnectionError):
        await read()
    assert words == ["", "The", " mock"]
    assert (mock_vendor.served[0].prompt_tokens, mock_vendor.served[0].complete) == (None, False)


@pytest.mark.parametrize(
    ("script", "declared"),
    [("length=short", [-1]), ("length=long", [1]), ("length=conflict", [0, 1]), ("framing=eof", [])],
)
async def test_wrong_lengths_are_declared_as_scripted(
    mock_vendor: MockVendor, script: str, declared: list[int]
) -> None:
    """``Content-Length`` is off by what the script says; the connection closes behind the body."""
    answer = await on_the_wire(mock_vendor, chat_request(script))
    head, _, body = answer.partition(b"\r\n\r\n")
    lengths = [int(line[16:]) - len(body) for line in head.splitlines() if line.startswith(b"content-length: ")]
    assert lengths == declared
    assert orjson.loads(body)["model"] == "mock-small"


async def test_a_silent_close_is_not_announced(mock_vendor: MockVendor) -> None:
    """``close=silent`` is how kept-alive connections go stale; ``close=1`` says so."""
    silent = await on_the_wire(mock_vendor, chat_request("close=silent"))
    announced = await on_the_wire(mock_vendor, chat_request("close=1"))
    assert b"connection: close" not in silent
    assert b"connection: close" in announced
