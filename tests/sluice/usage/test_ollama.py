"""Tests of ``sluice.usage.ollama``: counts that are left out where they are 0."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sluice.money.usage import Usage
from sluice.usage.ollama import usage_of
from sluice.usage.plain_counts import decode_members


@pytest.mark.parametrize(
    ("members", "has_made", "usage", "problem"),
    [
        ({"prompt_eval_count": 5, "eval_count": 6}, True, Usage(5, 6), ""),
        ({"prompt_eval_count": 5}, False, Usage(5, 0), ""),
        ({"prompt_eval_count": 5}, True, None, "missing"),
        ({"eval_count": 6}, True, Usage(None, 6), "prompt_missing"),
        ({"total_duration": 1}, False, Usage(0, 0), ""),
        ({"total_duration": 1}, True, None, ""),
        ({"prompt_eval_count": -5, "eval_count": 6}, True, None, "negative_tokens"),
        ({"prompt_eval_count": "5", "eval_count": 6}, True, Usage(None, 6), "wrong_type"),
    ],
)
def test_what_is_missing_was_nothing_where_nothing_was_made(
    members: dict[str, Any],
    has_made: bool,
    usage: Usage | None,
    problem: str,
) -> None:
    """And is said to be missing where something was; what cannot be is no usage."""
    raw = decode_members(msgspec.json.encode(members))
    assert raw is not None
    found = usage_of(raw, has_made=has_made, is_idle=True)
    assert (found.usage, found.problem) == (usage, problem)
