"""Price x usage, in integers, rounded once."""

from __future__ import annotations

from sluice.money.prices import Price
from sluice.money.usage import Usage

_TOKENS_PER_PRICE = 1_000_000


def cost_nanos(price: Price, usage: Usage) -> int:
    """Σ tokens of a class x that class's price, rounded half-even to whole nanos at the end.

    Cached prompt tokens are a part of the prompt tokens and leave that class for their own. Counts that contradict
    each other (``Usage.contradictions``) are charged as far as they can be true: never below zero, cached tokens
    never beyond the prompt.
    """
    read = _count(usage.cache_read_prompt_tokens)
    write = _count(usage.cache_write_prompt_tokens)
    prompt = usage.prompt_tokens
    if prompt is None:
        prompt = read + write
    elif prompt < 0:
        prompt = 0
    read = min(read, prompt)
    write = min(write, prompt - read)
    response = _count(usage.response_tokens if usage.response_tokens is not None else usage.reasoning_tokens)
    return _divide_half_even(
        (prompt - read - write) * price.prompt_nanos
        + read * price.cache_read_nanos
        + write * price.cache_write_nanos
        + response * price.response_nanos
    )


def _count(tokens: int | None) -> int:
    return tokens if tokens is not None and tokens > 0 else 0


def _divide_half_even(total: int) -> int:
    nanos, rest = divmod(total, _TOKENS_PER_PRICE)
    twice = rest * 2
    if twice > _TOKENS_PER_PRICE or (twice == _TOKENS_PER_PRICE and nanos & 1):
        nanos += 1
    return nanos
