"""Tests of ``sluice.sdk.wire.spending``."""

from __future__ import annotations

import sys

from hypothesis import strategies as st

from sluice.plugin_wire import management_pb2 as pb
from sluice.sdk import BudgetStatus, ModelPrice, wire
from tests.sluice.sdk.wire.strategies import I63, IDS, MICROS, NO_IDS, TEXTS, U31, for_all, sent

NANOS = st.none() | st.integers(0, 1 << 62)
STATUSES = st.builds(
    BudgetStatus,
    app_id=IDS,
    llm_id=NO_IDS,
    monthly_budget_nanos=NANOS,
    used_nanos=I63,
    tokens_used=I63,
    requests_count=U31,
    period_start=MICROS,
    period_end=MICROS,
)
PRICES = st.builds(
    ModelPrice,
    id=IDS,
    **dict.fromkeys(("key", "vendor", "model_name", "currency"), TEXTS),
    **dict.fromkeys(("prompt_nanos", "response_nanos", "cache_read_nanos", "cache_write_nanos"), I63),
    created_at=MICROS,
    updated_at=MICROS,
)


@for_all(STATUSES)
def test_a_budget_comes_back_whole(status: BudgetStatus) -> None:
    """In nanos, exactly."""
    assert wire.budget_status_from_wire(sent(wire.budget_status_to_wire(status))) == status


@for_all(PRICES)
def test_a_price_comes_back_whole(price: ModelPrice) -> None:
    """In nanos for a million tokens, exactly."""
    assert wire.model_price_from_wire(sent(wire.model_price_to_wire(price))) == price


def test_an_unlimited_budget_leaves_more_than_nothing() -> None:
    """``remaining_budget <= 0`` is how plugins check; the largest double is never that."""
    message = wire.budget_status_to_wire(BudgetStatus(app_id=1, used_nanos=5_000_000_000))
    assert (message.monthly_budget, message.remaining_budget) == (sys.float_info.max, sys.float_info.max)
    assert (message.current_usage, message.is_over_budget, message.percentage_used) == (5.0, False, 0.0)


def test_a_budget_that_is_used_up_leaves_nothing() -> None:
    """And says so in each of its fields."""
    status = BudgetStatus(app_id=1, monthly_budget_nanos=2_000_000_000, used_nanos=3_000_000_000)
    message = wire.budget_status_to_wire(status)
    assert (message.remaining_budget, message.is_over_budget, message.percentage_used) == (0.0, True, 150.0)


def test_peers_get_prices_of_one_token() -> None:
    """``cpit`` for the prompt's, ``cpt`` for the response's, in currency units."""
    price = ModelPrice(vendor="v", model_name="m", prompt_nanos=2_500_000_000, response_nanos=10_000_000_000)
    message = wire.model_price_to_wire(price)
    assert (message.cpit, message.cpt) == (2.5e-06, 1e-05)
    peer = pb.ModelPriceInfo(vendor="v", model_name="m", cpit=2.5e-06, cpt=1e-05, currency="USD")
    assert wire.model_price_from_wire(peer) == price


def test_a_peer_s_budget_is_read_by_the_protocol_s_fields() -> None:
    """Currency units and seconds."""
    status = wire.budget_status_from_wire(pb.GetBudgetStatusResponse(app_id=1, current_usage=1.5, period_start=7))
    assert (status.used_nanos, status.monthly_budget_nanos, status.period_start) == (1_500_000_000, 0, 7_000_000)
