"""Findings as scripts read them, and when they are equal."""

from __future__ import annotations

from collectors.errors import Retryable
from collectors.services.reconcile.results import Comparison, Findings, Item, LogCheck
from sluice.intervals import Intervals
from tests.collectors.services.reconcile.holdings import BOOT

ITEM = Item("gap", "", "budget", BOOT, Intervals([(3, 5), (9, 9)]))


def test_what_could_not_be_compared_is_not_equal_and_not_missing() -> None:
    """No figure of a difference stands that was only half looked at."""
    comparison = Comparison("rows", "budget", missing=4, surplus=2, items=[ITEM])
    comparison.give_up(Retryable("away"))
    assert (comparison.missing, comparison.surplus, comparison.items) == (0, 0, [])
    assert (comparison.is_equal, comparison.problem) == (False, "away")


def test_everything_must_be_equal() -> None:
    """One gap, one missing or one surplus is enough."""
    good = Comparison("rows", "budget")
    assert Findings([LogCheck("budget")], [good]).is_equal
    assert not Findings([LogCheck("budget", missing=1)], [good]).is_equal
    assert not Findings([], [good, Comparison("rows", "budget", surplus=1)]).is_equal
    assert (
        Findings([LogCheck("budget", items=[ITEM])], [Comparison("rows", "budget", items=[ITEM])]).items == [ITEM] * 2
    )


def test_scripts_get_everything() -> None:
    """Ranges as text; figures by name."""
    assert ITEM.as_dict()["sequences"] == "3-5,9"
    assert ITEM.as_dict()["boot_id"] == BOOT.boot_id
    shown = Comparison("rows", "budget", since=1_000_000, missing=1).as_dict()
    assert (shown["since"], shown["equal"], shown["missing"]) == ("1970-01-01T00:00:01.000000Z", False, 1)
    assert LogCheck("budget", reported=3).as_dict()["equal"] is True
