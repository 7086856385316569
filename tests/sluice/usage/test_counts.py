"""Tests of ``sluice.usage.counts``: hand-checked usages, as OpenAI and its likes publish them."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.money.usage import Usage
from sluice.usage.counts import NOTHING_COUNTED, Counted, raw_text, usage_of


def counted(counts: Any) -> Counted:
    """What a usage says."""
    return usage_of(msgspec.Raw(json.dumps(counts).encode()))


PUBLISHED = {
    "chat with audio": (
        {
            "prompt_tokens": 120, "completion_tokens": 80, "total_tokens": 200,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 100},
            "completion_tokens_details": {
                "reasoning_tokens": 0, "audio_tokens": 60,
                "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
            },
        },
        Usage(120, 80, 0, None, 0, audio_prompt_tokens=100, audio_response_tokens=60),
    ),
    "responses": (
        {
            "input_tokens": 75, "input_tokens_details": {"cached_tokens": 10},
            "output_tokens": 1186, "output_tokens_details": {"reasoning_tokens": 1024}, "total_tokens": 1261,
        },
        Usage(75, 1186, 10, None, 1024),
    ),
    "transcription": (
        {
            "type": "tokens", "input_tokens": 14, "input_token_details": {"text_tokens": 0, "audio_tokens": 14},
            "output_tokens": 45, "total_tokens": 59,
        },
        Usage(14, 45, audio_prompt_tokens=14),
    ),
    "image": (
        {
            "total_tokens": 100, "input_tokens": 50, "output_tokens": 50,
            "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
        },
        Usage(50, 50, image_prompt_tokens=40),
    ),
    "embedding": ({"prompt_tokens": 8, "total_tokens": 8}, Usage(8)),
    "deepseek": (
        {
            "prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120,
            "prompt_cache_hit_tokens": 64, "prompt_cache_miss_tokens": 36,
            "completion_tokens_details": {"reasoning_tokens": 5},
        },
        Usage(100, 20, 64, None, 5),
    ),
    "groq": (
        {
            "queue_time": 0.037, "prompt_tokens": 18, "prompt_time": 0.0006, "completion_tokens": 556,
            "completion_time": 0.46, "total_tokens": 574, "total_time": 0.464,
        },
        Usage(18, 556),
    ),
    "openrouter": (
        {
            "prompt_tokens": 194, "completion_tokens": 2, "total_tokens": 196, "cost": 0.95,
            "prompt_tokens_details": {"cached_tokens": 100, "cache_write_tokens": 50, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0}, "cost_details": {"upstream_inference_cost": 19},
            "server_tool_use": {"web_search_requests": 3},
        },
        Usage(194, 2, 100, 50, 0, tool_requests=3),
    ),
    "xai, whose reasoning is beside the response": (
        {
            "prompt_tokens": 32, "completion_tokens": 9, "total_tokens": 135, "num_sources_used": 0,
            "prompt_tokens_details": {"text_tokens": 32, "audio_tokens": 0, "image_tokens": 0, "cached_tokens": 6},
            "completion_tokens_details": {"reasoning_tokens": 94, "audio_tokens": 0},
        },
        Usage(32, 103, 6, None, 94),
    ),
    "mistral": ({"prompt_tokens": 16, "completion_tokens": 34, "total_tokens": 50}, Usage(16, 34)),
    "perplexity": (
        {"prompt_tokens": 9, "completion_tokens": 70, "total_tokens": 79, "num_search_queries": 4},
        Usage(9, 70, tool_requests=4),
    ),
    "moonshot": ({"prompt_tokens": 9, "completion_tokens": 7, "cached_tokens": 8}, Usage(9, 7, 8)),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_usages(name: str) -> None:
    """Each count where it belongs, and the vendor's own text beside them."""
    counts, usage = PUBLISHED[name]
    found = counted(counts)
    assert (found.usage, found.problem) == (usage, "")
    assert json.loads(found.text or "") == counts
    assert usage.contradictions() == ()


def test_seconds_are_no_tokens() -> None:
    """A vendor that bills by time counts none: the text says how long it was."""
    assert counted({"type": "duration", "seconds": 5}) == Counted(None, '{"type": "duration", "seconds": 5}', "")


@pytest.mark.parametrize(
    ("counts", "usage", "problem"),
    [
        ({"prompt_tokens": -1, "completion_tokens": 5}, None, "negative_tokens"),
        ({"prompt_tokens": 1, "prompt_tokens_details": {"audio_tokens": -7}}, None, "negative_tokens"),
        ({"prompt_tokens": 1 << 41}, None, "absurd_tokens"),
        ({"prompt_tokens": 10**30}, None, "absurd_tokens"),
        ({"prompt_tokens": "5"}, None, "wrong_type"),
        ({"prompt_tokens": 5, "prompt_tokens_details": []}, Usage(5), "wrong_type"),
        ({"prompt_tokens": 5, "cached_tokens": "5"}, Usage(5), "wrong_type"),
        ([1], None, "wrong_type"),
    ],
)
def test_why_counts_are_not_believed(counts: Any, usage: Usage | None, problem: str) -> None:
    """A stable code; the counts beside an odd one stay."""
    found = counted(counts)
    assert (found.usage, found.problem) == (usage, problem)


def test_nothing_is_nothing() -> None:
    """Absent and null."""
    assert usage_of(msgspec.Raw(b"")) == usage_of(msgspec.Raw(b"null")) == NOTHING_COUNTED


def test_a_text_is_kept_within_bounds() -> None:
    """Broken characters are replaced."""
    assert raw_text(b"\xff") == "\ufffd"
    assert raw_text(b"x" * 8193) == "{}"


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
                    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(
                        st.sampled_from(["prompt_tokens", "input_tokens", "completion_tokens", "total_tokens",
                                         "prompt_tokens_details", "cached_tokens", "server_tool_use"]),
                        inner, max_size=4), max_leaves=8))  # fmt: skip
def test_no_usage_breaks_the_reader(counts: Any) -> None:
    """Whatever the shape: counts that could be true, or none and why."""
    found = counted(counts)
    if found.usage is not None:
        assert all(count is None or 0 <= count <= 1 << 41 for count in msgspec.structs.astuple(found.usage))
