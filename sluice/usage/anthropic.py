"""``usage`` as Anthropic counts it, brought to one.

``input_tokens`` are those neither read from nor written to the cache: all prompt tokens are the sum of the three.
Thinking is among ``output_tokens``. What cannot be priced exactly is said in the problem, and the cost is an estimate.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from sluice.money.usage import Usage
from sluice.usage.counts import BATCH_TIER, NOTHING_COUNTED, Counted, raw_text
from sluice.usage.reading import UNREADABLE

_MAX_TOKENS = 1 << 40
"""No count of one exchange is near it; so sums of money stay within 64 bits."""
_MAX_MERGED_BYTES = 1 << 16
"""Real ones have some hundred bytes. A stream whose events never end adds members up to it."""
_USUAL_TIERS = frozenset({"standard", ""})
_OTHER_PRICES = (
    ("speed", frozenset({"fast"})),
    ("inference_geo", frozenset({"us"})),
)
"""Members that change what a token costs, and the values that do."""
_OTHER_MODELS = frozenset({"advisor_message", "fallback_message"})
"""Iterations of models that were not asked, at their own prices."""


def usage_of(raw: bytes | msgspec.Raw) -> Counted:
    """Usage and its own JSON text. Half of it is none: input and output are both there, as numbers that can be true."""
    json = bytes(raw)
    if not json or json == b"null":
        return NOTHING_COUNTED
    text = raw_text(json)
    try:
        value = msgspec.json.decode(json)
    except UNREADABLE:
        return Counted(None, text, "wrong_type")
    if not isinstance(value, dict):
        return Counted(None, text, "wrong_type")
    reader = _Reader()
    usage = _usage(value, reader)
    if reader.impossible or usage is None:
        return Counted(None, text, reader.impossible or reader.problem)
    return Counted(usage, text, reader.problem)


def merged(first: bytes | msgspec.Raw, later: bytes | msgspec.Raw) -> bytes:
    """One ``usage`` of two of a stream: counts of the later replace those of the first, since they are cumulative;
    what it does not have, or has as null, stays. What can be read stays where the other cannot, and where both
    together would be too large."""
    members: dict[str, msgspec.Raw] = {}
    for raw in (bytes(first), bytes(later)):
        try:
            found = _decode_members(raw) if raw else {}
        except UNREADABLE:
            continue
        members.update((name, value) for name, value in found.items() if bytes(value) != b"null")
    together = msgspec.json.encode(members)
    return together if len(together) <= _MAX_MERGED_BYTES else bytes(first)


_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class _Counts(NamedTuple):
    """Of one ``usage``, or of one iteration in it."""

    plain: int | None
    output: int | None
    read: int | None
    written: int | None
    written_1h: int | None


_NOTHING = _Counts(None, None, None, None, None)


class _Reader:
    """Reads counts, and remembers the first thing that is wrong with them."""

    def __init__(self) -> None:
        self.problem = ""
        self.impossible = ""

    def note(self, problem: str) -> None:
        """The cost is an estimate."""
        self.problem = self.problem or problem

    def count(self, counts: dict[str, Any], name: str) -> int | None:
        """A count; ``None`` where there is none that can be read."""
        value = counts.get(name)
        if value is None:
            return None
        if type(value) is not int:
            self.note("wrong_type")
            return None
        if not 0 <= value <= _MAX_TOKENS:
            self.impossible = self.impossible or ("negative_tokens" if value < 0 else "absurd_tokens")
        return value

    def inner(self, counts: dict[str, Any], name: str) -> dict[str, Any]:
        """An object of counts."""
        value = counts.get(name)
        if value is None or isinstance(value, dict):
            return value or {}
        self.note("wrong_type")
        return {}


def _usage(value: dict[str, Any], reader: _Reader) -> Usage | None:
    counts = _counts(value, reader)
    if _is_lost(value, "input_tokens", counts.plain) or _is_lost(value, "output_tokens", counts.output):
        return None
    if counts.plain is None or counts.output is None:
        if counts != _NOTHING:
            reader.note("missing")
        return None
    tier = value.get("service_tier")
    if isinstance(tier, str) and tier not in _USUAL_TIERS:
        reader.note(BATCH_TIER if tier == "batch" else "service_tier")
    for name, values in _OTHER_PRICES:
        if isinstance(value.get(name), str) and value[name] in values:
            reader.note(name)
    usage = Usage(
        prompt_tokens=_sum(counts.plain, counts.read, counts.written),
        response_tokens=counts.output,
        cache_read_prompt_tokens=counts.read,
        cache_write_prompt_tokens=counts.written,
        cache_write_1h_prompt_tokens=counts.written_1h,
        reasoning_tokens=reader.count(reader.inner(value, "output_tokens_details"), "thinking_tokens"),
        tool_requests=reader.count(reader.inner(value, "server_tool_use"), "web_search_requests"),
    )
    _add_iterations(usage, value.get("iterations"), reader)
    return usage


def _is_lost(value: dict[str, Any], name: str, count: int | None) -> bool:
    return count is None and value.get(name) is not None


def _counts(value: dict[str, Any], reader: _Reader) -> _Counts:
    written = reader.count(value, "cache_creation_input_tokens")
    parts = reader.inner(value, "cache_creation")
    short = reader.count(parts, "ephemeral_5m_input_tokens") or 0
    long = reader.count(parts, "ephemeral_1h_input_tokens")
    if written is None and parts:
        written = short + (long or 0)
    elif written and parts and short + (long or 0) != written:
        # a stream's last count has no parts: it may have grown beyond those of the first
        if long and not short:
            long = written
        elif long or not short:
            reader.note("cache_write_parts")
    return _Counts(
        reader.count(value, "input_tokens"),
        reader.count(value, "output_tokens"),
        reader.count(value, "cache_read_input_tokens"),
        written,
        long,
    )


def _add_iterations(usage: Usage, iterations: object, reader: _Reader) -> None:
    """A compaction is billed beside the counts of the whole; so is what other models did, at prices of their own."""
    if not isinstance(iterations, list):
        return
    for iteration in iterations:
        if not isinstance(iteration, dict):
            continue
        kind = iteration.get("type")
        if kind == "compaction":
            counts = _counts(iteration, reader)
            usage.prompt_tokens = _sum(usage.prompt_tokens, counts.plain, counts.read, counts.written)
            usage.response_tokens = _sum(usage.response_tokens, counts.output)
            usage.cache_read_prompt_tokens = _sum(usage.cache_read_prompt_tokens, counts.read)
            usage.cache_write_prompt_tokens = _sum(usage.cache_write_prompt_tokens, counts.written)
            usage.cache_write_1h_prompt_tokens = _sum(usage.cache_write_1h_prompt_tokens, counts.written_1h)
        elif isinstance(kind, str) and kind in _OTHER_MODELS:
            reader.note("other_model")


def _sum(*counts: int | None) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None
