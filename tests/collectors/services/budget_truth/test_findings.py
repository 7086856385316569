"""Alerts: every kind has a remedy, and a flood of problems is a few alerts with their number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from collectors.alerts import Alerts
from collectors.services.budget_truth.findings import _REMEDIES, QUIET_SECONDS, SERVICE, Findings
from sluice.eventlog.interface import Record


class Heard:
    """A publisher that remembers."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []

    async def publish(self, records: Sequence[Record]) -> None:
        self.bodies += [orjson.loads(record.value or b"") for record in records]

    async def close(self) -> None:
        """Nothing."""


async def test_a_flood_is_one_alert_a_minute_with_its_count() -> None:
    """The first of them is named; another kind does not wait for it."""
    heard, now = Heard(), [0.0]
    findings = Findings(Alerts(heard, "alerts", SERVICE), lambda: now[0])
    for count in (1, 5, 7):
        findings.note({"conflict": (count, f"example {count}")})
        findings.tell()
    findings.note({"absurd": (2, "two")})
    findings.tell()
    now[0] = QUIET_SECONDS
    findings.tell()
    findings.tell()
    await findings.flush()
    told = [(body["kind"], body["count"], body["example"]) for body in heard.bodies]
    assert told == [
        ("budget_truth_conflict", "1", "example 1"),
        ("budget_truth_absurd", "2", "two"),
        ("budget_truth_conflict", "12", "example 5"),
    ]
    assert all(_REMEDIES[body["kind"].removeprefix("budget_truth_")] in body["message"] for body in heard.bodies)


async def test_gaps_and_differences_name_what_an_operator_needs() -> None:
    """The boot and its numbers; the budget, both sums and what lies between."""
    heard = Heard()
    findings = Findings(Alerts(heard, "alerts", SERVICE))
    findings.gap("gw/0/b", "3-5,9", 4)
    findings.difference("app 7, period from 2026-11-01", 12, 5, 2, 9)
    await findings.flush()
    gap, difference = heard.bodies
    assert "4 budget events of gw/0/b are missing: numbers 3-5,9" in gap["message"]
    assert (
        "app 7, period from 2026-11-01: the ledger has 12 nanos, the log's events 5, of which 2"
        in difference["message"]
    )
