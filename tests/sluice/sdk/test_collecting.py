"""Tests of ``sluice.sdk.collecting``."""

from __future__ import annotations

from decimal import Decimal

import pytest

from sluice.sdk import BatchResponse, DataCollectionResponse
from sluice.sdk.testing import make_analytics, make_budget_usage, make_proxy_log


def test_money_is_exact() -> None:
    """Nanos are whole; units are decimals, never floats."""
    assert make_analytics(cost_nanos=1).cost == Decimal("0.000000001")
    assert make_budget_usage(cost_nanos=10**18 + 1).cost == Decimal("1000000000.000000001")


def test_an_event_says_when_it_was() -> None:
    """By either name, aware, and it cannot be changed."""
    log = make_proxy_log()
    assert log.timestamp is log.occurred_at
    assert log.timestamp.utcoffset() is not None
    with pytest.raises(AttributeError):
        log.vendor = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("answer", "success", "handled"),
    [
        (DataCollectionResponse.done(), True, True),
        (DataCollectionResponse.passed(), True, False),
        (DataCollectionResponse.failed("why"), False, False),
    ],
)
def test_an_answer_says_what_becomes_of_an_event(answer: DataCollectionResponse, success: bool, handled: bool) -> None:
    """Ours and done, none of ours, again."""
    assert (answer.success, answer.handled) == (success, handled)


def test_a_batch_has_an_answer_for_each_row_that_is_not_simply_done() -> None:
    """By its position."""
    failed = DataCollectionResponse.failed("why")
    assert BatchResponse.of([DataCollectionResponse.done(), failed]).outcomes[1] is failed
    assert BatchResponse().outcomes == {}
