"""Admission: the allow-list holds, and what is reserved is the most that the exchange can cost."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.access.admission import OpenAdmission
from gateway.exchange import Exchange
from gateway.outcomes import ModelDenied
from gateway.upstreams.vendors.openai_wire import MAX_CHOICES
from sluice.money.cost import cost_nanos
from sluice.money.usage import Usage
from tests.gateway.test_exchange import a_snapshot, an_exchange

SNAPSHOT, LLM = a_snapshot()
MAX_RESPONSE_TOKENS = (1 << 31) - 1
"""The most that a dialect passes on, whatever a client asks for."""


def admitted(**values: Any) -> Exchange:
    """An exchange that may call its vendor; 100 response tokens where it names no maximum."""
    exchange = an_exchange(**{"model": "gpt-4o-mini", "choices": 1, **values})
    OpenAdmission(100).admit(exchange, LLM, SNAPSHOT)
    return exchange


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("claude", "model 'claude' is not allowed"),
        (None, "the request names no model"),
        ("", "the request names no model"),
    ],
)
def test_a_model_that_is_not_on_the_list_is_denied(model: str | None, message: str) -> None:
    """By name; nothing is reserved for it."""
    exchange = an_exchange(model=model)
    with pytest.raises(ModelDenied) as caught:
        OpenAdmission(100).admit(exchange, LLM, SNAPSHOT)
    assert caught.value.message == message
    assert (exchange.price, exchange.reserved_nanos) == (None, 0)


@pytest.mark.parametrize(
    ("values", "passes"),
    [({}, True), ({"method": "HEAD"}, True), ({"method": "DELETE"}, False), ({"body": b"{}"}, False)],
)
def test_a_list_denies_no_request_that_only_looks(values: dict[str, Any], passes: bool) -> None:
    """``client.models.list()`` generates nothing and costs nothing."""
    exchange = an_exchange(**{"model": None, "method": "GET", **values})
    with contextlib.nullcontext() if passes else pytest.raises(ModelDenied):
        OpenAdmission(100).admit(exchange, LLM, SNAPSHOT)
    assert exchange.price is None


def test_without_a_list_a_path_without_a_model_passes() -> None:
    """It is not metered: no price, nothing reserved."""
    snapshot, _ = a_snapshot()
    exchange = an_exchange(model=None)
    OpenAdmission(100).admit(exchange, snapshot.llms_by_slug["nowhere"], snapshot)
    assert (exchange.price, exchange.reserved_nanos) == (None, 0)


def test_a_model_without_a_price_passes() -> None:
    """Unpriced is not forbidden."""
    snapshot, _ = a_snapshot()
    exchange = an_exchange(model="unpriced")
    OpenAdmission(100).admit(exchange, snapshot.llms_by_slug["nowhere"], snapshot)
    assert (exchange.price, exchange.reserved_nanos) == (None, 0)


@pytest.mark.parametrize(
    ("values", "prompt", "response"),
    [
        ({}, 0, 100),
        ({"body": b"x" * 41}, 11, 100),
        ({"max_response_tokens": 7}, 0, 7),
        ({"max_response_tokens": 0}, 0, 0),
        ({"max_response_tokens": -5}, 0, 0),
        ({"choices": 3}, 0, 300),
        ({"choices": 3, "max_response_tokens": 7}, 0, 21),
        ({"choices": 0, "max_response_tokens": 7}, 0, 7),
        ({"choices": -2, "max_response_tokens": 7}, 0, 7),
    ],
)
def test_the_worst_case_is_reserved(values: dict[str, Any], prompt: int, response: int) -> None:
    """A quarter of the bytes, rounded up, and the maximum for each choice."""
    exchange = admitted(**values)
    assert exchange.price
    assert exchange.reserved_nanos == cost_nanos(exchange.price, Usage(prompt, response))


@settings(deadline=None)
@given(st.none() | st.integers(-(1 << 40), MAX_RESPONSE_TOKENS), st.integers(-5, MAX_CHOICES), st.integers(0, 100_000))
def test_what_is_reserved_is_money_that_fits(limit: int | None, choices: int, size: int) -> None:
    """Never below zero, and within the 64 bits of slots and events."""
    exchange = admitted(max_response_tokens=limit, choices=choices, body=b"x" * size)
    assert 0 <= exchange.reserved_nanos < 1 << 63


def test_what_is_reserved_fits_at_any_real_price() -> None:
    """A client that asks for the most of a dear model gets an answer or a refusal, not a fault of ours."""
    snapshot, llm = a_snapshot(prices=[{"id": "dear", "model": "gpt-*", "prompt": "150", "response": "600"}])
    exchange = an_exchange(model="gpt-pro", choices=MAX_CHOICES, max_response_tokens=MAX_RESPONSE_TOKENS)
    OpenAdmission(100).admit(exchange, llm, snapshot)
    assert exchange.reserved_nanos < 1 << 63


def test_the_price_is_the_one_of_the_moment() -> None:
    """Of the exchange's own, not of now: a price that begins later does not hold for it."""
    at = an_exchange().occurred_at
    prices = [
        {"id": "old", "model": "gpt-*", "prompt": "1", "response": "1"},
        {"id": "new", "model": "gpt-*", "prompt": "2", "response": "2", "valid_from": "2023-11-14T22:13:20Z"},
    ]
    snapshot, llm = a_snapshot(prices=prices)
    for occurred_at, price_id in ((at - 1, "old"), (at, "new")):
        exchange = an_exchange(model="gpt-4o", occurred_at=occurred_at)
        OpenAdmission(100).admit(exchange, llm, snapshot)
        assert exchange.price
        assert exchange.price.id == price_id


def test_settling_changes_nothing() -> None:
    """Nothing was held."""
    exchange = admitted()
    before = exchange.reserved_nanos
    OpenAdmission(100).settle(exchange)
    assert exchange.reserved_nanos == before
