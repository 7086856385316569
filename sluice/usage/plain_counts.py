"""Counts of vendors that let them stand by themselves, with no ``usage`` around them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from sluice.usage.counts import raw_text
from sluice.usage.reading import UNREADABLE

ABSENT: Final = msgspec.Raw(b"")
"""A field that is not there: in a union with None msgspec takes a Raw for nothing but null."""
_MAX_TOKENS: Final = 1 << 40
"""No count of one exchange is near it; so sums of money stay within 64 bits."""


class PlainCounts:
    """Reads counts, and remembers what is wrong with them."""

    def __init__(self) -> None:
        self.problem = ""
        """The first of them, as ``Answer.problem``."""
        self.is_impossible = False
        """Whether some count cannot be true: then none is to be believed."""

    def read(self, raw: msgspec.Raw | None) -> int | None:
        """A count; ``None`` where there is none that can be read."""
        text = bytes(raw) if raw is not None else b""
        if not text or text == b"null":
            return None
        try:
            value = msgspec.json.decode(text)
        except UNREADABLE:
            value = None
        if type(value) is not int:
            self._note("wrong_type")
            return None
        if not 0 <= value <= _MAX_TOKENS:
            self._note("negative_tokens" if value < 0 else "absurd_tokens")
            self.is_impossible = True
        return value

    def _note(self, problem: str) -> None:
        self.problem = self.problem or problem


def text_of_counts(members: Mapping[str, msgspec.Raw]) -> str | None:
    """These members as events keep them, in the vendor's own writing; ``None`` where there are none."""
    return raw_text(msgspec.json.encode(members)) if members else None


def decode_members(body: bytes | msgspec.Raw) -> dict[str, msgspec.Raw] | None:
    """The members of a JSON object, not decoded yet; ``None`` where it is none."""
    try:
        return _decode_members(body)
    except UNREADABLE:
        return None


_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
