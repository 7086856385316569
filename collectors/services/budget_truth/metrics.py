"""What budget truth counts of itself."""

from __future__ import annotations

from sluice.telemetry import Registry


class TruthMetrics:
    """The metrics of one process; where it is not the owner ``owner`` is 0, and no figure of this moment is shown."""

    def __init__(self, registry: Registry) -> None:
        self.owner = registry.gauge(
            "sluice_collector_budget_truth_owner",
            "1 in the one process that counts what budgets' scopes spent; 0 where it stands by.",
        )
        self.events = registry.counter(
            "sluice_collector_budget_truth_events_total",
            "Budget events that were read from the log: applied were added, duplicate had been before; conflict, "
            "undecodable and the others are said in alerts.",
            labels=("outcome",),
        )
        self.gaps = registry.gauge(
            "sluice_collector_budget_truth_gaps",
            "Sequence numbers of budget events that are missing for longer than the grace.",
        )
        self.differences = registry.gauge(
            "sluice_collector_budget_difference_nanos",
            "By how much the ledger and the log differ, all budgets of a scope together; only what stayed.",
            "nanos",
            ("scope",),
        )
        self.failures = registry.counter(
            "sluice_collector_budget_truth_failures_total",
            "Times that something could not be done, by what failed: log, database, ledger, or a fault of ours.",
            labels=("cause",),
        )
        self.behind_seconds = registry.gauge(
            "sluice_collector_budget_truth_behind_seconds",
            "Since when the end of the log was last reached.",
            "seconds",
        )

    def disown(self) -> None:
        """Another process counts, or nobody: what was found last would stay for ever."""
        self.owner.set(0)
        for gauge in (self.gaps, self.differences, self.behind_seconds):
            for labels, _ in gauge.series():
                gauge.forget(*labels)
