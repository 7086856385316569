"""The metrics of budget truth are in the collectors' catalogue."""

from __future__ import annotations

from collectors.metrics import CollectorMetrics


def test_every_one_is_in_the_process_s_catalogue() -> None:
    """By its name, and each says what it means."""
    metrics = CollectorMetrics()
    own = {metric.name: metric for metric in metrics.registry.metrics() if "_budget_" in metric.name}
    assert set(own) == {
        "sluice_collector_budget_truth_owner",
        "sluice_collector_budget_truth_events_total",
        "sluice_collector_budget_truth_gaps",
        "sluice_collector_budget_difference_nanos",
        "sluice_collector_budget_truth_failures_total",
        "sluice_collector_budget_truth_behind_seconds",
    }
    metrics.budget_truth.differences.set(7, "app")
    assert dict(metrics.budget_truth.differences.series()) == {("app",): 7}
