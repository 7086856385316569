"""Plugins' steps: the same answers as a store's, of no more logs than the bound, and it says so."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from sluice.eventstore.panels.buckets import buckets_of
from sluice.eventstore.panels.cells import Pass
from sluice.eventstore.panels.query import Filter, Measure, PanelQuery
from sluice.eventstore.panels.steps import MAX_LOGS, fields_needed, is_pushed, steps_of
from tests.sluice.eventstore.panels.oracle import rank

ASKED = Pass("plugin_step", 0, 100, (), (Measure(),), ("plugin",))


def log(moment: int, *steps: tuple[str, str, int], **fields: Any) -> dict[str, Any]:
    """A proxy log as a search gives it."""
    made = [
        {"plugin": name, "hook": "auth", "decision": decision, "micros": micros} for name, decision, micros in steps
    ]
    return {"occurred_at": moment, "event_id": str(moment), "plugins": made, **fields}


LOGS = [
    log(5, ("a", "allow", 10), ("b", "block", 30)),
    log(50, ("a", "failed", 20)),
    log(500, ("a", "allow", 1)),
    log(7),
]


def test_steps_are_grouped_filtered_and_measured() -> None:
    """By plugin within the range: how many, their time, which part blocked."""
    blocked = Filter("decision", "in", ("block", "failed"))
    measures = (Measure(), Measure("sum", "micros"), Measure("share", where=(blocked,)), Measure("distinct", "hook"))
    cells = steps_of(LOGS).cells(replace(ASKED, measures=measures))
    found = {cell.key: [(part.size, part.total, part.values) for part in cell.parts] for cell in cells}
    assert found[("a",)] == [(2, 0, ()), (2, 30, ()), (2, 1, ()), (0, 0, (1,))]
    assert found[("b",)] == [(1, 0, ()), (1, 30, ()), (1, 1, ()), (0, 0, (1,))]


def test_buckets_and_other() -> None:
    """Steps fall into their bucket; plugins that are not chosen are one."""
    buckets = buckets_of(0, 100, "1m", "UTC")
    cells = steps_of(LOGS).cells(replace(ASKED, buckets=buckets, chosen=(("b",),)))
    assert sorted((cell.key, cell.is_other, cell.bucket, cell.parts[0].size) for cell in cells) == [
        ((), True, 0, 2),
        (("b",), False, 0, 1),
    ]


def test_percentiles_are_at_the_nearest_rank() -> None:
    """As plain Python has them, of any number of values."""
    draw = random.Random(1)
    for size in (1, 2, 3, 10, 99, 100, 101):
        values = [draw.randrange(1_000) for _ in range(size)]
        logs = [log(1, *(("a", "allow", value) for value in values))]
        percents = (0.001, 1, 7, 50, 95, 99.9, 100)
        [cell] = steps_of(logs).cells(replace(ASKED, measures=(Measure("percentiles", "micros", percents),)))
        assert list(cell.parts[0].values) == [rank(values, percent) for percent in percents]


def test_more_logs_than_the_bound_are_said() -> None:
    """The newest are counted, and the answer has a note."""
    steps = steps_of([log(1, ("a", "allow", 1))] * (MAX_LOGS + 1))
    assert len(steps.rows) == MAX_LOGS
    assert "of the newest 5,000" in steps.notes()[0]
    assert steps_of(LOGS).notes() == ()


def test_what_is_no_list_of_steps_is_left_out() -> None:
    """A foreign document in an index costs itself and no page."""
    assert (
        steps_of([{"occurred_at": 1, "plugins": "x"}, {"occurred_at": 1, "plugins": ["x"]}, {"occurred_at": 1}]).rows
        == []
    )


def test_conditions_on_the_log_are_the_store_s() -> None:
    """What is about a step is looked at here, what is about the log before; only fields that are needed are read."""
    query = PanelQuery("plugin_step", 0, 1, split_by=("plugin", "vendor"), filters=(Filter("micros", "range", (1, 2)),))
    assert fields_needed(query) == ("event_id", "occurred_at", "plugins", "vendor")
    assert is_pushed(Filter("app_id", "is", (1,)))
    assert not is_pushed(Filter("decision", "is", ("block",)))
    for condition, amount in ((("range", (11, None)), 2), (("range", (9, 3)), 0), (("not", (20,)), 2)):
        kept = steps_of(LOGS).cells(replace(ASKED, split_by=(), filters=(Filter("micros", *condition),)))
        assert sum(cell.parts[0].size for cell in kept) == amount
    some = steps_of(LOGS).cells(replace(ASKED, split_by=(), filters=(Filter("decision", "contains", ("all",)),)))
    assert some[0].parts[0].size == 1
