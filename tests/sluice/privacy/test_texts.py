"""Texts within texts: no way of writing a value hides it, and what is redacted stays readable."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.privacy.rules import Rules
from sluice.privacy.settings import RulesSettings
from sluice.privacy.texts import TextRedactor, without_tail

REDACTOR = TextRedactor(Rules(RulesSettings()))
OWN = TextRedactor(Rules(RulesSettings.model_validate({"rules": ["email"], "patterns": ["[a-z]+ing", "x.*y", "b"]})))
ADA = "ada@example.com"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (json.dumps({"a": ADA}), '{"a": "[email]"}'),
        (json.dumps({ADA: 1}), '{"[email]": 1}'),
        ('{"a": "ada\\u0040example.com"}', '{"a": "[email]"}'),
        ('{"n": 4111111111111111, "m": [4111111111111111]}', '{"n": "[card]", "m": ["[card]"]}'),
        ('{"a": "line\\nsk-ant-api03-aB3aB3aB3aB3aB3"}', '{"a": "line\\n[key]"}'),
        ('{"a": "\\nDE89370400440532013000"}', '{"a": "\\n[iban]"}'),
        (json.dumps({"a": json.dumps({"b": json.dumps({"c": "é " + ADA})})}), None),
        ('{"a": "ada\\u0040example.com', '{"a": "[email]"'),
        ("email=ada%40example.com&x=1", "email=[email]&x=1"),
        ("/v1?q=ada%2540example.com", "/v1?q=ada%2540example.com"),
        ('{"url": "https://x.example/?mail=ada%40example.com"}', '{"url": "https://x.example/?mail=[email]"}'),
        ('{"a": "0171\\/1234567"}', '{"a": "[phone]"}'),
        ("4111111111111111", "[card]"),
        ("[null, [4111111111111111]]", '[null, ["[card]"]]'),
        ('[{"password": null}]', '[{"password": null}]'),
        ('[{"PASSWD": [[true]]}]', '[{"PASSWD": [[true]]}]'),
        ('{"password": 1234567, "b": 1}', '{"password": "[credential]", "b": 1}'),
        ('{"api_key": "1{2}[3]45"}', '{"api_key": "[credential]"}'),
        ('"authorization": Bearer abc1xyz', '"authorization": Bearer [credential]'),
    ],
)
def test_escapes_hide_nothing(text: str, expected: str | None) -> None:
    """JSON's, JSON's within JSON, those of URLs (once); numbers become texts, so that JSON stays JSON."""
    written = REDACTOR.redact(text)
    assert ADA not in written
    assert "u0040" not in written
    assert expected is None or written == expected
    if text.endswith("}"):
        json.loads(written)


@settings(deadline=None, max_examples=300)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.just(ADA),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.just(ADA), inner, max_size=4),
        max_leaves=12,
    ),
    st.booleans(),
)
def test_json_stays_json(value: Any, is_ascii: bool) -> None:
    """Whatever it holds; nothing that a rule names is left, and twice is once."""
    text = json.dumps(value if isinstance(value, dict | list | str) else [value], ensure_ascii=is_ascii)
    written = REDACTOR.redact(text)
    json.loads(written)
    assert ADA not in written
    assert REDACTOR.redact(written) == written


@settings(deadline=None, max_examples=300)
@given(st.text() | st.text(alphabet='ab@.cxying"\\u0040%{}[]*:email 0123456789', max_size=200))
def test_any_text_comes_to_rest(text: str) -> None:
    """No text raises; redacted again it is the same; no rule finds anything in it but what stands for something."""
    for redactor in (REDACTOR, OWN):
        written = redactor.redact(text)
        assert redactor.redact(written) == written


def test_removal_does_not_make_a_value_of_what_is_left() -> None:
    """What stands beside a removed value may become one: it is found too."""
    removing = TextRedactor(Rules(RulesSettings.model_validate({"rules": [{"name": "email", "action": "remove"}]})))
    assert removing.redact("a(b@x.example)c, d@e.example") == "a()c, "
    gluing = TextRedactor(
        Rules(RulesSettings.model_validate({"rules": [{"name": "key", "action": "remove"}, "email"]}))
    )
    assert "@" not in gluing.redact("ada@sk-aaaaaaaaaaaaaaaa1.example.com")


@pytest.mark.parametrize(
    "unit", ['"', "\\", '\\"', '"\\u0040', "%", "%4", "[[", '{"a":', ": 12345678 ", "a@b.cc ", "\\\\u0040"]
)
def test_no_text_takes_long(unit: str) -> None:
    """64 KiB of what the readers of texts within texts stumble over."""
    text = (unit * (1 << 16))[: 1 << 16]
    began = time.process_time()
    REDACTOR.redact(text)
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("my key sk-ant-ap", "my key"), ("card 4111 1111 11", "card"), ("call +49 (30) 12", "call"), ("", ""),
        ("mail ada@exam", "mail"), ('{"a": "sk-ab', '{"a": "'), ("漢" * 2000, "漢" * 1488),
        ("see eyJ" + "a" * 2000, "see"), ("see eyJ" + "a" * 20_000 + "." + "b" * 9_000, "see"),
        ("MT84 MALT 0110 0001 2345 MTLC AST0", ""), ("to GB82 WEST 1234 56", "to"),
        ("call\u202f+49\u202f30\u202f12", "call"),
        ("in 2024 MT84 MALT is", "in 2024"),
    ],
)  # fmt: skip
def test_half_a_secret_is_not_kept(text: str, expected: str) -> None:
    """Of what was cut the last word goes, and the number before it."""
    assert without_tail(text).rstrip() == expected.rstrip()


@pytest.mark.parametrize("space", ["\u00a0", "\u2009", "\u202f", "\u3000", "\u2010", "\u2011", "\u2013", "\u2212"])
@pytest.mark.parametrize("is_escaped", [True, False])
def test_a_typesetter_s_spaces_and_hyphens_hide_nothing(space: str, is_escaped: bool) -> None:
    """Between the groups of a number they are spaces and hyphens, and so in JSON's escapes."""
    text = json.dumps({"a": space.join(["card 4111", "1111", "1111", "1111 ok"])}, ensure_ascii=is_escaped)
    redactor = TextRedactor(Rules(RulesSettings()))
    assert json.loads(redactor.redact(text)) == {"a": "card [card] ok"}
    assert re.search(redactor.gate or "", text)


def test_full_width_digits_are_digits() -> None:
    """As keyboards of the far east write them; a hash is that of the plain number."""
    wide = str.maketrans({each: chr(0xFEE0 + ord(each)) for each in "0123456789@."})
    text = f"{'4111111111111111'.translate(wide)} \u3068 {ADA.translate(wide)}"
    assert REDACTOR.redact(text) == "[card] \u3068 [email]"
    hashing = RulesSettings.model_validate({"rules": [{"name": "card", "action": "hash"}], "hash_secret": "s" * 16})
    redact = TextRedactor(Rules(hashing)).redact
    assert redact("4111-1111-1111-1111".translate(wide)) == redact("4111111111111111")
