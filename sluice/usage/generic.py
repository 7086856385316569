"""Counts wherever they stand: of objects that no vendor's reader is for, so that nothing is free by accident.

A guess, but a careful one: counts are taken under the names that vendors use, and what is found is believed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
import orjson

from sluice.money.usage import Usage
from sluice.usage.counts import usage_of

_MAX_TOKENS: Final = 1 << 40
_PROMPT: Final = (
    "prompt_tokens", "input_tokens", "promptTokenCount", "inputTokens", "inputTokenCount", "prompt_token_count",
    "inputTextTokenCount", "prompt_eval_count", "input_token_count", "promptTokens", "prompt_n", "tokens_evaluated",
)  # fmt: skip
_RESPONSE: Final = (
    "completion_tokens", "output_tokens", "candidatesTokenCount", "outputTokens", "outputTokenCount",
    "generation_token_count", "eval_count", "output_token_count", "completionTokens", "generated_tokens",
    "predicted_n", "tokens_predicted", "candidates_token_count",
)  # fmt: skip
_TOTAL: Final = ("total_tokens", "totalTokens", "totalTokenCount", "total_token_count")
_CACHED_BESIDE: Final = ("cache_read_input_tokens", "cacheReadInputTokens", "cacheReadInputTokenCount")
"""Those that read from a cache, not counted among the prompt's; so of those that wrote to one."""
_WRITTEN_BESIDE: Final = ("cache_creation_input_tokens", "cacheWriteInputTokens", "cacheWriteInputTokenCount")
_CACHED_AMONG: Final = ("cachedContentTokenCount", "cached_content_token_count", "prompt_cache_hit_tokens")
_THOUGHTS_BESIDE: Final = ("thoughtsTokenCount", "thoughts_token_count")


def usage_in(counts: Mapping[str, Any]) -> tuple[Usage | None, bool]:
    """The usage in an object, and whether it has names of counts but no counts."""
    if _PROMPT_AND_RESPONSE.isdisjoint(counts) and not any(name in counts for name in _TOTAL):
        return None, False
    read, written = _first(counts, _CACHED_BESIDE), _first(counts, _WRITTEN_BESIDE)
    if read is None and written is None and not _OF_OPENAI.isdisjoint(counts):
        found = usage_of(msgspec.Raw(orjson.dumps(counts)))
        return found.usage, found.usage is None
    prompt, response = _first(counts, _PROMPT), _first(counts, _RESPONSE)
    thoughts = _first(counts, _THOUGHTS_BESIDE)
    if read is not None or written is not None:
        prompt = (prompt or 0) + (read or 0) + (written or 0)
    elif (total := _first(counts, _TOTAL)) is not None and prompt is None:
        prompt = max(total - (response or 0), 0)
    if thoughts is not None:
        response = (response or 0) + thoughts
    if prompt is None and response is None:
        return None, True
    cached = read if read is not None else _first(counts, _CACHED_AMONG)
    return Usage(prompt, response, cached, written, thoughts), False


_OF_OPENAI: Final = frozenset(("prompt_tokens", "input_tokens", "completion_tokens", "output_tokens"))
_PROMPT_AND_RESPONSE: Final = frozenset((*_PROMPT, *_RESPONSE))


def _first(counts: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    for name in names:
        count = counts.get(name)
        if isinstance(count, int) and not isinstance(count, bool) and 0 <= count <= _MAX_TOKENS:
            return count
    return None
