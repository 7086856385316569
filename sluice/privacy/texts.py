"""Rules applied to texts that hold other texts: JSON with its escapes, JSON within JSON, percent-encoded parts."""

from __future__ import annotations

import json
import re
from typing import Final
from urllib.parse import quote, unquote_plus

from sluice.privacy.rules import Rules
from sluice.redaction import MASK
from sluice.sdk.numbers import IBAN_COUNTRIES
from sluice.sdk.sensitive import FOLDABLE, NAMED_NUMBERS, folded

_MAX_ROUNDS: Final = 6
_MAX_DEPTH: Final = 4
"""Texts within texts: a tool's arguments within a request that is itself an argument are three."""
# Atomic groups, no possessive repeats of groups: CPython before 3.11.5 matches those wrong (gh-106052).
_TOKEN: Final = re.compile(
    r'"(?>(?:[^"\\]++|\\.)*)"?|(?<=[:,\[\s])-?[0-9]{8,}+(?>(?:\.[0-9]++)?)(?=\s*+[,\]}])', re.DOTALL
)
"""A literal, also one that never ends; or a number, which cannot be replaced by a word."""
_NUMBERS_ALONE: Final = re.compile(r"\s*+\[(?>(?:[\s\[\]{},0-9.eE+-]|null|true|false)+)")
"""A list in JSON without a single text. (A body that is one number is taken for a text.)"""
_PART: Final = re.compile(r"[^\s\"'<>&?=#/;,(){}\[\]\\]++")
_ESCAPE: Final = re.compile(r"%[0-9A-Fa-f]{2}")
_ESCAPED: Final = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_CHARACTERS: Final = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_HIDING: Final = re.compile(r"\\[u/]")
"""Escapes of characters that values are made of; the others are ends of words."""
_KEPT: Final = "[]*:….@"
_TAIL_CHARACTERS: Final = 512
_NUMBER_CHARACTERS: Final = 48
_TOKEN_CHARACTERS: Final = 33_000
"""Of a JWT."""
_OF_TOKENS: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/=_.~-"
_HALF_IBAN: Final = re.compile(
    rf"(?<![^\W_])(?:{'|'.join(IBAN_COUNTRIES)})\d\d(?:[ -]\w{{4}}){{0,7}}[ -]?\Z", re.IGNORECASE
)


class TextRedactor:
    """Redacts a text until nothing is found in it any more."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    @property
    def gate(self) -> str | None:
        """As that of the rules; texts with escapes pass it."""
        gate = self._rules.gate
        return None if gate is None else rf"{gate}|\\[u/]|%[0-9A-Fa-f]{{2}}|{FOLDABLE}"

    def redact(self, text: str) -> str:
        """The text without what the rules find; the very same object where they find nothing.

        Where what was put in place keeps making something new to find, nothing of the text is left.
        """
        for _ in range(_MAX_ROUNDS):
            written = self._once(text, 0)
            if written == text:
                return text
            text = written
        return MASK

    def _once(self, text: str, depth: int) -> str:
        possible = self._rules.possible(text)
        if "credential" in possible and '"' in text:
            text = NAMED_NUMBERS.sub(r'\1"\2"', text)
        found = self._rules.find(text, possible)
        written = text
        has_escapes = "\\" in text and (possible or self._rules.has_own or _HIDING.search(text))
        if ('"' in text and (found or has_escapes)) or (found and _NUMBERS_ALONE.fullmatch(text)):
            written = _TOKEN.sub(lambda match: self._token(match[0], depth), text)
        if "%" in text and _ESCAPE.search(text):
            written = _PART.sub(lambda match: self._part(match[0]), written)
        if written == text:
            return self._rules.replaced(text, found) if found else text
        return self._rules.replace(written)

    def _token(self, token: str, depth: int) -> str:
        if token[0] != '"':
            written = self._rules.replace(token)
            return token if written == token else json.dumps(written, ensure_ascii=False)
        if "\\" not in token or depth >= _MAX_DEPTH:
            return token
        text = _unescaped(token)
        written = self._once(text, depth + 1)
        return token if written == text else json.dumps(written)

    def _part(self, part: str) -> str:
        if "%" not in part:
            return part
        plain = unquote_plus(part, errors="surrogateescape")
        written = self._rules.replace(plain)
        return part if written == plain else quote(written, safe=_KEPT, errors="surrogateescape")


def _unescaped(literal: str) -> str:
    """What is in quotes, without its escapes; also where it was cut, or has escapes that JSON has not."""
    try:
        text: str = json.loads(literal, strict=False)
    except (ValueError, RecursionError):
        return _leniently(literal)
    return text


def _leniently(literal: str) -> str:
    def character(match: re.Match[str]) -> str:
        return chr(int(match[1], 16)) if match[1] else _CHARACTERS.get(match[2], match[2])

    return _ESCAPED.sub(character, literal.strip('"'))


def without_tail(text: str) -> str:
    """A text that was cut, without its last word and the number before it: half a secret is not found."""
    at, floor = len(text), max(0, len(text) - _TAIL_CHARACTERS)
    while at > floor and not text[at - 1].isspace() and text[at - 1] not in "\"',;<>{}[]()":
        at -= 1
    if at == floor:
        word = text[max(0, at - _TOKEN_CHARACTERS) : at]
        at -= len(word) - len(word.rstrip(_OF_TOKENS))
    plain = folded(text[max(0, at - _NUMBER_CHARACTERS) : at])
    half = _HALF_IBAN.search(plain)
    return text[: at - len(plain) + (half.start() if half else len(plain.rstrip("0123456789 -+./()")))]
