"""Rules and actions: what stands in place of a value."""

from __future__ import annotations

from typing import Any

import pytest

from sluice.privacy.rules import Rules
from sluice.privacy.settings import RulesSettings
from sluice.privacy.texts import TextRedactor

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


@pytest.mark.parametrize("action", ["mask", "hash", "remove"])
def test_a_credential_is_hidden_once(action: str) -> None:
    """What stands in its place is a word after a name, as a credential is, and yet not found again: nor is what another
    rule put there."""
    settings = RulesSettings.model_validate({
        "rules": [{"name": "credential", "action": action}, {"name": "key", "action": "last4"}], "hash_secret": "s" * 16
    })  # fmt: skip
    redact = TextRedactor(Rules(settings)).redact
    for text in (
        "password: hunter2hunter2 stays",
        '{"api_key": "sk-abcdefghijklmnop1234"}',
        "Authorization: Bearer abc123abc123",
    ):
        written = redact(text)
        assert redact(written) == written
        assert "***" not in written
        assert text.partition(":")[0] in written
        assert "hunter2" not in written


@pytest.mark.parametrize(
    "name",
    [
        "refresh_token",
        "session-token",
        "authToken",
        "api_secret",
        "app-secret",
        "private_key",
        "passphrase",
        "PASS_PHRASE",
    ],
)
def test_names_of_credentials(name: str) -> None:
    """In JSON, in forms and in header lines; and not where something is only about them."""
    redact = TextRedactor(Rules(RulesSettings())).redact
    for text in (f'{{"{name}":"Zx81kdkeiw93kd"}}', f"a=1&{name}=Zx81kdkeiw93kd&b=2", f"{name}: Zx81kdkeiw93kd"):
        assert "Zx81" not in redact(text)
        assert name in redact(text)
    assert redact(f"{name}s_count: 1234567") == f"{name}s_count: 1234567"
