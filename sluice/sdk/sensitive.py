"""Finds in a text what must not be kept: credentials and personal data that have a form which can be checked.

Every search begins at a literal or a digit, looks at a bounded stretch from there, and goes on behind it: the time
grows with the text alone, whatever the text is. The forms are those of ASCII; ``folded`` makes a text's spaces, hyphens
and full-width digits theirs, character for character. Look-alike letters and characters that nobody sees within a value
are not undone here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from typing import Final, Literal, get_args

from sluice.sdk.numbers import IBAN_COUNTRIES, cards_in, iban_end

SensitiveKind = Literal["key", "jwt", "credential", "email", "phone", "card", "iban", "ssn"]
SENSITIVE_KINDS: Final[tuple[SensitiveKind, ...]] = get_args(SensitiveKind)

Place = tuple[int, int]
"""Where something begins and ends."""

_WORD: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
_LOCAL: Final = frozenset(".!#$%&'*+/=?^`{|}~") | _WORD
_MAX_LOCAL: Final = 64  # RFC 5321, 4.5.3.1
_MAX_DIGITS: Final = 15  # E.164
_MIN_DIGITS: Final = 8

# Atomic groups, no possessive repeats of groups: CPython before 3.11.5 matches those wrong (gh-106052).
_KEYS: Final = re.compile(
    r"(?:sk|pk|rk)[-_][\w-]{16,256}+"  # OpenAI, Anthropic, DeepSeek, OpenRouter; Stripe
    r"|A(?:KIA|SIA)[0-9A-Z]{16}(?!\w)"
    r"|AIza[\w-]{35}(?![\w-])"
    r"|xox[a-z](?:\.xox[a-z])?-[\w-]{10,256}+|xapp-[\w-]{10,256}+"
    r"|gh[pousr]_\w{36,256}+|github_pat_\w{22,256}+|glpat-[\w-]{20,256}+"
    r"|(?:hf_|gsk_|r8_|npm_|xai-|pplx-|nvapi-)\w[\w-]{27,256}+"
    r"|ya29\.[\w-]{20,512}+"
    r"|-----BEGIN [A-Z0-9 ]{0,32}+-----(?>(?:(?!-----).){0,16000})(?:-----END [A-Z0-9 ]{0,32}+-----)?",
    re.ASCII | re.DOTALL,
)
_JWT: Final = re.compile(r"eyJ[\w-]{8,8192}+\.[\w-]{4,16384}+(?>(?:\.[\w-]{0,8192}+){1,3})", re.ASCII)
_NAMES: Final = (
    r"(?:[Aa](?:[Pp][Ii]|[Cc][Cc][Ee][Ss][Ss])[_-]?(?:[Kk][Ee][Yy]|[Tt][Oo][Kk][Ee][Nn])"
    r"|[Aa][Uu][Tt][Hh][Oo][Rr][Ii][Zz][Aa][Tt][Ii][Oo][Nn]|[Pp][Aa][Ss][Ss][Ww](?:[Oo][Rr])?[Dd]"
    r"|(?:[Cc][Ll][Ii][Ee][Nn][Tt]|[Aa][Pp][IiPp])[_-]?[Ss][Ee][Cc][Rr][Ee][Tt]|[Ss][Ee][Cc][Rr][Ee][Tt][_-]?[Kk][Ee][Yy]"
    r"|(?:[Rr][Ee][Ff][Rr][Ee][Ss][Hh]|[Ss][Ee][Ss][Ss][Ii][Oo][Nn]|[Aa][Uu][Tt][Hh])[_-]?[Tt][Oo][Kk][Ee][Nn]"
    r"|[Pp][Rr][Ii][Vv][Aa][Tt][Ee][_-]?[Kk][Ee][Yy]|[Pp][Aa][Ss][Ss][_-]?[Pp][Hh][Rr][Aa][Ss][Ee])"
)
_SCHEME: Final = r"(?:(?:[Bb]earer|BEARER|[Bb]asic|BASIC|[Tt]oken)[ \t]{1,4}+)?"
_VALUE: Final = r"([^\s\"'&,;<>\\]{6,1024}+)"
_CREDENTIAL: Final = re.compile(
    r"(?:[Bb]earer|BEARER|[Bb]asic|BASIC)(?>(?:[ \t+]|%20){1,4})([\w.~+/=-]{12,8192}+)"
    rf"|{_NAMES}(?:"
    # a name in quotes and a value without: what ends a list or an object in JSON is not the value's
    rf"[\"']\s{{0,4}}+[:=]\s{{0,4}}+(?![\"']){_SCHEME}([^\s\"'&,;<>\\{{}}\[\]]{{6,1024}}+)"
    rf"|[\"']\s{{0,4}}+[:=]\s{{0,4}}+[\"']{_SCHEME}{_VALUE}"
    rf"|\s{{0,4}}+[:=]\s{{0,4}}+[\"']?{_SCHEME}{_VALUE})",
    re.ASCII,
)
NAMED_NUMBERS: Final = re.compile(
    rf'({_NAMES}"\s{{0,4}}+:\s{{0,4}}+)(-?(?:[0-9][0-9.eE+-]{{5,1023}}+|Infinity))(?=\s*+[,\]}}])', re.ASCII
)
"""In JSON: a credential's name, and a number, in whose place no word can stand."""
_KEY_STARTS: Final = (
    "sk-", "sk_", "pk-", "pk_", "rk-", "rk_", "AKIA", "ASIA", "AIza", "xox", "xapp-", "gho_", "ghp_", "ghr_", "ghs_",
    "ghu_", "github_pat_", "glpat-", "hf_", "gsk_", "r8_", "npm_", "xai-", "pplx-", "nvapi-", "ya29.", "-----BEGIN ",
)  # fmt: skip
_CREDENTIAL_WORDS: Final = (
    "bearer", "basic", "apikey", "api_key", "api-key", "apitoken", "api_token", "api-token", "accesskey", "access_key",
    "access-key", "accesstoken", "access_token", "access-token", "authorization", "passw", "secret", "refreshtoken",
    "refresh_token", "refresh-token", "sessiontoken", "session_token", "session-token", "authtoken", "auth_token",
    "auth-token", "privatekey", "private_key", "private-key", "passphrase", "pass_phrase", "pass-phrase",
)  # fmt: skip
"""To look for these is a tenth of what the expressions cost, which most texts then never pay."""
_DOMAIN: Final = re.compile(r"@((?>(?:[^\W_](?:[\w-]{0,62}+)\.){1,8}))([^\W\d_]{2,24}+)(?![\w-])")
_PHONE: Final = re.compile(
    r"\+[1-9]\d{0,2}(?>(?:[ ./-]?(?:\(\d{1,5}\)|\d{1,14})){1,6})"
    r"|00[1-9]\d{0,2}(?>(?:[ /-](?:\(\d{1,9}\)|\d{1,9})){2,6})"
    r"|(?:1[ .-])?(?:\([2-9]\d\d\) ?|[2-9]\d\d[ .-])\d{3}[ .-]\d{4}(?!\d)"
    r"|0[1-9](?:[ .-]\d\d){4}(?!\d)"
    r"|(?:\(0[1-9]\d{1,4}\)|0[1-9]\d{1,4})[ /-]\d{3,8}(?:[ -]\d{2,8})?(?!\d)",
    re.ASCII,
)
_SSN: Final = re.compile(r"[0-9]{3}-[0-9]{2}-[0-9]{4}(?!\w)")
_NO_SSN: Final = re.compile(r"000|666|9|...-00|.{7}0000")
_IBAN: Final = re.compile(r"[0-9]{2}(?=[ -]?[A-Za-z0-9]{4})")
"""From behind its country on: letters are everywhere."""
_HAS_LONG_NUMBER: Final = r"[0-9](?:[ ()./-]{0,3}[0-9]){7}"
_GATES: Final[dict[SensitiveKind, str]] = {
    "key": "|".join(_KEY_STARTS).replace(".", r"\."),
    "jwt": "eyJ",
    "credential": f"(?i:{'|'.join(_CREDENTIAL_WORDS)})",
    "email": "@",
    "phone": _HAS_LONG_NUMBER,
    "card": _HAS_LONG_NUMBER,
    "iban": rf"(?:^|[^A-Za-z0-9]|\\[nrtbf])(?i:{'|'.join(IBAN_COUNTRIES)})[0-9]{{2}}(?:[ -]?[A-Za-z0-9]){{11}}",
    "ssn": _HAS_LONG_NUMBER,
}
_NUMBERS: Final[tuple[SensitiveKind, ...]] = ("phone", "card", "iban", "ssn")
_LONG_NUMBER: Final = re.compile(_HAS_LONG_NUMBER)
"""As every number has that is looked for, but for IBANs: those of Malta may have more letters than digits."""


_FOLDED: Final = {
    **dict.fromkeys([0xA0, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000], " "),
    **dict.fromkeys([*range(0x2010, 0x2016), 0x2212, 0xFE58, 0xFE63, 0xFF0D], "-"),
    **{0xFF10 + digit: str(digit) for digit in range(10)},
    0xFF20: "@",
    0xFF0E: ".",
    0xFF0B: "+",
    0xFF08: "(",
    0xFF09: ")",
}
FOLDABLE: Final = f"[{''.join(map(chr, _FOLDED))}]"
"""A regular expression for any engine: what ``folded`` changes."""
_FOLDABLE: Final = re.compile(FOLDABLE)


def folded(text: str) -> str:
    """As long, with typesetters' spaces and hyphens, and full-width digits and marks, as those of ASCII."""
    if text.isascii() or _FOLDABLE.search(text) is None:
        return text
    return text.translate(_FOLDED)


def possible_kinds(text: str) -> frozenset[SensitiveKind]:
    """The kinds that a text may have something of: to ask is a fraction of what it costs to look."""
    lowered = text.lower()
    found: list[SensitiveKind] = ["email"] if "@" in text else []
    if any(begin in text for begin in _KEY_STARTS):
        found.append("key")
    if "eyJ" in text:
        found.append("jwt")
    if any(word in lowered for word in _CREDENTIAL_WORDS):
        found.append("credential")
    if _LONG_NUMBER.search(text):
        found += _NUMBERS
    elif _IBAN.search(text):
        found.append("iban")
    return frozenset(found)


def gate_of(kinds: Collection[SensitiveKind]) -> str:
    """A regular expression for RE2, Rust and ``re`` alike: a text without a match has none of the kinds."""
    return "|".join(dict.fromkeys(_GATES[kind] for kind in kinds))


def sensitive_places(kind: SensitiveKind, text: str, start: int = 0) -> Iterator[Place]:
    """Where values of a kind stand in a text, in order, none within another, from ``start`` on.

    Of ``credential`` it is the secret itself: the scheme or the name before it is not.
    """
    return _FINDERS[kind](text, start)


def _keys(text: str, start: int) -> Iterator[Place]:
    match = _KEYS.search(text, start)
    while match is not None:
        begins, ends = match.span()
        if text[begins] == "-":
            is_key = "PRIVATE KEY" in text[begins : begins + 64]
        elif begins and text[begins - 1] in _WORD:
            is_key, ends = False, begins + 1
        else:
            is_key = any(character.isdigit() for character in match[0])
        if is_key:
            yield begins, ends
        match = _KEYS.search(text, ends)


def _jwts(text: str, start: int) -> Iterator[Place]:
    at = text.find("eyJ", start)
    while at >= 0:
        match = None if at and text[at - 1] in _WORD else _JWT.match(text, at)
        if match:
            yield match.span()
        at = text.find("eyJ", match.end() if match else at + 3)


def _credentials(text: str, start: int) -> Iterator[Place]:
    for match in _CREDENTIAL.finditer(text, start):
        group = match.lastindex or 1
        is_word = group == 1 and not any(character.isdigit() or character.isupper() for character in match[1][1:])
        if not is_word and match[group] not in {"Bearer", "bearer", "[bearer]"}:
            yield match.span(group)


def _emails(text: str, start: int) -> Iterator[Place]:
    at, floor = text.find("@", start), start
    while at >= 0:
        match = _DOMAIN.match(text, at)
        begins = at
        while match and begins > max(floor, at - _MAX_LOCAL) and _is_local(text[begins - 1]):
            begins -= 1
        if match and begins < at:
            floor = match.end()
            yield begins, floor
        at = text.find("@", max(at + 1, floor))


def _is_local(character: str) -> bool:
    return character in _LOCAL or (character >= "\x80" and character.isalnum())


def _phones(text: str, start: int) -> Iterator[Place]:
    for match in _PHONE.finditer(text, start):
        begins, ends = match.span()
        digits = sum(character.isdigit() for character in match[0])
        before, behind = text[begins - 1 : begins], text[ends : ends + 1]
        is_number = (before in _WORD or before in {"+", "."}) if before else False
        if not is_number and not (behind and behind in _WORD) and _MIN_DIGITS <= digits <= _MAX_DIGITS:
            yield begins, ends


def _ibans(text: str, start: int) -> Iterator[Place]:
    match = _IBAN.search(text, start + 2)
    while match is not None:
        begins, ends = match.start() - 2, match.start() + 1
        if not (begins and text[begins - 1].isalnum()) and (end := iban_end(text, begins)):
            ends = end + 2
            yield begins, end
        match = _IBAN.search(text, ends)


def _ssns(text: str, start: int) -> Iterator[Place]:
    for match in _SSN.finditer(text, start):
        begins, ends = match.span()
        is_joined = begins > 0 and text[begins - 1] in _WORD
        if not is_joined and text[ends : ends + 1] != "-" and not _NO_SSN.match(match[0]):
            yield begins, ends


_FINDERS: Final[dict[SensitiveKind, Callable[[str, int], Iterator[Place]]]] = {
    "key": _keys,
    "jwt": _jwts,
    "credential": _credentials,
    "email": _emails,
    "phone": _phones,
    "card": cards_in,
    "iban": _ibans,
    "ssn": _ssns,
}
