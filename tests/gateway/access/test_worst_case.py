"""The worst case: all of the input, the most output for each answer, at the dearest price of whoever may answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.access.input_tokens import count_input
from gateway.access.worst_case import MAX_NANOS, WorstCase, worst_case
from gateway.exchange import Exchange
from gateway.upstreams.failover import Candidate
from gateway.usage import estimate_tokens
from sluice.money.prices import Price
from sluice.money.rates import Tier, rates_of
from tests.gateway.test_exchange import a_snapshot, an_exchange

SNAPSHOT, DEMO = a_snapshot()
LLM = replace(DEMO, max_tokens=0)
BODY = b'{"model":"gpt-4o-mini","messages":[{"role":"user","content":"hello"}]}'


def price(prompt: int, response: int, cache_write: int | None = None) -> Price:
    """Nanos for a million tokens."""
    return Price("p", "1", "openai", "gpt-*", "USD", prompt, response, prompt // 2, cache_write or prompt)


def asked(**values: Any) -> Exchange:
    """A request that costs a nano for each token, in or out."""
    return an_exchange(**{"model": "gpt-4o-mini", "body": BODY, "choices": 1, "price": price(10**6, 10**6), **values})


def tokens() -> int:
    """Of the body."""
    return count_input(BODY, LLM, "gpt-4o-mini").tokens


def test_it_says_how_input_was_counted() -> None:
    """By a vocabulary where one fits, else by bytes; and what of output was meant."""
    known = worst_case(asked(), LLM, 100).described()
    assert known == f"{tokens()} tokens of input, counted by tokenizer, and up to 100 of output"
    other = worst_case(asked(model="of-nobody", choices=2), LLM, 100).described()
    counted = count_input(BODY, LLM, "of-nobody").tokens
    assert other == f"{counted} tokens of input, counted by bytes, and up to 2 x 100 of output"


@pytest.mark.parametrize(
    ("values", "llm", "output"),
    [
        ({}, LLM, 100),
        ({}, replace(LLM, max_tokens=30), 30),
        ({"max_response_tokens": 7}, replace(LLM, max_tokens=30), 7),
        ({"max_response_tokens": 0}, LLM, 0),
        ({"max_response_tokens": -3}, LLM, 0),
        ({"choices": 3}, LLM, 300),
        ({"choices": 0}, LLM, 100),
        ({"choices": 4, "max_response_tokens": 7}, LLM, 28),
    ],
)
def test_output_is_what_may_come(values: dict[str, Any], llm: Any, output: int) -> None:
    """The request's maximum, else its LLM's, else the gateway's; for each choice."""
    exchange = asked(**values)
    worst = worst_case(exchange, llm, 100)
    assert worst.is_asked is ("max_response_tokens" in values)
    assert worst.tokens == worst.nanos(exchange) == tokens() + output


def test_a_request_without_a_model_has_no_bound() -> None:
    """Nobody knows what it will be charged as."""
    worst = worst_case(asked(model=None), LLM, 100)
    assert not worst.counted.is_bounded
    assert worst.counted.unbounded_because == "the request names no model"


def test_the_dearest_of_those_who_may_answer_counts() -> None:
    """Whichever part of it is dear; with what the one that was given up for it may have charged."""
    others = tuple(Candidate(LLM, "gpt-4o", False, each) for each in (price(5 * 10**6, 10**6), None))
    exchange = asked(failover=others, max_response_tokens=10)
    assert worst_case(exchange, LLM, 100).nanos(exchange) == 5 * tokens() + 10 + estimate_tokens(len(BODY))


def test_the_input_of_whoever_counts_most_counts() -> None:
    """A model of another vocabulary, or none that is known, makes more tokens of the same text; or has no bound."""
    for model, is_bounded in (("llama3", True), ("gpt-4o-mini", True), ("gpt-4o-search-preview", False)):
        others = tuple(Candidate(LLM, each, False, None) for each in ("gpt-4o", model))
        exchange = asked(model="gpt-4o", failover=others)
        counted = worst_case(exchange, LLM, 100).counted
        assert counted.tokens == max(count_input(BODY, LLM, each).tokens for each in ("gpt-4o", model))
        assert counted.is_bounded is is_bounded


def test_input_that_is_written_to_a_cache_is_dearer_with_some() -> None:
    """Then that is what is held; where it is cheaper it is not."""
    for written, nanos in ((2 * 10**6, 2), (1, 1)):
        exchange = asked(price=price(10**6, 10**6, written), max_response_tokens=0)
        assert worst_case(exchange, LLM, 100).nanos(exchange) == nanos * tokens()


def test_the_dearest_class_and_tier_that_may_come_count() -> None:
    """An hour's cache, sound, images; a tier only where the prompt may be as large; and what a request costs itself."""
    dear = replace(
        price(10**6, 10**6), cache_write_1h_nanos=2 * 10**6, audio_prompt_nanos=5 * 10**6,
        image_response_nanos=7 * 10**6, request_nanos=11,
    )  # fmt: skip
    exchange = asked(price=dear, max_response_tokens=3)
    assert worst_case(exchange, LLM, 100).nanos(exchange) == 5 * tokens() + 7 * 3 + 11
    for size, factor in ((tokens() - 1, 9), (tokens(), 1)):
        tiered = replace(price(10**6, 10**6), tiers=(Tier(size, rates_of({"prompt": 9 * 10**6, "response": 10**6})),))
        exchange = asked(price=tiered, max_response_tokens=0)
        assert worst_case(exchange, LLM, 100).nanos(exchange) == factor * tokens()


def test_without_a_price_it_costs_nothing() -> None:
    """As far as anybody knows."""
    exchange = asked(price=None)
    assert worst_case(exchange, LLM, 100).nanos(exchange) == 0


@given(st.integers(0, 1 << 31), st.integers(1, 1 << 15), st.integers(0, 10**12))
def test_it_is_money_that_fits(maximum: int, choices: int, dear: int) -> None:
    """Within what a cell can hold, and growing with the maximum."""
    exchange = asked(price=price(dear, dear))
    worst = WorstCase(count_input(BODY, LLM, "gpt-4o-mini"), maximum, True, choices)
    assert 0 <= worst.nanos_with(exchange, maximum // 2) <= worst.nanos(exchange) <= MAX_NANOS


def test_a_batch_of_prompts_is_answered_once_for_each() -> None:
    """And what a vendor generates to choose from is charged."""
    body = b'{"model":"gpt-4o-mini","prompt":["a","b","c"],"best_of":2}'
    exchange = asked(body=body, path="/completions", max_response_tokens=10)
    assert worst_case(exchange, LLM, 100).answers == 6
