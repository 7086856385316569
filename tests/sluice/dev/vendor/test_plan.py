"""Misbehaviour, as the real ``openai`` SDK and the wire see it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import openai
import orjson
import pytest
from openai import AsyncOpenAI

from sluice.dev.vendor import MockVendor
from tests.sluice.dev.vendor.talking import MESSAGES, ask, chat_request, on_the_wire, script


@pytest.fixture
async def client(mock_vendor: MockVendor) -> AsyncIterator[AsyncOpenAI]:
    """A client that does not try twice."""
    async with AsyncOpenAI(base_url=mock_vendor.url, api_key="none", max_retries=0, timeout=60) as client:
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


async def test_an_endless_stream_ends_with_its_client(client: AsyncOpenAI, mock_vendor: MockVendor) -> None:
    """Its pieces come again and again, with no end among them; the log tells no usage and no size."""
    stream = await client.chat.completions.create(
        model="m", messages=MESSAGES, stream=True, extra_headers=script("endless=1;chunks=3")
    )
    words = [(await anext(aiter(stream))).choices[0].delta.content for _ in range(500)]
    await stream.close()
    assert words.count("The") == 1
    assert words.count(" vendor") > 100
    served = mock_vendor.served[0]
    assert (served.prompt_tokens, served.body_bytes, served.complete) == (None, None, False)


async def test_a_stream_fails_with_the_vendor_s_own_error(client: AsyncOpenAI, mock_vendor: MockVendor) -> None:
    """After as many pieces as the script says; that is all that was promised, and it tells no usage."""
    stream = await client.chat.completions.create(
        model="m", messages=MESSAGES, stream=True, extra_headers=script("fail_after=1;usage=always")
    )
    with pytest.raises(openai.APIError, match="ends this stream"):
        [chunk async for chunk in stream]
    served = mock_vendor.served[0]
    assert (served.prompt_tokens, served.complete) == (None, True)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
async def test_a_body_in_a_coding_is_the_same_answer(mock_vendor: MockVendor, coding: str) -> None:
    """Also behind a MiB of nothing; the log tells the size on the wire."""
    plain = await ask(mock_vendor)
    answer = await ask(mock_vendor, f"coding={coding};bomb_mib=1")
    assert answer.json() == plain.json()
    assert answer.headers["content-encoding"] == coding
    assert mock_vendor.served[1].body_bytes == int(answer.headers["content-length"]) < 64 << 10
