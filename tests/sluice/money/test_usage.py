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
    ],
)
def test_contradictions_are_named(usage: Usage, codes: tuple[str, ...]) -> None:
    """Counts that cannot all be true are named; absent counts contradict nothing."""
    assert usage.contradictions() == codes
