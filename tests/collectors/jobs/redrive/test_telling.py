"""A report says what came of every letter, and what to do about those that are not settled."""

from __future__ import annotations

from pathlib import Path

from collectors.jobs.redrive.telling import go_on, tell_end
from collectors.jobs.report import Report
from tests.collectors.jobs.redrive.test_ledger import delivery, made_ledger


def test_counts_are_of_outcomes(tmp_path: Path) -> None:
    """Written is what is new; refused again is failed; the rest has names of its own."""
    ledger, _ = made_ledger(tmp_path)
    report = Report("redrive", "mine", matched=7, already_there=2)
    ledger.settle("delivered", delivery(1, 2, 3))
    ledger.settle("fallback", delivery(4))
    ledger.settle("passed", delivery(5))
    ledger.settle("filtered", delivery(6))
    ledger.settle("superseded", delivery(7))
    tell_end(report, ledger, is_stopped=False)
    assert (report.state, report.written, report.passed, report.failed) == ("complete", 2, 1, 1)
    assert report.details == {"fallback": 1, "filtered": 1}
    assert (report.problems, report.exit_code) == ([], 1)


def test_what_is_not_settled_is_said(tmp_path: Path) -> None:
    """Whether it was stopped, lost, or could not be marked or listed."""
    ledger, _ = made_ledger(tmp_path)
    ledger.trouble, ledger.unlisted = "Kafka is away", "f cannot be written"
    lost, stopped = Report("redrive", "mine", matched=2), Report("redrive", "mine", matched=2)
    tell_end(lost, ledger, is_stopped=False)
    assert lost.problems == [
        "2 were not settled: retention deleted them meanwhile, or their service failed",
        "what was settled could not be marked: Kafka is away; it is given back once more by the next redrive",
    ]
    assert (lost.notes, lost.exit_code) == (["f cannot be written"], 1)
    tell_end(stopped, ledger, is_stopped=True)
    assert (stopped.state, stopped.problems[0]) == ("stopped", go_on(stopped, "2 to go"))
    assert "--resume mine" in stopped.problems[0]
