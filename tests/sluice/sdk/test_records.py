"""Tests of ``sluice.sdk.records``."""

from __future__ import annotations

from decimal import Decimal

import pytest

from sluice.sdk import App, BudgetStatus, LicenseInfo, Llm


@pytest.mark.parametrize(
    ("budget", "used", "remaining", "percentage", "is_over"),
    [
        (None, 5, None, 0.0, False),
        (10, 0, 10, 0.0, False),
        (10, 4, 6, 40.0, False),
        (10, 10, 0, 100.0, False),
        (10, 11, 0, 110.0, True),
        (0, 0, 0, 0.0, False),
        (0, 1, 0, 0.0, True),
    ],
)
def test_what_is_left_of_a_budget(
    budget: int | None, used: int, remaining: int | None, percentage: float, is_over: bool
) -> None:
    """Never less than nothing; an unlimited one has no remainder rather than a large one."""
    status = BudgetStatus(app_id=1, monthly_budget_nanos=budget, used_nanos=used)
    assert (status.remaining_nanos, status.percentage_used, status.is_over_budget) == (remaining, percentage, is_over)
    assert status.remaining_budget == (None if remaining is None else Decimal(remaining) / 10**9)
    assert status.current_usage == Decimal(used) / 10**9


def test_money_is_exact() -> None:
    """In currency units, as decimals; ``None`` is unlimited."""
    assert App(id=1, monthly_budget_nanos=12_500_000_001).monthly_budget == Decimal("12.500000001")
    assert App(id=1).monthly_budget is None
    assert BudgetStatus(app_id=1, monthly_budget_nanos=1).monthly_budget == Decimal("0.000000001")


def test_no_record_has_a_place_for_a_credential() -> None:
    """An LLM says whether it has a key."""
    fields = {*App.__struct_fields__, *Llm.__struct_fields__}
    assert {name for name in fields if "key" in name or "secret" in name or "token" in name} == {
        "has_api_key", "max_tokens",
    }  # fmt: skip


def test_a_licence_restricts_nothing() -> None:
    """For plugins that ask."""
    info = LicenseInfo()
    assert (info.license_valid, info.license_type, info.days_remaining) == (True, "community", -1)
