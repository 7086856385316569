"""What the pass over all groups told is not asked for again, and nothing is told that does not follow from it."""

from __future__ import annotations

from fractions import Fraction

from sluice.eventstore.panels.buckets import DAY, buckets_of
from sluice.eventstore.panels.cells import Cell, Part, Pass
from sluice.eventstore.panels.query import Measure
from sluice.eventstore.panels.tally import Tally, meters_of
from sluice.eventstore.panels.told import Told, told_numbers

COUNT, MONEY = Measure(), Measure("sum", "cost_nanos")
SLOW, APPS = Measure("percentiles", "total_micros", (50,)), Measure("distinct", "vendor")


def told_of(*measures: Measure, is_timed: bool = False, gives_numbers: bool = False) -> list[int]:
    """By number."""
    return told_numbers(meters_of("analytics", measures, gives_numbers=gives_numbers), is_timed=is_timed)


def test_all_groups_are_asked_what_adds_up_and_what_ranks_them() -> None:
    """Sketches of all groups are asked for only where they rank them, and never by currency or bucket."""
    assert told_of(COUNT, SLOW, MONEY) == [0, 2]
    assert told_of(SLOW, COUNT) == [0, 1]
    assert told_of(SLOW, COUNT, is_timed=True) == told_of(SLOW, MONEY) == [0]
    assert told_of(SLOW, MONEY, APPS, is_timed=True, gives_numbers=True) == [0, 1]


def asked(*measures: Measure, **given: object) -> Pass:
    """A pass by app."""
    return Pass("analytics", 0, DAY, (), measures, ("app_id",), **given)  # type: ignore[arg-type]


def test_what_adds_up_tells_other_and_the_whole() -> None:
    """Of sketches only those of groups that are shown."""
    told = Told(
        asked(SLOW, COUNT),
        [0, 1],
        [Cell((app,), 0, False, (Part(values=(float(app),)), Part(app))) for app in (1, 2, 3)],
    )
    tally = Tally(meters_of("analytics", [SLOW, COUNT]))
    told.add_to(tally, frozenset({(3,)}))
    second = Fraction(1)
    assert tally.values(((3,), False), None, second) == (3.0, 3)
    assert tally.values(((), True), None, second) == (None, 3)
    assert tally.values(None, None, second) == (None, 6)


def test_only_the_rest_is_asked_for() -> None:
    """What is told is dropped; a sketch of the chosen groups leaves "other", where there is any, and the whole."""
    meters = meters_of("analytics", [SLOW, COUNT])
    told, chosen = Told(asked(SLOW, COUNT), [0, 1], []), ((3,),)
    finest = asked(SLOW, COUNT, chosen=chosen)
    whole = Pass("analytics", 0, DAY, (), (SLOW,))
    found = list(told.still_wanted([(finest, [0, 1]), (whole, [0])], meters))
    assert found == [(asked(SLOW, chosen=chosen, with_shown=False), [0]), (whole, [0])]
    no_other = asked(SLOW, COUNT, chosen=chosen, with_other=False)
    assert list(told.still_wanted([(no_other, [0, 1])], meters)) == []


def test_sketches_that_were_not_asked_of_all_groups_are_asked_of_the_chosen() -> None:
    """Counts were told, over time as well; percentiles of the chosen groups were not."""
    meters, buckets = meters_of("analytics", [COUNT, SLOW]), buckets_of(0, DAY, "1h", "UTC")
    told = Told(asked(COUNT, buckets=buckets), [0], [])
    finest = asked(COUNT, SLOW, chosen=((3,),), buckets=buckets)
    found = list(told.still_wanted([(finest, [0, 1])], meters))
    assert found == [(asked(SLOW, chosen=((3,),), buckets=buckets), [1])]
