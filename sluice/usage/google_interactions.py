"""``usage`` of the Gemini API's newer way of asking, ``/interactions``: names of its own."""

from __future__ import annotations

from typing import Final

import msgspec

from sluice.money.usage import Usage
from sluice.usage.counts import NOTHING_COUNTED, Counted, raw_text
from sluice.usage.reading import UNREADABLE

_MAX_TOKENS: Final = 1 << 40
_SEARCH: Final = "google_search"


class _Modality(msgspec.Struct):
    modality: str | None = None
    tokens: int | None = None


class _Tool(msgspec.Struct):
    type: str | None = None
    count: int | None = None


class _Counts(msgspec.Struct):
    total_input_tokens: int | None = None
    total_output_tokens: int | None = None
    total_thought_tokens: int | None = None
    total_cached_tokens: int | None = None
    total_tool_use_tokens: int | None = None
    input_tokens_by_modality: list[_Modality] | None = None
    output_tokens_by_modality: list[_Modality] | None = None
    cached_tokens_by_modality: list[_Modality] | None = None
    grounding_tool_count: list[_Tool] | None = None


_decode_counts: Final = msgspec.json.Decoder(_Counts).decode


def usage_of_interaction(raw: bytes | msgspec.Raw) -> Counted:
    """Usage and its own JSON text; counts that cannot be are no usage at all."""
    json = bytes(raw)
    if not json or json == b"null":
        return NOTHING_COUNTED
    text = raw_text(json)
    try:
        counts = _decode_counts(json)
    except UNREADABLE:
        return Counted(None, text, "wrong_type")
    asked, given, thoughts = counts.total_input_tokens, counts.total_output_tokens, counts.total_thought_tokens
    tools = counts.total_tool_use_tokens
    for count in (asked, given, thoughts, tools, counts.total_cached_tokens):
        if count is not None and not 0 <= count <= _MAX_TOKENS:
            return Counted(None, text, "negative_tokens" if count < 0 else "absurd_tokens")
    if asked is None and given is None and thoughts is None:
        return Counted(None, text, "")
    usage = Usage(
        prompt_tokens=None if asked is None and tools is None else (asked or 0) + (tools or 0),
        response_tokens=(given or 0) + (thoughts or 0),
        cache_read_prompt_tokens=counts.total_cached_tokens,
        reasoning_tokens=thoughts,
        audio_prompt_tokens=_of(counts.input_tokens_by_modality, "audio") or None,
        audio_response_tokens=_of(counts.output_tokens_by_modality, "audio") or None,
        image_response_tokens=_of(counts.output_tokens_by_modality, "image") or None,
        tool_requests=_searches(counts.grounding_tool_count) or None,
    )
    return Counted(usage, text, "cached_audio" if _of(counts.cached_tokens_by_modality, "audio") else "")


def _of(details: list[_Modality] | None, modality: str) -> int:
    return sum([entry.tokens for entry in details or () if entry.tokens and entry.modality == modality])


def _searches(tools: list[_Tool] | None) -> int:
    return sum([tool.count for tool in tools or () if tool.count and tool.type == _SEARCH])
