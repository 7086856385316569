"""``raw_usage`` of an event read again, by the readers that counted it when it came.

Which vendor's way of counting it is, is told by the vendor, by the names in it and, where an event is at hand, by what
was counted then: a server may speak another vendor's dialect on some of its paths.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import msgspec
import orjson

from sluice.money.usage import Usage
from sluice.usage import anthropic, bedrock, counts, google, huggingface, ollama
from sluice.usage.counts import NOTHING_COUNTED, Counted
from sluice.usage.generic import usage_in
from sluice.usage.google_interactions import usage_of_interaction
from sluice.usage.plain_counts import decode_members

Read = Callable[[bytes], Counted]
CUT = "{}"
"""What stands in an event for a usage that was too large to be kept."""
_COLUMNS: Final = (
    "prompt_tokens",
    "response_tokens",
    "cache_read_prompt_tokens",
    "cache_write_prompt_tokens",
    "reasoning_tokens",
)
"""The counts that events have columns for."""


def usage_of(vendor: str, raw_usage: str | None, told: Usage | None = None) -> Counted:
    """What a vendor's own usage says; ``told`` are the counts that an event has columns for.

    With ``told`` it is what agrees with all of them, completed by those that a part of the answer told which events do
    not keep; no usage where no way of reading does. Never raises.
    """
    if not raw_usage:
        return NOTHING_COUNTED
    raw = raw_usage.encode("utf-8", "surrogatepass")
    first = None
    for read in _readers(vendor):
        found = read(raw)
        if found.usage is None:
            continue
        if told is None:
            return found
        if _agrees(found.usage, told):
            return found._replace(usage=_completed(found.usage, told))
        first = first or found
    return NOTHING_COUNTED if first is None else first._replace(usage=None, problem="counted_otherwise")


def _agrees(found: Usage, told: Usage) -> bool:
    for name in _COLUMNS:
        count = getattr(found, name)
        if count is not None and count != getattr(told, name):
            return False
    return True


def _completed(found: Usage, told: Usage) -> Usage:
    for name in _COLUMNS:
        setattr(found, name, getattr(told, name))
    return found


def _readers(vendor: str) -> Iterator[Read]:
    """The vendor's own first, then everybody's: the bridge and compatible servers mix them."""
    own = _OF_VENDOR.get(vendor, ())
    yield from own
    yield from (read for read in _ALL if read not in own)


def _openai(raw: bytes) -> Counted:
    return counts.usage_of(msgspec.Raw(raw))


def _google(raw: bytes) -> Counted:
    return google.usage_of(msgspec.Raw(raw))


def _google_compatible(raw: bytes) -> Counted:
    """As OpenAI's, with the thoughts."""
    found = _openai(raw)
    if found.usage is not None:
        google.add_thoughts(found.usage, raw.decode())
    return found


def _predictions(raw: bytes) -> Counted:
    tokens = _object(raw).get("token_count")
    return Counted(Usage(tokens, 0), None, "") if type(tokens) is int and tokens >= 0 else NOTHING_COUNTED


def _bedrock(raw: bytes) -> Counted:
    """A model's own, Bedrock's, or both together: then Bedrock's hold, and the model's complete them."""
    value = _object(raw)
    if bedrock.METRICS in value:
        members = decode_members(raw) or {}
        metrics = bedrock.usage_of_converse(members[bedrock.METRICS])
        own = bedrock.usage_of_body(members.get("usage", b"")).usage
        if metrics.usage is not None and own is not None:
            bedrock.complete(metrics.usage, own)
        return metrics
    if not any(name in value for name in bedrock.BESIDE):
        return bedrock.usage_of_body(raw)
    return bedrock.usage_beside(value, value.get("results"), "")


def _ollama(raw: bytes, *, is_embedding: bool) -> Counted:
    members = decode_members(raw)
    if members is None or not _IS_OLLAMA.intersection(members):
        return NOTHING_COUNTED
    found = ollama.usage_of(members, has_made=False, is_idle=True)
    if is_embedding and found.usage is not None:
        found.usage.response_tokens = None
    return found


def _huggingface(raw: bytes) -> Counted:
    value = _object(raw)
    prompt, response = value.get("x-prompt-tokens"), value.get("x-generated-tokens")
    if type(prompt) is int and type(response) is int:
        return Counted(Usage(prompt, response), None, "")
    return huggingface.usage_of([msgspec.Raw(raw)]) if "generated_tokens" in value else NOTHING_COUNTED


def _anything(raw: bytes) -> Counted:
    return Counted(usage_in(_object(raw))[0], None, "")


def _object(raw: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


_IS_OLLAMA: Final = frozenset(("prompt_eval_count", "eval_count", "total_duration", "load_duration"))
_OLLAMA: Final = (partial(_ollama, is_embedding=False), partial(_ollama, is_embedding=True))
_GOOGLE: Final[tuple[Read, ...]] = (_google, usage_of_interaction, _google_compatible, _predictions)
_OF_VENDOR: Final[dict[str, tuple[Read, ...]]] = {
    "anthropic": (anthropic.usage_of,),
    "google_ai": _GOOGLE,
    "vertex": (*_GOOGLE, anthropic.usage_of),
    "bedrock": (_bedrock,),
    "ollama": _OLLAMA,
    "huggingface": (_huggingface,),
}
_ALL: Final[tuple[Read, ...]] = (
    _openai, anthropic.usage_of, *_GOOGLE, _bedrock, *_OLLAMA, _huggingface, _anything,
)  # fmt: skip
