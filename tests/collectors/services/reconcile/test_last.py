"""What the last comparison found, kept for others to see."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from collectors.services.reconcile.last import keep_last, last_result
from collectors.services.reconcile.results import Comparison, Findings, Incomparable, LogCheck
from collectors.services.reconcile.stores import Span

SPAN = Span(1_764_000_000_000_000, 1_764_086_400_000_000)


def test_figures_are_kept_and_the_newest_stands(tmp_path: Path) -> None:
    """Of the log and of each sink, with what explains a difference; not the events one by one."""
    check = LogCheck("budget", boots=2, reported=10, missing=1)
    sink = Comparison("search", "budget", expected=9, missing=2, surplus=1, explained=Counter({"in_flight": 3}))
    findings = Findings([check], [sink], [Incomparable("hook", "nobody knows")])
    keep_last(tmp_path, Findings(), SPAN, 1)
    keep_last(tmp_path, findings, SPAN, 1_764_086_400_000_000)
    found = last_result(tmp_path)
    assert found is not None
    assert (found["at"], found["from"], found["equal"]) == (
        "2025-11-25T16:00:00.000000Z", "2025-11-24T16:00:00.000000Z", False,
    )  # fmt: skip
    assert found["log"][0]["missing"] == 1
    assert (found["sinks"][0]["missing"], found["sinks"][0]["explained"]) == (2, {"in_flight": 3})
    assert found["not_compared"] == [{"sink": "hook", "reason": "nobody knows"}]


@pytest.mark.parametrize("content", [None, b"", b"[1]", b"{"])
def test_what_is_not_there_or_damaged_is_no_result(tmp_path: Path, content: bytes | None) -> None:
    """A page says then that nothing was compared."""
    if content is not None:
        (tmp_path / "reconcile").mkdir()
        (tmp_path / "reconcile" / "last.json").write_bytes(content)
    assert last_result(tmp_path) is None


def test_a_disk_that_refuses_it_ends_no_comparison(tmp_path: Path) -> None:
    """It is logged, and what was found is told by metrics and alerts as ever."""
    (tmp_path / "reconcile").write_text("a file where the folder should be")
    keep_last(tmp_path, Findings(), SPAN, 1)
    assert last_result(tmp_path) is None
