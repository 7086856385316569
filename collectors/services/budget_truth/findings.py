"""What operators must be told: each kind of problem at most once a minute, with how many there were since."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from collectors.alerts import Alerts
from collectors.services.budget_truth.tally import Problems

QUIET_SECONDS = 60.0
SERVICE = "budget_truth"
_REMEDIES = {
    "undecodable": "the totals do not have these events; see `sluice tail`, and dead letters of budget events",
    "unknown_schema": "restart the gateway that wrote them, or make the schema topic whole, then rewind",
    "bad_sequence": "a gateway numbers its events from 1: see which one wrote this",
    "bad_name": "a gateway, worker or boot without a proper name wrote this",
    "absurd": "no exchange costs this: see which gateway wrote it; it is in no total",
    "bad_charge": "charges that cannot be, or one twice: see which gateway wrote it; it is in no total",
    "uncharged": "an event that charges nobody: see which gateway wrote it",
    "bad_report": "something that is no gateway writes to the topic of gateway reports",
    "conflict": "two events under one number: a data directory was copied, or a gateway lies; the first is counted",
    "lost": "the log deleted these before they were read: totals of periods that began before are not whole",
    "rewound": "the log is not the one it was: it is read from its beginning, which changes nothing that is known",
}


class Findings:
    """Alerts of budget truth."""

    def __init__(self, alerts: Alerts, clock: Callable[[], float] = monotonic) -> None:
        self._alerts = alerts
        self._clock = clock
        self._waiting: Problems = {}
        self._told_at: dict[str, float] = {}

    def note(self, problems: Problems) -> None:
        """These happened."""
        for kind, (count, example) in problems.items():
            known, first = self._waiting.get(kind, (0, ""))
            self._waiting[kind] = (known + count, first or example)

    def tell(self) -> None:
        """Alert of what waits and was not told lately."""
        now = self._clock()
        for kind in [*self._waiting]:
            if now - self._told_at.get(kind, -QUIET_SECONDS) >= QUIET_SECONDS:
                count, example = self._waiting.pop(kind)
                self._told_at[kind] = now
                message = f"{kind}: {count}, the first: {example}; {_REMEDIES[kind]}"
                self._alerts.send(f"budget_truth_{kind}", message, {"count": str(count), "example": example})

    def gap(self, boot: str, numbers: str, count: int) -> None:
        """Numbers did not come."""
        message = (
            f"{count} budget events of {boot} are missing: numbers {numbers}; see whether its relay has sent all, and "
            "whether its data directory is whole"
        )
        self._alerts.send("budget_truth_gap", message, {"boot": boot, "numbers": numbers, "count": str(count)})

    def filled(self, boot: str) -> None:
        """They came, after all."""
        self._alerts.send("budget_truth_gap_filled", f"no budget event of {boot} is missing any more", {"boot": boot})

    def agrees(self, budget: str, ledger_nanos: int) -> None:
        """A difference is gone."""
        message = f"{budget}: the ledger and the log's events agree again"
        facts = {"budget": budget, "ledger_nanos": str(ledger_nanos)}
        self._alerts.send("budget_truth_difference_cleared", message, facts)

    def difference(self, budget: str, ledger_nanos: int, truth_nanos: int, baseline_nanos: int, stayed: int) -> None:
        """The ledger and the log do not agree, and that stays."""
        before = f", of which {baseline_nanos} before there was a budget" if baseline_nanos else ""
        message = (
            f"{budget}: the ledger has {ledger_nanos} nanos, the log's events {truth_nanos}{before}; "
            f"a difference of {stayed} stays. See gaps, conflicts, and who writes to the control database"
        )
        facts = {
            "budget": budget, "ledger_nanos": str(ledger_nanos), "truth_nanos": str(truth_nanos),
            "difference_nanos": str(stayed),
        }  # fmt: skip
        self._alerts.send("budget_truth_difference", message, facts)

    async def flush(self) -> None:
        """Publish what was sent, as far as the log takes it."""
        await self._alerts.flush()
