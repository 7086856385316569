"""Tests of ``sluice.money.usage``."""

from __future__ import annotations

import pytest

from sluice.money.usage import Usage


@pytest.mark.parametrize(
    ("usage", "codes"),
    [
        (Usage(), ()),
        (Usage(prompt_tokens=0, response_tokens=0), ()),
        (Usage(prompt_tokens=10, cache_read_prompt_tokens=6, cache_write_prompt_tokens=4), ()),
        (Usage(cache_read_prompt_tokens=6), ()),
        (
            Usage(prompt_tokens=9, cache_read_prompt_tokens=6, cache_write_prompt_tokens=4),
            ("cache_tokens_exceed_prompt",),
        ),
        (Usage(response_tokens=1, reasoning_tokens=2), ("reasoning_exceeds_response",)),
        (Usage(prompt_tokens=-1), ("negative_tokens",)),
        (Usage(tool_requests=-1), ("negative_tokens",)),
        (Usage(prompt_tokens=4, audio_prompt_tokens=2, image_prompt_tokens=2), ()),
        (Usage(audio_prompt_tokens=2), ()),
        (Usage(prompt_tokens=3, audio_prompt_tokens=2, image_prompt_tokens=2), ("media_tokens_exceed_prompt",)),
        (Usage(response_tokens=3, audio_response_tokens=4), ("media_tokens_exceed_response",)),
        (Usage(response_tokens=3, image_response_tokens=4), ("media_tokens_exceed_response",)),
        (Usage(cache_write_1h_prompt_tokens=3), ()),
        (
            Usage(prompt_tokens=9, cache_write_prompt_tokens=2, cache_write_1h_prompt_tokens=3),
            ("cache_write_1h_exceeds_cache_write",),
        ),
    ],
)
def test_contradictions_are_named(usage: Usage, codes: tuple[str, ...]) -> None:
    """Counts that cannot all be true are named; absent counts contradict nothing."""
    assert usage.contradictions() == codes
