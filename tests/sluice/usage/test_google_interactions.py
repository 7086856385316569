"""Tests of ``sluice.usage.google_interactions``: names of its own."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sluice.money.usage import Usage
from sluice.usage.google_interactions import usage_of_interaction


@pytest.mark.parametrize(
    ("counts", "usage", "problem"),
    [
        ({"total_input_tokens": 5, "total_output_tokens": 2, "total_thought_tokens": 3, "total_tool_use_tokens": 1,
          "total_cached_tokens": 4}, Usage(6, 5, 4, None, 3), ""),
        ({"total_input_tokens": 5, "grounding_tool_count": [{"type": "google_search", "count": 2}, {"type": "x"}]},
         Usage(5, 0, tool_requests=2), ""),
        ({"total_input_tokens": 5, "cached_tokens_by_modality": [{"modality": "audio", "tokens": 1}]}, Usage(5, 0),
         "cached_audio"),
        ({"total_input_tokens": -5}, None, "negative_tokens"),
        ({"total_input_tokens": 1 << 50}, None, "absurd_tokens"),
        ({"total_input_tokens": "5"}, None, "wrong_type"),
        ({}, None, ""),
    ],
)  # fmt: skip
def test_thoughts_and_tools_belong_to_their_side(counts: dict[str, Any], usage: Usage | None, problem: str) -> None:
    """And what cannot be is no usage."""
    found = usage_of_interaction(json.dumps(counts).encode())
    assert (found.usage, found.problem) == (usage, problem)
