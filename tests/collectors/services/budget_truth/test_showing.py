"""What is printed: money as people read it, exact numbers for scripts, nothing that a terminal obeys."""

from __future__ import annotations

from pathlib import Path

from collectors.services.budget_truth.ledger import BudgetKey, Compared
from collectors.services.budget_truth.rebuilding import Difference, Rebuilt
from collectors.services.budget_truth.showing import show_compared, show_rebuilt, show_truth
from collectors.services.budget_truth.tally import Sum, TotalKey
from tests.collectors.operations.benches import Seen
from tests.collectors.services.budget_truth.making import charge, database_of, event, owned, report

KEY = TotalKey("app", "7", "2025-11-01", 1, 2, "USD")


async def test_a_status_for_eyes_and_for_scripts(tmp_path: Path) -> None:
    """Totals, gaps with their numbers, problems with an example; sums beyond 64 bits are text in JSON."""
    async with owned(database_of(tmp_path)) as bench:
        await bench.feed(event(1, 1_500_000_000), event(3, -1), event(0), report(5))
        await bench.feed(*(event(10 + at, 2**53, charges=[charge("llm", "3")]) for at in range(1_100)))
        truth = await bench.truth()
    eyes, scripts = Seen(as_json=False), Seen()
    show_truth(truth, eyes.printer)
    show_truth(truth, scripts.printer)
    text = eyes.out.getvalue()
    assert "\\x" not in text, "a line break is none of what a terminal must be kept from"
    for part in ("app    7", "1.5", "gw-1/0/", "2,4-9", "absurd", "bad_sequence", "counted now"):
        assert part in text, text
    kinds = [each["kind"] for each in scripts.documents]
    assert kinds == ["total", "total", "gap", "problem", "problem", "covers"]
    assert scripts.documents[1]["spent_nanos"] == str(1_100 * 2**53)
    assert (scripts.documents[2]["numbers"], scripts.documents[2]["missing"]) == ("2,4-9", 7)


def test_a_rebuild_shows_each_difference() -> None:
    """Both sums, and how much was compared."""
    rebuilt = Rebuilt(3, 9, 1, [Difference(KEY, Sum(2_000_000_000), Sum(3_000_000_000))])
    eyes, scripts = Seen(as_json=False), Seen()
    show_rebuilt(rebuilt, eyes.printer)
    show_rebuilt(rebuilt, scripts.printer)
    assert eyes.lines[1].split() == ["app", "7", "2025-11-01", "USD", "2", "3"]
    assert "3 totals of 9 events: 1 differ, 1 are of periods" in eyes.lines[-1]
    difference, summary = scripts.documents
    assert (difference["running"]["spent_nanos"], difference["rebuilt"]["spent_nanos"]) == (2 * 10**9, 3 * 10**9)
    assert (summary["differences"], summary["not_comparable"]) == (1, 1)


def test_a_comparison_shows_both_accounts() -> None:
    """And what stayed."""
    compared = [Compared(BudgetKey("app", "7", 0), 2, 5, 9, 0, 4, 4)]
    eyes, scripts = Seen(as_json=False), Seen()
    show_compared(compared, eyes.printer)
    show_compared(compared, scripts.printer)
    assert "app 7, period from 1970-01-01" in eyes.lines[1]
    assert (scripts.documents[0]["ledger_nanos"], scripts.documents[0]["difference_nanos"]) == (9, 4)
