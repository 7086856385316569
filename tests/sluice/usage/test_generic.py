"""Tests of ``sluice.usage.generic``: counts under any vendor's names."""

from __future__ import annotations

from typing import Any

import pytest

from sluice.money.usage import Usage
from sluice.usage.generic import usage_in


@pytest.mark.parametrize(
    ("counts", "usage", "is_odd"),
    [
        ({"text": "tokens"}, None, False),
        ({"promptTokens": 3, "completionTokens": 4}, Usage(3, 4), False),
        ({"totalTokens": 9, "outputTokens": 4}, Usage(5, 4), False),
        ({"input_tokens": 3, "output_tokens": 4, "cache_read_input_tokens": 5}, Usage(8, 4, 5), False),
        ({"promptTokenCount": 3, "candidatesTokenCount": 4, "thoughtsTokenCount": 2},
         Usage(3, 6, reasoning_tokens=2), False),
        ({"prompt_tokens": "many"}, None, True),
        ({"promptTokens": -1}, None, True),
        ({"promptTokens": True}, None, True),
    ],
)  # fmt: skip
def test_counts_are_found_by_their_names(counts: dict[str, Any], usage: Usage | None, is_odd: bool) -> None:
    """Parts that stand beside the prompt belong to it; a name without a count is odd, and no count at all is not."""
    assert usage_in(counts) == (usage, is_odd)
