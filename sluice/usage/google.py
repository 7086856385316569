"""``usageMetadata`` as Google counts it, brought to one.

Thoughts and what tools brought into the prompt are counted beside the candidates and the prompt, and belong to them;
what is cached is counted among the prompt. A count of zero is left out, as in all of Google's JSON.
"""

from __future__ import annotations

from typing import Final

import msgspec

from sluice.money.usage import Usage
from sluice.usage.counts import BATCH_TIER, NOTHING_COUNTED, Counted, raw_text
from sluice.usage.reading import UNREADABLE

_MAX_TOKENS: Final = 1 << 40
_USUAL_TIERS: Final = frozenset((
    "", "on_demand", "traffic_type_unspecified", "standard", "service_tier_standard", "service_tier_unspecified",
    "unspecified", "default",
))  # fmt: skip
"""What is billed at the model's prices, in lower case; flex, priority, provisioned throughput and whatever comes are
not."""


class _Modality(msgspec.Struct):
    modality: str | None = None
    tokens: int | None = msgspec.field(default=None, name="tokenCount")


class _Counts(msgspec.Struct, rename="camel"):
    prompt_token_count: int | None = None
    candidates_token_count: int | None = None
    response_token_count: int | None = None  # what live sessions call candidates
    thoughts_token_count: int | None = None
    cached_content_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    total_token_count: int | None = None


class _DetailedCounts(_Counts, rename="camel"):
    prompt_tokens_details: list[_Modality] | None = None
    cache_tokens_details: list[_Modality] | None = None
    candidates_tokens_details: list[_Modality] | None = None
    response_tokens_details: list[_Modality] | None = None
    tool_use_prompt_tokens_details: list[_Modality] | None = None
    traffic_type: str | None = None
    service_tier: str | None = None


class _Total(msgspec.Struct):
    total_tokens: int | None = None


_decode_total: Final = msgspec.json.Decoder(_Total).decode
_decode_detailed: Final = msgspec.json.Decoder(_DetailedCounts).decode
_decode_counts: Final = msgspec.json.Decoder(_Counts).decode


def usage_of(raw: msgspec.Raw) -> Counted:
    """Usage and its own JSON text; negative, absurd or wrongly typed counts are no usage at all."""
    json = bytes(raw)
    if not json or json == b"null":
        return NOTHING_COUNTED
    text = raw_text(json)
    problem = ""
    try:
        counts = _decode_detailed(json)
    except UNREADABLE:
        problem = "wrong_type"
        try:
            counts = _DetailedCounts(*msgspec.structs.astuple(_decode_counts(json)))
        except UNREADABLE:
            return Counted(None, text, problem)
    if impossible := _impossible(counts):
        return Counted(None, text, impossible)
    usage = _normalised(counts)
    return Counted(usage, text, problem or (_unpriced_part(counts) if usage is not None else ""))


def add_thoughts(usage: Usage, raw_usage: str) -> None:
    """Of endpoints compatible with OpenAI's: what the total has more than prompt and response are thoughts,
    which are charged as response."""
    if usage.prompt_tokens is None:
        return
    try:
        total = _decode_total(raw_usage.encode()).total_tokens
    except UNREADABLE:
        return
    thoughts = (total or 0) - usage.prompt_tokens - (usage.response_tokens or 0)
    if thoughts > 0:
        usage.response_tokens = (usage.response_tokens or 0) + thoughts
        usage.reasoning_tokens = usage.reasoning_tokens or thoughts


def _impossible(counts: _DetailedCounts) -> str:
    for count in (
        counts.prompt_token_count,
        counts.candidates_token_count,
        counts.response_token_count,
        counts.thoughts_token_count,
        counts.cached_content_token_count,
        counts.tool_use_prompt_token_count,
    ):
        if count is not None and not 0 <= count <= _MAX_TOKENS:
            return "negative_tokens" if count < 0 else "absurd_tokens"
    return ""


def _normalised(counts: _DetailedCounts) -> Usage | None:
    """``None`` where nothing is counted of either side."""
    prompt, thoughts, tools = counts.prompt_token_count, counts.thoughts_token_count, counts.tool_use_prompt_token_count
    given = counts.candidates_token_count if counts.candidates_token_count is not None else counts.response_token_count
    if prompt is None and given is None and thoughts is None:
        return None
    usage = Usage(
        prompt_tokens=None if prompt is None and tools is None else (prompt or 0) + (tools or 0),
        response_tokens=_response(counts, given or 0),
        cache_read_prompt_tokens=counts.cached_content_token_count,
        reasoning_tokens=thoughts,
    )
    if _has_media(counts.prompt_tokens_details) or _has_media(counts.tool_use_prompt_tokens_details):
        usage.audio_prompt_tokens = _prompt_tokens_of(counts, "AUDIO")
        usage.image_prompt_tokens = _prompt_tokens_of(counts, "IMAGE")
    candidates = counts.candidates_tokens_details or counts.response_tokens_details
    if _has_media(candidates):
        usage.audio_response_tokens = _tokens_of(candidates, "AUDIO") or None
        usage.image_response_tokens = _tokens_of(candidates, "IMAGE") or None
    return usage


def _response(counts: _DetailedCounts, given: int) -> int:
    """Candidates and thoughts; some models' candidates include the thoughts, which their total shows."""
    thoughts = counts.thoughts_token_count or 0
    asked = (counts.prompt_token_count or 0) + (counts.tool_use_prompt_token_count or 0)
    if thoughts and given >= thoughts and counts.total_token_count == asked + given:
        return given
    return given + thoughts


def _has_media(details: list[_Modality] | None) -> bool:
    """Whether any of it is no text; nearly never."""
    if details:
        for entry in details:
            if entry.modality != "TEXT":
                return True
    return False


def _prompt_tokens_of(counts: _DetailedCounts, modality: str) -> int | None:
    """Those that were not cached: what was is charged as such, whatever it is."""
    asked = _tokens_of(counts.prompt_tokens_details, modality) + _tokens_of(
        counts.tool_use_prompt_tokens_details, modality
    )
    return max(asked - _tokens_of(counts.cache_tokens_details, modality), 0) or None


def _tokens_of(details: list[_Modality] | None, modality: str) -> int:
    return sum([entry.tokens for entry in details or () if entry.tokens and entry.modality == modality])


def _unpriced_part(counts: _DetailedCounts) -> str:
    """What is charged at prices that we do not have, or empty."""
    for tier in (counts.traffic_type, counts.service_tier):
        if tier is not None and (name := tier.lower()) not in _USUAL_TIERS:
            return BATCH_TIER if name in {"batch", "service_tier_batch"} else "service_tier"
    return "cached_audio" if counts.cache_tokens_details and _tokens_of(counts.cache_tokens_details, "AUDIO") else ""
