"""Rules applied to a text: what they find, and what stands there instead.

What stands there instead is never found again, so that to redact twice is to redact once.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Final, NamedTuple, cast

from sluice.privacy.patterns import Find, compiled
from sluice.privacy.settings import Action, RulesSettings
from sluice.redaction import MASK
from sluice.sdk.sensitive import (
    SENSITIVE_KINDS,
    SensitiveKind,
    folded,
    gate_of,
    possible_kinds,
    sensitive_places,
)

_HASH_LETTERS: Final = bytes.maketrans(b"0123456789abcdef", b"abcdefghijklmnop")
"""Letters, so that no hash looks like a number."""
_HASH_CHARACTERS: Final = 32  # 128 bits
_LAST: Final = 4


class _Rule(NamedTuple):
    find: Find
    replacement: Callable[[str], str]
    kind: SensitiveKind | None
    """``None`` is a pattern of an operator's own."""


class Rules:
    """What is looked for, and what becomes of it."""

    def __init__(self, settings: RulesSettings) -> None:
        """Of settings that name nothing: every kind that is known."""
        secret = settings.hash_secret.get_secret_value().encode()
        named = [(rule.name, rule.pattern, rule.action) for rule in settings.rules]
        if not named and not settings.patterns:
            named = [(kind, "", "mask") for kind in SENSITIVE_KINDS]
        self._rules = [
            _Rule(_finder(name, pattern), _replacement(name, action, secret), None if pattern else _kind(name))
            for name, pattern, action in named
        ]
        self._rules += [_Rule(compiled(pattern), lambda _: MASK, None) for pattern in settings.patterns]
        self._kinds = frozenset(rule.kind for rule in self._rules if rule.kind is not None)
        self.has_own = any(rule.kind is None for rule in self._rules)
        self._finds_any_word = self.has_own or "credential" in self._kinds
        names = "|".join(re.escape(name) for name, _, _ in named) or "-"
        self._placeholder = re.compile(
            rf"\[(?:{names})(?::(?:[a-p]{{{_HASH_CHARACTERS}}}|….{{0,{_LAST}}}))?\]|\*{{3,}}"
        )

    @property
    def gate(self) -> str | None:
        """A regular expression for any engine: in a text without a match there is nothing to find; ``None`` where
        patterns of an operator's own are among the rules, for which there is none."""
        return None if self.has_own else gate_of(sorted(self._kinds))

    def possible(self, text: str) -> frozenset[SensitiveKind]:
        """The kinds that are looked for and that the text may have something of."""
        return self._kinds & possible_kinds(folded(text)) if self._kinds else self._kinds

    def find(self, text: str, possible: frozenset[SensitiveKind] | None = None) -> list[tuple[int, int, int]]:
        """What is found, in order and without overlap: where it begins and ends, and which rule found most of it."""
        possible = self.possible(text) if possible is None else possible
        if not possible and not self.has_own:
            return []
        plain = folded(text)
        found = [
            (*place, at)
            for at, rule in enumerate(self._rules)
            if rule.kind is None or rule.kind in possible
            for place in rule.find(text if rule.kind is None else plain)
        ]
        if not found:
            return found
        if self._finds_any_word and ("[" in text or MASK in text):
            found = list(self._but_placeholders(text, found))
        return list(_merged(sorted(found)))

    def _but_placeholders(self, text: str, found: Iterable[tuple[int, int, int]]) -> Iterator[tuple[int, int, int]]:
        """Without what stands within a placeholder; what reaches into one takes it whole."""
        placeholders = [match.span() for match in self._placeholder.finditer(text)]
        for begins, ends, at in found:
            touched = [place for place in placeholders if place[0] < ends and begins < place[1]]
            if any(place[0] <= begins and ends <= place[1] for place in touched):
                continue
            whole = [(begins, ends), *touched]
            yield min(place[0] for place in whole), max(place[1] for place in whole), at

    def replace(self, text: str) -> str:
        """The text with what is found replaced; the very same object where nothing is."""
        return self.replaced(text, self.find(text))

    def replaced(self, text: str, found: list[tuple[int, int, int]]) -> str:
        """The same, of what was found before."""
        out, last = [], 0
        for begins, ends, at in found:
            out += [text[last:begins], self._rules[at].replacement(folded(text[begins:ends]))]
            last = ends
        return "".join([*out, text[last:]]) if last else text


def _finder(name: str, pattern: str) -> Find:
    return compiled(pattern) if pattern else partial(sensitive_places, _kind(name))


def _kind(name: str) -> SensitiveKind:
    return cast("SensitiveKind", name)


def _merged(found: Iterable[tuple[int, int, int]]) -> Iterator[tuple[int, int, int]]:
    """Those that overlap as one, under the rule that found the longest of them."""
    begins, ends, rule, longest = -1, -1, 0, 0
    for start, end, at in found:
        if start >= ends:
            if ends > 0:
                yield begins, ends, rule
            begins, ends, rule, longest = start, end, at, end - start
            continue
        if end - start > longest:
            rule, longest = at, end - start
        ends = max(ends, end)
    if ends > 0:
        yield begins, ends, rule


def _replacement(name: str, action: Action, secret: bytes) -> Callable[[str], str]:
    if action == "remove":
        return lambda _: ""
    if action == "hash":
        return lambda value: f"[{name}:{_hashed(value, secret)}]"
    if action == "last4":
        return lambda value: f"[{name}:…{_last4(value)}]"
    return lambda _: f"[{name}]"


def _hashed(value: str, secret: bytes) -> str:
    """Equal for values that are written differently only in case, spaces and marks: what is joined is what is meant."""
    plain = "".join(character for character in value.casefold() if character.isalnum() or character == "@")
    digest = hmac.new(secret, plain.encode("utf-8", "replace"), hashlib.sha256).hexdigest()
    return digest[:_HASH_CHARACTERS].encode().translate(_HASH_LETTERS).decode()


def _last4(value: str) -> str:
    plain = "".join(character for character in value if character.isascii() and character.isalnum())
    return plain[-_LAST:] if len(plain) >= 3 * _LAST - 4 else ""
