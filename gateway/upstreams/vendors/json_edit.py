"""Edits of a JSON object's bytes that touch no byte but those they are for.

A vendor must see what the client wrote: decoding and encoding would lose large numbers, order and spacing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}:,]', re.DOTALL)
_SPACE = b" \t\r\n"


def append_member(body: bytes, name: str, value: bytes) -> bytes:
    """The object with one more member, the last: of members with one name every common parser takes that."""
    end = body.rindex(b"}")
    separator = b"" if body[:end].rstrip(_SPACE).endswith(b"{") else b","
    return body[:end] + separator + msgspec.json.encode(name) + b":" + value + body[end:]


def with_member(body: bytes, names: Sequence[str], value: bytes) -> bytes:
    """The object with this value of a member, or of one inside others (``("options", "num_predict")``). What is missing
    on the way is made, and so is what is no object there."""
    name, *inner = names
    span = member_span(body, name)
    if span is None:
        return append_member(body, name, _nested(inner, value))
    old = body[span[0] : span[1]]
    new = with_member(old, inner, value) if inner and old.startswith(b"{") else _nested(inner, value)
    return body[: span[0]] + new + body[span[1] :]


def _nested(names: Sequence[str], value: bytes) -> bytes:
    for name in reversed(names):
        value = b"{" + msgspec.json.encode(name) + b":" + value + b"}"
    return value


def member_span(body: bytes, name: str) -> tuple[int, int] | None:
    """Where the value of an object's member begins and ends, the last of that name; ``body`` must be valid JSON."""
    depth, key, begin, span = 0, b"", -1, None
    for token in _TOKEN.finditer(body):
        first = body[token.start()]
        if depth == 1 and begin < 0 and first == 0x22:  # "
            key = token[0]
        elif first == 0x3A and begin < 0:  # :, and no nested one, since those are within a value
            begin = token.end()
        elif depth == 1 and first in b",}":
            if begin >= 0 and msgspec.json.decode(key) == name:
                span = _trim(body, begin, token.start())
            begin = -1
        depth += (first in b"[{") - (first in b"]}")
    return span


def _trim(body: bytes, begin: int, end: int) -> tuple[int, int]:
    value = body[begin:end]
    return begin + len(value) - len(value.lstrip(_SPACE)), end - len(value) + len(value.rstrip(_SPACE))
