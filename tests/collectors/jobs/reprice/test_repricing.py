"""Tests of ``collectors.jobs.reprice.repricing``: as the gateway priced it, by another list; or why not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.jobs.reprice.repricing import REASONS, New, Repricer
from sluice.money.prices import PriceTable
from tests.collectors.events import NOW_MICROS
from tests.collectors.jobs.reprice.events import ATTEMPT, COST, PRICE, an_event

OTHER = {**ATTEMPT, "llm_slug": "other"}
UNBILLED = {**ATTEMPT, "may_be_billed": False}


def repriced(table: PriceTable | None = None, *, with_estimates: bool = False, **changes: Any) -> New:
    """By one row, unless there is another table."""
    return Repricer(table or PriceTable([PRICE]), with_estimates=with_estimates).reprice(an_event(**changes))


def test_it_has_the_new_price() -> None:
    """Nanos, currency, row, version and status."""
    assert repriced() == New(COST, "USD", "new", "2", "exact")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"cost_status": "", "cost_nanos": None}, "not_called"),
        ({"outcome": "interrupted", "cost_status": "estimated"}, "interrupted"),
        ({"prompt_tokens": None, "response_tokens": None, "cost_nanos": 0, "raw_usage": None}, "free"),
        ({"prompt_tokens": 0, "response_tokens": 0, "cost_nanos": 0}, "free"),
        ({"prompt_tokens": 0, "response_tokens": 0, "cost_nanos": 0, "raw_usage": None}, "free"),
        ({"model_name": "unknown"}, "no_price"),
        ({"model_name": None}, "no_price"),
        ({"cost_status": "estimated"}, "estimated"),
        ({"cost_status": "unpriced", "cost_nanos": None, "labels": ["usage:missing"]}, "estimated"),
        ({"attempts": [ATTEMPT, OTHER], "labels": ["priced:vendor=openai"]}, "failover"),
        ({"attempts": [UNBILLED, OTHER]}, "other_llm"),
        ({"currency": "EUR"}, "other_currency"),
        ({"raw_usage": "{}"}, "cut"),
        ({"prompt_tokens": 99}, "counted_otherwise"),
        ({"prompt_tokens": 1 << 62, "raw_usage": None}, "beyond_money"),
    ],
)
def test_what_cannot_be_priced_stays_as_it_is_and_says_why(changes: dict[str, Any], reason: str) -> None:
    """Never in silence, and never at a price that is a guess."""
    old = an_event(**changes)
    assert repriced(**changes) == New(*old[13:], reason)
    assert reason in REASONS


@pytest.mark.parametrize(
    ("changes", "new"),
    [
        ({"cost_nanos": None, "cost_status": "unpriced", "currency": "EUR"}, New(COST, "USD", "new", "2", "exact")),
        ({"raw_usage": None}, New(COST, "USD", "new", "2", "exact")),
        ({"model_name": "gpt-4o-2026", "labels": ["priced:model=gpt-4o"]}, New(COST, "USD", "new", "2", "exact")),
        ({"model_name": "gpt-4o", "labels": ["priced:model=mine"]}, New(COST, "USD", "new", "2", "exact")),
        ({"attempts": [UNBILLED, OTHER], "vendor": "azure", "labels": ["priced:vendor=openai"]},
         New(COST, "USD", "new", "2", "exact")),
    ],
)  # fmt: skip
def test_its_price_is_found_as_it_was(changes: dict[str, Any], new: New) -> None:
    """Of the model asked, else of the one that answered; of the vendor that answered; also where there was none."""
    assert repriced(**changes) == new


def test_what_held_when_it_was_admitted_holds() -> None:
    """A price that began later is another exchange's."""
    later = replace(PRICE, id="later", valid_from=NOW_MICROS + 1, prompt_nanos=1)
    assert repriced(PriceTable([PRICE, later])).price_id == "new"
    assert repriced(PriceTable([PRICE, later]), occurred_at=NOW_MICROS + 1).price_id == "later"


def test_tools_batches_and_requests_are_paid_as_they_were() -> None:
    """By the labels of what no usage says."""
    price = replace(PRICE, request_nanos=7, tool_request_nanos=1_000, batch_percent=50)
    table = PriceTable([price])
    assert repriced(table, labels=["priced:tools=3"]).cost_nanos == COST + 7 + 3_000
    assert repriced(table, labels=["priced:batch"]).cost_nanos == COST // 2 + 7
    tier = repriced(table, labels=["priced:batch_tier"])
    assert (tier.cost_nanos, tier.cost_status) == (COST // 2 + 7, "exact")
    assert repriced(labels=["priced:batch_tier"]).cost_status == "estimated"


@pytest.mark.parametrize("labels", [["usage:missing"], ["usage:wrong_type"], []])
def test_an_estimate_stays_one(labels: list[str]) -> None:
    """With --estimated, by the counts that were estimated; whatever its raw usage says."""
    changes: dict[str, Any] = {"cost_status": "estimated", "labels": labels}
    for raw in (None, "{}", '{"prompt_tokens":1,"completion_tokens":1}'):
        found = repriced(with_estimates=True, raw_usage=raw, **changes)
        assert (found.cost_nanos, found.cost_status, found.reason) == (COST, "estimated", "")


@given(
    st.text(max_size=9), st.none() | st.text(max_size=9), st.lists(st.text(max_size=20), max_size=3),
    st.none() | st.integers(-(1 << 63), (1 << 63) - 1), st.none() | st.text(max_size=30),
    st.sampled_from(["", "exact", "estimated", "unpriced", "?"]),
)  # fmt: skip
def test_nothing_is_raised_over_any_event(
    vendor: str, model: str | None, labels: list[str], count: int | None, raw: str | None, status: str
) -> None:
    """Whoever wrote it."""
    found = repriced(
        with_estimates=True, vendor=vendor, model_name=model, labels=labels, prompt_tokens=count, raw_usage=raw,
        cost_status=status, attempts=[],
    )  # fmt: skip
    assert found.reason in {*REASONS, ""}
