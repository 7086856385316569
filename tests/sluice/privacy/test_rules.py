"""Rules and actions: what stands in place of a value."""

from __future__ import annotations

from typing import Any

import pytest

from sluice.privacy.rules import Rules
from sluice.privacy.settings import RulesSettings

SECRET = "0123456789abcdef"


def replaced(text: str, **values: Any) -> str:
    """A text by these rules."""
    return Rules(RulesSettings.model_validate({"hash_secret": SECRET, **values})).replace(text)


@pytest.mark.parametrize(
    ("rule", "text", "expected"),
    [
        ("email", "to ada@example.com now", "to [email] now"),
        ({"name": "email", "action": "remove"}, "to ada@example.com now", "to  now"),
        ({"name": "card", "action": "last4"}, "4111 1111 1111 1111", "[card:…1111]"),
        ({"name": "iban", "action": "last4"}, "DE89 3704 0044 0532 0130 00", "[iban:…3000]"),
        ({"name": "key", "action": "last4"}, "sk-" + "a1B2" * 8, "[key:…a1B2]"),
        ({"name": "staff", "pattern": "E-[0-9]{6}"}, "E-123456!", "[staff]!"),
        ("credential", "Authorization: Bearer abcdef0123456", "Authorization: Bearer [credential]"),
    ],
)
def test_each_action_leaves_what_it_says(rule: Any, text: str, expected: str) -> None:
    """And the rest of the text."""
    assert replaced(text, rules=[rule]) == expected


def test_hashes_join_and_tell_nothing() -> None:
    """Equal values, however they are written, are equal; another secret makes others; no digit is in them."""
    rule = {"name": "card", "action": "hash"}
    first, second = replaced("4111 1111 1111 1111", rules=[rule]), replaced("4111111111111111", rules=[rule])
    assert first == second != replaced("5555555555554444", rules=[rule])
    assert first != replaced("4111111111111111", rules=[rule], hash_secret=SECRET[::-1])
    assert not any(character.isdigit() for character in first)


def test_nothing_named_is_every_kind() -> None:
    """``redacted`` alone redacts."""
    assert replaced("ada@example.com 4111111111111111") == "[email] [card]"
    assert replaced("ada@example.com 4111111111111111", patterns=["zzz"]) == "ada@example.com 4111111111111111"


def test_what_overlaps_is_one() -> None:
    """Under the rule that found most of it."""
    assert replaced("x ada@example.com y", rules=["email"], patterns=["example[.]com y"]) == "x [email]"


@pytest.mark.parametrize("pattern", ["email", r"\w+", r".+", r"\*", r"[a-p]{32}", r"[\[\]]"])
def test_placeholders_are_not_found_again(pattern: str) -> None:
    """Whatever a pattern matches: to redact twice is to redact once."""
    for action in ("mask", "hash"):
        values: Any = {"rules": [{"name": "email", "action": action}], "patterns": [pattern]}
        once = replaced("ada@example.com and [email] x ***", **values)
        assert replaced(replaced(once, **values), **values) == replaced(once, **values)


def test_a_clean_text_is_the_same_object() -> None:
    """So that nothing is written anew for nothing."""
    text = "nothing of it 12345"
    assert replaced(text) is text
