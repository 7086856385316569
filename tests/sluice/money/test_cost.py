"""Tests of ``sluice.money.cost``."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.money import cost
from sluice.money.cost import cost_nanos, worst_nanos
from sluice.money.prices import Price
from sluice.money.rates import Rates, Tier
from sluice.money.usage import Usage

prices = st.integers(min_value=0, max_value=10**12)
tokens = st.none() | st.integers(min_value=0, max_value=10**9)
anything = st.none() | st.integers(min_value=-(10**9), max_value=10**9)


def row(prompt: int, response: int, read: int, write: int) -> Price:
    """A price row with these prices."""
    return Price("p", "1", "openai", "m", "USD", prompt, response, read, write)


PRICES = st.builds(row, prices, prices, prices, prices)
USAGES = st.builds(Usage, *[anything] * 11)


def full(nanos: list[int | None], by_request: tuple[int, int], tiers: list[tuple[int, list[int]]]) -> Price:
    """A price with everything."""
    prompt, response, read, write, write_1h, audio, audio_out, image, image_out = nanos
    return Price(
        "p", "1", "openai", "m", "USD", prompt or 0, response or 0, read or 0, write or 0, 0,
        write_1h, audio, audio_out, image, image_out, *by_request,
        tuple(Tier(size, Rates(*given)) for size, given in tiers),
    )  # fmt: skip


FULL = st.builds(
    full,
    st.lists(st.none() | prices, min_size=9, max_size=9),
    st.tuples(prices, prices),
    st.lists(
        st.tuples(st.integers(1, 10**6), st.lists(prices, min_size=9, max_size=9)), max_size=3, unique_by=lambda t: t[0]
    ),
)


@given(PRICES, st.integers(0, 10**9), tokens, st.integers(0, 10**6), st.integers(0, 10**6))
def test_cost_is_the_exact_sum_rounded_half_even_once(
    price: Price, plain: int, response: int | None, read: int, write: int
) -> None:
    """Cost equals the sum computed in fractions, rounded half-even at the end (Python's ``round``)."""
    usage = Usage(plain + read + write, response, read, write)
    exact = Fraction(
        plain * price.prompt_nanos
        + read * price.cache_read_nanos
        + write * price.cache_write_nanos
        + (response or 0) * price.response_nanos,
        10**6,
    )
    assert cost_nanos(price, usage) == round(exact)


@given(FULL, anything, anything, st.sampled_from([None, 0]))
def test_the_short_sum_is_the_thorough_one(
    price: Price, prompt: int | None, response: int | None, others: int | None
) -> None:
    """Where no class of tokens is told apart, whatever is absent or negative."""
    usage = Usage(prompt, response, *[others] * 9)
    assert cost._tokens_cost(price, usage) == cost._parted_cost(price, usage)


@given(FULL, USAGES, st.booleans())
def test_no_usage_makes_a_cost_negative_or_larger_than_its_tokens(price: Price, usage: Usage, is_batch: bool) -> None:
    """Whatever a vendor says, cost lies between zero and all its tokens at the dearest price of any tier."""
    counted = sum(max(count or 0, 0) for count in usage._counts())
    tools = max(usage.tool_requests or 0, 0) * price.tool_request_nanos
    assert 0 <= cost_nanos(price, usage, is_batch=is_batch) <= worst_nanos(price, counted, counted) + tools


@given(FULL, st.integers(0, 10**6), st.integers(0, 10**6), st.data())
def test_what_is_reserved_covers_whatever_those_tokens_turn_out_to_be(
    price: Price, prompt: int, response: int, data: st.DataObject
) -> None:
    """Any usage of at most so many tokens, of any classes, costs no more than its worst case and the tools' calls."""
    part = partial(data.draw, st.none() | st.integers(-1, 2 * 10**6))
    usage = Usage(
        data.draw(st.integers(0, prompt)), data.draw(st.integers(0, response)), part(), part(), part(), part(), part(),
        part(), part(), part(), data.draw(st.integers(0, 5)),
    )  # fmt: skip
    tools = (usage.tool_requests or 0) * price.tool_request_nanos
    assert cost_nanos(price, usage) - tools <= worst_nanos(price, prompt, response)


@given(FULL, st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**4))
def test_more_tokens_cost_no_less(price: Price, prompt: int, response: int, more: int) -> None:
    """Of a class alone, within a tier; a response also across all that the prompt says."""
    assert cost_nanos(price, Usage(prompt, response)) <= cost_nanos(price, Usage(prompt, response + more))
    flat = replace(price, tiers=())
    assert cost_nanos(flat, Usage(prompt, response)) <= cost_nanos(flat, Usage(prompt + more, response))
    assert cost_nanos(flat, Usage(prompt, response, audio_response_tokens=0)) == cost_nanos(
        flat, Usage(prompt, response)
    )
    assert worst_nanos(price, prompt, response) <= worst_nanos(price, prompt + more, response + more)


@given(FULL, st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), min_size=1, max_size=5))
def test_without_tiers_costs_add_up(price: Price, parts: list[tuple[int, int]]) -> None:
    """Two exchanges cost what one of their sizes together would, but for a request's own price and half a nano each."""
    flat = replace(price, tiers=(), request_nanos=0)
    apart = sum(cost_nanos(flat, Usage(*part)) for part in parts)
    together = cost_nanos(flat, Usage(sum(prompt for prompt, _ in parts), sum(response for _, response in parts)))
    assert abs(apart - together) * 2 <= len(parts) + 1


@given(FULL, USAGES, st.integers(0, 100))
def test_a_batch_pays_its_percentage_of_the_tokens_alone(price: Price, usage: Usage, percent: int) -> None:
    """Rounded once, after the percentage; requests and tools are paid in full."""
    price = replace(price, batch_percent=percent)
    by_request = price.request_nanos + max(usage.tool_requests or 0, 0) * price.tool_request_nanos
    tokens = cost_nanos(price, usage) - by_request
    batch = cost_nanos(price, usage, is_batch=True) - by_request
    assert abs(batch * 100 - tokens * percent) <= 100
    assert cost_nanos(replace(price, batch_percent=100), usage, is_batch=True) == cost_nanos(price, usage)


@given(FULL, FULL, USAGES)
def test_a_batch_may_have_prices_of_its_own(price: Price, batch: Price, usage: Usage) -> None:
    """They hold for all of it, instead of any percentage."""
    both = replace(price, batch=batch, batch_percent=1)
    assert cost_nanos(both, usage, is_batch=True) == cost_nanos(batch, usage)
    assert cost_nanos(both, usage) == cost_nanos(price, usage)


@pytest.mark.parametrize(
    ("usage", "nanos"),
    [
        (Usage(), 0),
        (Usage(prompt_tokens=1_000_000), 100),
        (Usage(prompt_tokens=1_000_000, cache_read_prompt_tokens=1_000_000), 10),
        (Usage(prompt_tokens=1_000_000, cache_read_prompt_tokens=2_000_000), 10),
        (Usage(prompt_tokens=1_000_000, cache_read_prompt_tokens=600_000, cache_write_prompt_tokens=600_000), 6 + 80),
        (Usage(cache_read_prompt_tokens=1_000_000), 10),
        (Usage(reasoning_tokens=1_000_000), 1000),
        (Usage(response_tokens=1_000_000, reasoning_tokens=999), 1000),
        (Usage(prompt_tokens=-5, response_tokens=-5), 0),
    ],
)
def test_classes_of_tokens(usage: Usage, nanos: int) -> None:
    """Cached tokens leave the prompt's class for their own and never exceed it; reasoning is part of the response."""
    assert cost_nanos(row(100, 1000, 10, 200), usage) == nanos


@pytest.mark.parametrize(("prompt_tokens", "nanos"), [(1, 0), (3, 2), (5, 2), (7, 4)])
def test_halves_go_to_the_even_nano(prompt_tokens: int, nanos: int) -> None:
    """Half a nano is rounded to the even neighbour, so that roundings do not drift."""
    assert cost_nanos(row(500_000, 0, 0, 0), Usage(prompt_tokens=prompt_tokens)) == nanos


RICH = Price(
    "p", "1", "openai", "m", "USD", 100, 1000, 10, 200, 0, 400, 700, 7000, 300, 3000, 5, 50,
    (Tier(2_000_000, Rates(101, 1001, 11, 201, 401, 701, 7001, 301, 3001)),),
)  # fmt: skip


@pytest.mark.parametrize(
    ("usage", "nanos"),
    [
        (Usage(), 5),
        (Usage(prompt_tokens=0, response_tokens=0, tool_requests=0), 5),
        (Usage(tool_requests=3), 155),
        (Usage(tool_requests=-3), 5),
        (Usage(1_000_000, 0, 0, 1_000_000, None, 1_000_000), 405),
        (Usage(1_000_000, 0, 0, 1_000_000, None, 250_000), 255),
        (Usage(1_000_000, 0, 0, None, None, 1_000_000), 405),
        (Usage(1_000_000, 0, 0, 500_000, None, 1_000_000), 255),
        (Usage(cache_write_1h_prompt_tokens=1_000_000), 405),
        (Usage(1_000_000, audio_prompt_tokens=1_000_000), 705),
        (Usage(1_000_000, audio_prompt_tokens=2_000_000), 705),
        (Usage(1_000_000, audio_prompt_tokens=-1), 105),
        (Usage(1_000_000, cache_read_prompt_tokens=500_000, audio_prompt_tokens=1_000_000), 360),
        (Usage(1_000_000, image_prompt_tokens=500_000, audio_prompt_tokens=500_000), 505),
        (Usage(0, 1_000_000, audio_response_tokens=1_000_000), 7005),
        (Usage(0, 1_000_000, image_response_tokens=1_000_000), 3005),
        (Usage(0, 1_000_000, reasoning_tokens=500_000, audio_response_tokens=500_000), 4005),
        (Usage(2_000_000), 205),
        (Usage(3_000_000), 308),
        (Usage(3_000_000, 1_000_000, 3_000_000), 1039),
    ],
)
def test_every_class_has_its_price(usage: Usage, nanos: int) -> None:
    """What is written for an hour, spoken, drawn, called and asked; a tier is entered above its size, not at it."""
    assert cost_nanos(RICH, usage) == nanos
