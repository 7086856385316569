"""Price x usage, in integers, rounded once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sluice.money.prices import Price
    from sluice.money.rates import Rates
    from sluice.money.usage import Usage

_TOKENS_PER_PRICE = 1_000_000
_PERCENT = 100
_PARTS_PER_NANO = _TOKENS_PER_PRICE * _PERCENT


def cost_nanos(price: Price, usage: Usage, *, is_batch: bool = False) -> int:
    """Σ tokens of a class x that class's price and what is paid by request, rounded half-even to nanos at the end.

    Cached, spoken and drawn tokens are parts of the prompt's and the response's and leave that class for their own.
    Counts that contradict each other (``Usage.contradictions``) are charged as far as they can be true: never below
    zero, parts never beyond their whole. The size of the prompt chooses the tier that all tokens are charged at.
    A batch pays ``price.batch``, or ``price.batch_percent`` of what its tokens cost; what is paid by request is not
    reduced by a percentage.
    """
    percent = _PERCENT
    if is_batch:
        price, percent = (price, price.batch_percent) if price.batch is None else (price.batch, _PERCENT)
    total = _tokens_cost(price, usage)
    by_request = price.request_nanos
    if usage.tool_requests:
        by_request += _count(usage.tool_requests) * price.tool_request_nanos
    if percent != _PERCENT:
        return by_request + _divide_half_even(total * percent, _PARTS_PER_NANO)
    return by_request + _divide_half_even(total, _TOKENS_PER_PRICE)


def worst_nanos(price: Price, prompt_tokens: int, response_tokens: int) -> int:
    """The most that up to so many tokens can cost, whatever class each of them is of and whichever tier the prompt
    is in. The vendor's own tools are not in it: no request says how often they are called."""
    most = prompt_tokens * price.rates.dearest_prompt + response_tokens * price.rates.dearest_response
    for tier in price.tiers:
        if prompt_tokens > tier.above_prompt_tokens:
            rates = tier.rates
            most = max(most, prompt_tokens * rates.dearest_prompt + response_tokens * rates.dearest_response)
    return price.request_nanos + _divide_half_even(most, _TOKENS_PER_PRICE)


def _tokens_cost(price: Price, usage: Usage) -> int:
    """In millionths of a nano."""
    if not usage.has_parts():
        prompt, response = _count(usage.prompt_tokens), _count(usage.response_tokens)
        rates = price.rates_for(prompt) if price.tiers else price.rates
        return prompt * rates.prompt + response * rates.response
    return _parted_cost(price, usage)


def _parted_cost(price: Price, usage: Usage) -> int:
    read = _count(usage.cache_read_prompt_tokens)
    write_1h = _count(usage.cache_write_1h_prompt_tokens)
    write = write_1h if usage.cache_write_prompt_tokens is None else _count(usage.cache_write_prompt_tokens)
    prompt = read + write if usage.prompt_tokens is None else _count(usage.prompt_tokens)
    read = min(read, prompt)
    write = min(write, prompt - read)
    rates = price.rates_for(prompt) if price.tiers else price.rates
    plain = prompt - read - write
    response = _count(usage.response_tokens if usage.response_tokens is not None else usage.reasoning_tokens)
    total = plain * rates.prompt + read * rates.cache_read + write * rates.cache_write + response * rates.response
    if write_1h:
        total += min(write_1h, write) * (rates.cache_write_1h - rates.cache_write)
    return total + _media_surcharge(usage, rates, plain, response)


def _media_surcharge(usage: Usage, rates: Rates, plain: int, response: int) -> int:
    """What sound and images cost beyond (or below) text. Those of the prompt that were cached are charged as such."""
    total = 0
    if usage.audio_prompt_tokens or usage.image_prompt_tokens:
        audio = min(_count(usage.audio_prompt_tokens), plain)
        image = min(_count(usage.image_prompt_tokens), plain - audio)
        total += audio * (rates.audio_prompt - rates.prompt) + image * (rates.image_prompt - rates.prompt)
    if usage.audio_response_tokens or usage.image_response_tokens:
        audio = min(_count(usage.audio_response_tokens), response)
        image = min(_count(usage.image_response_tokens), response - audio)
        total += audio * (rates.audio_response - rates.response) + image * (rates.image_response - rates.response)
    return total


def _count(tokens: int | None) -> int:
    return tokens if tokens is not None and tokens > 0 else 0


def _divide_half_even(total: int, parts: int) -> int:
    nanos, rest = divmod(total, parts)
    twice = rest * 2
    if twice < parts:
        return nanos
    return nanos + 1 if twice > parts else nanos + (nanos & 1)
