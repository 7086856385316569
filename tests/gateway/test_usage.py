"""What an exchange was worth: counted where the vendor counted, estimated where it may have charged, else nothing."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.exchange import Exchange
from gateway.upstreams.vendors.dialect import Answer
from gateway.usage import abandon, estimate_tokens, price_exchange, take_answer
from sluice.money.cost import cost_nanos
from sluice.money.prices import Price, PriceTable
from sluice.money.usage import Usage
from tests.gateway.test_exchange import a_snapshot, an_attempt, an_exchange

PRICE = Price("gpt", "1", "openai", "gpt-*", "USD", 150_000_000, 600_000_000, 75_000_000, 150_000_000)
CHEAP = Price("cheap", "1", "openai", "cheap", "USD", 15_000_000, 60_000_000, 15_000_000, 15_000_000)
COUNTED = Usage(prompt_tokens=1000, response_tokens=500)


def priced(**values: Any) -> Exchange:
    """An exchange that called its vendor once, priced."""
    called = {"attempts": [an_attempt()], "model": "gpt-4o", "price": PRICE, "upstream_status": 200}
    exchange = an_exchange(**{**called, **values})
    price_exchange(exchange)
    return exchange


@settings(deadline=None)
@given(st.integers(0, 1 << 60))
def test_a_token_is_a_quarter_of_the_bytes_rounded_up(size: int) -> None:
    """In integers: the fourth byte more is never a token less."""
    tokens = estimate_tokens(size)
    assert 4 * tokens - 3 <= size <= 4 * tokens or size == tokens == 0
    assert estimate_tokens(size + 1) in {tokens, tokens + 1}


def test_what_the_vendor_counted_is_exact() -> None:
    """The price at the vendor's own counts."""
    exchange = priced(usage=COUNTED)
    assert (exchange.cost_nanos, exchange.cost_status) == (450_000, "exact")


def test_no_usage_and_no_price_where_nothing_was_called() -> None:
    """Nothing is said at all: absent is not zero."""
    exchange = priced(attempts=[], usage=None)
    assert (exchange.usage, exchange.cost_nanos, exchange.cost_status) == (None, None, "")


def test_an_attempt_that_sent_nothing_costs_nothing() -> None:
    """A refused connection is no call; the last attempt counts, since none is made behind one that may be billed."""
    unreached = [an_attempt(may_be_billed=False)]
    assert priced(attempts=unreached).cost_status == ""
    assert priced(attempts=[an_attempt(), *unreached]).cost_status == ""
    assert priced(attempts=[*unreached, an_attempt()]).cost_status == "estimated"


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503, 599])
def test_a_vendor_that_refuses_charges_nothing(status: int) -> None:
    """Zero, and sure of it; with no price too."""
    for price in (PRICE, None):
        exchange = priced(upstream_status=status, price=price)
        assert (exchange.usage, exchange.cost_nanos, exchange.cost_status) == (None, 0, "exact")


def test_a_vendor_that_refuses_and_counts_is_believed() -> None:
    """Its own usage is what it will bill."""
    exchange = priced(upstream_status=400, usage=COUNTED)
    assert (exchange.cost_nanos, exchange.cost_status) == (450_000, "exact")


@pytest.mark.parametrize("status", [None, 200, 399])
def test_an_answer_without_usage_is_estimated(status: int | None) -> None:
    """A quarter of the bytes both ways; also where no head arrived."""
    exchange = priced(upstream_status=status, body=b"x" * 401, response_bytes=201)
    assert exchange.usage == Usage(prompt_tokens=101, response_tokens=51)
    assert exchange.cost_nanos == cost_nanos(PRICE, Usage(101, 51))
    assert exchange.cost_status == "estimated"


def test_a_stream_without_usage_counts_its_frames() -> None:
    """A token for each, however large they are."""
    exchange = priced(is_stream=True, sse_frames=7, response_bytes=100_000)
    assert exchange.usage == Usage(prompt_tokens=0, response_tokens=7)
    assert exchange.cost_status == "estimated"


def test_a_prompt_that_was_not_counted_is_estimated() -> None:
    """Where a vendor counted the output alone, and says that something is missing; embeddings have no output."""
    exchange = priced(usage=Usage(response_tokens=7), usage_problem="prompt_missing", body=b"x" * 401)
    assert exchange.usage == Usage(prompt_tokens=101, response_tokens=7)
    assert exchange.cost_nanos == cost_nanos(PRICE, Usage(101, 7))
    assert exchange.cost_status == "estimated"
    assert priced(usage=Usage(), usage_problem="prompt_missing", body=b"x" * 401).usage == Usage(prompt_tokens=101)
    assert priced(usage=Usage(response_tokens=7), body=b"x" * 401).usage == Usage(response_tokens=7)


def test_a_path_without_a_model_costs_nothing() -> None:
    """Lists and health are not metered, whatever their size."""
    exchange = priced(model=None, price=None, body=b"--form" * 40, response_bytes=10_000)
    assert exchange.usage == Usage(prompt_tokens=0, response_tokens=0)
    assert (exchange.cost_nanos, exchange.cost_status) == (None, "unpriced")


@pytest.mark.parametrize("usage", [COUNTED, None])
def test_without_a_price_nothing_is_charged(usage: Usage | None) -> None:
    """Unpriced is not zero: the cost is absent, the tokens are known."""
    exchange = priced(price=None, usage=usage, body=b"x" * 8)
    assert (exchange.cost_nanos, exchange.cost_status) == (None, "unpriced")
    assert exchange.usage


def test_pricing_twice_changes_nothing() -> None:
    """What was estimated must not become exact by being looked at again, in cost at least."""
    exchange = priced(body=b"x" * 400)
    before = exchange.cost_nanos
    price_exchange(exchange)
    assert exchange.cost_nanos == before


def test_an_answer_says_what_it_was_worth() -> None:
    """Usage, its own text, model and tool calls, as they are."""
    exchange = an_exchange()
    take_answer(exchange, Answer(COUNTED, '{"x":1}', "gpt-4o-2024", 1, 2))
    assert exchange.usage is COUNTED
    assert (exchange.raw_usage, exchange.response_model) == ('{"x":1}', "gpt-4o-2024")
    assert (exchange.choices, exchange.tool_calls) == (1, 2)


@pytest.mark.parametrize(
    ("values", "counted", "choices"),
    [
        ({}, 2, 2),
        ({}, 0, 0),
        ({"is_stream": True}, 0, 3),
        ({"is_stream": True}, 2, 2),
        ({"is_stream": True, "upstream_status": 200}, 0, 3),
        ({"is_stream": True, "upstream_status": 500}, 0, 0),
    ],
)
def test_choices_are_those_of_the_answer(values: dict[str, Any], counted: int, choices: int) -> None:
    """A stream that nobody counted has as many as were asked for; a refusal has none."""
    exchange = an_exchange(choices=3, **values)
    take_answer(exchange, Answer(choices=counted))
    assert exchange.choices == choices


@settings(deadline=None)
@given(
    st.none() | st.builds(Usage, *[st.none() | st.integers(0, 1 << 40)] * 5),
    st.none() | st.just(PRICE), st.none() | st.integers(100, 599), st.booleans(), st.none() | st.just("gpt-4o"),
    st.lists(st.booleans(), max_size=3), st.integers(0, 1 << 30),
)  # fmt: skip
def test_money_is_never_negative_and_always_has_a_status(
    usage: Usage | None, price: Price | None, status: int | None, is_stream: bool, model: str | None,
    billed: list[bool], size: int,
) -> None:  # fmt: skip
    """Cost and status come together: exact and estimated have a cost, unpriced and nothing called have none."""
    attempts = [an_attempt(may_be_billed=each) for each in billed]
    exchange = priced(
        usage=usage, price=price, upstream_status=status, is_stream=is_stream, model=model, attempts=attempts,
        response_bytes=size, sse_frames=size // 100,
    )  # fmt: skip
    assert (exchange.cost_nanos is not None) == (exchange.cost_status in {"exact", "estimated"})
    assert (exchange.cost_status != "") == any(billed[-1:])
    assert exchange.cost_nanos is None or 0 <= exchange.cost_nanos < 1 << 63


def given_up(*, may_be_billed: bool = True, price: Price | None = PRICE) -> Exchange:
    """An exchange whose first LLM was given up: it was sent 400 bytes, which may be 100 tokens."""
    exchange = an_exchange(
        attempts=[an_attempt(may_be_billed=may_be_billed)], model="gpt-4o", price=price, body=b"x" * 400
    )
    abandon(exchange)
    return exchange


ASKED = cost_nanos(PRICE, Usage(100, 0))


def test_what_was_given_up_is_added_to_what_was_counted() -> None:
    """The sum is an estimate; tokens are those of whoever answered."""
    exchange = given_up()
    exchange.attempts.append(an_attempt())
    exchange.usage = COUNTED
    price_exchange(exchange)
    assert (exchange.cost_nanos, exchange.cost_status) == (450_000 + ASKED, "estimated")
    assert exchange.usage == COUNTED


def test_what_was_given_up_is_owed_where_nobody_answers() -> None:
    """Behind it was a vendor that could not be reached, or refused."""
    for last, status in ((an_attempt(may_be_billed=False), None), (an_attempt(), 503)):
        exchange = given_up()
        exchange.attempts.append(last)
        exchange.upstream_status = status
        price_exchange(exchange)
        assert (exchange.cost_nanos, exchange.cost_status) == (ASKED, "estimated")


def test_what_was_given_up_for_nothing_leaves_nothing() -> None:
    """An LLM that was not reached, or refused, owes and is owed nothing: what was counted stays exact."""
    exchange = given_up(may_be_billed=False)
    exchange.attempts.append(an_attempt())
    exchange.usage = COUNTED
    price_exchange(exchange)
    assert (exchange.cost_nanos, exchange.cost_status) == (450_000, "exact")


def test_what_was_given_up_without_a_price_makes_a_sum_inexact() -> None:
    """And where neither has a price there is no sum."""
    for price, cost, status in ((PRICE, 450_000, "estimated"), (None, None, "unpriced")):
        exchange = given_up(price=None)
        exchange.attempts.append(an_attempt())
        exchange.usage, exchange.price = COUNTED, price
        price_exchange(exchange)
        assert (exchange.cost_nanos, exchange.cost_status) == (cost, status)


@pytest.mark.parametrize(
    ("usage", "problem"),
    [
        (Usage(-1, 5), "negative_tokens"),
        (Usage(5, 5, tool_requests=-1), "negative_tokens"),
        (Usage(10**30), "absurd_tokens"),
        (Usage(5, (1 << 40) + 1), "absurd_tokens"),
    ],
)
def test_counts_that_cannot_be_are_none(usage: Usage, problem: str) -> None:
    """Whichever dialect let them pass: the exchange is estimated, and says why."""
    exchange = an_exchange(attempts=[an_attempt()], model="gpt-4o", price=PRICE, body=b"x" * 400, response_bytes=40)
    take_answer(exchange, Answer(usage))
    price_exchange(exchange)
    assert (exchange.usage, exchange.cost_status, exchange.usage_problem) == (Usage(100, 10), "estimated", problem)


@pytest.mark.parametrize(
    ("usage", "problem"),
    [
        (Usage(5, 5, cache_read_prompt_tokens=9), "cache_tokens_exceed_prompt"),
        (Usage(5, 5, reasoning_tokens=6), "reasoning_exceeds_response"),
        (Usage(5, 5, audio_prompt_tokens=6), "media_tokens_exceed_prompt"),
    ],
)
def test_counts_that_contradict_each_other_are_charged_as_far_as_they_can_be_true(usage: Usage, problem: str) -> None:
    """As an estimate, with the reason."""
    exchange = priced(usage=usage)
    assert (exchange.cost_status, exchange.usage_problem) == ("estimated", problem)
    assert exchange.cost_nanos == cost_nanos(PRICE, usage)


@pytest.mark.parametrize("usage", [Usage(0, 0), Usage(5), Usage(None, 5), Usage(5, 5, 5, 0, 5)])
def test_counts_that_are_few_or_zero_are_exact(usage: Usage) -> None:
    """Incomplete is not wrong, and an explicit zero stays zero."""
    exchange = priced(usage=usage)
    assert (exchange.cost_nanos, exchange.cost_status) == (cost_nanos(PRICE, usage), "exact")
    assert exchange.usage_problem == ""


def test_a_problem_of_the_answer_makes_an_estimate() -> None:
    """What was counted is charged; the reason is kept."""
    exchange = an_exchange(attempts=[an_attempt()], model="gpt-4o", price=PRICE)
    take_answer(exchange, Answer(COUNTED, problem="service_tier"))
    price_exchange(exchange)
    assert (exchange.cost_nanos, exchange.cost_status) == (450_000, "estimated")
    assert exchange.usage_problem == "service_tier"


def test_missing_usage_is_a_reason_where_something_was_metered() -> None:
    """Of a list it is none."""
    assert priced().usage_problem == "missing"
    assert priced(model=None, method="GET").usage_problem == ""


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_what_is_only_looked_up_was_paid_for_before(method: str) -> None:
    """An answer that is fetched again, or a batch that is polled, tells its usage each time."""
    exchange = an_exchange(attempts=[an_attempt()], method=method, path="/v1/responses/resp_1")
    take_answer(exchange, Answer(COUNTED, "{}", "gpt-4o"))
    price_exchange(exchange, PriceTable([PRICE]))
    assert (exchange.usage, exchange.price) == (Usage(0, 0), None)
    assert (exchange.cost_nanos, exchange.cost_status) == (0, "exact")
    assert exchange.raw_usage == "{}"


@pytest.mark.parametrize("usage", [None, Usage(0, 0), Usage(0)])
@pytest.mark.parametrize("price", [None, PRICE])
def test_what_is_free_costs_nothing_whoever_has_a_price(usage: Usage | None, price: Price | None) -> None:
    """A count of tokens names a model, which may have no price; nothing is estimated, even where no answer came."""
    exchange = priced(is_free=True, usage=usage, price=price, response_bytes=400)
    assert (exchange.usage, exchange.cost_nanos, exchange.cost_status) == (Usage(0, 0), 0, "exact")
    assert exchange.usage_problem == ""


def test_a_vendor_that_counts_what_should_be_free_is_believed() -> None:
    """Nothing is free by accident."""
    exchange = priced(is_free=True, usage=COUNTED)
    assert (exchange.cost_nanos, exchange.cost_status) == (450_000, "exact")


@pytest.mark.parametrize(
    ("batch", "cost", "status", "problem"),
    [
        ({"batch_percent": 50}, 225_000, "exact", ""),
        ({"batch": CHEAP}, 45_000, "exact", ""),
        ({}, 450_000, "estimated", "batch_tier"),
    ],
)
def test_a_vendor_s_batch_tier_has_the_batch_price(batch: dict[str, Any], cost: int, status: str, problem: str) -> None:
    """Where the table knows it; else what is known is an estimate, which says why."""
    exchange = an_exchange(attempts=[an_attempt()], model="gpt-4o", price=dataclasses.replace(PRICE, **batch))
    take_answer(exchange, Answer(COUNTED, problem="batch_tier"))
    price_exchange(exchange)
    assert (exchange.cost_nanos, exchange.cost_status, exchange.usage_problem) == (cost, status, problem)


@pytest.mark.parametrize(
    ("answered", "cost", "status"),
    [
        ("gpt-4o-2024-08-06", 450_000, "exact"),
        ("cheap", 45_000, "exact"),
        ("cheap-2026-01-01", 45_000, "exact"),
        ("of-tomorrow", 450_000, "estimated"),
        ("no-price", 450_000, "estimated"),
    ],
)
def test_of_several_models_the_one_that_answered_is_charged(answered: str, cost: int, status: str) -> None:
    """The answer names it; one that the request does not name, or that has no price, makes an estimate."""
    _, llm = a_snapshot()
    table = PriceTable([PRICE, CHEAP])
    exchange = an_exchange(attempts=[an_attempt()], model="gpt-4o", llm=llm, usage=COUNTED, price=PRICE)
    exchange.further_models, exchange.response_model = ("cheap", "no-price"), answered
    price_exchange(exchange, table)
    assert (exchange.cost_nanos, exchange.cost_status) == (cost, status)
    assert exchange.usage_problem == ("" if status == "exact" else "other_model")


def test_json_without_a_model_may_cost() -> None:
    """Whoever chooses the model: nothing is free by accident."""
    exchange = priced(model=None, price=None, body=b'{"assistant_id":"a"}', response_bytes=400)
    assert exchange.usage == Usage(5, 100)
    assert (exchange.cost_status, exchange.usage_problem) == ("unpriced", "missing")


def test_the_model_that_answered_has_the_price_where_the_one_asked_for_has_none() -> None:
    """A deployment's name is its client's own; a price that is pinned stays."""
    _, llm = a_snapshot()
    table = PriceTable([PRICE])
    exchange = an_exchange(attempts=[an_attempt()], model="my-deployment", llm=llm, usage=COUNTED)
    exchange.response_model = "gpt-4o-2024-08-06"
    price_exchange(exchange, table)
    assert (exchange.price, exchange.cost_nanos, exchange.cost_status) == (PRICE, 450_000, "exact")
    pinned = dataclasses.replace(PRICE, prompt_nanos=0, response_nanos=0)
    exchange = an_exchange(attempts=[an_attempt()], model="x", llm=llm, usage=COUNTED, price=pinned)
    exchange.response_model = "gpt-4o"
    price_exchange(exchange, table)
    assert exchange.cost_nanos == 0


def test_a_batch_pays_its_price() -> None:
    """Half, where its row says so."""
    half = dataclasses.replace(PRICE, batch_percent=50)
    assert priced(usage=COUNTED, price=half, is_batch=True).cost_nanos == 225_000
    assert priced(usage=COUNTED, price=half).cost_nanos == 450_000


def test_a_batch_without_counts_is_estimated_at_all_it_may_generate() -> None:
    """Its answers come later, to whoever asks for them, if ever: what is said now is its input and its maximum."""
    exchange = priced(usage=None, body=b"{" * 400, response_bytes=4_000, is_batch=True, max_response_tokens=7_000)
    assert (exchange.usage, exchange.cost_status) == (Usage(100, 7_000), "estimated")
    exchange = priced(usage=None, body=b"{" * 400, response_bytes=4_000, is_batch=True)
    assert exchange.usage == Usage(100, 1_000)
    assert priced(usage=None, is_batch=True, max_response_tokens=7_000, upstream_status=400).cost_nanos == 0
