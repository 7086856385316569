"""Criteria: what can be meant by them, and what is refused instead of being guessed."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from collectors.criteria import Criteria


def test_ids_may_be_text() -> None:
    """As ``${VARIABLE}`` gives them; in ``llms`` a text is a name, as a slug may be a number."""
    found = Criteria.model_validate({"apps": ["7"], "llms": [3, "3", "gpt*"]})
    assert (found.apps, found.llms) == ((7,), (3, "3", "gpt*"))


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"apps": []},
        {"apps": [-1]},
        {"apps": [1 << 63]},
        {"llms": [1 << 63]},
        {"apps": ["seven"]},
        {"apps": 7},
        {"llms": [""]},
        {"llms": [True]},
        {"llms": [-1]},
        {"llms": [1.5]},
        {"llms": [None]},
        {"vendors": [""]},
        {"vendors": [1]},
        {"outcomes": ["x" * 201]},
        {"app": [7]},
    ],
)
def test_what_means_nothing_is_refused(given: Any) -> None:
    """Empty criteria would mean everything to one reader and nothing to the other."""
    with pytest.raises(ValidationError):
        Criteria.model_validate(given)
