"""``usage`` as OpenAI and its likes count it, brought to one.

What a vendor writes is read as far as it can be: a field of an unexpected type never costs the counts beside it, but
the cost is an estimate then.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from sluice.money.usage import Usage
from sluice.usage.reading import UNREADABLE

_MAX_RAW_USAGE_BYTES = 8192
"""Real ones have a few hundred bytes. A larger text would crowd an event's bodies out."""


BATCH_TIER: Final = "batch_tier"
"""The problem of usage that its vendor bills at its batch price; none, where that is known."""


class Counted(NamedTuple):
    """What a ``usage`` says."""

    usage: Usage | None
    text: str | None
    """The vendor's own JSON."""
    problem: str
    """Why usage cannot be trusted, as a stable code; empty where it can."""


NOTHING_COUNTED = Counted(None, None, "")


# What is decoded from JSON holds nothing that leads back to it: the garbage collector need not know of it (``gc``).
class _PromptDetails(msgspec.Struct, gc=False):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None  # OpenRouter
    audio_tokens: int | None = None
    image_tokens: int | None = None


class _ResponseDetails(msgspec.Struct, gc=False):
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None


class _ServerTools(msgspec.Struct, gc=False):
    web_search_requests: int | None = None


class _Counts(msgspec.Struct, gc=False):
    """Of chat, completions and embeddings; the responses API, audio and images use the second set of names."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None


class _DetailedCounts(_Counts, gc=False):
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _ResponseDetails | None = None
    input_tokens_details: _PromptDetails | None = None
    output_tokens_details: _ResponseDetails | None = None
    input_token_details: _PromptDetails | None = None  # audio
    output_token_details: _ResponseDetails | None = None
    prompt_cache_hit_tokens: int | None = None  # DeepSeek
    cached_tokens: int | None = None  # Moonshot
    num_search_queries: int | None = None  # Perplexity
    num_sources_used: int | None = None  # xAI
    server_tool_use: _ServerTools | None = None  # OpenRouter


_decode_detailed = msgspec.json.Decoder(_DetailedCounts).decode
_decode_counts = msgspec.json.Decoder(_Counts).decode
_NO_PROMPT_DETAILS = _PromptDetails()
_NO_RESPONSE_DETAILS = _ResponseDetails()
_NO_COUNTS = Usage()


def usage_of(raw: msgspec.Raw) -> Counted:
    """Usage and its own JSON text; negative, absurd or wrongly typed counts are no usage at all."""
    json = bytes(raw)
    if not json or json == b"null":
        return NOTHING_COUNTED
    text = raw_text(json)
    try:
        usage, problem = _normalised(_decode_detailed(json)), ""
    except UNREADABLE:
        usage, problem = _totals(json), "wrong_type"
    if impossible := usage.impossible():
        return Counted(None, text, impossible)
    # a named tuple's own constructor costs seven times as much, and this is made for nearly every exchange
    return tuple.__new__(Counted, (None if usage == _NO_COUNTS else usage, text, problem))


def raw_text(json: bytes) -> str:
    """A ``usage`` as events keep it, within their bounds."""
    return json.decode("utf-8", "replace") if len(json) <= _MAX_RAW_USAGE_BYTES else "{}"


def _totals(json: bytes) -> Usage:
    """Of a usage in which something is of a wrong type: what can be read all the same."""
    try:
        counts = _decode_counts(json)
    except UNREADABLE:
        return Usage()
    return _normalised(_DetailedCounts(*msgspec.structs.astuple(counts)))


def _normalised(wire: _DetailedCounts) -> Usage:
    prompt = wire.prompt_tokens if wire.prompt_tokens is not None else wire.input_tokens
    response = wire.completion_tokens if wire.completion_tokens is not None else wire.output_tokens
    asked = wire.prompt_tokens_details or wire.input_tokens_details or wire.input_token_details or _NO_PROMPT_DETAILS
    given = (
        wire.completion_tokens_details
        or wire.output_tokens_details
        or wire.output_token_details
        or _NO_RESPONSE_DETAILS
    )
    reasoning, read = given.reasoning_tokens, asked.cached_tokens
    if reasoning:
        response = _with_reasoning(prompt, response, reasoning, wire.total_tokens)
    if read is None:
        read = wire.prompt_cache_hit_tokens if wire.prompt_cache_hit_tokens is not None else wire.cached_tokens
    tools = wire.server_tool_use
    return Usage(
        prompt_tokens=prompt,
        response_tokens=response,
        cache_read_prompt_tokens=read,
        cache_write_prompt_tokens=asked.cache_write_tokens,
        reasoning_tokens=reasoning,
        audio_prompt_tokens=asked.audio_tokens or None,
        audio_response_tokens=given.audio_tokens or None,
        image_prompt_tokens=asked.image_tokens or None,
        image_response_tokens=given.image_tokens or None,
        tool_requests=(tools and tools.web_search_requests) or wire.num_search_queries or wire.num_sources_used or None,
    )


def _with_reasoning(prompt: int | None, response: int | None, reasoning: int, total: int | None) -> int | None:
    """xAI counts reasoning beside the response, which its total shows; all others among it."""
    if prompt is None or response is None or total != prompt + response + reasoning:
        return response
    return response + reasoning
