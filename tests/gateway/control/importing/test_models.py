"""Patterns that were looked for anywhere in a name allow the same models where the whole name must match."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.control.importing.models import NOTHING, glob_pattern, whole_patterns

PATTERNS = st.sampled_from(
    ["gpt", "^gpt", "4o$", "^a|b$", "gpt-4o.*", "(?i)GPT", "^gpt-4o$", "a|b", "", "g.t", "[0-9]"]
)


@given(PATTERNS, st.text("gpt-4oabGPT", max_size=10))
def test_the_same_models_are_allowed(pattern: str, model: str) -> None:
    """Whatever anchors and flags a pattern has."""
    ((whole,), bad) = whole_patterns([pattern])
    assert bad == []
    assert bool(re.fullmatch(whole, model)) == bool(re.search(pattern, model))


def test_what_people_wrote_whole_stays() -> None:
    """They read it again."""
    assert whole_patterns(["^gpt-4o$"]) == (["^gpt-4o$"], [])


def test_a_pattern_that_is_none_allows_nothing() -> None:
    """An empty list would allow everything."""
    assert whole_patterns(["("]) == ([NOTHING], ["("])
    assert whole_patterns(["(", "a"]) == ([".*(?:a).*"], ["("])
    assert whole_patterns(["[[a]"]) == ([NOTHING], ["[[a]"])
    assert whole_patterns([]) == ([], [])
    assert re.fullmatch(NOTHING, "") is None


@pytest.mark.parametrize(
    ("name", "yes", "no"), [("gpt-4o", "gpt-4o", "gpt-4o-mini"), ("gpt-*", "gpt-5", "o1"), ("a.b", "a.b", "axb")]
)
def test_a_glob(name: str, yes: str, no: str) -> None:
    """A star is anything, all else itself."""
    assert re.fullmatch(glob_pattern(name), yes)
    assert not re.fullmatch(glob_pattern(name), no)
