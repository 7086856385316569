"""Patterns of an operator's own: what is taken runs in time that grows with the text alone."""

from __future__ import annotations

import sys
import time

import pytest

from sluice.privacy.patterns import compiled


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("(?=a)b", "lookarounds"), ("(?!a)b", "lookarounds"), ("(?<=a)b", "lookarounds"), ("(?<!a)b", "lookarounds"),
        ("(?>a)", "lookarounds"), (r"(a)\1", "backreferences"), ("(", "is no regular expression"),
        ("[", "is no regular expression"), ("*", "is no regular expression"), ("a*", "matches where nothing is"),
        ("", "matches where nothing is"), ("x|", "matches where nothing is"), (r"\pL{300}", "costly"),
        ("((a{100}){100}){100}", "is no regular expression"), ("\ud800", "is no regular expression"),
    ],
)  # fmt: skip
def test_what_has_no_bound_is_refused(pattern: str, said: str) -> None:
    """With the reason, before a text is read."""
    with pytest.raises(ValueError, match=said):
        compiled(pattern)


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$", "(a|a?)+b", "(.*a){12}b", "[ab]*a[ab]{12}c"])
def test_patterns_that_explode_elsewhere_do_not_here(pattern: str) -> None:
    """64 KiB of what nearly matches."""
    find = compiled(pattern)
    began = time.process_time()
    list(find("a" * (1 << 16) + "!"))
    assert time.process_time() - began < 3


def test_places_are_those_of_the_text() -> None:
    """Characters, not bytes; also behind half a surrogate pair."""
    find = compiled("é+")
    assert list(find("aéé xé")) == [(1, 3), (5, 6)]
    assert list(find("\ud800é")) == [(1, 2)]
    assert list(find("nothing")) == []


def test_without_re2_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings with patterns are refused then, and those without are not."""
    monkeypatch.setitem(sys.modules, "re2", None)
    compiled.cache_clear()
    with pytest.raises(ValueError, match=r"sluice-gateway\[redaction\]"):
        compiled("abc")
