"""Which groups are shown: the order does not depend on the store, and no currency outweighs another."""

from __future__ import annotations

from sluice.eventstore.panels.ranking import ranked


def test_the_largest_come_first_and_names_decide_between_equals() -> None:
    """Groups without a value are last; nothing, numbers and texts can all be keys."""
    values = [(("b",), 1), (("a",), 1), ((None,), 5), ((7,), None), (("z",), 2.5)]
    assert ranked(values) == [(None,), ("z",), ("a",), ("b",), (7,)]


def test_the_largest_of_each_currency_take_turns() -> None:
    """A thousand yen are not more than ten dollars: the first of each stands before the second of any."""
    values = [
        (("yen",), {"JPY": 10**12}),
        (("less yen",), {"JPY": 10**11}),
        (("dollars",), {"USD": 10**9}),
        (("no",), {}),
    ]
    assert ranked(values) == [("dollars",), ("yen",), ("less yen",), ("no",)]
