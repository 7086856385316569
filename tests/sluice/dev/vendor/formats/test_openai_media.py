"""Sound and images, as the real ``openai`` SDK reads them."""

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


async def test_what_is_heard_counts_sound(client: AsyncOpenAI, mock_vendor: MockVendor) -> None:
    """The form names the model; its prompt is sound."""
    heard = await client.audio.transcriptions.create(
        model="mock-hear", file=("a.mp3", b"ID3"), extra_headers=script("prompt_tokens=9")
    )
    assert heard.text == "The mock vendor answers"
    served = mock_vendor.served[-1]
    assert (served.kind, served.model, served.prompt_tokens) == ("transcription", "mock-hear", 9)


async def test_images_are_as_many_as_were_asked_for(client: AsyncOpenAI) -> None:
    """And are counted as images."""
    drawn = await client.images.generate(model="mock-draw", prompt="a", n=3, extra_headers=script("response_tokens=5"))
    assert len(drawn.data or ()) == 3
    assert drawn.usage is not None
    assert drawn.usage.output_tokens == 5


async def test_speech_counts_nothing(client: AsyncOpenAI, mock_vendor: MockVendor) -> None:
    """It is bytes alone, and the log tells no usage."""
    spoken = await client.audio.speech.create(model="mock-speak", voice="alloy", input="hello")
    assert spoken.content.startswith(b"ID3")
    assert mock_vendor.served[-1].prompt_tokens is None
