"""Reports: figures that follow from others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gateway.control.api.report_views import BudgetView, by_plugin, state_of, summary_of
from gateway.control.api.services import BudgetStatus
from sluice.plugin_host.host import PluginHealth

STATUS = BudgetStatus(app_id=1, limit_nanos=3, spent_nanos=1, period_start=0, period_end=1)


def instance(status: Any, plugin_id: int = 1) -> PluginHealth:
    """One of a plugin's."""
    return PluginHealth(str(plugin_id), plugin_id, "x", status, "", status == "ready", 0, 0, 0)


@pytest.mark.parametrize(
    ("limit", "spent", "left", "is_over", "percent"),
    [(3, 1, 2, False, 33.33), (3, 3, 0, False, 100.0), (3, 4, 0, True, 133.33), (0, 4, None, False, 0.0)],
)
def test_what_is_left_of_a_budget(limit: int, spent: int, left: int | None, is_over: bool, percent: float) -> None:
    """Never below zero; at the limit is not over it; without a limit nothing can be."""
    view = BudgetView.of(replace(STATUS, limit_nanos=limit, spent_nanos=spent))
    assert (view.remaining_budget_nanos, view.is_over_budget, view.percentage_used) == (left, is_over, percent)


def test_a_plugin_is_as_well_as_its_worst_instance() -> None:
    """None at all is unknown, which nobody waits for."""
    assert state_of([]) == "unknown"
    assert state_of([instance("ready"), instance("failed")]) == "failed"
    assert state_of([instance("ready")]) == "ready"
    assert summary_of(["ready", "unknown"]).all_ready
    assert not summary_of(["ready", "failed"]).all_ready
    assert {
        key: len(found)
        for key, found in by_plugin([instance("ready", 1), instance("ready", 2), instance("failed", 1)]).items()
    } == {1: 2, 2: 1}
