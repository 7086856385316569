"""From parts to values: exact, by currency, and nothing where nothing was."""

from __future__ import annotations

from fractions import Fraction

import pytest

from sluice.eventstore.panels.answers import Value
from sluice.eventstore.panels.cells import Cell, Part, Pass
from sluice.eventstore.panels.query import Filter, Measure
from sluice.eventstore.panels.tally import WHOLE, Tally, columns_of, meters_of, seconds_of, sum_of

TENTH = Fraction(1, 10)
HALF = (Filter("vendor", "is", ("a",)),)


@pytest.mark.parametrize(
    ("measure", "parts", "value"),
    [
        (Measure(), {None: Part(3)}, 3),
        (Measure(), {}, 0),
        (Measure("sum", "total_tokens"), {None: Part(2, 2**70 + 1)}, 2**70 + 1),
        (Measure("sum", "total_tokens"), {}, 0),
        (Measure("average", "total_tokens"), {None: Part(4, 10)}, 2.5),
        (Measure("average", "total_tokens"), {}, None),
        (Measure("share", where=HALF), {None: Part(4, 1)}, 0.25),
        (Measure("share", where=HALF), {}, None),
        (Measure("rate"), {None: Part(2)}, 1_200.0),
        (Measure("rate", "total_tokens", per_seconds=1), {None: Part(2, 5)}, 50.0),
        (
            Measure("sum", "cost_nanos"),
            {"USD": Part(1, 2**70), "EUR": Part(0, 0), None: Part(1, 3)},
            {"": 3, "USD": 2**70},
        ),
        (Measure("average", "cost_nanos"), {"USD": Part(2, 5), "EUR": Part(2, 7)}, {"EUR": 4, "USD": 2}),
        (Measure("rate", "cost_nanos", per_seconds=1), {"USD": Part(2, 5)}, {"USD": 50}),
        (Measure("sum", "cost_nanos"), {}, {}),
        (Measure("distinct", "vendor"), {None: Part(values=(4,))}, 4),
        (Measure("distinct", "vendor"), {}, 0),
        (Measure("percentiles", "total_micros", (50,)), {None: Part(values=(4.0,))}, 4.0),
        (Measure("percentiles", "total_micros", (50,)), {}, None),
    ],
)
def test_values(measure: Measure, parts: dict[str | None, Part], value: Value) -> None:
    """Each measure of something and of nothing; money's halves go to the even nano."""
    [meter] = meters_of("analytics", [measure])
    assert meter.value(parts, TENTH) == (value,)


def test_a_rate_of_no_time_is_nothing() -> None:
    """Not a division by zero."""
    for measure, value in ((Measure("rate"), 0.0), (Measure("rate", "cost_nanos"), {"USD": 0})):
        [meter] = meters_of("analytics", [measure])
        assert meter.value({"USD": Part(2, 5)}, seconds_of(-5)) == (value,)


def test_columns_are_named_and_told_apart() -> None:
    """By what they are; a second of the same name is numbered."""
    measures = [
        Measure("percentiles", "total_micros", (50, 99.9)),
        Measure("percentiles", "total_micros", (50,), name="slow"),
        Measure(),
        Measure(),
        Measure("sum", "cost_nanos"),
        Measure("share", where=HALF, name="half"),
    ]
    found = [(column.name, column.unit) for column in columns_of("analytics", measures)]
    assert found[:4] == [
        ("p50(total_micros)", "micros"),
        ("p99.9(total_micros)", "micros"),
        ("p50 slow", "micros"),
        ("count", "count"),
    ]
    assert found[4:] == [("count 2", "count"), ("sum(cost_nanos)", "money"), ("half", "share")]


def test_numbers_of_groups_together_tell_their_percentiles() -> None:
    """A store that gives the numbers is asked for no total: the nearest rank of all of them, and each value once."""
    measures = [
        Measure("percentiles", "total_micros", (50, 100)),
        Measure("distinct", "llm_id"),
        Measure("distinct", "vendor"),
    ]
    meters = meters_of("analytics", measures, gives_numbers=True)
    assert [meter.is_additive for meter in meters] == [True, True, False]
    tally = Tally(meters)
    asked = Pass("analytics", 0, 1, (), tuple(measures[:2]), ("app_id",))
    for app_id, numbers in ((1, [2, 9]), (2, [3]), (3, [])):
        tally.add(Cell((app_id,), 0, False, (Part(numbers=(numbers,)), Part(numbers=([1, app_id],)))), asked, [0, 1])
    assert tally.values(None, None, TENTH) == (3.0, 9.0, 3, 0)
    assert tally.values(((1,), False), None, TENTH) == (2.0, 9.0, 1, 0)
    assert tally.values(((3,), False), None, TENTH) == (None, None, 2, 0)


def test_totals_follow_from_cells_of_additive_measures() -> None:
    """Of groups, buckets and currencies; those of the others are only what a pass gave."""
    measures = [Measure("sum", "cost_nanos"), Measure("distinct", "vendor")]
    tally = Tally(meters_of("analytics", measures))
    asked = Pass("analytics", 0, 1, (), (measures[0],), ("app_id",), by_currency=True)
    for app_id, currency, nanos in ((1, "USD", 2), (1, "EUR", 3), (2, "USD", 5)):
        tally.add(Cell((app_id, currency), 0, False, (Part(1, nanos),)), asked, [0])
    tally.add(Cell((1,), 0, False, (Part(values=(9,)),)), Pass("analytics", 0, 1, (), (measures[1],), ("app_id",)), [1])
    assert tally.values(None, None, TENTH) == ({"EUR": 3, "USD": 7}, 0)
    assert tally.values(((1,), False), None, TENTH) == ({"EUR": 3, "USD": 2}, 9)
    assert not tally.has(WHOLE)
    assert sum_of([Part(1, 2), Part(3, 4)]) == Part(4, 6)
