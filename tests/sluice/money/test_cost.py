"""Tests of ``sluice.money.cost``."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.money.cost import cost_nanos
from sluice.money.prices import Price
from sluice.money.usage import Usage

prices = st.integers(min_value=0, max_value=10**12)
tokens = st.none() | st.integers(min_value=0, max_value=10**9)
anything = st.none() | st.integers(min_value=-(10**9), max_value=10**9)


def row(prompt: int, response: int, read: int, write: int) -> Price:
    """A price row with these prices."""
    return Price("p", "1", "openai", "m", "USD", prompt, response, read, write)


PRICES = st.builds(row, prices, prices, prices, prices)


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


@given(PRICES, st.builds(Usage, anything, anything, anything, anything, anything))
def test_no_usage_makes_a_cost_negative_or_larger_than_its_tokens(price: Price, usage: Usage) -> None:
    """Whatever a vendor says, cost lies between zero and all its tokens at the dearest price."""
    dearest = max(price.prompt_nanos, price.response_nanos, price.cache_read_nanos, price.cache_write_nanos)
    counted = sum(max(count or 0, 0) for count in usage._counts())
    assert 0 <= cost_nanos(price, usage) <= counted * dearest


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
