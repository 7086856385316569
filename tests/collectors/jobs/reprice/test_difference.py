"""Tests of ``collectors.jobs.reprice.difference``: exact sums by app and model, and what is in none of them."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from collectors.jobs.reprice.difference import Difference
from collectors.jobs.reprice.repricing import New
from collectors.operations.printing import Printer
from tests.collectors.jobs.reprice.events import an_event

BIG = 10**17 + 1
"""Beyond what a double holds."""


def new(nanos: int = BIG, reason: str = "", currency: str = "USD") -> New:
    """At that price."""
    return New(nanos, currency, "new", "2", "exact", reason)


def filled() -> Difference:
    """Of two apps, two models, and two that are not priced again."""
    difference = Difference()
    for app_id in (7, 7, None):
        difference.add(app_id, 110, an_event(), new())
    difference.add(7, 1, an_event(model_name="=cmd()", cost_nanos=None), new(3))
    difference.add(7, 1, an_event(), new(reason="cut"))
    difference.add(7, 1, an_event(currency="EUR"), new(reason="other_currency"))
    return difference


def test_sums_are_exact() -> None:
    """Integers of any size; what had no cost counts as nothing and is told."""
    rows: list[dict[str, Any]] = list(filled().rows())
    assert [(row["app_id"], row["model"], row["requests"]) for row in rows] == [
        (None, "gpt-4o", 1), (7, "=cmd()", 1), (7, "gpt-4o", 2),
    ]  # fmt: skip
    assert (rows[2]["tokens"], rows[2]["old_nanos"], rows[2]["new_nanos"]) == (220, 10, 2 * BIG)
    assert rows[2]["difference_nanos"] == 2 * BIG - 10
    assert rows[1]["unpriced_before"] == 1
    assert filled().totals() == {
        "USD": {"old_nanos": 15, "new_nanos": 3 * BIG + 3, "difference_nanos": 3 * BIG + 3 - 15}
    }


def test_what_is_not_priced_again_is_named_with_its_sum() -> None:
    """By its reason; another currency is a refusal that names model and currency."""
    kept = {each["reason"]: (each["events"], each["nanos"]) for each in filled().as_dict()["not_repriced"]}
    assert kept == {"cut": (1, {"USD": 5}), "other_currency": (1, {"EUR": 5})}
    assert "1 of gpt-4o in EUR" in filled().refusal()
    assert Difference().refusal() == ""


def test_it_is_shown_and_written_in_nanos(tmp_path: Path) -> None:
    """For eyes in units of the currency; for spreadsheets in nanos, where no model's name is a formula."""
    out = io.StringIO()
    filled().show(Printer(out=out, err=io.StringIO()))
    assert "200000000.000000002" in out.getvalue()
    assert "cut" in out.getvalue()
    filled().write_csv(tmp_path / "out.csv")
    with (tmp_path / "out.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["model"] for row in rows] == ["gpt-4o", "'=cmd()", "gpt-4o"]
    assert rows[2]["new_nanos"] == str(2 * BIG)
