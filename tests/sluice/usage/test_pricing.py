"""Tests of ``sluice.usage.pricing``: settling an event again is settling its exchange."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sluice.money.prices import Price
from sluice.money.usage import Usage
from sluice.usage.counts import BATCH_TIER
from sluice.usage.pricing import settle
from tests.gateway.test_usage import priced

COUNTS = st.none() | st.integers(0, 5_000)
USAGES = st.builds(Usage, *[COUNTS] * 10, tool_requests=st.none() | st.integers(0, 9))


@given(USAGES, st.sampled_from(["", BATCH_TIER, "wrong_type"]), st.booleans(), st.sampled_from([100, 50]))
def test_it_is_what_the_gateway_charges(usage: Usage, problem: str, is_batch: bool, percent: int) -> None:
    """The same nanos and the same status, of tiers of batches, tools and requests too."""
    price = Price(
        "p", "1", "openai", "gpt-4o", "USD", 2_500_000_001, 10_000_000_003, 125, 3_000, audio_prompt_nanos=9_000_000,
        request_nanos=11, tool_request_nanos=10_000, batch_percent=percent,
    )  # fmt: skip
    counted = Usage(*[getattr(usage, name) for name in usage.__struct_fields__])
    exchange = priced(usage=counted, price=price, usage_problem=problem, is_batch=is_batch)
    assert settle(price, counted, problem, is_batch=is_batch) == (exchange.cost_nanos, exchange.cost_status)
