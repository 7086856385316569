"""Reports: figures that follow from others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.control.api.report_views import BudgetView
from gateway.control.api.services import BudgetStatus

STATUS = BudgetStatus(app_id=1, limit_nanos=3, spent_nanos=1, period_start=0, period_end=1)


@pytest.mark.parametrize(
    ("limit", "spent", "left", "is_over", "percent"),
    [(3, 1, 2, False, 33.33), (3, 3, 0, False, 100.0), (3, 4, 0, True, 133.33), (0, 4, None, False, 0.0)],
)
def test_what_is_left_of_a_budget(limit: int, spent: int, left: int | None, is_over: bool, percent: float) -> None:
    """Never below zero; at the limit is not over it; without a limit nothing can be."""
    view = BudgetView.of(replace(STATUS, limit_nanos=limit, spent_nanos=spent))
    assert (view.remaining_budget_nanos, view.is_over_budget, view.percentage_used) == (left, is_over, percent)
