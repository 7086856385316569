"""Models that a request names beside its own: those that answer where that one does not, and those that its tools ask.

All of them are as good as asked for: each must be allowed, and the dearest is what is held for.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from sluice.usage.reading import UNREADABLE

_ABSENT: Final = msgspec.Raw(b"")


class NamesMore(msgspec.Struct):
    """The members of a request that may name models; decoded only where a name is in them."""

    tools: msgspec.Raw = _ABSENT
    fallbacks: msgspec.Raw = _ABSENT
    """Anthropic's, in order: objects with a ``model``; or ``"default"``, whichever models these are."""
    models: msgspec.Raw = _ABSENT
    """OpenRouter's, in order: names."""


class _Tool(msgspec.Struct):
    type: Any = None
    model: Any = None
    parameters: Any = None
    """OpenRouter's tools have their model in these; of a function they are a schema."""


_decode = msgspec.json.Decoder(list[Any]).decode
_decode_tools = msgspec.json.Decoder(list[_Tool]).decode
_DEFAULT: Final = b'"default"'
_ANY_ADVISOR: Final = "openrouter:advisor"
"""A tool that asks whichever model its model likes, where it names none."""
_MAX_MODELS: Final = 64
"""So many may be named; vendors take three or so."""


def further_models(request: NamesMore, model: str | None) -> tuple[str, ...]:
    """Their names, each once, without the request's own. Raises ``ValueError`` where there are too many.

    Where the vendor chooses (``"default"`` fallbacks, an advisor that is any model) that is a name too: a list of
    allowed models denies it, unless it has it. Other members that are no lists say nothing: their vendor refuses them.
    """
    if not (request.tools or request.fallbacks or request.models):
        return ()
    found: dict[str, None] = {}
    tools = bytes(request.tools)
    if b"model" in tools or _ANY_ADVISOR.encode() in tools or b"\\u" in tools:  # an escape may hide the name
        found.update(dict.fromkeys(_names_of_tools(tools)))
    for raw in (request.fallbacks, request.models):
        if raw:
            found.update(dict.fromkeys(_names(_entries(bytes(raw)))))
    found.pop(model or "", None)
    if len(found) > _MAX_MODELS:
        message = f"it names {len(found)} further models; at most {_MAX_MODELS} may be"
        raise ValueError(message)
    return tuple(found)


def _names_of_tools(raw: bytes) -> Iterable[str]:
    """Those that the vendor's own tools ask: Anthropic's advisor, OpenAI's image generation, OpenRouter's advisors."""
    try:
        tools: list[Any] = _decode_tools(raw)
    except UNREADABLE:
        tools = [msgspec.convert(entry, _Tool) for entry in _entries(raw) if isinstance(entry, dict)]
    for tool in tools:
        inner = tool.parameters if isinstance(tool.parameters, dict) else {}
        advisors = inner.get("advisors")
        profiles = advisors if isinstance(advisors, list) and advisors else [inner]
        named = list(_names([{"model": tool.model}, inner, *profiles]))
        yield from named
        if tool.type == _ANY_ADVISOR and len(list(_names(profiles))) < len(profiles):
            yield _ANY_ADVISOR


def _entries(raw: bytes) -> list[Any]:
    if raw == _DEFAULT:
        return ["default"]
    try:
        return _decode(raw)
    except UNREADABLE:
        return []


def _names(entries: Iterable[Any]) -> Iterable[str]:
    for entry in entries:
        name = entry.get("model") if isinstance(entry, dict) else entry
        if isinstance(name, str) and name:
            yield name
