"""Admission: the allow-list holds, and what is reserved is the most that the exchange can cost."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.access.admission import LimitedAdmission
from gateway.access.limits import APP_OPEN
from gateway.access.shared_table import OPEN
from gateway.exchange import Exchange
from gateway.outcomes import BudgetExceeded, ModelDenied, RateLimited
from gateway.snapshot import Llm, Snapshot
from gateway.upstreams.vendors.openai.wire import MAX_CHOICES
from sluice.money.cost import cost_nanos
from sluice.money.prices import PriceTable
from sluice.money.usage import Usage
from tests.gateway.access.memory_ledger import MemoryLedger
from tests.gateway.access.sharing import a_share, answering, held_in
from tests.gateway.test_exchange import a_snapshot, an_exchange

SNAPSHOT, _DEMO = a_snapshot()
LLM = replace(_DEMO, max_tokens=0)
"""So that it is the gateway's default that is reserved."""
APP = SNAPSHOT.apps[1]
MAX_RESPONSE_TOKENS = (1 << 31) - 1
"""The most that a dialect passes on, whatever a client asks for."""


def admit(exchange: Exchange, llm: Llm = LLM, snapshot: Snapshot = SNAPSHOT) -> None:
    """Without limits and budgets nobody is asked for any; 100 response tokens where a request names no maximum."""
    nobody: Any = None
    step = LimitedAdmission(nobody, nobody, 100).admit(exchange, llm, snapshot)
    with pytest.raises(StopIteration):
        step.send(None)


def admitted(**values: Any) -> Exchange:
    """An exchange that may call its vendor."""
    exchange = an_exchange(**{"model": "gpt-4o-mini", "choices": 1, "app": APP, **values})
    admit(exchange)
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
        admit(exchange)
    assert caught.value.message == message
    assert (exchange.price, exchange.reserved_nanos) == (None, 0)


@pytest.mark.parametrize(
    ("values", "passes"),
    [
        ({}, True),
        ({"method": "HEAD"}, True),
        ({"method": "DELETE"}, True),
        ({"method": "DELETE", "body": b"{}"}, False),
        ({"method": "PUT"}, False),
        ({"body": b"{}"}, False),
        ({"method": "POST", "body": b"{}"}, False),
        ({"method": "POST", "body": b"{}", "is_free": True}, True),
    ],
)
def test_a_list_denies_no_request_that_only_looks(values: dict[str, Any], passes: bool) -> None:
    """``client.models.list()`` generates nothing and costs nothing; nor does a batch that is cancelled or deleted."""
    exchange = an_exchange(**{"model": None, "method": "GET", **values})
    with contextlib.nullcontext() if passes else pytest.raises(ModelDenied):
        admit(exchange)
    assert exchange.price is None


@pytest.mark.parametrize("further", [("gpt-4o", "claude"), ("claude",), ("gpt-4o\n",), ("",)])
def test_every_model_that_a_request_names_must_be_on_the_list(further: tuple[str, ...]) -> None:
    """Fallbacks, advisors: whoever may answer or help; nothing is reserved where one is denied."""
    exchange = an_exchange(model="gpt-4o-mini", further_models=further)
    with pytest.raises(ModelDenied, match="is not allowed; the request names it beside 'gpt-4o-mini'"):
        admit(exchange)
    assert exchange.reserved_nanos == 0


def test_the_dearest_of_all_models_is_reserved() -> None:
    """Whoever answers, it was enough; one without a price adds nothing."""
    prices = [
        {"id": "cheap", "model": "gpt-cheap", "prompt": "1", "response": "1"},
        {"id": "dear", "model": "gpt-dear", "prompt": "50", "response": "90"},
    ]
    snapshot, demo = a_snapshot(prices=prices)
    llm = replace(demo, max_tokens=0)
    reserved = []
    for model, further in (
        ("gpt-cheap", ()), ("gpt-cheap", ("gpt-none",)), ("gpt-cheap", ("gpt-dear",)), ("gpt-dear", ("gpt-cheap",)),
    ):  # fmt: skip
        exchange = an_exchange(model=model, further_models=further, body=b"x" * 400, choices=1)
        admit(exchange, llm, snapshot)
        reserved.append(exchange.reserved_nanos)
    cheap, dear = 100 * 1000 + 100 * 1000, 100 * 50_000 + 100 * 90_000
    assert reserved == [cheap, cheap, dear, dear]


@pytest.mark.parametrize("values", [{"model": "gpt-4o"}, {"model": None, "body": b"{}"}])
def test_nothing_is_reserved_for_what_is_free(values: dict[str, Any]) -> None:
    """A count of tokens has the model and the body of what it counts."""
    assert admitted(**values, is_free=True).reserved_nanos == 0


def test_without_a_list_a_path_without_a_model_passes() -> None:
    """It is not metered: no price, nothing reserved."""
    snapshot, _ = a_snapshot()
    exchange = an_exchange(model=None)
    admit(exchange, snapshot.llms_by_slug["nowhere"], snapshot)
    assert (exchange.price, exchange.reserved_nanos) == (None, 0)


def test_a_model_without_a_price_passes() -> None:
    """Unpriced is not forbidden."""
    snapshot, _ = a_snapshot()
    exchange = an_exchange(model="unpriced")
    admit(exchange, snapshot.llms_by_slug["nowhere"], snapshot)
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
    admit(exchange, llm, snapshot)
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
        admit(exchange, llm, snapshot)
        assert exchange.price
        assert exchange.price.id == price_id


def test_settling_changes_nothing_where_nothing_was_held() -> None:
    """Nobody is asked."""
    nobody: Any = None
    exchange = admitted()
    before = exchange.reserved_nanos
    LimitedAdmission(nobody, nobody, 100).settle(exchange)
    assert exchange.reserved_nanos == before


def test_an_llm_s_own_maximum_is_reserved(tmp_path: Path) -> None:
    """Where the request names none; the gateway's default is for LLMs without one."""
    snapshot, llm = a_snapshot(llms=[{"id": 1, "slug": "demo", "base_url": "http://127.0.0.1:9/v1", "max_tokens": 7}],
                               apps=[{"id": 1, "name": "tests", "llms": ["demo"]}, {"id": 2, "name": "x"}])  # fmt: skip
    for asked, output in ((None, 7), (9, 9)):
        exchange = an_exchange(model="gpt-4o-mini", choices=1, app=snapshot.apps[1], max_response_tokens=asked)
        admit(exchange, llm, snapshot)
        assert exchange.price
        assert exchange.reserved_nanos == cost_nanos(exchange.price, Usage(0, output))


class Bench:
    """Admission with limits and budgets, of an app and an LLM that have some."""

    def __init__(self, folder: Path, ledger: MemoryLedger | None = None, **app: Any) -> None:
        self.snapshot, self.llm = a_snapshot(apps=[{"id": 1, "name": "tests", "llms": ["demo"], **app},
                                                   {"id": 2, "name": "x"}])  # fmt: skip
        self.ledger = ledger or MemoryLedger()
        self.share = a_share(folder, self.ledger, ask_timeout_seconds=20)
        self.admission = LimitedAdmission(self.share.limits, self.share.budgets, 100)

    async def admit(self, **values: Any) -> Exchange:
        """One exchange, while the ledger is asked."""
        exchange = an_exchange(**{"model": "gpt-4o-mini", "choices": 1, "app": self.snapshot.apps[1], **values})
        async with answering(self.share):
            await self.admission.admit(exchange, self.llm, self.snapshot)
        return exchange

    def open_at_once(self) -> int:
        """How many exchanges the app's limit believes to be under way."""
        table = self.share.table
        return sum(table.total(row, OPEN) for row in table.used_rows() if table.key(row)[0] == APP_OPEN)


async def test_who_is_refused_by_a_budget_is_not_under_way(tmp_path: Path) -> None:
    """The limits that it passed before let it go."""
    bench = Bench(tmp_path, max_concurrent=5, monthly_budget="0.00000001")
    with pytest.raises(BudgetExceeded):
        await bench.admit()
    assert bench.open_at_once() == 0
    assert held_in(bench.share.table) == [(0, 0)]


async def test_who_is_refused_by_a_limit_holds_nothing(tmp_path: Path) -> None:
    """Budgets are not even asked."""
    bench = Bench(tmp_path, max_concurrent=1, monthly_budget="100")
    first = await bench.admit()
    assert first.holds
    with pytest.raises(RateLimited):
        await bench.admit()
    assert held_in(bench.share.table) == [(first.reserved_nanos, 1)]
    bench.admission.settle(first)
    assert (bench.open_at_once(), held_in(bench.share.table)) == (0, [(0, 0)])


async def test_what_is_held_stays_until_the_record_once_a_vendor_was_called(tmp_path: Path) -> None:
    """The slot says so; the limits need not wait for it."""
    bench = Bench(tmp_path, max_concurrent=1, monthly_budget="100")
    exchange = await bench.admit(slot=3)
    bench.admission.settle(exchange)
    assert (bench.open_at_once(), held_in(bench.share.table)) == (0, [(exchange.reserved_nanos, 1)])


async def test_who_only_looks_is_held_to_no_budget(tmp_path: Path) -> None:
    """Lists of models cost nothing; limits of requests count them."""
    bench = Bench(tmp_path, max_concurrent=1, monthly_budget="0.00000001")
    exchange = await bench.admit(model=None, method="GET")
    assert (exchange.holds, bench.open_at_once()) == ((), 1)


async def test_what_is_free_is_held_to_no_budget(tmp_path: Path) -> None:
    """Though it names a model and has a large body; limits of requests count it, limits of tokens do not."""
    bench = Bench(tmp_path, max_concurrent=1, monthly_budget="0.00000001", rate_limit_tpm=1)
    exchange = await bench.admit(is_free=True, body=b"{}" + b" " * 5000)
    assert (exchange.holds, exchange.reserved_nanos, bench.open_at_once()) == ((), 0, 1)


async def test_a_further_model_without_a_price_is_as_good_as_none(tmp_path: Path) -> None:
    """``budget.unpriced: deny`` holds for each that may be charged."""
    bench = Bench(tmp_path, monthly_budget="100")
    assert (await bench.admit(further_models=("gpt-4o",))).holds
    bench.share.budgets._settings = bench.share.budgets._settings.model_copy(update={"unpriced": "deny"})
    prices = PriceTable([price for price in bench.snapshot.prices.rows if price.model != "gpt-*"])
    bench.snapshot = replace(bench.snapshot, prices=prices)
    with pytest.raises(BudgetExceeded, match="has no price"):
        await bench.admit(further_models=("gpt-unknown",))


async def test_a_budget_for_another_llm_costs_nothing_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody counts the input of an exchange that no budget and no limit of tokens meters."""

    def counted(*_: Any) -> None:
        pytest.fail("its input was counted")

    monkeypatch.setattr("gateway.access.admission.worst_case", counted)
    bench = Bench(tmp_path, llms=["demo", "nowhere"], llm_budgets={"nowhere": "1"}, max_concurrent=1)
    exchange = await bench.admit()
    assert (exchange.holds, bench.open_at_once()) == ((), 1)
