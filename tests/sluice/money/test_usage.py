"""Tests of ``sluice.money.usage``."""

from __future__ import annotations

import timeit

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


@pytest.mark.parametrize("usage", [Usage(100, 20), Usage(100, 20, 60, 30, 15), Usage(0, 0, 0, 0, 0)])
def test_counts_of_most_answers_are_compared_in_passing(usage: Usage) -> None:
    """A microsecond and a half at most: every answer is asked."""
    assert min(timeit.repeat(usage.contradictions, number=1000, repeat=5)) * 1000 < 1.5


@given(st.lists(st.one_of(st.none(), st.integers(-3, 6)), min_size=11, max_size=11))
def test_the_quick_look_and_the_thorough_one_agree(counts: list[int | None]) -> None:
    """Whatever is absent, zero, negative or larger than its whole."""
    usage = Usage(*counts)
    assert usage.contradictions() == usage._contradictions()


@pytest.mark.parametrize(
    ("usage", "code"),
    [
        (Usage(), ""),
        (Usage(0, 0, 0, 0, 0), ""),
        (Usage(1 << 40, 1 << 40, tool_requests=1 << 40), ""),
        (Usage(1, (1 << 40) + 1), "absurd_tokens"),
        (Usage(5, tool_requests=-1), "negative_tokens"),
        (Usage((1 << 40) + 1, -1), "absurd_tokens"),
        (Usage(-1, 1 << 90), "negative_tokens"),
    ],
)
def test_counts_beyond_all_bounds_are_no_usage(usage: Usage, code: str) -> None:
    """The first one that is says why; each bound is inside."""
    assert usage.impossible() == code


@pytest.mark.parametrize("name", Usage.__struct_fields__)
def test_every_class_of_tokens_is_a_part_but_prompt_and_response(name: str) -> None:
    """One that ``has_parts`` forgot would be charged at the prompt's or the response's price."""
    assert Usage(**{name: 1}).has_parts() == (name not in {"prompt_tokens", "response_tokens"})
    assert not Usage(**{name: 0}).has_parts()
