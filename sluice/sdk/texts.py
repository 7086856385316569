"""The texts of JSON bodies, whatever vendor's they are: to be read, or to be written anew."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any, Final

from sluice.sdk.messages import PluginRequest

_KINDS: Final = frozenset(
    ("id", "model", "object", "role", "type", "finish_reason", "finishReason", "stop_reason", "service_tier")
)
"""Members that say what something is."""
_MACHINE_READ: Final = frozenset(
    ("url", "image_url", "data", "file_data", "media_type", "mime_type", "mimeType", "signature", "thoughtSignature")
)
_NOT_TEXT: Final = _KINDS | _MACHINE_READ | {"encrypted_content", "system_fingerprint"}
_MODEL_IN_PATH: Final = re.compile(r"/models?/([^/:]+)")
# Atomic groups, no possessive repeats of groups: CPython before 3.11.5 matches those wrong (gh-106052).
_LITERAL: Final = re.compile(r'"(?>(?:[^"\\]++|\\.)*)"?', re.DOTALL)
"""Also one that never ends: else each quote within it would be tried, up to the end."""
_UNSEEN: Final = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e0fff]"
)
"""Soft hyphens, zero-width spaces and joiners, directions, variation selectors, tags."""
_IDENTIFIER: Final = re.compile(r"[\w.$-]*", re.ASCII)
_USAGE: Final = re.compile(rb'"((?:total|prompt|completion|input|output)_tokens|totalTokenCount)"\s*:\s*(\d{1,12})\b')
"""In JSON within a text the quotes are escaped: what a model says of tokens does not match."""

Rewrite = Callable[[str], str]


def texts_of(body: bytes) -> Iterator[str]:
    """Every text of a JSON body, wherever it stands, and names of members that are no identifiers.

    Of members that are given twice both are read: which of them a vendor takes nobody knows. What is no JSON, or too
    deep to be read as such, is one text; what stands in quotes there is read without its escapes too, as a vendor that
    takes it for JSON would.
    """
    try:
        waiting = [_parsed(body, _Pairs)]
    except _NotJson as found:
        yield found.text
        yield from (text for text in map(_unescaped, _LITERAL.findall(found.text)) if text is not None)
        return
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, _Pairs):
            waiting += [item for _, item in reversed(value)]
            yield from (name for name, _ in value if not _IDENTIFIER.fullmatch(name))
        elif isinstance(value, list):
            waiting += reversed(value)


def readings_of(text: str) -> set[str]:
    """A text as it is written, and as a model may read it: without characters that nobody sees, composed, full-width
    letters as letters."""
    return {text} if text.isascii() else {text, _UNSEEN.sub("", unicodedata.normalize("NFKC", text))}


def models_of(request: PluginRequest) -> list[str]:
    """The models that a request names: in its body, then in its path, which vendors that have it there go by."""
    try:
        value = _parsed(request.body, _Pairs)
    except _NotJson:
        value = None
    named = [item for key, item in value if key == "model"] if isinstance(value, _Pairs) else []
    return [name for name in named if isinstance(name, str)] + _MODEL_IN_PATH.findall(request.path)


def used_tokens(body: bytes) -> int | None:
    """How many tokens an answer says it took, whole or streamed; ``None`` where it does not say."""
    found: dict[bytes, int] = {}
    for name, number in _USAGE.findall(body):
        found[name] = max(int(number), found.get(name, 0))
    total = max(found.pop(b"total_tokens", 0), found.pop(b"totalTokenCount", 0))
    return total or sum(found.values()) or None


def rewrite_texts(body: bytes, rewrite: Rewrite) -> bytes:
    """A body with its texts rewritten: those of its JSON, or itself where it is other text.

    The very same object where nothing changed. Ids, types, URLs and encoded files are no texts.
    """
    doubled: list[bool] = []
    try:
        value = [_parsed(body, lambda pairs: _members(pairs, doubled))]
        if not rewrite_object(value, rewrite) and not doubled:
            return body
        drop_logprobs(value[0])
        return json.dumps(value[0], separators=(",", ":")).encode()
    except _NotJson as found:
        text = _LITERAL.sub(lambda match: _rewritten_literal(match.group(), rewrite), found.text)
        changed = rewrite(text)
        return body if changed == found.text else changed.encode("utf-8", "surrogateescape")


def rewrite_object(value: Any, rewrite: Rewrite) -> bool:
    """The same with parsed JSON, in place; whether anything changed."""
    is_changed = False
    waiting = [value]
    while waiting:
        holder = waiting.pop()
        for place, item in list(holder.items() if isinstance(holder, dict) else enumerate(holder)):
            if isinstance(place, str) and (place in _NOT_TEXT or place.endswith("_id")):
                continue
            if isinstance(item, dict | list):
                waiting.append(item)
            elif isinstance(item, str) and (written := rewrite(item)) != item:
                holder[place] = written
                is_changed = True
    if is_changed:
        drop_logprobs(value)
    return is_changed


def drop_logprobs(value: Any) -> None:
    """Take away what would tell the tokens of a text that was rewritten."""
    choices = value.get("choices") if isinstance(value, dict) else None
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict) and choice.get("logprobs"):
            choice["logprobs"] = None


class _Pairs(tuple[tuple[str, Any], ...]):
    """The members of an object, all of them, in order."""

    __slots__ = ()


class _NotJson(Exception):  # noqa: N818 - no error: most of what is no JSON is text
    """What a body is instead; bytes that are no UTF-8 stand in it as ``surrogateescape`` has them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text


def _parsed(body: bytes, pairs_hook: Callable[[list[tuple[str, Any]]], Any]) -> Any:
    """JSON, also where some of its bytes are no UTF-8: there are vendors that read it. Raises _NotJson."""
    try:
        return json.loads(body, object_pairs_hook=pairs_hook)
    except UnicodeDecodeError:
        pass
    except (ValueError, RecursionError):
        raise _NotJson(body.decode("utf-8", "surrogateescape")) from None
    text = body.decode("utf-8", "surrogateescape")
    try:
        return json.loads(text, object_pairs_hook=pairs_hook)
    except (ValueError, RecursionError):
        raise _NotJson(text) from None


def _unescaped(literal: str) -> str | None:
    """What is in quotes, without its escapes; ``None`` where it has none."""
    if "\\" not in literal:
        return None
    try:
        text: str = json.loads(literal, strict=False)
    except ValueError:
        return None
    return text


def _rewritten_literal(literal: str, rewrite: Rewrite) -> str:
    text = _unescaped(literal)
    if text is None or (written := rewrite(text)) == text:
        return literal
    return json.dumps(written)


def _members(pairs: list[tuple[str, Any]], doubled: list[bool]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        doubled.append(True)
    return members
