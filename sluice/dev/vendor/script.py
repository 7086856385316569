"""What the vendor is told to do with one request: ``status=429;delay_ms=50;chunks=20``.

The same keys are the server's defaults (``MockVendor({"chunks": 20})``, ``sluice mock-vendor --set chunks=20``) and one
request's own, in its ``x-mock`` header, which the gateway passes on like any other header of a client.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, Literal, get_args, get_type_hints

HEADER = "x-mock"
MAX_CHUNKS = 100_000
MAX_MILLISECONDS = 3_600_000
MAX_BOMB_MIB = 1024


class ScriptError(ValueError):
    """A script that cannot be followed; the message names the key and what is allowed."""


@dataclass(frozen=True, slots=True, eq=False)
class Script:
    """One request's answer. Compared by identity, because it is the key under which prebuilt answers are found."""

    status: int = 200
    """From 400 on the body is an error in the vendor's own shape, streamed or not."""
    retry_after: str = ""
    delay_ms: int = 0
    """Before the head."""
    chunks: int = 4
    """Pieces of text: SSE frames of a stream; a plain answer has the same text whole."""
    pace_ms: int = 0
    """Between the pieces of a body."""
    text: str = ""
    """The text of each piece; empty is a sentence, a word a piece."""
    piece_bytes: int = 0
    """Pads or cuts each piece of text to this size."""
    model: str = ""
    """The model that the answer names; empty is the one asked for."""
    prompt_tokens: int = 11
    """All of the prompt, what is read from and written to the cache included."""
    response_tokens: int = 7
    """All that is made, reasoning included."""
    cached: int = 0
    cache_write: int = 0
    """Where the vendor tells what was written to its cache: OpenAI, Anthropic, Bedrock."""
    cache_write_1h: int = 0
    """The part of that which is kept for an hour."""
    reasoning: int = 0
    """Above 0 the model also shows what it thinks, where the vendor's format has a place for it."""
    figures: Literal["", "negative", "huge", "text", "null", "list", "object", "float"] = ""
    """What stands in place of each count of the usage."""
    usage: Literal["auto", "none", "always"] = "auto"
    """``auto``: in plain answers, and on streams whose request asked for it."""
    tool_calls: int = 0
    finish: Literal["", "length", "filter"] = ""
    """Why the answer ended; empty is that it was done, or calls tools."""
    fail_after: int = -1
    """Ends a stream with the vendor's own error after so many pieces."""
    cut_after: int = -1
    """Breaks the connection after so many pieces of a stream, or bytes of a plain body; 0 is after the head."""
    cut: Literal["reset", "close"] = "reset"
    hang: Literal["", "head", "body"] = ""
    """Falls silent before the head, or in the middle of the body, until the client leaves."""
    garbage: Literal["", "1", "head", "body"] = ""
    """``head`` (or 1): bytes that are not HTTP. ``body``: a well-framed body that is not what its type says."""
    endless: Literal["", "1"] = ""
    """A stream goes over its pieces again and again and never reaches its end."""
    coding: Literal["", "gzip", "deflate", "br", "zstd"] = ""
    """The body's content coding, whether the client takes it or not."""
    bomb_mib: int = 0
    """So many MiB of empty lines before the end of the body, which a coding makes next to nothing of."""
    length: Literal["", "short", "long", "conflict"] = ""
    """A plain answer that declares a byte too few, a byte too many, or two lengths."""
    framing: Literal["", "length", "chunked", "eof"] = ""
    """Empty is ``length`` for plain answers and ``chunked`` for streams; ``eof`` ends with the connection."""
    drip: int = 0
    """Sends the body in pieces of so many bytes, whatever they cut through, ``pace_ms`` apart."""
    close: Literal["", "1", "silent"] = ""
    """Closes the connection after the answer, saying so (1) or not."""


_TYPES: Mapping[str, Any] = get_type_hints(Script)
_NAMES = tuple(field.name for field in fields(Script))
_BOUNDS = {"chunks": (0, MAX_CHUNKS), "delay_ms": (0, MAX_MILLISECONDS), "pace_ms": (0, MAX_MILLISECONDS),
           "status": (200, 599), "cut_after": (-1, 1 << 31),
           "fail_after": (-1, MAX_CHUNKS), "bomb_mib": (0, MAX_BOMB_MIB)}  # fmt: skip
_ANY_COUNT = (0, 1 << 31)


def make_script(values: Mapping[str, Any], base: Script | None = None) -> Script:
    """``base`` with these values; raises ScriptError."""
    return replace(base or Script(), **{key: _value(key, str(value)) for key, value in values.items()})


@lru_cache(maxsize=1024)  # a script is its answers' key, so the same text must be the same object
def parse_script(text: str, base: Script) -> Script:
    """``base`` changed by ``key=value;key=value``; raises ScriptError."""
    values: dict[str, str] = {}
    for part in text.split(";"):
        key, equals, value = part.partition("=")
        if equals:
            values[key.strip()] = value.strip()
        elif key.strip():
            message = f"{part.strip()!r} is not key=value"
            raise ScriptError(message)
    return make_script(values, base)


def _value(key: str, text: str) -> Any:
    if key not in _TYPES:
        close = get_close_matches(key, _NAMES, n=1)
        message = f"unknown key {key!r}: " + (f"did you mean {close[0]!r}?" if close else f"known: {', '.join(_NAMES)}")
        raise ScriptError(message)
    if _TYPES[key] is int:
        return _number(key, text)
    allowed = get_args(_TYPES[key])
    if allowed and text not in allowed:
        message = f"{key}={text!r}: use one of {', '.join(value for value in allowed if value)}"
        raise ScriptError(message)
    return text


def _number(key: str, text: str) -> int:
    low, high = _BOUNDS.get(key, _ANY_COUNT)
    try:
        number = int(text)
    except ValueError:
        number = low - 1
    if not low <= number <= high:
        message = f"{key}={text!r}: use a whole number from {low} to {high}"
        raise ScriptError(message)
    return number
