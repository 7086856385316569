"""Counts as Bedrock writes them, brought to one: of converse, of a model's own body, of a stream's last message, and of
headers.

Everywhere ``inputTokens`` are those neither read from nor written to the cache: all prompt tokens are the sum of the
three. A model's own body counts in its family's way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
import orjson

from sluice.money.usage import Usage
from sluice.usage.anthropic import usage_of as usage_of_anthropic
from sluice.usage.counts import NOTHING_COUNTED, Counted, raw_text
from sluice.usage.counts import usage_of as usage_of_openai
from sluice.usage.reading import UNREADABLE

_MAX_TOKENS: Final = 1 << 40
"""No count of one exchange is near it; so sums of money stay within 64 bits."""
METRICS: Final = "amazon-bedrock-invocationMetrics"
BESIDE: Final = ("inputTextTokenCount", "totalOutputTextTokenCount", "prompt_token_count", "generation_token_count")
"""Counts that stand beside an answer."""
_HOUR: Final = "1h"
_HEADERS: Final = {
    b"x-amzn-bedrock-input-token-count": "inputTokens",
    b"x-amzn-bedrock-output-token-count": "outputTokens",
    b"x-amzn-bedrock-cache-read-input-token-count": "cacheReadInputTokens",
    b"x-amzn-bedrock-cache-write-input-token-count": "cacheWriteInputTokens",
}
_TIER, _LATENCY = b"x-amzn-bedrock-service-tier", b"x-amzn-bedrock-performanceconfig-latency"
_USUAL_TIERS: Final = frozenset(("", "default"))
_OTHER_PRICE = "service_tier"
"""A tier (flex, priority, reserved) or optimized latency, billed at other prices than the model's."""


class Reader:
    """Reads counts, and remembers the first thing that is wrong with them."""

    def __init__(self) -> None:
        self.problem = ""
        self.impossible = ""

    def count(self, counts: Mapping[str, Any], *names: str) -> int | None:
        """The first of these that is there; ``None`` where none can be read."""
        for name in names:
            value = counts.get(name)
            if value is None:
                continue
            if type(value) is not int:
                self.problem = self.problem or "wrong_type"
                continue
            if not 0 <= value <= _MAX_TOKENS:
                self.impossible = self.impossible or ("negative_tokens" if value < 0 else "absurd_tokens")
            return value
        return None

    def counted(self, usage: Usage, text: str | None) -> Counted:
        """What was read: both counts, or none."""
        if self.impossible:
            return Counted(None, text, self.impossible)
        if usage.prompt_tokens is None or usage.response_tokens is None:
            return Counted(None, text, self.problem or "missing")
        return Counted(usage, text, self.problem)


def usage_of_converse(raw: bytes | msgspec.Raw) -> Counted:
    """``usage`` of converse, of Nova's own bodies, or the metrics in a stream's last message."""
    json = bytes(raw)
    if not json or json == b"null":
        return NOTHING_COUNTED
    try:
        value = msgspec.json.decode(json)
    except UNREADABLE:
        value = None
    return _read(value, raw_text(json)) if isinstance(value, dict) else Counted(None, raw_text(json), "wrong_type")


def _read(counts: Mapping[str, Any], text: str) -> Counted:
    reader = Reader()
    plain = reader.count(counts, "inputTokens", "inputTokenCount")
    read = reader.count(counts, "cacheReadInputTokens", "cacheReadInputTokenCount")
    written = reader.count(counts, "cacheWriteInputTokens", "cacheWriteInputTokenCount")
    usage = Usage(
        prompt_tokens=None if plain is None else plain + (read or 0) + (written or 0),
        response_tokens=reader.count(counts, "outputTokens", "outputTokenCount"),
        cache_read_prompt_tokens=read,
        cache_write_prompt_tokens=written,
        cache_write_1h_prompt_tokens=_written_for_an_hour(counts.get("cacheDetails"), reader),
    )
    return reader.counted(usage, text)


def _written_for_an_hour(details: object, reader: Reader) -> int | None:
    if not isinstance(details, list):
        if details is not None:
            reader.problem = reader.problem or "wrong_type"
        return None
    parts = [
        reader.count(part, "inputTokens") or 0
        for part in details
        if isinstance(part, dict) and part.get("ttl") == _HOUR
    ]
    return sum(parts) if parts else None


def usage_of_body(raw: bytes | msgspec.Raw) -> Counted:
    """``usage`` in a model's own body: Nova's, Anthropic's or OpenAI's way of counting."""
    json = bytes(raw)
    if b'"inputTokens"' in json:
        return usage_of_converse(json)
    if b'"input_tokens"' in json or b'"output_tokens"' in json:
        return usage_of_anthropic(json)
    return usage_of_openai(msgspec.Raw(json))


def usage_beside(values: Mapping[str, Any], results: object, text: str) -> Counted:
    """Counts that stand beside the answer: Titan's, with those of its results, and Llama's."""
    reader = Reader()
    prompt = reader.count(values, "inputTextTokenCount", "prompt_token_count")
    response = reader.count(values, "totalOutputTextTokenCount", "generation_token_count")
    if isinstance(results, list):
        parts = [reader.count(part, "tokenCount") for part in results if isinstance(part, dict)]
        response = sum(part or 0 for part in parts) if None not in parts else None
    elif response is None and "inputTextTokenCount" in values and not reader.problem:
        response = 0  # embeddings
    return reader.counted(Usage(prompt, response), text)


def token_counts(results: Iterable[Any]) -> list[dict[str, int]]:
    """Titan's results without their texts: what counts in them."""
    parts = (part.get("tokenCount") for part in results if isinstance(part, dict))
    return [{"tokenCount": count} if type(count) is int else {} for count in parts]


def complete(usage: Usage, own: Usage) -> None:
    """Fill in what Bedrock's metrics do not tell; where they tell nothing of the cache, the model knows the whole
    prompt."""
    if usage.cache_read_prompt_tokens is None and usage.cache_write_prompt_tokens is None:
        usage.prompt_tokens = max(usage.prompt_tokens or 0, own.prompt_tokens or 0)
    for name, value in zip(_FIELDS, msgspec.structs.astuple(own), strict=True):
        if value is not None and getattr(usage, name) is None:
            setattr(usage, name, value)


_FIELDS: Final = Usage.__struct_fields__


def usage_of_headers(headers: Iterable[tuple[bytes, bytes]]) -> Counted:
    """What ``invoke`` counts in its headers, whatever the model says."""
    found: dict[str, Any] = {}
    for name, value in headers:
        count = _HEADERS.get(name)
        if count is not None:
            digits = value.strip()
            found[count] = int(digits) if digits.isdigit() and len(digits) < 32 else digits.decode("latin-1")
    if not found:
        return NOTHING_COUNTED
    found.setdefault("outputTokens", 0)  # embeddings
    return _read(found, raw_text(orjson.dumps(found, default=str) if _is_small(found) else b"{}"))


def _is_small(found: Mapping[str, Any]) -> bool:
    """Whether JSON as we write it can hold all numbers."""
    return all(not isinstance(value, int) or value <= _MAX_TOKENS for value in found.values())


def other_price(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Why an answer costs something else than its model's tokens do, or empty."""
    for name, value in headers:
        if (name == _TIER and value not in {b"", b"default"}) or (name == _LATENCY and value == b"optimized"):
            return _OTHER_PRICE
    return ""


def other_price_of(tier: object, performance: object) -> str:
    """The same of ``serviceTier`` and ``performanceConfig`` in an answer of converse."""
    name = tier.get("type") if isinstance(tier, dict) else None
    latency = performance.get("latency") if isinstance(performance, dict) else None
    is_usual = not isinstance(name, str) or name in _USUAL_TIERS
    return "" if is_usual and latency != "optimized" else _OTHER_PRICE
